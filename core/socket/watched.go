package socket

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// WatchAfter is how long we may be busy at most before it is watched whether the
// other side is still there.
const WatchAfter = time.Second

// Watched is a connection that is read by one goroutine, and that notices while
// this one is busy that the other side is gone, so that work for it can stop.
// Where we are busy for long it waits for the next byte, which the next Read then
// has. An error of reading is final.
type Watched struct {
	gone  func()
	timer *time.Timer

	mu     sync.Mutex
	conn   net.Conn
	wanted bool // input is read, or nothing is done
	armed  bool // the timer runs; it is cheaper to let it than to stop it each time
	asked  chan struct{}
	got    [1]byte
	n      int
	queued bool // more than we are busy with has come: it may say goodbye and be gone
	err    error
}

// Watch watches c; gone is called when the other side is.
func Watch(c net.Conn, gone func()) *Watched {
	w := &Watched{conn: c, gone: gone, wanted: true}
	w.timer = time.AfterFunc(time.Hour, w.look)
	w.timer.Stop()
	return w
}

// Busy is to be called when there is something to do; queued says that more has
// been read than that. The next Read ends it.
func (w *Watched) Busy(queued bool) {
	w.mu.Lock()
	w.wanted, w.queued = false, queued
	armed := w.armed
	w.armed = true
	w.mu.Unlock()
	if !armed {
		w.timer.Reset(WatchAfter)
	}
}

// look waits for a byte.
func (w *Watched) look() {
	w.mu.Lock()
	w.armed = false
	c := w.conn
	if w.wanted || w.asked != nil || w.n > 0 || w.err != nil || c.SetReadDeadline(time.Time{}) != nil {
		w.mu.Unlock()
		return
	}
	asked := make(chan struct{})
	w.asked = asked
	w.mu.Unlock()
	n, err := c.Read(w.got[:])
	w.mu.Lock()
	w.n = n
	if n == 0 {
		w.err = err
	}
	gone := n == 0 && !w.wanted && !w.queued && !errors.Is(err, os.ErrDeadlineExceeded)
	w.asked = nil
	w.mu.Unlock()
	close(asked)
	if gone {
		w.gone()
	}
}

// end ends the watch, with a deadline for what it may be reading.
func (w *Watched) end(deadline func() error) error {
	w.mu.Lock()
	w.wanted = true
	err := w.err
	if err == nil {
		err = deadline()
	}
	asked := w.asked
	w.mu.Unlock()
	if err == nil && asked != nil {
		<-asked
	}
	return err
}

// Read reads; deadline sets the time that there is for it, or says why nothing is
// to be read.
func (w *Watched) Read(p []byte, deadline func() error) (int, error) {
	if err := w.end(deadline); err != nil {
		return 0, err
	}
	w.mu.Lock()
	c, n, err := w.conn, copy(p, w.got[:w.n]), w.err
	w.n = 0
	w.mu.Unlock()
	if n > 0 || err != nil {
		return n, err
	}
	if n, err = c.Read(p); n > 0 {
		return n, nil // an error comes again
	}
	w.mu.Lock()
	w.err = err
	w.mu.Unlock()
	return 0, err
}

// Rest ends the watch, and drops what it has read: it is for when others read the
// next bytes, as TLS does.
func (w *Watched) Rest() {
	w.end(func() error { return w.conn.SetReadDeadline(time.Unix(1, 0)) })
	w.mu.Lock()
	w.n, w.err = 0, nil
	w.mu.Unlock()
}

// Replace makes c the connection from now on, such as TLS over it.
func (w *Watched) Replace(c net.Conn) {
	w.mu.Lock()
	w.conn = c
	w.mu.Unlock()
}

// Conn is the connection as it is now, for writing and closing.
func (w *Watched) Conn() net.Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conn
}
