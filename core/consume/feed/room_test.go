package feed

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/folder"
	"smtpreceiver/core/queue"
	"smtpreceiver/core/queue/queuetest"
)

// lease takes one job from the queue, for the feed.
func lease(t *testing.T, f *Feed) (l *queue.Lease) {
	t.Helper()
	for end := time.Now().Add(4 * time.Second); l == nil; { // well before soon
		if err := f.Queue.Fetch(t.Context(), "fax", 1, time.Second, func(got *queue.Lease) { l = got }); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(end) {
			t.Fatal("no job")
		}
	}
	if !f.reserve(l) {
		t.Fatal("not reserved")
	}
	return l
}

// taken is such a job whose files are here.
func taken(t *testing.T, f *Feed) *queue.Lease {
	t.Helper()
	l := lease(t, f)
	if !f.take(t.Context(), l) {
		t.Fatal("not taken")
	}
	return l
}

// TestFree: a target that is down is tried with one job.
func TestFree(t *testing.T) {
	t.Parallel()
	f := New(Options{Ahead: 3})
	for held, want := range []int{3, 2, 1, 0, 0} {
		if got := f.free(false); got != want {
			t.Errorf("%d of 3 are held: %d are free", held, got)
		}
		if held < 2 {
			if got := f.free(true); got != 1-held {
				t.Errorf("%d are held, the target is down: %d are free", held, got)
			}
		}
		f.leases[strings.Repeat("x", held)] = nil
	}
}

// TestNotTaken: a job that the folder cannot take is nobody's find and is told, unless the
// service ends; it is soon given out again.
func TestNotTaken(t *testing.T) {
	t.Parallel()
	q := open(t, queuetest.Start(t))
	var log bytes.Buffer
	f := feedOf(t, q, 2, &log)
	f.folder.Close()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for ctx, want := range map[context.Context]int{t.Context(): 1, over: 0} {
		publish(t, q, "x")
		l := lease(t, f)
		log.Reset()
		if f.take(ctx, l) || f.lease(l.Stem) != nil || strings.Count(log.String(), "job not taken from the queue yet") != want {
			t.Errorf("taken, kept, or said: %s", &log)
		}
	}
	again := 0
	for end := time.Now().Add(2 * soon); again < 2 && time.Now().Before(end); {
		if err := q.Fetch(t.Context(), "fax", 2, time.Second, func(*queue.Lease) { again++ }); err != nil {
			t.Fatal(err)
		}
	}
	if again != 2 {
		t.Errorf("%d of 2 jobs are given out again", again)
	}
}

// TestBegunElsewhere: a job of a consumer that may have died is looked at when its time is
// over, not later.
func TestBegunElsewhere(t *testing.T) {
	t.Parallel()
	q := open(t, queuetest.Start(t))
	f := feedOf(t, q, 1, io.Discard)
	publish(t, q, "x")
	l := lease(t, f)
	e := queue.Entry{State: queue.Begun, By: "b", Host: "there", Since: time.Now().Add(2*time.Second - f.Takeover).UTC()}
	if err := q.Judge(t.Context(), l.Name(), e); err != nil {
		t.Fatal(err)
	}
	if f.take(t.Context(), l) {
		t.Error("taken from a consumer that is at it")
	}
	if l := lease(t, f); !f.take(t.Context(), l) {
		t.Error("not taken over")
	}
}

