package wire

import (
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/places"
)

func TestTimeoutsAreIdleTimesWithTotal(t *testing.T) {
	// upload sends a message of n bytes, one each pause, and returns the reply.
	upload := func(t *testing.T, n int, pause time.Duration) string {
		inner := newPipeListener()
		s := new(wireServer)
		s.serve(t, inner, testOptions())
		d := inner.dial(t)
		d.Want("220 ")
		for _, line := range []string{"EHLO c.test", "MAIL FROM:<a@x.test>", "RCPT TO:<1@fax>", "DATA"} {
			d.Send(line + "\r\n")
			d.Reply()
		}
		var sender sync.WaitGroup
		sender.Go(func() {
			for range n {
				time.Sleep(pause)
				io.WriteString(d.Conn, "x")
			}
			io.WriteString(d.Conn, "\r\n.\r\n")
		})
		reply := d.Reply()
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
		{"longer than transaction_timeout", 11, 59 * time.Second, "421 4.4.2 timeout while receiving the message"},
		{"a gap longer than socket_timeout", 2, 61 * time.Second, "421 4.4.2 timeout while receiving the message"},
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
		new(wireServer).serve(t, inner, testOptions())
		d := inner.dial(t)
		d.Want("220 ")
		begin := time.Now()
		var sender sync.WaitGroup
		sender.Go(func() {
			for err := error(nil); err == nil; _, err = io.WriteString(d.Conn, "x") {
				time.Sleep(59 * time.Second)
			}
		})
		d.Want("421 4.4.2 ", "")
		defer sender.Wait()
		if took := time.Since(begin); took != 10*time.Minute {
			t.Errorf("ended after %v", took)
		}
	})
}

// A client that says much and does nothing does not hold a place: NOOP, RSET,
// EHLO again, AUTH that fails, envelopes that come to nothing.
func TestNothingUsefulEnds(t *testing.T) {
	for _, lines := range [][]string{{"NOOP"}, {"RSET"}, {"EHLO c.test"}, {"AUTH PLAIN AAA="}, {"VRFY x"}, {"MAIL FROM:<a@x.test>", "RSET"}, {"RCPT TO:<1@fax>"},
		{"MAIL FROM:<a@x.test>", "RCPT TO:<1@fax>", "RSET"}, {"MAIL FROM:<a@x.test>", "RCPT TO:<1@fax>", "EHLO c.test"}} {
		synctest.Test(t, func(t *testing.T) {
			inner := newPipeListener()
			s := new(wireServer)
			s.serve(t, inner, testOptions())
			d, begin := inner.dial(t), time.Now()
			d.Want("220 ")
			d.Say("EHLO c.test", "250 ")
			said := make(chan string)
			go func() {
				all, _ := io.ReadAll(d.R)
				said <- string(all)
			}()
			var err error
			for err == nil && time.Since(begin) < 20*time.Minute {
				_, err = io.WriteString(d.Conn, strings.Join(lines, "\r\n")+"\r\n")
				time.Sleep(20 * time.Second)
			}
			took := time.Since(begin)
			d.Conn.Close()
			if all := <-said; took > 11*time.Minute || !strings.Contains(all, "\n421 4.4.2 gw.test nothing useful") {
				t.Errorf("%q hold a place for %v: %.200q", lines, took, all[max(0, len(all)-200):])
			}
			if took < 9*time.Minute {
				t.Errorf("%q: ended after %v", lines, took)
			}
		})
	}
}

// What is useful gives the client its time again.
func TestUsefulClientStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newPipeListener()
		s := new(wireServer)
		s.serve(t, inner, testOptions())
		d := inner.dial(t)
		d.Want("220 ")
		d.Say("EHLO c.test", "250 ")
		for range 60 { // 54 seconds each
			for _, line := range []string{"MAIL FROM:<a@x.test>", "RCPT TO:<1@fax>"} {
				d.Say(line, "250 ")
				time.Sleep(27 * time.Second)
			}
			d.Say("DATA", "354 ")
			d.Say("text\r\n.", "250 ")
		}
	})
}

