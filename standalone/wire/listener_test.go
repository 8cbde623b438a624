package wire

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/access"
	"smtpreceiver/core/metrics"
	"smtpreceiver/core/places"
	"smtpreceiver/core/reply"
	"smtpreceiver/core/socket"
)

// One client more than there are places waits for its greeting, and the one that
// came first is served first.
func TestWaitingForAPlace(t *testing.T) {
	o := testOptions()
	o.Places = places.New(2, 4)
	s := new(wireServer).start(t, o)
	first, second := s.dial(t), s.dial(t)
	first.Want("220 ")
	second.Want("220 ")
	third := s.dial(t)
	inLine(t, o.Places, 1)
	fourth := s.dial(t)
	inLine(t, o.Places, 2) // half of max_waiting: from one client no more
	s.dial(t).Want("421 4.3.2 gw.test too many connections", "")
	first.Send("QUIT\r\n")
	first.Want("221 ", "")
	third.Want("220 ")
	third.Conn.Close()
	fourth.Want("220 ")
}

// inLine waits until n clients wait.
func inLine(t *testing.T, p *places.Places, n int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); p.Waiting() != n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d wait, want %d", p.Waiting(), n)
		}
	}
}

// Waiting ends at socket_timeout, and who waits in vain holds nothing.
func TestWaitingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newPipeListener()
		o := testOptions()
		o.Places = places.New(1, 1000)
		s := new(wireServer)
		s.serve(t, inner, o)
		served := inner.dial(t)
		served.Want("220 ")
		var talk sync.WaitGroup
		defer talk.Wait()
		talk.Go(func() {
			for range 5 { // never idle
				time.Sleep(30 * time.Second)
				served.Say("NOOP", "250 ")
			}
		})
		waits, begin := inner.dial(t), time.Now()
		waits.Want("421 4.3.2 ", "")
		if took := time.Since(begin); took != o.Idle {
			t.Errorf("waited %v", took)
		}
		inLine(t, o.Places, 0)
		time.Sleep(time.Second)
		inner.dial(t).Want("421 4.3.2 ", "")
	})
}

// A client that must not wait, since we may wait for it, gets a place or 421.
func TestHastyClientDoesNotWait(t *testing.T) {
	o := testOptions()
	o.Places = places.New(1, 1000)
	var asked atomic.Int32
	o.Hasty = func(context.Context, netip.Addr) bool { asked.Add(1); return true }
	s := new(wireServer).start(t, o)
	d := s.dial(t)
	d.Want("220 ")
	if asked.Load() > 0 {
		t.Error("a name was looked up although there is a place")
	}
	s.dial(t).Want("421 4.3.2 ", "")
	d.Say("QUIT", "221 ")
	wantFree(t, o.Places) // which comes behind the 221
	s.dial(t).Want("220 ")
}

// wantFree waits until no place is taken.
func wantFree(t *testing.T, p *places.Places) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); p.Held() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d places are taken", p.Held())
		}
	}
}

// Strangers have places of their own: the longest idle makes room, and a login
// moves to an ordinary place.
func TestStrangers(t *testing.T) {
	o := testOptions()
	o.Places, o.Strangers = places.New(1, 1000), places.NewStrangers[*Conn](2)
	o.Admit = func(context.Context, netip.Addr) (bool, *reply.Reply) { return true, nil }
	s := (&wireServer{password: func(user, password string) error {
		if password != "secret" {
			return errNo
		}
		return nil
	}}).start(t, o)
	login := "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00jana\x00secret"))
	first, second := s.dial(t), s.dial(t)
	first.Want("220 ")
	second.Want("220 ")
	first.Say("EHLO c.test", "250 ")
	third := s.dial(t) // second is idle for longer
	third.Want("220 ")
	second.Want("421 4.3.2 ", "")
	first.Say(login, "235 2.7.0 ")
	if o.Places.Held() != 1 {
		t.Error("a login takes no place")
	}
	for range 5 { // strangers push each other out, not the one who has authenticated
		s.dial(t).Want("220 ")
	}
	first.Say("NOOP", "250 ")

	fourth := s.dial(t)
	fourth.Want("220 ")
	fourth.Say("EHLO c.test", "250 ")
	fourth.Send(login + "\r\n")
	inLine(t, o.Places, 1)
	first.Say("QUIT", "221 ")
	fourth.Want("235 ")
	fourth.Conn.Close()
	wantFree(t, o.Places)
}

