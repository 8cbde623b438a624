package milter

import (
	"net"
	"sync"
	"time"

	"smtpreceiver/core/metrics"
	"smtpreceiver/core/socket"
)

// guardListener guards every connection that it accepts. go-milter stops
// serving for good after any error of Accept, so the only one is net.ErrClosed.
type guardListener struct {
	*socket.Acceptor
	// timeout is how long the MTA may take for its next command; nil: for ever.
	timeout     func() time.Duration
	connections *connections // those that it accepted and that are open
	count       *metrics.Connections
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
		l.connections.remove(g)
		l.count.Closed()
	}
	l.connections.add(g)
	l.count.Opened()
	return g, nil
}

// connections are the open ones of a server.
type connections struct {
	mu     sync.Mutex
	open   map[*guardConn]struct{}
	hungUp bool
}

func (c *connections) add(g *guardConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = make(map[*guardConn]struct{})
	}
	c.open[g] = struct{}{}
	if c.hungUp {
		g.hangUp()
	}
}

func (c *connections) remove(g *guardConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, g)
}

// hangUp ends all connections, later ones too, each when the reply that it is
// working on has been sent.
func (c *connections) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hungUp = true
	for g := range c.open {
		g.hangUp()
	}
}
