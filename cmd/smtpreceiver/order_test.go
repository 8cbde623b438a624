//go:build linux

package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

// call is a system call as strace saw it. What follows an event must begin after
// that event has ended, which for calls of several threads are two lines.
type call struct {
	name, args string
	begin, end int  // lines of the trace
	ok         bool // it succeeded
}

var (
	straceLine = regexp.MustCompile(`^(\d+) +(\w+)\((.*)$`)
	resumed    = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>(.*)$`)
	succeeded  = regexp.MustCompile(`\) += \d+`)
	named      = regexp.MustCompile(`<([^>]*)>, "([^"]*)"`)
	described  = regexp.MustCompile(`^\d+<([^>]*)>`)
)

// readTrace reads the output of strace -f -y.
func readTrace(t *testing.T, path string) []call {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var calls []call
	unfinished := map[string]int{} // by thread
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for n := 0; lines.Scan(); n++ {
		line := lines.Text()
		if m := resumed.FindStringSubmatch(line); m != nil {
			if i, ok := unfinished[m[1]]; ok {
				delete(unfinished, m[1])
				calls[i].args += m[3]
				calls[i].end, calls[i].ok = n, succeeded.MatchString(m[3])
			}
		} else if m := straceLine.FindStringSubmatch(line); m != nil {
			args, open := strings.CutSuffix(m[3], " <unfinished ...>")
			if open {
				unfinished[m[1]] = len(calls)
			}
			calls = append(calls, call{m[2], args, n, n, !open && succeeded.MatchString(args)})
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return calls
}

// path is the file that the first argument, a descriptor, is open on.
func (c call) path() string {
	if m := described.FindStringSubmatch(c.args); m != nil {
		return m[1]
	}
	return ""
}

// join is the path of a name that is relative to an open directory.
func join(dirAndName []string) string {
	if name := dirAndName[1]; filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dirAndName...)
}

// names are the paths among the arguments: of a rename or link, from and to.
func (c call) names() (from, to string) {
	m := named.FindAllStringSubmatch(c.args, -1)
	if len(m) < 2 {
		return "", ""
	}
	return join(m[0][1:]), join(m[1][1:])
}

// between finds a successful call that lies wholly between two lines.
func between(calls []call, after, before int, is func(call) bool) (call, bool) {
	for _, c := range calls {
		if c.ok && c.begin > after && c.end < before && is(c) {
			return c, true
		}
	}
	return call{}, false
}

// syncOf finds an fsync of the file, or a syncfs of the file system it is in: the
// program calls that only with an output folder's staging folder, and all folders of
// the test are in one file system.
func syncOf(path string) func(call) bool {
	return func(c call) bool { return c.name == "fsync" && c.path() == path || c.name == "syncfs" }
}

// TestOrder holds the program's system calls against the order that makes 250 a
// promise: each file on disk before its rename, all renames of data before those of
// CTLs, the folders on disk after these, and then the reply.
func TestOrder(t *testing.T) {
	t.Parallel()
	strace := program(t, "strace", "strace")
	r := newReceiver(t, fmt.Sprintf("thread_num: %d", crowdSessions+1))
	trace := filepath.Join(r.dir, "trace")
	// -D: the program is our child, not strace's.
	r.tracer = []string{strace, "-D", "-f", "-y", "-s", "200", "-o", trace, "-e", "trace=openat,write,fsync,syncfs,renameat2,renameat,rename,linkat,sendto"}
	r.environ = []string{"SMTPRECEIVER_MEMORY_PER_MESSAGE=4KiB"}
	r.start(t)
	c := hello(t, r.addr)
	attached := "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nSubject: x\r\n\r\n--b\r\n\r\n" + filler +
		"\r\n--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n"
	messages := []mail{
		to("1@fax"),
		to("1@sms", "2@sms", "2@fax"),
		{"a@example.com", []string{"3@fax", "4@fax", "3@sms"}, attached}, // the second links the first's attachment
		to("5@fax"),
	}
	for _, m := range messages {
		if reply, err := c.send(m); err != nil || !strings.HasPrefix(reply, "250 2.0.0 ") {
			t.Fatalf("%q, %v", reply, err)
		}
	}
	c.want(t, "QUIT", "221 ")
	together(t, r.addr)
	found := append(jobs(t, r.fax), jobs(t, r.sms)...)
	r.stop(t)
	eventually(t, "strace to end", func() bool {
		return strings.HasSuffix(readFile(t, trace), "+++ exited with 0 +++\n")
	})

	calls := readTrace(t, trace)
	var replies []call
	for _, c := range calls {
		if c.name == "write" && strings.Contains(c.args, `"250 2.0.0 OK: queued`) {
			replies = append(replies, c)
		}
	}
	if want := len(messages) + crowdSessions*crowdMails; len(replies) != want {
		t.Fatalf("%d acknowledgements in the trace, want %d", len(replies), want)
	}
	checked := 0
	for i, reply := range replies[:len(messages)] {
		begun := -1
		if i > 0 {
			begun = replies[i-1].end
		}
		var ofMessage []job
		for _, j := range found {
			if slices.Contains(messages[i].to, j.Get("to", "address")) {
				ofMessage = append(ofMessage, j)
			}
		}
		checkOrder(t, calls, ofMessage, begun, reply.begin)
		checked += len(ofMessage)
	}
	for _, reply := range replies[len(messages):] {
		control := queuedAs.FindStringSubmatch(reply.args)[1] + ".ctl"
		i := slices.IndexFunc(found, func(j job) bool { return j.control == control })
		if i < 0 {
			t.Fatalf("no job %s", control)
		}
		checkOrder(t, calls, found[i:i+1], -1, reply.begin)
		checked++
	}
	if want := 8 + crowdSessions*crowdMails; checked != len(found) || checked != want {
		t.Errorf("%d jobs checked of %d, want %d", checked, len(found), want)
	}
	syncs := map[string]int{}
	for _, c := range calls {
		if strings.Contains(c.name, "sync") {
			syncs[c.name]++
		}
	}
	t.Logf("for %d jobs: %v", len(found), syncs)
}

const (
	crowdSessions = 8
	crowdMails    = 10
)

var queuedAs = regexp.MustCompile(`queued as (\d+)`)

// together has several clients send at once, so that their jobs share their syncs.
func together(t *testing.T, addr string) {
	t.Helper()
	failures := make(chan error, crowdSessions)
	for range crowdSessions {
		c := hello(t, addr)
		go func() {
			for range crowdMails {
				if reply, err := c.send(to("6@fax")); err != nil || !strings.HasPrefix(reply, "250 2.0.0 ") {
					failures <- fmt.Errorf("%q, %v", reply, err)
					return
				}
			}
			failures <- nil
		}()
	}
	for range crowdSessions {
		if err := mtatest.Receive(t, "a client to end", failures); err != nil {
			t.Fatal(err)
		}
	}
}

// checkOrder checks the jobs of one message, whose story lies between two lines.
func checkOrder(t *testing.T, calls []call, jobs []job, begun, replied int) {
	t.Helper()
	lastData, firstControl := begun, replied
	for _, j := range jobs {
		for _, name := range append(slices.Clone(j.files), j.control) {
			final := filepath.Join(j.folder, name)
			shown, ok := between(calls, begun, replied, func(c call) bool {
				_, to := c.names()
				return strings.HasPrefix(c.name, "rename") && to == final
			})
			if !ok {
				t.Errorf("%s: no rename to it before the reply", final)
				continue
			}
			staged, _ := shown.names()
			if filepath.Dir(filepath.Dir(staged)) != filepath.Join(j.folder, ".staging") {
				t.Errorf("%s comes from %s, want a staging folder", final, staged)
			}
			checkOnDisk(t, calls, staged, begun, shown.begin)
			if _, ok := between(calls, shown.end, replied, syncOf(j.folder)); !ok {
				t.Errorf("%s: no fsync of the folder between the rename and the reply", final)
			}
			if name == j.control {
				firstControl = min(firstControl, shown.begin)
			} else {
				lastData = max(lastData, shown.end)
			}
		}
	}
	if lastData >= firstControl {
		t.Errorf("a CTL was renamed at line %d, before the data file of line %d", firstControl, lastData)
	}
}

// checkOnDisk: a staged file has been fsynced since it was last written, and its
// name with the folder it is staged in.
func checkOnDisk(t *testing.T, calls []call, staged string, begun, before int) {
	t.Helper()
	source, named := staged, begun
	if link, ok := between(calls, begun, before, func(c call) bool {
		_, to := c.names()
		return c.name == "linkat" && to == staged
	}); ok {
		source, _ = link.names()
		named = link.end
	}
	written := begun
	for _, c := range calls {
		if c.name == "write" && c.path() == source && c.begin < before {
			written = max(written, c.end)
		}
	}
	if written == begun {
		t.Errorf("%s: no write to it", source)
	}
	if _, ok := between(calls, written, before, syncOf(source)); !ok {
		t.Errorf("%s: no fsync between the last write and the rename", source)
	}
	if _, ok := between(calls, max(written, named), before, syncOf(filepath.Dir(staged))); !ok {
		t.Errorf("%s: its staging folder is not fsynced before the rename", staged)
	}
}
