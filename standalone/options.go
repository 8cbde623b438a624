package standalone

import (
	"strings"
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
	Server   string // host or host:port, several separated by commas are tried in order; empty: nowhere
	Port     int    // for servers without one
	TLS      string // none, opportunistic, required or implicit
	Username string // empty: no authentication
	Password string
}

func newForwarder(f Forward, hello string, timeout time.Duration) *forwarder {
	var servers []string
	for s := range strings.SplitSeq(f.Server, ",") {
		if s = strings.TrimSpace(s); s != "" {
			servers = append(servers, s)
		}
	}
	return &forwarder{
		servers: servers, port: f.Port, hello: hello, tls: forwardTLS(f.TLS),
		username: f.Username, password: f.Password, timeout: timeout,
	}
}
