package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/queue/queuetest"
)

// configOf is the configuration of gateway gw1, which takes IDs from 1.
func configOf(s *queuetest.Server) Config {
	next := 0
	return Config{
		Servers: []string{s.Addr}, Name: "q", Replicas: 1, MaxSize: 1 << 20, AcceptUnsynced: true, CommitTimeout: time.Second,
		Instance: "gw1", Owner: "me", Host: "here", Log: slog.New(slog.DiscardHandler),
		NextID: func() (string, string, error) {
			next++
			return fmt.Sprint(next), fmt.Sprintf("gw1-%08d", next), nil
		},
	}
}

// open makes a queue of that gateway on a server.
func open(t testing.TB, s *queuetest.Server, change func(*Config)) *Queue {
	t.Helper()
	c := configOf(s)
	if change != nil {
		change(&c)
	}
	q, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	if err := q.Ready(); err != nil {
		t.Fatal(err)
	}
	return q
}

// bring puts a message with jobs of an application into the queue, each with a text and a
// control file, and returns the key of the message.
func bring(t testing.TB, q *Queue, app string, texts ...string) (key string) {
	t.Helper()
	b := stage(t, q, app, texts...)
	if err := b.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b.key
}

// stage is such a message before its commit.
func stage(t testing.TB, q *Queue, app string, texts ...string) *Batch {
	t.Helper()
	b := q.NewBatch()
	for _, text := range texts {
		j, err := b.NewJob(app)
		if err != nil {
			t.Fatal(err)
		}
		f, err := j.Create(j.Stem() + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, text)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err := j.Control([]byte("[system]\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Stage(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Assure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// fetch takes up to n jobs of an application.
func fetch(t testing.TB, q *Queue, app string, n int) (list []*Lease) {
	t.Helper()
	err := q.Fetch(t.Context(), app, n, time.Second, func(l *Lease) { list = append(list, l) })
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func each(t testing.TB, q *Queue, app string) (list []*Found) {
	t.Helper()
	if err := q.Each(t.Context(), app, func(f *Found) error { list = append(list, f); return nil }); err != nil {
		t.Fatal(err)
	}
	return list
}

// content is a file of a job.
func content(t testing.TB, q *Queue, j *Job, name string) string {
	t.Helper()
	i := slices.IndexFunc(j.Files, func(f File) bool { return f.Name == name })
	if i < 0 {
		t.Fatalf("no %s in %+v", name, j.Files)
	}
	var b bytes.Buffer
	if err := q.CopyFile(t.Context(), j, i, &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestThroughTheQueue: a job that was committed is listed, given to one consumer, begun,
// judged and gone, and its files with it.
func TestThroughTheQueue(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	long := strings.Repeat("long ", 2*pieceSize/5) // in pieces
	key := bring(t, q, "fax", "first", long)
	if d, err := q.Depth(t.Context(), "fax"); err != nil || d.Jobs() != 2 || d.Given != 0 || d.Oldest.Stem != "gw1-00000001" {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err := q.Depth(t.Context(), "sms"); err != nil || d.Jobs() != 0 || d.Oldest != nil {
		t.Errorf("of another application: %+v, %v", d, err)
	}
	list := each(t, q, "fax")
	if len(list) != 2 || list[0].ID != "1" || list[1].Stem != "gw1-00000002" || list[0].Jobs != 2 || list[1].Gateway != "gw1" || time.Since(list[0].Since) > time.Minute {
		t.Fatalf("%+v", list)
	}
	for i, want := range []string{"first", long} {
		if got := content(t, q, list[i].Job, list[i].Stem+".txt"); got != want {
			t.Errorf("job %d: %d bytes, want %d", i, len(got), len(want))
		}
		if c, err := q.Control(t.Context(), list[i].Job); err != nil || string(c) != "[system]\r\n" {
			t.Errorf("job %d: CTL %q, %v", i, c, err)
		}
	}

	leases := fetch(t, q, "fax", 10)
	if len(leases) != 2 || len(fetch(t, q, "fax", 10)) != 0 {
		t.Fatalf("%d jobs given", len(leases))
	}
	if d, err := q.Depth(t.Context(), "fax"); err != nil || d.New != 0 || d.Given != 2 {
		t.Errorf("given: %+v, %v", d, err)
	}
	me := Entry{State: Begun, By: "me", Host: "here", Since: time.Now().UTC()}
	for _, l := range leases {
		if e, err := l.Look(t.Context(), me); err != nil || e.State != "" && e.State != Begun {
			t.Fatalf("%s: %+v, %v", l.Stem, e, err)
		}
		if err := l.Write(t.Context(), me); err != nil || !l.Begun() {
			t.Fatalf("%s: %v, begun %t", l.Stem, err, l.Begun())
		}
		if e, err := q.EntryOf(t.Context(), l.Name()); err != nil || e.State != Begun || e.By != "me" {
			t.Errorf("%s: %+v, %v", l.Stem, e, err)
		}
	}
	if err := q.Drop(t.Context(), each(t, q, "fax")[0]); err == nil || !strings.Contains(err.Error(), "is being handed over by here") {
		t.Errorf("a job that is begun was dropped: %v", err)
	}
	s.Mu.Lock()
	if m := s.Last("q.journal.>"); m.Header.Get(jetstream.MsgTTLHeader) != "" {
		t.Errorf("a job that is begun is forgotten: %v", m.Header)
	}
	s.Mu.Unlock()
	done := me
	done.State = Done
	if err := leases[0].Write(t.Context(), done); err != nil || leases[0].Begun() {
		t.Errorf("%v", err)
	}
	if err := leases[0].Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list := each(t, q, "fax"); len(list) != 1 || list[0].Entry.State != Begun {
		t.Errorf("%+v", list)
	}
	leases[1].Later(time.Second)
	eventually(t, "the job to be given again", func() bool { leases = fetch(t, q, "fax", 1); return len(leases) == 1 })
	if err := leases[0].Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the files to be gone", func() bool {
		s.Mu.Lock()
		defer s.Mu.Unlock()
		return s.Last("q.file."+key+".>") == nil && s.Last("q.job.>") == nil
	})
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// TestBatchOfSeveral: several jobs of a message are one batch, all or none; a single job
// is none, since servers bound how many batches are open.
func TestBatchOfSeveral(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	bring(t, q, "fax", "x")
	if len(s.Batches) != 0 {
		t.Errorf("one job is %d batches", len(s.Batches))
	}
	texts := make([]string, 2*flowEvery+7)
	bring(t, q, "fax", texts...)
	s.Mu.Lock()
	defer s.Mu.Unlock()
	if len(s.Batches) != 1 {
		t.Errorf("%d batches", len(s.Batches))
	}
	for _, messages := range s.Batches {
		for i, m := range messages {
			if m.Header.Get(batchSequence) != fmt.Sprint(i+1) || (m.Header.Get(batchCommit) != "") != (i == len(texts)-1) {
				t.Errorf("message %d of %d: %v", i, len(messages), m.Header)
			}
		}
	}
}

// TestFilesOfAnyLength: a file comes out as it went in, whether it lies in its job's
// message or in pieces; of equal files in pieces one is kept.
func TestFilesOfAnyLength(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	for _, size := range []int{0, 1, inlineJob - 100, inlineJob + 1, pieceSize - 1, pieceSize, pieceSize + 1, 2 * pieceSize, 2*pieceSize + 1} {
		text := strings.Repeat("0123456789", size/10+1)[:size]
		app := fmt.Sprintf("app%d", size)
		key := bring(t, q, app, text, text)
		for _, f := range each(t, q, app) {
			if got := content(t, q, f.Job, f.Stem+".txt"); got != text {
				t.Errorf("%d bytes: got %d, or others", size, len(got))
			}
		}
		s.Mu.Lock()
		n := 0
		for _, m := range s.Stored {
			if strings.HasPrefix(m.Subject, "q.file."+key) && len(m.Data) > 0 { // one of nothing is Assure's
				n++
			}
		}
		s.Mu.Unlock()
		want := 0
		if size > inlineJob {
			want = int(pieces(int64(size)))
		}
		if size > pieceSize { // on their way before their sum is known
			want *= 2
		}
		if n != want {
			t.Errorf("%d bytes: %d pieces, want %d", size, n, want)
		}
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

// TestJudge: what an answer says of a message: whether another try is of use, and whether
// the servers may have it.
func TestJudge(t *testing.T) {
	t.Parallel()
	api := func(code jetstream.ErrorCode) error { return &jetstream.APIError{ErrorCode: code} }
	for name, c := range map[string]struct {
		err           error
		is            error // nil: the error itself
		over, unclear bool
	}{
		// by the numbers of the servers' own list
		"storage full": {err: api(10077), is: errFull, over: true}, "no resources": {err: api(10023), is: errFull, over: true},
		"no disk": {err: api(10047), is: errFull, over: true}, "batch": {err: api(10199), is: ErrTooLarge, over: true}, "message": {err: api(10054), is: ErrTooLarge, over: true},
		"payload": {err: nats.ErrMaxPayload, is: ErrTooLarge, over: true}, "another answer": {err: api(1)},
		"never sent": {err: nats.ErrReconnectBufExceeded}, "closed": {err: nats.ErrConnectionClosed},
		"no answer": {err: context.DeadlineExceeded, unclear: true}, "nobody there": {err: nats.ErrNoResponders, unclear: true},
	} {
		a := judge(c.err)
		if !errors.Is(a.err, c.err) || c.is != nil && !errors.Is(a.err, c.is) || a.over != c.over || a.unclear != c.unclear {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if a := judge(nil); a != (attempt{}) {
		t.Errorf("no error: %+v", a)
	}
	if !errors.Is(errFull, syscall.ENOSPC) {
		t.Error("a full queue is no full disk")
	}
}

// TestQuotaOfAll: the jobs of all gateways count together, those of an hour.
func TestQuotaOfAll(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q, other := open(t, s, nil), open(t, s, func(c *Config) { c.Instance, c.Owner = "gw2", "another" })
	take := func(q *Queue, key string, want bool) *Ticket {
		t.Helper()
		ticket, ok, err := q.Take(t.Context(), key, 2)
		if err != nil || ok != want || (ticket != nil) != want {
			t.Fatalf("%s: %t, %v, want %t", key, ok, err, want)
		}
		return ticket
	}
	full := func(q *Queue, key string, limit int, want bool) {
		t.Helper()
		if is, err := q.Full(t.Context(), key, limit); err != nil || is != want {
			t.Errorf("%s of %d is full: %t, %v", key, limit, is, err)
		}
	}
	full(q, "a", 1, false)
	ticket := take(q, "a", true)
	full(other, "a", 2, false)
	full(other, "a", 1, true)
	take(other, "a", true)
	take(q, "a", false)
	full(q, "a", 2, true)
	take(q, "b", true)
	ticket.Return()
	eventually(t, "the job to be given back", func() bool { is, err := other.Full(t.Context(), "a", 2); return err == nil && !is })
	take(other, "a", true)
	take(other, "a", false)
}

// TestInstanceOfAnother: a name that another machine uses is refused, and says whose it
// is; processes of one machine share theirs.
func TestInstanceOfAnother(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	open(t, s, nil)
	open(t, s, nil)
	q := open(t, s, func(c *Config) { c.Instance, c.Owner, c.Host = "", "another", "there" })
	q.Instance = "gw1"
	if err := q.takeInstance(t.Context()); !isRefused(err) || !strings.Contains(err.Error(), "instance gw1 is that of the host here too") {
		t.Errorf("%v", err)
	}
	c := q.Config
	if _, err := Open(t.Context(), c); !isRefused(err) || !strings.Contains(err.Error(), "instance gw1 is") {
		t.Errorf("a gateway of that name starts: %v", err)
	}
	if errs := Check(t.Context(), c); len(errs) != 1 || !strings.Contains(errs[0].Error(), "gw1 is that of") {
		t.Errorf("check says %v", errs)
	}
	c.Owner, c.Host = "me", "here"
	if errs := Check(t.Context(), c); len(errs) != 0 {
		t.Errorf("of its own name check says %v", errs)
	}
	q.health.named.Store(true) // it was its own before
	if err := q.takeInstance(t.Context()); err != nil {
		t.Errorf("%v", err)
	}
	q.Instance = "gw2"
	if err := q.takeInstance(t.Context()); err != nil {
		t.Errorf("%v", err)
	}
}

// TestStreams: streams that could lose jobs are refused by what is wrong with them, and
// a new size is set.
func TestStreams(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	if jobs := s.Streams["Q"]; jobs.Retention != jetstream.WorkQueuePolicy || jobs.MaxBytes != 1<<20 || jobs.Discard != jetstream.DiscardNew || !jobs.AllowAtomicPublish {
		t.Errorf("%+v", jobs)
	}
	for _, table := range []string{"Q_JOURNAL", "Q_STATE"} { // as earlier versions made them, or an upgrade would be refused
		if c := s.Streams[table]; c.Discard != jetstream.DiscardOld || c.MaxMsgsPerSubject != 1 || c.MaxBytes > 0 || !c.AllowMsgTTL || c.Retention != jetstream.LimitsPolicy {
			t.Errorf("%+v", c)
		}
	}
	q.MaxSize = 2 << 20
	if err := q.makeStreams(t.Context()); err != nil || s.Streams["Q"].MaxBytes != 2<<20 {
		t.Errorf("%v, %d bytes", err, s.Streams["Q"].MaxBytes)
	}
	s.Mu.Lock()
	s.Streams["Q_STATE"].MaxMsgsPerSubject = 7
	s.Mu.Unlock()
	_, err := Open(t.Context(), q.Config)
	checked := Check(t.Context(), q.Config)
	if len(checked) != 1 {
		t.Fatalf("check says %v", checked)
	}
	for what, err := range map[string]error{"made": q.makeStreams(t.Context()), "at the start": err, "checked": checked[0]} {
		if err == nil || !isRefused(err) || !strings.Contains(err.Error(), "stream Q_STATE has max_msgs_per_subject ") {
			t.Errorf("%s: %v", what, err)
		}
	}
	s.Mu.Lock()
	delete(s.Streams, "Q") // which the next start makes
	s.Mu.Unlock()
	if checked := Check(t.Context(), q.Config); len(checked) != 1 || !strings.Contains(checked[0].Error(), "stream Q_STATE has ") {
		t.Errorf("check says %v", checked)
	}
	for what, change := range map[string]func(*jetstream.StreamConfig){
		"replicas":             func(c *jetstream.StreamConfig) { c.Replicas = 5 },
		"retention":            func(c *jetstream.StreamConfig) { c.Retention = jetstream.InterestPolicy },
		"storage":              func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage },
		"discard":              func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld - c.Discard },
		"allow_atomic":         func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = !c.AllowAtomicPublish },
		"allow_direct":         func(c *jetstream.StreamConfig) { c.AllowDirect = true },
		"allow_msg_ttl":        func(c *jetstream.StreamConfig) { c.AllowMsgTTL = !c.AllowMsgTTL },
		"max_msgs_per_subject": func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 7 },
	} {
		for _, want := range q.streams() {
			have := want
			if have.MaxMsgsPerSubject == 0 {
				have.MaxMsgsPerSubject = -1 // as servers say it
			}
			if err := differs(have, want); err != nil {
				t.Errorf("%s as it must be: %v", want.Name, err)
			}
			change(&have)
			if err := differs(have, want); what != "discard" && (!isRefused(err) || !strings.Contains(err.Error(), "stream "+want.Name+" has "+what+" ")) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	q.Replicas = 3
	for code, want := range map[jetstream.ErrorCode]string{10074: "the server is in no cluster", 10005: "3 servers must be up", 10047: "3 servers must be up", 10023: "3 servers must be up"} {
		err := q.creating(&jetstream.APIError{ErrorCode: code})
		if !strings.Contains(err.Error(), want) || isRefused(err) != (code == 10074) {
			t.Errorf("%d: %v", code, err)
		}
	}
	if err := q.creating(io.EOF); err != io.EOF {
		t.Errorf("%v", err)
	}
}

// TestWorkers: consumers are known until they leave, by application and host.
func TestWorkers(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	if all, err := q.Workers(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
	for _, w := range []Worker{{App: "sms", Name: "a", Host: "x", By: "1"}, {App: "fax", Name: "b", Host: "y", By: "2", Held: 3, Begun: 2}, {App: "fax", Name: "b", Host: "x", By: "3", Down: true}, {App: "fax", Name: "b", Host: "x", By: "3", Held: 5}, {App: "fax", Name: "a", Host: "x", By: "5"}} {
		if err := q.Announce(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := q.js.Publish(t.Context(), "q.state.worker.future", []byte("<xml>")); err != nil {
		t.Fatal(err)
	}
	names := func() (got []string) {
		t.Helper()
		all, err := q.Workers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range all {
			if time.Since(w.Seen) > time.Minute {
				t.Errorf("%+v", w)
			}
			got = append(got, fmt.Sprint(w.App, w.Host, w.Name, w.Held))
		}
		return got
	}
	if got, want := names(), []string{"faxxa0", "faxxb5", "faxyb3", "smsxa0"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if err := q.Leave(t.Context(), "3"); err != nil {
		t.Fatal(err)
	}
	if got, want := names(), []string{"faxxa0", "faxyb3", "smsxa0"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
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
	s.Mu.Lock()
	s.Lost[s.Last("q.job.fax.>").Subject] = true
	s.Mu.Unlock()
	take(0) // once may be by chance
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
	for range 5 {
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

// TestSeen: what the queue says of its servers and its room.
func TestSeen(t *testing.T) {
	t.Parallel()
	s := queuetest.Start(t)
	q := open(t, s, nil)
	if name, changes := q.Leader(); name != "" || changes != 0 || len(q.Nodes()) != 1 || q.Nodes()[0].Name != "mq1" || q.conn.Status() != nats.CONNECTED {
		t.Errorf("%q, %d changes, %+v", name, changes, q.Nodes())
	}
	q.health.mu.Lock()
	if time.Since(q.health.proven) > proveEvery {
		t.Errorf("the settings of the servers were proven at %v", q.health.proven)
	}
	q.health.mu.Unlock()
	for i, leader := range []string{"a", "a", "b"} {
		s.Mu.Lock()
		s.Leader, s.Size = leader, 1000
		s.Mu.Unlock()
		if err := q.See(t.Context()); err != nil {
			t.Fatal(err)
		}
		if name, changes := q.Leader(); name != leader || changes != int64(i/2) {
			t.Errorf("%q, %d changes", name, changes)
		}
	}
	if n := q.Nodes(); len(n) != 2 || !n[0].Leads || n[0].State() != "leader" || n[1].Name != "other" || n[1].State() != "up" {
		t.Errorf("%+v", n)
	}
	if room, err := q.Room(); err != nil || room != 1<<20-1000 || q.Free() != room || q.Used() != 1000 || q.Most() != 1<<20 {
		t.Errorf("%d, %v, used %d of %d", room, err, q.Used(), q.Most())
	}
	s.Mu.Lock()
	s.Size = 2 << 20
	s.Mu.Unlock()
	if err := q.See(t.Context()); err != nil || q.Free() != 0 {
		t.Errorf("%v, more than full: %d", err, q.Free())
	}
	if got := (Node{Up: true, Behind: 9}).State() + ", " + (Node{}).State(); got != "behind by 9, down" {
		t.Error(got)
	}
	s.Mu.Lock()
	s.Streams = map[string]*jetstream.StreamConfig{}
	s.Mu.Unlock()
	if err := q.See(t.Context()); err != nil { // the first gateway makes it
		t.Errorf("%v", err)
	}
}

// TestNoAnswerIsWithdrawn: jobs of which no server says that it has them are withdrawn, so
// that the sender's next try makes them once; unless a consumer was faster.
func TestNoAnswerIsWithdrawn(t *testing.T) {
	t.Parallel()
	for _, begun := range []bool{false, true} {
		s := queuetest.Start(t)
		q := open(t, s, func(c *Config) { c.CommitTimeout = 100 * time.Millisecond })
		b := q.NewBatch()
		j, err := b.NewJob("fax")
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Control([]byte("x")); err != nil || j.ID() != "1" {
			t.Fatal(err)
		}
		if err := b.Stage(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Mu.Lock()
		s.Silent = func(subject string) bool { return strings.HasPrefix(subject, "q.job.") } // it has them all the same
		s.Mu.Unlock()
		if begun {
			if _, err := q.journal.put(t.Context(), journalKey(b.key, 0), Entry{State: Begun, By: "me"}.encode(), 0, 0); err != nil {
				t.Fatal(err)
			}
		}
		err = b.Commit(t.Context())
		if (err == nil) != begun || errors.Is(err, ErrUnknown) {
			t.Errorf("begun %t: %v", begun, err)
		}
		if list := each(t, q, "fax"); len(list) == 1 != begun {
			t.Errorf("begun %t: %+v", begun, list)
		}
	}
}

// TestCollector: the metrics are those of the whole cluster; jobs that nobody can count
// now are missing, and not none.
func TestCollector(t *testing.T) {
	t.Parallel()
	s, log := queuetest.Start(t), new(mtatest.Log)
	q := open(t, s, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(log, nil)) })
	bring(t, q, "fax", "x", "y")
	fetch(t, q, "fax", 1)
	for _, w := range []Worker{{App: "fax", Name: "a", Host: "x", By: "1", Held: 1, Begun: 1}, {App: "fax", Name: "a", Host: "x", By: "2", Held: 2, Down: true}, {App: "another", Name: "a", Host: "x", By: "3"}} {
		if err := q.Announce(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	s.Mu.Lock()
	s.Leader, s.Size = "mq1", 77
	s.Mu.Unlock()
	if err := q.See(t.Context()); err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(q.Collector(func() []string { return []string{"fax", "sms"} }))
	gather := func() (got []string) {
		t.Helper()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				line := strings.TrimPrefix(f.GetName(), "smtpreceiver_queue_")
				for _, l := range m.GetLabel() {
					line += " " + l.GetValue()
				}
				if line == "oldest_seconds fax" {
					line += " of some time"
					if age := m.GetGauge().GetValue(); age <= 0 || age > 60 {
						t.Errorf("the oldest job is %v s old", age)
					}
				} else {
					line += fmt.Sprint(" ", m.GetGauge().GetValue()+m.GetCounter().GetValue())
				}
				got = append(got, line)
			}
		}
		return got
	}
	of := []string{
		"begun_jobs fax a x 1", "bytes 77", "connected 1", "consumers fax 2", "consumers sms 0", "held_jobs fax a x 3",
		"jobs fax given 1", "jobs fax new 1", "jobs sms given 0", "jobs sms new 0", "leader_changes_total 0", "max_bytes 1.048576e+06",
		"oldest_seconds fax of some time", "oldest_seconds sms 0", "ready 1", "server_behind mq1 0", "server_behind other 0", "server_up mq1 1", "server_up other 1", "target_down fax a x 1",
	}
	if got := gather(); !slices.Equal(got, of) {
		t.Errorf("got  %q\nwant %q", got, of)
	}
	s.Mu.Lock()
	state := s.Streams["Q_STATE"]
	delete(s.Streams, "Q_STATE")
	s.Mu.Unlock()
	unknown := slices.DeleteFunc(slices.Clone(of), func(line string) bool {
		name, _, _ := strings.Cut(line, " ")
		return slices.Contains([]string{"begun_jobs", "consumers", "held_jobs", "target_down"}, name)
	})
	if got := gather(); !slices.Equal(got, unknown) {
		t.Errorf("consumers are not known: got  %q\nwant %q", got, unknown)
	}
	if !strings.Contains(log.String(), "metrics of the consumers of the queue are missing") {
		t.Errorf("no word of the consumers: %s", log)
	}
	s.Mu.Lock()
	s.Streams["Q_STATE"] = state
	jobs, consumers := s.Streams["Q"], s.Consumers
	delete(s.Streams, "Q")
	s.Consumers = nil
	s.Mu.Unlock()
	uncounted := slices.DeleteFunc(slices.Clone(unknown), func(line string) bool {
		return strings.HasPrefix(line, "jobs ") || strings.HasPrefix(line, "oldest_seconds ")
	})
	if got := gather(); !slices.Equal(got, uncounted) || !strings.Contains(log.String(), "metrics of the queue are missing") {
		t.Errorf("jobs are not known: got  %q\nwant %q; log %s", got, uncounted, log)
	}
	s.Mu.Lock()
	s.Streams["Q"], s.Consumers = jobs, consumers
	s.Mu.Unlock()
	q.cancel()
	q.running.Wait() // else the next look at the cluster says that all is well
	q.health.mu.Lock()
	q.health.err, q.health.seen = refused("too old"), time.Time{}
	q.health.mu.Unlock()
	down := slices.DeleteFunc(slices.Clone(of), func(line string) bool {
		name, _, _ := strings.Cut(line, " ")
		return slices.Contains([]string{"begun_jobs", "consumers", "held_jobs", "jobs", "oldest_seconds", "target_down"}, name)
	})
	down[slices.Index(down, "ready 1")] = "ready 0"
	if got := gather(); !slices.Equal(got, down) {
		t.Errorf("not ready: got  %q\nwant %q", got, down)
	}
}

// TestOwner: a folder keeps its name, on the machine where the name was given.
func TestOwner(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	a, b := t.TempDir(), t.TempDir()
	owner := func(folder string) string {
		t.Helper()
		if got, err := ReadOwner(folder, "name"); err != nil || got != "" {
			t.Errorf("before there is one: %q, %v", got, err)
		}
		got, err := Owner(folder, "name")
		if err != nil || !strings.HasSuffix(got, "@"+host) || len(got) < len(host)+20 {
			t.Errorf("%q, %v", got, err)
		}
		for _, again := range []func(string, string) (string, error){Owner, ReadOwner} {
			if second, err := again(folder, "name"); err != nil || second != got {
				t.Errorf("%q, %v, was %q", second, err, got)
			}
		}
		return got
	}
	if first, second := owner(a), owner(b); first == second {
		t.Errorf("two folders are %s", first)
	}
	c := t.TempDir()
	if err := os.WriteFile(filepath.Join(c, "name"), nil, 0o600); err != nil { // of a full disk
		t.Fatal(err)
	}
	owner(c)
	for _, folder := range []string{a, c} {
		if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
			t.Errorf("beside the name: %v, %v", left, err)
		}
	}
	if _, err := Owner(filepath.Join(a, "none"), "name"); err == nil {
		t.Error("a folder that is not there has a name")
	}
	if err := os.Mkdir(filepath.Join(a, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Owner(a, "folder"); err == nil {
		t.Error("a folder in the place of the file is a name")
	}
}

// TestConnectionLost: a connection that is lost is made again, which is said, and jobs are
// taken on it.
func TestConnectionLost(t *testing.T) {
	t.Parallel()
	s, log := queuetest.Start(t), new(mtatest.Log)
	q := open(t, s, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(log, nil)) })
	eventually(t, "a word that it takes jobs", func() bool { return strings.Count(log.String(), "the queue takes jobs") == 1 })
	for n := 1; n < 3; n++ {
		s.HangUp()
		eventually(t, "another connection", func() bool { return strings.Count(log.String(), "connected to the queue") == n })
		if err := q.Ready(); err != nil {
			t.Error(err)
		}
		q.health.mu.Lock()
		if !q.health.lost.IsZero() {
			t.Errorf("lost since %v", q.health.lost)
		}
		q.health.mu.Unlock()
		bring(t, q, "fax", "x")
	}
	if list := each(t, q, "fax"); len(list) != 2 {
		t.Errorf("%d jobs", len(list))
	}
}
