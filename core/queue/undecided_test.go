package queue

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/queue/queuetest"
)

// leader is the servers as the tests below want them: each write gets the next
// answer, each read what is there then.
type leader struct {
	jetstream.JetStream
	writes []error
	acks   []*jetstream.PubAck
	there  func(write int, subject string) []byte // behind so many writes; nil: nothing
	done   int
	asked  int
	sent   [][]byte
}

func (l *leader) PublishMsg(_ context.Context, m *nats.Msg, _ ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	l.sent = append(l.sent, m.Data)
	n := min(l.done, len(l.writes)-1)
	l.done++
	if l.acks != nil && l.writes[n] == nil {
		return l.acks[n], nil
	}
	return &jetstream.PubAck{Sequence: 7}, l.writes[n]
}

func (l *leader) Publish(ctx context.Context, subject string, data []byte, o ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	return l.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: data}, o...)
}

// Stream has no answer to the first question.
func (l *leader) Stream(ctx context.Context, _ string) (jetstream.Stream, error) {
	if l.asked++; l.asked == 1 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return stream{of: l}, nil
}

// TestAskedAgain: the answer of a server that lost the lead is not waited for.
func TestAskedAgain(t *testing.T) {
	t.Parallel()
	l := &leader{writes: []error{nil}}
	q := l.over()
	q.handles.Clear()
	ctx, cancel := context.WithTimeout(t.Context(), tryTimeout)
	defer cancel()
	if _, err := q.stream(ctx); err != nil || l.asked != 2 {
		t.Errorf("asked %d times, %v", l.asked, err)
	}
}

// stream is read from a leader.
type stream struct {
	jetstream.Stream
	of *leader
}

func (s stream) GetLastMsgForSubject(_ context.Context, subject string) (*jetstream.RawStreamMsg, error) {
	if data := s.of.there(s.of.done, subject); data != nil {
		return &jetstream.RawStreamMsg{Sequence: 7, Data: data}, nil
	}
	return nil, jetstream.ErrMsgNotFound
}

// over is a queue at these servers.
func (l *leader) over() *Queue {
	q := &Queue{js: l, Config: Config{Name: "q", Instance: "gw1", CommitTimeout: time.Second}}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	q.journal = &table{q, q.streamName("_JOURNAL"), "q.journal."}
	for _, name := range []string{"", "_JOURNAL"} {
		q.handles.Store(q.streamName(name), jetstream.Stream(stream{of: l}))
	}
	return q
}

var (
	errSilent   = context.DeadlineExceeded
	errOnItsWay = &jetstream.APIError{ErrorCode: jetstream.JSErrCodeStreamWrongLastSequence}
)

// TestWithdrawalMeetsItself: a withdrawal whose first try has no answer is refused
// while that try is on its way. It is not a consumer that was faster, which would be
// told to the client as 250.
func TestWithdrawalMeetsItself(t *testing.T) {
	t.Parallel()
	limited := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 2*tryAgain+500*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	arrives := &leader{writes: []error{errSilent, errOnItsWay, errOnItsWay}}
	arrives.there = func(write int, _ string) []byte {
		if write < 3 {
			return nil
		}
		return arrives.sent[0]
	}
	if created, err := (&Batch{queue: arrives.over(), key: "K"}).withdrawn(limited()); !created || err != nil {
		t.Errorf("one that arrives in the end: %t, %v", created, err)
	}
	never := &leader{writes: []error{errSilent, errOnItsWay}, there: func(int, string) []byte { return nil }}
	if _, err := (&Batch{queue: never.over(), key: "K"}).withdrawn(limited()); err == nil {
		t.Error("one that does not arrive is decided")
	}
	unread := &leader{writes: []error{errOnItsWay}, there: func(int, string) []byte { return nil }}
	if _, err := (&Batch{queue: unread.over(), key: "K"}).withdrawn(limited()); err == nil {
		t.Error("one of an earlier call that does not arrive is decided")
	}
	// The next call has another time in its entry.
	earlier := &leader{writes: []error{errOnItsWay}, there: func(_ int, subject string) []byte {
		if subject != "q.journal.K.0" { // that of the first job stands for all
			return nil
		}
		return Entry{State: Withdrawn, By: "gw1"}.encode()
	}}
	if created, err := (&Batch{queue: earlier.over(), key: "K"}).withdrawn(limited()); !created || err != nil {
		t.Errorf("one of an earlier call: %t, %v", created, err)
	}
	faster := &leader{writes: []error{errOnItsWay}, there: func(int, string) []byte { return Entry{State: Begun, By: "other"}.encode() }}
	if created, err := (&Batch{queue: faster.over(), key: "K"}).withdrawn(limited()); created || err != nil {
		t.Errorf("a consumer that was faster: %t, %v", created, err)
	}
}

// TestWithdrawnLater: what becomes of jobs without an answer is found out in the end, and said.
func TestWithdrawnLater(t *testing.T) {
	t.Parallel()
	full := &jetstream.APIError{ErrorCode: codeStorageFull}
	begun := func(int, string) []byte { return Entry{State: Begun, By: "other"}.encode() }
	for want, l := range map[string]*leader{
		"are withdrawn; none was made":      {writes: []error{full, nil}},
		"handed on before they could be":    {writes: []error{full, errOnItsWay}, there: begun},
		"could not be withdrawn before the": {writes: []error{full}},
	} {
		q, log := l.over(), new(mtatest.Log)
		q.Log = slog.New(slog.NewTextHandler(log, nil))
		if len(l.writes) == 1 {
			q.cancel()
		}
		(&Batch{queue: q, key: "K", jobs: []*BatchJob{{job: Job{Stem: "gw1-00000001"}}}}).withdrawLater()
		if lines := log.String(); !strings.Contains(lines, want) || !strings.Contains(lines, "gw1-00000001") || strings.Count(lines, "\n") != 1 {
			t.Errorf("%q: %s", want, lines)
		}
	}
}

// TestKnownIsNotStored: what the servers say they know of an earlier try counts once it
// can be read, or a consumer has begun it.
func TestKnownIsNotStored(t *testing.T) {
	t.Parallel()
	known := []*jetstream.PubAck{{Sequence: 7, Duplicate: true}}
	for _, tt := range []struct {
		name    string
		message bool
		entry   *Entry
		want    string
	}{
		{"nothing is there", false, nil, "not there"},
		{"the message is there", true, nil, ""},
		{"a consumer was done with it", false, &Entry{State: Done}, ""},
	} {
		l := &leader{writes: []error{nil}, acks: known}
		l.there = func(_ int, subject string) []byte {
			switch {
			case strings.HasPrefix(subject, "q.job.") && tt.message:
				return []byte("x")
			case subject == "q.journal.K.1" && tt.entry != nil: // of the last job
				return tt.entry.encode()
			}
			return nil
		}
		b := &Batch{queue: l.over(), key: "K", jobs: make([]*BatchJob, 2)}
		err := b.stored(t.Context(), "q.job.x")
		if (err == nil) != (tt.want == "") || err != nil && (!judge(err).unclear || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err := b.queue.publishOne(t.Context(), nats.NewMsg("q.job.x")); !errors.Is(err, errKnown) {
			t.Errorf("%s: a duplicate is answered with %v", tt.name, err)
		}
	}
	if a := judge(&jetstream.APIError{ErrorCode: codeBatchKnown}); a.err == nil {
		t.Error("a batch that is known counts as stored")
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
