package mtatest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sendmailInstall is the command that makes the Sendmail tests run: the
// libraries that the unpacked program needs.
const sendmailInstall = "DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends m4 libwrap0 libnsl2 libldap-2.5-0 libsasl2-2 libdb5.3"

// sendmailRoot is the folder of the unpacked Sendmail packages. Once there, a
// tree is used for good: remove it, or set SENDMAIL_ROOT, for another version.
func sendmailRoot(t testing.TB) string {
	t.Helper()
	if _, err := exec.LookPath("m4"); err != nil {
		t.Skipf("no m4 here: %s", sendmailInstall)
	}
	if root := os.Getenv("SENDMAIL_ROOT"); root != "" {
		return root
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("%v: set SENDMAIL_ROOT to the folder of the unpacked packages sendmail-bin and sendmail-cf", err)
	}
	cache = filepath.Join(cache, "smtpreceiver-test")
	if found, _ := filepath.Glob(filepath.Join(cache, "sendmail-*")); len(found) > 0 {
		return found[len(found)-1]
	}
	return unpackSendmail(t, cache)
}

// unpackSendmail fetches the packages and unpacks them without running anything
// in them. Test programs that do this at the same time each work in a folder of
// their own; the first to finish wins.
func unpackSendmail(t testing.TB, cache string) string {
	t.Helper()
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	work, err := os.MkdirTemp(cache, "unpack")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(work)
	fetch := exec.Command("apt-get", "download", "-q", "sendmail-bin", "sendmail-cf")
	fetch.Dir = work
	if _, err := command(fetch); err != nil {
		t.Skipf("Sendmail cannot be fetched: apt-get update && apt-get download sendmail-bin sendmail-cf && %s: %v", sendmailInstall, err)
	}
	debs, _ := filepath.Glob(filepath.Join(work, "*.deb"))
	version := ""
	for _, deb := range debs {
		if _, err := command(exec.Command("dpkg", "-x", deb, filepath.Join(work, "root"))); err != nil {
			t.Fatal(err)
		}
		version = strings.Split(filepath.Base(deb), "_")[1]
	}
	// Debian ships it setgid; the tests run it as root, and it must trust its environment.
	if err := os.Chmod(filepath.Join(work, "root/usr/libexec/sendmail/sendmail"), 0o755); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(cache, "sendmail-"+version)
	if err := os.Rename(filepath.Join(work, "root"), root); err != nil {
		if _, there := os.Stat(root); there != nil {
			t.Fatal(err)
		}
	}
	return root
}
