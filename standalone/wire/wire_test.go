package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/places"
	"smtpreceiver/core/reply"
)

// ways are how a client can reach us.
var ways = []struct {
	name          string
	tls, implicit bool
	lmtp          bool
}{{name: "plain"}, {name: "STARTTLS", tls: true}, {name: "implicit TLS", tls: true, implicit: true}, {name: "LMTP", lmtp: true}}

// wireServer is a go-smtp server over the wire whose sessions only remember what
// they got.
type wireServer struct {
	*Listener
	addr     string
	accept   bool // bare newlines
	hide     bool // errors of the body become 451
	reads    int  // of each message, which is refused then; 0: all
	ends     [][]byte
	entered  chan struct{} // a value for each Data that begins, if not nil
	proceed  chan struct{} // Data waits for it, if not nil
	sessions chan *Conn    // the wire of each session, if not nil
	password func(user, password string) error
	odd      atomic.Bool // the last message had an end that is not standard

	mu       sync.Mutex
	messages []string
	senders  []string
	rcpts    []string
	failures []error
}

func (s *wireServer) got() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.messages...)
}

func (s *wireServer) from() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.senders...)
}

type wireSession struct {
	server *wireServer
	wire   *Conn
	to     []string
}

var errTest = &smtp.SMTPError{Code: 550, Message: "the library's words"}

func (s *wireSession) refuse(code int, enhanced [3]int, text string) error {
	s.wire.Answer(&reply.Reply{Code: code, Enhanced: enhanced, Text: text})
	return errTest
}

func (s *wireSession) Reset()                   { s.to = nil; s.wire.End() }
func (s *wireSession) Logout() error            { s.wire.End(); return nil }
func (s *wireSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *wireSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if s.server.password == nil || s.server.password(user, password) != nil {
			return s.refuse(535, [3]int{5, 7, 8}, "no")
		}
		if !s.wire.Promote() {
			return s.refuse(421, [3]int{4, 3, 2}, "no place")
		}
		return nil
	}), nil
}

func (s *wireSession) Mail(string, *smtp.MailOptions) error {
	from := s.wire.Address
	switch {
	case !s.wire.Begin(s.server.ends):
		return s.refuse(421, [3]int{4, 3, 2}, "shutting down")
	case from == "hangup@x.test":
		return s.refuse(421, [3]int{4, 7, 0}, "go away")
	case from == "no@x.test":
		s.wire.End()
		return s.refuse(550, [3]int{5, 7, 1}, "no")
	case from == "panic@x.test":
		panic("a fault of ours")
	}
	s.server.mu.Lock()
	s.server.senders = append(s.server.senders, from)
	s.server.mu.Unlock()
	return nil
}

func (s *wireSession) Rcpt(string, *smtp.RcptOptions) error {
	if s.wire.Address == "no@x.test" {
		return s.refuse(550, [3]int{5, 7, 1}, "no")
	}
	s.to = append(s.to, s.wire.Address)
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.rcpts = append(s.server.rcpts, s.wire.Address)
	return nil
}

// short takes so many bytes.
type short struct{ room int }

var errFull = errors.New("full")

func (s *short) Write(p []byte) (int, error) {
	if s.room -= len(p); s.room <= 0 {
		return 0, errFull
	}
	return len(p), nil
}

func (s *wireSession) Data(io.Reader) error {
	if s.server.entered != nil {
		s.server.entered <- struct{}{}
	}
	if n := s.server.reads; n > 0 {
		if err := s.wire.Message(&short{n}); err != errFull {
			return err
		}
		return s.refuse(552, [3]int{5, 3, 4}, "too large")
	}
	var b bytes.Buffer
	err := s.wire.Message(&b)
	s.server.odd.Store(s.wire.EndedOddly())
	if s.server.proceed != nil {
		select {
		case <-s.server.proceed:
		case <-s.wire.Ctx.Done():
			err = s.wire.Ctx.Err()
		}
	}
	r := &reply.Reply{Code: 250, Enhanced: [3]int{2, 0, 0}, Text: "taken"}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	switch {
	case err != nil:
		s.server.failures = append(s.server.failures, err)
		if r = reply.Of(err); s.server.hide {
			r = &reply.Reply{Code: 451, Enhanced: [3]int{4, 3, 0}, Text: "failed"}
		}
	default:
		s.server.messages = append(s.server.messages, b.String())
	}
	if !s.wire.opts.LMTP {
		s.to = s.to[:1]
	}
	for range s.to {
		s.wire.Answer(r)
	}
	if r.Code >= 400 {
		return errTest
	}
	return nil
}

