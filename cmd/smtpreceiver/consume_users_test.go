//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The users of these tests: the receiver's, a consumer's, and one more in the
// folder's group. No account needs to have their numbers.
const (
	receiverUser = 61001
	consumerUser = 61002
	memberUser   = 61003
	folderGroup  = 61001
)

// asUser makes a command run as a user in the group of the folder, as contrib sets
// consumers up.
func asUser(cmd *exec.Cmd, user uint32) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user, Groups: []uint32{folderGroup}}}
	return cmd
}

// shared is an output folder of the receiver's user that its group may write, a
// configuration that all may read, and a copy of the program that all may run.
func shared(t *testing.T) (r *receiver, k *taker) {
	t.Helper()
	k = newTaker(t)
	return sharedFor(t, "target: smstools, target_folder: '"+k.folder+"'", k.folder), k
}

// sharedFor is the same for a target whose folders belong to the consumer's user.
func sharedFor(t *testing.T, target string, folders ...string) *receiver {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can be other users")
	}
	r := consuming(t, "", target)
	program := filepath.Join(r.dir, "smtpreceiver")
	if out, err := exec.Command("cp", r.binary, program).CombinedOutput(); err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	r.binary = program
	for _, folder := range append(folders, r.dir) {
		for path := folder; path != "/" && path != os.TempDir(); path = filepath.Dir(path) {
			if err := os.Chmod(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, folder := range folders {
		if err := os.Chown(folder, consumerUser, consumerUser); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chmod(r.config, 0o644), os.Chmod(program, 0o755), os.Chown(r.sms, receiverUser, folderGroup),
		os.Chmod(r.sms, 0o770|os.ModeSetgid)); err != nil {
		t.Fatal(err)
	}
	return r
}

// received is a job as the receiver leaves it: its own files, not the group's to
// write. Attachments are named by more.
func received(t *testing.T, r *receiver, stem string, more ...[3]string) {
	t.Helper()
	made := filepath.Join(t.TempDir(), "sms")
	mkdir(t, made)
	files := []string{stem + ".txt"}
	for _, kv := range more {
		if kv[0] == "attachments" && kv[1] != "count" {
			writeFile(t, filepath.Join(made, kv[2]), "attachment "+kv[1])
			files = append(files, kv[2])
		}
	}
	spoolJob(t, made, stem, strings.TrimLeft(stem, "0"), "text", more...)
	for _, name := range append(files, stem+".ctl") {
		path := filepath.Join(made, name)
		if err := errors.Join(os.Chown(path, receiverUser, folderGroup), os.Chmod(path, 0o640), os.Rename(path, filepath.Join(r.sms, name))); err != nil {
			t.Fatal(err)
		}
	}
}

func (r *receiver) consumeAs(user uint32, args ...string) (string, error) {
	out, err := asUser(exec.Command(r.binary, append([]string{"consume", "-c", r.config}, args...)...), user).CombinedOutput()
	return string(out), err
}

func ownerOfPath(t *testing.T, path string) uint32 {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Uid
}

// TestConsumerOfItsOwnUser: a consumer under a user of its own, in the folder's
// group.
func TestConsumerOfItsOwnUser(t *testing.T) {
	t.Parallel()
	r, k := shared(t)
	for i := 1; i <= 5; i++ {
		received(t, r, fmt.Sprintf("%08d", i))
	}
	if out, err := r.consumeAs(consumerUser, "--once"); err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	for _, name := range []string{".consume", ".done", ".failed"} {
		if got := ownerOfPath(t, filepath.Join(r.sms, name)); got != consumerUser {
			t.Errorf("%s belongs to %d", name, got)
		}
	}
	k.wantOnce(t, 5)
	wantNothingLeft(t, r.sms)
	// Root is not that user, and the folders are not the receiver's: it says so
	// instead of mixing owners.
	received(t, r, "00000006")
	if out, err := r.consumeAs(0, "--once"); err == nil || !strings.Contains(out, "belongs to 61002") || !strings.Contains(out, "or run this as 61002") {
		t.Errorf("as root: %v, %s", err, out)
	}
}

// TestServersOfTheirOwnUser: a consumer under the user of the server that its jobs go
// to, as gammu-smsd, asterisk and uucp have it: that user can read all that the server
// gets, and take it away.
func TestServersOfTheirOwnUser(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]string{
		"gammu":    "target: gammu, target_folder: '{outgoing}'",
		"asterisk": "target: asterisk, target_folder: '{outgoing}', done_folder: '{done}', channel: 'PJSIP/{number}@trunk', context: smtpreceiver-fax",
		"uucp":     "target: command, command: [/bin/cp, '{txt}', '{outgoing}/x']",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outgoing, done := t.TempDir(), t.TempDir()
			r := sharedFor(t, strings.NewReplacer("{outgoing}", outgoing, "{done}", done).Replace(target), outgoing, done)
			if err := os.Chmod(done, 0o750); err != nil { // asterisk.yaml has it so
				t.Fatal(err)
			}
			// The name of the second means something to a dialplan, so it gets another.
			received(t, r, "00000001", [3]string{"attachments", "count", "2"},
				[3]string{"attachments", "1", "00000001_1_a.pdf"}, [3]string{"attachments", "2", "00000001_2_b&c.pdf"})
			if out, err := r.consumeAs(consumerUser, "--once"); err != nil {
				t.Fatalf("%v, %s", err, out)
			}
			wantNothingLeft(t, r.sms)
			gone, _ := filepath.Glob(filepath.Join(outgoing, "[^.]*"))
			if len(gone) != 1 {
				t.Fatalf("the server has %q", gone)
			}
			// What the server does: asterisk in the group of the folder, as asterisk.yaml
			// has it, the others in their own alone.
			server := func(script string) string {
				c := asUser(exec.Command("sh", "-c", script), consumerUser)
				if name != "asterisk" {
					c.SysProcAttr.Credential.Groups = nil
				}
				out, err := c.CombinedOutput()
				if err != nil {
					t.Errorf("%s: %v, %s", script, err, out)
				}
				return string(out)
			}
			said := server("cat " + gone[0])
			if _, call, found := strings.Cut(said, "SMTPRECEIVER_TXT="); found {
				path, rest, _ := strings.Cut(call, "\n")
				said = server("cat " + path)
				_, rest, _ = strings.Cut(rest, "SMTPRECEIVER_FILES=")
				list, _, _ := strings.Cut(rest, "\n")
				files := strings.Split(list, "&")
				if len(files) != 2 {
					t.Errorf("files %q", list)
				}
				for i, file := range files {
					if got, want := server("cat '"+file+"'"), fmt.Sprintf("attachment %d", i+1); got != want {
						t.Errorf("the server reads %q in %s, want %q", got, file, want)
					}
				}
			}
			if !strings.Contains(strings.ReplaceAll(said, "\x00", ""), "text") { // UTF-16 in gammu's
				t.Errorf("the server reads %q", said)
			}
			server("mv " + gone[0] + " " + done)
			if left := ownerOfPath(t, filepath.Join(done, filepath.Base(gone[0]))); left != consumerUser {
				t.Errorf("it belongs to %d", left)
			}
		})
	}
}

