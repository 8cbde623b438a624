package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"smtpreceiver/contrib/natstest"
	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/feed"
	"smtpreceiver/core/consume/folder"
	"smtpreceiver/core/queue"
)

// take takes one job that nobody has.
func take(t *testing.T, q *queue.Queue) (l *queue.Lease) {
	t.Helper()
	var err error
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(200 * time.Millisecond) {
		err = q.Fetch(t.Context(), "fax", 1, 2*time.Second, func(given *queue.Lease) {
			l = given
			l.Keep()
			t.Cleanup(l.Release)
		})
		if !errors.Is(err, nats.ErrNoResponders) { // whom servers have just made has no leader yet
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestLease holds what consumers build on to its contract, with one server and with
// three: the oldest first, to one taker; one of two can begin a job; a verdict is
// one; what is given back is anybody's.
func TestLease(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]int{"R1": 1, "R3": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servers := natstest.Start(t, n, natstest.Options{})
			s := settings(t, servers)
			output := open(t, s, quiet)
			a, b := reader(t, s), reader(t, s)
			entry := func(by string, state queue.State) queue.Entry {
				return queue.Entry{State: state, By: by, Host: by, Since: time.Now().UTC()}
			}
			for range 3 {
				if err := put(t.Context(), output, []string{"fax"}, "text", nil); err != nil {
					t.Fatal(err)
				}
			}
			var stems []string
			err := a.Each(t.Context(), "fax", func(j *queue.Found) error { stems = append(stems, j.Stem); return nil })
			if err != nil || len(stems) != 3 || !slices.IsSorted(stems) {
				t.Fatalf("jobs %q, %v", stems, err)
			}

			// Each job has one taker.
			first, second, third := take(t, a), take(t, b), take(t, a)
			if first.Stem != stems[0] || second.Stem != stems[1] || third.Stem != stems[2] || take(t, b) != nil {
				t.Fatalf("given out: %s, %s, %s, and one more", first.Stem, second.Stem, third.Stem)
			}
			if d, err := a.Depth(t.Context(), "fax"); err != nil || d.New != 0 || d.Given != 3 || d.Oldest.Stem != stems[0] {
				t.Errorf("depth %+v, %v", d, err)
			}

			// Given back, it is another's at once.
			first.Later(0)
			other := take(t, b)
			if other == nil || other.Identity() != first.Identity() {
				t.Fatal("a job that was given back is given out no more")
			}
			if e, err := other.Look(t.Context(), entry("b", "")); err != nil || e.State != "" {
				t.Errorf("journal of a new job: %+v, %v", e, err)
			}
			if _, err := first.Look(t.Context(), entry("a", "")); err != nil {
				t.Error(err)
			}
			if err := other.Write(t.Context(), entry("b", queue.Begun)); err != nil {
				t.Error(err)
			}
			if err := first.Write(t.Context(), entry("a", queue.Begun)); !errors.Is(err, queue.ErrLost) {
				t.Errorf("begun by two: %v", err)
			}
			if err := a.Judge(t.Context(), first.Name(), entry("a", queue.Done)); !errors.Is(err, queue.ErrLost) {
				t.Errorf("a verdict of one who has not begun it: %v", err)
			}
			if err := a.Drop(t.Context(), &queue.Found{Job: first.Job}); err == nil {
				t.Error("dropped while it is begun")
			}

			// Put off, it is anybody's, and nothing is in doubt.
			if err := other.Write(t.Context(), queue.Entry{State: queue.Waiting, By: "b", Host: "b", Since: time.Now().UTC(), Attempts: 2, Reason: "busy"}); err != nil {
				t.Error(err)
			}
			other.Later(0)
			again := take(t, a)
			if again == nil || again.Identity() != first.Identity() {
				t.Fatal("a job that was put off is given out no more")
			}
			if e, err := again.Look(t.Context(), entry("a", "")); err != nil || e.State != queue.Waiting || e.Attempts != 2 || e.Reason != "busy" {
				t.Errorf("journal of a job that was put off: %+v, %v", e, err)
			}
			if err := errors.Join(again.Write(t.Context(), entry("a", queue.Begun)), again.Write(t.Context(), entry("a", queue.Done))); err != nil {
				t.Error(err)
			}
			if err := other.Write(t.Context(), entry("b", queue.Failed)); !errors.Is(err, queue.ErrLost) {
				t.Errorf("a second verdict: %v", err)
			}
			if err := again.Settled(t.Context()); err != nil {
				t.Error(err)
			}

			// A job that is dropped is begun by nobody.
			if e, err := a.EntryOf(t.Context(), first.Name()); err != nil || e.State != queue.Done {
				t.Errorf("journal of a job that is done: %+v, %v", e, err)
			}
			if err := a.Drop(t.Context(), found(t, a, second.Stem)); err != nil {
				t.Error(err)
			}
			if err := second.Write(t.Context(), entry("b", queue.Begun)); !errors.Is(err, queue.ErrLost) {
				t.Errorf("begun though it was dropped: %v", err)
			}
			if e, err := second.Look(t.Context(), entry("b", "")); err != nil || e.State != queue.Failed || e.Reason != "dropped" {
				t.Errorf("journal of a job that was dropped: %+v, %v", e, err)
			}
			third.Release()
			for l, want := range map[*queue.Lease]bool{first: false, second: false, third: true} {
				if there, err := a.Has(t.Context(), l.Name()); err != nil || there != want {
					t.Errorf("job %s is in the queue: %t, %v", l.Stem, there, err)
				}
			}
			if left := len(jobs(t, a, "fax")); left != 1 {
				t.Errorf("%d jobs are left, want 1", left)
			}
		})
	}
}

