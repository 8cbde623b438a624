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
		if n, err := w.Read(p[:], noLimit(over)); string(p[:n]) != "y" || err != nil || w.Conn() != over || w.Conn() != over {
			t.Errorf("behind TLS: %q, %v", p[:n], err)
		}
	})
}

// TestWatchedTimes: how long the watch waits, and that it neither takes from a Read under way
// nor says twice that the other side is gone.
func TestWatchedTimes(t *testing.T) {
	for name, do := range map[string]func(t *testing.T, w *Watched, theirs net.Conn, gone *int, read func() string){
		"since the first time that we were busy": func(t *testing.T, w *Watched, theirs net.Conn, gone *int, read func() string) {
			w.Busy(false)
			go io.WriteString(theirs, "a")
			if got := read(); got != "a" {
				t.Errorf("read %s", got)
			}
			time.Sleep(WatchAfter / 2)
			w.Busy(false)
			time.Sleep(WatchAfter * 3 / 4)
			theirs.Close()
			synctest.Wait()
			if *gone != 1 {
				t.Error("it is not watched yet")
			}
			w.Busy(false)
			time.Sleep(2 * WatchAfter)
		},
		"a Read keeps its limit and its bytes": func(t *testing.T, w *Watched, theirs net.Conn, gone *int, read func() string) {
			w.Busy(false)
			start := time.Now()
			if got := read(); got != "i/o timeout" || time.Since(start) != time.Minute {
				t.Errorf("read %s after %v", got, time.Since(start))
			}
			*gone = 1
		},
		"gone in a Read": func(t *testing.T, w *Watched, theirs net.Conn, gone *int, read func() string) {
			w.Busy(false)
			time.Sleep(2 * WatchAfter) // it waits for a byte
			go func() { time.Sleep(time.Second); theirs.Close() }()
			if got := read(); got != "EOF" || *gone != 0 {
				t.Errorf("read %s, gone %d", got, *gone)
			}
			*gone = 1
		},
		"busy again": func(t *testing.T, w *Watched, theirs net.Conn, gone *int, read func() string) {
			for range 2 {
				w.Busy(false)
				time.Sleep(2 * WatchAfter)
			}
			go io.WriteString(theirs, "abc")
			for range 2 {
				w.Busy(false)
				time.Sleep(2 * WatchAfter)
			}
			if got := read() + read(); got != "abc" {
				t.Errorf("read %s", got)
			}
			*gone = 1
		},
		"watched again": func(t *testing.T, w *Watched, theirs net.Conn, gone *int, read func() string) {
			w.Busy(false)
			time.Sleep(2 * WatchAfter)
			go io.WriteString(theirs, "a")
			if got := read(); got != "a" {
				t.Errorf("read %s", got)
			}
			w.Busy(false)
			time.Sleep(2 * WatchAfter)
			theirs.Close()
		},
		"others read, nothing had come": func(t *testing.T, w *Watched, theirs net.Conn, gone *int, read func() string) {
			w.Busy(false)
			time.Sleep(2 * WatchAfter)
			w.Rest()
			go io.WriteString(theirs, "a")
			if got := read(); got != "a" {
				t.Errorf("read %s", got)
			}
			*gone = 1
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				defer theirs.Close()
				defer ours.Close()
				gone := 0
				w := Watch(ours, func() { gone++ })
				do(t, w, theirs, &gone, func() string {
					var p [4]byte
					n, err := w.Read(p[:], func() error { return ours.SetReadDeadline(time.Now().Add(time.Minute)) })
					if errors.Is(err, os.ErrDeadlineExceeded) {
						return "i/o timeout"
					} else if err != nil {
						return err.Error()
					}
					return string(p[:n])
				})
				synctest.Wait()
				if gone != 1 {
					t.Errorf("gone %d times", gone)
				}
			})
		})
	}
}
