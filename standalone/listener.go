package standalone

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"smtpreceiver/core/metrics"
	"smtpreceiver/core/socket"
)

const (
	// maxGoodbyes is how many refused clients are told so at once; more of them
	// are just closed.
	maxGoodbyes    = 16
	goodbyeTimeout = 5 * time.Second
)

// wireOptions are what a listener and its connections keep to.
type wireOptions struct {
	host        string        // our name in replies
	idle        time.Duration // socket_timeout: each read and write
	transaction time.Duration // transaction_timeout: a whole message, and a whole command
	slots       chan struct{} // thread_num places, shared by all listeners of the program
	clients     *clientPlaces // how many of them an address may have; nil: all
	local       bool          // only processes of this host reach the listener
	implicitTLS bool          // clients speak TLS from the first byte: the listener goes into tls.NewListener
	// admit returns "" or the whole reply that a client gets instead of a
	// greeting, without CRLF: "554 5.7.1 …". It may take its time, up to idle.
	// nil admits everybody. The address is zero for a Unix socket.
	admit func(context.Context, netip.Addr) (refusal string)
	// proxy tells whether a PROXY header must come from an address; the client
	// is then the one that it names. nil: from none.
	proxy func(context.Context, netip.Addr) (bool, error)
	log   *slog.Logger
	count *metrics.Connections
}

// listener serves as many connections at once as there are slots, answers the
// others itself, and knows the connections it has, so that they can be ended.
type listener struct {
	net.Listener
	opts     atomic.Pointer[wireOptions]
	acceptor *socket.Acceptor
	ready    chan net.Conn
	arrivals *clientPlaces
	goodbyes chan struct{}
	ctx      context.Context
	stop     context.CancelFunc

	mu       sync.Mutex
	conns    map[*conn]struct{}
	draining bool
	empty    chan struct{} // closed when draining and no connection is left
}

// newListener starts to accept connections from inner. Close ends that.
func newListener(inner net.Listener, o wireOptions) *listener {
	l := &listener{
		Listener: inner,
		acceptor: socket.NewAcceptor(unwrapped(inner), o.log),
		ready:    make(chan net.Conn),
		arrivals: newClientPlaces(maxArrivals),
		goodbyes: make(chan struct{}, maxGoodbyes),
		conns:    map[*conn]struct{}{},
		empty:    make(chan struct{}),
	}
	l.ctx, l.stop = context.WithCancel(context.Background())
	l.opts.Store(&o)
	go l.run()
	return l
}

// unwrapped is the listener that the system knows.
func unwrapped(l net.Listener) net.Listener {
	switch w := l.(type) {
	case tlsListener:
		return w.Listener
	case lmtpListener:
		return w.Listener
	}
	return l
}

// configure sets the options of the connections to come.
func (l *listener) configure(o wireOptions) { l.opts.Store(&o) }

// Accept returns the next client that was admitted, as a *conn; net.ErrClosed
// after Close.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.ready:
		return c, nil
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close stops accepting and leaves the connections alone.
func (l *listener) Close() error {
	l.stop()
	return l.acceptor.Close()
}

func (l *listener) run() {
	defer l.stop()
	for {
		c, err := l.acceptor.Accept()
		if err != nil {
			return // closed
		}
		l.place(c)
	}
}

// place lets a client in, or sends it away. It must not wait.
func (l *listener) place(c net.Conn) {
	o, peer := l.opts.Load(), remoteAddr(c)
	if !l.arrivals.take(peer) {
		l.sendAway(c, o, metrics.AwayPerClient)
		return
	}
	go func() {
		w := l.welcome(c, o)
		l.arrivals.leave(peer)
		if w == nil {
			return
		}
		select {
		case l.ready <- w:
		case <-l.ctx.Done():
			w.Close()
		}
	}()
}

// welcome asks whether the client may come in, and only then gives it a slot:
// strangers, however many, never take one. nil: it was sent away.
func (l *listener) welcome(c net.Conn, o *wireOptions) *conn {
	client, err := o.unproxied(l.ctx, c)
	if err != nil {
		o.count.Refused(metrics.AwayProxy)
		o.log.Warn("PROXY protocol", "client", c.RemoteAddr().String(), "error", err.Error())
		c.Close()
		return nil
	}
	c = client
	if refusal := l.refusal(c, o); refusal != "" {
		o.count.Refused(metrics.AwayUnlisted)
		l.goodbye(c, o, refusal)
		return nil
	}
	select {
	case o.slots <- struct{}{}:
	default:
		l.sendAway(c, o, metrics.AwayThreadNum)
		return nil
	}
	addr := remoteAddr(c)
	if !o.clients.take(addr) {
		<-o.slots
		l.sendAway(c, o, metrics.AwayPerClient)
		return nil
	}
	var w *conn
	free := sync.OnceFunc(func() {
		o.clients.leave(addr)
		<-o.slots
	})
	w = newConn(c, o, func() {
		free()
		l.forget(w)
		o.count.Closed()
	})
	w.onQuit = free
	l.mu.Lock()
	l.conns[w] = struct{}{}
	l.mu.Unlock()
	o.count.Opened()
	return w
}

// sendAway is goodbye for a client that there is no place for.
func (l *listener) sendAway(c net.Conn, o *wireOptions, why metrics.SentAway) {
	o.count.Refused(why)
	reply := "421 4.3.2 " + o.host + " too many connections, try again later"
	if why == metrics.AwayPerClient {
		reply = "421 4.7.0 " + o.host + " too many connections from your address, try again later"
	}
	o.log.Warn("too many connections; client sent away", "client", c.RemoteAddr().String(), "reply", reply)
	l.goodbye(c, o, reply)
}

func (l *listener) refusal(c net.Conn, o *wireOptions) string {
	if o.admit == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(l.ctx, o.idle)
	defer cancel()
	return o.admit(ctx, remoteAddr(c))
}

// goodbye answers a client that will not be served, without keeping the others
// waiting.
func (l *listener) goodbye(c net.Conn, o *wireOptions, reply string) {
	if o.implicitTLS {
		c.Close() // it could not read the reply
		return
	}
	select {
	case l.goodbyes <- struct{}{}:
	default:
		c.Close()
		return
	}
	go func() {
		c.SetWriteDeadline(time.Now().Add(goodbyeTimeout))
		io.WriteString(c, reply+"\r\n") // a client that does not listen is closed too
		c.Close()
		<-l.goodbyes
	}()
}

func (l *listener) forget(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	l.checkEmpty()
}

// checkEmpty is called with mu held.
func (l *listener) checkEmpty() {
	if l.draining && len(l.conns) == 0 {
		select {
		case <-l.empty:
		default:
			close(l.empty)
		}
	}
}

func (l *listener) open() []*conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	conns := make([]*conn, 0, len(l.conns))
	for c := range l.conns {
		conns = append(conns, c)
	}
	return conns
}

// closeAll closes the connections as they are.
func (l *listener) closeAll() {
	for _, c := range l.open() {
		c.Close()
	}
}

// drain stops accepting, ends the connections without a transaction with 421,
// lets the others finish theirs until ctx is done, and closes what is left
// then. It returns ctx's error if that was needed.
func (l *listener) drain(ctx context.Context) error {
	l.Close()
	l.mu.Lock()
	l.draining = true
	l.checkEmpty()
	l.mu.Unlock()
	for _, c := range l.open() {
		c.drain()
	}
	select {
	case <-l.empty:
		return nil
	case <-ctx.Done():
		l.closeAll()
		return ctx.Err()
	}
}
