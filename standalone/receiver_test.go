package standalone

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core"
	"smtpreceiver/core/config"
)

// Gateways whose whole configuration a test writes, and whose jobs show the
// message byte for byte.
const (
	rawBasics = `
state_directory: '{dir}/state'
output_code_page: utf-8
hostname: gw.test
`
	localClients = "clients: 127.0.0.1\n"
	faxAndSMS    = `
applications:
  fax: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '(?P<number>\d+)@fax$', format_preference: eml}
  sms: {output_folder: '{dir}/sms', ctl_type: sms, addresses: '(?P<number>\d+)@sms$', format_preference: eml}
`
)

// forwardingTo is YAML for a gateway that forwards.
func forwardingTo(hop *mtatest.NextHop) string {
	return "forward_smtp_server: '" + hop.Addr + "'\n"
}

// newHop is a forward server that takes everything and remembers each byte.
func newHop(t testing.TB) *mtatest.NextHop {
	return (&mtatest.NextHop{Answers: mtatest.GoodHop}).Start(t)
}

// withCertificate is YAML for a gateway that offers STARTTLS.
func withCertificate(t testing.TB) string {
	_, _, cert, key := mtatest.Certificate(t, "gw.test", "127.0.0.1")
	return fmt.Sprintf("tls: {cert_file: '%s', key_file: '%s'}\n", cert, key)
}

// rawGateway listens nowhere yet.
func rawGateway(t testing.TB, yaml string) *gateway {
	t.Helper()
	g := &gateway{dir: t.TempDir(), log: new(mtatest.Log)}
	for _, sub := range []string{"fax", "sms", "state"} {
		if err := os.Mkdir(filepath.Join(g.dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(yaml, "dsn_offer:") {
		yaml = "dsn_offer: reader\n" + yaml
	}
	if !strings.Contains(yaml, "min_free_space:") {
		yaml = "min_free_space: 0\n" + yaml
	}
	if !strings.Contains(yaml, "thread_num:") {
		yaml = "thread_num: 1000\n" + yaml
	}
	g.yaml = strings.ReplaceAll(rawBasics+yaml, "{dir}", g.dir)
	settings, err := config.Parse("yaml", []byte(g.yaml), nil)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(g.log, nil))
	receiver, err := core.Open(context.Background(), settings, log)
	if err != nil {
		t.Fatal(err)
	}
	g.Server = NewServer(receiver, gatewayOptions(settings), log)
	t.Cleanup(func() {
		if err := receiver.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(g.log.String())
		}
	})
	return g
}

// serve serves l until the end of the test and returns its address.
func (g *gateway) serve(t testing.TB, l net.Listener, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- g.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // what is left is closed
		g.Shutdown(ctx)
		if err := mtatest.Receive(t, "the server to end", served); err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// startRaw is rawGateway with SMTP on a loopback port.
func startRaw(t testing.TB, yaml string) *gateway {
	t.Helper()
	g := rawGateway(t, yaml)
	l, err := Listen("127.0.0.1", 0)
	g.addr = g.serve(t, l, err)
	return g
}

// dial connects from the address that is on the list of localClients.
func (g *gateway) dial(t *testing.T) *mtatest.Dialog { return g.dialFrom(t, "127.0.0.1", g.addr) }

// greeted is dial after the greeting and EHLO.
func (g *gateway) greeted(t *testing.T) *mtatest.Dialog { return g.hello(t, "127.0.0.1", false) }

// messages are the messages of all jobs in a folder, fax or sms, in the order
// of their numbers.
func (g *gateway) messages(t testing.TB, folder string) []string {
	t.Helper()
	ctls, err := filepath.Glob(filepath.Join(g.dir, folder, "*.ctl"))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, ctl := range ctls {
		b, err := os.ReadFile(strings.TrimSuffix(ctl, ".ctl") + ".eml")
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, string(b))
	}
	return list
}

// control is a job's CTL.
func (g *gateway) control(t testing.TB, folder, job string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(g.dir, folder, job+".ctl"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}
