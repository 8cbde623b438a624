package directory

import (
	"context"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/jackc/puddle/v2"
)

// Bounds of a pool.
const (
	MaxConnections = 8
	MaxIdle        = time.Minute // that a connection is kept after its last use
)

// Conn is a connection to an LDAP server. Closing the wire ends whatever waits on it.
type Conn struct {
	*ldap.Conn
	wire interface{ Close() error }
}

// Pool keeps connections open for the next requests, MaxConnections at most,
// each for idle after its last use.
type Pool struct {
	pool *puddle.Pool[*Conn]
	stop context.CancelFunc
}

// NewPool opens none yet. open has timeout for one.
func NewPool(open func(context.Context) (*Conn, error), timeout, idle time.Duration) *Pool {
	pool, err := puddle.NewPool(&puddle.Config[*Conn]{
		MaxSize: MaxConnections,
		Constructor: func(ctx context.Context) (*Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, timeout) // the pool goes on connecting when the request has given up
			defer cancel()
			return open(ctx)
		},
		Destructor: func(c *Conn) { c.wire.Close() },
	})
	if err != nil {
		panic("directory: " + err.Error()) // only for a size below one
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &Pool{pool: pool, stop: stop}
	go p.closeIdle(ctx, idle)
	return p
}

// Do has a connection for one request. A kept one may have been closed by the
// server meanwhile; then it is another's turn.
func (p *Pool) Do(ctx context.Context, request func(*ldap.Conn) error) error {
	for {
		begun := time.Now()
		res, err := p.pool.Acquire(ctx)
		if err != nil {
			return err
		}
		kept := res.CreationTime().Before(begun)
		c := res.Value()
		release := context.AfterFunc(ctx, func() { c.wire.Close() })
		err = request(c.Conn)
		lost := !release() || c.IsClosing() || ldap.IsErrorWithCode(err, ldap.ErrorNetwork)
		if !lost {
			res.Release()
			return err
		}
		res.Destroy()
		if err == nil || !kept || ctx.Err() != nil {
			return err
		}
	}
}

// closeIdle closes, until ctx is done, what nobody has used for that long.
func (p *Pool) closeIdle(ctx context.Context, idle time.Duration) {
	tick := time.Tick(idle / 2)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
		for _, res := range p.pool.AcquireAllIdle() {
			if res.IdleDuration() >= idle {
				res.Destroy()
			} else {
				res.ReleaseUnused()
			}
		}
	}
}

// Close waits for the requests that use a connection.
func (p *Pool) Close() {
	p.stop()
	p.pool.Close()
}
