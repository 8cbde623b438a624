package consume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

// TestDelayed: who asked for it is told once that a job waits, and afterwards how
// it ended.
func TestDelayed(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	target := &fake{submit: func(j *Job) error { return errors.New("busy") }}
	o := options(t, target)
	reporting(&o, sink.Addr)
	o.Reports.DelayAfter = 50 * time.Millisecond
	for stem, notify := range map[string]string{"1": "DELAY,FAILURE", "2": "", "3": "DELAY"} {
		addReported(t, o, stem, notify)
	}
	runUntil(t, t.Context(), o, func() bool { return len(sink.All()) >= 2 })
	wantTold(t, sink, "1@x.test delayed", "3@x.test delayed")
	// Not again, also by another process.
	ends := time.Now().Add(300 * time.Millisecond)
	runUntil(t, t.Context(), o, func() bool { return time.Now().After(ends) })
	wantTold(t, sink, "1@x.test delayed", "3@x.test delayed")
	target.submit = refuse
	runUntil(t, t.Context(), o, func() bool { return len(sink.All()) >= 4 })
	wantTold(t, sink, "1@x.test delayed", "3@x.test delayed", "1@x.test failed", "2@x.test failed")
}

// TestLate: of which jobs the senders hear that they wait: those that wait long enough,
// that nobody is at and that were not looked at, some at a time.
func TestLate(t *testing.T) {
	t.Parallel()
	c := New(options(t, &fake{}))
	old, now := time.Now().Add(-2*time.Minute).UnixNano(), time.Now().UnixNano()
	for stem, since := range map[string]int64{"old": old, "new": now, "leftover": 0, "looked at": old, "running": old} {
		c.order.add(&entry{stem: stem, number: c.order.hash(stem), since: since})
	}
	c.order.stems["running"].running = true
	told := map[string]bool{"looked at": true, "gone": true}
	if got := c.late(time.Minute, told); !slices.Equal(got, []string{"old"}) || len(told) != 1 {
		t.Errorf("%q, still known: %v", got, told)
	}
	for i := range delaysAtOnce + 1 {
		c.order.add(&entry{stem: fmt.Sprint(i), number: uint64(i), since: old})
	}
	if got := c.late(time.Minute, told); len(got) != delaysAtOnce {
		t.Errorf("%d at once", len(got))
	}
}

// TestDelayOfNone: no report is made on a job that is gone, judged, of a sender that does
// not want it, or whose report would be a job again; one that somebody is at is looked
// at once more.
func TestDelayOfNone(t *testing.T) {
	t.Parallel()
	o := options(t, &fake{})
	reporting(&o, "127.0.0.1:1")
	o.Reports.Ours = func(address string) bool { return address == "5@x.test" }
	addReported(t, o, "1", "DELAY")
	addReported(t, o, "2", "FAILURE")
	addReported(t, o, "3", "DELAY")
	addReported(t, o, "4", "DELAY")
	addReported(t, o, "5", "DELAY")
	addJob(t, o, "6")
	addReported(t, o, "7", "DELAY")
	c, box := outbox(t, o)
	c.reporter = c.newReporter(box)
	judged := take(t, o, "3")
	if err := errors.Join(judged.Judge(folder.Done, "", time.Now()), judged.Release()); err != nil {
		t.Fatal(err)
	}
	busy := take(t, o, "4")
	defer busy.Release()
	for stem, over := range map[string]bool{"0": true, "1": true, "2": true, "3": true, "4": false, "5": true, "6": true} {
		if got, err := c.reporter.delayed(stem); got != over || err != nil {
			t.Errorf("job %s: over %v, %v", stem, got, err)
		}
	}
	select {
	case <-c.reporter.kick:
	default:
		t.Error("nobody looks at the report")
	}
	made, err := filepath.Glob(filepath.Join(folder.OutboxPath(o.Folder), "*.delayed"))
	if err != nil || len(made) != 1 || !strings.HasPrefix(filepath.Base(made[0]), "1-") {
		t.Errorf("%q, %v", made, err)
	}
	if over, err := c.reporter.delayed("1"); !over || err != nil { // it was told
		t.Errorf("%v, %v", over, err)
	}
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}
	if over, err := c.reporter.delayed("7"); over || err == nil {
		t.Errorf("a report that cannot be made: %v, %v", over, err)
	}
}
