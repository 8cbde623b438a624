package core

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
	b.output = withRoom{b.output, func() uint64 {
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

// Archives are unpacked in state_directory, which needs the room too.
func TestSpaceForArchives(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	rules := b.rules.Load()
	rules.Settings.MinFreeSpace = 1 << 62
	b.output = withRoom{b.output, func() uint64 { return 1 << 63 }}
	if err := b.stageFor(t, 1, "Subject: x\n\ntext\n"); err != nil {
		t.Errorf("nothing is unpacked: %v", err)
	}
	for _, app := range rules.Apps {
		app.Conf.Dearchive = map[string][]string{"zip": {"bsdtar"}}
	}
	err := b.stageFor(t, 1, "Subject: x\n\ntext\n")
	var refusal *reply.Reply
	if !errors.As(err, &refusal) || refusal.Reason != reply.ReasonSpace || !strings.Contains(fmt.Sprint(refusal.Cause), "state_directory") {
		t.Errorf("no room in state_directory: %v", err)
	}
}

// withRoom is an output whose room is made up.
type withRoom struct {
	output.Output
	room func() uint64
}

func (w withRoom) Room(context.Context, string) (uint64, error) { return w.room(), nil }
