package core

import (
	"context"
	"net/netip"
)

// Proxy says whether addr speaks the PROXY protocol in front of us
// (proxy_protocol_from). An error means that it cannot be told now.
func (r *Receiver) Proxy(ctx context.Context, addr netip.Addr) (bool, error) {
	return r.rules.Load().proxies.Contains(ctx, addr)
}