// Each thing that is useful gives the whole time again: a login, a recipient more than since the
// last message, DATA, and the end of the message.
func TestEachUsefulThing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newPipeListener()
		s := &wireServer{password: func(string, string) error { return nil }}
		s.serve(t, inner, testOptions())
		d := inner.dial(t)
		d.Want("220 ")
		d.Say("EHLO c.test", "250 ")
		eightMinutes := func() {
			for range 10 {
				time.Sleep(48 * time.Second)
				d.Say("NOOP", "250 ")
			}
		}
		eightMinutes()
		d.Say("AUTH PLAIN AGEAYg==", "235 ")
		eightMinutes()
		d.Say("MAIL FROM:<a@x.test>", "250 ")
		d.Say("RCPT TO:<1@fax>", "250 ")
		eightMinutes()
		d.Say("DATA", "354 ")
		for range 10 {
			time.Sleep(48 * time.Second)
			d.Send("x\r\n")
		}
		d.Say(".", "250 ")
		eightMinutes()
		d.Say("MAIL FROM:<a@x.test>", "250 ")
		d.Say("RCPT TO:<1@fax>", "250 ")
		eightMinutes()
	})
}

func TestIdleClientIsToldGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newPipeListener()
		new(wireServer).serve(t, inner, testOptions())
		d := inner.dial(t)
		d.Want("220 ")
		begin := time.Now()
		d.Want("421 4.4.2 ", "")
		if took := time.Since(begin); took != time.Minute {
			t.Errorf("ended after %v", took)
		}
	})
}

func TestNothingRunsBehindQuitOr421(t *testing.T) {
	for _, last := range []string{"QUIT\r\n", "MAIL FROM:<hangup@x.test>\r\n", "MAIL FROM:<panic@x.test>\r\n"} {
		each(t, func() *wireServer { return new(wireServer) }, func(t *testing.T, s *wireServer, dial func() *mtatest.Dialog) {
			d := dial()
			d.Send(last + "MAIL FROM:<evil@x.test>\r\nNOOP\r\n")
			if got := d.Reply(); !strings.HasPrefix(got, "221 2.0.0 ") && !strings.HasPrefix(got, "421 4.7.0 ") && got != "421 4.3.0 Internal error, try again later" {
				t.Errorf("reply %q", got)
			}
			d.Closed()
			s.waitEmpty(t)
			if from := s.from(); len(from) != 0 {
				t.Errorf("behind %q: senders %q", last, from)
			}
		})
	}
}

// Slowloris: clients that send a byte now and then hold their places no longer
// than transaction_timeout, whatever they are in the middle of.
func TestSlowloris(t *testing.T) {
	for _, before := range []string{"", "EHLO c.test\r\n", "EHLO c.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nDATA\r\n"} {
		synctest.Test(t, func(t *testing.T) {
			inner := newPipeListener()
			o := testOptions()
			o.Places = places.New(3, 0)
			new(wireServer).serve(t, inner, o)
			var slow []*mtatest.Dialog
			for range 3 {
				d := inner.dial(t)
				d.Want("220 ")
				go io.Copy(io.Discard, d.R)
				for line := range strings.Lines(before) {
					d.Send(line)
					synctest.Wait()
				}
				slow = append(slow, d)
			}
			begin := time.Now()
			for o.Places.Held() > 0 && time.Since(begin) < 2*o.Transaction {
				for _, d := range slow {
					io.WriteString(d.Conn, "x")
				}
				time.Sleep(o.Idle - time.Second)
			}
			if held := time.Since(begin); o.Places.Held() > 0 || held > o.Transaction+o.Idle || held < o.Transaction/2 {
				t.Errorf("behind %q: %d places after %v", before, o.Places.Held(), held)
			}
			inner.dial(t).Want("220 ")
		})
	}
}
