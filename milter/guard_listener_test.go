package milter

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// acceptScript is a listener whose Accept gives what it is told.
type acceptScript []any

func (s *acceptScript) Accept() (net.Conn, error) {
	next := (*s)[0]
	*s = (*s)[1:]
	if err, ok := next.(error); ok {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", err)}
	}
	return next.(net.Conn), nil
}
func (s *acceptScript) Close() error   { return nil }
func (s *acceptScript) Addr() net.Addr { return &net.UnixAddr{Name: "script"} }

func TestGuardListenerSurvivesErrorsThatPass(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	defer client.Close()
	var log bytes.Buffer
	l := &guardListener{
		Listener: &acceptScript{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED, server, syscall.EBADF},
		log:      slog.New(slog.NewTextHandler(&log, nil)), connections: new(connections),
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "too many open files"); n != 2 {
		t.Errorf("log has %d complaints about open files, want 2:\n%s", n, &log)
	}
	if _, err := l.Accept(); !errors.Is(err, syscall.EBADF) {
		t.Errorf("error %v, want the one that stays", err)
	}
	if n := len(l.connections.open); n != 1 {
		t.Errorf("%d connections open, want 1", n)
	}
	c.Close()
	c.Close()
	if n := len(l.connections.open); n != 0 {
		t.Errorf("%d connections open after Close, want 0", n)
	}
}

func TestGuardListenerEndsWhenClosed(t *testing.T) {
	t.Parallel()
	l := &guardListener{Listener: loopback(t), log: slog.New(slog.DiscardHandler)}
	l.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v, want %v", err, net.ErrClosed)
	}
}

func TestGuardListenerTimeout(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	defer client.Close()
	l := &guardListener{
		Listener: &acceptScript{server},
		timeout:  func() time.Duration { return time.Millisecond }, connections: new(connections),
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	go io.WriteString(client, negotiation)
	if _, err := io.ReadFull(c, make([]byte, len(negotiation))); err != nil {
		t.Fatalf("negotiation, which the library limits: %v", err)
	}
	if _, err := c.Read(make([]byte, 4)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("waiting for the next command ended with %v, want %v", err, os.ErrDeadlineExceeded)
	}
}
