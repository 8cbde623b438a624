package guard

import (
	"net"
	"time"

	"smtpreceiver/core/metrics"
	"smtpreceiver/core/socket"
)

// Listener guards every connection that it accepts. go-milter stops
// serving for good after any error of Accept, so the only one is net.ErrClosed.
type Listener struct {
	*socket.Acceptor
	// Timeout is how long the MTA may take for its next command; nil: for ever.
	Timeout func() time.Duration
	Open    *socket.Open[*Conn] // those that it accepted
	Count   *metrics.Connections
}

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.Acceptor.Accept()
	if err != nil {
		return nil, err
	}
	g := New(c)
	g.timeout = l.Timeout
	g.onClose = func() {
		l.Open.Remove(g)
		l.Count.Closed()
	}
	l.Open.Add(g)
	l.Count.Opened()
	return g, nil
}
