package wire

import (
	"errors"
	"os"
	"time"
)

// watchAfter is how long a session may be busy before it is watched whether its
// client is still there.
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
	asked  chan struct{}
	got    [1]byte
	n      int
	err    error
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
	a.c.mu.Unlock()
	a.timer.Reset(watchAfter)
}

// look waits for a byte.
func (a *readAhead) look() {
	c := a.c
	c.mu.Lock()
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
		a.err = err
	}
	gone := n == 0 && !a.wanted && !a.queued && !errors.Is(err, os.ErrDeadlineExceeded)
	a.asked = nil
	c.mu.Unlock()
	close(asked)
	if gone {
		c.cancel()
	}
}

// rest ends the watch, and drops what it has read: it is called when the next
// bytes of the client are those of TLS, which others read.
func (a *readAhead) rest() {
	c := a.c
	a.timer.Stop()
	c.mu.Lock()
	a.wanted = true
	asked := a.asked
	if asked != nil {
		c.raw.SetReadDeadline(time.Unix(1, 0))
	}
	c.mu.Unlock()
	if asked != nil {
		<-asked
	}
	c.mu.Lock()
	a.n, a.err = 0, nil
	c.mu.Unlock()
}

// take reads for the session.
func (a *readAhead) take(p []byte) (int, error) {
	c := a.c
	a.timer.Stop()
	c.mu.Lock()
	a.wanted = true
	err := c.arm()
	asked := a.asked
	c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if asked != nil {
		<-asked
	}
	c.mu.Lock()
	if a.n > 0 {
		p[0] = a.got[0]
		a.n = 0
		c.mu.Unlock()
		return 1, nil
	}
	err, a.err = a.err, nil
	c.mu.Unlock()
	n := 0
	if err == nil {
		n, err = c.stream.Read(p)
	}
	if n == 0 && err != nil {
		c.mu.Lock()
		c.err = err
		c.mu.Unlock()
	}
	return n, err
}
