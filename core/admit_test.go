package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"smtpreceiver/core/access"
	"smtpreceiver/core/config"
	"smtpreceiver/core/metrics"
	"smtpreceiver/core/reply"
)

const clientsAndApps = `
clients: 192.0.2.1
applications:
  fax: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '\d+@fax$', clients: 192.0.2.2}
  sms: {output_folder: '{dir}/sms', ctl_type: sms, addresses: '\d+@sms$'}
  off: {enabled: 0, output_folder: '{dir}/fax', ctl_type: fax, addresses: x, clients: 192.0.2.9}
`

// authenticating opens a receiver whose user jana has the password secret.
func authenticating(t *testing.T, settings string) (b *bench, yaml string) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, []byte("jana:"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	yaml = clientsAndApps + fmt.Sprintf("authentication: {backend: file, users_file: '%s', allow_plaintext: 1, %s}\n", file, settings)
	return open(t, yaml), yaml
}

func replyTo(err error) string {
	if err == nil {
		return ""
	}
	r := reply.Of(err)
	return fmt.Sprintf("%d %s", r.Code, r.Status())
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	ctx, client := context.Background(), netip.MustParseAddr("192.0.2.5")
	b, yaml := authenticating(t, "max_failures: 1")
	try := func(want, user, password string) {
		t.Helper()
		_, err := b.Authenticate(ctx, client, user, password)
		if got := replyTo(err); got != want {
			t.Errorf("%s, %s: %q, want %q", user, password, got, want)
		}
	}
	if !b.Authenticating() {
		t.Error("nobody can authenticate")
	}
	try("", "jana", "secret")
	try("535 5.7.8", "jana", "Secret")
	try("421 4.7.0", "jana", "secret")
	// A reload of the same settings forgives nothing.
	reload := func(yaml string) {
		t.Helper()
		if err := b.Reload(settings(t, b.dir, basics+yaml)); err != nil {
			t.Fatal(err)
		}
	}
	reload(yaml)
	try("421 4.7.0", "jana", "secret")
	reload(strings.Replace(yaml, "max_failures: 1", "max_failures: 2", 1))
	try("", "jana", "secret")
	reload(clientsAndApps)
	try("454 4.7.0", "jana", "secret")
	if b.Authenticating() {
		t.Error("clients can authenticate with no backend")
	}
	if got := fmt.Sprint(counters(t, b.Metrics(), "logins_total")); got != "map[bad:1 locked:2 ok:2 unavailable:1]" {
		t.Errorf("counted %s", got)
	}
}

// TestAdmit has for each client what the greeting and MAIL say, without and
// with authentication.
func TestAdmit(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	without := open(t, clientsAndApps)
	with, _ := authenticating(t, "")
	for _, tt := range []struct {
		addr, user                         string
		greeting, mail, greetingWith, with string
	}{
		{"192.0.2.1", "", "", "", "", ""},
		{"::ffff:192.0.2.1", "", "", "", "", ""},
		{"192.0.2.2", "", "", "", "", ""},
		{"192.0.2.3", "", "554 5.7.1", "554 5.7.1", "", "530 5.7.0"},
		{"192.0.2.9", "", "554 5.7.1", "554 5.7.1", "", "530 5.7.0"}, // on the list of a disabled application
		{"192.0.2.3", "jana", "554 5.7.1", "", "", ""},
	} {
		client := Client{Addr: netip.MustParseAddr(tt.addr), User: tt.user}
		for _, c := range []struct {
			where     string
			got, want string
		}{
			{"greeting", replyTo(without.Receiver.Admit(ctx, client.Addr)), tt.greeting},
			{"MAIL", replyTo(without.Begin(client).Admit(ctx)), tt.mail},
			{"greeting with authentication", replyTo(with.Receiver.Admit(ctx, client.Addr)), tt.greetingWith},
			{"MAIL with authentication", replyTo(with.Begin(client).Admit(ctx)), tt.with},
		} {
			if c.got != c.want {
				t.Errorf("%s %s, %s: %q, want %q", tt.addr, tt.user, c.where, c.got, c.want)
			}
		}
	}
}