// The stranger that was heard longest ago makes room, though it has said something and the
// other nothing: it is a line of the log, as a shutdown is not.
func TestLongestIdleStranger(t *testing.T) {
	o, log := testOptions(), new(mtatest.Log)
	o.Strangers, o.Log = places.NewStrangers[*Conn](2), slog.New(slog.NewTextHandler(log, nil))
	o.Admit = func(context.Context, netip.Addr) (bool, *reply.Reply) { return true, nil }
	s := new(wireServer).start(t, o)
	first := s.dial(t)
	first.Want("220 ")
	first.Say("EHLO c.test", "250 ")
	second := s.dial(t)
	second.Want("220 ")
	third := s.dial(t)
	third.Want("220 ")
	first.Want("421 4.3.2 gw.test too many connections, authenticate sooner", "")
	second.Say("NOOP", "250 ")
	third.Say("QUIT", "221 ")
	third.Closed()
	s.dial(t).Want("220 ") // in the place of the third
	second.Say("NOOP", "250 ")
	s.waitEmpty(t)
	if got := log.String(); strings.Count(got, "msg=refused") != 1 || !strings.Contains(got, "authenticate sooner") {
		t.Errorf("log %s", got)
	}
}

// Clients that are sent away and do not read must not keep the others waiting.
func TestGoodbyesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newPipeListener()
		o := testOptions()
		o.Places = places.New(1, 0)
		s := new(wireServer)
		s.serve(t, inner, o)
		served := inner.dial(t)
		served.Want("220 ")
		var deaf []*mtatest.Dialog
		for range maxGoodbyes {
			deaf = append(deaf, inner.dial(t))
		}
		synctest.Wait()
		inner.dial(t).Want("") // nobody is left to say goodbye
		time.Sleep(goodbyeTimeout + time.Second)
		synctest.Wait()
		inner.dial(t).Want("421 4.3.2 ", "")
		for _, d := range deaf {
			d.Want("")
		}
		served.Send("NOOP\r\n")
		served.Want("250 ")
	})
}

func TestAdmit(t *testing.T) {
	var asked []netip.Addr
	var mu sync.Mutex
	o := testOptions()
	o.Places = places.New(1, 0)
	refusal := &reply.Reply{Code: 554, Enhanced: [3]int{5, 7, 1}, Text: "not on the list"}
	o.Admit = func(ctx context.Context, a netip.Addr) (bool, *reply.Reply) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, a)
		if _, ok := ctx.Deadline(); !ok {
			t.Error("admit may take for ever")
		}
		return false, refusal
	}
	s := new(wireServer).start(t, o)
	for range 3 { // a refused client leaves its place
		s.dial(t).Want("554 5.7.1 not on the list", "")
	}
	mu.Lock()
	refusal = nil
	mu.Unlock()
	s.dial(t).Want("220 ")
	if len(asked) != 4 || asked[0] != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("asked about %v", asked)
	}
}

// One client holds no more than its places, and those of a connection that has ended again.
func TestPlacesOfOneClient(t *testing.T) {
	t.Parallel()
	o := testOptions()
	o.Places, o.Clients = places.New(1, 0), places.NewPerClient(2)
	s := new(wireServer).start(t, o)
	first := s.dial(t)
	first.Want("220 ")
	for range 3 { // who gets no place leaves what it has of its own
		s.dial(t).Want("421 4.3.2 gw.test too many connections, try", "")
	}
	o.Places = places.New(10, 0)
	s.Configure(o)
	second := s.dial(t)
	second.Want("220 ")
	s.dial(t).Want("421 4.7.0 gw.test too many connections from your address", "")
	second.Say("QUIT", "221 ")
	second.Closed()
	s.dial(t).Want("220 ")
}

