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
	"smtpreceiver/core/transform"
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

// TestReportServer: down, refusing for now and for good.
func TestReportServer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		replies []mtatest.Reply
		told    []string
		log     string // one line has it
	}{
		"closes, then works":       {[]mtatest.Reply{{On: mtatest.OnConnect, Times: 3, Then: mtatest.CloseUnanswered}}, []string{"1@x.test failed", "2@x.test failed"}, "level=WARN msg=\"reports wait"},
		"4yz to one, then takes":   {[]mtatest.Reply{{On: mtatest.OnRCPT, Match: "1@x", Times: 2, Text: "450 4.2.0 greylisted"}}, []string{"1@x.test failed", "2@x.test failed"}, "msg=\"sender told\" consumer=fax app=fax job=1 "},
		"4yz to the message":       {[]mtatest.Reply{{On: mtatest.OnDot, Times: 2, Text: "451 4.3.0 later"}}, []string{"1@x.test failed", "2@x.test failed"}, "msg=\"sender told\" consumer=fax app=fax job=1 "},
		"5yz to one":               {[]mtatest.Reply{{On: mtatest.OnRCPT, Match: "1@x", Text: "550 5.1.1 nobody"}}, []string{"2@x.test failed"}, "level=ERROR msg=\"report refused, the sender is not told\" consumer=fax app=fax job=1 rcpt=1@x.test"},
		"breaks at one, each time": {[]mtatest.Reply{{On: mtatest.OnDot, Match: "mail 1", Times: 5, Then: mtatest.CloseUnanswered}}, []string{"1@x.test failed", "2@x.test failed"}, "msg=\"sender told\" consumer=fax app=fax job=2 "}, // before or behind the other
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink := mtatest.NewSink(t, mtatest.SinkOptions{Replies: tt.replies})
			o := options(t, &fake{submit: refuse})
			reporting(&o, sink.Addr)
			log := logged(&o)
			addReported(t, o, "1", "")
			addReported(t, o, "2", "")
			runUntil(t, t.Context(), o, func() bool {
				left, _ := filepath.Glob(filepath.Join(o.Folder, ".consume/reports/*.final"))
				failed, _ := filepath.Glob(filepath.Join(o.Failed, "*.ctl"))
				return len(failed) == 2 && len(left) == 0
			})
			wantTold(t, sink, tt.told...)
			if log.count(tt.log) != 1 {
				t.Errorf("not once %q in\n%s", tt.log, log.all())
			}
		})
	}
}

