package socket

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/pires/go-proxyproto"
)

var (
	errNoProxyHeader = errors.New("listed in proxy_protocol_from, but sent no PROXY header: configure the proxy to send one, or take it off the list")
	errNoProxyClient = errors.New("the PROXY header names a client without an IP address: let the proxy take connections by TCP")
)

// Unproxied is c, of a trusted proxy, as the proxy's client made it: its remote
// address is the one of the PROXY header, which must come within limit. probe is
// the proxy's own connection, by which it looks whether we are there.
func Unproxied(ctx context.Context, c net.Conn, limit time.Duration) (client net.Conn, probe bool, err error) {
	defer context.AfterFunc(ctx, func() { c.Close() })()
	p := proxyproto.NewConn(c, proxyproto.WithPolicy(proxyproto.REQUIRE), proxyproto.SetReadHeaderTimeout(limit))
	if _, err := p.Read(nil); err != nil {
		return nil, false, errors.Join(errNoProxyHeader, err)
	}
	header := p.ProxyHeader()
	if header.Command.IsLocal() || header.TransportProtocol.IsUnspec() {
		return p, true, nil
	}
	if !Peer(p).IsValid() {
		return nil, false, errNoProxyClient
	}
	return p, false, nil
}
