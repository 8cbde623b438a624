//go:build linux

package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestConsumeOrder holds the system calls of a consumer against the order that
// keeps a job from being lost or sent twice: that it is begun is on disk before the
// target can have it; the files are in their folder, on disk, before the CTL is; and
// the journal goes when the CTL is there for good.
func TestConsumeOrder(t *testing.T) {
	t.Parallel()
	strace := program(t, "strace", "strace")
	for name, tt := range map[string]struct{ command, home string }{
		"done":   {"/bin/true", ".done"},
		"failed": {"/bin/false", ".failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := consuming(t, "", fmt.Sprintf("target: command, command: [%s, '{number}'], give_up_after: 0s", tt.command))
			spoolJob(t, r.sms, "00000042", "420603123456", "text")
			trace := filepath.Join(r.dir, "trace")
			out, err := exec.Command(strace, "-f", "-y", "-s", "200", "-o", trace,
				"-e", "trace=fsync,syncfs,renameat2,renameat,rename,unlinkat,unlink,execve", r.binary, "consume", "--once", "-c", r.config).CombinedOutput()
			if len(out) > 0 && strings.Contains(string(out), "strace:") || err != nil && tt.home == ".done" {
				t.Fatalf("%v, %s", err, out)
			}
			calls := readTrace(t, trace)
			work := filepath.Join(r.sms, ".consume")
			journal := filepath.Join(work, "00000042.json")
			home := filepath.Join(r.sms, tt.home)
			// The steps, each of which begins when the one before has ended.
			moved := func(file string) func(call) bool {
				return func(c call) bool {
					_, to := c.names()
					return strings.HasPrefix(to, home+"/") && filepath.Base(to) == file
				}
			}
			folderSync := func(c call) bool { return c.name == "fsync" && strings.HasPrefix(c.path(), home) }
			at := -1
			for _, step := range []struct {
				what string
				is   func(call) bool
			}{
				{"the CTL is taken", func(c call) bool { _, to := c.names(); return to == filepath.Join(work, "00000042.ctl") }},
				{"the journal is on disk", syncOf(journal + ".new")},
				{"it has its name", func(c call) bool { _, to := c.names(); return to == journal }},
				{"the name is on disk", syncOf(work)},
				{"the target runs", func(c call) bool { return c.name == "execve" && strings.Contains(c.args, `"`+tt.command+`"`) }},
				{"the text is moved", moved("00000042.txt")},
				{"that is on disk", folderSync},
				{"the CTL is moved", moved("00000042.ctl")},
				{"that is on disk", folderSync},
				{"the journal is removed", func(c call) bool {
					return strings.HasPrefix(c.name, "unlink") && strings.Contains(c.args, `"00000042.json"`)
				}},
			} {
				c, found := between(calls, at, len(calls)*10, step.is)
				if !found {
					t.Fatalf("no %q behind line %d of the trace:\n%s", step.what, at+1, readFile(t, trace))
				}
				at = c.end
			}
			if _, early := between(calls, -1, at, func(c call) bool {
				return c.begin < at && strings.HasPrefix(c.name, "unlink") && strings.Contains(c.args, `"00000042.json"`)
			}); early {
				t.Error("the journal is removed before all is in its place")
			}
		})
	}
}
