package config

import (
	"os"
	"strings"
	"testing"
)

// TestOffersDSN: it is a promise, and only kept where each application that takes
// mail is handed on, with reports.
func TestOffersDSN(t *testing.T) {
	t.Parallel()
	const (
		to      = "reports: {smtp_server: a}\n"
		two     = minimal + "  sms: {output_folder: /x, ctl_type: sms, addresses: a}\n"
		fax     = "consume: {fax: {target: hylafax}}\n"
		both    = "consume: {fax: {target: hylafax}, other: {application: sms, target: hylafax}}\n"
		queue   = "queue: {servers: ['nats://a:4222'], unsynced: accept}\ninstance: a\napplications: {fax: {ctl_type: fax, addresses: x}}\n"
		without = minimal + "  sms: {enabled: 0, output_folder: /x, ctl_type: sms, addresses: a}\n"
	)
	for _, tt := range []struct {
		text          string
		reported, dsn bool // reported: of fax
	}{
		{minimal, false, false},
		{minimal + fax, false, false},
		{minimal + fax + to, true, true},
		{two + fax + to, true, false},
		{two + both + to, true, true},
		{without + fax + to, true, true},
		{two + "consume: {sms: {target: hylafax}}\n" + to, false, false},
		{queue, false, false},
		{queue + to, true, true},
		{minimal + "dsn_offer: reader\n", false, true},
		{minimal + fax + to + "dsn_offer: off\n", true, false},
	} {
		s := mustParse(t, "yaml", tt.text)
		if s.Reported("fax") != tt.reported || s.OffersDSN() != tt.dsn {
			t.Errorf("%s\nreported %v, offers DSN %v", tt.text, s.Reported("fax"), s.OffersDSN())
		}
	}
	if got := problemsOf(t, "yaml", minimal+to); !strings.HasPrefix(got, "reports.smtp_server: has no effect, because there is no section consume") {
		t.Error(got)
	}
}

func TestHostName(t *testing.T) {
	t.Parallel()
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for set, want := range map[string]string{"": machine, "mail.example.com": "mail.example.com"} {
		if got := (&Settings{Hostname: set}).HostName(); got != want {
			t.Errorf("%q: %s, want %s", set, got, want)
		}
	}
}
