//go:build unix

package socket

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

func TestSocketSpec(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ spec, want string }{
		{"unix:/run/x.sock", "unix /run/x.sock"},
		{"local:x.sock", "unix x.sock"},
		{"inet:127.0.0.1:8894", "tcp4 127.0.0.1:8894"},
		{"inet:localhost:0", "tcp4 localhost:0"},
		{"inet:localhost:1", "tcp4 localhost:1"},
		{"inet:localhost:65535", "tcp4 localhost:65535"},
		{"inet:8894@127.0.0.1", "tcp4 127.0.0.1:8894"},
		{"inet6:[::1]:8894", "tcp6 [::1]:8894"},
		{"inet6:8894@::1", "tcp6 [::1]:8894"},
		{"inet6:8894@[::1]", "tcp6 [::1]:8894"},
		{"fd:", "fd "},
		{"fd:milter", "fd milter"},
		{"", ""},
		{"/run/x.sock", ""},
		{"unix:", ""},
		{"inet:8894", ""},
		{"inet::8894", ""}, // all addresses must be said: inet:0.0.0.0:8894
		{"inet:127.0.0.1:smtp", ""},
		{"inet:127.0.0.1:65536", ""},
		{"inet:127.0.0.1:", ""},
		{"inet:127.0.0.1:00", ""},
		{"tcp:127.0.0.1:1", ""},
	} {
		socket := Socket{Spec: test.spec}
		network, address, err := socket.address()
		if got := network + " " + address; test.want != "" && (err != nil || got != test.want) {
			t.Errorf("%q: %q, %v; want %q", test.spec, got, err, test.want)
		}
		if wrong := test.want == ""; wrong != (socket.Check() != nil) {
			t.Errorf("%q: check says %v", test.spec, socket.Check())
		}
		if test.want == "" && (err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", test.spec))) {
			t.Errorf("%q: error %v, want one that shows it", test.spec, err)
		}
	}
}

