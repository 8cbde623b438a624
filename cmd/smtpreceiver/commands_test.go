//go:build linux

package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the .expected files of testdata anew")

// golden compares what a command printed with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		writeFile(t, path, got)
	}
	if diff := cmp.Diff(readFile(t, path), got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

// TestExitStatus: 0 ended as asked, 1 failed, 2 wrong usage. What went wrong is
// said on stderr, what was asked for on stdout.
func TestExitStatus(t *testing.T) {
	t.Parallel()
	good, bad, empty := newReceiver(t), newReceiver(t, "no_such_key: 1"), t.TempDir()
	consumed := newReceiver(t, "consume: {fax: {target: command, command: [/bin/true]}}")
	noProgram := newReceiver(t, "consume: {fax: {target: command, command: [send]}}")
	queued := filepath.Join(good.dir, "queued.yaml")
	writeFile(t, queued, "instance: gw1\nqueue: {servers: ['nats://127.0.0.1:1'], unsynced: accept}\nstate_directory: "+good.dir+"\napplications: {fax: {ctl_type: fax, addresses: a}}\n")
	const everywhere = "no file found at smtpreceiver.yaml, smtpreceiver.toml, smtpreceiver.json, " +
		"/etc/smtpreceiver/smtpreceiver.yaml, /etc/smtpreceiver/smtpreceiver.toml, /etc/smtpreceiver/smtpreceiver.json"
	for _, tt := range []struct {
		args           string
		status         int
		stdout, stderr string // contained; "" wants nothing
	}{
		{"", 0, "Available Commands:", ""},
		{"--help", 0, "Available Commands:", ""},
		{"help check", 0, "lists everything that is wrong", ""},
		{"version", 0, "smtpreceiver ", ""},
		{"version please", 2, "", `no command "please"`},
		{"nonsense", 2, "", `"nonsense"`},
		{"--nonsense", 2, "", "--nonsense"},
		{"check --nonsense", 2, "", "--nonsense"},
		{"check --config", 2, "", "flag needs an argument"},
		{"check " + good.config, 2, "", good.config},
		{"demo now", 2, "", `"now"`},
		{"demo --once=maybe", 2, "", "maybe"},
		{"standalone now", 2, "", `"now"`},
		{"milter now", 2, "", `"now"`},
		{"check --config " + good.config, 0, good.config + ": no problems", ""},
		{"check -c " + bad.config, 1, "no_such_key", ""},
		{"check", 1, everywhere, ""},
		{"check -c " + queued, 1, "queue.servers: no connection to nats://127.0.0.1:1", ""},
		{"check -c " + noProgram.config, 1, "consume.fax.command", ""},
		{"standalone -c " + noProgram.config, 1, "", "consume.fax.command"},
		{"milter -c " + noProgram.config, 1, "", "consume.fax.command"},
		{"consume -c " + noProgram.config, 1, "", noProgram.config + ": consume.fax.command"},
		{"consume -c " + bad.config, 1, "", "no_such_key"},
		{"consume -c " + good.config, 1, "", "nothing to do, there is no section consume"},
		{"consume none -c " + consumed.config, 2, "", "has no section consume.none"},
		{"consume --once -c " + consumed.config, 0, "", ""},
		{"consume fax --once -c " + consumed.config, 0, "", ""},
		{"standalone", 1, "", everywhere},
		{"milter", 1, "", everywhere},
		{"check -c /nonexistent.yaml", 1, "/nonexistent.yaml", ""},
		{"standalone -c /nonexistent.yaml", 1, "", "/nonexistent.yaml"},
		{"milter -c /nonexistent.yaml", 1, "", "/nonexistent.yaml"},
		{"standalone -c " + bad.config, 1, "", "no_such_key"},
		{"milter -c " + bad.config, 1, "", "no_such_key"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := runCommand(t, empty, nil, strings.Fields(tt.args)...)
			if status != tt.status {
				t.Errorf("exit status %d, want %d", status, tt.status)
			}
			for _, stream := range []struct{ name, want, got string }{{"stdout", tt.stdout, stdout}, {"stderr", tt.stderr, stderr}} {
				if !strings.Contains(stream.got, stream.want) || stream.want == "" && stream.got != "" {
					t.Errorf("%s: %q, want %q in it", stream.name, stream.got, stream.want)
				}
			}
			if strings.Contains(stderr, "panic") || strings.Contains(stderr, "goroutine") {
				t.Errorf("stderr: %s", stderr)
			}
		})
	}
}

// TestServiceCannotStart: what only shows when a service comes up is exit status 1
// too, and nothing is left running or staged.
func TestServiceCannotStart(t *testing.T) {
	t.Parallel()
	other := running(t)
	_, port, _ := strings.Cut(other.addr, ":")
	for name, tt := range map[string]struct {
		command, setting, want string
	}{
		"port taken":       {"standalone", "SMTPRECEIVER_SMTP_PORT=" + port, "address already in use"},
		"address not ours": {"standalone", "SMTPRECEIVER_SMTP_IP_ADDRESS=192.0.2.1", "smtp_ip_address"},
		"milter folder":    {"milter", "SMTPRECEIVER_MILTER_LISTEN=unix:/nonexistent/milter.sock", "milter.listen"},
		"output folder":    {"standalone", "SMTPRECEIVER_APPLICATIONS_FAX_OUTPUT_FOLDER=/nonexistent", "applications.fax.output_folder"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t)
			status, stdout, stderr := runCommand(t, r.dir, []string{tt.setting}, tt.command)
			if status != 1 || stdout != "" || !strings.Contains(stderr, tt.want) || !strings.Contains(stderr, "smtpreceiver: smtpreceiver.yaml: ") {
				t.Errorf("exit status %d, stdout %q, stderr %q, want %q in it", status, stdout, stderr, tt.want)
			}
			for _, folder := range []string{r.fax, r.sms} {
				if left, _ := filepath.Glob(filepath.Join(folder, ".staging", "*")); len(left) > 0 {
					t.Errorf("left in staging: %q", left)
				}
			}
		})
	}
}

