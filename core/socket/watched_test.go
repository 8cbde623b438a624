package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// noLimit is the deadline of a Read that has none.
func noLimit(c net.Conn) func() error {
	return func() error { return c.SetReadDeadline(time.Time{}) }
}

func TestWatched(t *testing.T) {
	errOver := errors.New("over")
	for name, tt := range map[string]struct {
		queued bool
		peer   func(c net.Conn) // while we are busy
		gone   bool
		then   string // is read behind it
		err    error
	}{
		"silent":           {peer: func(net.Conn) {}, err: os.ErrDeadlineExceeded},
		"gone":             {peer: func(c net.Conn) { c.Close() }, gone: true, err: io.EOF},
		"gone, has spoken": {queued: true, peer: func(c net.Conn) { c.Close() }, err: io.EOF},
		"speaks":           {peer: func(c net.Conn) { go io.WriteString(c, "QUIT\r\n") }, then: "QUIT\r\n", err: os.ErrDeadlineExceeded},
		"speaks, is gone":  {peer: func(c net.Conn) { go func() { io.WriteString(c, "QUIT\r\n"); c.Close() }() }, then: "QUIT\r\n", err: io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				defer theirs.Close()
				defer ours.Close()
				gone := false
				w := Watch(ours, func() { gone = true })
				w.Busy(tt.queued)
				time.Sleep(WatchAfter * 3 / 2)
				tt.peer(theirs)
				time.Sleep(WatchAfter)
				synctest.Wait()
				if gone != tt.gone {
					t.Errorf("gone %v", gone)
				}
				var said []byte
				limit := func() error {
					ours.SetReadDeadline(time.Now().Add(time.Minute)) // fails for a pipe whose other end is closed
					return nil
				}
				var err error
				for err == nil {
					var p [16]byte
					var n int
					n, err = w.Read(p[:], limit)
					said = append(said, p[:n]...)
				}
				if string(said) != tt.then || !errors.Is(err, tt.err) {
					t.Errorf("read %q, %v", said, err)
				}
				if _, again := w.Read(make([]byte, 1), noLimit(ours)); again != err {
					t.Errorf("then %v, want %v for ever", again, err)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		w := Watch(ours, func() { t.Error("gone") })
		if _, err := w.Read(make([]byte, 1), func() error { return errOver }); err != errOver {
			t.Errorf("read: %v", err)
		}
		// What the watch has read before TLS begins is for no one.
		w.Busy(false)
		go io.WriteString(theirs, "x")
		time.Sleep(2 * WatchAfter)
		w.Rest()
		over, secured := net.Pipe()
		defer secured.Close()
		w.Replace(over)
		go io.WriteString(secured, "y")
		var p [4]byte
		if n, err := w.Read(p[:], noLimit(over)); string(p[:n]) != "y" || err != nil || w.Conn() != over {
			t.Errorf("behind TLS: %q, %v", p[:n], err)
		}
	})
}
