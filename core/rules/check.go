package rules

import (
	"context"
	"maps"
	"slices"
	"sync"

	"smtpreceiver/core/access"
	"smtpreceiver/core/config"
)

// Check lists what in s cannot work on any machine, and what may work otherwise than
// its author expects.
func Check(s *config.Settings) (problems config.Problems, warnings []string) {
	r, problems := Compile(s, access.NewResolver(nil, nil))
	if w := r.refusesEveryone(); w != "" {
		r.Warnings = append(r.Warnings, w)
	}
	return problems, r.Warnings
}

// CheckHosts looks up the host names of all client lists and warns of those that
// name no client now. It takes as long as the resolver does, some seconds at most.
func CheckHosts(ctx context.Context, s *config.Settings) []string {
	return checkHosts(ctx, s, access.NewResolver(nil, nil))
}

func checkHosts(ctx context.Context, s *config.Settings, resolver *access.Resolver) []string {
	lists := map[string][]string{"clients": s.Clients, "proxy_protocol_from": s.ProxyProtocolFrom}
	for _, name := range slices.Sorted(maps.Keys(s.Applications)) {
		if app := s.Applications[name]; app.Enabled {
			lists[config.KeyPath("applications", name, "clients")] = app.Clients
			lists[config.KeyPath("applications", name, "nonstandard_data_terminator_clients")] = app.NonstandardDataTerminatorClients
		}
	}
	keys := slices.Sorted(maps.Keys(lists))
	unresolved := make([][]error, len(keys))
	var all sync.WaitGroup
	for i, key := range keys {
		list, _ := access.ParseList(lists[key], resolver) // Check tells of bad entries
		all.Go(func() { unresolved[i] = list.Unresolved(ctx) })
	}
	all.Wait()
	var warnings []string
	for i, key := range keys {
		for _, err := range unresolved[i] {
			warnings = append(warnings, key+": "+err.Error()+": until it has an address, it names no client")
		}
	}
	return warnings
}
