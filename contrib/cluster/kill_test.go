package cluster

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"smtpreceiver/contrib/natstest"
	"smtpreceiver/core/config"
	"smtpreceiver/core/output"
	"smtpreceiver/core/queue"
	"smtpreceiver/core/spool"
)

var mails = flag.Int("mails", 600, "mails of the kill test")

// Environment of a publisher: this program once more, as a process to kill.
const (
	publisherFile     = "CLUSTER_TEST_PUBLISHER" // configuration file
	publisherInstance = "CLUSTER_TEST_INSTANCE"
	publisherFolder   = "CLUSTER_TEST_FOLDER" // state, and what was answered
	publisherMails    = "CLUSTER_TEST_MAILS"
	answersFile       = "answers"
)

// publish brings mails into the queue, one after the other and each until it is
// taken, and notes the answers. It goes on where a process before it was killed.
func publish() error {
	dir := os.Getenv(publisherFolder)
	conf, _, err := config.Load(config.Source{File: os.Getenv(publisherFile)})
	if err != nil {
		return err
	}
	most, err := strconv.Atoi(os.Getenv(publisherMails))
	if err != nil {
		return err
	}
	conf.Instance, conf.StateDirectory = os.Getenv(publisherInstance), filepath.Join(dir, "state")
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(log, nil))
	local, err := spool.Open(context.Background(), spool.Config{StateDirectory: conf.StateDirectory, Instance: conf.Instance})
	if err != nil {
		return err
	}
	out, err := output.OpenQueue(context.Background(), conf, local, logger)
	if err != nil {
		return err
	}
	defer out.Close()
	notes, err := os.OpenFile(filepath.Join(dir, answersFile), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer notes.Close()
	before, err := os.ReadFile(notes.Name())
	if err != nil {
		return err
	}
	for n := bytes.Count(before, []byte("taken ")); n < most; n++ {
		var attachment []byte
		if n%20 == 0 {
			attachment = bytes.Repeat([]byte("x"), 1<<20)
		}
		name := fmt.Sprintf("%s-%d", conf.Instance, n)
		for answer := ""; answer != "taken"; {
			err := put(context.Background(), out, []string{"fax", "sms"}, name, attachment)
			switch {
			case err == nil:
				answer = "taken"
			case errors.Is(err, output.ErrUnknown):
				answer = "unknown"
			default:
				answer = "refused"
				logger.Warn(answer, "mail", name, "error", err.Error())
			}
			if _, err := fmt.Fprintf(notes, "%s %s\n", answer, name); err != nil {
				return err
			}
			if answer != "taken" {
				time.Sleep(100 * time.Millisecond)
			}
		}
	}
	return nil
}

// publisher is a gateway that is killed and started again.
type publisher struct {
	t       *testing.T
	dir     string
	name    string
	site    *site
	mails   int
	process *exec.Cmd
	ended   chan struct{}
}

func (p *publisher) start() {
	p.t.Helper()
	p.process = exec.Command(os.Args[0])
	p.process.Env = append(os.Environ(), publisherFile+"="+p.site.file, publisherInstance+"="+p.name, publisherFolder+"="+p.dir, publisherMails+"="+strconv.Itoa(p.mails))
	p.process.Stderr = os.Stderr
	if err := p.process.Start(); err != nil {
		p.t.Fatal(err)
	}
	process, ended := p.process, make(chan struct{})
	p.ended = ended
	go func() {
		defer close(ended)
		process.Wait()
	}()
	p.t.Cleanup(func() {
		process.Process.Kill()
		<-ended
	})
}

// kill ends it as a power cut would, and starts it again. False: it was done.
func (p *publisher) kill() bool {
	if p.done() {
		return false
	}
	p.process.Process.Kill()
	<-p.ended
	p.start()
	return true
}

// answers are the mails by what the publisher was told.
func (p *publisher) answers() map[string]map[string]int {
	text, err := os.ReadFile(filepath.Join(p.dir, answersFile))
	if err != nil && !os.IsNotExist(err) {
		p.t.Fatal(err)
	}
	all := map[string]map[string]int{}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if all[f[0]] == nil {
			all[f[0]] = map[string]int{}
		}
		all[f[0]][f[1]]++
	}
	return all
}

func (p *publisher) done() bool {
	p.t.Helper()
	if len(p.answers()["taken"]) == p.mails {
		return true
	}
	select {
	case <-p.ended:
		p.t.Fatalf("publisher %s ended by itself", p.name)
	default:
	}
	return false
}

