package standalone

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestMaxConnectionsPerClient(t *testing.T) {
	t.Parallel()
	g := startRaw(t, "clients: 127.0.0.0/8\nthread_num: 4\nmax_connections_per_client: 2\n"+faxAndSMS)
	dial := func(client string) *dialog { return g.dialFrom(t, client, g.addr) }
	first, second := dial("127.0.0.1"), dial("127.0.0.1")
	first.want("220 ")
	second.want("220 ")
	for range 3 { // one that is sent away takes no place
		dial("127.0.0.1").want("421 4.7.0 gw.test too many connections from your address", "")
	}
	dial("127.0.0.2").want("220 ")
	dial("127.0.0.3").want("220 ")
	dial("127.0.0.4").want("421 4.3.2 gw.test too many connections", "")
	first.send("QUIT\r\n")
	first.want("221 ")
	dial("127.0.0.1").want("220 ") // its place was free before QUIT was answered
	dial("127.0.0.1").want("421 4.3.2 ", "")
	second.Close()
	g.logged(t, "too many connections", "client=127.0.0.1", "421 4.7.0")
}

// Without a limit of its own an address may have all of thread_num, and one
// more gets thread_num's own reply.
func TestMaxConnectionsPerClientDefault(t *testing.T) {
	t.Parallel()
	g := startRaw(t, localClients+"thread_num: 2\n"+faxAndSMS)
	g.dial(t).want("220 ")
	g.dial(t).want("220 ")
	g.dial(t).want("421 4.3.2 ", "")
}

// However many strangers come and stay, a listed client finds its place.
func TestStrangersTakeNoPlace(t *testing.T) {
	t.Parallel()
	g := startRaw(t, localClients+"thread_num: 1\n"+faxAndSMS)
	refused := 0
	for i := range 2000 {
		d := g.dialFrom(t, fmt.Sprintf("127.0.1.%d", 1+i%100), g.addr) // stays open on its side
		if reply := d.reply(); strings.HasPrefix(reply, "554 5.7.1 ") {
			refused++
		} else if reply != "" {
			t.Fatalf("a stranger got %q", reply)
		}
		if i%500 == 0 {
			d := g.dial(t)
			d.want("220 ")
			d.send("QUIT\r\n")
			d.want("221 ")
		}
	}
	if refused < 1900 {
		t.Errorf("%d of 2000 strangers were told why", refused)
	}
	g.dial(t).want("220 ")
}

// Strangers whose names are being looked up take no place either, and one
// address has only so many of them waiting.
func TestArrivalsAreBounded(t *testing.T) {
	t.Parallel()
	o := wireTestOptions()
	o.slots = make(chan struct{}, 1)
	asked, proceed := make(chan struct{}, maxArrivals), make(chan struct{})
	o.admit = func(_ context.Context, a netip.Addr) string {
		if a == netip.MustParseAddr("127.0.0.2") {
			asked <- struct{}{}
			<-proceed
			return "554 5.7.1 no"
		}
		return ""
	}
	s := new(wireServer).start(t, o)
	g := &gateway{addr: s.addr}
	var waiting []*dialog
	for range maxArrivals {
		waiting = append(waiting, g.dialFrom(t, "127.0.0.2", s.addr))
		<-asked
	}
	g.dialFrom(t, "127.0.0.2", s.addr).want("421 4.7.0 ", "")
	g.dial(t).want("220 ")
	close(proceed)
	for _, d := range waiting {
		if reply := d.reply(); reply != "" && !strings.HasPrefix(reply, "554 ") { // more than maxGoodbyes are not told
			t.Errorf("reply %q", reply)
		}
	}
}

// proxyV2 is a PROXY header of version 2 for TCP over IPv4.
func proxyV2(command byte, client, server netip.AddrPort) string {
	b := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x20|command, 0x11, 0, 12)
	b = append(append(b, client.Addr().AsSlice()...), server.Addr().AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, client.Port())
	return string(binary.BigEndian.AppendUint16(b, server.Port()))
}

