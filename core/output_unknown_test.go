package core

import (
	"context"
	"errors"
	"strings"
	"testing"

	"smtpreceiver/core/output"
	"smtpreceiver/core/reply"
)

// unsure is an output whose commits get no answer.
type unsure struct{ output.Output }

type unsureBatch struct{ output.Batch }

func (u unsure) NewBatch() output.Batch { return unsureBatch{u.Output.NewBatch()} }

func (b unsureBatch) Commit(ctx context.Context) error {
	b.Batch.Abort()
	return output.ErrUnknown
}

func (b unsureBatch) Assure(context.Context) error { return errors.New("no quorum") }

// TestAssure: an output that could not take the jobs now says so before anything
// that cannot be taken back; folders, and messages without jobs, have nothing to say.
func TestAssure(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	staged := func(rcpts ...string) *Transaction {
		x := b.Begin(localhost)
		t.Cleanup(x.Abort)
		if _, err := x.Sender("a@b.example", Envelope{}); err != nil {
			t.Fatal(err)
		}
		for _, rcpt := range rcpts {
			if _, err := x.Recipient(t.Context(), rcpt, RecipientOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		write(t, x, mail)
		if err := x.Stage(t.Context()); err != nil {
			t.Fatal(err)
		}
		return x
	}
	for _, rcpts := range [][]string{{"1@sms"}, {"b@c.example"}} {
		if err := staged(rcpts...).Assure(t.Context()); err != nil {
			t.Errorf("%s: %v", rcpts, err)
		}
	}
	b.output = unsure{b.output}
	if err := staged("b@c.example").Assure(t.Context()); err != nil {
		t.Errorf("a message without jobs: %v", err)
	}
	err := staged("1@sms").Assure(t.Context())
	if r := reply.Of(err); err == nil || r.Code != 451 || r.Enhanced != [3]int{4, 3, 0} {
		t.Errorf("answered %v, want 451 4.3.0", err)
	}
}

// TestUnknownCommit: a commit without an answer is no 250, and the log names
// the jobs that there may be.
func TestUnknownCommit(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	b.output = unsure{b.output}
	x := b.Begin(localhost)
	defer x.Abort()
	if _, err := x.Sender("a@b.example", Envelope{}); err != nil {
		t.Fatal(err)
	}
	for _, rcpt := range []string{"1@sms", "2@fax"} {
		if _, err := x.Recipient(t.Context(), rcpt, RecipientOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	write(t, x, mail)
	if err := x.Stage(t.Context()); err != nil {
		t.Fatal(err)
	}
	jobs := x.Jobs()
	err := x.Commit(t.Context())
	if err == nil {
		t.Fatal("committed")
	}
	if r := reply.Of(err); r.Code != 451 || r.Enhanced != [3]int{4, 3, 0} {
		t.Errorf("answered %v, want 451 4.3.0", r)
	}
	x.Abort()
	log := b.log.String()
	if !strings.Contains(log, "level=ERROR") || strings.Contains(log, "msg=job") {
		t.Errorf("no error in the log, or a job that is none:\n%s", log)
	}
	for _, stem := range jobs {
		if !strings.Contains(log, stem) {
			t.Errorf("log does not name %s:\n%s", stem, log)
		}
	}
}
