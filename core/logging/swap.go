package logging

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// places is where events go now.
type places struct {
	handler atomic.Pointer[slog.MultiHandler]
}

func (p *places) set(h *slog.MultiHandler) { p.handler.Store(h) }

// swapped is a handler that looks up the places for each event, so that a
// logger handed out at the start follows every Reopen. with holds what was
// asked of it by WithAttrs and WithGroup, in order.
type swapped struct {
	places *places
	with   []func(slog.Handler) slog.Handler
}

func (s swapped) Enabled(ctx context.Context, level slog.Level) bool {
	return s.places.handler.Load().Enabled(ctx, level)
}

func (s swapped) Handle(ctx context.Context, r slog.Record) error {
	var h slog.Handler = s.places.handler.Load()
	for _, with := range s.with {
		h = with(h)
	}
	return h.Handle(ctx, r)
}

func (s swapped) WithAttrs(attrs []slog.Attr) slog.Handler {
	return s.plus(func(h slog.Handler) slog.Handler { return h.WithAttrs(attrs) })
}

func (s swapped) WithGroup(name string) slog.Handler {
	return s.plus(func(h slog.Handler) slog.Handler { return h.WithGroup(name) })
}

func (s swapped) plus(f func(slog.Handler) slog.Handler) slog.Handler {
	return swapped{s.places, append(s.with[:len(s.with):len(s.with)], f)}
}