// TestCheckListsEverything has something wrong for each part of the program.
func TestCheckListsEverything(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "smtpreceiver.yaml"), readFile(t, "testdata/check-everything.yaml"))
	status, stdout, stderr := runCommand(t, dir, []string{
		"SMTPRECEIVER_THREAD_NUM=many",
		"SMTPRECEIVER_APPLICATIONS_FAX_ENABLED=perhaps",
		"SMTPRECEIVER_SMTP_PROT=25",
	}, "check")
	if status != 1 || stderr != "" {
		t.Errorf("exit status %d, stderr %q", status, stderr)
	}
	golden(t, "check-everything.expected", stdout)
}

func TestVersion(t *testing.T) {
	t.Parallel()
	_, stdout, _ := runCommand(t, "", nil, "version")
	if want := `^smtpreceiver \S+, commit \S+( \(modified\))?, ` + regexp.QuoteMeta(runtime.Version()) + ` linux/\w+\n$`; !regexp.MustCompile(want).MatchString(stdout) {
		t.Errorf("%q, want %s", stdout, want)
	}
}

// TestEnvironmentOnly: an empty file will do where the environment says all.
func TestEnvironmentOnly(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	writeFile(t, r.config, "# all by environment\n")
	r.environ = []string{
		"SMTPRECEIVER_SMTP_IP_ADDRESS=127.0.0.1",
		"SMTPRECEIVER_SMTP_PORT=0",
		"SMTPRECEIVER_HOSTNAME=environment.test",
		"SMTPRECEIVER_CLIENTS=192.0.2.0/24;127.0.0.1",
		"SMTPRECEIVER_MIN_FREE_SPACE=0",
		"SMTPRECEIVER_LOG_EVENT_LOG=",
		"SMTPRECEIVER_STATE_DIRECTORY=" + filepath.Join(r.dir, "state"),
		"SMTPRECEIVER_APPLICATIONS_FAX_CTL_TYPE=fax",
		"SMTPRECEIVER_APPLICATIONS_FAX_OUTPUT_FOLDER=" + r.fax,
		`SMTPRECEIVER_APPLICATIONS_FAX_ADDRESSES=(?P<number>\d+)@fax$;(?P<number>\d+)@f$`,
	}
	r.start(t)
	c := dial(t, r.addr)
	c.want(t, "", "220 environment.test ")
	c.want(t, "QUIT", "221 ")
	wantDelivery(t, r.addr, to("1@fax", "2@f"), "250 2.0.0 ")
	r.wantJobs(t, "1@fax", "2@f")
	r.stop(t)
}

// TestDemoOnce: the output alone shows what the product does.
func TestDemoOnce(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	status, stdout, stderr := runCommand(t, "", []string{"TMPDIR=" + tmp}, "demo", "--once")
	if status != 0 || stderr != "" {
		t.Fatalf("exit status %d, stderr %q", status, stderr)
	}
	samples := strings.Split(stdout, "\n   MAIL FROM:")[1:]
	if len(samples) != len(demoMails) {
		t.Fatalf("%d samples in the output, want %d:\n%s", len(samples), len(demoMails), stdout)
	}
	for i, sample := range samples {
		if title := fmt.Sprintf("\n%d. %s\n", i+1, demoMails[i].title); !strings.Contains(stdout, title) {
			t.Errorf("no %q in\n%s", title, stdout)
		}
		jobs := slices.DeleteFunc(slices.Clone(demoMails[i].to), func(rcpt string) bool { return strings.HasSuffix(rcpt, "example.com") })
		for _, rcpt := range jobs {
			if address := "| address=" + strings.ReplaceAll(rcpt, `"`, ""); !strings.Contains(sample, address+"\n") {
				t.Errorf("sample %d: no CTL with %q in\n%s", i+1, address, sample)
			}
		}
		if n := strings.Count(sample, "| [system]\n"); n != len(jobs) {
			t.Errorf("sample %d: %d CTLs, want %d, in\n%s", i+1, n, len(jobs), sample)
		}
	}
	for _, folder := range []string{"fax", "sms"} { // what it printed is still there
		dirs, _ := filepath.Glob(filepath.Join(tmp, "smtpreceiver-demo-*", folder))
		if len(dirs) != 1 {
			t.Fatalf("folders %q", dirs)
		}
		if ctls, _ := filepath.Glob(filepath.Join(dirs[0], "*.ctl")); len(ctls) == 0 {
			t.Errorf("no job in %s", dirs[0])
		}
	}
}

// TestDemoInvites runs the command that the demo tells newcomers to try.
func TestDemoInvites(t *testing.T) {
	t.Parallel()
	program(t, "curl", "curl")
	tmp := t.TempDir()
	cmd := exec.Command(binary, "demo")
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	p := launch(t, cmd)
	p.awaitLine(t, "Now try it yourself")
	line := p.awaitLine(t, "printf ")
	p.awaitLine(t, "Ctrl-C")
	before, _ := filepath.Glob(filepath.Join(tmp, "*/sms/*.ctl"))
	runClient(t, "", "sh", "-ec", line)
	after, _ := filepath.Glob(filepath.Join(tmp, "*/sms/*.ctl"))
	if len(after) != len(before)+1 {
		t.Errorf("%q brought %d new jobs, want 1; output:\n%s", line, len(after)-len(before), p.out)
	}
	p.signal(syscall.SIGINT)
	if status := p.exit(t); status != 0 {
		t.Errorf("exit status %d after Ctrl-C", status)
	}
}
