//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/consume/joblist"
)

// listed is what jobs list says, by ID.
func (r *receiver) listed(t testing.TB, args ...string) map[string]joblist.Job {
	t.Helper()
	exit, stdout, stderr := runCommand(t, r.dir, r.environ, append([]string{"jobs", "list", "--json", "-c", r.config}, args...)...)
	var found []joblist.Job
	if err := json.Unmarshal([]byte(stdout), &found); err != nil || exit != 0 {
		t.Fatalf("jobs list %d, %v in %s%s", exit, err, stdout, stderr)
	}
	byID := map[string]joblist.Job{}
	for _, j := range found {
		byID[j.ID] = j
	}
	return byID
}

// sending is a receiver whose sms jobs go to a script, which has the number.
func sending(t testing.TB, script string, keys ...string) *receiver {
	t.Helper()
	path := filepath.Join(t.TempDir(), "send")
	writeFile(t, path, "#!/bin/sh\n"+script+"\n")
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return consuming(t, "", strings.Join(append([]string{"target: command, command: ['" + path + "', '{number}', '{txt}']"}, keys...), ", "))
}

// TestJobs: what can be asked of jobs, and done to them.
func TestJobs(t *testing.T) {
	t.Parallel()
	r := sending(t, "case $1 in 1) exit 1;; 2) exit 75;; esac")
	command := func(args ...string) (int, string) {
		exit, stdout, stderr := runCommand(t, r.dir, nil, append([]string{"jobs"}, append(args, "-c", r.config)...)...)
		return exit, stdout + stderr
	}
	for _, nothing := range []struct {
		args []string
		exit int
		said string
	}{
		{[]string{"list"}, 0, "no jobs are waiting or held or failed\n"},
		{[]string{"list", "--json"}, 0, "[]\n"},
		{[]string{"list", "--state", "done"}, 0, "no jobs are done\n"},
		{[]string{"list", "--state", "lost"}, 2, `there is no state "lost"`},
		{[]string{"list", "--app", "lost"}, 1, `there is no application "lost"`},
		{[]string{"show", "7"}, 1, "there is no job 7"},
		{[]string{"show"}, 2, "needs the ID of a job"},
		{[]string{"retry", "7"}, 1, "there is no job 7"},
		{[]string{"retry", "--app", "sms", "--state", "failed"}, 0, "retry: 0 of 0 jobs\n"},
		{[]string{"drop"}, 2, "which jobs?"},
	} {
		if exit, said := command(nothing.args...); exit != nothing.exit || !strings.Contains(said, nothing.said) {
			t.Errorf("%q with nothing there: %d, %s", nothing.args, exit, said)
		}
	}
	for _, number := range []string{"1", "2", "3"} {
		spoolJob(t, r.sms, "0000000"+number, number, "x")
	}
	spoolJob(t, r.fax, "00000001", "9", "of an application that nobody consumes")
	runCommand(t, r.dir, nil, "consume", "--once", "-c", r.config)

	all := r.listed(t, "--app", "sms")
	failed, waiting := all["00000001"], all["00000002"]
	if len(all) != 2 || failed.State != "failed" || !strings.Contains(failed.Reason, "exit status 1") || failed.Tries != 1 || failed.Recipient != "1@sms" || failed.Consumer != "sms" ||
		waiting.State != "waiting" || !strings.Contains(waiting.Reason, "exit status 75") || waiting.Tries != 1 || waiting.Next.IsZero() || waiting.OnItsWay || waiting.InDoubt {
		t.Errorf("listed %+v", all)
	}
	if done := r.listed(t, "--state", "done"); len(done) != 1 || done["00000003"].State != "done" {
		t.Errorf("done %+v", done)
	}
	if old := r.listed(t, "--older", "1h"); len(old) != 0 {
		t.Errorf("older than an hour: %+v", old)
	}
	if exit, said := command("show", "77", "3", "78"); exit != 1 || !strings.Contains(said, "number=3") || !strings.Contains(said, "there is no job 77\nthere is no job 78") {
		t.Errorf("show of one that is there: %d, %s", exit, said)
	}
	for id, want := range map[string]string{"1": "state        failed\n", "00000002": "next try     ", "3": "number=3"} {
		if exit, said := command("show", id); exit != 0 || !strings.Contains(said, want) {
			t.Errorf("show %s: %d, %s", id, exit, said)
		}
	}
	if exit, said := command("list"); exit != 0 || !strings.Contains(said, "id        application  state    age") || strings.Count(said, "\n") != 4 {
		t.Errorf("list: %d, %s", exit, said)
	}

	// The rest of the folder's users: nobody hands on what no section names.
	if exit, said := command("retry", "--app", "fax"); exit != 1 || !strings.Contains(said, "no section of consume hands on the jobs of application fax") {
		t.Errorf("retry of fax: %d, %s", exit, said)
	}
	if exit, said := command("retry", "77", "2", "--app", "sms"); exit != 1 || !strings.Contains(said, "there is no job 77") || !strings.Contains(said, "retry: 1 of 1 jobs\n") {
		t.Errorf("retry of one that is there: %d, %s", exit, said)
	}
	runCommand(t, r.dir, nil, "consume", "--once", "-c", r.config)
	if exit, said := command("retry", "1", "2", "--app", "sms"); exit != 0 || said != "retry: 2 of 2 jobs\n" {
		t.Errorf("retry: %d, %s", exit, said)
	}
	for id, j := range r.listed(t, "--app", "sms") {
		if j.State != "waiting" || j.Tries != 0 || filepath.Dir(j.Path) != r.sms {
			t.Errorf("%s after retry: %+v", id, j)
		}
	}
	runCommand(t, r.dir, nil, "consume", "--once", "-c", r.config)
	if exit, said := command("drop", "--app", "sms"); exit != 0 || said != "drop: 2 of 2 jobs\n" {
		t.Errorf("drop: %d, %s", exit, said)
	}
	wantNothingLeft(t, r.sms)
	if left, _ := filepath.Glob(filepath.Join(r.sms, ".failed", "*")); len(left) > 0 {
		t.Errorf("left %q", left)
	}
	if exit, said := command("drop", "3"); exit != 1 || !strings.Contains(said, "there is no job 3") {
		t.Errorf("drop of a done job: %d, %s", exit, said)
	}
}

