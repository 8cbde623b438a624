//go:build unix

package targets

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/config"
	"smtpreceiver/core/consume/folder"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/report"
)

// site is a configuration with a consumer of each of its two applications.
func site(t *testing.T, more string) (dir string, s *config.Settings) {
	t.Helper()
	dir = t.TempDir()
	s, err := config.Parse("yaml", []byte(`
hostname: gw.example.com
output_code_page: windows-1250
ctl_layout: {to/number: dial/number}
applications:
  fax: {output_folder: '`+dir+`', ctl_type: fax, addresses: ['(?P<number>\d+)@fax$', '(?P<number>\d+)@f$']}
  sms: {output_folder: '`+dir+`/sms', ctl_type: sms, addresses: '(?P<number>\d+)@sms$', ctl_layout: {to/number: to/phone}}
  off: {output_folder: '`+dir+`/off', ctl_type: sms, addresses: '(?P<number>\d+)@off$', enabled: 0}
consume:
  fax: {target: command, command: [/bin/true, '{number}'], in_doubt: resend, poll_interval: 7s, retry_delay: 8s, retry_delay_max: 9s, give_up_after: 10s, timeout: 11s, keep_done_days: 12, keep_failed_days: 13, workers: 14, on_failed: [/bin/true]}
  sms: {target: http, url: 'http://127.0.0.1/', headers: {X-Key: '{env:ONE_THAT_IS_NOT_SET}'}, form: {a: '{env:NOR_IS_THIS_ONE}'}, outcomes: handler}
`+more), nil)
	if err != nil {
		t.Fatal(err)
	}
	return dir, s
}

// TestOpen: a consumer does what its section says.
func TestOpen(t *testing.T) {
	t.Parallel()
	dir, s := site(t, "reports: {smtp_server: 127.0.0.1}")
	log := new(mtatest.Log)
	logger := slog.New(slog.NewTextHandler(log, nil))
	fax, err := Open(s, "fax", logger)
	if err != nil {
		t.Fatal(err)
	}
	if !fax.Resend || fax.PollInterval != 7*time.Second || fax.RetryDelay != 8*time.Second || fax.RetryDelayMax != 9*time.Second || fax.GiveUpAfter != 10*time.Second || fax.Timeout != 11*time.Second ||
		fax.KeepDoneDays != 12 || fax.KeepFailedDays != 13 || fax.Workers != 14 || fax.OnFailed == nil || fax.Reports == nil || fax.Name != "fax" || fax.App != "fax" || fax.Folder != dir {
		t.Errorf("%+v", fax.Options)
	}
	if log.String() != "" {
		t.Errorf("said of a command: %s", log)
	}
	sms, err := Open(s, "sms", logger)
	if err != nil {
		t.Fatal(err)
	}
	if sms.Resend || sms.Workers != 4 || sms.OnFailed != nil || sms.Decode([]byte("\x9e")) != "ž" || string(sms.Encode("ž")) != "\x9e" {
		t.Errorf("%+v", sms.Options)
	}
	for _, name := range []string{"ONE_THAT_IS_NOT_SET", "NOR_IS_THIS_ONE"} {
		if !strings.Contains(log.String(), "variable="+name) {
			t.Errorf("nothing is said of %s: %s", name, log)
		}
	}
	for what, spoil := range map[string]func(s *config.Settings){
		"the target":                 func(s *config.Settings) { s.Consume["fax"].Command = []string{"true"} },
		"ctl_layout":                 func(s *config.Settings) { s.CTLLayout = map[string]string{"number": "x"} },
		"that of the application":    func(s *config.Settings) { s.Applications["fax"].CTLLayout = map[string]string{"number": "x"} },
		"the code page":              func(s *config.Settings) { s.OutputCodePage = "none" },
		"the subject of reports":     func(s *config.Settings) { s.Reports.Subject = "<%1 +%>" },
		"the text of reports":        func(s *config.Settings) { s.Reports.Text = "<%1 +%>" },
		"an expression of addresses": func(s *config.Settings) { s.Applications["fax"].Addresses[1] = "(" },
	} {
		_, s := site(t, "reports: {smtp_server: 127.0.0.1}")
		spoil(s)
		if c, err := Open(s, "fax", logger); err == nil || c != nil {
			t.Errorf("%s: opened all the same", what)
		}
		if what == "ctl_layout" || what == "that of the application" || what == "the code page" {
			if read, text, err := Reader(s, s.Applications["fax"]); err == nil || read != nil || text != nil {
				t.Errorf("%s: read all the same", what)
			}
		}
	}
}

