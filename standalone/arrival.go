package standalone

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"

	"github.com/pires/go-proxyproto"
)

// maxArrivals is how many clients of one address may wait at once to be let in
// or not: for a host name to be looked up, or for their PROXY header.
const maxArrivals = 256

// clientPlaces counts the connections that each address holds.
type clientPlaces struct {
	limit int

	mu   sync.Mutex
	held map[netip.Addr]int
}

func newClientPlaces(limit int) *clientPlaces {
	return &clientPlaces{limit: limit, held: map[netip.Addr]int{}}
}

// take gives a place, or none when the address has all it may have. What has
// no address, such as a Unix socket, is not counted.
func (p *clientPlaces) take(a netip.Addr) bool {
	if p == nil || !a.IsValid() {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[a] >= p.limit {
		return false
	}
	p.held[a]++
	return true
}

func (p *clientPlaces) leave(a netip.Addr) {
	if p == nil || !a.IsValid() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[a]--; p.held[a] == 0 {
		delete(p.held, a)
	}
}

// unproxied is c as its client made it: where a trusted proxy stands between,
// the remote address is the one of its PROXY header. Such a proxy must send
// one. From anybody else it is a command line, and ends the session.
func (o *wireOptions) unproxied(ctx context.Context, c net.Conn) (net.Conn, error) {
	if o.proxy == nil {
		return c, nil
	}
	ctx, cancel := context.WithTimeout(ctx, o.idle)
	defer cancel()
	trusted, err := o.proxy(ctx, remoteAddr(c))
	if err != nil || !trusted {
		return c, err
	}
	defer context.AfterFunc(ctx, func() { c.Close() })()
	p := proxyproto.NewConn(c, proxyproto.WithPolicy(proxyproto.REQUIRE), proxyproto.SetReadHeaderTimeout(o.idle))
	if _, err := p.Read(nil); err != nil {
		return nil, errors.Join(errNoProxyHeader, err)
	}
	return p, nil
}

var errNoProxyHeader = errors.New("listed in proxy_protocol_from, but sent no PROXY header: configure the proxy to send one, or take it off the list")
