//go:build linux

package soak

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// traffic is all that the clients do.
type traffic struct {
	receivers []*receiver
	books     *books
	maker     *maker
	front     string // a mail server that stands in front; empty: none, so there is LMTP too, and authentication
	ended     chan struct{}
}

// receiver is any of those that take mail.
func (f *traffic) receiver() *receiver { return f.receivers[rand.IntN(len(f.receivers))] }

func (f *traffic) smtp() string { return cmp.Or(f.front, f.receiver().addr) }

func (f *traffic) lmtp() string { return f.receiver().lmtp }

// during has the clients work for a time, while things happen at intervals, one
// at a time.
func (f *traffic) during(t *testing.T, length time.Duration, happen map[time.Duration]func()) {
	f.ended = make(chan struct{})
	var clients sync.WaitGroup
	for range senders {
		clients.Go(f.sender)
	}
	for range 3 {
		clients.Go(f.slow)
		if f.front == "" {
			clients.Go(f.silent)
		}
	}
	next := map[time.Duration]time.Time{}
	for interval := range happen {
		next[interval] = time.Now().Add(interval)
	}
	for end := time.Now().Add(length); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		for interval, what := range happen {
			if time.Now().After(next[interval]) {
				what()
				next[interval] = time.Now().Add(interval)
			}
		}
		for _, r := range f.receivers {
			if r.hasEnded() {
				t.Errorf("the program has ended: %v", r.cmd.ProcessState)
				r.start(t)
			}
		}
	}
	close(f.ended)
	clients.Wait()
}

// long hands each receiver a message that does not stay in its memory.
func (f *traffic) long() {
	f.ended = make(chan struct{})
	defer close(f.ended)
	for _, r := range f.receivers {
		f.deliver(f.maker.long(), way{}, "127.0.0.1", func() string { return cmp.Or(f.front, r.addr) }, nil)
	}
}

func (f *traffic) over() bool {
	select {
	case <-f.ended:
		return true
	default:
		return false
	}
}

// tries is how often a client hands in a message that is not answered for good.
const tries = 4

func (f *traffic) sender() {
	for !f.over() {
		w := ways[rand.IntN(len(ways))]
		switch roll := rand.IntN(6); {
		case roll == 0 && f.front == "":
			m := f.maker.random(false)
			m.kind += ", LMTP"
			f.deliver(m, w, "127.0.0.1", f.lmtp, nil)
		case roll == 1 && f.front == "":
			m := f.maker.random(true)
			if m.refusal != "" {
				m.refusal = "5" // authentication has rules of its own
			}
			f.deliver(m, w, stranger, f.smtp, f.authenticate)
		default:
			f.deliver(f.maker.random(true), w, "127.0.0.1", f.smtp, nil)
		}
		time.Sleep(rand.N(20 * time.Millisecond))
	}
}

// authenticate is what a client that is on no list has to do. One in four has
// the wrong password first.
func (f *traffic) authenticate(c *client) error {
	if err := c.secure(); err != nil {
		return err
	}
	if rand.IntN(4) == 0 {
		reply, err := c.login(user, "wrong")
		if err != nil {
			return err
		}
		if !strings.HasPrefix(reply, "535 5.7.8") && reply[0] != '4' {
			f.books.fault("wrong password: %q", reply)
		}
		if reply, err = c.command("MAIL FROM:<" + user + ">"); err == nil && !strings.HasPrefix(reply, "530 5.7.0") && reply[0] != '4' {
			f.books.fault("MAIL behind a wrong password: %q", reply)
		}
	}
	reply, err := c.login(user, password)
	if err == nil && reply[0] != '2' {
		err = errors.New(reply)
	}
	return err
}

// deliver hands a message in until it is answered for good, as mail servers do, at
// each try to any that to names.
func (f *traffic) deliver(m *message, w way, from string, to func() string, prepare func(*client) error) {
	m.kind += map[bool]string{true: ", TLS and AUTH"}[prepare != nil]
	f.books.open(m)
	for try := 0; try < tries && !(try > 0 && f.over()); {
		c, err := dial(from, to())
		if err == nil && prepare != nil {
			err = prepare(c)
		}
		if err != nil { // killed, perhaps
			if c != nil {
				c.Close()
			}
			if f.over() {
				return
			}
			time.Sleep(50 * time.Millisecond)
			continue
		}
		a := c.transact(m, w)
		c.Close()
		f.enter(m, a)
		if a.outcome == accepted || a.outcome == refused || w.breakOff {
			return
		}
		w.hangUp = false
		try++
		time.Sleep(rand.N(time.Second))
	}
}

// enter records an attempt and looks whether it came out as it should.
func (f *traffic) enter(m *message, a attempt) {
	f.books.enter(m, a)
	if a.outcome == refused && !strings.HasPrefix(a.reply, m.refusal) {
		f.books.fault("%s: %q, want %q", m.kind, a.reply, m.refusal)
	}
	if a.outcome == refused && m.refusal == "" && !strings.Contains(a.reply, "the sink refuses") {
		f.books.fault("%s, %s: %q", m.kind, m.sample, a.reply)
	}
	if a.outcome == accepted && (m.refusal != "" || len(a.taken)+len(a.wrong) != len(m.to)) {
		f.books.fault("%s was taken: %q", m.kind, a.reply)
	}
	for rcpt, reply := range a.wrong {
		if rcpt != m.denied && m.refusal == "" && !strings.Contains(reply, "the sink refuses") {
			f.books.fault("%s, %s: %q", m.kind, rcpt, reply)
		}
	}
	for _, rcpt := range a.taken {
		if rcpt == m.denied {
			f.books.fault("%s was taken", rcpt)
		}
	}
}

// slow sends a small message, a byte a second at the slowest.
func (f *traffic) slow() {
	for n := 0; !f.over(); n++ {
		m := f.maker.random(true)
		if m.refusal != "" || m.denied != "" {
			continue
		}
		m.kind, m.sample, m.text = "slow", "slow", []byte("s: 1\r\n\r\nx\r\n")
		f.deliver(m, way{pace: []time.Duration{time.Second, 50 * time.Millisecond}[n%2]}, "127.0.0.1", f.smtp, nil)
	}
}

// silent greets and says nothing more, until it is sent away.
func (f *traffic) silent() {
	for !f.over() {
		c, err := dial("127.0.0.1", f.smtp())
		if err != nil {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		begun := time.Now()
		_, err = c.reply()
		if err == nil {
			_, err = c.reply()
		}
		if took := time.Since(begun); err == nil || took > patience { // a machine that stood still for ten seconds is none of ours
			f.books.fault("a silent client was borne for %v", took)
		}
		c.Close()
	}
}
