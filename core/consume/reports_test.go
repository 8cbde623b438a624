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
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/report"
)

// reporting has the consumer report to the server.
func reporting(o *Options, addr string) {
	o.Reports = &Reports{
		Composer: &report.Composer{Host: "gw.test"}, Server: report.Server{Addr: addr, Host: "gw.test"}, DelayAfter: time.Hour, Target: "fake",
		retry: time.Millisecond, poll: 5 * time.Millisecond,
	}
}

// addReported writes a job and what reports need of its mail.
func addReported(t *testing.T, o Options, stem, notify string) {
	t.Helper()
	q := report.Request{Sender: stem + "@x.test", Recipient: "1@fax", Arrived: time.Now(), Notify: notify, Header: []byte("Subject: mail " + stem + "\r\n")}
	data, err := q.Encode()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(o.Folder, stem+".report"), string(data))
	addJob(t, o, stem)
}

func refuse(*Job) error { return Permanent(errors.New("no such number")) }

// told lists who was told what.
func told(sink *mtatest.Sink) []string {
	var all []string
	for _, m := range sink.All() {
		_, action, _ := strings.Cut(string(m.Data), "\r\nAction: ")
		action, _, _ = strings.Cut(action, "\r\n")
		all = append(all, m.Recipients()[0]+" "+action)
	}
	slices.Sort(all)
	return all
}