// Every connection is counted by what became of it, and each that is sent away is a line of
// the log.
func TestConnectionsAreCounted(t *testing.T) {
	t.Parallel()
	o, log, m := testOptions(), new(mtatest.Log), metrics.New()
	o.Places, o.Clients, o.Metrics, o.Count = places.New(1, 0), places.NewPerClient(2), m, m.Connections(metrics.SMTP)
	o.Log = slog.New(slog.NewTextHandler(log, nil))
	s := new(wireServer).start(t, o)
	d := s.dial(t)
	d.Want("220 ")
	s.dial(t).Want("421 4.3.2 ", "")
	full := o
	full.Clients = places.NewPerClient(1)
	full.Clients.Take(access.Source(netip.MustParseAddr("127.0.0.1")))
	unlisted := o
	unlisted.Admit = func(context.Context, netip.Addr) (bool, *reply.Reply) {
		return false, &reply.Reply{Code: 554, Enhanced: [3]int{5, 7, 1}, Text: "no", Reason: reply.ReasonClient}
	}
	unproxied := o
	unproxied.Proxy = func(context.Context, netip.Addr) (bool, error) { return false, errNo }
	for _, o := range []Options{full, unlisted, unproxied} {
		s.Configure(o)
		d := s.dial(t)
		for d.Reply() != "" {
		}
	}
	d.Send("BDAT 1\r\nQUIT\r\n")
	d.Want("502 ", "221 ", "")
	s.waitEmpty(t)
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range families {
		for _, c := range f.GetMetric() {
			if n := c.GetCounter().GetValue() + c.GetGauge().GetValue(); n > 0 && len(c.GetLabel()) == 1 && strings.HasPrefix(f.GetName(), "smtpreceiver_") {
				got = append(got, fmt.Sprint(strings.TrimPrefix(f.GetName(), "smtpreceiver_"), " ", c.GetLabel()[0].GetValue(), " ", n))
			}
		}
	}
	slices.Sort(got)
	want := []string{"connections_refused_total per_client 1", "connections_refused_total proxy 1", "connections_refused_total thread_num 1", "connections_refused_total unlisted 1",
		"connections_total smtp 1", "refusals_total client 1", "refusals_total syntax 1"}
	if !slices.Equal(got, want) {
		t.Errorf("counted %q\nwant %q", got, want)
	}
	for line, n := range map[string]int{"level=WARN msg=\"connection refused\" client=127.0.0.1:": 2, "level=WARN msg=\"PROXY protocol\" client=127.0.0.1:": 1, "level=INFO msg=refused client=127.0.0.1 ": 1} {
		if strings.Count(log.String(), line) != n {
			t.Errorf("log %s\nwant %d times %s", log, n, line)
		}
	}
	s.open.End(func(*Conn) { t.Error("a connection that has ended is still known") })
}

// The time for something useful begins with the greeting, not while a client waits for it.
func TestTimeBeginsWithThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newPipeListener()
		o := testOptions()
		o.Places, o.Transaction = places.New(1, 1000), o.Idle+time.Second
		new(wireServer).serve(t, inner, o)
		first := inner.dial(t)
		first.Want("220 ")
		second := inner.dial(t)
		time.Sleep(o.Idle / 2)
		first.Say("QUIT", "221 ")
		second.Want("220 ")
		begin := time.Now()
		second.Want("421 4.4.2 ", "")
		if took := time.Since(begin); took != o.Idle {
			t.Errorf("ended after %v", took)
		}
	})
}

// A client that does not read is left at the first reply that it does not take, however many
// commands wait behind that one.
func TestDeafClient(t *testing.T) {
	for _, commands := range []int{0, 1000} {
		synctest.Test(t, func(t *testing.T) {
			inner := newPipeListener()
			o := testOptions()
			new(wireServer).serve(t, inner, o)
			d := inner.dial(t)
			if commands > 0 {
				d.Want("220 ")
				d.Send(strings.Repeat("NOOP\r\n", commands))
			}
			begin := time.Now()
			for synctest.Wait(); o.Places.Held() > 0 && time.Since(begin) < time.Hour; time.Sleep(time.Second) {
				synctest.Wait()
			}
			if took := time.Since(begin); took < o.Idle || took > o.Idle+time.Second {
				t.Errorf("%d commands: its place is free after %v", commands, took)
			}
		})
	}
}

