package consume

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/consume/folder"
)

// TestBusyHoldsItsNumber: a job that another consumer has taken, and may not have begun,
// holds back the younger ones to its number, also where each gets one try.
func TestBusyHoldsItsNumber(t *testing.T) {
	t.Parallel()
	target := new(fake)
	o := options(t, target)
	jobTo(t, o, "1", "100", "normal", 3*time.Minute)
	jobTo(t, o, "2", "100", "normal", 2*time.Minute)
	jobTo(t, o, "3", "200", "normal", time.Minute)
	held := take(t, o, "1")
	if left := drain(t, o); left != 2 || !slices.Equal(target.got, []string{"3"}) {
		t.Errorf("%d left, handed on: %q, want that to the other number", left, target.got)
	}
	if err := held.Release(); err != nil {
		t.Fatal(err)
	}
	if left := drain(t, o); left != 0 || !slices.Equal(target.got, []string{"3", "1", "2"}) {
		t.Errorf("%d left, handed on: %q", left, target.got)
	}
}

// take takes a job as another consumer would.
func take(t *testing.T, o Options, stem string) *folder.Held {
	t.Helper()
	f, err := folder.Open(o.Folder, o.Done, o.Failed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	held, err := f.Take(stem)
	if err != nil || held == nil {
		t.Fatalf("job %s is not to be had: %v", stem, err)
	}
	return held
}

// TestPutOffElsewhere: a job that another consumer has put off is tried at the time that
// one set, by whoever had found it busy.
func TestPutOffElsewhere(t *testing.T) {
	t.Parallel()
	target := new(fake)
	o := options(t, target)
	log := logged(&o)
	addJob(t, o, "1")
	held := take(t, o, "1")
	c := New(o)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()
	for until := time.Now().Add(time.Minute); c.Waiting().Waiting == 0 && time.Now().Before(until); time.Sleep(time.Millisecond) {
	}
	next := time.Now().Add(700 * time.Millisecond)
	held.Journal.State, held.Journal.Attempts, held.Journal.Next = folder.Waiting, 1, next
	if err := errors.Join(held.Save(true), held.Release()); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(time.Minute); log.count("job handed on") == 0 && time.Now().Before(until); time.Sleep(time.Millisecond) {
	}
	if early := time.Until(next); early > 0 {
		t.Errorf("tried %v before its time", early)
	}
	if log.count("job handed on", "try=2") != 1 {
		t.Errorf("log: %s", log.buf.String())
	}
	stop()
	if err := mtatest.Receive(t, "the consumer to end", ended); err != nil {
		t.Error(err)
	}
}
