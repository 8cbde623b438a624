package milter

import (
	"net"
	"time"

	"smtpreceiver/core/metrics"
	"smtpreceiver/core/socket"
)

// guardListener guards every connection that it accepts. go-milter stops
// serving for good after any error of Accept, so the only one is net.ErrClosed.
type guardListener struct {
	*socket.Acceptor
	// timeout is how long the MTA may take for its next command; nil: for ever.
	timeout func() time.Duration
	open    *socket.Open[*guardConn] // those that it accepted
	count   *metrics.Connections
}

// Accept waits for the next connection.
func (l *guardListener) Accept() (net.Conn, error) {
	c, err := l.Acceptor.Accept()
	if err != nil {
		return nil, err
	}
	g := guard(c)
	g.timeout = l.timeout
	g.onClose = func() {
		l.open.Remove(g)
		l.count.Closed()
	}
	l.open.Add(g)
	l.count.Opened()
	return g, nil
}