// TestGivenBack: what waits goes back, what was begun does not. Then all know what is held.
func TestGivenBack(t *testing.T) {
	t.Parallel()
	q := open(t, queuetest.Start(t))
	f := feedOf(t, q, 2, io.Discard)
	publish(t, q, "one")
	l := lease(t, f)
	if f.Gone(l.Stem); f.giveOneBack(l) || f.lease(l.Stem) == nil {
		t.Error("a job was given back that is not here yet")
	}
	if !f.take(t.Context(), l) {
		t.Fatal("not taken")
	}
	held := take(t, f, l.Stem)
	if f.giveOneBack(l) {
		t.Error("a job was given back that a worker has")
	}
	if err := errors.Join(held.Begin(time.Now()), f.Begin(t.Context(), l.Stem, held.Journal), held.Release()); err != nil {
		t.Fatal(err)
	}
	if w := f.worker(false); w.Held != 1 || w.Begun != 1 || w.Down {
		t.Errorf("%+v", w)
	}
	if f.giveOneBack(l) || f.lease(l.Stem) == nil {
		t.Error("a job that was begun was given back")
	}
	publish(t, q, "two")
	waits := taken(t, f)
	if !f.giveOneBack(waits) || f.lease(waits.Stem) != nil {
		t.Error("a job that waits is kept")
	}
	since := waits.Since
	for range 2 { // as the queue has it, then as the journal
		if e := state(t, q, waits.Name()); e.State != queue.Waiting || !e.First.Equal(since) {
			t.Errorf("since %v: %+v", since, e)
		}
		waits, since = lease(t, f), since.Add(-time.Hour)
		if _, err := waits.Look(t.Context(), queue.Entry{By: "b"}); err != nil {
			t.Fatal(err)
		}
		if err := waits.Write(t.Context(), queue.Entry{State: queue.Waiting, By: "b", First: since}); err != nil {
			t.Fatal(err)
		}
		if !f.take(t.Context(), waits) || !f.giveOneBack(waits) {
			t.Error("a job that waits is kept")
		}
	}
	publish(t, q, "three")
	taken(t, f)
	if n := f.free(true); n != 0 || f.worker(true).Held != 1 {
		t.Errorf("the target is down: %d are free, %d held", n, f.worker(true).Held)
	}
	if f.Gone(l.Stem); f.lease(l.Stem) != nil {
		t.Error("a job that is gone is held")
	}
	publish(t, q, "four", "five", "six")
	for range 3 {
		taken(t, f)
	}
	if n := f.free(true); n != 0 || f.worker(true).Held != 1 {
		t.Errorf("the target is down, and has been given nothing yet: %d are free, %d held", n, f.worker(true).Held)
	}
}

// TestSameName: another job of a name that is here comes once that is gone; the same job, whose
// lease ran out, is here already.
func TestSameName(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q, other := open(t, s), open(t, s)
	f := feedOf(t, q, 2, io.Discard)
	publish(t, q, "one")
	first := lease(t, f)
	publish(t, other, "another")
	next := func() (got *queue.Lease) {
		for end := time.Now().Add(2 * soon); got == nil && time.Now().Before(end); {
			if err := q.Fetch(t.Context(), "fax", 1, time.Second, func(l *queue.Lease) { got = l }); err != nil {
				t.Fatal(err)
			}
		}
		return got
	}
	for range 2 {
		l := next()
		if l == nil || l.Stem != first.Stem || l.Identity() == first.Identity() {
			t.Fatalf("not given out (again): %+v", l)
		}
		if f.reserve(l) || f.lease(l.Stem) != first {
			t.Error("two jobs of one name are here")
		}
	}
	if f.reserve(first) || f.lease(first.Stem) != first {
		t.Error("a job is brought twice")
	}
}

// TestJudgedOnItsWay: a verdict on a job that is on its way here is known there.
func TestJudgedOnItsWay(t *testing.T) {
	t.Parallel()
	q := open(t, queuetest.Start(t))
	f := feedOf(t, q, 1, io.Discard)
	publish(t, q, "x")
	l := lease(t, f)
	if err := f.Judge(t.Context(), l.Stem, &folder.Journal{Key: l.Name(), State: folder.Done}); err != nil {
		t.Fatal(err)
	}
	if !f.isJudged(l.Name()) || f.take(t.Context(), l) {
		t.Error("it comes all the same")
	}
}

// TestNobodyToAsk: where the queue says nothing of a job there is no verdict.
func TestNobodyToAsk(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s)
	f, stem, j := begun(t, s, q, queue.Entry{State: queue.Begun, By: "me"}, true)
	refusal := &jetstream.APIError{Code: 503, ErrorCode: jetstream.ErrorCode(10077)}
	for _, words := range []string{"Q", "Q_JOURNAL"} {
		s.Mu.Lock()
		s.Refuse = func(subject string) *jetstream.APIError {
			if subject == "$JS.API.STREAM.MSG.GET."+words {
				return refusal
			}
			return nil
		}
		s.Mu.Unlock()
		for what, err := range map[string]error{"begin": f.Begin(t.Context(), stem, j), "judge": f.Judge(t.Context(), stem, j)} {
			if _, verdict := errors.AsType[*consume.Verdict](err); !errors.Is(err, refusal) || verdict {
				t.Errorf("%s, %s does not answer: %v", what, words, err)
			}
		}
	}
}

