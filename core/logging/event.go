package logging

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
)

// eventHandler formats an event and hands it over with its letter to the
// system's log, which adds time and severity itself. Handlers
// made from one share its line, and so its lock.
type eventHandler struct {
	send   func(letter, line string) error
	mu     *sync.Mutex
	line   *bytes.Buffer
	format slog.Handler
}

func newEventHandler(send func(letter, line string) error) *eventHandler {
	line := new(bytes.Buffer)
	format := slog.NewTextHandler(line, &slog.HandlerOptions{Level: LevelTrace, ReplaceAttr: withoutTime})
	return &eventHandler{send: send, mu: new(sync.Mutex), line: line, format: format}
}

func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return slog.Attr{}
	}
	return a
}

func (h *eventHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *eventHandler) Handle(ctx context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.line.Reset()
	if err := h.format.Handle(ctx, r); err != nil {
		return err
	}
	return h.send(letter(r.Level), h.line.String())
}

func (h *eventHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.format = h.format.WithAttrs(attrs)
	return &c
}

func (h *eventHandler) WithGroup(name string) slog.Handler {
	c := *h
	c.format = h.format.WithGroup(name)
	return &c
}
