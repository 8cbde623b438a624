//go:build unix

package targets

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/config"
	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/targets/hylafax"
	"smtpreceiver/core/consume/targets/targettest"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/sms"
)

// only returns the one file that was put into a folder.
func only(t *testing.T, folder string) (name, content string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "[^.]*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %q, %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if staged, err := filepath.Glob(filepath.Join(folder, stagingName, "*")); err != nil || len(staged) > 0 {
		t.Errorf("left in staging: %q, %v", staged, err)
	}
	return filepath.Base(files[0]), string(data)
}

// TestStagedOverLink: who may write to the target's folder cannot have the consumer
// write where only its own user may.
func TestStagedOverLink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	outgoing := filepath.Join(dir, "outgoing")
	d := NewDrop(outgoing)
	j := &consume.Job{Key: "smtpreceiver-00000042-ABCDEFGH"}
	staged, inside := filepath.Join(d.Staging(), j.Key), filepath.Join(outgoing, "inside")
	for name, plant := range map[string]func() error{
		"file":   func() error { return os.Symlink(victim, staged) },
		"hard":   func() error { return os.Link(victim, staged) },
		"folder": func() error { return errors.Join(os.Remove(d.Staging()), os.Symlink(dir, d.Staging())) },
		"itself": func() error { return errors.Join(os.Remove(d.Staging()), os.Symlink(".", d.Staging())) },
		"inside": func() error {
			return errors.Join(os.Remove(d.Staging()), os.Mkdir(inside, 0o770), os.Symlink("inside", d.Staging()))
		},
	} {
		if err := errors.Join(os.RemoveAll(outgoing), os.MkdirAll(d.Staging(), 0o770), os.WriteFile(victim, []byte("mine"), 0o600), plant()); err != nil {
			t.Fatal(err)
		}
		_, err := d.prepare(j, "x", []byte("planted"))
		if got, _ := os.ReadFile(victim); string(got) != "mine" {
			t.Errorf("%s: %q was written, %v", name, got, err)
		}
		for _, place := range []string{dir, outgoing, inside} {
			if files, _ := filepath.Glob(filepath.Join(place, j.Key+"*")); len(files) > 0 {
				t.Errorf("%s: written elsewhere: %q, %v", name, files, err)
			}
		}
	}
}

func TestSmstools(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		set  map[string]string
		text string
		want string
	}{
		{"plain", nil, "Ahoj\r\nsvete ä\r\n", "To: 420603123456\nFrom: petr@example.com\nAlphabet: UTF-8\n\nAhoj\nsvete ä"},
		{"wide", nil, "á\r\n😀\r\n", "To: 420603123456\nFrom: petr@example.com\nAlphabet: UCS\n\n\x00\xe1\x00\n\xd8\x3d\xde\x00"},
		{"all", map[string]string{"system/dr": "1", "system/flash": "1", "system/priority": "high"}, "x",
			"To: 420603123456\nFrom: petr@example.com\nAlphabet: UTF-8\nReport: yes\nFlash: yes\nPriority: High\n\nx"},
		{"national", map[string]string{"to/number": "603 12-34.56", "from/smtp": ""}, "x",
			"To: 603123456\nTo_TOA: unknown\nAlphabet: UTF-8\n\nx"},
		{"headers in the text", nil, "To: 900\n\nReport: yes", "To: 420603123456\nFrom: petr@example.com\nAlphabet: UTF-8\n\nTo: 900\n\nReport: yes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, outgoing := targettest.New(t, tt.text), t.TempDir()
			s.Set(tt.set)
			if why := s.HandOn(t, Smstools{Drop: NewDrop(outgoing)}); why != "" {
				t.Fatal(why)
			}
			if _, got := only(t, outgoing); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text, want string
		set              map[string]string
		target           consume.Target
	}{
		{"letters in the number", "x", "no number to dial", map[string]string{"to/number": "12ab"}, Smstools{Drop: NewDrop(".")}},
		{"option for a number", "x", "no number to dial", map[string]string{"to/number": "-1 --exec"}, Gammu{Drop: NewDrop(".")}},
		{"no number", "x", "has no number", map[string]string{"to/number": ""}, &hylafax.Target{}},
		{"path for a number", "x", "no number to dial", map[string]string{"to/number": "1@../../etc"}, Gammu{Drop: NewDrop(".")}},
		{"blank text", " \r\n\r\n", "text is empty", nil, Smstools{Drop: NewDrop(".")}},
		{"letters in the number of a call", "x", "no number to dial", map[string]string{"to/number": "12ab"}, Asterisk{Drop: NewDrop(".")}},
		{"format", "x", "format_preference", map[string]string{"system/format": "mht"}, Gammu{Drop: NewDrop(".")}},
		{"format of a fax", "x", "format_preference", map[string]string{"system/format": "mht"}, &hylafax.Target{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := targettest.New(t, tt.text)
			s.Set(tt.set)
			if why := s.HandOn(t, tt.target); !strings.Contains(why, tt.want) {
				t.Errorf("failed with %q, want %q", why, tt.want)
			}
		})
	}
}

