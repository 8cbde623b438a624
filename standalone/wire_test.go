package standalone

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// wireServer is a go-smtp server over the wire layer whose sessions only
// remember what they got.
type wireServer struct {
	*listener
	addr     string
	accept   bool // bare newlines
	lmtp     bool
	hide     bool // errors of the body become 451
	tls      *tls.Config
	entered  chan struct{} // a value for each Data that begins, if not nil
	proceed  chan struct{} // Data waits for it, if not nil
	sessions chan *conn    // the wire of each session, if not nil

	mu       sync.Mutex
	messages []string
	senders  []string
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
	wire   *conn
}

func (s *wireSession) Reset()                               { s.wire.endTransaction() }
func (s *wireSession) Logout() error                        { s.wire.endTransaction(); return nil }
func (s *wireSession) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (s *wireSession) AuthMechanisms() []string             { return []string{sasl.Plain} }

func (s *wireSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, _, _ string) error { return errors.New("no") }), nil
}

func (s *wireSession) Mail(from string, _ *smtp.MailOptions) error {
	switch {
	case !s.wire.beginTransaction():
		return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "shutting down"}
	case from == "hangup@x.test":
		s.wire.hangUp()
		return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 7, 0}, Message: "go away"}
	}
	s.server.mu.Lock()
	s.server.senders = append(s.server.senders, from)
	s.server.mu.Unlock()
	return nil
}

func (s *wireSession) Data(r io.Reader) error {
	if s.server.entered != nil {
		s.server.entered <- struct{}{}
	}
	b, err := io.ReadAll(s.wire.body(r))
	if s.server.proceed != nil {
		<-s.server.proceed
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if err != nil {
		s.server.failures = append(s.server.failures, err)
		var reply *smtp.SMTPError
		if errors.As(err, &reply) && !s.server.hide {
			return reply
		}
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "failed"}
	}
	if s.wire.bareNewline() && !s.server.accept {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 5, 2}, Message: "bare newline"}
	}
	s.server.messages = append(s.server.messages, string(b))
	return nil
}

func wireTestOptions() wireOptions {
	return wireOptions{
		host: "gw.test", idle: time.Minute, transaction: 10 * time.Minute,
		slots: make(chan struct{}, 10), log: slog.New(slog.DiscardHandler),
	}
}

// serve starts s on inner; the end of the test stops it.
func (s *wireServer) serve(t *testing.T, inner net.Listener, o wireOptions) {
	t.Helper()
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		w := wire(c)
		if s.sessions != nil {
			s.sessions <- w
		}
		return &wireSession{s, w}, nil
	}))
	prepareServer(server)
	server.Domain, server.AllowInsecureAuth, server.TLSConfig, server.LMTP = "gw.test", true, s.tls, s.lmtp
	server.EnableSMTPUTF8, server.EnableDSN, server.MaxRecipients = true, true, 1000
	server.ErrorLog = log.New(io.Discard, "", 0)
	s.listener, s.addr = newListener(inner, o), inner.Addr().String()
	var over net.Listener = s.listener
	if o.implicitTLS {
		over = tls.NewListener(over, s.tls)
	}
	served := make(chan struct{})
	go func() { defer close(served); server.Serve(over) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.drain(ctx)
		server.Shutdown(context.Background()) // waits for go-smtp's goroutines
		<-served
	})
}

// start serves on a loopback port.
func (s *wireServer) start(t *testing.T, o wireOptions) *wireServer {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.serve(t, inner, o)
	return s
}

// dialog is a client that says what it is told, byte for byte.
type dialog struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func (s *wireServer) dial(t *testing.T) *dialog {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	return newDialog(t, c)
}

func newDialog(t *testing.T, c net.Conn) *dialog {
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second)) // a test that hangs fails
	return &dialog{t, c, bufio.NewReader(c)}
}

func (d *dialog) send(text string) {
	d.t.Helper()
	if _, err := io.WriteString(d.Conn, text); err != nil {
		d.t.Fatalf("sending %.60q: %v", text, err)
	}
}

// reply reads one reply and returns its last line; "" when the connection ends.
func (d *dialog) reply() string {
	for {
		line, err := d.r.ReadString('\n')
		if err != nil {
			if t, ok := err.(net.Error); ok && t.Timeout() {
				d.t.Fatal("no reply")
			}
			return ""
		}
		if len(line) < 4 || line[3] != '-' {
			return strings.TrimRight(line, "\r\n")
		}
	}
}

func (d *dialog) want(prefixes ...string) {
	d.t.Helper()
	for _, prefix := range prefixes {
		if got := d.reply(); !strings.HasPrefix(got, prefix) || prefix == "" && got != "" {
			d.t.Fatalf("reply %q, want %q", got, prefix)
		}
	}
}

// closed expects the end of the connection, and nothing more before it.
func (d *dialog) closed() {
	d.t.Helper()
	d.want("")
}

// envelope gets as far as DATA's 354.
func (d *dialog) envelope() {
	d.t.Helper()
	d.want("220 ")
	d.send("EHLO c.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nDATA\r\n")
	d.want("250 ", "250 ", "250 ", "354 ")
}

// startTLS turns the dialog into one over TLS.
func (d *dialog) startTLS() *dialog {
	d.t.Helper()
	d.want("220 ")
	d.send("EHLO c.test\r\n")
	d.want("250 ")
	d.send("STARTTLS\r\n")
	d.want("220 ")
	return d.secure()
}

func (d *dialog) secure() *dialog {
	d.t.Helper()
	c := tls.Client(d.Conn, &tls.Config{InsecureSkipVerify: true})
	if err := c.Handshake(); err != nil {
		d.t.Fatal(err)
	}
	return &dialog{d.t, c, bufio.NewReader(c)}
}

// wireCertificate is for the names and for 127.0.0.1.
var wireCertificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"gw.test", "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
})

// wireTLS issues no session tickets: on a pipe the server would wait for the
// client to read them.
func wireTLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{wireCertificate()}, SessionTicketsDisabled: true}
}

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

func (l *pipeListener) dial(t *testing.T) *dialog {
	ours, theirs := net.Pipe()
	l.conns <- theirs
	d := newDialog(t, ours)
	ours.SetDeadline(time.Time{})
	return d
}
