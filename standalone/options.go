package standalone

import (
	"time"

	"smtpreceiver/standalone/forward"
)

// Options are the settings of the frontend, named as in the configuration.
type Options struct {
	Hostname                string
	ThreadNum               int
	MaxConnectionsPerClient int // 0: no limit
	MaxWaiting              int // clients that wait for a place
	SocketTimeout           time.Duration
	TransactionTimeout      time.Duration
	MaxMessageSize          int64 // bytes
	MaxRecipients           int
	BareNewlines            bool // accept them; they become CRLF
	DSN                     bool // offer it
	Forward                 forward.Options
	TLS                     TLS
	Auth                    Auth
}
