package standalone

import (
	"time"
)

// Options are the settings of the frontend, named as in the configuration.
type Options struct {
	Hostname                string
	ThreadNum               int
	MaxConnectionsPerClient int // 0: ThreadNum
	SocketTimeout           time.Duration
	TransactionTimeout      time.Duration
	MaxMessageSize          int64 // bytes
	MaxRecipients           int
	BareNewlines            bool // accept them; they become CRLF
	Forward                 Forward
	TLS                     TLS
	Auth                    Auth
}

// Forward is where mail goes that no application takes.
type Forward struct {
	Servers  []string // host:port, tried in order; none: nowhere
	TLS      string   // none, opportunistic, required or implicit
	Username string   // empty: no authentication
	Password string
}

func newForwarder(f Forward, hello string, timeout time.Duration) *forwarder {
	return &forwarder{
		servers: f.Servers, hello: hello, tls: forwardTLS(f.TLS),
		username: f.Username, password: f.Password, timeout: timeout,
	}
}
