package policy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/reply"
)

const patience = 30 * time.Second

// logged is a log that tests read.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// served is a server on a loopback port.
type served struct {
	*Server
	addr  string
	log   *logged
	ended chan error
}

func serve(t *testing.T, decide Decide, change func(*Server)) *served {
	t.Helper()
	s := &served{log: new(logged), ended: make(chan error, 1)}
	s.Server = NewServer(decide, slog.New(slog.NewTextHandler(s.log, nil)))
	if change != nil {
		change(s.Server)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	go func() { s.ended <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := mtatest.Receive(t, "the server to end", s.ended); err != nil {
			t.Error(err)
		}
	})
	return s
}

// peer is a connection of Postfix's.
type peer struct {
	net.Conn
	in *bufio.Reader
}

func (s *served) dial(t *testing.T) *peer {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &peer{c, bufio.NewReader(c)}
}

// ask returns the answer, or "closed".
func (p *peer) ask(t *testing.T, text string) string {
	t.Helper()
	if _, err := io.WriteString(p, text); err != nil {
		return "closed"
	}
	return p.answer(t)
}

func (p *peer) answer(t *testing.T) string {
	t.Helper()
	line, err := p.in.ReadString('\n')
	if err == nil {
		var empty string
		if empty, err = p.in.ReadString('\n'); err == nil && empty != "\n" {
			t.Fatalf("%q behind %q", empty, line)
		}
	}
	var wait net.Error
	if errors.As(err, &wait) && wait.Timeout() {
		t.Fatal("no answer")
	}
	if err != nil {
		return "closed"
	}
	return strings.TrimSuffix(line, "\n")
}

func denied(_ context.Context, q Request) *reply.Reply {
	switch {
	case strings.HasPrefix(q.Recipient, "panic"):
		panic("a bug")
	case strings.HasPrefix(q.Recipient, "later"):
		return &reply.Reply{Code: 450, Enhanced: [3]int{4, 7, 1}, Text: "try\nagain\r\naction=OK\x7f"}
	case strings.HasPrefix(q.Recipient, "never"):
		return &reply.Reply{Code: 550, Enhanced: [3]int{5, 7, 1}, Text: "fax: number not allowed", Cause: errors.New("secret")}
	}
	return nil
}

func to(rcpt string) string {
	return strings.Replace(question, "recipient=Petr Brouzda/Datasys/+42061388454@fax", "recipient="+rcpt, 1)
}

// TestAnswers: many questions on one connection; a refusal cannot say more than
// a refusal, and only RCPT is judged.
func TestAnswers(t *testing.T) {
	t.Parallel()
	s := serve(t, denied, nil)
	p := s.dial(t)
	for _, test := range []struct{ question, want string }{
		{to("1@fax"), "action=DUNNO"},
		{to("never@fax"), "action=550 5.7.1 fax: number not allowed"},
		{to("later@fax"), "action=450 4.7.1 try again  action=OK "},
		{strings.Replace(to("never@fax"), "=RCPT", "=DATA", 1), "action=DUNNO"},
		{to("panic@fax"), "action=451 4.3.0 Local error, message not taken, try again later"},
		{to("2@fax"), "action=DUNNO"},
	} {
		if got := p.ask(t, test.question); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
	// Two at once are answered in their order.
	if got := p.ask(t, to("never@fax")+to("1@fax")) + ", " + p.answer(t); got != "action=550 5.7.1 fax: number not allowed, action=DUNNO" {
		t.Errorf("%q", got)
	}
	if log := s.log.String(); !strings.Contains(log, `panic="a bug"`) || !strings.Contains(log, "rcpt=panic@fax") || strings.Count(log, "\n") != 1 {
		t.Errorf("log:\n%s", log)
	}
}

// TestMalformed: whoever speaks something else is hung up on, and never told
// that all is well.
func TestMalformed(t *testing.T) {
	t.Parallel()
	s := serve(t, denied, nil)
	for _, text := range []string{"EHLO x\r\n", "request=other\n\n", "\n", "a=b\n\n", strings.Repeat("x", 2*maxLine), to("1@fax")[:100] + "\n\n"} {
		if got := s.dial(t).ask(t, text); got != "closed" {
			t.Errorf("%.50q: %q", text, got)
		}
	}
	if n := strings.Count(s.log.String(), "level=WARN"); n != 6 {
		t.Errorf("%d warnings, want 6:\n%s", n, s.log)
	}
}

// TestTooMany: one more is closed, until another has ended.
func TestTooMany(t *testing.T) {
	t.Parallel()
	s := serve(t, denied, func(s *Server) { s.limit = 2 })
	first, second := s.dial(t), s.dial(t)
	for _, p := range []*peer{first, second} {
		if got := p.ask(t, to("1@fax")); got != "action=DUNNO" {
			t.Fatalf("%q", got)
		}
	}
	for range 2 {
		if got := s.dial(t).ask(t, to("1@fax")); got != "closed" {
			t.Errorf("one too many: %q", got)
		}
	}
	if n := strings.Count(s.log.String(), "too many policy connections"); n != 1 {
		t.Errorf("said %d times that there are too many", n)
	}
	first.Close()
	for deadline := time.Now().Add(patience); ; {
		if s.dial(t).ask(t, to("1@fax")) == "action=DUNNO" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no place after one has ended")
		}
	}
	if n := strings.Count(s.log.String(), "too many policy connections"); n < 1 || n > 2 {
		t.Errorf("%d lines:\n%s", n, s.log)
	}
}