// TestReportStays: where the folder of reports takes no change, a report is not sent
// again and again, and a server that does not take it is not asked without a pause.
func TestReportStays(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{Replies: []mtatest.Reply{{On: mtatest.OnRCPT, Match: "2@x", Times: 1, Text: "450 4.2.0 later"}}})
	o := options(t, &fake{})
	reporting(&o, sink.Addr)
	o.Reports.retry = time.Hour
	log := logged(&o)
	c, box := outbox(t, o)
	r := c.newReporter(box)
	first, second := putLetter(t, box, "1", time.Now()), putLetter(t, box, "2", time.Now())
	letter, tried, err := box.Read(first)
	if err != nil {
		t.Fatal(err)
	}
	// Folders that are not empty: they are neither removed nor replaced.
	dir := folder.OutboxPath(o.Folder)
	if err := os.Remove(filepath.Join(dir, first)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{first, second + ".try"} {
		if err := os.MkdirAll(filepath.Join(dir, name, "x"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r.settle(first, letter, tried, nil)
	for range 3 {
		r.round(t.Context())
	}
	wantTold(t, sink) // the second time the server would take it
	if log.count("cannot be removed") != 1 || r.kept[second].tried.Times != 1 {
		t.Errorf("%+v\n%s", r.kept, log.all())
	}
	for _, name := range []string{first, second + ".try"} {
		if err := os.Remove(filepath.Join(dir, name, "x")); err != nil {
			t.Fatal(err)
		}
	}
	r.round(t.Context())
	if left, err := box.Ready(); err != nil || !slices.Equal(left, []string{second}) || len(r.kept) != 1 {
		t.Errorf("left %q, %+v, %v", left, r.kept, err)
	}
}

// TestReportUnreadable: of a report that cannot be read one line is logged, and the others
// are sent.
func TestReportUnreadable(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	o := options(t, &fake{})
	reporting(&o, sink.Addr)
	log := logged(&o)
	c, box := outbox(t, o)
	r := c.newReporter(box)
	broken := filepath.Join(folder.OutboxPath(o.Folder), putLetter(t, box, "1", time.Now()))
	putLetter(t, box, "2", time.Now())
	if err := os.WriteFile(broken, []byte("no letter"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		r.round(t.Context())
	}
	wantTold(t, sink, "2@x.test ")
	if said := sink.Commands(); said[len(said)-1] != "QUIT" {
		t.Errorf("the connection stays open: %q", said)
	}
	if log.count("is no report") != 1 {
		t.Errorf("log:\n%s", log.all())
	}
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	if r.round(t.Context()); c.troubles[reportsTrouble] != "" {
		t.Errorf("still said when it is gone: %s", c.troubles[reportsTrouble])
	}
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

// TestReportHalfWay: whatever a crash left, the sender is told once.
func TestReportHalfWay(t *testing.T) {
	t.Parallel()
	const journal = `{"state":"failed","key":"KEY","reason":"no such number"}`
	for name, left := range map[string]func(t *testing.T, o Options, q string){
		"verdict, no report": func(t *testing.T, o Options, q string) {},
		"report made": func(t *testing.T, o Options, q string) {
			write(t, filepath.Join(o.Folder, ".consume/reports/1-KEY.final"), `{"to":"1@x.test","action":"failed","job":"1","made":"2026-11-28T10:00:00Z"}`+"\nSubject: x\r\n\r\n\r\nAction: failed\r\n")
		},
		"report made in part": func(t *testing.T, o Options, q string) {
			write(t, filepath.Join(o.Folder, ".consume/reports/1-KEY.final.new"), `{"to":"1@x`)
		},
		"request moved and told": func(t *testing.T, o Options, q string) {
			write(t, filepath.Join(o.Folder, ".consume/reports/1-KEY.final"), `{"to":"1@x.test","action":"failed","job":"1","made":"2026-11-28T10:00:00Z"}`+"\nSubject: x\r\n\r\n\r\nAction: failed\r\n")
			move(t, o, "1.report", ".failed/1.report")
			write(t, filepath.Join(o.Failed, "1.report"), strings.Replace(q, `"sender"`, `"told":["failed"],"sender"`, 1))
		},
		"control file moved": func(t *testing.T, o Options, q string) {
			write(t, filepath.Join(o.Folder, ".consume/reports/1-KEY.final"), `{"to":"1@x.test","action":"failed","job":"1","made":"2026-11-28T10:00:00Z"}`+"\nSubject: x\r\n\r\n\r\nAction: failed\r\n")
			move(t, o, "1.report", ".failed/1.report")
			write(t, filepath.Join(o.Failed, "1.report"), strings.Replace(q, `"sender"`, `"told":["failed"],"sender"`, 1))
			for _, name := range []string{"1.txt", "1_1_a.pdf"} {
				move(t, o, name, ".failed/"+name)
			}
			move(t, o, ".consume/1.ctl", ".failed/1.ctl")
		},
		"all but the report": func(t *testing.T, o Options, q string) {
			write(t, filepath.Join(o.Folder, ".consume/reports/1-KEY.final"), `{"to":"1@x.test","action":"failed","job":"1","made":"2026-11-28T10:00:00Z"}`+"\nSubject: x\r\n\r\n\r\nAction: failed\r\n")
			for _, name := range []string{"1.report", "1.txt", "1_1_a.pdf"} {
				move(t, o, name, ".failed/"+name)
			}
			move(t, o, ".consume/1.ctl", ".failed/1.ctl")
			if err := os.Remove(filepath.Join(o.Folder, ".consume/1.json")); err != nil {
				t.Fatal(err)
			}
		},
		// Of a job that is back: its own report is another one.
		"an older report": func(t *testing.T, o Options, q string) {
			write(t, filepath.Join(o.Folder, ".consume/reports/1-OLD.delayed"), `{"to":"1@x.test","action":"delayed","job":"1","made":"2026-11-28T10:00:00Z"}`+"\nSubject: x\r\n\r\n\r\nAction: delayed\r\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink := mtatest.NewSink(t, mtatest.SinkOptions{})
			o := options(t, &fake{submit: refuse})
			reporting(&o, sink.Addr)
			addReported(t, o, "1", "")
			for _, dir := range []string{".consume/reports", ".failed"} {
				if err := os.MkdirAll(filepath.Join(o.Folder, dir), 0o750); err != nil {
					t.Fatal(err)
				}
			}
			q, err := os.ReadFile(filepath.Join(o.Folder, "1.report"))
			if err != nil {
				t.Fatal(err)
			}
			move(t, o, "1.ctl", ".consume/1.ctl")
			write(t, filepath.Join(o.Folder, ".consume/1.json"), journal)
			left(t, o, string(q))
			for range 2 {
				drain(t, o)
				wantTold(t, sink, "1@x.test failed")
			}
			if _, err := os.Stat(filepath.Join(o.Failed, "1.ctl")); err != nil {
				t.Error(err)
			}
		})
	}
}

func move(t *testing.T, o Options, from, to string) {
	t.Helper()
	if err := os.Rename(filepath.Join(o.Folder, from), filepath.Join(o.Folder, to)); err != nil {
		t.Fatal(err)
	}
}

// TestReportWaitsForItsJob: a report is not sent before all of its job is settled.
func TestReportWaitsForItsJob(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	o := options(t, &fake{submit: refuse})
	reporting(&o, sink.Addr)
	addReported(t, o, "1", "")
	// The place of the failed job is taken by what cannot be moved away.
	if err := os.MkdirAll(filepath.Join(o.Failed, "1.txt", "x"), 0o750); err != nil {
		t.Fatal(err)
	}
	if _, err := New(o).Drain(t.Context()); err == nil {
		t.Fatal("settled")
	}
	wantTold(t, sink)
	if made, _ := filepath.Glob(filepath.Join(o.Folder, ".consume/reports/1-*.final")); len(made) != 1 {
		t.Errorf("reports %q", made)
	}
	if err := os.RemoveAll(filepath.Join(o.Failed, "1.txt")); err != nil {
		t.Fatal(err)
	}
	drain(t, o)
	wantTold(t, sink, "1@x.test failed")
}

// TestStrangeRequest: a file that is no request costs the report, and not the job.
func TestStrangeRequest(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	o := options(t, &fake{submit: refuse})
	reporting(&o, sink.Addr)
	log := logged(&o)
	addJob(t, o, "1")
	write(t, filepath.Join(o.Folder, "1.report"), "no JSON\n")
	addJob(t, o, "2")
	if err := os.Symlink("/etc/passwd", filepath.Join(o.Folder, "2.report")); err != nil {
		t.Fatal(err)
	}
	if left := drain(t, o); left != 2 {
		t.Errorf("%d left", left)
	}
	wantTold(t, sink)
	if log.count("level=ERROR", "cannot be told") != 2 {
		t.Errorf("%s", log.all())
	}
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

// TestReportTemplateFails: a template of reports that fails is logged and costs no report.
func TestReportTemplateFails(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	o := options(t, &fake{submit: refuse})
	reporting(&o, sink.Addr)
	var err error
	if o.Reports.Composer.Text, err = transform.ParseTemplate("<%int('x')%>"); err != nil {
		t.Fatal(err)
	}
	addReported(t, o, "1", "")
	log := logged(&o)
	drain(t, o)
	wantTold(t, sink, "1@x.test failed")
	if log.count("level=WARN", "template of reports", "job=1") != 1 {
		t.Error(log.all())
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
