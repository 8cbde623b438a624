//go:build linux

// Package systemd tests the units, users and folders that contrib ships. That a
// service runs under its unit, contrib/deb tests with systemd itself.
package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed (Debian package systemd)", name)
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var files []string
	for _, unit := range []string{"smtpreceiver.service", "smtpreceiver-milter.service", "smtpreceiver-milter.socket", "../consumers/smtpreceiver-consume@.service"} {
		file := filepath.Join(dir, filepath.Base(unit))
		// The program need not be installed where the test runs.
		write(t, file, strings.ReplaceAll(read(t, unit), "/usr/bin/smtpreceiver", "/bin/true"))
		files = append(files, file)
	}
	if out := output(t, "systemd-analyze", append([]string{"verify", "--man=no", "--recursive-errors=no"}, files...)...); out != "" {
		t.Error(out)
	}
}

// TestExposure holds the units to the figures of README.md.
func TestExposure(t *testing.T) {
	t.Parallel()
	stated := regexp.MustCompile(`\| exposure, .* \| ([\d.]+) \| ([\d.]+) \|`).FindStringSubmatch(read(t, "README.md"))
	if stated == nil {
		t.Fatal("README.md states no exposure")
	}
	for i, unit := range []string{"smtpreceiver-milter.service", "smtpreceiver.service"} {
		file, err := filepath.Abs(unit)
		if err != nil {
			t.Fatal(err)
		}
		out := output(t, "systemd-analyze", "security", "--no-pager", "--offline=yes", file)
		level := regexp.MustCompile(`Overall exposure level for .*: ([\d.]+)`).FindStringSubmatch(out)
		if level == nil {
			t.Fatal(out)
		}
		got, err1 := strconv.ParseFloat(level[1], 64)
		most, err2 := strconv.ParseFloat(stated[i+1], 64)
		if err1 != nil || err2 != nil || got > most {
			t.Errorf("%s: exposure %s, README.md states %s at most\n%s", unit, level[1], stated[i+1], out)
		}
	}
}

// TestSameConfinement: the two services differ in what they are for, and in
// nothing else.
func TestSameConfinement(t *testing.T) {
	t.Parallel()
	lines := func(file string, own ...string) string {
		text := read(t, file)
		for _, line := range own {
			if !strings.Contains(text, line+"\n") {
				t.Errorf("%s has no line %q", file, line)
			}
			text = strings.Replace(text, line+"\n", "", 1)
		}
		return text
	}
	milter := lines("smtpreceiver-milter.service", "Description=Fax and SMS from mail (milter)",
		"After=network.target nss-lookup.target",
		"ExecStart=/usr/bin/smtpreceiver milter --config /etc/smtpreceiver/smtpreceiver.yaml",
		"CapabilityBoundingSet=")
	standalone := lines("smtpreceiver.service", "Description=Fax and SMS from mail (SMTP server)",
		"Wants=network-online.target", "After=network-online.target nss-lookup.target",
		"ExecStart=/usr/bin/smtpreceiver standalone --config /etc/smtpreceiver/smtpreceiver.yaml",
		"# Ports 25 and 465 without root.",
		"CapabilityBoundingSet=CAP_NET_BIND_SERVICE", "AmbientCapabilities=CAP_NET_BIND_SERVICE")
	if milter != standalone {
		t.Errorf("the services differ in more than that:\n%s\n---\n%s", milter, standalone)
	}
}

// TestUserAndFolders makes them in an empty root.
func TestUserAndFolders(t *testing.T) {
	t.Parallel()
	mtatest.RequireRoot(t)
	root := t.TempDir()
	write(t, filepath.Join(root, "usr/lib/sysusers.d/smtpreceiver.conf"), read(t, "sysusers.conf"))
	write(t, filepath.Join(root, "usr/lib/tmpfiles.d/smtpreceiver.conf"), read(t, "tmpfiles.conf"))
	write(t, filepath.Join(root, "etc/passwd"), "root:x:0:0::/root:/bin/sh\n")
	write(t, filepath.Join(root, "etc/group"), "root:x:0:\n")
	for range 2 { // the second time changes nothing
		output(t, "systemd-sysusers", "--root="+root)
		output(t, "systemd-tmpfiles", "--root="+root, "--create")
	}
	user := regexp.MustCompile(`(?m)^smtpreceiver:[^:]*:(\d+):(\d+):[^:]*:/var/lib/smtpreceiver:/usr/sbin/nologin$`).
		FindStringSubmatch(read(t, filepath.Join(root, "etc/passwd")))
	if user == nil {
		t.Fatalf("passwd:\n%s", read(t, filepath.Join(root, "etc/passwd")))
	}
	owner := user[1] + ":" + user[2]
	for folder, want := range map[string]string{
		"run/smtpreceiver":           "755 " + owner,
		"var/lib/smtpreceiver":       "750 " + owner,
		"var/spool/smtpreceiver":     "755 0:0",
		"var/spool/smtpreceiver/fax": "2770 " + owner,
		"var/spool/smtpreceiver/sms": "2770 " + owner,
	} {
		if got := strings.TrimSpace(output(t, "stat", "-c", "%a %u:%g", filepath.Join(root, folder))); got != want {
			t.Errorf("%s: %s, want %s", folder, got, want)
		}
	}
}