// A consumer that has ended at its work and was started again need not wait long for
// its job because another was given it meanwhile.
func TestBegunElsewhere(t *testing.T) {
	t.Parallel()
	s := settings(t, natstest.Start(t, 1, natstest.Options{}))
	if err := put(t.Context(), open(t, s, quiet), []string{"fax"}, "text", nil); err != nil {
		t.Fatal(err)
	}
	q := reader(t, s)
	l := take(t, q)
	me := queue.Entry{State: queue.Begun, By: "a", Host: "a", Since: time.Now().UTC()}
	if _, err := l.Look(t.Context(), me); err != nil {
		t.Fatal(err)
	}
	if err := l.Write(t.Context(), me); err != nil {
		t.Fatal(err)
	}
	l.Later(0)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	other := feed.New(feed.Options{Queue: reader(t, s), App: "fax", Name: "fax", Me: "b", Host: "b", Takeover: time.Hour, Ahead: 1, Log: quiet})
	other.Run(ctx, func(stem string) { t.Errorf("%s was taken over", stem) }, func() bool { return false })
	for until := time.Now().Add(20 * time.Second); ; {
		if again := take(t, q); again != nil {
			if e, err := again.Look(t.Context(), me); err != nil || e.State != queue.Begun || e.By != "a" {
				t.Errorf("journal: %+v, %v", e, err)
			}
			return
		}
		if time.Now().After(until) {
			t.Fatal("the job is not given out again")
		}
	}
}