// TestKill: publishers, consumers, the leader, another server and then all servers
// are killed, and a consumer is frozen, again and again while mail comes in and goes
// out. No job is lost. A mail is made twice only where its publisher was killed before
// it noted the answer, or got none; a job is handed on twice only where a consumer
// was killed at it, and in_doubt says so.
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
	var publishers []*publisher
	const gateways = 8
	for i := range gateways {
		p := &publisher{t: t, dir: t.TempDir(), name: fmt.Sprintf("gw%d", i+1), site: gateway, mails: *mails / gateways}
		if err := os.Mkdir(filepath.Join(p.dir, "state"), 0o700); err != nil {
			t.Fatal(err)
		}
		p.start()
		publishers = append(publishers, p)
	}
	began := time.Now()
	interrupted, killed, rounds := 0, 0, 0
	restart := func(s *natstest.Server) {
		s.Kill()
		time.Sleep(2 * time.Second)
		s.Start()
		s.WaitReady()
	}
	killConsumer := func(i int) {
		processes[i].Process.Signal(syscall.SIGKILL)
		processes[i].Wait()
		interrupted++
		time.Sleep(time.Second)
		processes[i] = consumers[i].start("consume")
	}
	killPublisher := func(i int) {
		if publishers[i].kill() {
			killed++
		}
	}
	steps := []struct {
		what string
		do   func()
	}{
		{"two publishers killed", func() { killPublisher(rounds % gateways); killPublisher((rounds + 1) % gateways) }},
		{"a consumer killed", func() { killConsumer(rounds % 3) }},
		{"the leader killed", func() { restart(natstest.Leader(servers, q)) }},
		{"another consumer killed", func() { killConsumer((rounds + 1) % 3) }},
		{"another server killed", func() {
			for _, s := range servers {
				if s != natstest.Leader(servers, q) {
					restart(s)
					break
				}
			}
		}},
		{"two other publishers killed", func() { killPublisher((rounds + 4) % gateways); killPublisher((rounds + 5) % gateways) }},
		{"all servers killed", func() {
			for _, s := range servers {
				s.Kill()
			}
			for _, s := range servers {
				s.Start()
			}
		}},
	}
	done := func() bool {
		for _, p := range publishers {
			if !p.done() {
				return false
			}
		}
		return true
	}
	for ; rounds == 0 || !done(); rounds++ {
		for i, step := range steps {
			if rounds > 0 || i > 0 {
				time.Sleep(2 * time.Second)
			} else {
				gateway.wait("mails", func() bool { return len(publishers[0].answers()["taken"]) > 10 })
			}
			if rounds > 0 && done() {
				break
			}
			if rounds == 0 {
				t.Log(step.what)
			}
			step.do()
		}
	}
	took := time.Since(began)
	handed := 0
	for deadline := time.Now().Add(time.Minute); !natstest.Emptied(q, "fax", "sms") && time.Now().Before(deadline); time.Sleep(time.Second) {
		if n := len(gateway.handedOnAs()); n > handed {
			handed, deadline = n, time.Now().Add(time.Minute)
		}
	}
	if !natstest.Emptied(q, "fax", "sms") {
		t.Error("jobs are left in the queue")
		for _, app := range []string{"fax", "sms"} {
			err := q.Each(context.Background(), app, func(j *queue.Found) error {
				t.Logf("left: %s of %s since %s, %+v", j.Stem, app, j.Since, j.Entry)
				return nil
			})
			t.Log(app, err)
		}
	}

	taken, unknown, refused := map[string]bool{}, 0, 0
	for _, p := range publishers {
		answers := p.answers()
		for name := range answers["taken"] {
			taken[name] = true
		}
		for _, n := range answers["unknown"] {
			unknown += n
		}
		for _, n := range answers["refused"] {
			refused += n
		}
	}
	stems := map[string]map[string]bool{} // of each mail's job
	again, lost, twice := 0, 0, 0
	for job, times := range gateway.handedOnAs() {
		of := job.app + " " + job.mail
		if stems[of] == nil {
			stems[of] = map[string]bool{}
		}
		stems[of][job.stem] = true
		if times > 1 {
			again += times - 1
			t.Logf("job %s was handed on %d times", job.stem, times)
		}
	}
	for name := range taken {
		for _, app := range []string{"fax", "sms"} {
			switch n := len(stems[app+" "+name]); {
			case n == 0:
				lost++
				t.Errorf("%s of mail %s is lost", app, name)
			case n > 1:
				twice += n - 1
			}
		}
	}
	t.Logf("%d mails taken in %v, %d rounds of kills (%d of publishers, %d of consumers): %d lost, %d mails' jobs made twice, %d handed on twice, %d tries refused, %d without an answer",
		len(taken), took.Round(time.Second), rounds, killed, interrupted, lost, twice, again, refused, unknown)
	if want := *mails / gateways * gateways; len(taken) != want {
		t.Errorf("%d mails taken, want %d", len(taken), want)
	}
	if killed == 0 {
		t.Error("no publisher was killed before it was done")
	}
	// One mail of a publisher is under way when it is killed.
	if most := 2 * (killed + unknown); twice > most {
		t.Errorf("%d jobs were made twice, %d could be", twice, most)
	}
	// A worker of a killed consumer may have been between the target and its note.
	if most := interrupted * 4; again > most {
		t.Errorf("%d jobs were handed on twice, %d could be", again, most)
	}
}