func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	g := startRaw(t, "clients: [192.0.2.0/24, '2001:db8::/32', 127.0.0.9]\nproxy_protocol_from: [127.0.0.1, 127.0.0.9]\n"+faxAndSMS)
	client, server := netip.MustParseAddrPort("192.0.2.7:4711"), netip.MustParseAddrPort("198.51.100.1:25")
	for _, tt := range []struct{ name, peer, header, reply, logged string }{
		{"version 1", "127.0.0.1", "PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\n", "220 ", "client=192.0.2.7"},
		{"version 1, IPv6", "127.0.0.1", "PROXY TCP6 2001:db8::7 2001:db8::1 4711 25\r\n", "220 ", "client=2001:db8::7"},
		{"version 2", "127.0.0.1", proxyV2(1, client, server), "220 ", "client=192.0.2.7"},
		{"the proxy's client is on no list", "127.0.0.1", "PROXY TCP4 203.0.113.1 198.51.100.1 4711 25\r\n", "554 5.7.1 Client host rejected: [203.0.113.1]", "client=203.0.113.1"},
		{"the proxy itself, on no list", "127.0.0.1", "PROXY UNKNOWN\r\n", "554 5.7.1 Client host rejected: [127.0.0.1]", ""},
		{"the proxy itself, listed: a health check", "127.0.0.9", proxyV2(0, client, server), "220 ", ""},
		{"no header", "127.0.0.1", "EHLO c.test\r\n", "", "sent no PROXY header"},
		{"half a header", "127.0.0.1", "PROXY TCP4 192.0.2.7\r\n", "", "client=127.0.0.1"},
		{"nonsense", "127.0.0.1", "PROXY TCP4 192.0.2.7 198.51.100.1 4711 99999\r\n", "", ""},
		{"listed but no header", "127.0.0.9", "QUIT\r\n", "", ""},
	} {
		d := g.dialFrom(t, tt.peer, g.addr)
		d.send(tt.header)
		d.want(tt.reply)
		if tt.reply == "220 " && tt.logged != "" { // the session sees the client, too
			d.send("EHLO c.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nDATA\r\na\r\n.\r\nQUIT\r\n")
			d.want("250 ", "250 ", "250 ", "354 ", "250 ", "221 ", "")
		}
		if !strings.Contains(g.log.String(), tt.logged) {
			t.Errorf("%s: nothing of %q in the log", tt.name, tt.logged)
		}
	}
}

// A header of a peer that is no proxy of ours is not believed, and ends the
// session before it can do anything.
func TestProxyProtocolFromStrangers(t *testing.T) {
	t.Parallel()
	for _, proxies := range []string{"", "proxy_protocol_from: 127.0.0.3\n"} {
		g := startRaw(t, proxies+"clients: 127.0.0.2\n"+faxAndSMS)
		for _, header := range []string{
			"PROXY TCP4 127.0.0.2 198.51.100.1 4711 25\r\n", "PROXY UNKNOWN\r\n",
			proxyV2(1, netip.MustParseAddrPort("127.0.0.2:1"), netip.MustParseAddrPort("127.0.0.2:2")),
		} {
			g.dialFrom(t, "127.0.0.4", g.addr).want("554 5.7.1 ", "")
			d := g.dialFrom(t, "127.0.0.2", g.addr)
			d.want("220 ")
			d.send(header + "EHLO c.test\r\nMAIL FROM:<a@x.test>\r\n")
			if said := d.gone(); strings.Contains(said, "250") {
				t.Errorf("behind %q: said %q", header, said)
			}
		}
	}
}

// A proxy that is silent is cut off by socket_timeout, and keeps nobody waiting.
func TestProxyHeaderTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newPipeListener()
		o := wireTestOptions()
		trusted := true
		o.proxy = func(context.Context, netip.Addr) (bool, error) { return trusted, nil }
		new(wireServer).serve(t, inner, o)
		silent, begin := inner.dial(t), time.Now()
		synctest.Wait()
		trusted = false
		other := inner.dial(t)
		other.want("220 ")
		other.send("QUIT\r\n")
		other.want("221 ")
		silent.closed()
		if took := time.Since(begin); took != o.idle {
			t.Errorf("cut off after %v, want %v", took, o.idle)
		}
	})
}

// As long as it is not known whether a peer is a proxy, nothing is believed.
func TestProxyLookupFails(t *testing.T) {
	t.Parallel()
	o := wireTestOptions()
	o.proxy = func(context.Context, netip.Addr) (bool, error) { return false, errors.New("no DNS") }
	new(wireServer).start(t, o).dial(t).closed()
}

// A proxy in front of the listener for TLS speaks before TLS.
func TestProxyProtocolBeforeTLS(t *testing.T) {
	t.Parallel()
	o := wireTestOptions()
	o.implicitTLS = true
	o.proxy = func(context.Context, netip.Addr) (bool, error) { return true, nil }
	var seen net.Addr
	s := (&wireServer{tls: wireTLS(), sessions: make(chan *conn, 1)}).start(t, o)
	d := s.dial(t)
	d.send("PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\n")
	d = d.secure()
	d.want("220 ")
	d.send("EHLO c.test\r\n")
	d.want("250 ")
	if seen = (<-s.sessions).RemoteAddr(); seen.String() != "192.0.2.7:4711" {
		t.Errorf("client %v", seen)
	}
}