// The place of a client is free when it has its 221, or does not read it in time.
func TestDeafAtQUIT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newPipeListener()
		o := testOptions()
		o.Places = places.New(1, 0)
		new(wireServer).serve(t, inner, o)
		d := inner.dial(t)
		d.Want("220 ")
		d.Send("QUIT\r\n")
		synctest.Wait()
		if o.Places.Held() != 1 {
			t.Error("its place is free before it has the 221")
		}
		inner.dial(t).Want("421 4.3.2 ", "")
		time.Sleep(o.Idle + time.Second)
		synctest.Wait()
		if o.Places.Held() != 0 {
			t.Error("its place is taken for ever")
		}
	})
}

// A login for which no place becomes free in time is no login.
func TestNoPlaceForALogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newPipeListener()
		o := testOptions()
		o.Places = places.New(1, 1000)
		var stranger bool
		o.Admit = func(context.Context, netip.Addr) (bool, *reply.Reply) { return stranger, nil }
		s := &wireServer{password: func(string, string) error { return nil }}
		s.serve(t, inner, o)
		served := inner.dial(t)
		served.Want("220 ")
		served.Say("EHLO c.test", "250 ")
		served.Say("AUTH PLAIN AGEAYg==", "235 ") // has its place already
		stranger = true
		d := inner.dial(t)
		d.Want("220 ")
		d.Say("EHLO c.test", "250 ")
		go func() { // never idle
			for range 3 {
				time.Sleep(o.Idle / 2)
				served.Say("NOOP", "250 ")
			}
		}()
		begin := time.Now()
		d.Say("AUTH PLAIN AGEAYg==", "421 4.3.2 no place")
		if took := time.Since(begin); took != o.Idle {
			t.Errorf("waited %v", took)
		}
		time.Sleep(o.Idle)
	})
}

// A session that hangs keeps a shutdown no longer than goodbyeTimeout.
func TestDrainLeavesWhatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newPipeListener()
		s := &wireServer{entered: make(chan struct{})}
		s.serve(t, inner, testOptions())
		d := inner.dial(t)
		d.Envelope()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if err := s.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 6*time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		<-s.entered
	})
}

// Where a reload took the certificate away, a client of implicit TLS is refused.
func TestImplicitTLSWithoutCertificate(t *testing.T) {
	t.Parallel()
	o, log := testOptions(), new(mtatest.Log)
	o.Implicit, o.Log = true, slog.New(slog.NewTextHandler(log, nil))
	s := new(wireServer).start(t, o)
	s.dial(t).Closed()
	s.waitEmpty(t)
	if !strings.Contains(log.String(), "status=454") || !strings.Contains(log.String(), "refusal=tls") {
		t.Errorf("log %s", log)
	}
}

// A slow look-up of one client's name must not keep the next one waiting.
func TestSlowAdmitKeepsNobodyWaiting(t *testing.T) {
	o := testOptions()
	asked, proceed := make(chan struct{}), make(chan struct{})
	var later atomic.Bool
	o.Admit = func(context.Context, netip.Addr) (bool, *reply.Reply) {
		if !later.Swap(true) {
			close(asked)
			<-proceed
		}
		return false, nil
	}
	s := new(wireServer).start(t, o)
	slow := s.dial(t)
	mtatest.Receive(t, "the look-up", asked)
	s.dial(t).Want("220 ")
	close(proceed)
	slow.Want("220 ")
}

func TestConfigureHoldsForNewConnections(t *testing.T) {
	o := testOptions()
	s := new(wireServer).start(t, o)
	s.dial(t).Want("220 ")
	o.Admit = func(context.Context, netip.Addr) (bool, *reply.Reply) { return false, no }
	s.Configure(o)
	s.dial(t).Want("554 5.7.1 no", "")
}

var no = &reply.Reply{Code: 554, Enhanced: [3]int{5, 7, 1}, Text: "no"}

// A client of implicit TLS is told why it is refused, in TLS.
func TestRefusalOnImplicitTLS(t *testing.T) {
	o := testOptions()
	o.Implicit, o.TLS = true, testTLS(t)
	o.Admit = func(context.Context, netip.Addr) (bool, *reply.Reply) { return false, no }
	s := new(wireServer).start(t, o)
	s.dial(t).Secure().Want("554 5.7.1 no", "")
	o.TLS = nil // a reload took the certificate away
	s.Configure(o)
	s.dial(t).Closed()
}