func wantTold(t *testing.T, sink *mtatest.Sink, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := told(sink); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

func retry(t *testing.T, o Options, stem string) {
	t.Helper()
	f, err := folder.Open(o.Folder, o.Done, o.Failed)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	v, err := folder.OpenView(o.Folder, o.Done, o.Failed)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	err = v.Each([]string{folder.StateFailed}, func(e *folder.Entry) error {
		if e.Stem == stem {
			return f.Again(e, []string{stem + ".txt", stem + "_1_a.pdf"})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestReports: who is told of what, once; what it needs moves with the job.
func TestReports(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	target := &fake{submit: refuse}
	o := options(t, target)
	reporting(&o, sink.Addr)
	addReported(t, o, "1", "")
	addReported(t, o, "2", "SUCCESS")
	addReported(t, o, "3", "SUCCESS,FAILURE")
	addJob(t, o, "4") // of the null sender, or NOTIFY=NEVER
	if left := drain(t, o); left != 4 {
		t.Errorf("%d left", left)
	}
	wantTold(t, sink, "1@x.test failed", "3@x.test failed")
	first := sink.All()[0]
	if first.Sender() != "" || !strings.Contains(string(first.Data), "no such number") || !strings.Contains(string(first.Data), "Subject: mail ") {
		t.Errorf("%s", first.Data)
	}
	if _, err := os.Stat(filepath.Join(o.Failed, "2.report")); err != nil {
		t.Error(err)
	}
	// Again, and it fails again: nothing new.
	retry(t, o, "1")
	drain(t, o)
	wantTold(t, sink, "1@x.test failed", "3@x.test failed")
	// Again, and it succeeds: who asked for that hears it.
	target.submit = nil
	for _, stem := range []string{"1", "2", "3"} {
		retry(t, o, stem)
	}
	drain(t, o)
	wantTold(t, sink, "1@x.test failed", "2@x.test relayed", "3@x.test failed", "3@x.test relayed")
	today := filepath.Join(o.Done, time.Now().Format(time.DateOnly))
	for _, stem := range []string{"1", "2", "3"} {
		if _, err := os.Stat(filepath.Join(today, stem+".report")); err != nil {
			t.Error(err)
		}
	}
	left, err := filepath.Glob(filepath.Join(o.Folder, ".consume/reports/[0-9]*"))
	if beside, _ := filepath.Glob(filepath.Join(o.Folder, "*.report")); err != nil || len(left)+len(beside) > 0 {
		t.Errorf("left %q %q, %v", left, beside, err)
	}
}

// TestReportsIncomplete: what is lost of a job its sender hears, also where the target
// tells the rest.
func TestReportsIncomplete(t *testing.T) {
	t.Parallel()
	for _, tells := range []bool{false, true} {
		sink := mtatest.NewSink(t, mtatest.SinkOptions{})
		o := options(t, &fake{submit: func(j *Job) error {
			if j.Stem != "4" {
				j.Remark("left out: x.mp4")
				j.Remark("another")
			}
			return nil
		}})
		reporting(&o, sink.Addr)
		o.Reports.Tells = func(*ctl.Job) bool { return tells }
		addReported(t, o, "1", "")
		addReported(t, o, "2", "SUCCESS")
		addReported(t, o, "3", "DELAY")
		addReported(t, o, "4", "")
		drain(t, o)
		wantTold(t, sink, "1@x.test relayed", "2@x.test relayed")
		for _, m := range sink.All() {
			if !strings.Contains(string(m.Data), "Reason:  left out: x.mp4; another\r\n") {
				t.Errorf("%s", m.Data)
			}
		}
	}
}

// TestReportsNever: a report that would come back as a job, and what the target
// tells by itself.
func TestReportsNever(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	target := &fake{submit: func(j *Job) error {
		if j.Stem == "1" {
			return refuse(j)
		}
		return nil
	}}
	o := options(t, target)
	reporting(&o, sink.Addr)
	o.Reports.Ours = func(address string) bool { return address == "1@x.test" }
	o.Reports.Tells = func(*ctl.Job) bool { return true }
	addReported(t, o, "1", "")
	addReported(t, o, "2", "SUCCESS")
	drain(t, o)
	wantTold(t, sink)
	// Not of each job does the target tell.
	o.Reports.Tells = func(*ctl.Job) bool { return false }
	addReported(t, o, "3", "SUCCESS")
	addReported(t, o, "4", "FAILURE")
	drain(t, o)
	wantTold(t, sink, "3@x.test relayed")
}

// wantUnsent fails the test unless so many reports, and nothing else, could not be dealt
// with.
func wantUnsent(t *testing.T, o Options, n int) {
	t.Helper()
	if left, err := New(o).Drain(t.Context()); left != 0 || err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("reports to senders not sent: %d; ", n)) {
		t.Errorf("%d jobs left, %v", left, err)
	}
}

// outbox is where a consumer's reports wait.
func outbox(t *testing.T, o Options) (*Consumer, *folder.Outbox) {
	t.Helper()
	c := New(o)
	var err error
	if c.folder, err = folder.Open(o.Folder, o.Done, o.Failed); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.folder.Close() })
	box, err := c.folder.Outbox()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { box.Close() })
	return c, box
}

// putLetter has a report wait, and returns its name.
func putLetter(t *testing.T, box *folder.Outbox, stem string, made time.Time) string {
	t.Helper()
	held := &folder.Held{Stem: stem, Journal: &folder.Journal{Key: "KEY"}}
	if err := box.Put(held, &folder.Letter{To: stem + "@x.test", Action: report.Failed, Job: stem, Made: made, Text: []byte("Subject: x\r\n\r\n")}); err != nil {
		t.Fatal(err)
	}
	return stem + "-KEY.final"
}

// TestOldRequests: what lies about without a job goes after a day.
func TestOldRequests(t *testing.T) {
	t.Parallel()
	o := options(t, &fake{answer: Unknown})
	old := time.Now().Add(-25 * time.Hour)
	for name, at := range map[string]time.Time{"1.report": old, "2.report": time.Now(), "3.report": old, "x.report.txt": old} {
		path := filepath.Join(o.Folder, name)
		write(t, path, "{}")
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(o.Folder, "3.ctl"), "x")
	f, err := folder.Open(o.Folder, o.Done, o.Failed)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Clean(0, 0, time.Now()); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, o, "2.report", "3.report", "3.ctl", "x.report.txt")
}

func (l *lines) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// TestForgottenParts: what a killed process left of reports goes after a day.
func TestForgottenParts(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{Replies: []mtatest.Reply{{On: mtatest.OnRCPT, Text: "450 4.2.0 later"}}})
	o := options(t, &fake{})
	reporting(&o, sink.Addr)
	drain(t, o)
	box := filepath.Join(o.Folder, ".consume", "reports")
	old := time.Now().Add(-25 * time.Hour)
	for name, at := range map[string]time.Time{
		"1-KEY.final.new": old, "2-KEY.final.try": old, "3-KEY.final.try.new": old, "4-KEY.final.new": time.Now(), "5-KEY.final": old, "5-KEY.final.try": old, "other": old,
	} {
		write(t, filepath.Join(box, name), `{"to":"5@x.test","action":"failed","job":"5","made":"`+time.Now().Format(time.RFC3339)+`"}`+"\n")
		if err := os.Chtimes(filepath.Join(box, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	wantUnsent(t, o, 1)
	wantFiles(t, o, ".consume/reports/.lock", ".consume/reports/4-KEY.final.new", ".consume/reports/5-KEY.final", ".consume/reports/5-KEY.final.try", ".consume/reports/other")
}
