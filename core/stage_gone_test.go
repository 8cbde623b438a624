package core

import (
	"context"
	"fmt"
	"testing"

	"smtpreceiver/core/job"
	"smtpreceiver/core/output"
)

// goneAtFirst is an output during whose first job the client goes away.
type goneAtFirst struct {
	output.Output
	gone context.CancelFunc
	made int
}

type goneAtFirstBatch struct {
	output.Batch
	first *goneAtFirst
}

func (g *goneAtFirst) NewBatch() output.Batch { return goneAtFirstBatch{g.Output.NewBatch(), g} }

func (b goneAtFirstBatch) NewJob(destination string) (job.Job, error) {
	b.first.made++
	b.first.gone()
	return b.Batch.NewJob(destination)
}

// TestStageEndsWithTheClient: no further job is written for a client that is
// gone, however many recipients the message has.
func TestStageEndsWithTheClient(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	ctx, cancel := context.WithCancel(t.Context())
	out := &goneAtFirst{Output: b.output, gone: cancel}
	b.output = out
	x := b.Begin(localhost)
	t.Cleanup(x.Abort)
	if _, err := x.Sender("a@b.example", Envelope{}); err != nil {
		t.Fatal(err)
	}
	for n := range 10 {
		if _, err := x.Recipient(t.Context(), fmt.Sprintf("%d@sms", n+1), RecipientOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	write(t, x, mail)
	if err := x.Stage(ctx); err == nil {
		t.Error("staged for a client that is gone")
	}
	if out.made != 1 {
		t.Errorf("%d jobs were written, want 1", out.made)
	}
}