// TestShutdown: what was asked is answered, what is silent is closed at once.
func TestShutdown(t *testing.T) {
	t.Parallel()
	asked, go_on := make(chan struct{}), make(chan struct{})
	s := serve(t, func(context.Context, Request) *reply.Reply {
		close(asked)
		<-go_on
		return nil
	}, nil)
	silent, busy := s.dial(t), s.dial(t)
	if _, err := io.WriteString(busy, to("1@fax")); err != nil {
		t.Fatal(err)
	}
	mtatest.Receive(t, "the question", asked)
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(t.Context()) }()
	if got := silent.answer(t); got != "closed" {
		t.Errorf("a silent one: %q", got)
	}
	select {
	case err := <-down:
		t.Fatalf("ended with a question open: %v", err)
	default:
	}
	close(go_on)
	if got := busy.answer(t) + ", " + busy.answer(t); got != "action=DUNNO, closed" {
		t.Errorf("%q", got)
	}
	if err := mtatest.Receive(t, "the shutdown", down); err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", s.addr); err == nil {
		c.Close()
		t.Error("it still listens")
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Error("an accept loop that has ended answers")
	}
}

// TestShutdownHangsUp: half a question holds up nothing past the time there is.
func TestShutdownHangsUp(t *testing.T) {
	t.Parallel()
	s := serve(t, denied, func(s *Server) { s.times.read = time.Hour })
	p := s.dial(t)
	if _, err := io.WriteString(p, "request="); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		begun := false
		for _, idle := range s.idle {
			begun = begun || !idle
		}
		s.mu.Unlock()
		if begun {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the question has not begun")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(ctx) }()
	select {
	case err := <-down:
		if !errors.Is(err, context.DeadlineExceeded) || s.log.String() != "" {
			t.Errorf("%v, log:\n%s", err, s.log)
		}
	case <-time.After(patience):
		p.Close()
		t.Fatal("it waits for the rest of the question")
	}
}

// TestShutdownTimeout: a decision that hangs is given up.
func TestShutdownTimeout(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	s := serve(t, func(ctx context.Context, _ Request) *reply.Reply {
		close(asked)
		<-ctx.Done()
		return reply.Of(ctx.Err())
	}, nil)
	p := s.dial(t)
	if _, err := io.WriteString(p, to("1@fax")); err != nil {
		t.Fatal(err)
	}
	mtatest.Receive(t, "the question", asked)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if got := p.answer(t); got == "action=DUNNO" {
		t.Errorf("%q", got)
	}
}

// TestPing: the accept loop goes round, also while all places are taken.
func TestPing(t *testing.T) {
	t.Parallel()
	s := serve(t, denied, func(s *Server) { s.limit = 1 })
	s.dial(t).ask(t, to("1@fax"))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Ping(ctx); err != nil {
		t.Error(err)
	}
}

// TestMany: connections side by side, each with its own answers.
func TestMany(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ context.Context, q Request) *reply.Reply {
		return &reply.Reply{Code: 550, Enhanced: [3]int{5, 7, 1}, Text: q.Recipient}
	}, nil)
	var all sync.WaitGroup
	for i := range 50 {
		p := s.dial(t)
		all.Go(func() {
			for j := range 50 {
				rcpt := fmt.Sprintf("%d.%d@fax", i, j)
				io.WriteString(p, to(rcpt))
				line, err := p.in.ReadString('\n')
				if p.in.ReadString('\n'); err != nil || line != "action=550 5.7.1 "+rcpt+"\n" {
					t.Errorf("%s: %q, %v", rcpt, line, err)
					return
				}
			}
		})
	}
	all.Wait()
}
