package mtatest

import (
	"crypto/tls"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestOverride(t *testing.T) {
	t.Parallel()
	got := override([]string{"a = 1", "ab = 2", "c=3"}, []string{"c = 4", "  more", "d = 5", "a = "})
	if want := "ab = 2|c = 4|  more|d = 5|a = "; strings.Join(got, "|") != want {
		t.Errorf("override: %q, want %q", got, want)
	}
}

func TestMilterSocket(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"inet:127.0.0.1:33": "inet:33@127.0.0.1",
		"inet:[::1]:33":     "inet:33@::1",
		"unix:/tmp/x":       "unix:/tmp/x",
	} {
		if got := milterSocket(t, in); got != want {
			t.Errorf("milterSocket(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestDirIsOpenAndShort(t *testing.T) {
	t.Parallel()
	var dir string
	t.Run("test", func(t *testing.T) {
		dir = Dir(t)
		info, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o755 {
			t.Errorf("mode %o, want 755", mode)
		}
		l, err := net.Listen("unix", filepath.Join(dir, strings.Repeat("x", 60))) // Postfix needs about 25
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	})
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("folder after its test: %v", err)
	}
}

func TestFreePorts(t *testing.T) {
	t.Parallel()
	given := map[int]bool{}
	take := func(n int) (first int) {
		first = FreePorts(t, n)
		for port := first; port < first+n; port++ {
			if given[port] {
				t.Errorf("port %d was given twice", port)
			}
			given[port] = true
		}
		return first
	}
	for range 100 { // as of many servers beside the row
		take(1)
	}
	for range 5 {
		take(41)
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(take(1))))
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestCertificateFiles(t *testing.T) {
	t.Parallel()
	cert, _, certFile, keyFile := Certificate(t, "mx.test")
	fromFiles, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	if !fromFiles.Leaf.Equal(cert.Leaf) {
		t.Error("the files hold another certificate")
	}
}

// TestServersDieWithTheirTest: a test program that ends without its cleanups
// leaves no server behind. It is this one, started once more.
func TestServersDieWithTheirTest(t *testing.T) {
	t.Parallel()
	const asChild = "SMTPRECEIVER_TEST_ORPHAN"
	if mark := os.Getenv(asChild); mark != "" {
		endWithProcess(t, `echo gone > "$1"`, mark)
		os.Exit(0)
	}
	mark := filepath.Join(t.TempDir(), "mark")
	child := exec.Command(os.Args[0], "-test.run=^TestServersDieWithTheirTest$")
	child.Env = append(os.Environ(), asChild+"="+mark)
	if _, err := command(child); err != nil {
		t.Fatal(err)
	}
	if !waitFor(func() bool { _, err := os.Stat(mark); return err == nil }) {
		t.Error("the command for the end of the process was not run")
	}
}
