package wire

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"

	"smtpreceiver/core/access"
	"smtpreceiver/core/metrics"
	"smtpreceiver/core/places"
	"smtpreceiver/core/reply"
	"smtpreceiver/core/socket"
)

const (
	// maxGoodbyes is how many refused clients are told so at once; more of them
	// are just closed.
	maxGoodbyes    = 16
	goodbyeTimeout = 5 * time.Second

	// maxArrivals is how many clients of one address may wait at once to be let
	// in or not: for a host name to be looked up, or for their PROXY header.
	maxArrivals = 256
)

// Options are what a listener and its connections keep to.
type Options struct {
	Host          string        // our name in replies
	Idle          time.Duration // socket_timeout: each read and write, and waiting for a place
	Transaction   time.Duration // transaction_timeout: a whole message, and doing nothing useful
	MaxSize       int64         // bytes of a message
	MaxRecipients int
	LMTP          bool
	DSN           bool        // offer it
	BareNewlines  bool        // accept them
	TLS           *tls.Config // nil: no certificate
	Implicit      bool        // clients speak TLS from the first byte

	Places    *places.Places
	Strangers *places.Strangers[*Conn]
	Clients   *places.PerClient

	// Session begins one, and another one behind STARTTLS.
	Session func(*Conn) smtp.Session
	// Admit says whether a client is a stranger, that must authenticate, or the
	// reply that it gets instead of a greeting. It may take its time, up to Idle.
	// nil admits all. The address is zero for a Unix socket.
	Admit func(context.Context, netip.Addr) (stranger bool, refusal *reply.Reply)
	// Hasty says whether a client must not wait for a place: what waits for its
	// answer may hold one.
	Hasty func(context.Context, netip.Addr) bool
	// Proxy tells whether a PROXY header must come from an address; the client
	// is then the one that it names. nil: from none.
	Proxy func(context.Context, netip.Addr) (bool, error)

	NewID   func() string // names a session
	Log     *slog.Logger
	Metrics *metrics.Metrics
	Count   *metrics.Connections
}

// refused is the one log line and the one count of a refusal that the wire
// makes.
func (o *Options) refused(ctx context.Context, level slog.Level, who []any, r *reply.Reply) {
	o.Metrics.Refusal(r.Reason)
	o.Log.Log(ctx, level, "refused", append(who, r.Attrs()...)...)
}

// Listener serves as many connections at once as there are places, answers the
// others itself, and knows the connections it has, so that they can be ended.
type Listener struct {
	*socket.Acceptor
	opts     atomic.Pointer[Options]
	arrivals *places.PerClient
	goodbyes chan struct{}
	ctx      context.Context
	stop     context.CancelFunc
	running  sync.WaitGroup // Run, and a goroutine for each client
	open     socket.Open[*Conn]
}

// Listen makes a listener of inner; Run accepts connections.
func Listen(inner net.Listener, o Options) *Listener {
	l := &Listener{
		Acceptor: socket.NewAcceptor(inner, o.Log),
		arrivals: places.NewPerClient(maxArrivals),
		goodbyes: make(chan struct{}, maxGoodbyes),
	}
	l.ctx, l.stop = context.WithCancel(context.Background())
	l.Configure(o)
	l.running.Add(1)
	return l
}

// Configure sets the options of the connections to come.
func (l *Listener) Configure(o Options) { l.opts.Store(&o) }

// Close stops accepting and leaves the connections alone.
func (l *Listener) Close() error {
	l.stop()
	return l.Acceptor.Close()
}

// Run accepts connections until Close.
func (l *Listener) Run() {
	defer l.running.Done()
	for {
		c, err := l.Accept()
		if err != nil {
			return // closed
		}
		l.arrive(c)
	}
}

// arrive lets a client in, or sends it away. It must not wait.
func (l *Listener) arrive(c net.Conn) {
	o, peer := l.opts.Load(), access.Source(socket.Peer(c))
	if !l.arrivals.Take(peer) {
		l.sendAway(c, o, metrics.AwayPerClient)
		return
	}
	l.running.Go(func() {
		w := l.welcome(c, o, sync.OnceFunc(func() { l.arrivals.Leave(peer) }))
		if w == nil {
			return
		}
		l.open.Add(w)
		o.Count.Opened()
		if l.ctx.Err() == nil && (!o.Implicit || w.handshake()) {
			w.run()
		}
		w.Close()
		l.open.Remove(w)
		o.Count.Closed()
	})
}

