package socket

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"smtpreceiver/contrib/mtatest"
)

// TestPing: an accept loop answers as long as it goes round, and goes on
// accepting.
func TestPing(t *testing.T) {
	t.Parallel()
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")} {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		p := NewAcceptor(l, slog.New(slog.NewTextHandler(&log, nil)))
		accepted, stuck := make(chan net.Conn), make(chan struct{})
		go func() {
			defer close(accepted)
			for {
				c, err := p.Accept()
				if err != nil {
					return
				}
				accepted <- c
				<-stuck
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if err := p.Ping(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		dialed, err := net.Dial(network, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c := mtatest.Receive(t, "a connection", accepted)
		if c == nil {
			t.Fatalf("%s: nothing accepted after the pings", network)
		}
		short, done := context.WithTimeout(ctx, 20*time.Millisecond)
		if err := p.Ping(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: a loop that stands still: %v", network, err)
		}
		done()
		close(stuck)
		if err := p.Ping(ctx); err != nil {
			t.Errorf("%s: the loop goes on: %v", network, err)
		}
		dialed.Close()
		c.Close()
		l.Close()
		mtatest.Receive(t, "the loop to end", accepted)
		if log.Len() > 0 {
			t.Errorf("%s: a ping is no error: %s", network, &log)
		}
		if err := p.Ping(ctx); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: closed: %v", network, err)
		}
	}
}

// quick is a listener whose loop notices a ping before this one waits for the answer.
type quick struct {
	acceptScript
	pinged func()
}

func (l *quick) SetDeadline(at time.Time) error {
	if !at.IsZero() {
		l.pinged()
	}
	return nil
}

// TestPingQuickAnswer: an answer that comes first is not lost, and only a time-out is one.
func TestPingQuickAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(quick)
		p := newPinger(l)
		for _, c := range []struct {
			accept error
			answer bool
		}{{os.ErrDeadlineExceeded, true}, {syscall.EMFILE, false}} {
			l.pinged = func() {
				if p.answers(c.accept) != c.answer {
					t.Errorf("%v: not %v", c.accept, c.answer)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if err := p.ping(ctx); (err == nil) != c.answer {
				t.Errorf("%v: %v", c.accept, err)
			}
			cancel()
		}
	})
}