// TestStatusOfConsumers: whoever reads only status knows each job that is stuck,
// and why.
func TestStatusOfConsumers(t *testing.T) {
	t.Parallel()
	r := sending(t, "case $1 in 1) echo wrong number >&2; exit 1;; 2) exit 75;; esac")
	r.wantStatus(t)
	for _, number := range []string{"1", "2", "3", "4"} {
		spoolJob(t, r.sms, "0000000"+number, number, "x")
	}
	mkdir(t, filepath.Join(r.sms, ".consume"))
	rename(t, filepath.Join(r.sms, "00000004.ctl"), filepath.Join(r.sms, ".consume", "00000004.ctl"))
	writeFile(t, filepath.Join(r.sms, ".consume", "00000004.json"), "rubbish")
	exit, _, stderr := runCommand(t, r.dir, nil, "consume", "--once", "-c", r.config)
	if exit != 1 || !strings.Contains(stderr, "job 00000004: ") {
		t.Errorf("exit status %d, %s", exit, stderr)
	}
	report := r.wantStatus(t,
		"sms: jobs failed: 1, the last of them 00000001: ",
		"sms: jobs held: 1, the last of them 00000004: ")
	if !slices.ContainsFunc(report.Problems, func(p string) bool { return strings.Contains(p, "it says: wrong number") }) {
		t.Errorf("no reason in %q", report.Problems)
	}
	sms := report.Applications[1]
	if sms.Consumer != "sms" || sms.Waiting != 1 || sms.Held != 1 || sms.Failed != 1 || sms.Oldest != "00000002.ctl" {
		t.Errorf("sms %+v", sms)
	}
	old := time.Now().Add(-20 * time.Minute)
	if err := os.Chtimes(filepath.Join(r.sms, ".consume", "00000002.ctl"), old, old); err != nil {
		t.Fatal(err)
	}
	r.wantStatus(t, "sms: jobs failed: 1", "sms: jobs held: 1", "sms: 00000002.ctl has waited for 20m, the last try: ")
	if _, text, _ := runCommand(t, r.dir, nil, "status", "-c", r.config); !strings.Contains(text, "application  waiting  held  failed  oldest") {
		t.Errorf("text\n%s", text)
	}
}