// TestOnceWithoutQueue: a queue that cannot be reached is given up after a while, with its
// error, and is not asked all the time until then.
func TestOnceWithoutQueue(t *testing.T) {
	t.Parallel()
	q := open(t, queuetest.Start(t))
	f := feedOf(t, q, 1, io.Discard)
	q.Close()
	for _, patience := range []time.Duration{trouble / 2, time.Hour} {
		f.patience = patience
		ctx, cancel := context.WithTimeout(t.Context(), 5*trouble/2)
		asked := 0
		left, err := f.Once(ctx, func(string) {}, func() int { asked++; return 0 })
		if left != 0 || err == nil || asked < 2 || asked > 3 || (ctx.Err() == nil) != (patience < time.Minute) {
			t.Errorf("for %v: %d left, %v, asked %d times", patience, left, err, asked)
		}
		cancel()
	}
}

// TestOnceEnds: a job that is on its way is found before Once returns, and the second need not
// wait for more than the first.
func TestOnceEnds(t *testing.T) {
	t.Parallel()
	q := open(t, queuetest.Start(t))
	publish(t, q, "one", "two")
	f := feedOf(t, q, 3, io.Discard)
	ctx, cancel := context.WithCancel(t.Context())
	var found atomic.Int64
	begun := time.Now()
	_, err := f.Once(ctx, func(string) {
		if found.Load() == 1 {
			cancel()
			time.Sleep(100 * time.Millisecond)
		}
		found.Add(1)
	}, func() int { return 0 })
	if took := time.Since(begun); err != nil && !errors.Is(err, context.Canceled) || found.Load() != 2 || took > inTurn {
		t.Errorf("%d jobs after %v, %v", found.Load(), took, err)
	}
}

// TestOnceWaitsForRoom: no job is asked for while there is no room, and nobody spins.
func TestOnceWaitsForRoom(t *testing.T) {
	t.Parallel()
	q := open(t, queuetest.Start(t))
	publish(t, q, "one", "two")
	f := feedOf(t, q, 1, io.Discard)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var asked, there atomic.Int64
	var running sync.WaitGroup
	running.Go(func() {
		left, err := f.Once(ctx, func(string) { there.Add(1); time.AfterFunc(fetchWait+5*pause, cancel) }, func() int { asked.Add(1); return 0 })
		if left != 0 || err != nil || ctx.Err() == nil {
			t.Errorf("%d left, %v", left, err)
		}
	})
	mtatest.Finish(t, "the feed", &running)
	if there.Load() != 1 || asked.Load() > 40 {
		t.Errorf("%d jobs, asked %d times", there.Load(), asked.Load())
	}
}

// TestRegularly: what a consumer does all the time it does at once, then at each tick, and an
// error ends it no more than it is kept quiet; the end of the service is none.
func TestRegularly(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s)
	publish(t, q, "x")
	f := feedOf(t, q, 1, io.Discard)
	log := new(mtatest.Log)
	f.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	lease(t, f).Later(time.Hour)
	s.Mu.Lock()
	s.Lost[s.Last("q.job.fax.>").Subject] = true
	s.Mu.Unlock()
	ctx, cancel := context.WithCancel(t.Context())
	ticks := make(chan time.Time)
	var running sync.WaitGroup
	running.Go(func() { f.count(ctx, ticks) })
	for range 3 { // each look is over when the next tick is taken
		ticks <- time.Now()
	}
	s.Mu.Lock()
	resets := len(s.Resets)
	s.Mu.Unlock()
	if resets != 1 || strings.Contains(log.String(), "jobs not counted") {
		t.Errorf("a job that nobody is given was given out again %d times, log:\n%s", resets, log)
	}
	q.Close()
	for range 2 {
		ticks <- time.Now()
	}
	if n := strings.Count(log.String(), "jobs not counted"); n < 1 {
		t.Errorf("a look that failed is said %d times:\n%s", n, log)
	}
	cancel()
	mtatest.Finish(t, "the looks", &running)
	log.Reset()
	if f.count(ctx, ticks); log.String() != "" {
		t.Errorf("behind the end:\n%s", log)
	}
}

// TestNotForgotten: a settled job that the queue cannot be told of is said, and makes room.
func TestNotForgotten(t *testing.T) {
	t.Parallel()
	q := open(t, queuetest.Start(t))
	var log bytes.Buffer
	f := feedOf(t, q, 1, &log)
	publish(t, q, "x")
	l := lease(t, f)
	q.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	f.Settled(ctx, l.Stem, "another")
	if f.settling.Wait(); f.lease(l.Stem) != l {
		t.Error("it was another of the name that is settled")
	}
	f.Settled(ctx, l.Stem, l.Name())
	if f.settling.Wait(); f.lease(l.Stem) != nil || strings.Count(log.String(), "still in the queue") != 1 {
		t.Errorf("held, or said: %s", &log)
	}
}
