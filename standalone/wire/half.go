package wire

import (
	"log/slog"
	"net"
	"sync"

	"github.com/emersion/go-smtp"
)

// run gives the connection to go-smtp, and again behind STARTTLS.
func (c *Conn) run() {
	protocol := " ESMTP"
	if c.opts.LMTP {
		protocol = " LMTP"
	}
	c.send([]byte("220 " + c.opts.Host + protocol + " ready\r\n"))
	for {
		engine := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return c.opts.Session(c), nil }))
		// The wire keeps times, lines and sizes, and answers for each recipient
		// without the library's LMTP.
		engine.LMTP, engine.MaxLineLength = c.opts.LMTP, 0
		engine.AllowInsecureAuth = true // the session says what is offered, and when
		engine.EnableSMTPUTF8, engine.EnableDSN = true, c.opts.DSN
		engine.ErrorLog = slog.NewLogLogger(c.opts.Log.With("library", "go-smtp").Handler(), slog.LevelError)
		engine.Serve(&half{Conn: c.raw, c: c, done: make(chan struct{})})
		if c.now() != secured {
			return
		}
		c.enter(inCommands)
	}
}

// half is a Conn as one go-smtp server sees it: plain text, up to the end or to
// STARTTLS. It is a listener for this one connection, too. go-smtp sets no
// deadlines, since it has no timeouts.
type half struct {
	net.Conn // only for its addresses
	c        *Conn
	given    bool
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

func (h *half) Read(p []byte) (int, error) { return h.c.read(p) }

func (h *half) Write(p []byte) (int, error) {
	if h.c.now() == secured {
		return len(p), nil
	}
	return len(p), h.c.write(p)
}

// Close leaves the connection to the next half, if TLS has begun.
func (h *half) Close() error {
	h.once.Do(func() {
		if h.c.now() != secured {
			h.c.Close()
		}
		close(h.done)
	})
	return nil
}
