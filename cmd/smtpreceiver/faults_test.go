//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

// fault is something that goes wrong while the program runs, and right again.
type fault struct {
	r          *receiver
	begin, end func(t *testing.T)
	mail       mail     // sent during the fault; the zero value is a small one to a fax and a phone
	reply      string   // begins so
	log        []string // words of a line at level W or E: what is wrong, where, and what to do
}

// check sends mail before, during and after the fault.
func (f fault) check(t *testing.T) {
	t.Helper()
	r := f.r
	during := f.mail
	if during.to == nil {
		during = to("1@fax", "2@sms")
	}
	wantDelivery(t, r.addr, to("1@fax"), "250 2.0.0 ")
	f.begin(t)
	for range 2 { // the second time is no different
		reply, err := deliver(r.addr, during)
		if err != nil || !strings.HasPrefix(reply, f.reply) || reply[0] != '4' {
			t.Errorf("during the fault: %q, %v, want %q", reply, err, f.reply)
		}
		if strings.Contains(reply, "/") {
			t.Errorf("the reply tells a path: %q", reply)
		}
	}
	lines := r.out.lines(append([]string{"msg=refused"}, f.log...)...)
	if len(lines) == 0 || !strings.Contains(lines[0], "level=W") && !strings.Contains(lines[0], "level=E") {
		t.Errorf("no warning with %q", f.log)
	}
	f.end(t)
	if n := len(r.controls(t)); n != 1 {
		t.Errorf("%d jobs are visible, want the one from before", n)
	}
	wantDelivery(t, r.addr, to("3@fax", "4@sms"), "250 2.0.0 ")
	if n := len(r.controls(t)); n != 3 {
		t.Errorf("%d jobs are visible, want 3", n)
	}
	r.stop(t)
	r.start(t) // whatever could not be undone is settled now
	r.wantJobs(t, "1@fax", "3@fax", "4@sms")
	r.wantTidy(t)
}

// tmpfs mounts a small file system for the output folder fax.
func tmpfs(t *testing.T, r *receiver, size string) {
	t.Helper()
	mtatest.RequireRoot(t)
	if err := syscall.Mount("smtpreceiver", r.fax, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("a file system cannot be mounted here (%v): run the test as root, in a container with CAP_SYS_ADMIN", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(r.fax, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", r.fax, err)
		}
	})
}

// fill takes all space of a file system away, to the last byte.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		setting, reply string
		log            []string
		mail           mail
	}{
		"while the job is written": {"SMTPRECEIVER_MIN_FREE_SPACE=0", "452 4.3.1 ", []string{"no space left on device", "make room"}, mail{}},
		"while the message spills": {"SMTPRECEIVER_MIN_FREE_SPACE=0", "452 4.3.1 ", []string{"no space left on device", "make room"}, mail{"a@example.com", []string{"1@fax"}, "Subject: long\r\n\r\n" + strings.Repeat(filler, 30)}},
		"less than min_free_space": {"SMTPRECEIVER_MIN_FREE_SPACE=512KiB", "452 4.3.1 ", []string{"min_free_space", "make room"}, mail{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t)
			tmpfs(t, r, "1m")
			r.environ = []string{tt.setting}
			r.start(t)
			ballast := filepath.Join(r.fax, ".staging", "ballast")
			fault{
				r: r, mail: tt.mail, reply: tt.reply, log: append(tt.log, r.fax),
				begin: func(t *testing.T) { fill(t, ballast) },
				end:   func(t *testing.T) { os.Remove(ballast) },
			}.check(t)
		})
	}
}

// TestReadOnlyFolder lays a read-only view over the folder: root may write wherever
// modes forbid it, and a file system cannot be made read-only while the program
// holds a lock there.
func TestReadOnlyFolder(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	tmpfs(t, r, "1m")
	r.start(t)
	fault{
		r: r, reply: "451 4.3.0 ", log: []string{"read-only file system", "make the file system writable", r.fax},
		begin: func(t *testing.T) { readOnly(t, r.fax) },
		end:   func(t *testing.T) { writableAgain(t, r.fax) },
	}.check(t)
}

