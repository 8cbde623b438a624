package core

import (
	"bytes"
	"context"
	"net/netip"
	"slices"

	"smtpreceiver/core/access"
)

// terminator is a nonstandard end of DATA and the clients that send it.
type terminator struct {
	end     []byte
	clients *access.List
}

// terminator readies that of one application; key names its keys. It is nil
// where there is none.
func (c *compiler) terminator(app *application, key func(...string) string) *terminator {
	clients := c.list(key("nonstandard_data_terminator_clients"), app.conf.NonstandardDataTerminatorClients)
	if app.conf.NonstandardDataTerminator == "" {
		return nil
	}
	return &terminator{[]byte(app.conf.NonstandardDataTerminator), clients}
}

// Terminators are the ends of DATA, besides CRLF.CRLF, that the enabled
// applications expect of a client: each begins and ends with CRLF and has one
// line between. At DATA no recipient is more important than the others, so the
// ends of all applications that list the client count together. A client whose
// host name cannot be looked up has none.
func (r *Receiver) Terminators(ctx context.Context, addr netip.Addr) [][]byte {
	var ends [][]byte
	for _, app := range r.rules.Load().apps {
		if app.terminator == nil {
			continue
		}
		listed, err := app.terminator.clients.Contains(ctx, addr)
		if err != nil {
			r.log.Warn("nonstandard_data_terminator_clients: host name lookup failed", "app", app.name, "client", addr.String(), "error", err.Error())
		}
		end := app.terminator.end
		if listed && !slices.ContainsFunc(ends, func(e []byte) bool { return bytes.Equal(e, end) }) {
			ends = append(ends, end)
		}
	}
	return ends
}
