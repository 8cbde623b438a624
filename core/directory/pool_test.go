package directory

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// hungUp is what a request gets on a connection that is lost.
var hungUp = ldap.NewError(ldap.ErrorNetwork, errors.New("the server hung up"))

// counted is a pool whose connections lead nowhere.
type counted struct {
	*Pool
	opened, closed atomic.Int32
	mu             sync.Mutex
	far            net.Conn        // the other end of the last one
	ctx            context.Context // that of its opening
}

// wire is a connection that counts its end.
type wire struct {
	net.Conn
	closed *atomic.Int32
	once   atomic.Bool
}

func (w *wire) Close() error {
	if !w.once.Swap(true) {
		w.closed.Add(1)
	}
	return w.Conn.Close()
}

func newCounted() *counted {
	p := new(counted)
	p.Pool = NewPool(func(ctx context.Context) (*Conn, error) {
		here, there := net.Pipe()
		p.opened.Add(1)
		p.mu.Lock()
		p.far, p.ctx = there, ctx
		p.mu.Unlock()
		conn := ldap.NewConn(here, false)
		conn.Start()
		return &Conn{conn, &wire{Conn: here, closed: &p.closed}}, nil
	}, 5*time.Second, time.Minute)
	return p
}

// is compares how many connections were opened and closed so far.
func (p *counted) is(t *testing.T, when string, opened, closed int32) {
	t.Helper()
	synctest.Wait()
	if p.opened.Load() != opened || p.closed.Load() != closed {
		t.Errorf("%s: %d were opened and %d closed, want %d and %d", when, p.opened.Load(), p.closed.Load(), opened, closed)
	}
}

// TestPoolKeeps: a connection serves the next request, also behind a refusal.
func TestPoolKeeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newCounted()
		no := ldap.NewError(ldap.LDAPResultInvalidCredentials, errors.New("no"))
		for _, want := range []error{nil, no, nil} {
			if err := p.Do(t.Context(), func(*ldap.Conn) error { return want }); err != want {
				t.Errorf("%v, want %v", err, want)
			}
		}
		p.is(t, "three requests", 1, 0)
		if p.ctx.Err() == nil {
			t.Error("the time limit of opening goes on behind it")
		}
		p.Close()
		p.is(t, "at the end", 1, 1)
	})
}

// use has that many requests at the same time, each on a connection of its own.
func (p *counted) use(t *testing.T, n int) (done func()) {
	t.Helper()
	go_on, ended := make(chan struct{}), make(chan error, n)
	for range n {
		go func() { ended <- p.Do(t.Context(), func(*ldap.Conn) error { <-go_on; return nil }) }()
	}
	synctest.Wait()
	return func() {
		close(go_on)
		for range n {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		time.Sleep(time.Second) // so that they are kept ones from now on
	}
}

// TestPoolTriesAgain: a kept connection that the server has closed is nobody's
// failure; a new one that fails is the answer.
func TestPoolTriesAgain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		bad, asked int   // how many of the requests fail, and how many there are
		want       error // of the last
	}{{0, 1, nil}, {1, 2, nil}, {2, 3, nil}, {3, 3, hungUp}} {
		synctest.Test(t, func(t *testing.T) {
			p := newCounted()
			defer p.Close()
			p.use(t, 2)()
			asked := 0
			err := p.Do(t.Context(), func(*ldap.Conn) error {
				if asked++; asked <= tt.bad {
					return hungUp
				}
				return nil
			})
			if asked != tt.asked || err != tt.want {
				t.Errorf("%d bad ones: asked %d times, %v", tt.bad, asked, err)
			}
			p.is(t, "afterwards", int32(max(2, tt.asked)), int32(tt.bad))
		})
	}
}

// TestPoolDropsWhatIsLost: a connection that ended behind its answer, or in the
// middle of it, serves no other request.
func TestPoolDropsWhatIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newCounted()
		defer p.Close()
		if err := p.Do(t.Context(), func(*ldap.Conn) error { p.far.Close(); synctest.Wait(); return nil }); err != nil {
			t.Error(err)
		}
		p.is(t, "the server hung up", 1, 1)
		p.use(t, 1)()
		for i, answer := range []error{nil, hungUp} {
			ctx, cancel := context.WithCancel(t.Context())
			asked := 0
			err := p.Do(ctx, func(*ldap.Conn) error {
				asked++
				cancel()
				synctest.Wait()
				if p.closed.Load() != int32(i+2) {
					t.Error("the request goes on when nobody waits for it")
				}
				return answer
			})
			if err != answer || asked != 1 {
				t.Errorf("asked %d times, %v, want %v", asked, err, answer)
			}
			p.use(t, 1)()
		}
		p.is(t, "given up twice", 4, 3)
	})
}

// TestPoolIsBounded: the ninth request waits, no longer than it may; the end of
// the pool waits for the others.
func TestPoolIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newCounted()
		done := p.use(t, 9)
		p.is(t, "nine requests", 8, 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := p.Do(ctx, func(*ldap.Conn) error { t.Error("it was asked"); return nil })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without a place: %v", err)
		}
		done()
		p.is(t, "nine requests, one behind the others", 8, 0)
		done = p.use(t, 1)
		closed := make(chan struct{})
		go func() { p.Close(); close(closed) }()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("the end came in the middle of a request")
		default:
		}
		done()
		<-closed
		p.is(t, "at the end", 8, 8)
	})
}

// TestPoolCannotOpen: why is the answer, also where the server is silent and the
// request has no time limit.
func TestPoolCannotOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("down")
		p := NewPool(func(ctx context.Context) (*Conn, error) { <-ctx.Done(); return nil, down }, 5*time.Second, time.Minute)
		defer p.Close()
		begun := time.Now()
		if err := p.Do(t.Context(), func(*ldap.Conn) error { t.Error("it was asked"); return nil }); !errors.Is(err, down) || time.Since(begun) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}

// TestPoolClosesIdle: what nobody has used for a minute ends within the next
// half; what was used since stays.
func TestPoolClosesIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newCounted()
		defer p.Close()
		begun := time.Now()
		at := func(seconds time.Duration, opened, closed int32) {
			t.Helper()
			time.Sleep(time.Until(begun.Add(seconds * time.Second)))
			p.is(t, time.Since(begun).String(), opened, closed)
		}
		p.use(t, 3)()
		at(10, 3, 0)
		p.use(t, 2)()
		at(59, 3, 0)
		at(61, 3, 1)
		p.use(t, 1)()
		at(69, 3, 1)
		at(91, 3, 2) // looked at each half minute
		at(121, 3, 2)
		at(151, 3, 3)
	})
}
