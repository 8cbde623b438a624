package policy

import (
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
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
}

// TestAnswerIsNotRead: who asks and never reads the answer holds no place.
func TestAnswerIsNotRead(t *testing.T) {
	t.Parallel()
	log := new(logged)
	s := NewServer(denied, slog.New(slog.NewTextHandler(log, nil)))
	s.times.read = 50 * time.Millisecond
	here, there := net.Pipe() // holds nothing: a write lasts until it is read
	defer there.Close()
	s.begin(here)
	ended := make(chan error, 1)
	go func() {
		s.serve(here)
		ended <- nil
	}()
	if _, err := io.WriteString(there, to("1@fax")); err != nil {
		t.Fatal(err)
	}
	mtatest.Receive(t, "the end", ended)
	if len(s.idle) != 0 || !strings.Contains(log.String(), "i/o timeout") {
		t.Errorf("%d connections, log:\n%s", len(s.idle), log)
	}
}
