package standalone

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestOneConnectionTooMany(t *testing.T) {
	o := wireTestOptions()
	o.slots = make(chan struct{}, 2)
	s := new(wireServer).start(t, o)
	first, second := s.dial(t), s.dial(t)
	first.want("220 ")
	second.want("220 ")
	third := s.dial(t)
	third.want("421 4.3.2 gw.test too many connections", "")
	first.send("QUIT\r\n")
	first.want("221 ", "") // the place is free before the client sees the end
	s.dial(t).want("220 ")
}

// Clients that are sent away and do not read must not keep the others waiting.
func TestGoodbyesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newPipeListener()
		o := wireTestOptions()
		o.slots = make(chan struct{}, 1)
		s := new(wireServer)
		s.serve(t, inner, o)
		served := inner.dial(t)
		served.want("220 ")
		var deaf []*dialog
		for range maxGoodbyes {
			deaf = append(deaf, inner.dial(t))
		}
		synctest.Wait()
		inner.dial(t).want("") // nobody is left to say goodbye
		time.Sleep(goodbyeTimeout + time.Second)
		synctest.Wait()
		inner.dial(t).want("421 4.3.2 ", "")
		for _, d := range deaf {
			d.want("")
		}
		served.send("NOOP\r\n")
		served.want("250 ")
	})
}

func TestAdmit(t *testing.T) {
	var asked []netip.Addr
	var mu sync.Mutex
	o := wireTestOptions()
	o.slots = make(chan struct{}, 1)
	refusal := "554 5.7.1 not on the list"
	o.admit = func(ctx context.Context, a netip.Addr) string {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, a)
		if _, ok := ctx.Deadline(); !ok {
			t.Error("admit may take for ever")
		}
		return refusal
	}
	s := new(wireServer).start(t, o)
	for range 3 { // a refused client leaves its place
		s.dial(t).want(refusal, "")
	}
	mu.Lock()
	refusal = ""
	mu.Unlock()
	s.dial(t).want("220 ")
	if len(asked) != 4 || asked[0] != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("asked about %v", asked)
	}
}

// A slow look-up of one client's name must not keep the next one waiting.
func TestSlowAdmitKeepsNobodyWaiting(t *testing.T) {
	o := wireTestOptions()
	asked, proceed := make(chan struct{}), make(chan struct{})
	var later atomic.Bool
	o.admit = func(context.Context, netip.Addr) string {
		if !later.Swap(true) {
			close(asked)
			<-proceed
		}
		return ""
	}
	s := new(wireServer).start(t, o)
	slow := s.dial(t)
	<-asked
	s.dial(t).want("220 ")
	close(proceed)
	slow.want("220 ")
}

func TestConfigureHoldsForNewConnections(t *testing.T) {
	o := wireTestOptions()
	s := new(wireServer).start(t, o)
	s.dial(t).want("220 ")
	o.admit = func(context.Context, netip.Addr) string { return "554 5.7.1 no" }
	s.configure(o)
	s.dial(t).want("554 5.7.1 no", "")
}

func TestRefusalOnImplicitTLSOnlyCloses(t *testing.T) {
	o := wireTestOptions()
	o.implicitTLS = true
	o.admit = func(context.Context, netip.Addr) string { return "554 5.7.1 no" }
	s := (&wireServer{tls: wireTLS()}).start(t, o)
	s.dial(t).closed()
}

func TestAcceptErrorsPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		inner := newPipeListener()
		o := wireTestOptions()
		o.log = slog.New(slog.NewTextHandler(&log, nil))
		new(wireServer).serve(t, inner, o)
		begin := time.Now()
		for range 12 {
			inner.errs <- &net.OpError{Op: "accept", Err: syscall.EMFILE}
		}
		inner.dial(t).want("220 ")
		took := time.Since(begin)
		if least, most := time.Second, 12*time.Second; took < least || took > most {
			t.Errorf("back-off took %v, want between %v and %v", took, least, most)
		}
		if n := strings.Count(log.String(), "too many open files"); n != 12 {
			t.Errorf("%d of 12 errors in the log:\n%s", n, log.String())
		}
	})
}

func TestDrain(t *testing.T) {
	for _, useTLS := range []bool{false, true} {
		for _, pipelined := range []string{"", "MAIL FROM:<late@x.test>\r\n"} {
			s := &wireServer{tls: wireTLS(), entered: make(chan struct{}), proceed: make(chan struct{})}
			s.start(t, wireTestOptions())
			dial := func() *dialog {
				d := s.dial(t)
				if useTLS {
					d = d.startTLS()
				} else {
					d.want("220 ")
				}
				d.send("EHLO c.test\r\n")
				d.want("250 ")
				return d
			}
			idle, busy := dial(), dial()
			busy.send("MAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nDATA\r\n")
			busy.want("250 ", "250 ", "354 ")
			<-s.entered
			drained := make(chan error)
			go func() { drained <- s.drain(context.Background()) }()
			idle.want("421 4.3.2 gw.test shutting down", "")
			if _, err := net.Dial("tcp", s.addr); err == nil {
				t.Error("still listening")
			}
			busy.send("text\r\n.\r\n" + pipelined)
			s.proceed <- struct{}{}
			busy.want("250 ", "421 4.3.2 ", "")
			if err := <-drained; err != nil {
				t.Errorf("drain: %v", err)
			}
			if got := s.got(); len(got) != 1 || got[0] != "text\r\n" {
				t.Errorf("got %q", got)
			}
			if from := s.from(); len(from) != 1 {
				t.Errorf("senders %q: a transaction began while shutting down", from)
			}
		}
	}
}

func TestDrainEndsWithContext(t *testing.T) {
	s := &wireServer{entered: make(chan struct{}, 1)}
	s.start(t, wireTestOptions())
	busy := s.dial(t)
	busy.envelope()
	<-s.entered
	ctx, cancel := context.WithCancel(context.Background())
	drained := make(chan error)
	go func() { drained <- s.drain(ctx) }()
	busy.send("half\r\n")
	cancel()
	if err := <-drained; !errors.Is(err, context.Canceled) {
		t.Errorf("drain: %v", err)
	}
	io.Copy(io.Discard, busy.r) // ends
	if got := s.got(); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

func TestCloseAll(t *testing.T) {
	o := wireTestOptions()
	s := new(wireServer).start(t, o)
	a, b := s.dial(t), s.dial(t)
	a.want("220 ")
	b.want("220 ")
	s.closeAll()
	a.closed()
	b.closed()
	if n := len(o.slots); n != 0 {
		t.Errorf("%d places are taken", n)
	}
}

func TestUnixSocketClientHasNoAddress(t *testing.T) {
	var got netip.Addr
	o := wireTestOptions()
	o.admit = func(_ context.Context, a netip.Addr) string { got = a; return "554 5.7.1 no" }
	inner, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	s := new(wireServer)
	s.serve(t, inner, o)
	c, err := net.Dial("unix", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	newDialog(t, c).want("554 ", "")
	if got.IsValid() {
		t.Errorf("address %v", got)
	}
}
