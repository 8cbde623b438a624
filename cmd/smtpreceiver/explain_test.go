//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"smtpreceiver/cmd/smtpreceiver/terminal"
	"smtpreceiver/core/explained"
)

// explainJSON explains a mail to programs, and what it prints is decoded.
func explainJSON(t testing.TB, args ...string) (status int, e explained.Mail) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(t.Context(), append([]string{"explain", "--json"}, args...), &out, &errs)
	decoder := json.NewDecoder(&out)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&e); err != nil {
		t.Fatalf("%q: %v; stderr: %s", args, err, &errs)
	}
	return status, e
}

// TestExplainGolden holds text and JSON of every rule against testdata/explain.
func TestExplainGolden(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, folder := range []string{"fax", "sms"} {
		mkdir(t, filepath.Join(dir, folder))
	}
	config := filepath.Join(dir, "smtpreceiver.yaml")
	writeFile(t, config, strings.ReplaceAll(readFile(t, "testdata/explain/smtpreceiver.yaml"), "{dir}", dir))
	const eva = "--from eva@example.com "
	for _, tt := range []struct {
		name, args string
		status     int
	}{
		{"taken", eva + `--rcpt +420603123456@sms`, 0},
		{"policy", `--policy --user petr ` + eva + `--rcpt +420603123456@sms --rcpt +42090603@sms --rcpt jana@example.com`, 1},
		{"policy-milter", `--policy --milter --client 192.0.2.9 ` + eva + `--rcpt 123@fax --rcpt jana@example.com`, 1},
		{"quoted-address", eva + `--rcpt "Eva/Firma/61388454"@fax`, 0},
		{"first-agrees", `--from eva@boss.example --rcpt 123@fax`, 0},
		{"forwarded", eva + `--rcpt jana@example.com`, 0},
		{"relay-denied", `--client 192.0.2.9 --from eva@boss.example --rcpt 123@fax --rcpt jana@example.com`, 1},
		{"sender-denied", `--from robot@example.com --rcpt 123@fax`, 1},
		{"sender-not-enabled", `--client 192.0.2.9 ` + eva + `--rcpt 123@fax`, 1},
		{"number-denied", eva + `--rcpt +42090603@sms --rcpt 906123456@sms`, 1},
		{"number-not-allowed", eva + `--rcpt 155@sms`, 1},
		{"limit", eva + `--rcpt 112@sms --rcpt 420603111111@sms --rcpt 420603222222@sms`, 1},
		{"null-sender", `--from <> --rcpt 112@sms --rcpt 123@fax`, 1},
		{"unlisted", `--client 203.0.113.9 ` + eva + `--rcpt 112@sms`, 1},
		{"authenticated", `--client 203.0.113.9 --user eva@example.com ` + eva + `--rcpt 112@sms --rcpt jana@example.com`, 0},
		{"other-sender", `--client 203.0.113.9 --user petr@example.com ` + eva + `--rcpt 112@sms`, 1},
		{"milter", `--milter ` + eva + `--rcpt 112@sms --rcpt jana@example.com`, 0},
		{"milter-passes-unlisted", `--milter --client 203.0.113.9 ` + eva + `--rcpt 112@sms`, 0},
		{"milter-local", `--milter --local ` + eva + `--rcpt 906123456@sms --rcpt 112@sms samples/1-text.eml`, 1},
		{"bad-recipient", eva + "--rcpt 1\x7f@sms", 1},
		{"bad-sender", "--from eva\x01@example.com --rcpt 112@sms", 1},
		{"message", eva + `--rcpt +420603123456@sms --rcpt "Eva/Firma/61388454"@fax --rcpt jana@example.com samples/3-pdf.eml`, 0},
		{"commands", eva + `--rcpt +420603123456@sms samples/4-commands.eml`, 0},
		{"too-large", eva + `--rcpt 112@sms ../../core/message/testdata/hostile-names.eml`, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"explain", "--config", config}, strings.Fields(tt.args)...)
			var text, errs bytes.Buffer
			if got := run(t.Context(), args, &text, &errs); got != tt.status || errs.Len() > 0 {
				t.Errorf("status %d, want %d; stderr: %s", got, tt.status, &errs)
			}
			golden(t, "explain/"+tt.name+".expected", strings.ReplaceAll(text.String(), dir, "{dir}"))

			var out bytes.Buffer
			if got := run(t.Context(), append(args, "--json"), &out, &errs); got != tt.status {
				t.Errorf("--json: status %d, want %d", got, tt.status)
			}
			golden(t, "explain/"+tt.name+".json.expected", strings.ReplaceAll(out.String(), dir, "{dir}"))
			var e explained.Mail
			if err := json.Unmarshal(out.Bytes(), &e); err != nil {
				t.Fatal(err)
			}
			if again := new(bytes.Buffer); terminal.Explanation(again, &e) != nil || again.String() != text.String() {
				t.Errorf("the JSON says otherwise than the text:\n%s", cmp.Diff(text.String(), again.String()))
			}
		})
	}
}

