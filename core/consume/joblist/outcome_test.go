package joblist

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/config"
	"smtpreceiver/core/consume/targets"
	"smtpreceiver/core/report"
)

const request = `{"sender":"eva@example.com","recipient":"4@x","arrived":"2026-11-28T10:00:00Z","notify":"SUCCESS,FAILURE"}` + "\nSubject: x\r\n"

// TestTell: a job that its target has makes a report, once for each outcome; of any other
// there is none.
func TestTell(t *testing.T) {
	t.Parallel()
	s := filled(t)
	s.Reports.SMTPServer = "127.0.0.1"
	s.write(t, "fax/.done/2026-11-28/00000004.report", request, time.Hour)
	s.write(t, "fax/.done/2026-11-28/00000006.ctl", control("fax", "6"), time.Hour) // its sender is told nothing
	s.write(t, "fax/.done/2026-11-28/00000009.ctl", "no CTL", time.Hour)
	s.write(t, "sms/.done/2026-11-28/00000010.ctl", control("sms", "10"), time.Hour)
	s.write(t, "fax/.consume/00000014.ctl", control("fax", "14"), 0) // its consumer was killed as it moved the job
	s.write(t, "fax/.consume/00000014.json", `{"state":"done","key":"AAAAAAAA"}`, 0)
	_, jobs := listed(t, s, Filter{})
	for _, c := range []struct {
		id     string
		action report.Action
		told   bool
		err    string
	}{
		{"00000001", report.Delivered, false, "job 00000001 is waiting: it is not settled yet"},
		{"00000014", report.Delivered, false, "job 00000014 is held: it is not settled yet"},
		{"00000003", report.Failed, false, ""},
		{"00000003", report.Delivered, false, "job 00000003 is failed: an outcome is that of a job which its target has"},
		{"00000008", report.Failed, false, "job 00000008 is held"},
		{"00000010", report.Failed, false, "no section of consume hands on the jobs of application sms"},
		{"00000009", report.Delivered, false, "control file, line 1"},
		{"00000006", report.Delivered, false, ""},
		{"00000004", report.Delivered, true, ""},
		{"00000004", report.Delivered, false, ""},
		{"00000004", report.Failed, true, ""},
	} {
		told, err := jobs[c.id].Tell(s.Settings, targets.Outcome{Action: c.action, Reason: "so"})
		if told != c.told || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s %s: %v, %v, want %v, %q", c.id, c.action, told, err, c.told, c.err)
		}
		if waits := c.id == "00000001" || c.id == "00000014"; waits != errors.Is(err, ErrNotYet) {
			t.Errorf("%s: not yet: %v", c.id, err)
		}
	}
	for id, want := range map[string]string{"00000004": "&{eva@example.com [delivered failed] [ ]}", "00000006": "<nil>", "00000001": "<nil>"} {
		if err := jobs[id].AddReports(); err != nil || fmt.Sprint(jobs[id].Reports) != want {
			t.Errorf("%s: %v, %v, want %s", id, jobs[id].Reports, err, want)
		}
	}
	s.write(t, "fax/.done/2026-11-28/00000006.report", "no request", time.Hour)
	if err := jobs["00000006"].AddReports(); err == nil || jobs["00000006"].Reports != nil {
		t.Errorf("a request that is none: %v, %v", jobs["00000006"].Reports, err)
	}
	c := CountFolders(s.Settings)[filepath.Join(s.dir, "fax")]
	if c.Reports.Waiting != 2 || c.Unsent != "" {
		t.Errorf("%+v", c)
	}
	if err := os.RemoveAll(filepath.Join(s.dir, "fax")); err != nil {
		t.Fatal(err)
	}
	if _, err := jobs["00000004"].Tell(s.Settings, targets.Outcome{Action: report.Relayed}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is gone: %v", err)
	}
	if err := jobs["00000004"].AddReports(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is gone: %v", err)
	}
}

