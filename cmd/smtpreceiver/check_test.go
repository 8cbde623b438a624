//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smtpreceiver/cmd/smtpreceiver/terminal"
	"smtpreceiver/core/config"
)

// TestSummary: what check says when all is well tells an administrator what runs
// where and what becomes of the mail.
func TestSummary(t *testing.T) {
	t.Parallel()
	s, err := config.Parse("yaml", []byte(readFile(t, "testdata/check-summary.yaml")), nil)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := terminal.Summary(&out, s); err != nil {
		t.Fatal(err)
	}
	golden(t, "check-summary.expected", out.String())
}

// TestCheckWarns: what check learns from the machine and from DNS is printed,
// without making the configuration a bad one.
func TestCheckWarns(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, "forward_smtp_server: 127.0.0.1", "forward_username: u", "forward_password: p", "forward_tls: required", "reports: {smtp_server: 127.0.0.1}", "consume: {sms: {target: command, command: [/bin/true]}}")
	r.environ = []string{"SMTPRECEIVER_CLIENTS=127.0.0.1;nosuchhost.invalid"}
	for dir := r.dir; dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(r.config, 0o644); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := runCommand(t, r.dir, r.environ, "check")
	if status != 0 || stderr != "" {
		t.Errorf("exit status %d, stderr %q", status, stderr)
	}
	for _, want := range []string{
		"warning: forward_password: smtpreceiver.yaml has mode 0644", "chmod o= smtpreceiver.yaml\n",
		"warning: clients: look up nosuchhost.invalid",
		"warning: reports: no section of consume hands on the jobs of application fax",
		"smtpreceiver.yaml: no problems\n\nstandalone ", "127.0.0.1, nosuchhost.invalid\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	if err := os.Chmod(r.config, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, stdout, _ := runCommand(t, r.dir, nil, "check"); strings.Contains(stdout, "warning: forward_password") || strings.Contains(stdout, "warning: clients") {
		t.Errorf("warned of nothing:\n%s", stdout)
	}
}