// A list whose host names cannot be looked up refuses for now only.
func TestAdmitWithoutDNS(t *testing.T) {
	t.Parallel()
	ctx, client := context.Background(), Client{Addr: netip.MustParseAddr("192.0.2.3")}
	resolver := access.NewResolver(func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no DNS") }, nil)
	list, err := access.ParseList([]string{"fax.example.com"}, resolver)
	if err != nil {
		t.Fatal(err)
	}
	broken := open(t, clientsAndApps)
	broken.rules.Load().Apps[0].Clients = list
	if got := replyTo(broken.Receiver.Admit(ctx, client.Addr)); got != "421 4.4.3" {
		t.Errorf("greeting %q", got)
	}
	if got := replyTo(broken.Begin(client).Admit(ctx)); got != "450 4.4.3" {
		t.Errorf("MAIL %q", got)
	}
}

func TestOwnSender(t *testing.T) {
	t.Parallel()
	strict, lax := open(t, clientsAndApps), open(t, clientsAndApps+"authentication: {sender_must_match: 0}\n")
	for _, tt := range []struct{ user, sender, want string }{
		{"jana@example.com", "jana@example.com", ""}, {"jana@example.com", "<JANA@example.COM>", ""},
		{"jana@example.com", "", "550 5.7.1"}, {"jana@example.com", "eva@example.com", "550 5.7.1"},
		{`"a b"@example.com`, `"a b"@example.com`, ""}, {`a b@example.com`, `"a b"@example.com`, ""},
		{"", "eva@example.com", ""}, {"", "", ""},
		{"jana", "jana@example.com", "550 5.7.1"}, {"k@x", "\u212a@x", "550 5.7.1"},
	} {
		for _, in := range []struct {
			*bench
			frontend metrics.Frontend
			want     string
		}{{strict, metrics.SMTP, tt.want}, {lax, metrics.SMTP, ""}, {strict, metrics.Milter, ""}} {
			_, err := in.Begin(Client{User: tt.user, Frontend: in.frontend}).Sender(tt.sender, Envelope{})
			if got := replyTo(err); got != in.want {
				t.Errorf("%s, user %q, sender %q: %q, want %q", in.frontend, tt.user, tt.sender, got, in.want)
			}
		}
	}
}

func TestCheckAuthentication(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := settings(t, dir, basics+clientsAndApps)
	s.Authentication.Backend, s.Authentication.UsersFile = "file", filepath.Join(dir, "nobody")
	problems, _ := Check(s)
	if len(problems) != 1 || problems[0].Key != "authentication.users_file" {
		t.Errorf("problems: %v", problems)
	}
	_, err := Open(context.Background(), s, slog.New(slog.DiscardHandler))
	if _, ok := err.(config.Problems); !ok {
		t.Errorf("Open: %v", err)
	}
}

// TestLookupsFail: a list of host names that cannot be looked up lets nobody in, and sends nobody
// away for good.
func TestLookupsFail(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), netip.MustParseAddr("192.0.2.3")
	resolver := access.NewResolver(func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no DNS") }, nil)
	list, err := access.ParseList([]string{"fax.example.com"}, resolver)
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, strings.Replace(clientsAndApps, "clients: 192.0.2.2}", "clients: 192.0.2.2, nonstandard_data_terminator: '\\r\\n .\\r\\n', nonstandard_data_terminator_clients: 192.0.2.3}", 1))
	if ends := b.Terminators(ctx, client); len(ends) != 1 {
		t.Errorf("ends %q", ends)
	}
	rules := b.rules.Load()
	rules.Clients, rules.Apps[0].Clients, rules.Apps[0].Terminator.Clients = list, list, list
	if ends := b.Terminators(ctx, client); len(ends) != 0 || !strings.Contains(b.log.String(), "level=WARN msg=\"nonstandard_data_terminator_clients: host name lookup failed\" app=fax client=192.0.2.3") {
		t.Errorf("ends %q, log %s", ends, b.log)
	}
	trx := b.Begin(Client{Addr: client})
	defer trx.Abort()
	trx.Sender("a@b.example", Envelope{})
	_, err = trx.Recipient(ctx, "1@fax", RecipientOptions{})
	for what, err := range map[string]error{"an application's list": err, "the way to the forward server": trx.MayRelay(ctx, true), "and again": trx.MayRelay(ctx, true)} {
		if got := replyTo(err); got != "450 4.4.3" {
			t.Errorf("%s: %q", what, got)
		}
	}
}

// TestProxy: who speaks for others is on a list of its own.
func TestProxy(t *testing.T) {
	t.Parallel()
	b := open(t, "proxy_protocol_from: 192.0.2.8\n"+clientsAndApps)
	for addr, want := range map[string]bool{"192.0.2.8": true, "192.0.2.1": false} {
		if is, err := b.Proxy(t.Context(), netip.MustParseAddr(addr)); is != want || err != nil {
			t.Errorf("%s: %v, %v", addr, is, err)
		}
	}
}
