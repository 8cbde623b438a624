package core

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"smtpreceiver/core/explained"
	"smtpreceiver/core/output"
	"smtpreceiver/core/reply"
)

// staging of a message to n recipients.
func (b *bench) stageFor(t *testing.T, n int, mail string) error {
	t.Helper()
	ctx := context.Background()
	trx := b.Begin(localhost)
	defer trx.Abort()
	if _, err := trx.Sender("a@b.example", Envelope{}); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, err := trx.Recipient(ctx, fmt.Sprintf("%d@fax", i+1), RecipientOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := trx.Write(withCRLF(mail)); err != nil {
		t.Fatal(err)
	}
	return trx.Stage(ctx)
}

// One small mail must not become a million files: recipients times attachments
// have a limit of their own, and what is past it costs next to nothing.
func TestRecipientsTimesAttachments(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	begun := time.Now()
	err := b.stageFor(t, 1000, manyParts(998))
	took := time.Since(begun)
	var refusal *reply.Reply
	if !errors.As(err, &refusal) || refusal.Code != 552 || refusal.Enhanced != [3]int{5, 3, 4} || refusal.Reason != reply.ReasonSize {
		t.Errorf("1,000 recipients, 998 attachments: %v", err)
	}
	if took > 2*time.Second { // for the busiest of machines
		t.Errorf("the refusal took %v", took)
	}
	if files := b.files(t, "fax"); len(files) > 0 {
		t.Errorf("left over: %d files", len(files))
	}
	b = open(t, "max_files_per_message: 12\n"+spooling)
	for attachments, refused := range map[int]bool{2: false, 3: true} { // 3 recipients: 12 files, 15 files
		if err := b.stageFor(t, 3, manyParts(attachments)); (err != nil) != refused {
			t.Errorf("%d attachments: %v", attachments, err)
		}
	}
}

// Free space is asked again while the jobs are written: their texts are as many
// times the message as there are recipients.
func TestSpaceIsAskedForEachJob(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	var asked atomic.Int64
	b.rules.Load().Settings.MinFreeSpace = 1
	b.output = &withRoom{Output: b.output, room: func() uint64 {
		if asked.Add(1) > 10+5 { // 10 at RCPT
			return 0
		}
		return 1 << 40
	}}
	err := b.stageFor(t, 10, "Subject: x\n\ntext\n")
	var refusal *reply.Reply
	if !errors.As(err, &refusal) || refusal.Code != 452 || refusal.Reason != reply.ReasonSpace {
		t.Errorf("the disk is full at the sixth job: %v", err)
	}
	if files := b.files(t, "fax"); len(files) > 0 {
		t.Errorf("left over: %q", files)
	}
}

// TestSpaceForArchives: archives are unpacked in state_directory, which needs the room
// too: for whom it concerns, before anything is unpacked, and as far as /readyz and
// explain can tell beforehand.
func TestSpaceForArchives(t *testing.T) {
	t.Parallel()
	b := openUnpacking(t, "  sms: {output_folder: '{dir}/sms', ctl_type: sms, addresses: '\\d+@sms$'}\n")
	const plenty = 1 << 63
	out := &withRoom{Output: b.output, room: func() uint64 { return plenty }, scratch: plenty}
	b.output = out
	s := b.rules.Load().Settings
	s.MinFreeSpace = 1 << 62
	mail := mailWith("a.zip", zipped(t, "a.txt", "a"))
	if err := b.stageFor(t, 1, mail); err != nil || out.unpacked.Load() != 1 {
		t.Fatalf("unpacked %d times: %v", out.unpacked.Load(), err)
	}

	trx := b.Begin(localhost)
	defer trx.Abort()
	if _, err := trx.Sender("a@b.example", Envelope{}); err != nil {
		t.Fatal(err)
	}
	if got := verdict(trx.Recipient(t.Context(), "1@fax", RecipientOptions{})); got != "divert" {
		t.Fatalf("at RCPT: %s", got)
	}
	if _, err := trx.Write(withCRLF(mail)); err != nil {
		t.Fatal(err)
	}
	out.scratch = 1<<62 - 1
	wantNoRoom := func(when string, err error) {
		t.Helper()
		var refusal *reply.Reply
		if !errors.As(err, &refusal) || refusal.Code != 452 || refusal.Reason != reply.ReasonSpace || !strings.Contains(fmt.Sprint(refusal.Cause), "state_directory") {
			t.Errorf("%s: %v", when, err)
		}
	}
	wantNoRoom("at the end of the message", trx.Stage(t.Context()))
	if n := out.unpacked.Load(); n != 1 {
		t.Errorf("unpacked %d times", n)
	}
	wantNoRoom("at MAIL", b.Space(t.Context()))
	trx = b.Begin(localhost)
	defer trx.Abort()
	if _, err := trx.Sender("a@b.example", Envelope{}); err != nil {
		t.Fatal(err)
	}
	_, err := trx.Recipient(t.Context(), "1@fax", RecipientOptions{})
	wantNoRoom("at RCPT", err)
	if got := verdict(trx.Recipient(t.Context(), "1@sms", RecipientOptions{})); got != "divert" {
		t.Errorf("nothing is unpacked for sms: %s", got)
	}
	if err := b.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "application fax: state_directory: ") || strings.Contains(err.Error(), "application sms") {
		t.Errorf("ready: %v", err)
	}

	e := explain(t, b, Question{Milter: true, Client: localhost, Sender: "a@b.example", Recipients: []string{"1@fax", "1@sms"}})
	for i, want := range []string{"state_directory: ", "output folder "} { // none has so much
		if r := e.Recipients[i].Reply; r == nil || r.Code != 452 || !strings.HasPrefix(r.Cause, want) {
			t.Errorf("explain of %s: %+v", e.Recipients[i].Given, r)
		}
	}
	// It cannot be asked by any user: explain says what it can.
	s.MinFreeSpace, s.StateDirectory = 1, filepath.Join(b.dir, "missing")
	if e = explain(t, b, Question{Milter: true, Client: localhost, Sender: "a@b.example", Recipients: []string{"1@fax"}}); e.Recipients[0].Outcome != explained.OutcomeTaken {
		t.Errorf("explain: %+v", e.Recipients[0])
	}
}

// withRoom is an output whose room is made up.
type withRoom struct {
	output.Output
	room     func() uint64
	scratch  uint64
	unpacked atomic.Int64
}

func (w *withRoom) Room(context.Context, string) (uint64, error) { return w.room(), nil }

func (w *withRoom) ScratchRoom() (uint64, error) { return w.scratch, nil }

func (w *withRoom) TempDir() (string, error) {
	w.unpacked.Add(1)
	return w.Output.TempDir()
}
