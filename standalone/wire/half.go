package wire

import (
	"io"
	"log/slog"
	"net"
	"sync"

	"github.com/emersion/go-smtp"
)

// run gives the connection to go-smtp, and again behind STARTTLS.
func (c *Conn) run() {
	defer c.Close()
	c.send([]byte(c.greeting()))
	for h := (&half{Conn: c.raw, c: c}); h != nil; h = h.next {
		h.done = make(chan struct{})
		engine := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return c.opts.Session(c), nil }))
		// The wire keeps times, lines and sizes, and answers for each recipient
		// without the library's LMTP.
		engine.LMTP, engine.MaxLineLength = c.opts.LMTP, 0
		engine.AllowInsecureAuth = true // the session says what is offered, and when
		engine.EnableSMTPUTF8, engine.EnableDSN = true, c.opts.DSN
		engine.ErrorLog = slog.NewLogLogger(c.opts.Log.With("library", "go-smtp").Handler(), slog.LevelError)
		engine.Serve(h)
	}
}

// half is a Conn as one go-smtp server sees it: plain text, from a greeting to
// the end or to STARTTLS. It is a listener for this one connection, too. go-smtp
// sets no deadlines, since it has no timeouts.
type half struct {
	net.Conn // only for its addresses
	c        *Conn
	given    bool
	next     *half // takes over; set behind STARTTLS
	once     sync.Once
	done     chan struct{}
}

// Accept returns the connection, and net.ErrClosed when go-smtp is done with
// it.
func (h *half) Accept() (net.Conn, error) {
	if !h.given {
		h.given = true
		return h, nil
	}
	<-h.done
	return nil, net.ErrClosed
}

func (h *half) Addr() net.Addr { return h.LocalAddr() }

func (h *half) Read(p []byte) (int, error) {
	if h.next != nil {
		return 0, io.EOF
	}
	n, err := h.c.read(p)
	if err == errSecured {
		h.next = &half{Conn: h.Conn, c: h.c}
		return 0, io.EOF
	}
	return n, err
}

func (h *half) Write(p []byte) (int, error) {
	if h.next != nil {
		return len(p), nil
	}
	return len(p), h.c.write(p)
}

// Close leaves the connection to the next half, if there is one.
func (h *half) Close() error {
	h.once.Do(func() {
		if h.next == nil {
			h.c.Close()
		}
		close(h.done)
	})
	return nil
}
