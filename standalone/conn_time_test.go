package standalone

import (
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTimeoutsAreIdleTimesWithTotal(t *testing.T) {
	// upload sends a message of n bytes, one each pause, and returns the reply.
	upload := func(t *testing.T, n int, pause time.Duration) string {
		inner := newPipeListener()
		s := new(wireServer)
		s.serve(t, inner, wireTestOptions())
		d := inner.dial(t)
		d.want("220 ")
		for _, line := range []string{"EHLO c.test", "MAIL FROM:<a@x.test>", "RCPT TO:<1@fax>", "DATA"} {
			d.send(line + "\r\n")
			d.reply()
		}
		var sender sync.WaitGroup
		sender.Go(func() {
			for range n {
				time.Sleep(pause)
				io.WriteString(d.Conn, "x")
			}
			io.WriteString(d.Conn, "\r\n.\r\n")
		})
		reply := d.reply()
		d.Close()
		sender.Wait()
		return reply
	}
	tests := []struct {
		name  string
		n     int
		pause time.Duration
		want  string
	}{
		{"slow but steady", 9, 59 * time.Second, "250 "},
		{"longer than transaction_timeout", 11, 59 * time.Second, "421 4.4.2 "},
		{"a gap longer than socket_timeout", 2, 61 * time.Second, "421 4.4.2 "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if got := upload(t, tt.n, tt.pause); !strings.HasPrefix(got, tt.want) {
					t.Errorf("reply %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// One byte a minute must not hold a place for longer than a message may take.
func TestSlowCommandEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newPipeListener()
		new(wireServer).serve(t, inner, wireTestOptions())
		d := inner.dial(t)
		d.want("220 ")
		begin := time.Now()
		var sender sync.WaitGroup
		sender.Go(func() {
			for err := error(nil); err == nil; _, err = io.WriteString(d.Conn, "x") {
				time.Sleep(59 * time.Second)
			}
		})
		d.want("421 4.4.2 ", "")
		defer sender.Wait()
		if took := time.Since(begin); took != 10*time.Minute {
			t.Errorf("ended after %v", took)
		}
	})
}

func TestIdleClientIsToldGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newPipeListener()
		new(wireServer).serve(t, inner, wireTestOptions())
		d := inner.dial(t)
		d.want("220 ")
		begin := time.Now()
		d.want("421 4.4.2 ", "")
		if took := time.Since(begin); took != time.Minute {
			t.Errorf("ended after %v", took)
		}
	})
}

func TestNothingRunsBehindQuitOr421(t *testing.T) {
	for _, useTLS := range []bool{false, true} {
		for _, last := range []string{"QUIT\r\n", "MAIL FROM:<hangup@x.test>\r\n"} {
			s := (&wireServer{tls: wireTLS()}).start(t, wireTestOptions())
			d := s.dial(t)
			if useTLS {
				d = d.startTLS()
			} else {
				d.want("220 ")
			}
			d.send("EHLO c.test\r\n")
			d.want("250 ")
			d.send(last + "MAIL FROM:<evil@x.test>\r\nNOOP\r\n")
			if got := d.reply(); !strings.HasPrefix(got, "221 ") && !strings.HasPrefix(got, "421 4.7.0 ") {
				t.Errorf("reply %q", got)
			}
			d.closed()
			s.waitEmpty(t)
			if from := s.from(); len(from) != 0 {
				t.Errorf("behind %q: senders %q", last, from)
			}
		}
	}
}
