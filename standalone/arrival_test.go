package standalone

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

func TestMaxConnectionsPerClient(t *testing.T) {
	t.Parallel()
	g := startRaw(t, "clients: 127.0.0.0/8\nthread_num: 4\nmax_waiting: 0\nmax_connections_per_client: 2\n"+faxAndSMS)
	dial := func(client string) *mtatest.Dialog { return g.dialFrom(t, client, g.addr) }
	first, second := dial("127.0.0.1"), dial("127.0.0.1")
	first.Want("220 ")
	second.Want("220 ")
	for range 3 { // one that is sent away takes no place
		dial("127.0.0.1").Want("421 4.7.0 gw.test too many connections from your address", "")
	}
	dial("127.0.0.2").Want("220 ")
	dial("127.0.0.3").Want("220 ")
	dial("127.0.0.4").Want("421 4.3.2 gw.test too many connections", "")
	first.Send("QUIT\r\n")
	first.Want("221 ")
	first.Closed()
	dial("127.0.0.1").Want("220 ")
	dial("127.0.0.1").Want("421 4.7.0 ", "")
	second.Close()
	g.logged(t, "connection refused", "client=127.0.0.1", "status=421", "4.7.0 gw.test too many connections from your address")
}

// Without a limit of its own an address may have all of thread_num, and one
// more gets thread_num's own reply.
func TestMaxConnectionsPerClientDefault(t *testing.T) {
	t.Parallel()
	g := startRaw(t, localClients+"thread_num: 2\nmax_waiting: 0\n"+faxAndSMS)
	g.dial(t).Want("220 ")
	g.dial(t).Want("220 ")
	g.dial(t).Want("421 4.3.2 ", "")
}

// However many strangers come and stay, a listed client finds its place.
func TestStrangersTakeNoPlace(t *testing.T) {
	t.Parallel()
	g := startRaw(t, localClients+"thread_num: 1\n"+faxAndSMS)
	refused := 0
	for i := range 2000 {
		d := g.dialFrom(t, fmt.Sprintf("127.0.1.%d", 1+i%100), g.addr) // stays open on its side
		if reply := d.Reply(); strings.HasPrefix(reply, "554 5.7.1 ") {
			refused++
		} else if reply != "" {
			t.Fatalf("a stranger got %q", reply)
		}
		if i%500 == 0 {
			d := g.dial(t)
			d.Want("220 ")
			d.Send("QUIT\r\n")
			d.Want("221 ")
		}
	}
	if refused < 1900 {
		t.Errorf("%d of 2000 strangers were told why", refused)
	}
	g.dial(t).Want("220 ")
}

// proxyV2 is a PROXY header of version 2 for TCP over IPv4.
func proxyV2(command byte, client, server netip.AddrPort) string {
	b := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x20|command, 0x11, 0, 12)
	b = append(append(b, client.Addr().AsSlice()...), server.Addr().AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, client.Port())
	return string(binary.BigEndian.AppendUint16(b, server.Port()))
}

// changed is a header with one byte changed.
func changed(header string, at int, to byte) string {
	b := []byte(header)
	b[at] = to
	return string(b)
}

// unixProxyV2 is the header for a client that came to the proxy by a Unix socket.
var unixProxyV2 = "\r\n\r\n\x00\r\nQUIT\n\x21\x31\x00\xd8" + strings.Repeat("\x00", 216)

