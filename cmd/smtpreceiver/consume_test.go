//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/codepage"
	"smtpreceiver/core/ctl"
)

// consuming is a receiver with one consumer for each application, which is not
// started. The lines are the target's keys.
func consuming(t testing.TB, fax, sms string) *receiver {
	t.Helper()
	const quick = ", poll_interval: 100ms, retry_delay: 50ms, retry_delay_max: 200ms}"
	settings := "consume:\n"
	for name, target := range map[string]string{"fax": fax, "sms": sms} {
		if target != "" {
			settings += "  " + name + ": {" + target + quick + "\n"
		}
	}
	return newReceiver(t, settings)
}

// spoolJob writes a job as the receiver does, its CTL last.
func spoolJob(t testing.TB, folder, stem, number, text string, more ...[3]string) {
	t.Helper()
	spoolJobIn(t, outputPage, folder, stem, number, text, more...)
}

// spoolJobIn is spoolJob in another code page.
func spoolJobIn(t testing.TB, outputPage, folder, stem, number, text string, more ...[3]string) {
	t.Helper()
	page, err := codepage.Lookup(outputPage)
	if err != nil {
		t.Fatal(err)
	}
	d := ctl.New()
	for _, kv := range append([][3]string{
		{"system", "id", stem}, {"system", "app", filepath.Base(folder)}, {"system", "subject", "job " + stem},
		{"system", "txt", stem + ".txt"}, {"system", "format", "txt"},
		{"from", "name", "Petr Novák"}, {"from", "smtp", "petr.novak@example.com"},
		{"to", "number", number}, {"to", "address", number + "@" + filepath.Base(folder)},
	}, more...) {
		d.Set(kv[0], kv[1], kv[2])
	}
	writeFile(t, filepath.Join(folder, stem+".txt"), string(page.Encode(text)))
	writeFile(t, filepath.Join(folder, "."+stem), string(page.Encode(d.String())))
	if err := os.Rename(filepath.Join(folder, "."+stem), filepath.Join(folder, stem+".ctl")); err != nil {
		t.Fatal(err)
	}
}

// settled are the names of the jobs that a consumer has settled in .done or .failed.
func settled(t testing.TB, folder, verdict string) []string {
	t.Helper()
	pattern := filepath.Join(folder, verdict, "*.ctl")
	if verdict == ".done" {
		pattern = filepath.Join(folder, verdict, "*", "*.ctl")
	}
	found, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range found {
		found[i] = strings.TrimSuffix(filepath.Base(path), ".ctl")
	}
	return found
}

// wantNothingLeft fails the test unless the output folder holds settled jobs only.
func wantNothingLeft(t testing.TB, folder string) {
	t.Helper()
	for _, pattern := range []string{"[^.]*", ".consume/*"} {
		if left, err := filepath.Glob(filepath.Join(folder, pattern)); err != nil || len(left) > 0 {
			t.Errorf("left: %q, %v", left, err)
		}
	}
}

// killUntilDone kills the consumers of r at random moments, each time later, until
// all jobs of a folder are settled, and returns how often it hit a job that was
// being handed over.
func killUntilDone(t *testing.T, r *receiver, folder string, count int) (hits int) {
	t.Helper()
	finished := func() bool {
		return len(settled(t, folder, ".done"))+len(settled(t, folder, ".failed")) == count
	}
	for round := 1; !finished(); round++ {
		if round > 300 {
			t.Fatal("no end in sight")
		}
		p := r.launch(t, "consume")
		p.awaitLine(t, "msg=started", "service=consume")
		time.Sleep(rand.N(time.Duration(20+10*round) * time.Millisecond))
		p.kill()
		journals, _ := filepath.Glob(filepath.Join(folder, ".consume", "*.json"))
		for _, path := range journals {
			if data, err := os.ReadFile(path); err == nil && strings.Contains(string(data), `"state":"begun"`) {
				hits++
			}
		}
	}
	return hits
}

