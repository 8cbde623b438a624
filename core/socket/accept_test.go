package socket

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"smtpreceiver/contrib/mtatest"
)

// acceptScript is a listener whose Accept gives what it is told, and at the end
// the last error over and over.
type acceptScript struct {
	mu   sync.Mutex
	next []any
}

func (s *acceptScript) Accept() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.next[0]
	if len(s.next) > 1 {
		s.next = s.next[1:]
	}
	if err, ok := next.(error); ok {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", err)}
	}
	return next.(net.Conn), nil
}
func (s *acceptScript) Close() error   { return nil }
func (s *acceptScript) Addr() net.Addr { return &net.UnixAddr{Name: "script"} }

// TestAcceptSurvivesErrors: those that pass and those that no list would have,
// each with a line in the log.
func TestAcceptSurvivesErrors(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	defer client.Close()
	var log bytes.Buffer
	a := NewAcceptor(&acceptScript{next: []any{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED, syscall.EPERM, server, net.ErrClosed}},
		slog.New(slog.NewTextHandler(&log, nil)))
	c, err := a.Accept()
	if err != nil || c != server {
		t.Fatalf("%v, %v; want the connection behind the errors", c, err)
	}
	for what, want := range map[string]int{"too many open files": 2, "connection abort": 1, "not permitted": 1, "listener=script": 4, "pause=5ms": 1, "pause=10ms": 1, "pause=40ms": 1} {
		if n := strings.Count(log.String(), what); n != want {
			t.Errorf("log has %d times %q, want %d:\n%s", n, what, want, &log)
		}
	}
	if _, err := a.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v, want %v", err, net.ErrClosed)
	}
}

// TestAcceptEndsInAPause: Close does not wait for the pause after an error.
func TestAcceptEndsInAPause(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	a := NewAcceptor(&acceptScript{next: []any{syscall.EMFILE}}, slog.New(slog.NewTextHandler(&log, nil)))
	ended := make(chan error, 1)
	go func() {
		_, err := a.Accept()
		ended <- err
	}()
	time.Sleep(20 * time.Millisecond)
	a.Close()
	a.Close()
	select {
	case err := <-ended:
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("error %v, want %v", err, net.ErrClosed)
		}
	case <-time.After(time.Minute):
		t.Fatal("Accept does not end")
	}
	log.Reset()
	if _, err := a.Accept(); !errors.Is(err, net.ErrClosed) || log.Len() > 0 {
		t.Errorf("closed: %v, and in the log %q", err, log.String())
	}
}

// TestAcceptPauses: a lasting error is logged once a second.
func TestAcceptPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(mtatest.Log)
		a := NewAcceptor(&acceptScript{next: []any{syscall.EMFILE}}, slog.New(slog.NewTextHandler(log, nil)))
		if err := a.Ping(t.Context()); err != nil {
			t.Errorf("a listener that cannot be asked: %v", err)
		}
		go a.Accept()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		before := len(log.String())
		time.Sleep(10 * time.Second)
		synctest.Wait()
		lines := log.String()[before:]
		if n := strings.Count(lines, "pause=1s"); n != 10 || strings.Count(lines, "\n") != n {
			t.Errorf("%d lines in ten seconds:\n%s", n, lines)
		}
		a.Close()
	})
}
