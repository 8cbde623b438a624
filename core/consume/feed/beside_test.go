package feed

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/consume"
	"smtpreceiver/core/queue/queuetest"
)

// slow is a target that has the jobs it is given, after a while.
type slow struct {
	given chan string
	on    chan struct{}
}

func (slow) Prepare(context.Context, *consume.Job) (string, error) { return "", nil }

func (s slow) Submit(_ context.Context, j *consume.Job) error {
	s.given <- j.Stem
	<-s.on
	return nil
}

func (slow) Has(context.Context, *consume.Job) (consume.Answer, error) { return consume.No, nil }

// TestOnceBeside: jobs that wait at a consumer, and that one with --once throws out of the
// folder of both as it starts, come again.
func TestOnceBeside(t *testing.T) {
	t.Parallel()
	q := open(t, queuetest.Start(t))
	publish(t, q, "one", "two", "three")
	dir := t.TempDir()
	target := slow{make(chan string, 9), make(chan struct{})}
	c := consume.New(consume.Options{
		Name: "out", App: "fax", Folder: dir, Done: filepath.Join(dir, ".done"), Failed: filepath.Join(dir, ".failed"),
		Decode: func(b []byte) string { return string(b) }, Target: target, Identity: "one for all",
		Source:     New(Options{Queue: q, App: "fax", Name: "out", Me: "a", Host: "a", Ahead: 3, Log: slog.New(slog.DiscardHandler)}),
		RetryDelay: time.Minute, RetryDelayMax: time.Minute, GiveUpAfter: time.Hour, Timeout: time.Minute, PollInterval: time.Second,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	mtatest.Receive(t, "a job", target.given)
	for end := time.Now().Add(20 * time.Second); c.Waiting().Waiting < 3; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("jobs do not come")
		}
	}
	once(t, q, dir, "a", target)
	close(target.on)
	for range 2 {
		mtatest.Receive(t, "a job that was thrown out", target.given)
	}
	stop()
	if err := mtatest.Receive(t, "the consumer to end", ended); err != nil {
		t.Error(err)
	}
}