func testOptions() Options {
	return Options{
		Host: "gw.test", Idle: time.Minute, Transaction: 10 * time.Minute, MaxSize: 50 << 20, MaxRecipients: 1000, DSN: true, NewID: func() string { return "" },
		Places: places.New(10, 1000), Strangers: places.NewStrangers[*Conn](10), Log: slog.New(slog.DiscardHandler),
	}
}

// serve starts s on inner; the end of the test stops it.
func (s *wireServer) serve(t testing.TB, inner net.Listener, o Options) {
	t.Helper()
	o.Session = func(c *Conn) smtp.Session {
		if s.sessions != nil {
			s.sessions <- c
		}
		return &wireSession{server: s, wire: c}
	}
	o.BareNewlines = s.accept
	s.Listener, s.addr = Listen(inner, o), inner.Addr().String()
	done := make(chan struct{})
	go func() { defer close(done); s.Run() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Drain(ctx)
		mtatest.Receive(t, "the listener to end", done)
		mtatest.Finish(t, "all sessions to end", &s.running)
	})
}

// start serves on a loopback port.
func (s *wireServer) start(t testing.TB, o Options) *wireServer {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.serve(t, inner, o)
	return s
}

func (s *wireServer) dial(t testing.TB) *mtatest.Dialog {
	t.Helper()
	return mtatest.Dial(t, s.addr)
}

// each runs a test once for each way that a client can reach us. dial returns a
// client that has been greeted.
func each(t *testing.T, s func() *wireServer, test func(t *testing.T, s *wireServer, dial func() *mtatest.Dialog)) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			o := testOptions()
			o.Implicit, o.LMTP = way.implicit, way.lmtp
			if way.tls {
				o.TLS = testTLS(t)
			}
			server := s().start(t, o)
			hello := "EHLO c.test"
			if way.lmtp {
				hello = "LHLO c.test"
			}
			test(t, server, func() *mtatest.Dialog {
				d := server.dial(t)
				switch {
				case way.implicit:
					d = d.Secure()
					d.Want("220 ")
				case way.tls:
					d = d.StartTLS()
				default:
					d.Want("220 ")
				}
				d.Say(hello, "250 ")
				return d
			})
		})
	}
}

var testCertificate = sync.OnceValue(func() func(testing.TB) tls.Certificate {
	var once sync.Once
	var cert tls.Certificate
	return func(t testing.TB) tls.Certificate {
		once.Do(func() { cert, _, _, _ = mtatest.Certificate(t, "gw.test", "127.0.0.1") })
		return cert
	}
})

func testTLS(t testing.TB) *tls.Config { return mtatest.ServerTLS(testCertificate()(t)) }

// pipeListener accepts in-memory connections, for tests in fake time.
type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
	errs  chan error // returned by Accept
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{}), errs: make(chan error)}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case err := <-l.errs:
		return nil, err
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr {
	return &net.TCPAddr{IP: net.IP(netip.IPv6Unspecified().AsSlice())}
}

func (l *pipeListener) dial(t *testing.T) *mtatest.Dialog {
	return l.dialAs(t, "")
}

// dialAs connects from an address.
func (l *pipeListener) dialAs(t *testing.T, from string) *mtatest.Dialog {
	ours, theirs := net.Pipe()
	if from != "" {
		theirs = peered{theirs, &net.TCPAddr{IP: net.ParseIP(from), Port: 4711}}
	}
	l.conns <- theirs
	d := mtatest.NewDialog(t, ours)
	ours.SetDeadline(time.Time{})
	return d
}

type peered struct {
	net.Conn
	peer net.Addr
}

func (c peered) RemoteAddr() net.Addr { return c.peer }

var errNo = errors.New("no")
