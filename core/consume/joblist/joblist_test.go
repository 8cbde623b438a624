package joblist

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/config"
)

// site is a configuration with jobs in folders: those of fax and mail share one, which
// consume.modem reads; another program reads those of sms.
type site struct {
	*config.Settings
	dir string
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{dir: t.TempDir()}
	yaml := "hostname: gw.example.com\noutput_code_page: utf-8\nstate_directory: " + s.dir + "\napplications:\n"
	for app, in := range map[string]string{"fax": "fax", "mail": "fax", "sms": "sms"} {
		if err := os.MkdirAll(filepath.Join(s.dir, in), 0o755); err != nil {
			t.Fatal(err)
		}
		yaml += fmt.Sprintf("  %s: {ctl_type: sms, output_folder: %s, addresses: 'x'}\n", app, filepath.Join(s.dir, in))
	}
	yaml += "consume: {modem: {application: fax, target: command, command: [/bin/true]}}\n"
	var err error
	if s.Settings, err = config.Parse("yaml", []byte(yaml), nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// write makes a file of an age in a folder of the site.
func (s *site) write(t *testing.T, name, content string, age time.Duration) {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-age)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func control(app, number string) string {
	return "[system]\r\napp = " + app + "\r\nsubject = about " + number + "\r\ntxt = t.txt\r\n[to]\r\nnumber = " + number + "\r\naddress = " + number + "@x\r\n[from]\r\nsmtp = eva@example.com\r\n"
}

// filled is a site with a job in each state.
func filled(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	s.write(t, "fax/00000001.ctl", control("fax", "1"), 3*time.Hour)
	s.write(t, "fax/00000002.ctl", control("mail", "2"), time.Hour)
	s.write(t, "fax/.failed/00000003.ctl", control("fax", "3"), 5*time.Hour)
	s.write(t, "fax/.failed/00000003.err", "Job 00000003 was not handed on.\nTries: 4\nWhy: busy\n", 2*time.Hour)
	s.write(t, "fax/.failed/00000005.ctl", control("fax", "5"), 5*time.Hour)
	s.write(t, "fax/.failed/00000005.err", "Job 00000005 was not handed on.\nTries: 1\nWhy: no such number\n", 4*time.Hour)
	s.write(t, "fax/.done/2026-11-28/00000004.ctl", control("fax", "4"), 6*time.Hour)
	s.write(t, "sms/7.ctl", control("sms", "7"), 30*time.Minute)
	if err := os.Mkdir(filepath.Join(s.dir, "sms", "00000008.ctl"), 0o755); err != nil {
		t.Fatal(err)
	}
	return s
}

func listed(t *testing.T, s *site, f Filter) (ids []string, jobs map[string]*Job) {
	t.Helper()
	jobs = map[string]*Job{}
	if err := Each(t.Context(), s.Settings, f, func(j *Job) error { ids = append(ids, j.App+j.ID); jobs[j.ID] = j; return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(ids)
	return ids, jobs
}

// TestEach: a filter means jobs by application, state, ID with or without zeros, and age;
// jobs of a folder that two applications share are seen once.
func TestEach(t *testing.T) {
	t.Parallel()
	s := filled(t)
	for _, c := range []struct {
		filter Filter
		want   string
	}{
		{Filter{}, "fax00000001 fax00000003 fax00000004 fax00000005 mail00000002 sms00000008 sms7"},
		{Filter{App: "fax"}, "fax00000001 fax00000003 fax00000004 fax00000005"},
		{Filter{App: "mail"}, "mail00000002"},
		{Filter{App: "sms"}, "sms00000008 sms7"},
		{Filter{States: []string{"waiting"}}, "fax00000001 mail00000002 sms7"},
		{Filter{States: []string{"held", "done"}}, "fax00000004 sms00000008"},
		{Filter{States: []string{"failed"}}, "fax00000003 fax00000005"},
		{Filter{IDs: []string{"3", "0007", "00000001"}}, "fax00000001 fax00000003 sms7"},
		{Filter{IDs: []string{"x", "33"}}, ""},
		{Filter{Older: 150 * time.Minute}, "fax00000001 fax00000004 fax00000005"},
		{Filter{Older: 90 * time.Minute, States: []string{"failed"}}, "fax00000003 fax00000005"},
	} {
		ids, _ := listed(t, s, c.filter)
		if got := strings.Join(ids, " "); got != c.want {
			t.Errorf("%+v:\n got %s\nwant %s", c.filter, got, c.want)
		}
	}
	if err := Each(t.Context(), s.Settings, Filter{App: "none"}, nil); err == nil || !strings.Contains(err.Error(), `there is no application "none"`) {
		t.Errorf("%v", err)
	}
	errEnough, n := errors.New("enough"), 0
	if err := Each(t.Context(), s.Settings, Filter{}, func(*Job) error { n++; return errEnough }); !errors.Is(err, errEnough) || !strings.Contains(err.Error(), "application sms: ") || n != 2 {
		t.Errorf("the reader has enough of each folder: %v, %d jobs", err, n)
	}
	_, jobs := listed(t, s, Filter{})
	for id, want := range map[string]Job{
		"00000001": {State: "waiting", Consumer: "modem", Number: "1", Subject: "about 1", Recipient: "1@x", Sender: "eva@example.com"},
		"00000003": {State: "failed", Consumer: "modem", Number: "3", Subject: "about 3", Recipient: "3@x", Sender: "eva@example.com", Reason: "busy", Tries: 4},
		"7":        {State: "waiting", Number: "7", Subject: "about 7", Recipient: "7@x", Sender: "eva@example.com"},
	} {
		j := jobs[id]
		if got := (Job{State: j.State, Consumer: j.Consumer, Number: j.Number, Subject: j.Subject, Recipient: j.Recipient, Sender: j.Sender, Reason: j.Reason, Tries: j.Tries}); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %+v, want %+v", id, got, want)
		}
		if !strings.Contains(j.Text(), "number = "+j.Number) {
			t.Errorf("%s: CTL %q", id, j.Text())
		}
	}
	if err := os.RemoveAll(filepath.Join(s.dir, "fax")); err != nil {
		t.Fatal(err)
	}
	n = 0
	if err := Each(t.Context(), s.Settings, Filter{}, func(*Job) error { n++; return nil }); err == nil || !strings.Contains(err.Error(), "application fax: ") || n != 2 {
		t.Errorf("a folder is gone: %v, %d jobs of the other", err, n)
	}
}

// TestLatest: the newest first, and no more than are asked for.
func TestLatest(t *testing.T) {
	t.Parallel()
	s := filled(t)
	for n, want := range map[int]string{0: "", 3: "00000008 7 00000002", 5: "00000008 7 00000002 00000003 00000001", 99: "00000008 7 00000002 00000003 00000001 00000005 00000004"} {
		found, err := Latest(s.Settings, n)
		var ids []string
		for _, j := range found {
			if ids = append(ids, j.ID); j.ID == "00000008" && (j.State != "held" || !strings.Contains(j.Reason, "not a regular file")) {
				t.Errorf("a directory: %+v", j)
			}
			if modem := j.ID != "00000008" && j.ID != "7"; modem != (j.Consumer == "modem") {
				t.Errorf("%s: handed on by %q", j.ID, j.Consumer)
			}
		}
		if got := strings.Join(ids, " "); err != nil || got != want {
			t.Errorf("%d: %s, %v, want %s", n, got, err, want)
		}
	}
}

// TestCountFolders: of each folder that a consumer reads, in figures; others have none.
func TestCountFolders(t *testing.T) {
	t.Parallel()
	s := filled(t)
	counts := CountFolders(s.Settings)
	c := counts[filepath.Join(s.dir, "fax")]
	if len(counts) != 1 || c == nil {
		t.Fatalf("%+v", counts)
	}
	if c.Consumer != "modem" || c.Waiting != 2 || c.Failed != 2 || c.Held != 0 || c.Oldest != "00000001" || c.LastTry != "" || c.Untrusted != "" || c.Unsent == "" {
		t.Errorf("%+v", c)
	}
	if last := c.Last["failed"]; last == nil || last.ID != "00000003" || last.Reason != "busy" || c.Last["held"] != nil {
		t.Errorf("the last: %+v", c.Last)
	}
	s.Reports.SMTPServer = "127.0.0.1"
	if c := CountFolders(s.Settings)[filepath.Join(s.dir, "fax")]; c.Unsent != "" {
		t.Errorf("reports have a server: %q", c.Unsent)
	}
	if err := os.RemoveAll(filepath.Join(s.dir, "fax")); err != nil {
		t.Fatal(err)
	}
	if c := CountFolders(s.Settings)[filepath.Join(s.dir, "fax")]; c == nil || !strings.Contains(c.Untrusted, "no such file") {
		t.Errorf("a folder is gone: %+v", c)
	}
}

// TestRetryAndDrop: a failed job is tried again or gone for good; what cannot be done is
// said.
func TestRetryAndDrop(t *testing.T) {
	t.Parallel()
	s := filled(t)
	_, jobs := listed(t, s, Filter{})
	for id, want := range map[string]string{"00000001": "waits for its first try already", "00000004": "is done", "7": "no section of consume hands on the jobs of application sms"} {
		if err := jobs[id].Retry(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("retry %s: %v", id, err)
		}
	}
	if err := jobs["00000004"].Drop(t.Context()); err == nil || !strings.Contains(err.Error(), "keep_done_days removes it") {
		t.Errorf("%v", err)
	}
	if err := jobs["00000003"].Retry(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := jobs["00000005"].Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	ids, _ := listed(t, s, Filter{States: []string{"failed"}})
	if waiting, _ := listed(t, s, Filter{States: []string{"waiting"}, App: "fax"}); len(ids) != 0 || strings.Join(waiting, " ") != "fax00000001 fax00000003" {
		t.Errorf("failed %q, waiting %q", ids, waiting)
	}
}

// TestWhatKeepsTheConsumer: a folder that cannot be counted says why, and what the
// consumer does not trust.
func TestWhatKeepsTheConsumer(t *testing.T) {
	t.Parallel()
	s := filled(t)
	fax := filepath.Join(s.dir, "fax")
	said := func(want string) {
		t.Helper()
		if c := CountFolders(s.Settings)[fax]; (c.Untrusted == "") != (want == "") || !strings.Contains(c.Untrusted, want) {
			t.Errorf("%q, want %q", c.Untrusted, want)
		}
	}
	s.write(t, "fax/.consume/reports/1-AAAAAAAA.final", `{"made":"2026-11-28T10:00:00Z"}`+"\n", 0)
	said("")
	if c := CountFolders(s.Settings)[fax]; c.Reports.Waiting != 1 || len(c.Last) != 1 {
		t.Errorf("%+v", c)
	}
	s.write(t, "fax/.consume/reports/2-AAAAAAAA.final", "x", 0)
	said("")
	if c := CountFolders(s.Settings)[fax]; c.Reports.Waiting != 2 || !strings.Contains(c.Reports.Reason, "2-AAAAAAAA.final is no report") {
		t.Errorf("%+v", c)
	}
	if os.Geteuid() == 0 {
		if err := errors.Join(os.Chown(filepath.Join(fax, ".failed"), 65533, 65533), os.Chown(filepath.Join(fax, ".consume"), 65534, 65534)); err != nil {
			t.Fatal(err)
		}
		said(filepath.Join(fax, ".failed") + " belongs to 65533")
	}
	if err := os.RemoveAll(filepath.Join(fax, ".failed")); err != nil {
		t.Fatal(err)
	}
	s.write(t, "fax/.failed", "a file", 0)
	said(".failed")
	if _, err := Latest(s.Settings, 5); err == nil || !strings.Contains(err.Error(), "application fax: ") {
		t.Errorf("%v", err)
	}
}

// TestNothingWaits: of a folder without a failed or held job there is no last one, and
// why the oldest waits is that of its last try.
func TestNothingWaits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(t, "fax/.consume/00000001.ctl", control("fax", "1"), 2*time.Hour)
	s.write(t, "fax/.consume/00000001.json", `{"state":"waiting","key":"AAAAAAAA","attempts":1,"reason":"busy"}`, 0)
	s.write(t, "fax/00000002.ctl", control("fax", "2"), time.Hour)
	c := CountFolders(s.Settings)[filepath.Join(s.dir, "fax")]
	if c.Waiting != 2 || c.Oldest != "00000001" || c.LastTry != "busy" || len(c.Last) != 0 || c.Untrusted != "" {
		t.Errorf("%+v", c)
	}
	s.write(t, "fax/.consume/00000003.ctl", control("fax", "3"), 3*time.Hour)
	s.write(t, "fax/.consume/00000003.json", "no journal", 0)
	if c = CountFolders(s.Settings)[filepath.Join(s.dir, "fax")]; c.Held != 1 || c.Last["held"] == nil || c.Last["held"].ID != "00000003" || c.Last["failed"] != nil {
		t.Errorf("%+v", c)
	}
}

// TestFirstConsumer: of several sections that hand on the jobs of one application the
// first by its name stands for all.
func TestFirstConsumer(t *testing.T) {
	t.Parallel()
	s := filled(t)
	for _, name := range []string{"another", "zebra"} {
		c := *s.Consume["modem"]
		s.Consume[name] = &c
	}
	_, jobs := listed(t, s, Filter{})
	if got := jobs["00000001"].Consumer; got != "another" {
		t.Errorf("handed on by %q", got)
	}
}

// TestJobOfTomorrow: where a clock was wrong a job of the future is one, too.
func TestJobOfTomorrow(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(t, "fax/00000001.ctl", control("fax", "1"), -time.Hour)
	if ids, _ := listed(t, s, Filter{}); len(ids) != 1 {
		t.Errorf("%q", ids)
	}
	if ids, _ := listed(t, s, Filter{Older: time.Minute}); len(ids) != 0 {
		t.Errorf("older than a minute: %q", ids)
	}
}

// TestNoFolderStaysOpen: looking at jobs and changing them keeps no folder open.
func TestNoFolderStaysOpen(t *testing.T) {
	s := filled(t)
	_, jobs := listed(t, s, Filter{})
	open := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("no /proc here")
		}
		return len(entries)
	}
	for name, do := range map[string]func(){
		"each":    func() { listed(t, s, Filter{}) },
		"latest":  func() { Latest(s.Settings, 5) },
		"count":   func() { CountFolders(s.Settings) },
		"reports": func() { jobs["00000004"].AddReports() },
		"drop":    func() { jobs["00000001"].Drop(t.Context()) },
	} {
		do()
		before := open()
		for range 10 {
			do()
		}
		if after := open(); after > before+5 {
			t.Errorf("%s: %d descriptors, before %d", name, after, before)
		}
	}
}
