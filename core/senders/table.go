package senders

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sync/singleflight"
)

// maxSender bounds the name of a sender, in bytes.
const maxSender = 400

// Table answers what senders may do. Its methods may be called concurrently.
type Table struct {
	backend backend
	timeout time.Duration
	compile func(string) (Numbers, error)
	cache   *cache
	asking  singleflight.Group
	ctx     context.Context // ends with Close
	stop    context.CancelFunc
}

// backend is where the rows are.
type backend interface {
	// find returns the row of a sender, whose name is in small letters, within its
	// bounds and not empty; nil where there is none.
	find(ctx context.Context, name string) (row, error)
	Close() error
}

// New sets up the backend, nil where there is none. It does not connect to a
// server, so that one that is down now does no harm. compile readies a
// numbers_allowed. The error joins an OptionError for each thing wrong.
func New(o Options, compile func(expression string) (Numbers, error), log *slog.Logger) (*Table, error) {
	if o.Backend == "none" {
		return nil, nil
	}
	open, ok := backends[o.Backend]
	if !ok {
		return nil, bad("backend", "%q is none of none, %s", o.Backend, strings.Join(slices.Sorted(maps.Keys(backends)), ", "))
	}
	if o.Timeout <= 0 {
		return nil, bad("timeout", "%v is no time limit", o.Timeout)
	}
	t := &Table{timeout: o.Timeout, compile: compile, cache: newCache(o.Cache, time.Now)}
	t.ctx, t.stop = context.WithCancel(context.Background())
	var err error
	if t.backend, err = open(o, t, log); err != nil {
		t.stop()
		return nil, err
	}
	return t, nil
}

// Find returns the rights of a sender, or nil for one that the table does not
// have. The error is for the log: the table cannot be asked, or its row cannot be
// understood.
func (t *Table) Find(ctx context.Context, sender string) (*Rights, error) {
	name := lowered(sender)
	if checkName(name) != nil {
		return nil, nil // no table has such a name; databases answer it with errors of their own
	}
	if found, ok := t.cache.get(name); ok {
		return found, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	answer := t.asking.DoChan(name, func() (any, error) {
		if found, ok := t.cache.get(name); ok { // since this one began to wait
			return found, nil
		}
		// Not the mail's context: others wait for the same answer.
		ctx, cancel := context.WithTimeout(t.ctx, t.timeout)
		defer cancel()
		found, err := t.ask(ctx, name)
		if err == nil {
			t.cache.put(name, found)
		}
		return found, err
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case a := <-answer:
		found, _ := a.Val.(*Rights)
		return found, a.Err
	}
}

func (t *Table) ask(ctx context.Context, name string) (*Rights, error) {
	found, err := t.backend.find(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("senders: looking up %q: %w", name, err)
	}
	if found == nil {
		return nil, nil
	}
	rights, err := found.rights(t.compile)
	if err != nil {
		return nil, fmt.Errorf("senders: the row of %q: %w", name, err)
	}
	return rights, nil
}

// Close ends connections that are kept open. A nil table has none.
func (t *Table) Close() error {
	if t == nil {
		return nil
	}
	t.stop()
	return t.backend.Close()
}

// lowered is a name in small letters: ASCII alone, since that is what the case
// of mail addresses is about.
func lowered(name string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, name)
}

// checkName says why a name cannot be a sender's.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("it is empty")
	case len(name) > maxSender:
		return fmt.Errorf("it has more than %d bytes", maxSender)
	case !utf8.ValidString(name):
		return errors.New("it is not UTF-8")
	case strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("it has control characters")
	}
	return nil
}
