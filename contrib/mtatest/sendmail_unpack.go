package mtatest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// sendmailInstall is the command that makes the Sendmail tests run: the
// libraries that the unpacked program needs.
const sendmailInstall = "DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends m4 libwrap0 libnsl2 libldap-2.5-0 libsasl2-2 libdb5.3"

// sendmailRoot is the folder of the unpacked Sendmail packages.
func sendmailRoot(t testing.TB) string {
	t.Helper()
	if _, err := exec.LookPath("m4"); err != nil {
		t.Skipf("no m4 here: %s", sendmailInstall)
	}
	if root := os.Getenv("SENDMAIL_ROOT"); root != "" {
		return root
	}
	root := Unpacked(t, "sendmail", "sendmail-bin", "sendmail-cf")
	// Debian ships it setgid; the tests run it as root, and it must trust its environment.
	if err := os.Chmod(filepath.Join(root, "usr/libexec/sendmail/sendmail"), 0o755); err != nil {
		t.Fatal(err)
	}
	return root
}
