package cluster

import (
	"fmt"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/contrib/natstest"
)

// TestTry: two gateways, three servers and two consumers of try.sh; any one of them
// is killed, and started again, while mail comes in, and the books balance.
func TestTry(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	server, err := natstest.Binary()
	if err != nil {
		t.Fatal(err)
	}
	for name, program := range map[string]string{"smtpreceiver": path, "nats-server": server} {
		if err := os.Symlink(program, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	first := mtatest.FreePorts(t, 41)
	script := exec.Command("sh", "try.sh", dir, strconv.Itoa(first))
	script.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	said, err := os.Create(filepath.Join(bin, "said"))
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	script.Stdout, script.Stderr = said, said
	if err := script.Start(); err != nil {
		t.Fatal(err)
	}
	pids := func() map[string]int {
		text, err := os.ReadFile(filepath.Join(dir, "pids"))
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]int{}
		for line := range strings.Lines(string(text)) {
			pid, name, _ := strings.Cut(strings.TrimSpace(line), " ")
			if all[name], err = strconv.Atoi(pid); err != nil {
				t.Fatal(err)
			}
		}
		return all
	}
	t.Cleanup(func() {
		script.Process.Signal(syscall.SIGTERM)
		script.Wait()
		for _, pid := range pids() { // of those that were started again, too
			natstest.Signal(t, pid, "KILL")
		}
		if t.Failed() {
			logs, _ := filepath.Glob(filepath.Join(dir, "*.log"))
			for _, log := range logs {
				text, _ := os.ReadFile(log)
				t.Logf("%s:\n%s", filepath.Base(log), text[max(0, len(text)-3000):])
			}
		}
	})

	var taken, refused int
	var sending sync.WaitGroup
	stop := make(chan struct{})
	send := func(n int) error {
		to := []string{fmt.Sprintf("%d@fax", n), fmt.Sprintf("%d@sms", n)}
		return smtp.SendMail(fmt.Sprintf("127.0.0.1:%d", first+31+n%2), nil, "a@example.com", to, []byte(fmt.Sprintf("Subject: x\r\n\r\nmail %d\r\n", n)))
	}
	for deadline, up := time.Now().Add(4*time.Minute), 0; up < 2; time.Sleep(100 * time.Millisecond) {
		if send(up) == nil { // each gateway once: what is sent again is made again
			up++
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(said.Name())
			t.Fatalf("no mail is taken: %s", text)
		}
	}
	sending.Go(func() {
		for n := 2; ; n++ {
			for { // as a mail server does
				select {
				case <-stop:
					return
				default:
				}
				err := send(n)
				time.Sleep(30 * time.Millisecond) // else a quick machine takes more than it hands on beside the other tests
				if err == nil {
					taken++
					break
				}
				refused++
			}
		}
	})
	for _, name := range []string{"gw1", "mq1", "consumer1", "mq2", "consumer2", "mq3", "gw2"} {
		time.Sleep(2 * time.Second)
		natstest.Signal(t, pids()[name], "KILL")
		time.Sleep(time.Second)
		again := exec.Command("sh", filepath.Join(dir, name))
		again.Env = append(script.Env, environment(t, said.Name())...)
		if out, err := again.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
	}
	time.Sleep(2 * time.Second)
	close(stop)
	sending.Wait()
	count := func() map[string][]string { // files by what they say
		texts := map[string][]string{}
		for _, app := range []string{"fax", "sms"} {
			files, err := filepath.Glob(filepath.Join(dir, "jobs", app, "*.ctl"))
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				text, err := os.ReadFile(strings.TrimSuffix(file, ".ctl") + ".txt")
				if err != nil {
					t.Error(err)
				}
				name := app + " " + strings.TrimSpace(string(text))
				texts[name] = append(texts[name], filepath.Base(file))
			}
		}
		return texts
	}
	want := 2 * (taken + 2)
	got, twice := count(), 0
	var stood time.Duration
	// What a killed consumer had is given out again after thirty seconds.
	for last := time.Now(); len(got) < want && time.Since(last) < 2*time.Minute; {
		time.Sleep(300 * time.Millisecond)
		if now := count(); len(now) > len(got) {
			got, stood, last = now, max(stood, time.Since(last)), time.Now()
		}
	}
	got = count()
	for name, files := range got {
		if twice += len(files) - 1; len(files) > 1 {
			t.Logf("%s: %s", name, files)
		}
	}
	t.Logf("%d mails taken, %d tries refused, %d jobs, %d more of a mail whose answer was lost; none came for %v", taken+2, refused, len(got), twice, stood.Round(time.Second))
	// A mail whose answer was lost with its gateway is sent again; the last one may not be.
	if len(got) < want || len(got) > want+2 || twice > 4 {
		t.Errorf("%d mails made %d jobs, and %d twice", taken+2, len(got), twice)
	}
}

// environment is the password that try.sh has chosen.
func environment(t *testing.T, said string) []string {
	t.Helper()
	text, err := os.ReadFile(said)
	_, rest, found := strings.Cut(string(text), "SMTPRECEIVER_QUEUE_PASSWORD=")
	if !found {
		t.Fatalf("try.sh said: %s, %v", text, err)
	}
	password, _, _ := strings.Cut(rest, ")")
	return []string{"SMTPRECEIVER_QUEUE_PASSWORD=" + password, "GATEWAY_PASSWORD=" + password}
}