func TestListenTCP(t *testing.T) {
	t.Parallel()
	l, err := Listen(Socket{Spec: "inet:127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dial(t, l.Addr())
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if _, err := Listen(Socket{Spec: "inet:" + port + "@127.0.0.1"}); err == nil || !strings.Contains(err.Error(), "inet:"+port) {
		t.Errorf("port in use: %v, want an error that names the socket", err)
	}
}

// Not parallel: a child process that another test starts would hold the socket
// between its fork and exec, and so keep alive what is closed here.
func TestListenUnix(t *testing.T) {
	mtatest.RequireRoot(t) // to give the socket to a group
	group, err := user.LookupGroup("mail")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(mtatest.Dir(t), "m")
	socket := Socket{Spec: "unix:" + path, Mode: 0o620, Group: "mail"}
	l, err := Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if gid := fmt.Sprint(info.Sys().(*syscall.Stat_t).Gid); info.Mode() != socketMode(0o620) || gid != group.Gid {
		t.Errorf("mode %v, group %s; want %v and %s", info.Mode(), gid, socketMode(0o620), group.Gid)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("folder holds %v, want the socket only", left)
	}
	if _, err := Listen(socket); err == nil || !strings.Contains(err.Error(), "another process serves it") {
		t.Errorf("live socket: %v, want an error", err)
	}
	dial(t, l.Addr())

	// A process that was killed leaves its socket; it is replaced.
	l.(*unixListener).UnixListener.Close()
	again, err := Listen(socket)
	if err != nil {
		t.Fatalf("stale socket: %v", err)
	}
	// The first one's Close comes late, and twice.
	again.Close()
	third, err := Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	again.Close()
	dial(t, third.Addr())
}

// TestListenUnixIsNeverOpen: the socket has its name only when it has its mode. Not
// parallel: the umask is the process's.
func TestListenUnixIsNeverOpen(t *testing.T) {
	path := filepath.Join(mtatest.Dir(t), "m")
	defer syscall.Umask(syscall.Umask(0))
	done := make(chan struct{})
	seen := map[os.FileMode]bool{}
	var looking sync.WaitGroup
	looking.Go(func() {
		for {
			if info, err := os.Lstat(path); err == nil {
				seen[info.Mode()] = true
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for range 200 {
		l, err := Listen(Socket{Spec: "unix:" + path, Mode: 0o620})
		if err != nil {
			t.Error(err)
			break
		}
		l.Close()
	}
	close(done)
	looking.Wait()
	if len(seen) != 1 || !seen[socketMode(0o620)] {
		t.Errorf("modes seen: %v, want %v alone", seen, socketMode(0o620))
	}
}

func socketMode(perm os.FileMode) os.FileMode { return os.ModeSocket | perm }

func TestListenUnixErrors(t *testing.T) {
	t.Parallel()
	dir := mtatest.Dir(t)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	datagrams := filepath.Join(dir, "datagrams")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: datagrams, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, test := range []struct {
		socket Socket
		want   string
	}{
		{Socket{Spec: "unix:" + file}, "is not a socket"},
		{Socket{Spec: "unix:" + datagrams}, "wrong type"},
		{Socket{Spec: "unix:" + dir + "/none/m"}, dir + "/none: no such file"},
		{Socket{Spec: "unix:" + file + "/m"}, "not a directory"},
		{Socket{Spec: "unix:" + dir + "/m", Group: "no such group"}, "socket_group: group: unknown group no such group"},
		{Socket{Spec: "unix:" + dir + "/" + strings.Repeat("x", 200)}, "path is too long"},
		{Socket{Spec: "m"}, `"m": write unix:`},
		{Socket{Spec: "fd:"}, "systemd passed 0 sockets"},
	} {
		l, err := Listen(test.socket)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", test.socket.Spec, err, test.want)
		}
		if err == nil {
			l.Close()
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("folder holds %v, want the file and the other's socket", left)
	}
}

// TestLongestPath: a path may be as long as the system's name of a socket, without its
// final NUL, and the error says how long.
func TestLongestPath(t *testing.T) {
	t.Parallel()
	dir := mtatest.Dir(t)
	longest := len(syscall.RawSockaddrUnix{}.Path) - 1
	path := filepath.Join(dir, strings.Repeat("x", longest-len(dir)-1))
	l, err := Listen(Socket{Spec: "unix:" + path, Mode: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	dial(t, l.Addr())
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("closed: left %v, %v", left, err)
	}
	_, err = Listen(Socket{Spec: "unix:" + path + "x", Mode: 0o600})
	var most, folder int
	if err == nil {
		t.Fatal("a byte longer: no error")
	}
	_, said, _ := strings.Cut(err.Error(), "(")
	if _, err := fmt.Sscanf(said, "%d bytes at most, its folder %d)", &most, &folder); err != nil || most != longest || folder > longest-len("/.s1/s") || folder < longest-len("/.s1234567890/s") {
		t.Errorf("(%s: %d, %d, %v", said, most, folder, err)
	}
}

// TestListenSystemd: the socket is open already when the program starts. The
// program is this one, started once more as systemd would.
func TestListenSystemd(t *testing.T) {
	t.Parallel()
	const asService = "SMTPRECEIVER_TEST_SYSTEMD"
	if spec := os.Getenv(asService); spec != "" {
		l, err := Listen(Socket{Spec: spec})
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		fmt.Println("listens on", l.Addr())
		os.Exit(0)
	}
	socket := func() *os.File {
		f, err := loopback(t).(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	start := func(spec, names string, sockets ...*os.File) string {
		// The process ID must be the service's own, so it comes from a shell that
		// becomes the service.
		c := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" -test.run=^TestListenSystemd$`, os.Args[0])
		c.Env = append(os.Environ(), asService+"="+spec, fmt.Sprint("LISTEN_FDS=", len(sockets)), "LISTEN_FDNAMES="+names)
		c.ExtraFiles = sockets
		out, _ := c.CombinedOutput()
		return string(out)
	}
	one, two := socket(), socket()
	addr := func(f *os.File) string {
		l, err := net.FileListener(f)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return "listens on " + l.Addr().String()
	}
	for _, test := range []struct{ name, got, want string }{
		{"one", start("fd:", "", one), addr(one)},
		{"named", start("fd:b", "a:b", one, two), addr(two)},
		{"two of one name", start("fd:a", "a:a", one, two), "systemd passed 2 sockets that fit"},
		{"two, none named", start("fd:", "a:b", one, two), "systemd passed 2 sockets that fit"},
		{"another name", start("fd:c", "a:b", one, two), "systemd passed 0 sockets that fit"},
	} {
		if !strings.Contains(test.got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, test.got, test.want)
		}
	}
}

func loopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// dial fails the test unless somebody listens.
func dial(t *testing.T, a net.Addr) {
	t.Helper()
	c, err := net.Dial(a.Network(), a.String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestTarget(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		"inet:127.0.0.1:80":  "tcp4 127.0.0.1:80",
		"inet:0.0.0.0:80":    "tcp4 127.0.0.1:80",
		"inet:80@localhost":  "tcp4 localhost:80",
		"inet6:[::]:80":      "tcp6 [::1]:80",
		"inet6:[fd00::1]:80": "tcp6 [fd00::1]:80",
		"unix:/run/x.sock":   "unix /run/x.sock",
		"fd:x":               " ",
		"nowhere":            " ",
	} {
		network, address, err := Socket{Spec: spec}.Target()
		if got := network + " " + address; got != want || (err == nil) != (want != " ") {
			t.Errorf("%s: %q, %v, want %q", spec, got, err, want)
		}
	}
}
