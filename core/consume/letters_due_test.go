package consume

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/consume/folder"
)

// TestNotDue: a report whose next try is later is not read, every few seconds, until then;
// what is wrong with it is said when it is due.
func TestNotDue(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	o := options(t, &fake{})
	reporting(&o, sink.Addr)
	log := logged(&o)
	c, box := outbox(t, o)
	r := c.newReporter(box)
	name := putLetter(t, box, "1", time.Now())
	write(t, filepath.Join(folder.OutboxPath(o.Folder), name), "no letter")
	for tries, next := range []time.Duration{time.Hour, -time.Hour} {
		if err := box.Note(name, folder.Tried{Times: 1, Next: time.Now().Add(next)}); err != nil {
			t.Fatal(err)
		}
		if r.round(t.Context()); log.count("is no report") != tries {
			t.Errorf("next try in %v: log:\n%s", next, log.all())
		}
	}
}

// TestOnceARun: where each has one try, a report that was put off is not sent again.
func TestOnceARun(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{Replies: []mtatest.Reply{{On: mtatest.OnRCPT, Text: "450 4.2.0 later"}}})
	o := options(t, &fake{})
	reporting(&o, sink.Addr)
	log := logged(&o)
	c, box := outbox(t, o)
	c.once = true
	r := c.newReporter(box)
	for i, stem := range []string{"1", "2"} {
		putLetter(t, box, stem, time.Now())
		for range 2 {
			if r.round(t.Context()); log.count("report not sent yet", "try=1") != i+1 || log.count("try=2") != 0 {
				t.Errorf("of %d reports:\n%s", i+1, log.all())
			}
		}
	}
}

// TestFailureTakenBack: a failure that could not be sent yet is not told once the job was
// tried again and is done; those of other jobs, and what is still true, wait on.
func TestFailureTakenBack(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{Replies: []mtatest.Reply{{On: mtatest.OnDot, Match: "Action: failed", Text: "450 4.2.0 later"}}})
	target := &fake{submit: refuse}
	o := options(t, target)
	reporting(&o, sink.Addr)
	for stem, notify := range map[string]string{"1": "", "2": "SUCCESS,FAILURE", "3": "", "11": ""} {
		addReported(t, o, stem, notify)
	}
	wantUnsent := func(left int, stems ...string) {
		t.Helper()
		n, err := New(o).Drain(t.Context())
		var letters []string
		for _, stem := range []string{"1", "2", "3", "11"} {
			if found, _ := filepath.Glob(filepath.Join(folder.OutboxPath(o.Folder), stem+"-*.final")); len(found) > 0 {
				letters = append(letters, stem)
			}
		}
		if n != left || err == nil || !slices.Equal(letters, stems) {
			t.Errorf("%d left, %q wait, %v", n, letters, err)
		}
	}
	wantUnsent(4, "1", "2", "3", "11")
	target.submit = func(j *Job) error {
		if j.Stem == "3" {
			return refuse(j)
		}
		return nil
	}
	for _, stem := range []string{"1", "2", "3"} {
		retry(t, o, stem)
	}
	wantUnsent(1, "3", "11")
	wantTold(t, sink, "2@x.test relayed")
}
