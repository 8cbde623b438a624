package milter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/d--j/go-milter"

	"smtpreceiver/milter/guard/guardtest"
)

// mta stands for the library's connection to the MTA at the end of a message.
type mta struct {
	milter.Modifier
	notices     atomic.Int32
	progressErr error
	deleteErr   error
}

func (m *mta) Progress() error              { m.notices.Add(1); return m.progressErr }
func (m *mta) DeleteRecipient(string) error { return m.deleteErr }
func (m *mta) Get(milter.MacroName) string  { return "" }

// received is a session that has a whole message for a fax.
func received(t *testing.T, g *gate) *session {
	t.Helper()
	s := &session{server: g.Server}
	s.NewConnection(nil)
	s.Connect("client.test", "tcp4", 4660, "127.0.0.1", nil)
	m := &mta{}
	for _, step := range []func() (*milter.Response, error){
		func() (*milter.Response, error) { return s.MailFrom("a@x.test", "", m) },
		func() (*milter.Response, error) { return s.RcptTo("1@fax", "", m) },
		func() (*milter.Response, error) { return s.Data(m) },
		func() (*milter.Response, error) { return s.Header("Subject", " x", m) },
		func() (*milter.Response, error) { return s.Headers(m) },
		func() (*milter.Response, error) { return s.BodyChunk([]byte("body\r\n"), m) },
	} {
		if resp, err := step(); err != nil || resp != milter.RespContinue {
			t.Fatalf("%v, %v", resp, err)
		}
	}
	return s
}

func TestProgressNotices(t *testing.T) {
	t.Parallel()
	g := open(t, loopbackClients)
	g.progressEvery = time.Millisecond
	s := &session{server: g.Server}
	var m mta
	slow := errors.New("slow disk")
	err := s.patiently(&m, func(err error) { t.Errorf("gone: %v", err) }, func() error {
		for m.notices.Load() < 3 {
			time.Sleep(time.Millisecond)
		}
		return slow
	})
	if err != slow {
		t.Errorf("error %v, want %v", err, slow)
	}
	// An MTA that does not listen any more ends the work.
	m.progressErr = net.ErrClosed
	ctx, cancel := context.WithCancelCause(context.Background())
	err = s.patiently(&m, cancel, func() error { <-ctx.Done(); return context.Cause(ctx) })
	if err != net.ErrClosed {
		t.Errorf("error %v, want %v", err, net.ErrClosed)
	}
	err = s.patiently(&m, cancel, func() error { panic("bad template") })
	if err == nil || !strings.Contains(err.Error(), "bad template") {
		t.Errorf("panic at work: %v", err)
	}
}

// TestNoticesComeInTime: an MTA waits 30 s for a sign of life, and some have been
// told to wait less.
func TestNoticesComeInTime(t *testing.T) {
	t.Parallel()
	if every := open(t, "").progressEvery; every < time.Second || every > 10*time.Second {
		t.Errorf("a notice every %v", every)
	}
}

func TestNoticeBeforeTheCommit(t *testing.T) {
	t.Parallel()
	g := open(t, loopbackClients)
	m := &mta{}
	if resp, err := received(t, g).EndOfMessage(m); err != nil || resp != milter.RespAccept {
		t.Errorf("%v, %v; want the message accepted", resp, err)
	}
	if n := m.notices.Load(); n != 1 {
		t.Errorf("%d progress notices, want the one before the commit", n)
	}
	resp, err := received(t, g).EndOfMessage(&mta{progressErr: io.ErrClosedPipe})
	if err != nil || !strings.HasPrefix(string(resp.Response().Data), "451 4.4.2 ") {
		t.Errorf("MTA gone: %v, %v; want 451 4.4.2", resp, err)
	}
	if all := jobs(t, g.dir); len(all) != 1 {
		t.Errorf("%d jobs, want 1", len(all))
	}
	nothingLeft(t, g.dir)
}

// TestHungUpMTA: the MTA has closed its side before the message was committed.
func TestHungUpMTA(t *testing.T) {
	t.Parallel()
	g := open(t, loopbackClients)
	for _, addr := range []string{"", "inet:127.0.0.1:0"} {
		g.serve(t, addr)
		c := g.dial(t)
		guardtest.Ask(t, c, guardtest.Negotiation)
		fmt.Fprint(c, connect+mailFrom+faxRcpt+data+content+end)
		if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(answers(c), " "); got != "c c y451 4.4.2" {
			t.Errorf("%s: %q", g.addr, got)
		}
	}
	if all := jobs(t, g.dir); len(all) != 0 {
		t.Errorf("%d jobs, want none", len(all))
	}
	nothingLeft(t, g.dir)
}

// TestNotDeleted: after the commit there is nothing left to say but a tempfail.
func TestNotDeleted(t *testing.T) {
	t.Parallel()
	g := open(t, loopbackClients)
	resp, err := received(t, g).EndOfMessage(&mta{deleteErr: net.ErrClosed})
	if err != nil || resp != milter.RespTempFail {
		t.Errorf("%v, %v; want a tempfail", resp, err)
	}
	if all := jobs(t, g.dir); len(all) != 1 {
		t.Errorf("%d jobs, want 1", len(all))
	}
	if !strings.Contains(g.log.String(), "recipient not deleted after the commit") {
		t.Errorf("log:\n%s", g.log)
	}
}
