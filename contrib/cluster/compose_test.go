package cluster

import (
	"fmt"
	"net"
	"net/smtp"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/contrib/natstest"
)

// service is one of compose.yaml.
type service struct {
	Image, Restart string
	Command        []string
	Environment    map[string]string
	Volumes        []string
	Networks       map[string]struct{ Aliases []string }
	DependsOn      []string `yaml:"depends_on"`
}

func (s service) mounts(t *testing.T, file, at string) {
	t.Helper()
	if !slices.Contains(s.Volumes, file+":"+at+":ro") {
		t.Errorf("volumes %q: no %s", s.Volumes, at)
	}
	if _, err := os.Stat(filepath.Join("compose", file)); err != nil {
		t.Error(err)
	}
}

// TestCompose starts what compose.yaml starts, by its commands, environment and
// files, as processes of this machine: mail to Postfix becomes a job in the folder of
// the consumer's target, other mail goes on; with one server and one gateway down, too.
func TestCompose(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("compose/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]service
		Volumes  map[string]any
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for name, s := range file.Services {
		if s.Restart != "unless-stopped" {
			t.Errorf("%s: restart %q", name, s.Restart)
		}
		for _, v := range s.Volumes {
			volume, _, _ := strings.Cut(v, ":")
			if _, there := file.Volumes[volume]; !there && volume[0] != '.' {
				t.Errorf("%s: there is no volume %s", name, volume)
			}
		}
		for _, other := range s.DependsOn {
			if _, there := file.Services[other]; !there {
				t.Errorf("%s depends on %s, which is not there", name, other)
			}
		}
	}

	servers := natstest.Start(t, 3, natstest.Options{MaxFile: "50GB"}) // as shipped
	for _, server := range servers {
		s := file.Services[server.Name]
		if want := natstest.Arguments("/etc/nats/nats-server.conf", server.Name); !slices.Equal(s.Command, want) {
			t.Errorf("%s: command %q, the tests start it with %q", server.Name, s.Command, want)
		}
		if !regexp.MustCompile(`/nats:2\.1[4-9]`).MatchString(s.Image) || s.Environment["GATEWAY_PASSWORD"] == "" {
			t.Errorf("%s: image %s, environment %v", server.Name, s.Image, s.Environment)
		}
		s.mounts(t, "../nats-server.conf", "/etc/nats/nats-server.conf")
	}

	spool := t.TempDir()
	milters := map[string]string{}
	start := func(name string) (stop func()) {
		s := file.Services[name]
		s.mounts(t, "./smtpreceiver.yaml", "/etc/smtpreceiver/smtpreceiver.yaml")
		dir := t.TempDir()
		conf, err := os.ReadFile("compose/smtpreceiver.yaml")
		if err != nil {
			t.Fatal(err)
		}
		milters[name] = fmt.Sprintf("127.0.0.1:%d", mtatest.FreePort(t))
		replace := map[string]string{
			"inet:0.0.0.0:8894": "inet:" + milters[name], "inet:127.0.0.1:9425": "unix:" + filepath.Join(dir, "metrics.sock"),
			"/var/spool/smtpreceiver": spool, "/var/lib/smtpreceiver": dir,
		}
		for _, server := range servers {
			replace["nats://"+server.Name+":4222"], replace["http://"+server.Name+":8222"] = server.URL, server.Monitor
		}
		written := string(conf) + "state_directory: " + dir + "\n"
		for from, to := range replace {
			if !strings.Contains(written, from) {
				t.Fatalf("smtpreceiver.yaml has no %s", from)
			}
			written = strings.ReplaceAll(written, from, to)
		}
		of := &site{t: t, dir: dir, file: filepath.Join(dir, "smtpreceiver.yaml")}
		if err := os.WriteFile(of.file, []byte(written), 0o600); err != nil {
			t.Fatal(err)
		}
		for key, value := range s.Environment {
			of.env = append(of.env, key+"="+strings.ReplaceAll(value, "${GATEWAY_PASSWORD:?}", natstest.Password))
		}
		if out, err := of.run("check"); err != nil {
			t.Errorf("%s: check: %v\n%s", name, err, out)
		}
		process := of.start(s.Command...)
		return func() {
			process.Process.Kill()
			process.Wait()
		}
	}
	for _, app := range []string{"fax", "sms"} {
		if err := os.Mkdir(filepath.Join(spool, app), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"gateway1", "gateway2"} {
		if !slices.Contains(file.Services[name].Networks["default"].Aliases, "gateway") {
			t.Errorf("Postfix does not find %s", name)
		}
	}
	stopFirst := start("gateway1")
	start("gateway2")
	start("consumer")

	file.Services["postfix"].mounts(t, "./main.cf", "/etc/postfix/main.cf")
	main, err := os.ReadFile("compose/main.cf")
	if err != nil {
		t.Fatal(err)
	}
	gateway := newBalancer(t, milters["gateway1"], milters["gateway2"])
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	var lines []string
	for line := range strings.Lines(strings.Replace(string(main), "inet:gateway:8894", "inet:"+gateway, 1)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' && !strings.HasPrefix(line, "maillog_file") {
			lines = append(lines, line)
		}
	}
	postfix := mtatest.Postfix(t, mtatest.PostfixOptions{Sink: sink.Addr, ExtraMain: lines})
	mail := func() error {
		return smtp.SendMail(postfix.Addr, nil, "a@example.com", []string{"603123456@fax", "b@example.com"}, []byte("Subject: x\r\n\r\ntext\r\n"))
	}
	try := func(what string, want int) {
		t.Helper()
		var err error
		for deadline := time.Now().Add(40 * time.Second); time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
			if err = mail(); err == nil {
				break
			}
		}
		if err != nil {
			t.Fatalf("%s: %v\n%s", what, err, postfix.Log(t))
		}
		if m := sink.Next(t, 20*time.Second); !slices.Equal(m.Recipients(), []string{"b@example.com"}) {
			t.Errorf("%s: to %q went on", what, m.Recipients())
		}
		deadline := time.Now().Add(30 * time.Second)
		for n := 0; n != want; time.Sleep(100 * time.Millisecond) {
			found, err := filepath.Glob(filepath.Join(spool, "fax", "*.ctl"))
			if n = len(found); err != nil || time.Now().After(deadline) {
				t.Fatalf("%s: %d jobs, want %d, %v", what, n, want, err)
			}
		}
	}
	try("all is up", 1)
	servers[1].Kill()
	stopFirst()
	try("a server and a gateway are down", 2)
}

// newBalancer is a name with several addresses: connections go to the first that
// answers.
func newBalancer(t *testing.T, to ...string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			for _, address := range to {
				if out, err := net.Dial("tcp", address); err == nil {
					go splice(from, out)
					from = nil
					break
				}
			}
			if from != nil {
				from.Close()
			}
		}
	}()
	return l.Addr().String()
}