// TestLostVerdict: who has a verdict on a job that another has begun meanwhile leaves it
// in the queue to that one; a job that one has judged before is not begun again.
func TestLostVerdict(t *testing.T) {
	t.Parallel()
	s := settings(t, natstest.Start(t, 1, natstest.Options{}))
	if err := put(t.Context(), open(t, s, quiet), []string{"fax"}, "text", nil); err != nil {
		t.Fatal(err)
	}
	q := reader(t, s)
	other := take(t, q)
	entry := queue.Entry{State: queue.Begun, By: "other", Host: "other", Since: time.Now().UTC()}
	if _, err := other.Look(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
	other.Later(0)

	dir := t.TempDir()
	to, err := folder.Open(dir, filepath.Join(dir, ".done"), filepath.Join(dir, ".failed"))
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	f := feed.New(feed.Options{Queue: reader(t, s), App: "fax", Name: "fax", Me: "me", Host: "me", Takeover: time.Hour, Ahead: 1, Log: quiet})
	if err := f.Open(to); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	came := make(chan string, 1)
	go f.Run(ctx, func(stem string) { came <- stem }, func() bool { return false })
	var stem string
	select {
	case stem = <-came:
	case <-time.After(40 * time.Second):
		t.Fatal("the job does not come")
	}
	if err := other.Write(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
	verdict := &folder.Journal{State: folder.Failed, Key: other.Name()}
	if err := f.Judge(t.Context(), stem, verdict); !errors.Is(err, consume.ErrLost) {
		t.Errorf("a verdict on another's job: %v", err)
	}
	f.Settled(t.Context(), stem, other.Name())
	stop()
	f.Close()
	if n := len(jobs(t, q, "fax")); n != 1 {
		t.Errorf("%d jobs are in the queue, want the one that is begun", n)
	}
	if err := q.Judge(t.Context(), other.Name(), queue.Entry{State: queue.Done, By: "other", Host: "other", Since: time.Now().UTC()}); err != nil {
		t.Fatal(err)
	}
	again := feed.New(feed.Options{Queue: q, App: "fax", Name: "fax", Me: "other", Host: "other", Log: quiet})
	err = again.Begin(t.Context(), stem, &folder.Journal{Key: other.Name()})
	if before, is := errors.AsType[*consume.Verdict](err); !is || before.State != folder.Done {
		t.Errorf("begun again: %v", err)
	}
}

func found(t *testing.T, q *queue.Queue, stem string) (f *queue.Found) {
	t.Helper()
	if err := q.Each(t.Context(), "fax", func(j *queue.Found) error {
		if j.Stem == stem {
			f = j
		}
		return nil
	}); err != nil || f == nil {
		t.Fatalf("job %s: %v", stem, err)
	}
	return f
}

// replaceTarget has the target of all machines do something first.
func replaceTarget(t *testing.T, gateway *site, first string) (restore func()) {
	t.Helper()
	script := filepath.Join(gateway.dir, "target.sh")
	working, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		if err := os.WriteFile(script+".new", []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(script+".new", script); err != nil {
			t.Fatal(err)
		}
	}
	write(strings.Replace(string(working), "set -e\n", "set -e\n"+first+"\n", 1))
	return func() { write(string(working)) }
}

// TestFrozen: a consumer that is frozen while it hands over, longer than its leases
// and takeover_after, loses its jobs to another. When it goes on nothing is doubled
// but what its target was being given, and nothing is lost.
func TestFrozen(t *testing.T) {
	t.Parallel()
	servers := natstest.Start(t, 1, natstest.Options{})
	gateway := newSite(t, servers, "")
	const workers = 2
	gateway.keys = fmt.Sprintf(", in_doubt: resend, timeout: 5s, takeover_after: 6s, workers: %d", workers)
	a, b := consumerSite(t, gateway, "a", ""), consumerSite(t, gateway, "b", "")
	output, q := open(t, gateway.conf, quiet), reader(t, gateway.conf)
	const n = 12
	for range n {
		if err := put(t.Context(), output, []string{"fax"}, "text", nil); err != nil {
			t.Fatal(err)
		}
	}
	restore := replaceTarget(t, gateway, "touch "+filepath.Join(gateway.dir, "begun")+"; sleep 1")
	process := a.start("consume")
	gateway.wait("a job begun", func() bool { _, err := os.Stat(filepath.Join(gateway.dir, "begun")); return err == nil })
	natstest.Signal(t, process.Process.Pid, "STOP")
	restore()
	b.start("consume")
	deadline := time.Now().Add(80 * time.Second)
	for !natstest.Emptied(q, "fax") && time.Now().Before(deadline) {
		time.Sleep(200 * time.Millisecond)
	}
	natstest.Signal(t, process.Process.Pid, "CONT")
	time.Sleep(4 * time.Second)
	handed := gateway.handedOn()
	doubled := 0
	for _, times := range handed {
		doubled += times - 1
	}
	if len(handed) != n || doubled > workers {
		t.Errorf("%d jobs handed on, want %d; %d twice, at most %d could be", len(handed), n, doubled, workers)
	}
	t.Logf("%d twice", doubled)
	if !natstest.Emptied(q, "fax") {
		t.Error("jobs are left in the queue")
	}
}

// TestFolderTarget: a program that reads a folder gets each job of the queue there,
// whole and once, though its consumer is killed again and again.
func TestFolderTarget(t *testing.T) {
	t.Parallel()
	servers := natstest.Start(t, 1, natstest.Options{})
	gateway := newSite(t, servers, "  other: {ctl_type: sms, addresses: '(?P<number>\\d+)@other$'}\n")
	target := t.TempDir()
	s := consumerSite(t, gateway, "a", "\n  reader: {application: other, target: folder, target_folder: "+target+", in_doubt: fail}")
	output, q := open(t, gateway.conf, quiet), reader(t, gateway.conf)
	const n = 150
	scan := strings.Repeat("0123456789", 70<<10) // in pieces
	for i := range n {
		var attachment []byte
		if i%10 == 0 {
			attachment = []byte(scan)
		}
		if err := put(context.Background(), output, []string{"other"}, fmt.Sprint("text ", i), attachment); err != nil {
			t.Fatal(err)
		}
	}
	// The reader takes jobs away, as the real one does.
	read := map[string]int{}
	look := func() {
		controls, err := filepath.Glob(filepath.Join(target, "*.ctl"))
		if err != nil {
			t.Fatal(err)
		}
		for _, control := range controls {
			stem := strings.TrimSuffix(control, ".ctl")
			text, err := os.ReadFile(stem + ".txt")
			if err != nil || !strings.HasPrefix(string(text), "text ") {
				t.Errorf("%s: %q, %v", stem, text, err)
			}
			read[string(text)]++
			if data, err := os.ReadFile(stem + "_1_scan.pdf"); err == nil && string(data) != scan {
				t.Errorf("%s: %d bytes of %d", stem, len(data), len(scan))
			}
			for _, name := range []string{control, stem + ".txt", stem + "_1_scan.pdf"} {
				os.Remove(name)
			}
		}
	}
	process := s.start("consume", "reader")
	for kills := 0; ; kills++ {
		for until := time.Now().Add(700 * time.Millisecond); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
			look()
		}
		if kills >= 6 || len(read) >= n {
			break
		}
		process.Process.Kill()
		process.Wait()
		process = s.start("consume", "reader")
	}
	for deadline := time.Now().Add(50 * time.Second); !natstest.Emptied(q, "other") && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		look()
	}
	look()
	if len(read) != n || !natstest.Emptied(q, "other") {
		t.Errorf("%d jobs came to the folder, want %d; the queue is empty: %t", len(read), n, natstest.Emptied(q, "other"))
	}
	for text, times := range read {
		if times != 1 {
			t.Errorf("%q came %d times", text, times)
		}
	}
}