// TestRootBeforeTheService: consume --once by root, before the service of the
// receiver's user starts, leaves that nothing it cannot use.
func TestRootBeforeTheService(t *testing.T) {
	t.Parallel()
	r, k := shared(t)
	if err := os.Chown(k.folder, receiverUser, receiverUser); err != nil {
		t.Fatal(err)
	}
	received(t, r, "00000001")
	if out, err := r.consumeAs(0, "--once"); err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	err := filepath.WalkDir(r.sms, func(path string, _ os.DirEntry, err error) error {
		if err == nil && ownerOfPath(t, path) != receiverUser {
			t.Errorf("%s belongs to %d", path, ownerOfPath(t, path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(k.folder, ".smtpreceiver"), receiverUser, receiverUser); err != nil {
		t.Fatal(err)
	}
	received(t, r, "00000002")
	if out, err := r.consumeAs(receiverUser, "--once"); err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	k.wantOnce(t, 2)
}

// TestMemberOfTheGroup: who may write to the folder can stop that application's
// consumer, and no other, and is named; the line mends it.
func TestMemberOfTheGroup(t *testing.T) {
	t.Parallel()
	r, k := shared(t)
	work := filepath.Join(r.sms, ".consume")
	if out, err := asUser(exec.Command("mkdir", work), memberUser).CombinedOutput(); err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	received(t, r, "00000001")
	p := launchAs(t, asUser(exec.Command(r.binary, "consume", "-c", r.config), consumerUser))
	line := p.awaitLine(t, "level=E", work+" belongs to 61003", "chown -R 61002: "+work)
	time.Sleep(300 * time.Millisecond) // three polls
	if n := len(p.out.lines("level=E")); n != 1 {
		t.Errorf("%d lines such as %s", n, line)
	}
	if err := os.Chown(work, consumerUser, folderGroup); err != nil {
		t.Fatal(err)
	}
	p.awaitLine(t, `msg="job handed on"`, "job=00000001")

	// A file of somebody else, a link, and a fifo: each is set aside, the rest goes on.
	secret := filepath.Join(r.dir, "secret")
	writeFile(t, secret, "secret")
	if err := errors.Join(os.Chown(secret, consumerUser, consumerUser), os.Chmod(secret, 0o600)); err != nil {
		t.Fatal(err)
	}
	plant := func(script string) {
		if out, err := asUser(exec.Command("sh", "-c", "cd "+r.sms+" && "+script), memberUser).CombinedOutput(); err != nil {
			t.Fatalf("%v, %s", err, out)
		}
	}
	plant("ln -s " + secret + " 00000002.txt && printf '[system]\\ntxt=00000002.txt\\nformat=txt\\n[to]\\nnumber=2\\n' >planted && mv planted 00000002.ctl")
	plant("ln -s " + secret + " 00000003.ctl; mkfifo 00000004.ctl; mkdir 00000005.ctl; mkdir 00000006; umask 777; : >00000006.ctl")
	received(t, r, "00000007")
	p.awaitLine(t, `msg="job handed on"`, "job=00000007")
	eventually(t, "those to be set aside", func() bool { return len(settled(t, r.sms, ".failed")) == 3 })
	for _, stem := range []string{"00000002", "00000003", "00000004"} {
		if said := readFile(t, filepath.Join(r.sms, ".failed", stem+".err")); !strings.Contains(said, "not a regular file") {
			t.Errorf("%s: %s", stem, said)
		}
	}
	for _, stem := range []string{"00000005", "00000006"} { // whom this user can neither move nor read
		eventually(t, "a line on "+stem, func() bool {
			return slices.ContainsFunc(p.out.lines("level=E"), func(line string) bool {
				return strings.Contains(line, "job="+stem) && strings.Contains(line, "permission denied")
			})
		})
	}
	// Root, who could read both, is told what the consumer's user cannot.
	r.wantStatus(t, "sms: jobs failed: 3", "sms: jobs held: 2")
	if j := r.listed(t)["00000006"]; j.State != "held" || !strings.Contains(j.Reason, "permission denied") {
		t.Errorf("%+v", j)
	}
	p.signal(os.Interrupt)
	p.exit(t)
	k.wantOnce(t, 2)
}

// launchAs is launch for a command with a user of its own.
func launchAs(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	credential := cmd.SysProcAttr.Credential
	return launchWith(t, cmd, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true, Credential: credential})
}
