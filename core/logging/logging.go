// Package logging makes the program's logger: one event, up to three places
// (console, event log, dated file), each with its own choice of levels by the
// original's letters E, W, I and T.
package logging

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
)

// LevelTrace is the level of letter T: protocol dialogue and received data.
const LevelTrace = slog.LevelDebug - 4

// Options says where events go. Each set of letters is a subset of "EWIT";
// an empty set silences the place.
type Options struct {
	Console  string
	EventLog string // syslog or journald on Unix, the Event Log on Windows
	File     string
	FileName string // "smtp.log" is written as smtp_YYMMDD.log; empty: no file
	KeepDays int    // days a dated file stays; 0: for ever
}

// Log is a logger whose places can be exchanged while it is in use.
type Log struct {
	*slog.Logger
	places  *places
	recent  *recent
	console io.Writer
	closer  io.Closer
}

// Open makes a logger. A file that cannot be opened is an error; an event log
// that is not there is only a warning, because a container has none.
func Open(o Options, console io.Writer) (*Log, error) {
	p := new(places)
	l := &Log{Logger: slog.New(swapped{places: p}), places: p, recent: &recent{counts: map[string]uint64{}}, console: console}
	return l, l.Reopen(o)
}

// Reopen exchanges the places for those of o. On an error the old ones stay.
// Calls must not overlap.
func (l *Log) Reopen(o Options) error {
	var (
		handlers = []slog.Handler{letters{newEventHandler(l.recent.add), "EW"}}
		closer   closers
		missing  error
		native   = journal.Enabled()
	)
	switch onStream := isJournal(l.console); {
	case onStream && native: // an event comes once, and rather with its fields
		handlers = append(handlers, letters{newStreamHandler(l.console), without(o.Console, o.EventLog)})
	case onStream:
		handlers = append(handlers, letters{newStreamHandler(l.console), o.Console})
	case o.Console != "":
		handlers = append(handlers, lines(o.Console, l.console))
	}
	if o.File != "" && o.FileName != "" {
		f := &datedFile{name: o.FileName, keepDays: o.KeepDays, now: time.Now}
		if err := f.open(); err != nil {
			return err
		}
		closer = append(closer, f)
		handlers = append(handlers, lines(o.File, f))
	}
	switch {
	case native:
		handlers = append(handlers, letters{newJournalHandler(), o.EventLog})
	case o.EventLog != "":
		send, c, err := openEventLog()
		if missing = err; err == nil {
			closer = append(closer, c)
			handlers = append(handlers, letters{newEventHandler(send), o.EventLog})
		}
	}
	old := l.closer
	l.places.set(slog.NewMultiHandler(handlers...))
	l.closer = closer
	if missing != nil {
		l.Warn("event log not reachable: events of log_event_log go nowhere", "error", missing.Error())
	}
	if old != nil {
		if err := old.Close(); err != nil {
			l.Warn("closing the log of before", "error", err.Error())
		}
	}
	return nil
}

// Close ends the file and the connection to the event log.
func (l *Log) Close() error { return l.closer.Close() }

// lines writes the events of the given letters to w, one line each.
func lines(set string, w io.Writer) slog.Handler {
	return letters{slog.NewTextHandler(w, &slog.HandlerOptions{Level: LevelTrace, ReplaceAttr: replaceLevel}), set}
}

// letters passes on the events whose level has its letter in set.
type letters struct {
	slog.Handler
	set string
}

func (l letters) Enabled(_ context.Context, level slog.Level) bool {
	return strings.Contains(l.set, letter(level))
}

func (l letters) WithAttrs(attrs []slog.Attr) slog.Handler {
	return letters{l.Handler.WithAttrs(attrs), l.set}
}

func (l letters) WithGroup(name string) slog.Handler {
	return letters{l.Handler.WithGroup(name), l.set}
}

func letter(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return "E"
	case level >= slog.LevelWarn:
		return "W"
	case level >= slog.LevelInfo:
		return "I"
	}
	return "T"
}

func replaceLevel(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.LevelKey {
		if level, ok := a.Value.Any().(slog.Level); ok {
			a.Value = slog.StringValue(letter(level))
		}
	}
	return a
}

type closers []io.Closer

func (c closers) Close() error {
	var errs []error
	for _, x := range c {
		errs = append(errs, x.Close())
	}
	return errors.Join(errs...)
}