// welcome asks whether the client may come in, and only then gives it a place;
// known is called when that is known. nil: it was sent away.
func (l *Listener) welcome(c net.Conn, o *Options, known func()) *Conn {
	defer known()
	client, probe, err := o.unproxied(l.ctx, c)
	if err != nil {
		o.Count.Refused(metrics.AwayProxy)
		o.Log.Warn("PROXY protocol", "client", c.RemoteAddr().String(), "error", err.Error())
		c.Close()
		return nil
	}
	c = client
	var stranger bool
	if o.Admit != nil && !probe {
		ctx, cancel := context.WithTimeout(l.ctx, o.Idle)
		defer cancel()
		var refusal *reply.Reply
		if stranger, refusal = o.Admit(ctx, socket.Peer(c)); refusal != nil {
			o.Count.Refused(metrics.AwayUnlisted)
			o.refused(l.ctx, slog.LevelInfo, []any{"client", address(socket.Peer(c))}, refusal)
			l.goodbye(c, o, refusal)
			return nil
		}
	}
	known()
	w := newConn(context.WithoutCancel(l.ctx), c, o)
	w.probe, w.stranger = probe, stranger
	if why := w.settle(l.ctx); why != "" {
		l.sendAway(c, o, why)
		return nil
	}
	return w
}

// unproxied is c as its client made it, where a trusted proxy stands between. From
// any other peer a PROXY header is a command line, and ends the session.
func (o *Options) unproxied(ctx context.Context, c net.Conn) (client net.Conn, probe bool, err error) {
	if o.Proxy == nil {
		return c, false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, o.Idle)
	defer cancel()
	if trusted, err := o.Proxy(ctx, socket.Peer(c)); err != nil || !trusted {
		return c, false, err
	}
	return socket.Unproxied(ctx, c, o.Idle)
}

// settle takes the places that the connection needs, waiting if it must; or it
// says why it cannot.
func (c *Conn) settle(ctx context.Context) (why metrics.SentAway) {
	o, source := c.opts, access.Source(c.Client)
	switch {
	case c.probe:
		return ""
	case !o.Clients.Take(source):
		return metrics.AwayPerClient
	}
	c.place.Hold(func() { o.Clients.Leave(source) })
	if c.stranger {
		if idle, goes := o.Strangers.Take(c); goes {
			idle.leave(&reply.Reply{Code: 421, Enhanced: [3]int{4, 3, 2}, Text: o.Host + " too many connections, authenticate sooner", Reason: reply.ReasonClient})
		}
		c.place.Hold(func() { o.Strangers.Leave(c) })
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, o.Idle)
	defer cancel()
	hasty := func() bool { return o.Hasty != nil && o.Hasty(ctx, c.Client) }
	if !o.Places.Take(ctx, source, hasty) {
		c.place.Leave()
		return metrics.AwayThreadNum
	}
	c.place.Hold(o.Places.Leave)
	c.useful()
	return ""
}

// sendAway is goodbye for a client that there is no place for.
func (l *Listener) sendAway(c net.Conn, o *Options, why metrics.SentAway) {
	o.Count.Refused(why)
	r := &reply.Reply{Code: 421, Enhanced: [3]int{4, 3, 2}, Text: o.Host + " too many connections, try again later"}
	if why == metrics.AwayPerClient {
		r = &reply.Reply{Code: 421, Enhanced: [3]int{4, 7, 0}, Text: o.Host + " too many connections from your address, try again later"}
	}
	o.Log.Warn("connection refused", append([]any{"client", c.RemoteAddr().String()}, r.Attrs()...)...)
	l.goodbye(c, o, r)
}

// goodbye answers a client that will not be served, without keeping the others
// waiting.
func (l *Listener) goodbye(c net.Conn, o *Options, r *reply.Reply) {
	if o.Implicit && o.TLS == nil {
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
		c.SetDeadline(time.Now().Add(goodbyeTimeout))
		if o.Implicit {
			c = tls.Server(c, o.TLS)
		}
		c.Write(format(nil, r)) // a client that does not listen is closed too
		c.Close()
		<-l.goodbyes
	}()
}

// Drain stops accepting, ends the connections without a transaction with 421,
// lets the others finish theirs until ctx is done, and closes what is left
// then. It returns ctx's error if that was needed.
func (l *Listener) Drain(ctx context.Context) error {
	l.Close()
	l.open.End(func(c *Conn) {
		c.leave(&reply.Reply{Code: 421, Enhanced: [3]int{4, 3, 2}, Text: c.opts.Host + " shutting down, try again later"})
	})
	ended := make(chan struct{})
	go func() {
		l.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	l.open.End(func(c *Conn) { go c.Close() })
	select {
	case <-ended:
	case <-time.After(goodbyeTimeout): // one that hangs in the file system
	}
	return ctx.Err()
}
