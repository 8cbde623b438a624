package standalone

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core"
	"smtpreceiver/core/config"
	"smtpreceiver/standalone/forward"
)

// The clients of a gateway by the address they come from.
const (
	listed   = "127.0.0.2" // on the global list
	faxOnly  = "127.0.0.3" // on the list of the application fax
	stranger = "127.0.0.4" // on none
)

// gateway is a Server on a real core.Receiver.
type gateway struct {
	*Server
	dir     string
	yaml    string
	addr    string
	log     *mtatest.Log
	tlsAddr string          // implicit TLS; empty without a certificate
	hop     *mtatest.Script // the forward server
	roots   *x509.CertPool
	// Of the certificate, whether it is used or not.
	certFile, keyFile string
}

// gatewayYAML is the beginning of each configuration; fax has a list of its
// own, sms goes by the global one.
const gatewayYAML = `
hostname: gw.test
state_directory: '{dir}/state'
output_code_page: utf-8
min_free_space: 0
thread_num: 50
dsn_offer: reader
clients: 127.0.0.2
forward_smtp_server: '{hop}'
applications:
  fax: {ctl_type: fax, output_folder: '{dir}/fax', clients: 127.0.0.3, addresses: '(?P<number>\+?\d+)@fax$'}
  sms: {ctl_type: sms, output_folder: '{dir}/sms', addresses: '(?P<number>\+?\d+)@sms$'}
`

const (
	withTLS   = "tls: {cert_file: '{cert}', key_file: '{key}'}\n"
	withUsers = "authentication: {backend: file, users_file: '{dir}/users'}\n"
	withClear = "authentication: {backend: file, users_file: '{dir}/users', allow_plaintext: 1}\n"
)

// newGateway serves with gatewayYAML and further top-level lines of YAML. {dir}
// is the folder of the test, {cert} and {key} are a certificate for gw.test and
// 127.0.0.1, {hop} is the forward server. The user jana@example.com has the
// password secret.
func newGateway(t testing.TB, yaml ...string) *gateway {
	t.Helper()
	g := &gateway{dir: t.TempDir(), hop: mtatest.NewScript(t, mtatest.ScriptOptions{}), log: new(mtatest.Log)}
	_, g.roots, g.certFile, g.keyFile = mtatest.Certificate(t, "gw.test", "127.0.0.1")
	for _, sub := range []string{"fax", "sms", "state"} {
		if err := os.Mkdir(filepath.Join(g.dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(g.dir, "users"), "jana@example.com:"+string(hash)+"\n")
	settings := g.settings(t, yaml...)
	log := slog.New(slog.NewTextHandler(g.log, nil))
	receiver, err := core.Open(context.Background(), settings, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := receiver.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(g.log.String())
		}
	})
	g.Server = NewServer(receiver, gatewayOptions(settings), log)
	l, err := Listen("127.0.0.1", 0)
	g.addr = g.serve(t, l, err)
	if settings.TLS.CertFile != "" {
		l, err := ListenTLS("127.0.0.1", 0)
		g.tlsAddr = g.serve(t, l, err)
	}
	return g
}

// settings are those of gatewayYAML with further lines.
func (g *gateway) settings(t testing.TB, yaml ...string) *config.Settings {
	t.Helper()
	g.yaml = strings.NewReplacer("{dir}", g.dir, "{cert}", g.certFile, "{key}", g.keyFile, "{hop}", g.hop.Addr).Replace(
		gatewayYAML + strings.Join(yaml, ""))
	s, err := config.Parse("yaml", []byte(g.yaml), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// reconfigure does what SIGHUP does.
func (g *gateway) reconfigure(t testing.TB, yaml ...string) {
	t.Helper()
	s := g.settings(t, yaml...)
	if err := g.receiver.Reload(s); err != nil {
		t.Fatal(err)
	}
	g.Reload(gatewayOptions(s))
}

// gatewayOptions are the options that the settings ask for.
func gatewayOptions(s *config.Settings) Options {
	return Options{
		Hostname: s.Hostname, ThreadNum: s.ThreadNum, MaxConnectionsPerClient: s.MaxConnectionsPerClient, MaxWaiting: s.MaxWaiting,
		SocketTimeout: s.SocketTimeout, TransactionTimeout: s.TransactionTimeout,
		MaxMessageSize: s.MaxMessageSize, MaxRecipients: s.MaxRecipients, BareNewlines: s.BareNewlines == "accept", DSN: s.OffersDSN(),
		Forward: forward.Options{Servers: s.ForwardServers(), TLS: s.ForwardTLS},
		TLS:     TLS{CertFile: s.TLS.CertFile, KeyFile: s.TLS.KeyFile, MinVersion: s.TLS.MinVersion},
		Auth:    Auth{AllowPlaintext: s.Authentication.AllowPlaintext},
	}
}

func write(t testing.TB, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// dialFrom connects from a loopback address, before the greeting.
func (g *gateway) dialFrom(t *testing.T, from, to string) *mtatest.Dialog {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := dialer.Dial("tcp", to)
	if err != nil {
		t.Skipf("no client can come from %s here: %v", from, err)
	}
	return mtatest.NewDialog(t, c)
}

// hello is dialFrom, greeted and past EHLO; with secure also past STARTTLS.
func (g *gateway) hello(t *testing.T, from string, secure bool) *mtatest.Dialog {
	t.Helper()
	d := g.dialFrom(t, from, g.addr)
	if secure {
		d = d.StartTLS()
	} else {
		d.Want("220 ")
	}
	d.Say("EHLO c.test", "250 ")
	return d
}

// login authenticates as jana.
func login(d *mtatest.Dialog) {
	d.T.Helper()
	d.Say("AUTH PLAIN "+plain("", "jana@example.com", "secret"), "235 ")
}

func plain(identity, user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(identity + "\x00" + user + "\x00" + password))
}

func base64Of(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// deliver sends a message from jana; reply is what the message is to get.
func deliver(d *mtatest.Dialog, to, reply string) {
	d.T.Helper()
	d.Say("MAIL FROM:<jana@example.com>", "250 ")
	d.Say("RCPT TO:<"+to+">", "250 ")
	d.Say("DATA", "354 ")
	d.Say("From: jana@example.com\r\nSubject: test\r\n\r\nbody\r\n.", reply)
}

// jobs counts what lies in an output folder.
func (g *gateway) jobs(t testing.TB, application string) int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(g.dir, application, "*.ctl"))
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// silent fails the test if the forward server was spoken to at all.
func (g *gateway) silent(t testing.TB) {
	t.Helper()
	if heard := g.hop.Commands(); len(heard) > 0 {
		t.Errorf("the forward server heard %q", heard)
	}
}

// logged fails the test unless one line of the log has all of this.
func (g *gateway) logged(t testing.TB, parts ...string) {
	t.Helper()
	for line := range strings.Lines(g.log.String()) {
		if !contains(line, parts) {
			continue
		}
		return
	}
	t.Errorf("no line of the log has %q", parts)
}

func contains(text string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}

// jobFiles are the control files of all jobs.
func (g *gateway) jobFiles(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(g.dir, "*", "*.ctl"))
	if err != nil {
		t.Fatal(err)
	}
	texts := make([]string, len(names))
	for i, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(text)
	}
	return texts
}