// TestGammuOrder: gammu-smsd sends by the priority in the name.
func TestGammuOrder(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for priority, want := range map[string]string{"high": "OUTA20261128_120000_00_1_key.txt", "low": "OUTE20261128_120000_00_1_key.txt", "normal": "OUTC20261128_120000_00_1_key.txt", "": "OUTC20261128_120000_00_1_key.txt"} {
		if got := (&shortMessage{number: "1", priority: priority}).gammuName("key", at); got != want {
			t.Errorf("%q: %s, want %s", priority, got, want)
		}
	}
}

var gammuFile = regexp.MustCompile(`^OUTA\d{8}_\d{6}_00_\+420603123456_smtpreceiver-00000042-[A-Z0-9]{8}\.txtdf$`)

func TestGammu(t *testing.T) {
	t.Parallel()
	s, outbox := targettest.New(t, "Aé😀\r\n"), t.TempDir()
	s.Set(map[string]string{"system/dr": "1", "system/flash": "1", "system/priority": "high"})
	if why := s.HandOn(t, Gammu{Drop: NewDrop(outbox)}); why != "" {
		t.Fatal(why)
	}
	name, got := only(t, outbox)
	if !gammuFile.MatchString(name) || got != "\xff\xfeA\x00\xe9\x00\x3d\xd8\x00\xde" {
		t.Errorf("%s: %q", name, got)
	}
}

