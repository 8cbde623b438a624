package mtatest

import (
	"crypto/tls"
	"net"
	"sync"
	"testing"
)

// server is the SMTP server behind Sink and Script.
type server struct {
	Addr string // host:port

	options  ScriptOptions
	listener net.Listener
	mails    chan Mail     // taken, and not yet handed to the test
	stopped  chan struct{} // closed when the server stops
	sessions sync.WaitGroup

	mu          sync.Mutex
	open        map[net.Conn]struct{}
	all         []Mail
	commands    []string
	connections int
	used        []int // how often each rule was applied
}

func listen(t testing.TB, o ScriptOptions) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{
		Addr:     l.Addr().String(),
		options:  o,
		listener: l,
		mails:    make(chan Mail, 10000),
		stopped:  make(chan struct{}),
		open:     make(map[net.Conn]struct{}),
		used:     make([]int, len(o.Replies)),
	}
	s.sessions.Add(1)
	go s.accept()
	t.Cleanup(s.stop)
	return s
}

func (s *server) accept() {
	defer s.sessions.Done()
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.open[c] = struct{}{}
		s.connections++
		s.mu.Unlock()
		s.sessions.Go(func() {
			defer s.forget(c)
			conn := c
			if s.options.Implicit {
				conn = tls.Server(c, s.tlsConfig())
			}
			newSession(s, conn).run()
		})
	}
}

func (s *server) forget(c net.Conn) {
	c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// stop closes everything and waits for the sessions to end.
func (s *server) stop() {
	close(s.stopped)
	s.listener.Close()
	s.mu.Lock()
	for c := range s.open {
		c.Close()
	}
	s.mu.Unlock()
	s.sessions.Wait()
}

func (s *server) tlsConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{*s.options.TLS}}
}

// keep records a message that was accepted.
func (s *server) keep(m Mail) {
	s.mu.Lock()
	s.all = append(s.all, m)
	s.mu.Unlock()
	select {
	case s.mails <- m:
	case <-s.stopped:
	}
}

func (s *server) note(command string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands = append(s.commands, command)
}