// TestReader: a control file is read in the layout and the code page it was written in.
func TestReader(t *testing.T) {
	t.Parallel()
	_, s := site(t, "")
	read, text, err := Reader(s, s.Applications["sms"])
	if err != nil {
		t.Fatal(err)
	}
	control := []byte("[system]\r\nid=1\r\ntxt=1.txt\r\nformat=txt\r\n[to]\r\nphone=123\r\nname=\x9e\r\n")
	if j, err := read(control); err != nil || j.Number != "123" || j.Name != "ž" {
		t.Errorf("%+v, %v", j, err)
	}
	if got := text(control); !strings.Contains(got, "name=ž") {
		t.Errorf("%q", got)
	}
}

// TestReports: what is said of reports goes to those who make and send them, and what an
// application takes is ours.
func TestReports(t *testing.T) {
	t.Parallel()
	_, s := site(t, "")
	if r, err := reportsOf(s, s.Consume["fax"]); r != nil || err != nil {
		t.Errorf("without a server: %+v, %v", r, err)
	}
	_, s = site(t, "reports: {smtp_server: 127.0.0.1, tls: required, username: u, password: p, from: a@b.example, delay_after: 3h, text: t}")
	r, err := reportsOf(s, s.Consume["sms"])
	if err != nil {
		t.Fatal(err)
	}
	if want := (report.Server{Addr: "127.0.0.1:25", Host: "gw.example.com", TLS: "required", Username: "u", Password: "p"}); r.Server != want {
		t.Errorf("server %+v, want %+v", r.Server, want)
	}
	if c := r.Composer; c.Host != "gw.example.com" || c.From != "a@b.example" || c.Subject != nil || c.Text == nil || r.DelayAfter != 3*time.Hour || r.Target != "http" || r.Tells == nil {
		t.Errorf("%+v by %+v", r, c)
	}
	for address, want := range map[string]bool{"1@fax": true, "1@f": true, "2@sms": true, "3@off": false, "a@b.example": false, "": false, "@": false} {
		if r.Ours(address) != want {
			t.Errorf("%q: not %t", address, want)
		}
	}
}