func readOnly(t *testing.T, folder string) {
	t.Helper()
	for _, flags := range []uintptr{syscall.MS_BIND, syscall.MS_BIND | syscall.MS_REMOUNT | syscall.MS_RDONLY} {
		if err := syscall.Mount(folder, folder, "", flags, ""); err != nil {
			t.Fatal(err)
		}
	}
}

func writableAgain(t *testing.T, folder string) {
	t.Helper()
	if err := syscall.Unmount(folder, 0); err != nil {
		t.Fatal(err)
	}
}

func TestMissingFolder(t *testing.T) {
	t.Parallel()
	rename := func(from, to string) func(*testing.T) {
		return func(t *testing.T) {
			t.Helper()
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Run("output folder", func(t *testing.T) {
		t.Parallel()
		r := running(t)
		fault{
			r: r, reply: "4", log: []string{"no such file or directory", "create it", r.fax},
			begin: rename(r.fax, r.fax+".away"), end: rename(r.fax+".away", r.fax),
		}.check(t)
	})
	t.Run("staging folder", func(t *testing.T) {
		t.Parallel()
		r := running(t)
		wantDelivery(t, r.addr, to("1@fax"), "250 2.0.0 ")
		if err := os.RemoveAll(filepath.Join(r.fax, ".staging")); err != nil {
			t.Fatal(err)
		}
		wantDelivery(t, r.addr, to("2@fax", "3@sms"), "250 2.0.0 ") // makes a new one
		r.wantJobs(t, "1@fax", "2@fax", "3@sms")
		r.stop(t)
		r.wantTidy(t)
	})
	t.Run("state directory", func(t *testing.T) {
		t.Parallel()
		r := running(t)
		state := filepath.Join(r.dir, "state")
		rename(state, state+".away")(t)
		wantDelivery(t, r.addr, to("1@fax"), "451 4.3.0 ") // no number reserved yet
		r.awaitLine(t, "msg=refused", state, "create it")
		rename(state+".away", state)(t)
		wantDelivery(t, r.addr, to("1@fax"), "250 2.0.0 ")
		r.wantJobs(t, "1@fax")
	})
}

// TestNotUndone: as long as the disk does not let a refused message be undone, its
// folder is not ready, and status says why.
func TestNotUndone(t *testing.T) {
	t.Parallel()
	strace := program(t, "strace", "strace")
	r := running(t, "metrics: {listen: 'unix:"+filepath.Join(mtatest.Dir(t), "metrics")+"'}")
	tracer := launch(t, exec.Command(strace, "-f", "-I1", "-o", filepath.Join(r.dir, "trace"), "-p", strconv.Itoa(r.cmd.Process.Pid),
		"-e", "trace=renameat2", "-e", "inject=renameat2:error=EIO"))
	eventually(t, "strace to attach to all threads", func() bool { return r.traced(t) })
	for range 2 {
		wantDelivery(t, r.addr, to("1@fax", "2@fax"), "451 4.3.0 ")
	}
	r.awaitLine(t, "level=E", "could not be undone", r.fax, "input/output error")
	eventually(t, "what /readyz says", func() bool { // and status asks it
		exit, report := r.status(t)
		return exit != 0 && containsAll(strings.Join(report.Problems, "\n"), []string{"not ready: application fax: ", r.fax, "could not be taken back"})
	})
	wantDelivery(t, r.addr, to("1@fax"), "451 4.3.0 ")
	tracer.signal(syscall.SIGTERM)
	tracer.exit(t)
	wantDelivery(t, r.addr, to("3@fax", "4@sms"), "250 2.0.0 ")
	eventually(t, "the end of that", func() bool {
		_, report := r.status(t)
		return !strings.Contains(strings.Join(report.Problems, "\n"), "not ready")
	})
	r.wantJobs(t, "3@fax", "4@sms")
	r.stop(t)
	r.wantTidy(t)
}

var tracerPid = regexp.MustCompile(`(?m)^TracerPid:\s+(\d+)$`)

// TestFailingCalls makes the kernel refuse what a sound disk does not.
func TestFailingCalls(t *testing.T) {
	t.Parallel()
	strace := program(t, "strace", "strace")
	for name, tt := range map[string]struct {
		call, failure string
		where         func(r *receiver) []string // only on these paths
		reply         string
		log           []string
	}{
		"fsync of files and folders": {"fsync", "EIO", nil, "451 4.3.0 ", []string{"input/output error", "check the disk"}},
		// The jobs were visible for an instant, and are withdrawn.
		"fsync of the output folder": {"fsync", "EIO", func(r *receiver) []string { return []string{r.fax} }, "451 4.3.0 ", []string{"input/output error", "check the disk"}},
		"renames":                    {"renameat2", "ENOSPC", nil, "452 4.3.1 ", []string{"no space left on device", "make room"}},
		"renames, quota":             {"renameat2", "EDQUOT", nil, "452 4.3.1 ", []string{"disk quota exceeded", "make room"}},
		"opens, too many files":      {"openat", "EMFILE", nil, "451 4.3.0 ", []string{"too many open files", "LimitNOFILE"}},
		"opens, whole system":        {"openat", "ENFILE", nil, "451 4.3.0 ", []string{"too many open files", "fs.file-max"}},
		"opens, permission":          {"openat", "EACCES", nil, "451 4.3.0 ", []string{"permission denied", "writable"}},
		"writes": {"write", "ENOSPC", func(r *receiver) []string {
			var paths []string
			for _, staging := range r.stagingFolders(t) {
				for id := range 20 { // more than the test uses
					paths = append(paths, fmt.Sprintf("%s/,%08d,.txt", staging, id))
				}
			}
			return paths
		}, "452 4.3.1 ", []string{"no space left on device", "make room"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := running(t)
			var tracer *process
			fault{
				r: r, reply: tt.reply, log: tt.log,
				begin: func(t *testing.T) {
					// Letting signals through (-I1) makes it let go of the program in the end.
					args := []string{"-f", "-I1", "-o", filepath.Join(r.dir, "trace"), "-p", strconv.Itoa(r.cmd.Process.Pid),
						"-e", "trace=" + tt.call, "-e", "inject=" + tt.call + ":error=" + tt.failure}
					if tt.where != nil {
						for _, path := range tt.where(r) {
							args = append(args, "-P", path)
						}
					}
					tracer = launch(t, exec.Command(strace, args...))
					eventually(t, "strace to attach to all threads", func() bool { return r.traced(t) })
				},
				end: func(t *testing.T) {
					tracer.signal(syscall.SIGTERM)
					tracer.exit(t)
				},
			}.check(t)
		})
	}
}

// traced says whether all threads have a tracer.
func (r *receiver) traced(t *testing.T) bool {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", r.cmd.Process.Pid))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("no threads: %v", err)
	}
	for _, task := range tasks {
		status, err := os.ReadFile(task)
		if pid := tracerPid.FindSubmatch(status); err == nil && (pid == nil || string(pid[1]) == "0") {
			return false
		}
	}
	return true
}

// controls are the jobs that a reader of the folders sees. Data files without CTL
// may lie beside them while a disk does not even let a job be withdrawn.
func (r *receiver) controls(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, folder := range []string{r.fax, r.sms} {
		in, err := filepath.Glob(filepath.Join(folder, "*.ctl"))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, in...)
	}
	return found
}

// stagingFolders are those of the running process.
func (r *receiver) stagingFolders(t *testing.T) []string {
	t.Helper()
	own := fmt.Sprintf("-%d-", r.cmd.Process.Pid)
	var folders []string
	for _, path := range r.staged(t) {
		if strings.Contains(filepath.Base(path), own) && !strings.HasSuffix(path, ".lock") {
			folders = append(folders, path)
		}
	}
	return folders
}
