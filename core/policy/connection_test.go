package policy

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/reply"
)

// TestFullIsSaidOnceEachTime: that there are too many is one line, until there was
// room again; a server that goes down takes none, and says nothing.
func TestFullIsSaidOnceEachTime(t *testing.T) {
	t.Parallel()
	log := new(logged)
	s := NewServer(denied, slog.New(slog.NewTextHandler(log, nil)))
	s.limit = 2
	connection := func() net.Conn {
		here, there := net.Pipe()
		t.Cleanup(func() { here.Close(); there.Close() })
		return here
	}
	first := connection()
	for i, step := range []struct {
		c     net.Conn
		taken bool
		lines int
	}{
		{first, true, 0}, {connection(), true, 0}, {connection(), false, 1}, {connection(), false, 1},
		{nil, true, 1}, {connection(), true, 1}, {connection(), false, 2},
	} {
		if step.c == nil {
			delete(s.idle, first) // as it ends
			continue
		}
		if got := s.begin(step.c); got != step.taken || strings.Count(log.String(), "too many policy connections") != step.lines {
			t.Errorf("step %d: taken %t, log:\n%s", i, got, log)
		}
	}
	s.draining = true
	if s.begin(first) || strings.Count(log.String(), "\n") != 2 {
		t.Errorf("going down, log:\n%s", log)
	}
}

// TestServeAfterShutdown: a listener that comes when the server goes down is closed.
func TestServeAfterShutdown(t *testing.T) {
	t.Parallel()
	s := NewServer(denied, slog.New(slog.DiscardHandler))
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	if err := mtatest.Receive(t, "the end", ended); err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
		c.Close()
		t.Error("it still listens")
	}
	go func() { ended <- s.Shutdown(t.Context()) }()
	if err := mtatest.Receive(t, "the second end", ended); err != nil {
		t.Error(err)
	}
}

// connected serves one end of a pipe, which holds nothing: a write lasts until it
// is read. ended is closed with the connection.
func (s *Server) connected(t *testing.T) (peer net.Conn, ended <-chan struct{}) {
	t.Helper()
	here, there := net.Pipe()
	if !s.begin(here) {
		t.Fatal("the connection is not taken")
	}
	done := make(chan struct{})
	go func() {
		s.serve(here)
		close(done)
	}()
	return there, done
}

// TestTimes: whoever is silent in the middle of a question, or does not read the
// answer, holds no place; between two questions it is Postfix's right, for longer
// than its smtpd_policy_service_max_idle. A decision ends before Postfix gives up.
func TestTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := new(logged)
		var last context.Context // of a decision
		s := NewServer(func(ctx context.Context, q Request) *reply.Reply {
			if last = ctx; q.Recipient == "slow@fax" {
				<-ctx.Done()
			}
			return reply.Of(ctx.Err())
		}, slog.New(slog.NewTextHandler(log, nil)))
		for _, tt := range []struct {
			asks  string
			reads bool
			after time.Duration
			lines int
		}{
			{"", false, 15 * time.Minute, 0},
			{"r", false, 10 * time.Second, 1},
			{"request=", false, 10 * time.Second, 1},
			{to("1@fax"), false, 10 * time.Second, 1},
			{to("1@fax"), true, 15 * time.Minute, 0},
			{to("slow@fax"), true, 15*time.Minute + 60*time.Second, 0},
		} {
			log.text.Reset()
			begun := time.Now()
			peer, ended := s.connected(t)
			if tt.reads {
				go io.Copy(io.Discard, peer)
			}
			if _, err := io.WriteString(peer, tt.asks); err != nil {
				t.Fatal(err)
			}
			<-ended
			if n := strings.Count(log.String(), "\n"); time.Since(begun) != tt.after || n != tt.lines || len(s.idle) != 0 {
				t.Errorf("%.10q: ended after %v, want %v, %d connections, log:\n%s", tt.asks, time.Since(begun), tt.after, len(s.idle), log)
			}
			peer.Close()
		}
		if last.Err() == nil {
			t.Error("a decision that was made has time")
		}
		peer, _ := s.connected(t)
		for range 3 {
			time.Sleep(14 * time.Minute)
			io.WriteString(peer, to("slow@fax"))
			if got, err := bufio.NewReader(peer).ReadString('\n'); !strings.HasPrefix(got, "action=451 4.3.0 ") {
				t.Errorf("%q, %v", got, err)
			}
		}
		peer.Close()
	})
}

// TestShutdownWaits: for the answer to a question, and for nobody who is silent.
func TestShutdownWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := new(logged)
		s := NewServer(func(context.Context, Request) *reply.Reply { time.Sleep(time.Second); return nil }, slog.New(slog.NewTextHandler(log, nil)))
		var silent [5]<-chan struct{}
		for i := range silent {
			_, silent[i] = s.connected(t)
		}
		busy, ended := s.connected(t)
		if _, err := io.WriteString(busy, to("1@fax")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		begun := time.Now()
		go func() {
			for _, end := range silent {
				<-end
			}
			if time.Since(begun) != 0 {
				t.Errorf("a silent one is there for %v", time.Since(begun))
			}
			if got, err := io.ReadAll(busy); string(got) != "action=DUNNO\n\n" {
				t.Errorf("%q, %v", got, err)
			}
		}()
		if err := s.Shutdown(t.Context()); err != nil || time.Since(begun) != time.Second || log.String() != "" {
			t.Errorf("%v after %v, log:\n%s", err, time.Since(begun), log)
		}
		<-ended
	})
}
