//go:build unix

package auth

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

	"smtpreceiver/contrib/mtatest"
)

// daemon is a server of a Debian package that runs privately, as its own user
// and in a folder of its own.
type daemon struct {
	dir  string // belongs to the user
	port int
	stop func() // ends it; called again it does nothing

	owner *syscall.Credential
}

// newDaemon makes the folder, or skips the test if a package is missing: where
// its program should be it returns where it is. Pattern is the program's path,
// "*" in it for a version.
func newDaemon(t *testing.T, pattern, pkg, owner string) (d *daemon, program string) {
	t.Helper()
	mtatest.RequireRoot(t)
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
	d = &daemon{dir: mtatest.Dir(t), port: mtatest.FreePort(t), stop: func() {}, owner: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	if err := os.Chown(d.dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return d, found[len(found)-1]
}

func (d *daemon) addr() string { return fmt.Sprintf("127.0.0.1:%d", d.port) }

// run runs a program of the server to its end.
func (d *daemon) run(t *testing.T, name string, args ...string) {
	t.Helper()
	c := exec.Command(name, args...)
	c.Dir, c.SysProcAttr = d.dir, &syscall.SysProcAttr{Credential: d.owner}
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// start starts the server and waits until it listens. A shell watches over it
// and ends it with the signal when the pipe to the shell closes: with the test,
// or with a test process that dies.
func (d *daemon) start(t *testing.T, signal, name string, args ...string) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(d.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	const watch = `trap '' INT TERM HUP; signal=$1; shift; "$@" & read -r never; kill -s "$signal" $!; wait $!`
	c := exec.Command("sh", append([]string{"-c", watch, "sh", signal, name}, args...)...)
	c.Dir, c.Stdout, c.Stderr = d.dir, log, log
	c.SysProcAttr = &syscall.SysProcAttr{Credential: d.owner, Setpgid: true}
	pipe, err := c.StdinPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	d.stop = func() {
		pipe.Close()
		c.Wait() // the exit status is that of the signal
		d.stop = func() {}
	}
	t.Cleanup(func() { d.stop() })
	for range 600 {
		if conn, err := net.Dial("tcp", d.addr()); err == nil {
			conn.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	said, _ := os.ReadFile(log.Name())
	t.Fatalf("%s does not listen at %s:\n%s", name, d.addr(), said)
}
