package cluster

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"smtpreceiver/contrib/cluster/natstest"
	"smtpreceiver/core/config"
)

var mails = flag.Int("mails", 600, "mails of the kill test")

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
	if err := os.WriteFile(script, []byte("#!/bin/sh\nset -e\nout=\"$(basename $1) $2 $(cat \"$3\" | sha256sum | cut -c1-64)\"\nsleep 0.01\necho \"$out\" >>"+log+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, app := range []string{"fax", "sms"} {
		more += fmt.Sprintf("\n  %s: {target: command, command: [%s, '{ctl}', '{app}', '{txt}'], work_directory: %s/work, retry_delay: 1s%s}", app, script, dir, gateway.keys)
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

// handedOn counts how often each job was handed on.
func (s *site) handedOn() map[string]int {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "handed-on"))
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	jobs := map[string]int{}
	for line := range strings.Lines(string(text)) {
		jobs[strings.Join(strings.Fields(line)[:2], " ")]++
	}
	return jobs
}

// TestConsume: two consumers share the jobs of two applications, each job goes out
// once, and the queue is empty then.
func TestConsume(t *testing.T) {
	t.Parallel()
	servers := natstest.Start(t, 3, natstest.Options{})
	gateway := newSite(t, servers, "")
	a, b := consumerSite(t, gateway, "a", ""), consumerSite(t, gateway, "b", "")
	if out, err := a.run("check"); err != nil {
		t.Fatalf("check: %v\n%s", err, out)
	}
	a.start("consume")
	b.start("consume")
	output := open(t, gateway.conf, quiet)
	const n = 100
	var made sync.WaitGroup
	for range 5 {
		made.Go(func() {
			for range n / 5 {
				if err := put(context.Background(), output, []string{"fax", "sms"}, "text", bytes.Repeat([]byte("x"), 300<<10)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	made.Wait()
	q := reader(t, gateway.conf)
	gateway.wait("all jobs are handed on", func() bool { return len(gateway.handedOn()) >= 2*n })
	gateway.wait("the queue is empty", func() bool {
		left := 0
		for _, app := range []string{"fax", "sms"} {
			jobs, _, err := q.Depth(t.Context(), app)
			if err != nil {
				t.Fatal(err)
			}
			left += jobs
		}
		return left == 0
	})
	for job, times := range gateway.handedOn() {
		if times != 1 {
			t.Errorf("job %s was handed on %d times", job, times)
		}
	}
	done := 0
	for _, s := range []*site{a, b} {
		n := 0
		filepath.WalkDir(filepath.Join(s.dir, "work"), func(path string, _ os.DirEntry, _ error) error {
			if strings.HasSuffix(path, ".ctl") && strings.Contains(path, "/.done/") {
				n++
			}
			return nil
		})
		if n == 0 {
			t.Error("a consumer handed nothing on")
		}
		done += n
	}
	if done != 2*n {
		t.Errorf("%d jobs are in folders for done ones, want %d", done, 2*n)
	}
}

// TestKill: publishers, consumers, the leader, another server and then all servers
// are killed while mail comes in and goes out. No job is lost; none is handed on
// twice but those that a killed consumer was at, where in_doubt says so.
func TestKill(t *testing.T) {
	t.Parallel()
	servers := natstest.Start(t, 3, natstest.Options{})
	gateway := newSite(t, servers, "")
	gateway.keys = ", in_doubt: resend, timeout: 10s, takeover_after: 11s, workers: 2"
	var consumers []*site
	var processes []*exec.Cmd
	for _, name := range []string{"a", "b", "c"} {
		s := consumerSite(t, gateway, name, "")
		consumers = append(consumers, s)
		processes = append(processes, s.start("consume"))
	}
	q := reader(t, gateway.conf)
	var acked, unclear atomic.Int64
	var made sync.WaitGroup
	sent := make(chan struct{})
	for i := range 4 {
		conf := *gateway.conf
		conf.Instance, conf.StateDirectory = fmt.Sprintf("gw%d", i+1), t.TempDir()
		output := open(t, &conf, quiet)
		made.Go(func() {
			for n := range *mails / 4 {
				var attachment []byte
				if n%20 == 0 {
					attachment = bytes.Repeat([]byte("x"), 1<<20)
				}
				for {
					err := put(context.Background(), output, []string{"fax", "sms"}, fmt.Sprintf("text %d %d", i, n), attachment)
					if err == nil {
						acked.Add(1)
						break
					}
					if strings.Contains(err.Error(), "no answer") {
						unclear.Add(1)
					}
					time.Sleep(100 * time.Millisecond)
				}
			}
		})
	}
	go func() { made.Wait(); close(sent) }()
	interrupted := 0
	step := func(what string, do func()) {
		time.Sleep(2 * time.Second)
		t.Log(what)
		do()
	}
	leader := func() *natstest.Server {
		name, _ := q.Leader()
		for _, s := range servers {
			if s.Name == name {
				return s
			}
		}
		return servers[0]
	}
	killConsumer := func(i int) {
		processes[i].Process.Signal(syscall.SIGKILL)
		processes[i].Wait()
		interrupted++
		time.Sleep(time.Second)
		processes[i] = consumers[i].start("consume")
	}
	restart := func(s *natstest.Server) {
		s.Kill()
		time.Sleep(2 * time.Second)
		s.Start()
		s.WaitReady()
	}
	step("consumer killed", func() { killConsumer(0) })
	step("leader killed", func() { restart(leader()) })
	step("another consumer killed", func() { killConsumer(1) })
	step("another server killed", func() {
		for _, s := range servers {
			if s != leader() {
				restart(s)
				break
			}
		}
	})
	step("all servers killed", func() {
		for _, s := range servers {
			s.Kill()
		}
		for _, s := range servers {
			s.Start()
		}
	})
	<-sent
	want := 2 * int(acked.Load())
	empty := func() bool {
		for _, app := range []string{"fax", "sms"} {
			jobs, _, err := q.Depth(context.Background(), app)
			if err != nil || jobs > 0 {
				return false
			}
		}
		return true
	}
	for deadline := time.Now().Add(3 * time.Minute); !empty() && time.Now().Before(deadline); {
		time.Sleep(time.Second)
	}
	jobs := gateway.handedOn()
	doubled := 0
	for job, times := range jobs {
		if times > 1 {
			doubled += times - 1
			t.Logf("job %s was handed on %d times", job, times)
		}
	}
	t.Logf("%d mails, %d jobs handed on, %d twice, %d tries without an answer", acked.Load(), len(jobs), doubled, unclear.Load())
	if len(jobs) < want || len(jobs) > want+2*int(unclear.Load()) {
		t.Errorf("%d jobs handed on, want %d", len(jobs), want)
	}
	if !empty() {
		t.Error("jobs are left in the queue")
	}
	// A worker of a killed consumer may have been between the target and its note.
	if most := interrupted * 4; doubled > most {
		t.Errorf("%d jobs were handed on twice, %d could be", doubled, most)
	}
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
