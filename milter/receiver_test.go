package milter

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core"
	"smtpreceiver/core/config"
	"smtpreceiver/core/socket"
	"smtpreceiver/milter/guard/guardtest"
)

// programFolder holds what TestKilled and TestSignals build.
var programFolder string

// The library's warnings are read in no test.
func TestMain(m *testing.M) {
	RouteLibraryLog(slog.New(slog.DiscardHandler))
	status := m.Run()
	os.RemoveAll(programFolder)
	os.Exit(status)
}

// applications take every form of address that is tested. {dir} is the folder
// of the test. The global list of clients is each test's own.
const applications = `
state_directory: '{dir}/state'
output_code_page: utf-8
min_free_space: 0
log_event_log: ""
applications:
  fax:
    ctl_type: fax
    output_folder: '{dir}/fax'
    format_preference: eml
    from_disabled: ['denied@']
    addresses:
      - '(?P<name>[^/@]*)(?:/(?P<company>[^/@]+))?(?:/(?P<dept>[^/@]+))?@(?P<number>\+?\d+)[.@]fax$'
      - '(?:(?P<name>[^/]+)/(?:(?P<company>[^/]+)/(?:(?P<dept>[^/]+)/)?)?)?(?P<number>\+?\d+)@fax(?:\.fax)?$'
  sms:
    ctl_type: sms
    output_folder: '{dir}/sms'
    from_disabled: ['denied@']
    addresses:
      - '(?P<number>\+?\d+)@sms$'
      - '(?P<name>[^@]+)@(?P<number>\d+)\.sms$'
`

// loopbackClients lets in who connects from this machine.
const loopbackClients = "clients: [127.0.0.0/8]\n"

// gate is a receiver with its milter.
type gate struct {
	*Server
	dir      string // holds fax, sms and state
	log      *mtatest.Log
	listener net.Addr
	served   sync.WaitGroup
	addr     string // the same in Postfix's spelling
}

// open makes a gate that does not serve yet. The clients come before the
// applications in its YAML.
func open(t testing.TB, clients string) *gate {
	t.Helper()
	return openIn(t, mtatest.Dir(t), clients)
}

func openIn(t testing.TB, dir, clients string) *gate {
	t.Helper()
	g := &gate{dir: dir, log: new(mtatest.Log)}
	log := slog.New(slog.NewTextHandler(g.log, nil))
	r, err := core.Open(context.Background(), settings(t, g.dir, clients+applications), log)
	if err != nil {
		t.Fatal(err)
	}
	g.Server = NewServer(r, Options{Timeout: 10 * time.Minute}, log)
	t.Cleanup(func() {
		g.shutdown(t)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("log of the milter:\n%s", g.log)
		}
	})
	return g
}

func settings(t testing.TB, dir, yaml string) *config.Settings {
	t.Helper()
	for _, sub := range []string{"fax", "sms", "state"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s, err := config.Parse("yaml", []byte(strings.ReplaceAll(yaml, "{dir}", dir)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve serves addr, "" for a unix socket in the folder of the test.
func (g *gate) serve(t testing.TB, addr string) *gate {
	t.Helper()
	if addr == "" {
		addr = "unix:" + filepath.Join(g.dir, "m")
	}
	l, err := socket.Listen(socket.Socket{Spec: addr, Mode: 0o666})
	if err != nil {
		t.Fatal(err)
	}
	kind, _, _ := strings.Cut(addr, ":")
	g.listener, g.addr = l.Addr(), kind+":"+l.Addr().String()
	g.served.Go(func() { g.Serve(l) })
	return g
}

func (g *gate) dial(t testing.TB) net.Conn {
	t.Helper()
	return guardtest.Dial(t, g.listener)
}

// shutdown waits long enough for any message, and until the socket is gone.
func (g *gate) shutdown(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := g.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	mtatest.Finish(t, "the server to end", &g.served)
}

// job is a visible one: its CTL by section/key, and its message file.
type job struct {
	name string
	ctl  map[string]string
	text string
}

// jobs reads all visible jobs of a folder that holds fax and sms, in the order
// of their numbers. It fails the test if a file that a CTL names is missing.
func jobs(t testing.TB, dir string) []job {
	t.Helper()
	var all []job
	for _, app := range []string{"fax", "sms"} {
		files, err := filepath.Glob(filepath.Join(dir, app, "*.ctl"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			j := job{filepath.Base(file), readCTL(t, file), ""}
			text, err := os.ReadFile(filepath.Join(dir, app, j.ctl["system/txt"]))
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			j.text = string(text)
			all = append(all, j)
		}
	}
	slices.SortFunc(all, func(a, b job) int { return strings.Compare(a.name, b.name) })
	return all
}

func readCTL(t testing.TB, file string) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	ctl := make(map[string]string)
	section := ""
	for line := range strings.SplitSeq(strings.TrimSuffix(string(raw), "\r\n"), "\r\n") {
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSuffix(name, "]")
		} else if key, value, ok := strings.Cut(line, "="); ok {
			ctl[section+"/"+key] = value
		}
	}
	return ctl
}

// nothingLeft fails the test if staging holds anything.
func nothingLeft(t testing.TB, dir string) {
	t.Helper()
	for _, app := range []string{"fax", "sms"} {
		staged, err := filepath.Glob(filepath.Join(dir, app, ".staging", "*", "*"))
		if err != nil || len(staged) > 0 {
			t.Errorf("left in staging: %q, %v", staged, err)
		}
	}
}
