package rules

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"smtpreceiver/core/access"
	"smtpreceiver/core/config"
)

func parse(t *testing.T, yaml string) *config.Settings {
	t.Helper()
	s, err := config.Parse("yaml", []byte(yaml), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCheckHosts: each list that is used is looked at, with its key.
func TestCheckHosts(t *testing.T) {
	t.Parallel()
	s := parse(t, `
clients: ['10.0.0.1, good.example', none.example]
proxy_protocol_from: down.example
applications:
  fax: {output_folder: /fax, ctl_type: fax, addresses: 'x@fax$', clients: gone.example}
  odd: {output_folder: /fax, ctl_type: fax, addresses: 'x@odd$', nonstandard_data_terminator: "\r\n .\r\n", nonstandard_data_terminator_clients: odd.example}
  idle: {enabled: 0, output_folder: /fax, ctl_type: fax, addresses: 'x@idle$', clients: idle.example}
`)
	resolver := access.NewResolver(func(_ context.Context, host string) ([]netip.Addr, error) {
		switch host {
		case "good.example":
			return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
		case "down.example":
			return nil, errors.New("server misbehaving")
		}
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}, nil)
	got := checkHosts(t.Context(), s, resolver)
	for i, want := range [][2]string{
		{"applications.fax.clients: ", "gone.example"},
		{"applications.odd.nonstandard_data_terminator_clients: ", "odd.example"},
		{"clients: ", "none.example"},
		{"proxy_protocol_from: ", "server misbehaving"},
	} {
		if len(got) != 4 || !strings.HasPrefix(got[i], want[0]) || !strings.Contains(got[i], want[1]) {
			t.Fatalf("%q, want %q", got, want)
		}
	}
}