// The rules are those of the sample.call that comes with Asterisk: a key and a
// value a line; '#' and ';' begin comments; a file made elsewhere in the file
// system and renamed; Archive moves it to outgoing_done when it is done with.
func TestAsterisk(t *testing.T) {
	t.Parallel()
	s, outgoing := targettest.New(t, "x"), t.TempDir()
	s.Set(map[string]string{"system/subject": "a;b #c ${SHELL(id)} `id` $(id)", "to/name": "Jana"})
	s.Attach(t, "00000042_1_a b'$(id).tif", "II*\x00")
	target, err := NewAsterisk(Asterisk{NewDrop(outgoing), "PJSIP/{number}@trunk", "fax-out"})
	if err != nil {
		t.Fatal(err)
	}
	if why := s.HandOn(t, target); why != "" {
		t.Fatal(why)
	}
	name, content := only(t, outgoing)
	if !strings.HasSuffix(name, ".call") {
		t.Errorf("name %s", name)
	}
	got := map[string]string{}
	for scan := bufio.NewScanner(strings.NewReader(content)); scan.Scan(); {
		if strings.ContainsAny(scan.Text(), ";#$`'()") {
			t.Errorf("line %q", scan.Text())
		}
		key, value, ok := strings.Cut(scan.Text(), ": ")
		if variable, v, is := strings.Cut(value, "="); key == "Setvar" && is {
			key, value = variable, v
		}
		if _, twice := got[key]; !ok || twice {
			t.Errorf("line %q", scan.Text())
		}
		got[key] = value
	}
	for key, want := range map[string]string{
		"Channel": "PJSIP/+420603123456@trunk", "Context": "fax-out", "Extension": "s", "Priority": "1", "MaxRetries": "0", "Archive": "yes",
		"SMTPRECEIVER_ID": "00000042", "SMTPRECEIVER_NUMBER": "+420603123456", "SMTPRECEIVER_NAME": "Jana",
		"SMTPRECEIVER_FROM": "petr@example.com", "SMTPRECEIVER_SUBJECT": "a_b _c __SHELL_id__ _id_ __id_",
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
	for _, key := range []string{"SMTPRECEIVER_TXT", "SMTPRECEIVER_FILES"} {
		if info, err := os.Stat(got[key]); err != nil || !info.Mode().IsRegular() || !safePath.MatchString(got[key]) {
			t.Errorf("%s=%q: %v", key, got[key], err)
		}
	}
	for _, bad := range []Asterisk{{Channel: "SIP/x", Context: "c"}, {Channel: "SIP/{number}\nApplication: System", Context: "c"}, {Channel: "SIP/{number}", Context: "c;d"}} {
		if _, err := NewAsterisk(bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

// copies begin the paths of a job's files: nobody else may reach them.
var copies = regexp.MustCompile(`<` + regexp.QuoteMeta(os.TempDir()) + `/smtpreceiver-consume-[0-9]+/smtpreceiver-00000042-[0-9A-Z]+-[0-9]+/`)

func TestCommand(t *testing.T) {
	t.Parallel()
	s, out := targettest.New(t, "the text"), filepath.Join(t.TempDir(), "out")
	s.Set(map[string]string{"system/subject": "--exec=rm -rf", "to/name": "-x"})
	s.Attach(t, "00000042_1_a b.pdf", "%PDF-")
	script := filepath.Join(t.TempDir(), "send")
	targettest.Script(t, script, `for a; do echo "<$a>"; done >"$0.out"; cat "$5" >>"$0.out"; test -f "$6" && test -f "$7" && mv "$0.out" `+out)
	c, err := NewCommand([]string{script, "{subject}", "--subject={subject}", "{number}", "{id}/{app}/{from}", "{txt}", "{ctl}", "{attachments}", "--", "{name}", "{ {}"})
	if err != nil {
		t.Fatal(err)
	}
	if why := s.HandOn(t, c); why != "" {
		t.Fatal(why)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want := "<exec=rm -rf>\n<--subject=--exec=rm -rf>\n<+420603123456>\n<00000042/fax/petr@example.com>\n<COPY/00000042.txt>\n<COPY/00000042.ctl>\n<COPY/00000042_1_a b.pdf>\n<-->\n<-x>\n<{ {}>\nthe text"
	got = copies.ReplaceAll(got, []byte("<COPY/"))
	if string(got) != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestCommandStatus(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"exit 0":                        "",
		"echo wrong number >&2; exit 1": "exit status 1: it says: wrong number",
		"exit 75":                       "given up after 1 tries",
		"kill -9 $$":                    "signal: killed); the target cannot tell whether it has the job",
	} {
		script := filepath.Join(t.TempDir(), "send")
		targettest.Script(t, script, body)
		c, err := NewCommand([]string{script})
		if err != nil {
			t.Fatal(err)
		}
		why := targettest.New(t, "x").HandOn(t, c)
		if !strings.Contains(why, want) || (why == "") != (want == "") || strings.Contains(why, "given up") && body != "exit 75" {
			t.Errorf("%s: %q, want %q", body, why, want)
		}
	}
}

func TestNewCommandErrors(t *testing.T) {
	t.Parallel()
	for want, argv := range map[string][]string{
		"full path":              {"send"},
		"there is no {nummer}":   {"/bin/send", "{nummer}"},
		"one by itself":          {"/bin/send", "-a{attachments}"},
		"not come out of the ma": {"/bin/{name}"},
	} {
		if _, err := NewCommand(argv); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", argv, err)
		}
	}
}

// TestHylaFAXTells: whom HylaFAX does not mail what becomes of a fax, hears from us
// that it was handed on.
func TestHylaFAXTells(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		arguments []string
		from      string
		tells     bool
	}{
		{nil, "petr@example.com", true},
		{[]string{"-m", "-T", "3"}, "petr@example.com", true},
		{nil, "", false},
		{nil, "a%b@example.com", false},
		{nil, "petr novak@example.com", false},
		{nil, "a;b@example.com", false},
		{[]string{"-N"}, "petr@example.com", false},
		{[]string{"-mN"}, "petr@example.com", false},
		{[]string{"-N", "-D"}, "petr@example.com", true},
		{[]string{"-S", "-N", "-SN", "-rfN"}, "petr@example.com", true}, // values
		{[]string{"-f", "fax@example.com"}, "petr@example.com", false},
		{[]string{"-ffax@example.com", "-D"}, "petr@example.com", false},
		{[]string{"x", "-"}, "petr@example.com", true},
	} {
		tells := tellsOf(&config.Consumer{Target: "hylafax", Arguments: tt.arguments, Outcomes: "handover"})
		if got := tells(&ctl.Job{FromSMTP: tt.from}); got != tt.tells {
			t.Errorf("%q, %s: %v", tt.arguments, tt.from, got)
		}
	}
	if tellsOf(&config.Consumer{Target: "gammu", Outcomes: "handover"}) != nil {
		t.Error("gammu tells nobody")
	}
	if tells := tellsOf(&config.Consumer{Target: "gammu", Outcomes: "handler"}); tells == nil || !tells(&ctl.Job{}) {
		t.Error("its handler does")
	}
}

// FuzzSmstools: whatever stands in a job, smsd finds our headers and no other, and
// the text behind them.
func FuzzSmstools(f *testing.F) {
	f.Add("petr@example.com", "Ahoj", true)
	f.Add("a\nTo: 900\n\n", "\nTo: 900", false)
	f.Add("a\r\rVoicecall: yes", "x\x00\r\ny", false)
	f.Fuzz(func(t *testing.T, from, text string, national bool) {
		m := &shortMessage{number: "+420603123456", text: text, report: true}
		sent, alphabet := sms.Fill(text), "Alphabet: UTF-8"
		if sms.Count(text).Alphabet == sms.UCS2 {
			sent, alphabet = string(sms.Encode(sent)), "Alphabet: UCS"
		}
		want := []string{"To: 420603123456", alphabet, "Report: yes"}
		if national {
			m.number = "603"
			want = []string{"To: 603", "To_TOA: unknown", alphabet, "Report: yes"}
		}
		head, body, ok := strings.Cut(string(m.smstools(from)), "\n\n")
		if !ok || body != sent {
			t.Fatalf("text %q, want %q", body, sent)
		}
		got := slices.DeleteFunc(strings.FieldsFunc(head, func(r rune) bool { return r == '\n' || r == '\r' }), func(line string) bool { return strings.HasPrefix(line, "From: ") })
		if !slices.Equal(got, want) {
			t.Errorf("headers %q", got)
		}
	})
}