func TestDrain(t *testing.T) {
	for _, pipelined := range []string{"", "MAIL FROM:<late@x.test>\r\n"} {
		each(t, func() *wireServer { return &wireServer{entered: make(chan struct{}), proceed: make(chan struct{})} }, func(t *testing.T, s *wireServer, dial func() *mtatest.Dialog) {
			idle, busy := dial(), dial()
			busy.Send("MAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nDATA\r\n")
			busy.Want("250 ", "250 ", "354 ")
			mtatest.Receive(t, "DATA", s.entered)
			drained := make(chan error)
			go func() { drained <- s.Drain(context.Background()) }()
			idle.Want("421 4.3.2 gw.test shutting down", "")
			if _, err := net.Dial("tcp", s.addr); err == nil {
				t.Error("still listening")
			}
			busy.Send("text\r\n.\r\n" + pipelined)
			s.proceed <- struct{}{}
			busy.Want("250 ", "421 4.3.2 ", "")
			if err := mtatest.Receive(t, "the end of all connections", drained); err != nil {
				t.Errorf("drain: %v", err)
			}
			if got := s.got(); len(got) != 1 || got[0] != "text\r\n" {
				t.Errorf("got %q", got)
			}
			if from := s.from(); len(from) != 1 {
				t.Errorf("senders %q: a transaction began while shutting down", from)
			}
		})
	}
}

// A shutdown past its limit ends what a session does, and so does a client that
// is gone.
func TestSessionEndsWithItsConnection(t *testing.T) {
	for _, gone := range []bool{false, true} {
		each(t, func() *wireServer { return &wireServer{entered: make(chan struct{}, 1), proceed: make(chan struct{})} }, func(t *testing.T, s *wireServer, dial func() *mtatest.Dialog) {
			d := dial()
			d.Send("MAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nDATA\r\n")
			d.Want("250 ", "250 ", "354 ")
			mtatest.Receive(t, "DATA", s.entered)
			d.Send("text\r\n.\r\n")
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			defer cancel()
			if gone {
				d.Conn.Close()
				ctx = t.Context()
			}
			err := s.Drain(ctx)
			if gone != (err == nil) {
				t.Errorf("drain: %v", err)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.failures) != 1 || !errors.Is(s.failures[0], context.Canceled) {
				t.Errorf("failures %v", s.failures)
			}
		})
	}
}

// A client that has said all it has to say may close its half of the
// connection, and gets its answers.
func TestHalfClosed(t *testing.T) {
	s := (&wireServer{entered: make(chan struct{}, 1), proceed: make(chan struct{})}).start(t, testOptions())
	d := s.dial(t)
	d.Envelope()
	d.Send("text\r\n.\r\nQUIT\r\n")
	d.Conn.(*net.TCPConn).CloseWrite()
	time.Sleep(socket.WatchAfter + 200*time.Millisecond)
	s.proceed <- struct{}{}
	d.Want("250 ", "221 ", "")
}

func TestDrainEndsWithContext(t *testing.T) {
	s := (&wireServer{entered: make(chan struct{}, 1)}).start(t, testOptions())
	busy := s.dial(t)
	busy.Envelope()
	mtatest.Receive(t, "DATA", s.entered)
	ctx, cancel := context.WithCancel(context.Background())
	drained := make(chan error)
	go func() { drained <- s.Drain(ctx) }()
	busy.Send("half\r\n")
	cancel()
	if err := mtatest.Receive(t, "the end of all connections", drained); !errors.Is(err, context.Canceled) {
		t.Errorf("drain: %v", err)
	}
	io.Copy(io.Discard, busy.R) // ends
	if got := s.got(); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

func TestCloseAll(t *testing.T) {
	o := testOptions()
	s := new(wireServer).start(t, o)
	a, b := s.dial(t), s.dial(t)
	a.Want("220 ")
	b.Want("220 ")
	s.open.End(func(c *Conn) { c.Close() })
	a.Closed()
	b.Closed()
	if n := o.Places.Held(); n != 0 {
		t.Errorf("%d places are taken", n)
	}
}

func TestUnixSocketClientHasNoAddress(t *testing.T) {
	var got netip.Addr
	o := testOptions()
	o.Admit = func(_ context.Context, a netip.Addr) (bool, *reply.Reply) { got = a; return false, no }
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
	mtatest.NewDialog(t, c).Want("554 ", "")
	if got.IsValid() {
		t.Errorf("address %v", got)
	}
}