// TestConsumeMetrics: consume serves what it does at the address of its own
// environment, and not at that of the file.
func TestConsumeMetrics(t *testing.T) {
	t.Parallel()
	r := sending(t, "[ $1 != 1 ] && [ ! -e $0.down ] || { [ $1 = 1 ] && exit 1; exit 75; }")
	r.environ = []string{"SMTPRECEIVER_METRICS_LISTEN=inet:127.0.0.1:0"}
	send := scriptOfConsumer(t, r)
	writeFile(t, send+".down", "")
	for i := range 4 {
		spoolJob(t, r.sms, fmt.Sprintf("%08d", i+1), fmt.Sprint(i+1), "x")
	}
	p := r.launch(t, "consume")
	p.awaitLine(t, `msg="target is down, jobs wait until one gets through"`)
	// Job 1 fails for good, so that the target counts as up for a moment.
	eventually(t, "/readyz of a target that is down", func() bool {
		status, body := p.get(t, "/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "consume.sms: the target is down since")
	})
	if status, _ := p.get(t, "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d", status)
	}
	eventually(t, "the metrics of a target that is down", func() bool {
		s := p.samples(t)
		return s[`consume_down{app="sms"}`] == 1 && s[`consume_jobs{app="sms",state="waiting"}`] == 3 &&
			s[`consume_jobs{app="sms",state="failed"}`] == 1 && s[`consume_oldest_seconds{app="sms"}`] > 0 &&
			s[`consume_tries_total{app="sms",outcome="later"}`] >= 3 && s[`consume_failures_total{app="sms",reason="refused"}`] == 1
	})
	if err := os.Remove(send + ".down"); err != nil {
		t.Fatal(err)
	}
	p.awaitLine(t, `msg="target is back"`)
	eventually(t, "all jobs to be done", func() bool { return p.samples(t)[`consume_settled_total{app="sms",status="done"}`] == 3 })
	if status, body := p.get(t, "/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: %d, %s", status, body)
	}
}

// scriptOfConsumer is the path of the script that sending made.
func scriptOfConsumer(t *testing.T, r *receiver) string {
	t.Helper()
	_, rest, ok := strings.Cut(readFile(t, r.config), "command: ['")
	path, _, ok2 := strings.Cut(rest, "'")
	if !ok || !ok2 {
		t.Fatal("no command")
	}
	return path
}

// taker takes files away as smsd does, and counts them by their first line.
type taker struct {
	folder string
	got    map[string]int
	stop   chan bool
}

func newTaker(t *testing.T) *taker {
	k := &taker{t.TempDir(), map[string]int{}, make(chan bool)}
	go func() {
		for {
			select {
			case <-k.stop:
				k.take(t)
				close(k.stop)
				return
			case <-time.After(time.Millisecond):
				k.take(t)
			}
		}
	}()
	return k
}

func (k *taker) take(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(k.folder, "[^.]*"))
	for _, path := range files {
		number, _, _ := strings.Cut(readFile(t, path), "\n")
		k.got[number]++
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// wantOnce ends the taking: each message must have come once.
func (k *taker) wantOnce(t *testing.T, count int) {
	t.Helper()
	k.stop <- true
	mtatest.Receive(t, "the taker to end", k.stop)
	for number, n := range k.got {
		if n != 1 {
			t.Errorf("%s was sent %d times", number, n)
		}
	}
	if len(k.got) != count {
		t.Errorf("%d messages of %d", len(k.got), count)
	}
}

// TestTwoProcesses: several processes with workers on one folder, killed and
// started again: each message goes once.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	const count = 150
	k := newTaker(t)
	r := consuming(t, "", "target: smstools, workers: 3, target_folder: '"+k.folder+"'")
	for i := range count {
		spoolJob(t, r.sms, fmt.Sprintf("%08d", i), fmt.Sprint(1000+i), "text")
	}
	steady := r.launch(t, "consume")
	done := func() int { return len(settled(t, r.sms, ".done")) }
	for round := 1; done() < count && round < 200; round++ {
		p := r.launch(t, "consume")
		p.awaitLine(t, "msg=started")
		time.Sleep(rand.N(time.Duration(10+5*round) * time.Millisecond))
		p.kill()
	}
	eventually(t, "the steady one to end the rest", func() bool { return done() == count })
	steady.signal(os.Interrupt)
	steady.exit(t)
	runCommand(t, r.dir, nil, "consume", "--once", "-c", r.config)
	k.wantOnce(t, count)
	wantNothingLeft(t, r.sms)
}

