package wire

import (
	"errors"
	"os"
	"time"
)

// watchAfter is how long a session may be busy at most before it is watched
// whether its client is still there.
const watchAfter = time.Second

// readAhead reads from the client, and while the session is busy with a command
// or a message for long it waits for the client's next byte. A connection that
// ends meanwhile ends the session's context: look-ups, staging and forwarding
// for a client that is gone stop.
type readAhead struct {
	c     *Conn
	timer *time.Timer

	// Under c.mu.
	wanted bool // the session waits for input itself
	armed  bool // the timer runs; it is cheaper to let it than to stop it at each command
	asked  chan struct{}
	got    [1]byte
	n      int
	queued bool // more of the client is in the buffer: it may say QUIT and be gone
}

func (a *readAhead) init(c *Conn) {
	a.c, a.wanted = c, true
	a.timer = time.AfterFunc(time.Hour, a.look)
	a.timer.Stop()
}

// watch is called when the session has something to do.
func (a *readAhead) watch() {
	a.c.mu.Lock()
	a.wanted, a.queued = false, a.c.r < a.c.w
	armed := a.armed
	a.armed = true
	a.c.mu.Unlock()
	if !armed {
		a.timer.Reset(watchAfter)
	}
}

// look waits for a byte.
func (a *readAhead) look() {
	c := a.c
	c.mu.Lock()
	a.armed = false
	if a.wanted || a.asked != nil || a.n > 0 || c.err != nil || c.phase == over || c.raw.SetReadDeadline(time.Time{}) != nil {
		c.mu.Unlock()
		return
	}
	asked := make(chan struct{})
	a.asked = asked
	c.mu.Unlock()
	n, err := c.stream.Read(a.got[:])
	c.mu.Lock()
	a.n = n
	if n == 0 {
		c.err = err
	}
	gone := n == 0 && !a.wanted && !a.queued && !errors.Is(err, os.ErrDeadlineExceeded)
	a.asked = nil
	c.mu.Unlock()
	close(asked)
	if gone {
		c.cancel()
	}
}

// end ends the watch, with a deadline for what it may be reading.
func (a *readAhead) end(deadline func() error) error {
	a.c.mu.Lock()
	a.wanted = true
	err := deadline()
	asked := a.asked
	a.c.mu.Unlock()
	if err == nil && asked != nil {
		<-asked
	}
	return err
}

// rest ends the watch, and drops what it has read: it is called when the next
// bytes of the client are those of TLS, which others read.
func (a *readAhead) rest() {
	a.end(func() error { return a.c.raw.SetReadDeadline(time.Unix(1, 0)) })
	a.c.mu.Lock()
	a.n, a.c.err = 0, nil
	a.c.mu.Unlock()
}

// take reads for the session.
func (a *readAhead) take(p []byte) (int, error) {
	c := a.c
	if err := a.end(c.arm); err != nil {
		return 0, err
	}
	c.mu.Lock()
	n, err := copy(p, a.got[:a.n]), c.err
	a.n = 0
	c.mu.Unlock()
	if n > 0 || err != nil {
		return n, err
	}
	if n, err = c.stream.Read(p); n > 0 {
		return n, nil // an error comes again
	}
	c.mu.Lock()
	c.err = err
	c.mu.Unlock()
	return 0, err
}
