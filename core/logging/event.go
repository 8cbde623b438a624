package logging

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"sync"
)

// eventHandler formats an event and hands it over with its letter to a log
// that adds time and severity itself. Handlers made from one share its line,
// and so its lock.
type eventHandler struct {
	slog.Handler // formats
	send         func(letter, line string, fields map[string]string) error
	mu           *sync.Mutex
	line         *bytes.Buffer
	fields       map[string]string // of the attributes so far; nil: the log has none
	group        string            // what the names of further ones begin with
}

func newEventHandler(send func(letter, line string) error) *eventHandler {
	line := new(bytes.Buffer)
	format := slog.NewTextHandler(line, &slog.HandlerOptions{Level: LevelTrace, ReplaceAttr: withoutTime})
	return &eventHandler{
		Handler: format,
		send:    func(letter, line string, _ map[string]string) error { return send(letter, line) },
		mu:      new(sync.Mutex), line: line,
	}
}

func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return slog.Attr{}
	}
	return a
}

func (h *eventHandler) Handle(ctx context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.line.Reset()
	h.Handler.Handle(ctx, r) // a buffer takes everything
	fields := maps.Clone(h.fields)
	if fields != nil {
		r.Attrs(func(a slog.Attr) bool {
			addField(fields, h.group, a)
			return true
		})
	}
	return h.send(letter(r.Level), h.line.String(), fields)
}

func (h *eventHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.Handler = h.Handler.WithAttrs(attrs)
	if c.fields = maps.Clone(h.fields); c.fields != nil {
		for _, a := range attrs {
			addField(c.fields, h.group, a)
		}
	}
	return &c
}

func (h *eventHandler) WithGroup(name string) slog.Handler {
	c := *h
	c.Handler = h.Handler.WithGroup(name)
	c.group += name + "_"
	return &c
}
