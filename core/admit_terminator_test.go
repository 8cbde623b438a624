package core

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"testing"

	"smtpreceiver/core/config"
)

func TestTerminators(t *testing.T) {
	t.Parallel()
	b := open(t, `
clients: 0.0.0.0/0
applications:
  fax:
    {output_folder: '{dir}/fax', ctl_type: fax, addresses: 'a', nonstandard_data_terminator: '\r\n .\r\n', nonstandard_data_terminator_clients: [192.0.2.1, 192.0.2.8]}
  off:
    {enabled: 0, output_folder: '{dir}/fax', ctl_type: fax, addresses: 'a', nonstandard_data_terminator: '\r\noff\r\n', nonstandard_data_terminator_clients: 192.0.2.8}
  same:
    {output_folder: '{dir}/fax', ctl_type: fax, addresses: 'a', nonstandard_data_terminator: '\r\n .\r\n', nonstandard_data_terminator_clients: 192.0.2.8}
  sms:
    {output_folder: '{dir}/sms', ctl_type: sms, addresses: 'b', nonstandard_data_terminator: '\r\nEOM\r\n', nonstandard_data_terminator_clients: 192.0.2.8-192.0.2.9}
  plain:
    {output_folder: '{dir}/sms', ctl_type: sms, addresses: 'c'}
`)
	for client, want := range map[string]string{
		"192.0.2.1":        "\r\n .\r\n",
		"::ffff:192.0.2.1": "\r\n .\r\n",
		"192.0.2.8":        "\r\n .\r\n|\r\nEOM\r\n",
		"192.0.2.9":        "\r\nEOM\r\n",
		"192.0.2.2":        "",
		"":                 "",
	} {
		addr, _ := netip.ParseAddr(client)
		if got := string(bytes.Join(b.Terminators(context.Background(), addr), []byte("|"))); got != want {
			t.Errorf("%q: %q, want %q", client, got, want)
		}
	}
}

func TestTerminatorClientsAreChecked(t *testing.T) {
	t.Parallel()
	s := settings(t, t.TempDir(), basics+`
applications:
  fax: {output_folder: '{dir}/fax', ctl_type: fax, addresses: a, nonstandard_data_terminator: '\r\n .\r\n', nonstandard_data_terminator_clients: [localhost, 10.0.0.]}
`)
	problems, _ := Check(s)
	want := config.KeyIndex("applications.fax.nonstandard_data_terminator_clients", 1)
	if !strings.Contains(problems.Error(), want) {
		t.Errorf("problems %v, want one of %s", problems, want)
	}
}