// TestKillRetry: jobs retry, killed at any moment while a consumer works in the
// folder, neither loses a job nor has it sent twice.
func TestKillRetry(t *testing.T) {
	t.Parallel()
	const count = 60
	k := newTaker(t)
	r := consuming(t, "", "target: smstools, workers: 3, target_folder: '"+k.folder+"'")
	for i := range count {
		spoolJob(t, r.sms, fmt.Sprintf("%08d", i), fmt.Sprint(1000+i), " ") // no text: it fails for good
	}
	runCommand(t, r.dir, nil, "consume", "--once", "-c", r.config)
	if failed := settled(t, r.sms, ".failed"); len(failed) != count {
		t.Fatalf("failed: %d", len(failed))
	}
	for i := range count { // somebody mends them
		writeFile(t, filepath.Join(r.sms, ".failed", fmt.Sprintf("%08d.txt", i)), "text")
	}
	p := r.launch(t, "consume")
	p.awaitLine(t, "msg=started")
	done := func() bool { return len(settled(t, r.sms, ".done")) == count }
	hits := 0
	for round := 1; !done(); round++ {
		if round > 300 {
			t.Fatal("no end in sight")
		}
		retry := exec.Command(r.binary, "jobs", "retry", "--state", "failed", "--app", "sms", "-c", r.config)
		if err := retry.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rand.N(time.Duration(40+4*round) * time.Millisecond))
		if retry.Process.Kill() == nil {
			hits++
		}
		retry.Wait()
		if round%3 == 0 {
			p.kill()
			p = r.launch(t, "consume")
			p.awaitLine(t, "msg=started")
		}
	}
	p.signal(os.Interrupt)
	p.exit(t)
	runCommand(t, r.dir, nil, "consume", "--once", "-c", r.config)
	k.wantOnce(t, count)
	wantNothingLeft(t, r.sms)
	if left, _ := filepath.Glob(filepath.Join(r.sms, ".failed", "*")); len(left) > 0 {
		t.Errorf("left %q", left)
	}
	t.Logf("%d retries killed", hits)
}

// TestConsumeKeepsOrder: by strace, what is on disk before what. Before a program
// is started: its record, and the name of it. Before a job's record goes: the names
// of its files in the folder for done jobs, and that its CTL is no longer here.
func TestConsumeKeepsOrder(t *testing.T) {
	t.Parallel()
	strace := program(t, "strace", "strace")
	r := sending(t, "exit 0")
	trace := filepath.Join(r.dir, "trace")
	spoolJob(t, r.sms, "00000001", "1", "x")
	cmd := exec.Command(strace, "-f", "-y", "-s", "300", "-o", trace, "-e", "trace=fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,execve",
		r.binary, "consume", "--once", "-c", r.config)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	calls := readTrace(t, trace)
	send, work, day := scriptOfConsumer(t, r), filepath.Join(r.sms, ".consume"), filepath.Join(r.sms, ".done", time.Now().Format(time.DateOnly))
	is := func(name string, parts ...string) func(call) bool {
		return func(c call) bool {
			return strings.HasPrefix(c.name, name) && c.ok && !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(c.args, p) })
		}
	}
	at := 0
	for _, step := range []struct {
		what string
		is   func(call) bool
	}{
		{"the CTL is taken", is("rename", "00000001.ctl", work)},
		{"the record that it is begun is on disk", is("fsync", "00000001.json.new")},
		{"it has its name", is("rename", "00000001.json.new", "00000001.json")},
		{"the name is on disk", is("fsync", "<"+work+">")},
		{"the program is started", is("execve", send)},
		{"the text is moved", is("rename", "00000001.txt", day)},
		{"its new name is on disk", is("fsync", "<"+day+">")},
		{"the CTL is moved", is("rename", "00000001.ctl", day)},
		{"its new name is on disk", is("fsync", "<"+day+">")},
		{"that it is gone here is on disk", is("fsync", "<"+work+">")},
		{"the record is removed", is("unlink", "00000001.json")},
	} {
		i := slices.IndexFunc(calls, func(c call) bool { return c.begin >= at && step.is(c) })
		if i < 0 {
			t.Fatalf("%s: not after line %d of the trace\n%s", step.what, at, readFile(t, trace))
		}
		at = calls[i].end
	}
}
