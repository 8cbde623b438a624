package auth

import (
	"context"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/jackc/puddle/v2"
)

// connection is one to an LDAP server. Closing the wire ends whatever waits on it.
type connection struct {
	*ldap.Conn
	wire interface{ Close() error }
}

// connections are kept open for the logins to come, maxConnections at most,
// each for maxIdleTime after its last use.
type connections struct {
	pool *puddle.Pool[*connection]
	stop context.CancelFunc
}

// newConnections opens none yet. open has timeout for one.
func newConnections(open func(context.Context) (*connection, error), timeout, idle time.Duration) *connections {
	pool, err := puddle.NewPool(&puddle.Config[*connection]{
		MaxSize: maxConnections,
		Constructor: func(ctx context.Context) (*connection, error) {
			ctx, cancel := context.WithTimeout(ctx, timeout) // the pool goes on connecting when the login has given up
			defer cancel()
			return open(ctx)
		},
		Destructor: func(c *connection) { c.wire.Close() },
	})
	if err != nil {
		panic("auth: " + err.Error()) // only for a size below one
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &connections{pool: pool, stop: stop}
	go p.closeIdle(ctx, idle)
	return p
}

// do has a connection for one request. A kept one may have been closed by the
// server meanwhile; then it is another's turn.
func (p *connections) do(ctx context.Context, request func(*ldap.Conn) error) error {
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
func (p *connections) closeIdle(ctx context.Context, idle time.Duration) {
	tick := time.NewTicker(idle / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
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

// Close waits for the logins that use a connection.
func (p *connections) Close() {
	p.stop()
	p.pool.Close()
}
