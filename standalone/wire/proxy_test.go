package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/places"
	"smtpreceiver/core/reply"
)

// Strangers whose names are being looked up take no place either, and one
// address has only so many of them waiting.
func TestArrivalsAreBounded(t *testing.T) {
	t.Parallel()
	o := testOptions()
	o.Places = places.New(1, 0)
	asked, proceed := make(chan struct{}, maxArrivals), make(chan struct{})
	o.Admit = func(_ context.Context, a netip.Addr) (bool, *reply.Reply) {
		if a == netip.MustParseAddr("127.0.0.2") {
			asked <- struct{}{}
			<-proceed
			return false, no
		}
		return false, nil
	}
	s := new(wireServer).start(t, o)
	var waiting []*mtatest.Dialog
	for range maxArrivals {
		waiting = append(waiting, s.dialFrom(t, "127.0.0.2"))
		mtatest.Receive(t, "the look-up", asked)
	}
	s.dialFrom(t, "127.0.0.2").Want("421 4.7.0 ", "")
	s.dial(t).Want("220 ")
	close(proceed)
	for _, d := range waiting {
		if reply := d.Reply(); reply != "" && !strings.HasPrefix(reply, "554 ") { // more than maxGoodbyes are not told
			t.Errorf("reply %q", reply)
		}
		d.Closed()
	}
	late := s.dialFrom(t, "127.0.0.2")
	mtatest.Receive(t, "the look-up of one that comes later", asked)
	late.Want("554 ", "")
}

// An IPv6 network of 64 bits is one client, to the limit of arrivals and to that of
// connections.
func TestNetworkIsOneClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newPipeListener()
		o := testOptions()
		o.Clients = places.NewPerClient(2)
		proceed := make(chan struct{})
		var pass atomic.Bool
		o.Admit = func(context.Context, netip.Addr) (bool, *reply.Reply) {
			if !pass.Load() {
				<-proceed
			}
			return false, nil
		}
		new(wireServer).serve(t, inner, o)
		var waiting []*mtatest.Dialog
		for i := range maxArrivals {
			waiting = append(waiting, inner.dialAs(t, fmt.Sprintf("2001:db8::%x", i)))
		}
		inner.dialAs(t, "2001:db8::ffff:1").Want("421 4.7.0 ", "")
		pass.Store(true)
		inner.dialAs(t, "2001:db8:0:1::1").Want("220 ")
		close(proceed)
		served := 0
		for _, d := range waiting {
			if got := d.Reply(); strings.HasPrefix(got, "220 ") {
				served++
			} else if got != "" && !strings.HasPrefix(got, "421 4.7.0 ") { // more than maxGoodbyes are not told
				t.Errorf("reply %q", got)
			}
		}
		if served != 2 {
			t.Errorf("of one network %d are served", served)
		}
	})
}

// Clients that are known, and wait for a place, are no arrivals any more.
func TestWaitingIsNoArrival(t *testing.T) {
	t.Parallel()
	o := testOptions()
	o.Places = places.New(1, 4*maxArrivals)
	s := new(wireServer).start(t, o)
	s.dial(t).Want("220 ")
	for range maxArrivals + 1 {
		s.dial(t)
	}
	inLine(t, o.Places, maxArrivals+1)
}

// A proxy that is silent is cut off by socket_timeout, and keeps nobody waiting.
func TestProxyHeaderTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newPipeListener()
		o := testOptions()
		trusted := true
		o.Proxy = func(context.Context, netip.Addr) (bool, error) { return trusted, nil }
		new(wireServer).serve(t, inner, o)
		silent, begin := inner.dial(t), time.Now()
		synctest.Wait()
		trusted = false
		other := inner.dial(t)
		other.Want("220 ")
		other.Send("QUIT\r\n")
		other.Want("221 ")
		silent.Closed()
		if took := time.Since(begin); took != o.Idle {
			t.Errorf("cut off after %v, want %v", took, o.Idle)
		}
	})
}

// As long as it is not known whether a peer is a proxy, nothing is believed.
func TestProxyLookupFails(t *testing.T) {
	t.Parallel()
	o := testOptions()
	o.Proxy = func(context.Context, netip.Addr) (bool, error) { return false, errors.New("no DNS") }
	new(wireServer).start(t, o).dial(t).Closed()
}

// A proxy in front of the listener for TLS speaks before TLS.
func TestProxyProtocolBeforeTLS(t *testing.T) {
	t.Parallel()
	o := testOptions()
	o.Implicit, o.TLS = true, testTLS(t)
	o.Proxy = func(context.Context, netip.Addr) (bool, error) { return true, nil }
	var seen net.Addr
	s := (&wireServer{sessions: make(chan *Conn, 1)}).start(t, o)
	d := s.dial(t)
	d.Send("PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\n")
	d = d.Secure()
	d.Want("220 ")
	d.Send("EHLO c.test\r\n")
	d.Want("250 ")
	if seen = (<-s.sessions).raw.RemoteAddr(); seen.String() != "192.0.2.7:4711" {
		t.Errorf("client %v", seen)
	}
}

// A proxy that looks whether we are there takes no place, and sends no mail.
func TestProbe(t *testing.T) {
	t.Parallel()
	o := testOptions()
	o.Places, o.Clients, o.DSN = places.New(1, 0), places.NewPerClient(1), true
	var client atomic.Bool
	o.Proxy = func(context.Context, netip.Addr) (bool, error) { return !client.Load(), nil }
	o.Admit = func(context.Context, netip.Addr) (bool, *reply.Reply) {
		if !client.Load() {
			t.Error("its address is judged")
		}
		return false, nil
	}
	s := new(wireServer).start(t, o)
	for range 2 {
		d := s.dial(t)
		d.Send("PROXY UNKNOWN\r\n")
		d.Want("220 ")
		d.Send("EHLO c.test\r\n")
		if got := d.Reply(); got != "250 gw.test" {
			t.Errorf("it is offered %q", got)
		}
		d.Say("NOOP", "250 ")
		d.Say("MAIL FROM:<a@x.test>", "554 5.7.1 A proxy's own connection carries no mail")
		d.Say("RSET", "250 ")
		if o.Places.Held() != 0 {
			t.Error("it has a place")
		}
	}
	client.Store(true)
	d := s.dial(t)
	d.Want("220 ")
	d.Say("EHLO c.test", "250 ")
	d.Say("MAIL FROM:<a@x.test>", "250 ")
}

// dialFrom connects from a loopback address.
func (s *wireServer) dialFrom(t *testing.T, from string) *mtatest.Dialog {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := dialer.Dial("tcp", s.addr)
	if err != nil {
		t.Skipf("no client can come from %s here: %v", from, err)
	}
	return mtatest.NewDialog(t, c)
}
