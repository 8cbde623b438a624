package milter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/config"
	"smtpreceiver/milter/guard/guardtest"
)

// shutdownBegins lets Shutdown run until it refuses new messages.
func shutdownBegins(t *testing.T, g *gate, ctx context.Context) (done chan error) {
	t.Helper()
	done = make(chan error, 1)
	go func() { done <- g.Shutdown(ctx) }()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		g.mu.Lock()
		draining := g.draining
		g.mu.Unlock()
		if draining {
			return done
		}
		if time.Now().After(deadline) {
			t.Fatal("shutdown does not begin")
		}
	}
}

func closed(t *testing.T, c net.Conn) {
	t.Helper()
	if answer, err := guardtest.Read(c); err == nil || guardtest.IsTimeout(err) {
		t.Errorf("answer %q, %v; want the connection closed", answer, err)
	}
}

// TestShutdown: the running message is finished and answered, everything else
// is hung up on.
func TestShutdown(t *testing.T) {
	t.Parallel()
	g := open(t, loopbackClients).serve(t, "")
	running, next, idle := g.dial(t), g.dial(t), g.dial(t)
	guardtest.Ask(t, running, guardtest.Negotiation)
	guardtest.Ask(t, running, connect+mailFrom+faxRcpt)
	guardtest.Ask(t, next, guardtest.Negotiation)
	guardtest.Ask(t, next, connect+mailFrom+okRcpt)
	guardtest.Ask(t, next, data) // this message is over
	guardtest.Ask(t, idle, guardtest.Negotiation)

	done := shutdownBegins(t, g, context.Background())
	fmt.Fprint(next, mailFrom+faxRcpt) // a message that begins now is not begun
	closed(t, next)
	guardtest.Ask(t, running, data)
	fmt.Fprint(running, content+end)
	if got := strings.Join(answers(running), " "); got != "-<61388454@fax> a" { // and then the end of the connection
		t.Errorf("running message: %q", got)
	}
	closed(t, idle)
	if err := mtatest.Receive(t, "the shutdown", done); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("unix", g.dir+"/m"); err == nil {
		t.Error("still accepts connections")
	}
	if all := jobs(t, g.dir); len(all) != 1 {
		t.Errorf("%d jobs, want 1", len(all))
	}
}

// TestShutdownEnds: what is not finished in time is given up, and leaves nothing.
func TestShutdownEnds(t *testing.T) {
	t.Parallel()
	g := open(t, loopbackClients).serve(t, "")
	c := g.dial(t)
	guardtest.Ask(t, c, guardtest.Negotiation)
	guardtest.Ask(t, c, connect+mailFrom+faxRcpt)
	guardtest.Ask(t, c, data)
	fmt.Fprint(c, content)
	ctx, cancel := context.WithCancel(context.Background())
	done := shutdownBegins(t, g, ctx)
	cancel()
	if err := mtatest.Receive(t, "the shutdown", done); err != context.Canceled {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	if g.ctx.Err() == nil {
		t.Error("what works for a message, as a look-up, is not told that nobody waits for it")
	}
	closed(t, c)
	if all := jobs(t, g.dir); len(all) != 0 {
		t.Errorf("%d jobs, want none", len(all))
	}
	nothingLeft(t, g.dir)
}

func TestServeAfterShutdown(t *testing.T) {
	t.Parallel()
	g := open(t, loopbackClients)
	g.shutdown(t)
	l := guardtest.Listen(t)
	if err := g.Serve(l); err != nil {
		t.Errorf("error %v, want none", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("listener is still open: %v", err)
	}
}

// TestPing: each listener is asked, and one that accepts no more is named.
func TestPing(t *testing.T) {
	t.Parallel()
	for gone := range 3 {
		g := open(t, loopbackClients)
		want := ""
		for i := range 3 {
			l := guardtest.Listen(t)
			if i == gone {
				l.Close()
				want = l.Addr().String()
				if err := g.Serve(closedListener{l.(*net.TCPListener)}); err == nil {
					t.Fatal("a closed listener is served")
				}
				continue
			}
			g.served.Go(func() { g.Serve(l) })
			eventually(t, "the listener to be served", func() bool {
				g.mu.Lock()
				defer g.mu.Unlock()
				return len(g.acceptors) == i+1
			})
		}
		if err := g.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("listener %d is gone: %v, want %s named", gone, err, want)
		}
	}
	g := open(t, loopbackClients).serve(t, "")
	if err := g.Ping(t.Context()); err != nil {
		t.Errorf("all listeners are served: %v", err)
	}
}

// closedListener was closed before it is served, and again.
type closedListener struct{ *net.TCPListener }

func (closedListener) Close() error { return nil }

// TestServeSaysWhyItEnds: a listener that is gone while nobody shuts down is no
// proper end.
func TestServeSaysWhyItEnds(t *testing.T) {
	t.Parallel()
	g := open(t, loopbackClients)
	ended := make(chan error, 1)
	go func() { ended <- g.Serve(goneListener{guardtest.Listen(t)}) }()
	if err := mtatest.Receive(t, "Serve to end", ended); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v, want that the listener is closed", err)
	}
}

// goneListener accepts nothing any more.
type goneListener struct{ net.Listener }

func (goneListener) Accept() (net.Conn, error) { return nil, net.ErrClosed }

// TestReload: an open connection goes on, its next message by the new rules.
func TestReload(t *testing.T) {
	t.Parallel()
	g := open(t, "clients: [192.0.2.0/24]\n").serve(t, "")
	c := g.dial(t)
	guardtest.Ask(t, c, guardtest.Negotiation)
	fmt.Fprint(c, connect+mailFrom)
	if got := guardtest.Ask(t, c, faxRcpt); got[0] != 'y' {
		t.Errorf("client on no list: %q, want a refusal", got)
	}
	passing := settings(t, g.dir, "clients: [192.0.2.0/24]\nmilter: {on_unlisted_client: pass}\n"+applications)
	if err := g.receiver.Reload(passing); err != nil {
		t.Fatal(err)
	}
	if got := guardtest.Ask(t, c, okRcpt+faxRcpt); got != "c" { // the answer to okRcpt
		t.Errorf("%q", got)
	}
	if got, _ := guardtest.Read(c); got[0] != 'y' {
		t.Errorf("message begun under the old rules: %q, want a refusal", got)
	}
	if got := guardtest.Ask(t, c, mailFrom+faxRcpt); got != "c" {
		t.Errorf("on_unlisted_client: pass: %q, want c", got)
	}
	if got := guardtest.Ask(t, c, data); got != "a" {
		t.Errorf("passed on: %q, want a", got)
	}
	if err := g.receiver.Reload(reloaded(t, g)); err != nil {
		t.Fatal(err)
	}
	guardtest.Ask(t, c, mailFrom+faxRcpt)
	if got := guardtest.Ask(t, c, data); got != "c" {
		t.Errorf("client now on a list: %q, want c", got)
	}
}

func reloaded(t *testing.T, g *gate) *config.Settings {
	return settings(t, g.dir, loopbackClients+applications)
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	g := open(t, loopbackClients)
	g.Server.Reload(Options{Timeout: time.Millisecond})
	g.serve(t, "")
	c := g.dial(t)
	guardtest.Ask(t, c, guardtest.Negotiation)
	closed(t, c)
}
