package mtatest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Unpacked is a folder of Debian packages that are unpacked and not installed,
// because they exclude others that the tests need. It is below the user's cache
// folder, called name and the version of the last package; once there, it is used
// for good: remove it for another version. The test is skipped if the packages
// cannot be had.
func Unpacked(t testing.TB, name string, packages ...string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	cache = filepath.Join(cache, "smtpreceiver-test")
	if found, _ := filepath.Glob(filepath.Join(cache, name+"-*")); len(found) > 0 {
		return found[len(found)-1]
	}
	return unpack(t, cache, name, packages)
}

// unpack fetches the packages and unpacks them without running anything in them.
// Test programs that do this at the same time each work in a folder of their
// own; the first to finish wins.
func unpack(t testing.TB, cache, name string, packages []string) string {
	t.Helper()
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	work, err := os.MkdirTemp(cache, "unpack")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(work)
	fetch := exec.Command("apt-get", append([]string{"download", "-q"}, packages...)...)
	fetch.Dir = work
	if _, err := command(fetch); err != nil {
		t.Skipf("%s cannot be fetched: apt-get update && apt-get download %s: %v", name, strings.Join(packages, " "), err)
	}
	debs, _ := filepath.Glob(filepath.Join(work, "*.deb"))
	version := ""
	for _, deb := range debs {
		if _, err := command(exec.Command("dpkg", "-x", deb, filepath.Join(work, "root"))); err != nil {
			t.Fatal(err)
		}
		version = strings.Split(filepath.Base(deb), "_")[1]
	}
	root := filepath.Join(cache, name+"-"+version)
	if err := os.Rename(filepath.Join(work, "root"), root); err != nil {
		if _, there := os.Stat(root); there != nil {
			t.Fatal(err)
		}
	}
	return root
}
