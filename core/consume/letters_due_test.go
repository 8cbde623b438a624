package consume

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/consume/folder"
	"smtpreceiver/core/report"
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

// TestReportsOnce: a report has one try, whenever the one before was, and what is not
// sent is said.
func TestReportsOnce(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{Replies: []mtatest.Reply{
		{On: mtatest.OnConnect, Times: 2, Then: mtatest.CloseUnanswered},
		{On: mtatest.OnRCPT, Match: "2@x", Times: 2, Text: "450 4.2.0 later"},
	}})
	o := options(t, &fake{submit: refuse})
	reporting(&o, sink.Addr)
	o.Reports.retry, o.Reports.poll = time.Hour, time.Hour
	log := logged(&o)
	addReported(t, o, "2", "")
	for _, told := range [][]string{{}, {"1@x.test failed"}, {"1@x.test failed"}} {
		_, err := New(o).Drain(t.Context())
		if err == nil || !strings.Contains(err.Error(), "reports to senders not sent: 1; they wait in "+folder.OutboxPath(o.Folder)) {
			t.Errorf("told %q: %v", told, err)
		}
		wantTold(t, sink, told...)
		if len(told) == 0 {
			addReported(t, o, "1", "")
		}
	}
	if log.count("level=WARN", "report not sent yet", "rcpt=2@x.test", "later") != 2 {
		t.Error(log.all())
	}
	drain(t, o)
	wantTold(t, sink, "1@x.test failed", "2@x.test failed")
}

// TestReportsGivenUp: after five days, with a line that says so.
func TestReportsGivenUp(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{Replies: []mtatest.Reply{{On: mtatest.OnRCPT, Text: "450 4.2.0 later"}}})
	o := options(t, &fake{})
	reporting(&o, sink.Addr)
	log := logged(&o)
	_, box := outbox(t, o)
	putLetter(t, box, "1", time.Now().Add(-reportsFor))
	putLetter(t, box, "2", time.Now())
	wantUnsent(t, o, 1)
	if log.count("level=ERROR", "report given up", "job=1") != 1 || log.count("level=ERROR", "job=2") != 0 {
		t.Errorf("%s", log.all())
	}
	v, err := folder.OpenView(o.Folder, o.Done, o.Failed)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if r, err := v.Reports(); err != nil || r.Waiting != 1 || !strings.Contains(r.Reason, "450 4.2.0 later") || r.Oldest.IsZero() {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestManyReports: a hundred go over one connection.
func TestManyReports(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	o := route{server: report.Server{Addr: sink.Addr, Host: "gw.test"}}
	o.close()
	for i := range reportsAWay + 1 {
		if err := o.send(t.Context(), &folder.Letter{To: "1@x.test", Text: []byte("Subject: x\r\n\r\n")}); err != nil {
			t.Fatal(err)
		}
		if want := 1 + i/reportsAWay; sink.Connections() != want {
			t.Fatalf("%d connections after report %d, want %d", sink.Connections(), i+1, want)
		}
	}
	o.close()
	if said := strings.Join(sink.Commands(), "\n"); o.way != nil || o.sent != 0 || strings.Count(said, "QUIT") != 2 {
		t.Errorf("%+v, said %s", o, said)
	}
}

// TestReportPauses: a report that is put off is tried after pauses that double up to an
// hour, and a server that is down is looked at after pauses up to a quarter of one.
func TestReportPauses(t *testing.T) {
	t.Parallel()
	o := options(t, &fake{})
	reporting(&o, "127.0.0.1:1")
	o.Reports.retry = time.Minute
	log := logged(&o)
	c, box := outbox(t, o)
	r := c.newReporter(box)
	letter := &folder.Letter{Made: time.Now()}
	name := putLetter(t, box, "1", letter.Made)
	var tried folder.Tried
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		before := time.Now()
		r.settle(name, letter, tried, errors.New("later\nthan now"))
		var err error
		if _, tried, err = box.Read(name); err != nil {
			t.Fatal(err)
		}
		if pause := tried.Next.Sub(before); tried.Times != i+1 || tried.Reason != "later than now" || pause < want*time.Minute || pause > want*time.Minute+time.Minute/2 {
			t.Errorf("after try %d: %+v in %v, want %d minutes", i+1, tried, pause, want)
		}
	}
	if _, tried = r.due(name); tried.Times != 8 {
		t.Errorf("%+v", tried)
	}
	if l, _ := r.due("2-KEY.final"); l != nil || r.wrong {
		t.Errorf("a letter that is gone: %+v", l)
	}
	tried.Times = 1 << 40
	if r.settle(name, letter, tried, errors.New("x")); r.kept[name].over {
		t.Error("a report that was often tried is over")
	}
	letter.Made = time.Now().Add(time.Minute - reportsFor)
	if r.settle(name, letter, folder.Tried{Times: 1}, errors.New("x")); log.count("given up") != 0 {
		t.Error(log.all())
	}
	letter.Made = time.Now().Add(-reportsFor)
	if r.settle(name, letter, folder.Tried{Times: 1}, errors.New("x")); log.count("level=ERROR", "report given up", "tries=2") != 1 {
		t.Error(log.all())
	}
	for i, want := range []time.Duration{1, 2, 4, 8, 15, 15} {
		before := time.Now()
		r.down(errors.New("refused"))
		if pause := r.until.Sub(before); r.pause != want*time.Minute || pause < r.pause || pause > r.pause+time.Minute/2 {
			t.Errorf("look %d: %v, want %d minutes", i+1, pause, want)
		}
	}
	if log.count("level=WARN", "reports wait, their server does not take them", "error=refused") != 1 {
		t.Error(log.all())
	}
	r.wake()
	r.wake() // nobody waits for the second
	var none *reporter
	none.wake()
	none.end()
	if err := none.last(t.Context()); err != nil || none.tell(nil) != nil {
		t.Error(err)
	}
}

// TestReportsOfOne: of the processes that share a folder one sends, and the others say
// nothing of it.
func TestReportsOfOne(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	o := options(t, &fake{})
	reporting(&o, sink.Addr)
	c, box := outbox(t, o)
	putLetter(t, box, "1", time.Now())
	if mine, err := box.Mine(); err != nil || !mine {
		t.Fatal(mine, err)
	}
	drain(t, o)
	wantTold(t, sink)
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}
	r := c.newReporter(box)
	r.round(t.Context()) // of an outbox that is shut
	if !r.wrong || c.troubles[reportsTrouble] == "" {
		t.Errorf("%q", c.troubles)
	}
	if _, err := New(o).Drain(t.Context()); err != nil {
		t.Error(err)
	}
	wantTold(t, sink, "1@x.test ")
}

// TestNoServer: reports that wait and that nobody sends any more are said at the start.
func TestNoServer(t *testing.T) {
	t.Parallel()
	o := options(t, &fake{})
	log := logged(&o)
	drain(t, o)
	if log.count("reports wait") != 0 {
		t.Error(log.all())
	}
	_, box := outbox(t, o)
	putLetter(t, box, "1", time.Now())
	drain(t, o)
	if log.count("level=WARN", "reports wait, and reports.smtp_server is not set", "reports=1", folder.OutboxPath(o.Folder)) != 1 {
		t.Error(log.all())
	}
}
