//go:build unix

package mtatest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Daemon is a server of a Debian package that runs privately, as its own user
// and in a folder of its own.
type Daemon struct {
	Dir  string // belongs to the user
	Port int
	Stop func() // ends it; called again it does nothing

	Owner *syscall.Credential
}

// NewDaemon makes the folder, or skips the test if a package is missing: where
// its program should be it returns where it is. Pattern is the program's path,
// "*" in it for a version.
func NewDaemon(t testing.TB, pattern, pkg, owner string) (d *Daemon, program string) {
	t.Helper()
	RequireRoot(t)
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Skipf("no %s here: DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends %s", filepath.Base(pattern), pkg)
	}
	account, err := user.Lookup(owner)
	if err != nil {
		t.Fatalf("the package %s has not made its user: %v", pkg, err)
	}
	uid, _ := strconv.Atoi(account.Uid)
	gid, _ := strconv.Atoi(account.Gid)
	d = &Daemon{Dir: Dir(t), Port: FreePort(t), Stop: func() {}, Owner: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	if err := os.Chown(d.Dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return d, found[len(found)-1]
}

// Addr is where it listens.
func (d *Daemon) Addr() string { return fmt.Sprintf("127.0.0.1:%d", d.Port) }

// Run runs a program of the server to its end.
func (d *Daemon) Run(t testing.TB, name string, args ...string) {
	t.Helper()
	c := exec.Command(name, args...)
	c.Dir, c.SysProcAttr = d.Dir, &syscall.SysProcAttr{Credential: d.Owner}
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// Start starts the server and waits until it listens. A shell watches over it
// and ends it with the signal when the pipe to the shell closes: with the test,
// or with a test process that dies.
func (d *Daemon) Start(t testing.TB, signal, name string, args ...string) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(d.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	const watch = `trap '' INT TERM HUP; signal=$1; shift; "$@" & read -r never; kill -s "$signal" $!; wait $!`
	c := exec.Command("sh", append([]string{"-c", watch, "sh", signal, name}, args...)...)
	c.Dir, c.Stdout, c.Stderr = d.Dir, log, log
	c.SysProcAttr = &syscall.SysProcAttr{Credential: d.Owner, Setpgid: true}
	pipe, err := c.StdinPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	d.Stop = func() {
		pipe.Close()
		c.Wait() // the exit status is that of the signal
		d.Stop = func() {}
	}
	t.Cleanup(func() { d.Stop() })
	for range 600 {
		if conn, err := net.Dial("tcp", d.Addr()); err == nil {
			conn.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	said, _ := os.ReadFile(log.Name())
	t.Fatalf("%s does not listen at %s:\n%s", name, d.Addr(), said)
}