// TestTell: what a target says of a job that is done is told to a sender who asked for it.
func TestTell(t *testing.T) {
	t.Parallel()
	dir, s := site(t, "reports: {smtp_server: 127.0.0.1}")
	day := filepath.Join(dir, "done", "2026-11-28")
	if err := os.MkdirAll(day, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := folder.Open(dir, filepath.Join(dir, "done"), filepath.Join(dir, "failed"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	e := &folder.Entry{Stem: "00000042", Path: filepath.Join(day, "00000042.ctl")}
	j := &ctl.Job{Number: "123", Name: "Jana"}
	ask := func(s *config.Settings, q *report.Request, o Outcome) (bool, error) {
		data, err := q.Encode()
		if err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{e.Path: []byte("[system]\r\nid=00000042\r\n"), filepath.Join(day, "00000042"+report.FileExt): data} {
			if err := os.WriteFile(name, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return Tell(s, "fax", f, e, j, o)
	}
	for _, c := range []struct {
		sender, notify string
		action         report.Action
		told           bool
		status         string
	}{
		{"eva@b.example", "SUCCESS", report.Delivered, true, "Status: 2.0.0"},
		{"eva@b.example", "SUCCESS", report.Relayed, true, "Status: 2.0.0"},
		{"eva@b.example", "", report.Failed, true, "Status: 5.0.0"},
		{"eva@b.example", "", report.Delivered, false, ""},
		{"1@fax", "", report.Failed, false, ""}, // a report would be a job
	} {
		told, err := ask(s, &report.Request{Sender: c.sender, Recipient: "123@fax", Notify: c.notify}, Outcome{c.action, "line busy"})
		if err != nil || told != c.told {
			t.Errorf("%+v: %t, %v", c, told, err)
		}
		var letters []string
		err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if data, read := os.ReadFile(path); read == nil && strings.Contains(string(data), "multipart/report") {
				letters = append(letters, string(data))
				return os.Remove(path)
			}
			return err
		})
		if err != nil || len(letters) > 1 || (len(letters) == 1) != c.told {
			t.Fatalf("%+v: %q, %v", c, letters, err)
		}
		if c.told {
			for _, want := range []string{c.status, "Action: " + string(c.action), "line busy", "To: <eva@b.example>", "X-Smtpreceiver-Job: fax/00000042", "To:      123", "Message-Id: <00000042-outcome."} {
				if !strings.Contains(letters[0], want) {
					t.Errorf("%+v: no %q in\n%s", c, want, letters[0])
				}
			}
		}
	}
	q := &report.Request{Sender: "eva@b.example", Recipient: "123@fax"}
	_, off := site(t, "")
	if told, err := ask(off, q, Outcome{report.Failed, ""}); told || err == nil || !strings.Contains(err.Error(), "reports.smtp_server is not set") {
		t.Errorf("without a server: %t, %v", told, err)
	}
	s.Reports.Text = "<%1 +%>"
	if told, err := ask(s, q, Outcome{report.Failed, ""}); told || err == nil || strings.Contains(err.Error(), "not set") {
		t.Errorf("a text that cannot be: %t, %v", told, err)
	}
}

// TestSilenced: that HylaFAX mails nobody is said where we tell senders and its handler
// does not.
func TestSilenced(t *testing.T) {
	t.Parallel()
	for more, want := range map[string]bool{
		"reports: {smtp_server: localhost}\nconsume: {fax: {target: hylafax, arguments: [-N]}}":                      true,
		"reports: {smtp_server: localhost}\nconsume: {fax: {target: hylafax, arguments: [-m]}}":                      false,
		"reports: {smtp_server: localhost}\nconsume: {fax: {target: hylafax, arguments: [-N], outcomes: handler}}":   false,
		"reports: {smtp_server: localhost}\nconsume: {fax: {target: command, command: [/bin/x], arguments: ['-N']}}": false,
		"consume: {fax: {target: hylafax, arguments: [-N]}}":                                                         false,
	} {
		s, err := config.Parse("yaml", []byte("applications: {fax: {output_folder: /x, ctl_type: fax, addresses: 'a@fax$'}}\n"+more), nil)
		if err != nil {
			t.Fatal(err)
		}
		var problems config.Problems
		if got := slices.ContainsFunc(Check(s, &problems), func(w string) bool { return strings.Contains(w, "does not mail the senders") }); got != want {
			t.Errorf("%s: %t", more, got)
		}
	}
}

// TestOwnFolder: a consumer cannot bring jobs back to where it has them from.
func TestOwnFolder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		to, output string
		taken      bool
	}{{"/a", "/a", false}, {"/a/", "/a", false}, {"/a/b", "/a", true}, {"/a", "/a/b", true}, {"/b", "/a", true}, {"", "", true}} {
		target, err := kindOf("folder").make(&config.Consumer{TargetFolder: c.to}, &config.Application{OutputFolder: c.output})
		if (err == nil) != c.taken || c.taken && target != (Folder{c.to}) {
			t.Errorf("%q of %q: %v, %v", c.to, c.output, target, err)
		}
	}
}

// TestKinds: how many jobs each target gets at once, and what is an SMS there.
func TestKinds(t *testing.T) {
	t.Parallel()
	workers := map[string]int{"hylafax": 1, "smstools": 4, "gammu": 4, "asterisk": 1, "command": 4, "http": 4, "folder": 4}
	for _, k := range kinds {
		if got := workersOf(&config.Consumer{Target: k.name}); got != workers[k.name] {
			t.Errorf("%s: %d workers, want %d", k.name, got, workers[k.name])
		}
		c := &config.Consumer{Target: k.name, TargetFolder: "/out", Command: []string{"/bin/true"}}
		target, err := k.make(c, &config.Application{CTLType: "sms", MaxParts: 3})
		switch target := target.(type) {
		case Smstools:
			if target.MaxParts != 3 || target.Staging() != "/out/"+stagingName {
				t.Errorf("%+v, %v", target, err)
			}
		case Gammu:
			if target.MaxParts != 3 || target.Staging() != "/out/"+stagingName {
				t.Errorf("%+v, %v", target, err)
			}
		case *Command:
			if target.MaxParts != 3 || !target.SMS {
				t.Errorf("%+v, %v", target, err)
			}
			if target, err := k.make(c, &config.Application{CTLType: "fax", MaxParts: 3}); target.(*Command).SMS {
				t.Errorf("faxes are SMS: %+v, %v", target, err)
			}
		}
	}
}
