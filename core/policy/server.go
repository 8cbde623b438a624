// Package policy answers Postfix's questions whether a recipient may be taken,
// by the protocol of check_policy_service (Postfix, SMTPD_POLICY_README). It
// decides nothing, and can only take away: the answer is a refusal, or DUNNO,
// with which Postfix goes on to its next rule.
//
// Postfix keeps a connection for each of its SMTP servers and asks on it one
// question after the other. What is no question of this protocol closes the
// connection, and with it the recipient gets the default_action of Postfix's
// configuration: 451.
package policy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"smtpreceiver/core/reply"
	"smtpreceiver/core/socket"
)

// maxConnections is how many are served at once: Postfix has one for each of
// its SMTP servers, 100 unless told otherwise.
const maxConnections = 1000

// Times of a connection. Postfix hangs up by itself after
// smtpd_policy_service_max_idle, 300 s, and waits for an answer for
// smtpd_policy_service_timeout, 100 s.
const (
	idleTimeout   = 15 * time.Minute
	readTimeout   = 10 * time.Second // for one request from its first byte, and for writing an answer
	decideTimeout = 60 * time.Second
)

// Decide is the answer to one question: the reply that refuses the recipient,
// or nil.
type Decide func(context.Context, Request) *reply.Reply

// Server answers on any number of listeners.
type Server struct {
	decide Decide
	log    *slog.Logger
	times  times
	limit  int // connections

	ctx     context.Context // ends when Shutdown waits no longer
	stop    context.CancelFunc
	running sync.WaitGroup // connections

	mu        sync.Mutex
	acceptors []*socket.Acceptor
	idle      map[net.Conn]bool // every connection, and whether it waits for a question
	draining  bool
	full      bool // maxConnections was logged
}

// times are the limits of a connection, apart for tests.
type times struct{ idle, read, decide time.Duration }

// NewServer makes a server that has not begun to listen.
func NewServer(decide Decide, log *slog.Logger) *Server {
	s := &Server{decide: decide, log: log, times: times{idleTimeout, readTimeout, decideTimeout}, limit: maxConnections, idle: map[net.Conn]bool{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// Serve answers on l until Shutdown, which closes l and makes it return nil.
func (s *Server) Serve(l net.Listener) error {
	acceptor := socket.NewAcceptor(l, s.log)
	s.mu.Lock()
	if s.draining {
		s.mu.Unlock()
		return l.Close()
	}
	s.acceptors = append(s.acceptors, acceptor)
	s.mu.Unlock()
	for {
		c, err := acceptor.Accept()
		if err != nil {
			return nil // closed
		}
		if !s.begin(c) {
			c.Close()
			continue
		}
		go s.serve(c)
	}
}

// begin counts a connection, unless there are too many or the server is going
// down.
func (s *Server) begin(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	if len(s.idle) >= s.limit {
		if !s.full {
			s.log.Warn("too many policy connections; further ones are closed, and Postfix answers 451", "limit", s.limit)
		}
		s.full = true
		return false
	}
	s.full = false
	s.idle[c] = true
	s.running.Add(1)
	return true
}

func (s *Server) serve(c net.Conn) {
	defer s.running.Done()
	defer func() {
		c.Close()
		s.mu.Lock()
		delete(s.idle, c)
		s.mu.Unlock()
	}()
	r := bufio.NewReaderSize(c, maxLine)
	for s.waits(c, true) {
		q, err := s.next(c, r)
		if err != nil {
			s.lost(err)
			return
		}
		answer := s.answer(q)
		c.SetWriteDeadline(time.Now().Add(s.times.read))
		if _, err := io.WriteString(c, answer); err != nil {
			s.lost(err)
			return
		}
	}
}

// waits notes whether a connection waits for a question. It is false when the
// connection is to end.
func (s *Server) waits(c net.Conn, idle bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle[c] = idle
	return !s.draining
}

// next reads the next question. A request that has begun comes at once: a
// client that sends it byte by byte holds no place.
func (s *Server) next(c net.Conn, r *bufio.Reader) (Request, error) {
	c.SetReadDeadline(time.Now().Add(s.times.idle))
	if _, err := r.Peek(1); err != nil {
		return Request{}, io.EOF // also where Postfix has been silent for too long
	}
	s.waits(c, false) // if the server goes down meanwhile, this one is answered
	c.SetReadDeadline(time.Now().Add(s.times.read))
	return read(r)
}

// lost logs the end of a connection where it is not its usual end.
func (s *Server) lost(err error) {
	if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		s.log.Warn("policy connection closed in the middle of a question; is it Postfix that asks?", "error", err.Error())
	}
}

// answer decides, and writes what Postfix reads.
func (s *Server) answer(q Request) (text string) {
	ctx, cancel := context.WithTimeout(s.ctx, s.times.decide)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("panic, recipient not taken", "rcpt", q.Recipient, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			text = answered(reply.Of(fmt.Errorf("panic: %v", p)))
		}
	}()
	if q.State != "RCPT" {
		return answered(nil)
	}
	return answered(s.decide(ctx, q))
}

// answered is an answer as it is written.
func answered(refusal *reply.Reply) string { return "action=" + Action(refusal) + "\n\n" }

// Action is an answer: access(5) has the codes.
func Action(refusal *reply.Reply) string {
	if refusal == nil {
		return "DUNNO"
	}
	return fmt.Sprintf("%d %s %s", refusal.Code, refusal.Status(), reply.Printable(refusal.Text))
}

// Ping asks each accept loop whether it still goes round. It fails at the end
// of ctx.
func (s *Server) Ping(ctx context.Context) error {
	s.mu.Lock()
	acceptors := s.acceptors
	s.mu.Unlock()
	for _, a := range acceptors {
		if err := a.Ping(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Shutdown accepts no more connections, answers what has been asked until ctx is
// done, and hangs up. The error is that of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	s.hangUp(func(idle bool) bool { return idle })
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.stop()
	s.hangUp(func(bool) bool { return true })
	<-done
	return ctx.Err()
}

// hangUp begins the end, and closes the connections that it is true of.
func (s *Server) hangUp(now func(idle bool) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	for _, a := range s.acceptors {
		a.Close()
	}
	for c, idle := range s.idle {
		if now(idle) {
			c.Close()
		}
	}
}