func TestConsumeCommand(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	script := filepath.Join(t.TempDir(), "send")
	writeFile(t, script, "#!/bin/sh\n[ \"$1\" != 2 ] || { echo 'no such number' >&2; exit 1; }\necho \"$1 $2\" >> "+out+"\n")
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	r := consuming(t, "", "target: command, command: ['"+script+"', '{number}', '{subject}']")
	spoolJob(t, r.sms, "00000001", "1", "x")
	spoolJob(t, r.sms, "00000002", "2", "x")
	if status, _, stderr := runCommand(t, r.dir, nil, "consume", "--once", "-c", r.config); status != 1 || !strings.Contains(stderr, "consume.sms: jobs not handed on: 1") {
		t.Errorf("status %d, %s", status, stderr)
	}
	spoolJob(t, r.sms, "00000003", "3", "x")
	if status, _, stderr := runCommand(t, r.dir, nil, "consume", "--once", "-c", r.config, "sms"); status != 0 {
		t.Errorf("status %d, %s", status, stderr)
	}
	if got := readFile(t, out); got != "1 job 00000001\n3 job 00000003\n" {
		t.Errorf("got %q", got)
	}
	if said := readFile(t, filepath.Join(r.sms, ".failed", "00000002.err")); !strings.Contains(said, "no such number") {
		t.Errorf("said %q", said)
	}
	wantNothingLeft(t, r.sms)
	for _, args := range [][]string{{"consume", "-c", r.config, "none"}, {"consume", "--nonsense"}} {
		if status, _, stderr := runCommand(t, r.dir, nil, args...); status != 2 {
			t.Errorf("%q: status %d, %s", args, status, stderr)
		}
	}
}

// A program that outlives its consumer keeps the job: nobody starts it again
// meanwhile, and its end is in doubt.
func TestConsumeOrphan(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out, script := filepath.Join(dir, "out"), filepath.Join(dir, "send")
	writeFile(t, script, "#!/bin/sh\necho begun >> "+out+"\nwhile [ ! -e "+dir+"/go ]; do sleep 0.02; done\necho ended >> "+out+"\n")
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, policy := range []string{"resend", "fail"} {
		t.Run(policy, func(t *testing.T) {
			os.Remove(out)
			os.Remove(filepath.Join(dir, "go"))
			r := consuming(t, "", "target: command, in_doubt: "+policy+", command: ['"+script+"']")
			spoolJob(t, r.sms, "00000001", "1", "x")
			begun := func() bool { text, _ := os.ReadFile(out); return strings.Contains(string(text), "begun") }
			p := r.launch(t, "consume")
			eventually(t, "the program to run", begun)
			p.kill()
			p = r.launch(t, "consume")
			p.awaitLine(t, "msg=started")
			time.Sleep(300 * time.Millisecond) // three polls
			if got := readFile(t, out); got != "begun\n" {
				t.Fatalf("started again: %q", got)
			}
			writeFile(t, filepath.Join(dir, "go"), "")
			verdict, want := ".done", "begun\nended\nbegun\nended\n"
			if policy == "fail" {
				verdict, want = ".failed", "begun\nended\n"
			}
			eventually(t, "the job to be "+verdict, func() bool { return len(settled(t, r.sms, verdict)) == 1 })
			if got := readFile(t, out); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestConsumeKillSmstools kills the consumers while a server takes the files away,
// as smsd does: each message gets there once.
func TestConsumeKillSmstools(t *testing.T) {
	t.Parallel()
	const count = 60
	outgoing := t.TempDir()
	r := consuming(t, "", "target: smstools, target_folder: '"+outgoing+"'")
	for i := range count {
		spoolJob(t, r.sms, fmt.Sprintf("%08d", i), "+42060300"+fmt.Sprint(1000+i), "text")
	}
	got := map[string]int{}
	take := func() {
		files, _ := filepath.Glob(filepath.Join(outgoing, "[^.]*"))
		for _, path := range files {
			number, _, _ := strings.Cut(readFile(t, path), "\n")
			got[number]++
			if err := os.Remove(path); err != nil {
				t.Error(err)
			}
		}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				take()
			}
		}
	}()
	hits := killUntilDone(t, r, r.sms, count)
	runCommand(t, r.dir, nil, "consume", "--once", "-c", r.config) // removes what the last kill left
	close(stop)
	mtatest.Receive(t, "the taker to end", stopped)
	take()
	for number, n := range got {
		if n != 1 {
			t.Errorf("%s was sent %d times", number, n)
		}
	}
	if len(got) != count || len(settled(t, r.sms, ".failed")) > 0 {
		t.Errorf("%d messages of %d", len(got), count)
	}
	wantNothingLeft(t, r.sms)
	t.Logf("%d kills hit a job on its way", hits)
}

// TestConsumeTwice: a consumer that is named twice is one.
func TestConsumeTwice(t *testing.T) {
	t.Parallel()
	r := consuming(t, "target: command, command: [/bin/true]", "")
	spoolJob(t, r.fax, "00000001", "1", "x")
	if status, _, stderr := runCommand(t, r.dir, nil, "consume", "--once", "fax", "fax"); status != 0 || strings.Join(settled(t, r.fax, ".done"), " ") != "00000001" {
		t.Errorf("exit status %d, done %q\n%s", status, settled(t, r.fax, ".done"), stderr)
	}
}
