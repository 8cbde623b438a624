package senders

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"smtpreceiver/core/senders/row"
)

// Table answers what senders may do. Its methods may be called concurrently.
type Table struct {
	backend backend
	timeout time.Duration
	compile func(string) (row.Numbers, error)
	cache   *cache
	ctx     context.Context // ends with Close
	stop    context.CancelFunc

	mu     sync.Mutex
	asking map[string]*question
}

// question is one look-up, shared by the mails that wait for its answer.
type question struct {
	waiting int // mails; the last one that gives up ends the look-up
	cancel  context.CancelFunc

	answered chan struct{}
	rights   *row.Rights
	err      error
}

// backend is where the rows are.
type backend interface {
	// find returns the row of a sender, whose name is in small letters, within its
	// bounds and not empty; nil where there is none.
	find(ctx context.Context, name string) (row.Row, error)
	Close() error
}

// New sets up the backend, nil where there is none. It does not connect to a
// server, so that one that is down now does no harm. compile readies a
// numbers_allowed. The error joins an OptionError for each thing wrong.
func New(o Options, compile func(expression string) (row.Numbers, error), log *slog.Logger) (*Table, error) {
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
	t := &Table{timeout: o.Timeout, compile: compile, cache: newCache(o.Cache, time.Now), asking: map[string]*question{}}
	var err error
	if t.backend, err = open(o, t, log); err != nil {
		return nil, err
	}
	t.ctx, t.stop = context.WithCancel(context.Background())
	return t, nil
}

// Find returns the rights of a sender, or nil for one that the table does not
// have. The error is for the log: the table cannot be asked, or its row cannot be
// understood.
func (t *Table) Find(ctx context.Context, sender string) (*row.Rights, error) {
	name := row.Lowered(sender)
	if row.CheckName(name) != nil {
		return nil, nil // no table has such a name; databases answer it with errors of their own
	}
	if found, ok := t.cache.get(name); ok {
		return found, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	q := t.join(name)
	defer t.leave(name, q)
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-q.answered:
		return q.rights, q.err
	}
}

// join waits for the answer to a question, and asks it where no other mail has.
func (t *Table) join(name string) *question {
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.asking[name]
	if q == nil {
		ctx, cancel := context.WithTimeout(t.ctx, t.timeout) // of no mail: others may wait for the same answer
		q = &question{cancel: cancel, answered: make(chan struct{})}
		t.asking[name] = q
		go func() {
			q.rights, q.err = t.answer(ctx, name)
			t.mu.Lock()
			t.forget(name, q)
			t.mu.Unlock()
			close(q.answered)
		}()
	}
	q.waiting++
	return q
}

// leave waits no more.
func (t *Table) leave(name string, q *question) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.waiting--; q.waiting == 0 {
		q.cancel()
		t.forget(name, q)
	}
}

// forget lets the next mail ask anew. It is called with mu held.
func (t *Table) forget(name string, q *question) {
	if t.asking[name] == q {
		delete(t.asking, name)
	}
}

func (t *Table) answer(ctx context.Context, name string) (*row.Rights, error) {
	if found, ok := t.cache.get(name); ok { // since the mail began to wait
		return found, nil
	}
	found, err := t.ask(ctx, name)
	if err == nil {
		t.cache.put(name, found)
	}
	return found, err
}

func (t *Table) ask(ctx context.Context, name string) (*row.Rights, error) {
	found, err := t.backend.find(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("senders: looking up %q: %w", name, err)
	}
	if found == nil {
		return nil, nil
	}
	rights, err := found.Rights(t.compile)
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
