package queue

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"smtpreceiver/core/queue/queuetest"
)

// TestLetGo: a lease that is over, however that came, is kept up no longer.
func TestLetGo(t *testing.T) {
	t.Parallel()
	q := open(t, queuetest.Start(t), nil)
	kept := func(l *Lease) bool {
		select {
		case <-l.stop:
			return false
		default:
			return true
		}
	}
	bring(t, q, "fax", "one", "two", "three", "four")
	all := fetch(t, q, "fax", 4)
	if len(all) != 4 {
		t.Fatalf("%d jobs", len(all))
	}
	for _, l := range all {
		if l.Keep(); !kept(l) {
			t.Error("let go at once")
		}
	}
	newer := all[3].last()
	if newer != all[3].last() {
		t.Error("the lease has another message than before")
	}
	all[0].Release()
	all[0].Release()
	all[1].Later(time.Minute)
	if err := all[2].Settled(t.Context()); err != nil {
		t.Error(err)
	}
	if all[0].Renew(all[3]); all[0].last() != newer {
		t.Error("the newer one was let go, and not taken over")
	}
	for i, l := range all {
		if kept(l) {
			t.Errorf("lease %d is kept", i)
		}
	}
}

// TestWriteRefused: what the journal does not take is not begun.
func TestWriteRefused(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	bring(t, q, "fax", "x")
	l := fetch(t, q, "fax", 1)[0]
	refusal := &jetstream.APIError{Code: 503, ErrorCode: codeStreamStore}
	s.Mu.Lock()
	s.Refuse = func(subject string) *jetstream.APIError {
		if strings.HasPrefix(subject, "q.journal.") {
			return refusal
		}
		return nil
	}
	s.Mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := l.Write(ctx, Entry{State: Begun, By: "me"}); err == nil || errors.Is(err, ErrLost) || l.Begun() {
		t.Errorf("%v, begun: %v", err, l.Begun())
	}
}

// TestEntryOutlivesItsLease: what a lease does not know of its journal is read before that
// is given a day.
func TestEntryOutlivesItsLease(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	for _, known := range []bool{true, false} {
		bring(t, q, "fax", "x")
		l := fetch(t, q, "fax", 1)[0]
		if err := l.Write(t.Context(), Entry{State: Done, By: "me", Host: "here"}); err != nil {
			t.Fatal(err)
		}
		if !known {
			l.written = nil
		}
		l.tidy()
		if e, err := q.EntryOf(t.Context(), l.Name()); err != nil || e.State != Done || e.By != "me" {
			t.Errorf("known: %v: %+v, %v", known, e, err)
		}
		s.Mu.Lock()
		if m := s.Last("q.journal.>"); m == nil || m.Header.Get("Nats-TTL") == "" {
			t.Errorf("known: %v: it stays for ever", known)
		}
		s.Mu.Unlock()
	}
}

// TestAskedOnce: who fetches again and again asks for its consumer once.
func TestAskedOnce(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	asked := 0
	s.Mu.Lock()
	s.Refuse = func(subject string) *jetstream.APIError {
		if strings.HasPrefix(subject, "$JS.API.CONSUMER.") {
			asked++
		}
		return nil
	}
	s.Mu.Unlock()
	bring(t, q, "fax", "one", "two", "three")
	fetch(t, q, "fax", 1)
	s.Mu.Lock()
	first := asked
	s.Mu.Unlock()
	for range 2 {
		fetch(t, q, "fax", 1)
	}
	s.Mu.Lock()
	defer s.Mu.Unlock()
	if first == 0 || asked != first {
		t.Errorf("asked %d times, then %d times", first, asked-first)
	}
}