// TestBetweenTries: what the journal of a consumer says of a job, and when it is not known
// whether the target has it.
func TestBetweenTries(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	next := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	at := next.Format(time.RFC3339)
	for stem, journal := range map[string]string{
		"00000011": `{"state":"waiting","key":"AAAAAAAA","attempts":2,"next":"` + at + `","reason":"busy"}`,
		"00000012": `{"state":"begun","key":"AAAAAAAA","attempts":1}`,
		"00000013": `{"state":"begun","key":"AAAAAAAA","attempts":1}`,
		"00000014": `{"state":"done","key":"AAAAAAAA"}`,
		"00000015": `{"state":"done","key":"AAAAAAAA"}`,
	} {
		s.write(t, "fax/.consume/"+stem+".ctl", control("fax", stem[6:]), time.Duration('9'-stem[7])*time.Hour)
		s.write(t, "fax/.consume/"+stem+".json", journal, 0)
	}
	s.write(t, "fax/.consume/00000013.lock", "", 0)
	s.write(t, "fax/00000016.ctl", "no CTL", 0)
	s.write(t, "fax/.failed/00000017.ctl", "no CTL", 0)
	_, jobs := listed(t, s, Filter{})
	for id, want := range map[string]Job{
		"00000011": {State: "waiting", Tries: 2, Reason: "busy", Next: next, Files: []string{"t.txt"}},
		"00000012": {State: "waiting", Tries: 1, InDoubt: true, Files: []string{"t.txt"}},
		"00000013": {State: "waiting", Tries: 1, OnItsWay: true, Files: []string{"t.txt"}},
		"00000014": {State: "held", Reason: "it is done but was not moved to its folder", Files: []string{"t.txt"}},
		"00000017": {State: "failed"},
	} {
		j := jobs[id]
		got := Job{State: j.State, Tries: j.Tries, Reason: j.Reason, Next: j.Next, InDoubt: j.InDoubt, OnItsWay: j.OnItsWay, Files: j.Files}
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("%s:\n got %+v\nwant %+v", id, got, want)
		}
	}
	if j := jobs["00000016"]; j.State != "waiting" || j.Reason == "" || j.App != "fax" && j.App != "mail" {
		t.Errorf("what is no CTL: %+v", j)
	}
	c := CountFolders(s.Settings)[filepath.Join(s.dir, "fax")]
	if c.LastTry != "busy" || c.Oldest != "00000011" || c.Waiting != 4 || c.Held != 2 || c.Last["held"] == nil || c.Last["held"].ID != "00000015" || c.Last["failed"] == nil || c.Untrusted != "" {
		t.Errorf("%+v", c)
	}
	if err := jobs["00000011"].Retry(t.Context()); err != nil {
		t.Error(err)
	}
	if err := jobs["00000016"].Drop(t.Context()); err != nil {
		t.Error(err)
	}
	if _, jobs = listed(t, s, Filter{States: []string{"waiting"}}); len(jobs) != 3 || !jobs["00000011"].Next.IsZero() {
		t.Errorf("%+v", jobs)
	}
}

// TestCountEvery: each folder with a consumer is counted, whatever lies before it.
func TestCountEvery(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(t, "voice/1.ctl", control("voice", "1"), 0)
	s.Applications["voice"] = &config.Application{OutputFolder: filepath.Join(s.dir, "voice"), CTLType: s.Applications["sms"].CTLType}
	s.Consume["voice"] = &config.Consumer{}
	counts := CountFolders(s.Settings)
	if c := counts[filepath.Join(s.dir, "voice")]; len(counts) != 2 || c == nil || c.Consumer != "voice" || c.Waiting != 1 {
		t.Errorf("%+v", counts)
	}
	s.OutputCodePage = "none"
	if counts := CountFolders(s.Settings); len(counts) != 0 {
		t.Errorf("no such code page: %+v", counts)
	}
	if found, err := Latest(s.Settings, 5); err == nil || !strings.Contains(err.Error(), "applications.fax: ") || found != nil {
		t.Errorf("no such code page: %v, %v", found, err)
	}
	if err := Each(t.Context(), s.Settings, Filter{}, nil); err == nil || !strings.Contains(err.Error(), "applications.fax: ") {
		t.Errorf("no such code page: %v", err)
	}
}

// TestSame: an ID may be said without its zeros, as a number in decimal digits.
func TestSame(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		id, stem string
		want     bool
	}{
		{"9", "00000009", true}, {"0", "00000000", true}, {"10", "00000010", true}, {"18446744073709551615", "018446744073709551615", true},
		{"gw1-9", "gw1-9", true}, {"a", "0a", false}, {"0a", "a", false}, {"a", "10", false}, {"x", "00000000", false}, {"0", "x", false}, {"9", "8", false},
	} {
		if same(c.id, c.stem) != c.want {
			t.Errorf("%q, %q: not %v", c.id, c.stem, c.want)
		}
	}
}

// TestNothingStaysOpen: a service that looks at its jobs every few seconds runs out of
// nothing. Not parallel: no other test opens a file meanwhile.
func TestNothingStaysOpen(t *testing.T) {
	const fds = "/proc/self/fd"
	open := func() int {
		list, err := os.ReadDir(fds)
		if err != nil {
			t.Skip(err)
		}
		return len(list)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which closes what nobody holds
	s, q := filled(t), filledQueue(t)
	_, jobs := listed(t, s, Filter{})
	_, queued := listed(t, q.site, Filter{})
	for what, do := range map[string]func(){
		"Each":            func() { listed(t, s, Filter{}) },
		"Each of a queue": func() { listed(t, q.site, Filter{}) },
		"Latest":          func() { Latest(s.Settings, 3) },
		"CountFolders":    func() { CountFolders(s.Settings) },
		"AddReports":      func() { jobs["00000003"].AddReports() },
		"Tell":            func() { jobs["00000004"].Tell(s.Settings, targets.Outcome{Action: report.Delivered}) },
		"Drop":            func() { jobs["00000005"].Drop(t.Context()) },
		"Drop in a queue": func() { queued["gw1-00000002"].Drop(t.Context()) },
		"Retry":           func() { queued["gw1-00000007"].Retry(t.Context()) },
	} {
		before := open()
		for range 10 {
			do()
		}
		end := time.Now().Add(5 * time.Second) // a connection's other end closes a little later
		for open() >= before+10 && time.Now().Before(end) {
			time.Sleep(time.Millisecond)
		}
		if after := open(); after >= before+10 {
			t.Errorf("%s: %d files are open, %d were before", what, after, before)
		}
	}
}