func TestExplainUsage(t *testing.T) {
	t.Parallel()
	good, bad := newReceiver(t), newReceiver(t, "no_such_key: 1")
	for _, tt := range []struct {
		args   string
		status int
		stderr string
	}{
		{"explain", 2, "--from"},
		{"explain --from a@b.example", 2, "--rcpt"},
		{"explain --from a@b.example --rcpt 1@sms --client mail.example.com", 2, `"mail.example.com" is no IP address`},
		{"explain --from a@b.example --rcpt 1@sms --local", 2, "--milter"},
		{"explain --from a@b.example --rcpt 1@sms --local --milter --client 192.0.2.7", 2, "--client"},
		{"explain --from a@b.example --rcpt 1@sms --policy --milter --local", 2, "--policy"},
		{"explain --from a@b.example --rcpt 1@sms --policy a.eml", 2, "takes no message"},
		{"explain --from a@b.example --rcpt 1@sms a.eml b.eml", 2, "one message"},
		{"explain --from a@b.example --rcpt 1@sms --config " + good.config + " /nonexistent.eml", 1, "/nonexistent.eml"},
		{"explain --from a@b.example --rcpt 1@sms --config " + bad.config, 1, "no_such_key"},
	} {
		var out, errs bytes.Buffer
		if got := run(t.Context(), strings.Fields(tt.args), &out, &errs); got != tt.status || !strings.Contains(errs.String(), tt.stderr) || out.Len() > 0 {
			t.Errorf("%s: status %d, want %d; %s%s", tt.args, got, tt.status, &out, &errs)
		}
	}
}

// TestExplainWithoutRights: whoever may read the configuration may ask. Folders
// and users' file of the service are out of reach; the message comes by stdin.
func TestExplainWithoutRights(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, "authentication: {backend: file, users_file: /nonexistent/users, allow_plaintext: 1}")
	// The folders of a test are its user's alone.
	public, err := os.MkdirTemp("", "smtpreceiver-public-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(public) })
	copied := filepath.Join(public, "smtpreceiver")
	writeFile(t, copied, readFile(t, binary))
	writeFile(t, copied+".yaml", readFile(t, r.config))
	for _, path := range []string{public, copied} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{r.fax, r.sms, filepath.Join(r.dir, "state")} {
		if err := os.Chmod(folder, 0o500); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command(copied, "explain", "--config", copied+".yaml", "--from", "a@b.example", "--rcpt", "112@sms", "-")
	if os.Getuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	c.Dir, c.Stdin = "/", strings.NewReader("Subject: hello\n\nbody\n")
	out, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "| body") || !strings.Contains(string(out), "warning: applications.sms.output_folder: ") {
		t.Errorf("%v:\n%s", err, out)
	}
}

// TestExplainInterrupted: while it waits for a message, Ctrl-C ends explain and
// leaves nothing behind.
func TestExplainInterrupted(t *testing.T) {
	t.Parallel()
	r, temp := newReceiver(t), t.TempDir()
	c := exec.Command(binary, "explain", "--config", r.config, "--from", "a@b.example", "--rcpt", "112@sms", "-")
	c.Env = append(os.Environ(), "TMPDIR="+temp)
	if _, err := c.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	p := launch(t, c)
	entries := func() int {
		found, err := os.ReadDir(temp)
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	eventually(t, "the temporary folder", func() bool { return entries() > 0 })
	p.signal(syscall.SIGINT)
	if status := p.exit(t); status != 1 || entries() > 0 {
		t.Errorf("status %d, %d entries left; %s", status, entries(), p.out)
	}
}
