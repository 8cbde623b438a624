// Package access decides which clients are on a list of host names, addresses
// and networks.
package access

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"go4.org/netipx"
)

// List is a list of clients. It may be used by any number of goroutines.
type List struct {
	static *netipx.IPSet // addresses, networks, ranges
	hosts  []*host
	empty  bool
}

// EntryError is one entry that is not a client.
type EntryError struct {
	Index  int    // position in what ParseList was given
	Entry  string // the piece of it between commas
	Reason string // what is wrong and what would be right
}

func (e *EntryError) Error() string { return fmt.Sprintf("%q: %s", e.Entry, e.Reason) }

// ParseList reads host names, addresses, networks in CIDR notation and ranges
// a-b, of IPv4 and IPv6, several of them in one string separated by commas.
// localhost stands for 127.0.0.1 and ::1, without asking DNS. An IPv4 address
// written as IPv6 (::ffff:192.0.2.1) counts as IPv4.
//
// The error joins one *EntryError for each bad entry; the list then holds the
// good ones. r looks the host names up; nil stands for NewResolver(nil, nil).
func ParseList(entries []string, r *Resolver) (*List, error) {
	if r == nil {
		r = NewResolver(nil, nil)
	}
	var (
		set   netipx.IPSetBuilder
		list  = &List{empty: true}
		known = make(map[string]bool)
		errs  []error
	)
	for i, line := range entries {
		for entry := range strings.SplitSeq(line, ",") {
			if entry = strings.TrimSpace(entry); entry == "" {
				continue
			}
			client, reason := parseEntry(entry)
			if reason != "" {
				errs = append(errs, &EntryError{i, entry, reason})
				continue
			}
			list.empty = false
			switch {
			case client.host == "localhost":
				set.Add(netip.AddrFrom4([4]byte{127, 0, 0, 1}))
				set.Add(netip.IPv6Loopback())
			case client.host == "":
				set.AddRange(client.addrs)
			case !known[client.host]:
				known[client.host] = true
				list.hosts = append(list.hosts, r.host(client.host))
			}
		}
	}
	list.static, _ = set.IPSet() // its one error is an invalid range
	return list, errors.Join(errs...)
}

// Empty reports whether the list names nobody.
func (l *List) Empty() bool { return l.empty }

// Overlaps reports whether the lists share a host name, an address or part of a
// network. What names resolve to is not asked.
func (l *List) Overlaps(other *List) bool {
	return l.static.Overlaps(other.static) || slices.ContainsFunc(l.hosts, func(h *host) bool { return slices.Contains(other.hosts, h) })
}

// Contains reports whether addr is on the list. An IPv4 address in IPv6 form
// is taken as IPv4, a zone is ignored. The error is not nil only if addr is not
// on the list as far as is known and a host name of the list could not be
// looked up, or existed within a day and does not now: the answer then is "not
// now" rather than "no".
func (l *List) Contains(ctx context.Context, addr netip.Addr) (bool, error) {
	if !addr.IsValid() {
		return false, nil
	}
	addr = plain(addr)
	if l.static.Contains(addr) {
		return true, nil
	}
	return containsHost(ctx, l.hosts, addr)
}

// Unresolved looks up every host name of the list and returns an error for each
// that names no client now.
func (l *List) Unresolved(ctx context.Context) []error {
	answers := make([]*answer, len(l.hosts))
	var all sync.WaitGroup
	for i, h := range l.hosts {
		all.Go(func() {
			if answers[i] = h.known(); answers[i] == nil {
				answers[i] = h.ask(ctx)
			}
		})
	}
	all.Wait()
	var errs []error
	for _, a := range answers {
		if err := cmp.Or(a.err, a.missing); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// Source is what counts as one client wherever clients are counted: an IPv4
// address, or an IPv6 network of 64 bits, in which a host has as many addresses
// as it likes. Clients without an address are one source together.
func Source(client netip.Addr) netip.Prefix {
	client = plain(client)
	bits := client.BitLen()
	if client.Is6() {
		bits = 64
	}
	source, _ := client.Prefix(bits) // an error only for no address
	return source
}

// plain is the one form of an address in which sets can be compared.
func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }
