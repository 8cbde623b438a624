//go:build linux

// Package deb tests the Debian package: built, looked at by lintian, and
// installed on a fresh Debian where systemd runs its services and Postfix hands
// them mail, as README.Debian says.
package deb

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// build makes the package in a folder.
func build(t *testing.T, dir string) (deb string) {
	t.Helper()
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("not on Debian")
	}
	script, err := filepath.Abs("build.sh")
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("sh", script, "1.2.3-rc1")
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(c.Dir, "smtpreceiver_1.2.3~rc1-1_"+run(t, "dpkg", "--print-architecture")+".deb")
}

func TestPackage(t *testing.T) {
	t.Parallel()
	var deb, root string
	dir := t.TempDir()
	t.Run("preparation", func(t *testing.T) {
		t.Run("package", func(t *testing.T) {
			t.Parallel()
			deb = build(t, dir)
		})
		t.Run("Debian", func(t *testing.T) {
			t.Parallel()
			install(t, filepath.Join(dir, "root"))
			root = filepath.Join(dir, "root")
			run(t, "cp", "-a", root, root+"2")
		})
	})
	if deb == "" {
		return
	}
	t.Run("reproducible", func(t *testing.T) {
		t.Parallel()
		if again := build(t, t.TempDir()); sha256(t, again) != sha256(t, deb) {
			t.Error("two builds differ")
		}
	})
	t.Run("lintian", func(t *testing.T) {
		t.Parallel()
		if _, err := exec.LookPath("lintian"); err != nil {
			t.Skip("lintian is not installed (Debian package lintian)")
		}
		// There is no licence to state.
		const want = "W: smtpreceiver: copyright-without-copyright-notice"
		if got := run(t, "lintian", "--allow-root", "--no-cfg", "--tag-display-limit=0", deb); got != want {
			t.Errorf("lintian says %q, want %q", got, want)
		}
	})
	t.Run("on Debian", func(t *testing.T) {
		t.Parallel()
		if root == "" {
			t.Skip("there is no Debian to install it on")
		}
		testOnDebian(t, boot(t, root), deb)
	})
	t.Run("README", func(t *testing.T) {
		t.Parallel()
		if root == "" {
			t.Skip("there is no Debian to run it on")
		}
		testHandbook(t, root+"2")
	})
}

func sha256(t *testing.T, file string) string {
	t.Helper()
	return strings.Fields(run(t, "sha256sum", file))[0]
}

func testOnDebian(t *testing.T, m *machine, deb string) {
	run(t, "cp", deb, filepath.Join(m.root, "v1.deb"))
	upgrade(t, deb, filepath.Join(m.root, "v2.deb"))

	for _, step := range []struct {
		name string
		test func(*testing.T)
	}{
		{"installed", m.installed},
		{"Postfix, as README.Debian says", m.postfix},
		{"a consumer in the group takes jobs away", m.consumer},
		{"reload", m.reload},
		{"watchdog", m.watchdog},
		{"another output folder", m.otherFolder},
		{"standalone on port 25", m.standalone},
		{"socket activation", m.socket},
		{"upgrade with a configuration that was changed", m.upgradeChanged},
		{"remove and purge with jobs in the spool", m.purge},
		{"upgrade with the configuration of the package", m.upgradeUnchanged},
		{"purge with an empty spool", m.purgeEmpty},
	} {
		if !t.Run(step.name, step.test) {
			return // what follows rests on it
		}
	}
}

// upgrade makes a later version of a package, with another default configuration.
func upgrade(t *testing.T, deb, later string) {
	t.Helper()
	dir := t.TempDir()
	run(t, "dpkg-deb", "-R", deb, dir)
	run(t, "sed", "-i", "s/^Version: .*/Version: 1.2.4-1/", filepath.Join(dir, "DEBIAN/control"))
	run(t, "sh", "-c", "echo '# later version' >>"+filepath.Join(dir, "etc/smtpreceiver/smtpreceiver.yaml"))
	run(t, "dpkg-deb", "-b", dir, later)
}

// documented are the indented blocks of a section of a file, without the indent.
func documented(t *testing.T, file, section, indent string) (blocks []string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(b), section+"\n")
	if !ok {
		t.Fatalf("%s has no section %q", file, section)
	}
	for _, block := range regexp.MustCompile(`(?m)(^`+indent+`.*\n)+`).FindAllString(text, -1) {
		blocks = append(blocks, regexp.MustCompile(`(?m)^`+indent).ReplaceAllString(block, ""))
	}
	return blocks
}

const stat = "stat -c '%a %U:%G' "

func (m *machine) installed(t *testing.T) {
	m.run(t, "dpkg -i /v1.deb")
	m.want(t, "systemctl is-active smtpreceiver-milter", "active")
	m.want(t, "systemctl is-enabled smtpreceiver-milter", "enabled")
	m.want(t, "systemctl is-active smtpreceiver smtpreceiver-milter.socket || true", "inactive\ninactive")
	m.want(t, "systemctl is-enabled smtpreceiver smtpreceiver-milter.socket || true", "disabled\ndisabled")
	m.want(t, "systemctl is-enabled smtpreceiver-consume@fax || true", "disabled")
	m.want(t, stat+"/etc/smtpreceiver/smtpreceiver.yaml", "640 root:smtpreceiver")
	m.want(t, stat+"/var/spool/smtpreceiver/fax", "2770 smtpreceiver:smtpreceiver")
	m.want(t, stat+"/run/smtpreceiver/milter.sock", "660 smtpreceiver:smtpreceiver")
	m.want(t, "smtpreceiver check | head -1", "/etc/smtpreceiver/smtpreceiver.yaml: no problems")
	m.want(t, "cd /root; cp /etc/smtpreceiver/smtpreceiver.yaml .; smtpreceiver check 2>&1 >/dev/null; rm smtpreceiver.yaml", "warning: smtpreceiver.yaml of this folder is read, not /etc/smtpreceiver/smtpreceiver.yaml")
	m.want(t, "cd /root; chmod 700 .; runuser -u smtpreceiver -- smtpreceiver check 2>&1 | head -1", "/etc/smtpreceiver/smtpreceiver.yaml: no problems")
	m.want(t, "smtpreceiver version | cut -d, -f1", "smtpreceiver 1.2.3-rc1")
	m.want(t, "smtpreceiver demo --once | grep -c '^  *sms/[0-9]*.ctl'", "3")
	m.run(t, "bash -n /usr/share/bash-completion/completions/smtpreceiver")
	m.want(t, "smtpreceiver __complete chec 2>/dev/null | head -1 | cut -f1", "check")
	for _, page := range []string{"man8/smtpreceiver.8.gz", "man5/smtpreceiver.yaml.5.gz", "man5/smtpreceiver-ctl.5.gz"} {
		run(t, "man", "-l", filepath.Join(m.root, "usr/share/man", page))
	}
}

// job waits for the only job of a folder and takes it away.
func (m *machine) job(t *testing.T, folder, number string) {
	t.Helper()
	m.await(t, "ls "+folder+"/*.ctl")
	m.want(t, "grep -h ^number= "+folder+"/*.ctl | tr -d '\\r'", "number="+number)
	m.run(t, "rm "+folder+"/*")
}

const sms = "/var/spool/smtpreceiver/sms"

func (m *machine) postfix(t *testing.T) {
	m.run(t, "postconf -e myhostname=mail.example.com inet_protocols=ipv4; systemctl restart postfix")
	blocks := documented(t, "README.Debian", "Postfix\n-------", "  ")
	m.run(t, blocks[0])
	m.settle(t, blocks[0])
	m.run(t, blocks[1])
	m.job(t, sms, "+420603123456")
	m.curl(t, 25, "+420603000001@sms")
	m.job(t, sms, "+420603000001")
	m.want(t, stat+"/var/spool/postfix/smtpreceiver/milter.sock", "660 smtpreceiver:postfix")
	m.await(t, "journalctl -u smtpreceiver-milter -o cat | grep 'msg=job.*app=sms'")
}

func (m *machine) consumer(t *testing.T) {
	m.run(t, "useradd --system consumer; usermod -aG smtpreceiver consumer")
	m.curl(t, 25, "+420603000002@sms")
	m.await(t, "ls "+sms+"/*.ctl")
	m.want(t, stat+sms+"/*.ctl", "640 smtpreceiver:smtpreceiver")
	m.run(t, "setpriv --reuid consumer --regid consumer --init-groups sh -ec 'cat "+sms+"/*.txt; rm "+sms+"/*'")
	m.want(t, "setpriv --reuid nobody --regid nogroup --clear-groups ls "+sms+" >/dev/null 2>&1 || echo refused", "refused")
}

func (m *machine) reload(t *testing.T) {
	m.run(t, "systemctl reload smtpreceiver-milter")
	m.await(t, "journalctl -u smtpreceiver-milter -o cat | grep msg=reloaded")
	m.want(t, "systemctl is-active smtpreceiver-milter", "active")
}

// watchdog makes the service hang. The process sees to it by itself that this
// is not said of one that works.
func (m *machine) watchdog(t *testing.T) {
	const dropIn = "/run/systemd/system/smtpreceiver-milter.service.d"
	m.run(t, "mkdir -p "+dropIn+"; printf '[Service]\nWatchdogSec=5s\nRestartSec=0\n' >"+dropIn+"/watchdog.conf; systemctl daemon-reload; systemctl restart smtpreceiver-milter; sleep 8")
	m.want(t, "systemctl show -P NRestarts smtpreceiver-milter", "0")
	m.run(t, "systemctl kill --kill-whom=main --signal=STOP smtpreceiver-milter")
	m.await(t, "[ $(systemctl show -P NRestarts smtpreceiver-milter) -ge 1 ] && systemctl is-active smtpreceiver-milter")
	m.run(t, "rm -r "+dropIn+"; systemctl daemon-reload; systemctl restart smtpreceiver-milter")
}

// otherFolder is README.Debian's: without the drop-in the service says what is
// wrong, with it it works. The folder is set by environment, which is what
// secrets.env is for.
func (m *machine) otherFolder(t *testing.T) {
	const setting = "/etc/smtpreceiver/secrets.env"
	m.write(t, setting, "SMTPRECEIVER_APPLICATIONS_FAX_OUTPUT_FOLDER=/srv/fax\n")
	script := documented(t, "README.Debian", "Another output folder\n---------------------", "  ")[0]
	install, rest, _ := strings.Cut(script, "\n")
	m.run(t, install)
	m.run(t, "systemctl restart smtpreceiver-milter || true")
	m.await(t, "journalctl -u smtpreceiver-milter -o cat | grep '/srv/fax.*read-only file system.*ReadWritePaths'")
	m.run(t, rest)
	m.curl(t, 25, "1@fax")
	m.job(t, "/srv/fax", "1")
	m.run(t, "rm "+setting+"; systemctl restart smtpreceiver-milter")
}

func (m *machine) standalone(t *testing.T) {
	m.write(t, "/etc/smtpreceiver/secrets.env", "SMTPRECEIVER_SMTP_PORT=25\n")
	m.run(t, "systemctl stop postfix smtpreceiver-milter; systemctl enable --now smtpreceiver")
	m.want(t, "systemctl show -P User smtpreceiver", "smtpreceiver")
	m.curl(t, 25, "+420603000003@sms")
	m.job(t, sms, "+420603000003")
	m.run(t, "systemctl disable --now smtpreceiver; rm /etc/smtpreceiver/secrets.env; systemctl start smtpreceiver-milter postfix")
}

// socket is README.md's of contrib/systemd. The first mail starts the program.
func (m *machine) socket(t *testing.T) {
	blocks := documented(t, "../systemd/README.md", "## Socket activation (milter)", "    ")
	m.run(t, "rm /etc/smtpreceiver/conf.d/postfix.yaml")
	m.write(t, "/etc/smtpreceiver/conf.d/socket.yaml", blocks[0])
	m.write(t, "/etc/systemd/system/smtpreceiver-milter.socket.d/postfix.conf", blocks[1])
	m.run(t, "systemctl daemon-reload; systemctl stop smtpreceiver-milter; systemctl enable --now smtpreceiver-milter.socket")
	m.want(t, "systemctl is-active smtpreceiver-milter || true", "inactive")
	m.curl(t, 25, "+420603000004@sms")
	m.job(t, sms, "+420603000004")
	m.want(t, "systemctl is-active smtpreceiver-milter", "active")
}

func (m *machine) upgradeChanged(t *testing.T) {
	m.run(t, "sed -i 's/^clients: .*/clients: [localhost, 192.0.2.0\\/24]/' /etc/smtpreceiver/smtpreceiver.yaml")
	before := m.run(t, "systemctl show -P MainPID smtpreceiver-milter")
	// dpkg asks, and here nobody answers.
	if out, err := m.try("dpkg -i /v2.deb </dev/null"); err == nil || !strings.Contains(out, "Configuration file '/etc/smtpreceiver/smtpreceiver.yaml'") {
		t.Errorf("not asked about the configuration: %v\n%s", err, out)
	}
	m.run(t, "dpkg --force-confold -i /v2.deb")
	m.run(t, "grep '^clients: .*192.0.2.0/24' /etc/smtpreceiver/smtpreceiver.yaml")
	m.want(t, stat+"/etc/smtpreceiver/smtpreceiver.yaml", "640 root:smtpreceiver")
	if after := m.run(t, "systemctl show -P MainPID smtpreceiver-milter"); after == before || after == "0" {
		t.Errorf("main process %s before, %s after the upgrade", before, after)
	}
	m.want(t, "systemctl is-active smtpreceiver || true", "inactive")
	m.curl(t, 25, "+420603000005@sms") // stays in the spool
	m.await(t, "ls "+sms+"/*.ctl")
}

func (m *machine) purge(t *testing.T) {
	m.run(t, "systemctl enable smtpreceiver-consume@sms; install -d /var/lib/smtpreceiver-consume/sms/.failed; touch /var/lib/smtpreceiver-consume/sms/.failed/1.ctl; echo SMS_TOKEN=secret >/etc/smtpreceiver/consume-sms.env")
	m.run(t, "dpkg -r smtpreceiver")
	m.want(t, "systemctl is-active smtpreceiver-milter smtpreceiver-milter.socket || true", "inactive\ninactive")
	m.run(t, "ls /etc/smtpreceiver/smtpreceiver.yaml /var/lib/smtpreceiver "+sms+"/*.ctl")
	if out := m.run(t, "dpkg -P smtpreceiver"); !strings.Contains(out, "jobs are left in /var/spool/smtpreceiver\n") || !strings.Contains(out, "jobs are left in /var/lib/smtpreceiver-consume") {
		t.Errorf("purge says %q", out)
	}
	m.want(t, "ls -d /etc/smtpreceiver /var/lib/smtpreceiver /var/log/smtpreceiver /run/smtpreceiver /var/spool/smtpreceiver/* 2>/dev/null || true", sms)
	m.run(t, "rm /var/lib/smtpreceiver-consume/sms/.failed/1.ctl")
	m.want(t, stat+sms+"/*.ctl", "640 smtpreceiver:smtpreceiver")
	m.want(t, "find /etc/systemd /var/lib/systemd -name 'smtpreceiver*' | grep -v '\\.d$' || true", "")
	m.run(t, "rm "+sms+"/*; rm -r /etc/systemd/system/smtpreceiver-milter.*.d")
}

func (m *machine) upgradeUnchanged(t *testing.T) {
	m.run(t, "dpkg -i /v1.deb; systemctl is-active smtpreceiver-milter")
	m.run(t, "dpkg -i /v2.deb </dev/null; grep 'later version' /etc/smtpreceiver/smtpreceiver.yaml")
	m.want(t, stat+"/etc/smtpreceiver/smtpreceiver.yaml", "640 root:smtpreceiver")
}

func (m *machine) purgeEmpty(t *testing.T) {
	m.run(t, "dpkg -P smtpreceiver")
	m.want(t, "ls -d /etc/smtpreceiver /var/*/smtpreceiver* /run/smtpreceiver 2>/dev/null || true", "")
	m.run(t, "getent passwd smtpreceiver")
}
