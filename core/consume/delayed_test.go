package consume

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/consume/folder"
)

// TestDelayedOf: who has heard that a job failed, or that it waits from another consumer,
// hears of no delay; what cannot be read now is looked at again.
func TestDelayedOf(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		told, journal string
		letter, over  bool
	}{
		"asked for it":          {letter: true, over: true},
		"failure heard":         {told: `"failed"`, over: true},
		"delay heard":           {told: `"delayed"`, over: true},
		"by another consumer":   {journal: `{"state":"waiting","key":"KEY","delayed":true}`, over: true},
		"judged":                {journal: `{"state":"failed","key":"KEY"}`, over: true},
		"a journal that is bad": {journal: "no journal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, &fake{})
			reporting(&o, "")
			log := logged(&o)
			c, box := outbox(t, o)
			addReported(t, o, "1", "DELAY")
			request := filepath.Join(o.Folder, "1.report")
			q, err := os.ReadFile(request)
			if err != nil {
				t.Fatal(err)
			}
			write(t, request, strings.Replace(string(q), `"sender"`, `"told":[`+tt.told+`],"sender"`, 1))
			if tt.journal != "" {
				move(t, o, "1.ctl", ".consume/1.ctl")
				write(t, filepath.Join(o.Folder, ".consume/1.json"), tt.journal)
			}
			over, err := c.newReporter(box).delayed("1")
			if over != tt.over || (err == nil) != tt.over {
				t.Errorf("over: %v, %v", over, err)
			}
			if letters, err := filepath.Glob(filepath.Join(folder.OutboxPath(o.Folder), "*.delayed")); err != nil || (len(letters) == 1) != tt.letter {
				t.Errorf("%q, %v", letters, err)
			}
			c.order.add(&entry{stem: "1", since: 1})
			done := map[string]bool{}
			if c.newReporter(box).tellDelays(t.Context(), done); done["1"] != tt.over || (log.count("level=ERROR", "job=1") > 0) == tt.over {
				t.Errorf("done with it: %v; trouble: %d", done, log.count("level=ERROR"))
			}
			if held, err := c.folder.Take("1"); tt.letter && (err != nil || !held.Journal.Delayed || held.Release() != nil) {
				t.Errorf("the next consumer does not know of it: %v", err)
			}
		})
	}
}

// TestDelayedOnce: who hands on once in a while tells of delays, too, once a job.
func TestDelayedOnce(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	o := options(t, &fake{submit: func(*Job) error { return errors.New("busy") }})
	reporting(&o, sink.Addr)
	o.Reports.DelayAfter = time.Nanosecond
	addReported(t, o, "1", "DELAY")
	addReported(t, o, "2", "")
	for range 2 {
		if left := drain(t, o); left != 2 {
			t.Errorf("%d left", left)
		}
		wantTold(t, sink, "1@x.test delayed")
	}
}

// TestIncompleteAfterFailure: a job that is tried again and handed on in part tells only who
// asked for success what it has not heard.
func TestIncompleteAfterFailure(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	target := &fake{submit: refuse}
	o := options(t, target)
	reporting(&o, sink.Addr)
	addReported(t, o, "1", "")
	addReported(t, o, "2", "SUCCESS,FAILURE")
	addReported(t, o, "3", "SUCCESS")
	drain(t, o)
	wantTold(t, sink, "1@x.test failed", "2@x.test failed")
	target.submit = func(j *Job) error { j.Remark("left out: x.mp4"); return nil }
	for _, stem := range []string{"1", "2", "3"} {
		retry(t, o, stem)
	}
	drain(t, o)
	wantTold(t, sink, "1@x.test failed", "2@x.test failed", "2@x.test relayed", "3@x.test relayed")
}
