package wire

import (
	"context"
	"errors"
	"net"

	"github.com/pires/go-proxyproto"
)

var (
	errNoProxyHeader = errors.New("listed in proxy_protocol_from, but sent no PROXY header: configure the proxy to send one, or take it off the list")
	errNoProxyClient = errors.New("the PROXY header names a client without an IP address: let the proxy take connections by TCP")
)

// unproxied is c as its client made it: where a trusted proxy stands between,
// the remote address is the one of its PROXY header. Such a proxy must send
// one. From any other peer it is a command line, and ends the session. probe is
// the proxy's own connection, by which it looks whether we are there.
func (o *Options) unproxied(ctx context.Context, c net.Conn) (client net.Conn, probe bool, err error) {
	if o.Proxy == nil {
		return c, false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, o.Idle)
	defer cancel()
	trusted, err := o.Proxy(ctx, remoteAddr(c))
	if err != nil || !trusted {
		return c, false, err
	}
	defer context.AfterFunc(ctx, func() { c.Close() })()
	p := proxyproto.NewConn(c, proxyproto.WithPolicy(proxyproto.REQUIRE), proxyproto.SetReadHeaderTimeout(o.Idle))
	if _, err := p.Read(nil); err != nil {
		return nil, false, errors.Join(errNoProxyHeader, err)
	}
	header := p.ProxyHeader()
	if header.Command.IsLocal() || header.TransportProtocol.IsUnspec() {
		return p, true, nil
	}
	if !remoteAddr(p).IsValid() {
		return nil, false, errNoProxyClient
	}
	return p, false, nil
}