// TestFilesGo: the pieces of a file go with the job that has it, however few they are.
func TestFilesGo(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	for _, size := range []int{1, inlineJob + 1, pieceSize + 1} {
		key := bring(t, q, "fax", strings.Repeat("x", size))
		for _, l := range fetch(t, q, "fax", 1) {
			if l.inPieces() != (size > 1) {
				t.Errorf("%d bytes are in pieces: %t", size, l.inPieces())
			}
			if err := l.Settled(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if size == 1 {
			continue // what Assure has written waits for a sweep
		}
		eventually(t, "the files to be gone", func() bool { s.Mu.Lock(); defer s.Mu.Unlock(); return s.Last("q.file."+key+".>") == nil })
	}
}

// TestNothingIsWrittenOfNothing: a job that was never begun leaves no entry behind, and a
// withdrawal is kept for as long as it was to be.
func TestNothingIsWrittenOfNothing(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	last := func() *queuetest.Stored {
		s.Mu.Lock()
		defer s.Mu.Unlock()
		return s.Last("q.journal.>")
	}
	bring(t, q, "fax", "x")
	l := fetch(t, q, "fax", 1)[0]
	if l.tidy(); last() != nil {
		t.Errorf("an entry %s", last().Data)
	}
	if _, err := (&Batch{queue: q, key: l.Key}).withdrawn(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := last().Seq
	if l.tidy(); last().Seq != before {
		t.Errorf("a withdrawal was written again: %s", last().Data)
	}
}

// TestNames: what is asked by name is known, or not there, or no name.
func TestNames(t *testing.T) {
	t.Parallel()
	q := open(t, queuetest.Start(t), nil)
	key := bring(t, q, "fax", "one", "two")
	for name, want := range map[string]bool{key + "0": true, key + "1": true, key + "2": false} {
		if there, err := q.Has(t.Context(), name); there != want || err != nil {
			t.Errorf("%s is there: %v, %v", name, there, err)
		}
		if e, err := q.EntryOf(t.Context(), name); e.State != "" || err != nil {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	if err := q.Fetch(t.Context(), "fax", 0, time.Second, func(*Lease) { t.Error("a job that nobody wanted") }); err == nil {
		t.Error("no job was asked for")
	}
	there, hasErr := q.Has(t.Context(), key)
	if _, err := q.EntryOf(t.Context(), key); err == nil || hasErr == nil || there {
		t.Errorf("a name without a number: %v, %v, %v", there, hasErr, err)
	}
	if _, err := q.journal.put(t.Context(), journalKey(key, 1), []byte("<xml>"), 0, 0); err != nil {
		t.Fatal(err)
	}
	if e, err := q.EntryOf(t.Context(), key+"1"); err == nil {
		t.Errorf("an entry that nobody can read: %+v", e)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if there, err := q.Has(over, key+"0"); there || err == nil {
		t.Errorf("nobody can be asked: %v, %v", there, err)
	}
	if e, err := q.EntryOf(over, key+"0"); err == nil {
		t.Errorf("nobody can be asked: %+v", e)
	}
}

// TestVerdicts: only who has begun a job judges it, once.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	bring(t, q, "fax", "x")
	l := fetch(t, q, "fax", 1)[0]
	entry := func(state State, by string) Entry {
		return Entry{State: state, By: by, Host: by, Since: time.Now().UTC()}
	}
	if err := l.Write(t.Context(), entry(Begun, "me")); err != nil {
		t.Fatal(err)
	}
	second := &Lease{Job: l.Job, queue: q}
	if e, err := second.Look(t.Context(), entry(Begun, "other")); err != nil || e.By != "me" || second.revision == 0 {
		t.Errorf("%+v, %v", e, err)
	}
	stale := &Lease{Job: l.Job, queue: q}
	if err := stale.Write(t.Context(), entry(Begun, "other")); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "begun, by me") || stale.Begun() {
		t.Errorf("begun by another: %v", err)
	}
	if err := stale.Write(t.Context(), entry(Begun, "me")); err != nil || !stale.Begun() { // its own, of a write without an answer
		t.Errorf("one's own entry: %v", err)
	}
	for _, step := range []struct {
		e    Entry
		lost bool
	}{
		{entry(Done, "other"), true}, {entry(Done, "me"), false}, {entry(Done, "me"), false}, {entry(Failed, "me"), true}, {entry(Begun, "me"), true},
	} {
		if err := q.Judge(t.Context(), l.Name(), step.e); errors.Is(err, ErrLost) != step.lost || (err != nil) != step.lost {
			t.Errorf("%s by %s: %v", step.e.State, step.e.By, err)
		}
	}
	for _, name := range []string{"", l.Key, l.Key + "x", l.Key + "-1", strings.ToLower(l.Key) + "0", "x" + l.Name()} {
		if err := q.Judge(t.Context(), name, entry(Done, "me")); err == nil || !strings.Contains(err.Error(), "names no job of the queue") {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := q.EntryOf(t.Context(), name); err == nil {
			t.Errorf("%q has an entry", name)
		}
	}
	if !Done.Over() || !Failed.Over() || Begun.Over() || Waiting.Over() || Withdrawn.Over() {
		t.Error("which states are verdicts")
	}
}

// TestLookBesideWrite: a consumer that was started again at a job begins it while the
// feed still looks at it. What was read before does not count behind what was written.
func TestLookBesideWrite(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	bring(t, q, "fax", "x", "y")
	me := Entry{State: Begun, By: "me", Host: "me", Since: time.Now().UTC()}
	for _, l := range fetch(t, q, "fax", 2) {
		var both sync.WaitGroup
		both.Go(func() {
			if _, err := l.Look(t.Context(), me); err != nil {
				t.Error(err)
			}
		})
		both.Go(func() {
			if err := l.Write(t.Context(), me); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
		if err := l.Write(t.Context(), me); err != nil {
			t.Fatal(err)
		}
		written := l.revision
		l.saw(written - 1)
		if l.revision != written || l.written == nil {
			t.Errorf("%s: revision %d behind an older look, want %d; the entry is known: %t", l.Stem, l.revision, written, l.written != nil)
		}
		if l.saw(written + 1); l.revision != written+1 || l.written != nil {
			t.Errorf("%s: revision %d behind a newer look, and the entry is known: %t", l.Stem, l.revision, l.written != nil)
		}
	}
}
