package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"smtpreceiver/core/queue/queuetest"
)

// TestWithdrawnJobs: what its gateway has withdrawn is no job, for those who list and
// for those who look; what somebody has looked at is withdrawn no more.
func TestWithdrawnJobs(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	first, second := bring(t, q, "fax", "x", "y"), bring(t, q, "fax", "z", "w")
	if created, err := (&Batch{queue: q, key: first}).withdrawn(t.Context()); !created || err != nil {
		t.Fatalf("%t, %v", created, err)
	}
	if list := each(t, q, "fax"); len(list) != 2 || list[0].Key != second {
		t.Errorf("%+v", list)
	}
	leases := fetch(t, q, "fax", 10)
	by := Entry{By: "me", Host: "here"}
	for i, l := range leases {
		e, err := l.Look(t.Context(), by)
		if err != nil || (e.State == Withdrawn) != (i < 2) {
			t.Errorf("%s: %+v, %v", l.Stem, e, err)
		}
	}
	leases[0].tidy()
	s.Mu.Lock()
	if stays := s.Last("q.journal." + first + ".0").Header.Get(jetstream.MsgTTLHeader); stays != withdrawnFor.String() {
		t.Errorf("what was withdrawn is forgotten after %s, and other jobs of its message may come later", stays)
	}
	s.Mu.Unlock()
	if created, err := (&Batch{queue: q, key: second}).withdrawn(t.Context()); created || err != nil {
		t.Errorf("withdrawn behind a look: %t, %v", created, err)
	}
	if e, _, err := q.entry(t.Context(), second, 0); err != nil || e.State != Waiting || e.By != "me" || e.State.Over() {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestDropped: a job that is dropped is gone, and its verdict is there for its consumer.
func TestDropped(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	bring(t, q, "fax", "x", "y")
	f := each(t, q, "fax")[1]
	if err := q.Drop(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if list := each(t, q, "fax"); len(list) != 1 || list[0].Stem != "gw1-00000001" {
		t.Errorf("%+v", list)
	}
	if e, err := q.EntryOf(t.Context(), f.Name()); err != nil || e.State != Failed || e.Reason != "dropped" || e.Host != "here" {
		t.Errorf("%+v, %v", e, err)
	}
	if err := q.Drop(t.Context(), f); err != nil { // its message is gone, which is what was wanted
		t.Errorf("dropped twice: %v", err)
	}
	f = each(t, q, "fax")[0]
	done := Entry{State: Done, By: "b", Since: time.Now().UTC()}
	if _, err := q.journal.put(t.Context(), journalKey(f.Key, f.Index), done.encode(), 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := q.Drop(t.Context(), f); err == nil || !strings.Contains(err.Error(), "no longer in the queue: it is done") {
		t.Errorf("dropped though it was handed on: %v", err)
	}
	if e, err := q.EntryOf(t.Context(), f.Name()); err != nil || e.State != Done {
		t.Errorf("%+v, %v", e, err)
	}
	bring(t, q, "fax", "z")
	f = each(t, q, "fax")[1]
	s.Mu.Lock()
	s.Kept = map[uint64]bool{f.sequence: true}
	s.Mu.Unlock()
	if err := q.Drop(t.Context(), f); err == nil || !strings.Contains(err.Error(), "its message stays until its consumer sees that") {
		t.Errorf("a message that stays: %v", err)
	}
}

// TestForeignMessage: what no gateway has written is an error of who lists, and is left
// to no consumer; the jobs beside it are there.
func TestForeignMessage(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	bring(t, q, "fax", "x")
	if _, err := q.js.Publish(t.Context(), "q.job.fax.foreign.0", []byte("no job")); err != nil {
		t.Fatal(err)
	}
	bring(t, q, "fax", "y")
	n := 0
	err := q.Each(t.Context(), "fax", func(*Found) error { n++; return nil })
	if n != 2 || err == nil || !strings.Contains(err.Error(), "is no job of this program") {
		t.Errorf("%d jobs, %v", n, err)
	}
	if got := fetch(t, q, "fax", 10); len(got) != 2 {
		t.Errorf("%d jobs given", len(got))
	}
	if _, err := q.js.Publish(t.Context(), "q.job.odd.foreign.0", []byte("no job")); err != nil {
		t.Fatal(err)
	}
	if d, err := q.Depth(t.Context(), "odd"); err == nil || !strings.Contains(err.Error(), "is no job of this program") || d.Jobs() != 1 {
		t.Errorf("the oldest is no job: %+v, %v", d, err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Each(gone, "fax", func(*Found) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("a list that was cut off: %v", err)
	}
	stop := errors.New("enough")
	if err := q.Each(t.Context(), "fax", func(*Found) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}

// TestDamagedPieces: a file of which a piece is missing, or another one, is an error.
func TestDamagedPieces(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	key := bring(t, q, "fax", strings.Repeat("x", inlineJob+pieceSize))
	f := each(t, q, "fax")[0]
	i := slices.IndexFunc(f.Files, func(f File) bool { return f.Pieces == 2 })
	s.Mu.Lock()
	piece := s.Last(q.pieceSubject(key, f.Files[i].Number, 1))
	good := piece.Data
	piece.Data = append(slices.Clone(good[:len(good)-1]), 'y')
	s.Mu.Unlock()
	if err := q.CopyFile(t.Context(), f.Job, i, io.Discard); !errors.Is(err, errDamaged) {
		t.Errorf("another byte: %v", err)
	}
	s.Mu.Lock()
	piece.Data = good[:len(good)-1]
	s.Mu.Unlock()
	if err := q.CopyFile(t.Context(), f.Job, i, io.Discard); !errors.Is(err, errDamaged) || !strings.Contains(err.Error(), fmt.Sprint(f.Files[i].Size-1, " bytes, ", f.Files[i].Size, " are right")) {
		t.Errorf("a byte less: %v", err)
	}
	s.Mu.Lock()
	s.Stored = slices.DeleteFunc(s.Stored, func(m *queuetest.Stored) bool { return m == piece })
	s.Mu.Unlock()
	if err := q.CopyFile(t.Context(), f.Job, i, io.Discard); !errors.Is(err, jetstream.ErrMsgNotFound) || !strings.Contains(err.Error(), "piece 2 of 2") {
		t.Errorf("a piece less: %v", err)
	}
}

// TestReadAgain: a read without an answer is tried again; that there is nothing is an
// answer.
func TestReadAgain(t *testing.T) {
	t.Parallel()
	q := open(t, queuetest.Start(t), nil)
	for _, end := range []error{nil, jetstream.ErrMsgNotFound} {
		asked := 0
		m, err := q.read(t.Context(), func(context.Context) (*jetstream.RawStreamMsg, error) {
			if asked++; asked == 1 {
				return nil, nats.ErrTimeout
			}
			return &jetstream.RawStreamMsg{Sequence: 7}, end
		})
		if asked != 2 || !errors.Is(err, end) || m == nil || m.Sequence != 7 {
			t.Errorf("asked %d times: %+v, %v", asked, m, err)
		}
	}
}

// TestInventory: jobs that the servers keep and give to none are given out again, once
// they are missed twice.
func TestInventory(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	bring(t, q, "fax", "x", "y", "z")
	fetch(t, q, "fax", 1)
	i := q.Inventory("fax")
	take := func(want int) {
		t.Helper()
		if err := i.Take(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Mu.Lock()
		defer s.Mu.Unlock()
		if len(s.Resets) != want {
			t.Errorf("reset %d times, want %d", len(s.Resets), want)
		}
	}
	take(0)
	take(0)
	lost := s.Last("q.job.fax.>").Subject
	for _, is := range []bool{true, false, true} { // once may be by chance
		s.Mu.Lock()
		s.Lost[lost] = is
		s.Mu.Unlock()
		take(0)
	}
	take(1)
	if got := s.Resets[0]; got != "Q.consume-fax to 1" {
		t.Errorf("reset of %s", got)
	}
	take(1)
	take(1) // of several consumers, and within a minute, one does it
	s.Mu.Lock()
	clear(s.Lost)
	s.Mu.Unlock()
	take(1)
	if err := q.Inventory("sms").Take(t.Context()); !errors.Is(err, jetstream.ErrConsumerNotFound) {
		t.Errorf("nobody consumes: %v", err)
	}
	s.Mu.Lock()
	clear(s.Streams)
	s.Mu.Unlock()
	q.handles.Clear()
	if err := i.Take(t.Context()); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("the stream is gone: %v", err)
	}
}

// TestSweep: files of which no job is left go when they are old enough, and no others.
func TestSweep(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	kept, young := bring(t, q, "fax", "x"), bring(t, q, "fax", "z")
	there := map[string]bool{kept: true, young: true}
	for range 20 {
		there[bring(t, q, "fax", "y")] = false
	}
	s.Mu.Lock()
	for _, m := range s.Stored {
		if strings.HasPrefix(m.Subject, "q.file.") && !strings.Contains(m.Subject, young) {
			m.Time = m.Time.Add(-2 * sweepAfter)
		}
	}
	s.Stored = slices.DeleteFunc(s.Stored, func(m *queuetest.Stored) bool {
		return strings.HasPrefix(m.Subject, "q.job.") && !strings.Contains(m.Subject, kept)
	})
	s.Mu.Unlock()
	for range 2 { // the second finds that it was done just now
		if err := q.sweep(); err != nil {
			t.Fatal(err)
		}
	}
	s.Mu.Lock()
	defer s.Mu.Unlock()
	if stay, err := time.ParseDuration(s.Last("q.state.sweep").Header.Get(jetstream.MsgTTLHeader)); err != nil || stay <= 0 || stay >= sweepEvery {
		t.Errorf("who swept holds off the next sweep for %v, %v", stay, err)
	}
	for key, want := range there {
		if got := s.Last("q.file."+key+".>") != nil; got != want {
			t.Errorf("files of %s are there: %t", key, got)
		}
	}
}

// TestControlAlone: a job may have no file but its CTL.
func TestControlAlone(t *testing.T) {
	t.Parallel()
	q := open(t, queuetest.Start(t), nil)
	b := q.NewBatch()
	j, err := b.NewJob("fax")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(j.Control([]byte("[system]\r\n")), b.Stage(t.Context()), b.Commit(t.Context())); err != nil {
		t.Fatal(err)
	}
	for _, f := range each(t, q, "fax") {
		if ctl, err := q.Control(t.Context(), f.Job); err != nil || string(ctl) != "[system]\r\n" {
			t.Errorf("%q, %v", ctl, err)
		}
	}
}
