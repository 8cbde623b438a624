package consume

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/consume/folder"
	"smtpreceiver/core/transform"
)

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