func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	g := startRaw(t, "clients: [192.0.2.0/24, '2001:db8::/32', 127.0.0.9]\nproxy_protocol_from: [127.0.0.1, 127.0.0.9]\n"+faxAndSMS)
	client, server := netip.MustParseAddrPort("192.0.2.7:4711"), netip.MustParseAddrPort("198.51.100.1:25")
	for _, tt := range []struct{ name, peer, header, reply, logged string }{
		{"version 1", "127.0.0.1", "PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\n", "220 ", "client=192.0.2.7"},
		{"version 1, IPv6", "127.0.0.1", "PROXY TCP6 2001:db8::7 2001:db8::1 4711 25\r\n", "220 ", "client=2001:db8::7"},
		{"version 2", "127.0.0.1", proxyV2(1, client, server), "220 ", "client=192.0.2.7"},
		{"the proxy's client is on no list", "127.0.0.1", "PROXY TCP4 203.0.113.1 198.51.100.1 4711 25\r\n", "554 5.7.1 Client host rejected: [203.0.113.1]", "client=203.0.113.1"},
		{"the proxy itself, on no list", "127.0.0.1", "PROXY UNKNOWN\r\n", "220 ", ""},
		{"a client without an address", "127.0.0.1", unixProxyV2, "", "without an IP address"},
		{"the proxy itself, listed: a health check", "127.0.0.9", proxyV2(0, client, server), "220 ", ""},
		{"no header", "127.0.0.1", "EHLO c.test\r\n", "", "sent no PROXY header"},
		{"version 3", "127.0.0.1", changed(proxyV2(1, client, server), 12, 0x31), "", "client=127.0.0.1"},
		{"another command", "127.0.0.1", changed(proxyV2(1, client, server), 12, 0x2f), "", "client=127.0.0.1"},
		{"addresses of no family", "127.0.0.1", changed(proxyV2(1, client, server), 13, 0x00), "", "client=127.0.0.1"},
		{"addresses shorter than their family's", "127.0.0.1", changed(proxyV2(1, client, server), 15, 8), "", "client=127.0.0.1"},
		{"more than addresses", "127.0.0.1", changed(proxyV2(1, client, server), 15, 12+5) + "\x04\x00\x02ab", "220 ", "client=192.0.2.7"},
		{"IPv4 in IPv6", "127.0.0.1", "PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 4711 25\r\n", "220 ", "client=192.0.2.7"},
		{"IPv4 in IPv6, on no list", "127.0.0.1", "PROXY TCP6 ::ffff:203.0.113.1 ::ffff:198.51.100.1 4711 25\r\n", "554 5.7.1 Client host rejected: [203.0.113.1]", "client=203.0.113.1"},
		{"a zone", "127.0.0.1", "PROXY TCP6 2001:db8::7%eth0 2001:db8::1 4711 25\r\n", "", "client=127.0.0.1"},
		{"an octal address", "127.0.0.1", "PROXY TCP4 0300.0.2.7 198.51.100.1 4711 25\r\n", "", "client=127.0.0.1"},
		{"a header without end", "127.0.0.1", "PROXY TCP4 " + strings.Repeat("1", 500), "", "client=127.0.0.1"},
		{"two headers", "127.0.0.1", "PROXY TCP4 203.0.113.1 198.51.100.1 4711 25\r\nPROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\n", "554 5.7.1 Client host rejected: [203.0.113.1]", ""},
		{"half a header", "127.0.0.1", "PROXY TCP4 192.0.2.7\r\n", "", "client=127.0.0.1"},
		{"nonsense", "127.0.0.1", "PROXY TCP4 192.0.2.7 198.51.100.1 4711 99999\r\n", "", ""},
		{"listed but no header", "127.0.0.9", "QUIT\r\n", "", ""},
	} {
		d := g.dialFrom(t, tt.peer, g.addr)
		d.Send(tt.header)
		d.Want(tt.reply)
		if tt.reply == "220 " && tt.logged != "" { // the session sees the client, too
			d.Send("EHLO c.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nDATA\r\na\r\n.\r\nQUIT\r\n")
			d.Want("250 ", "250 ", "250 ", "354 ", "250 ", "221 ", "")
		}
		if tt.reply == "220 " && tt.logged == "" { // its own connection carries no mail, listed or not
			d.Say("HELO proxy.test", "250 ")
			d.Say("MAIL FROM:<a@x.test>", "554 5.7.1 ")
			d.Say("AUTH PLAIN AAA=", "554 5.7.1 ")
			d.Say("STARTTLS", "554 5.7.1 ")
			d.Say("QUIT", "221 ")
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
			g.dialFrom(t, "127.0.0.4", g.addr).Want("554 5.7.1 ", "")
			d := g.dialFrom(t, "127.0.0.2", g.addr)
			d.Want("220 ")
			d.Send(header + "EHLO c.test\r\nMAIL FROM:<a@x.test>\r\n")
			if said := d.Gone(); strings.Contains(said, "250") {
				t.Errorf("behind %q: said %q", header, said)
			}
		}
	}
}
