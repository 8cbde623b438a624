package cluster

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smtpreceiver/contrib/natstest"
	"smtpreceiver/core/config"
)

// consumerSite is a machine that hands on the jobs of fax and sms to a program,
// which notes each in one log for all machines.
func consumerSite(t *testing.T, gateway *site, name, more string) *site {
	t.Helper()
	dir, err := os.MkdirTemp("", "cluster-"+name+"-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &site{t: t, dir: dir, file: filepath.Join(dir, "smtpreceiver.yaml")}
	if err := os.Mkdir(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(gateway.file)
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(gateway.dir, "handed-on")
	script := filepath.Join(gateway.dir, "target.sh")
	// One write of a short line is one record, whoever else writes.
	if err := os.WriteFile(script, []byte("#!/bin/sh\nset -e\nread -r mail <\"$3\" || [ \"$mail\" ]\necho \"${1##*/} $2 $mail\" >>"+log+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, app := range []string{"fax", "sms"} {
		more += fmt.Sprintf("\n  %s: {target: command, command: [%s, '{ctl}', '{app}', '{txt}'], retry_delay: 1s%s}", app, script, gateway.keys)
	}
	conf := strings.ReplaceAll(string(text), gateway.dir+"/state", dir+"/state") + "consume:" + more + "\n"
	if err := os.WriteFile(s.file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	if s.conf, _, err = config.Load(config.Source{File: s.file}); err != nil {
		t.Fatal(err)
	}
	return s
}

// handed is a line of the program that jobs are handed on to.
type handed struct{ stem, app, mail string }

// handedOnAs counts how often each job was handed on.
func (s *site) handedOnAs() map[handed]int {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "handed-on"))
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	jobs := map[handed]int{}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 {
			jobs[handed{f[0], f[1], f[2]}]++
		} else {
			s.t.Errorf("handed on: %q", line)
		}
	}
	return jobs
}

// handedOn is the same without the mails.
func (s *site) handedOn() map[string]int {
	s.t.Helper()
	jobs := map[string]int{}
	for job, times := range s.handedOnAs() {
		jobs[job.stem+" "+job.app] += times
	}
	return jobs
}

// TestJobs: jobs and status show what lies in the queue and what failed here; a
// failed job goes into the queue again, and a waiting one can be dropped.
func TestJobs(t *testing.T) {
	t.Parallel()
	servers := natstest.Start(t, 1, natstest.Options{})
	gateway := newSite(t, servers, "")
	a := consumerSite(t, gateway, "a", "")
	output := open(t, gateway.conf, quiet)
	for range 3 {
		if err := put(t.Context(), output, []string{"fax"}, "text", bytes.Repeat([]byte("x"), 600<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := a.run("jobs", "list"); err != nil || strings.Count(out, "gw1-0") != 3 || !strings.Contains(out, "@fax") {
		t.Errorf("jobs list: %v\n%s", err, out)
	}
	if out, err := a.run("jobs", "drop", "gw1-00000002"); err != nil {
		t.Errorf("jobs drop: %v\n%s", err, out)
	}
	if depth, err := reader(t, gateway.conf).Depth(t.Context(), "fax"); err != nil || depth.New != 2 || depth.Given != 0 || depth.Oldest == nil || depth.Oldest.Stem != "gw1-00000001" {
		t.Errorf("depth %+v, %v", depth, err)
	}
	script := filepath.Join(gateway.dir, "target.sh")
	working, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	a.start("consume")
	failed := func() string {
		out, err := a.run("jobs", "list", "--state", "failed")
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return out
	}
	a.wait("both jobs have failed", func() bool { return strings.Count(failed(), "gw1-0") == 2 })
	if err := os.WriteFile(script, working, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := a.run("jobs", "retry", "--state", "failed", "--app", "fax"); err != nil {
		t.Fatalf("jobs retry: %v\n%s", err, out)
	}
	a.wait("both jobs are handed on", func() bool { return len(gateway.handedOn()) == 2 })
	a.wait("nothing is left", func() bool { return !strings.Contains(failed(), "gw1-0") })
	for _, job := range []string{"gw1-00000001.ctl fax", "gw1-00000003.ctl fax"} {
		if n := gateway.handedOn()[job]; n != 1 {
			t.Errorf("%s: handed on %d times, want 1", job, n)
		}
	}
}
