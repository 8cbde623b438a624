//go:build unix

package hylafax

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/config"
	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/targets/targettest"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/dearchive"
)

// TestSendfaxFails: a fax that sendfax could not hand in is not taken for sent,
// unless the server has it.
func TestSendfaxFails(t *testing.T) {
	for _, tt := range []struct{ name, sendfax, faxstat, want string }{
		{"refused", "echo bad number >&2; exit 1", "echo HylaFAX scheduler on x: Running", "given up after 1 tries"},
		{"taken all the same", "exit 1", `echo "HylaFAX scheduler on x: Running"; echo "$KEY|"`, ""},
		{"nobody can be asked", "echo lost the connection >&2; exit 1", "exit 1", "the target cannot be asked"},
		{"no program", "", "", "cannot be started"},
		{"never reached", "echo Can not reach server at host x, port 4559. >&2; exit 1", "echo Can not reach service 1 at host x; exit 1", "sendfax: exit status 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			record := filepath.Join(t.TempDir(), "key")
			targettest.Programs(t, map[string]string{
				"sendfax": `while [ "$1" != -i ]; do shift; done; echo "$2" >` + record + "\n" + tt.sendfax,
				"faxstat": "KEY=$(cat " + record + ")\n" + tt.faxstat,
			})
			if tt.name == "no program" {
				first, _, _ := strings.Cut(os.Getenv("PATH"), ":")
				if err := os.WriteFile(filepath.Join(first, "sendfax"), []byte("\x7fELF nothing"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			why := targettest.New(t, "x").HandOn(t, &Target{})
			if !strings.Contains(why, tt.want) || (why == "") != (tt.want == "") {
				t.Errorf("why %q, want %q", why, tt.want)
			}
			if tt.name == "never reached" && strings.Contains(why, "asked") {
				t.Errorf("in doubt, though there never was a connection: %s", why)
			}
		})
	}
}

func TestSendfaxArguments(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		set   map[string]string
		cover bool
		want  []string
	}{
		{nil, false, []string{"-f", "Petr Novák <petr@example.com>", "-n", "-m", "-d", "Jana@+420"}},
		{map[string]string{"system/priority": "high", "to/notify": "success,failure"}, false, []string{"-f", "Petr Novák <petr@example.com>", "-P", "high", "-D", "-n", "-m", "-d", "Jana@+420"}},
		{map[string]string{"system/priority": "0"}, false, []string{"-f", "Petr Novák <petr@example.com>", "-P", "0", "-n", "-m", "-d", "Jana@+420"}},
		{map[string]string{"system/priority": "255"}, false, []string{"-f", "Petr Novák <petr@example.com>", "-P", "255", "-n", "-m", "-d", "Jana@+420"}},
		{map[string]string{"system/priority": "-1"}, false, []string{"-f", "Petr Novák <petr@example.com>", "-n", "-m", "-d", "Jana@+420"}},
		{map[string]string{"system/priority": "256", "from/report": "1"}, false, []string{"-f", "Petr Novák <petr@example.com>", "-n", "-m", "-d", "Jana@+420"}},
		{map[string]string{"system/priority": "300", "to/notify": "NEVER"}, false, []string{"-f", "Petr Novák <petr@example.com>", "-n", "-m", "-N", "-d", "Jana@+420"}},
		{map[string]string{"to/notify": "DELAY"}, false, []string{"-f", "Petr Novák <petr@example.com>", "-n", "-m", "-N", "-d", "Jana@+420"}},
		{map[string]string{"to/notify": "FAILURE,DELAY", "from/smtp": "petr novak@example.com"}, false, []string{"-f", "Petr Novák <smtpreceiver>", "-n", "-m", "-d", "Jana@+420"}},
		{map[string]string{"from/smtp": "a%b@example.com", "from/name": ""}, false, []string{"-f", "smtpreceiver", "-n", "-m", "-d", "Jana@+420"}},
		{map[string]string{"from/name": "-x <y>@z", "to/name": "a@9001#2 \"", "to/company": "; -c"}, false, []string{"-f", "-x y z <petr@example.com>", "-n", "-x", "-c", "-m", "-d", "a 9001 2@+420"}},
		{map[string]string{"from/smtp": "", "to/name": ""}, false, []string{"-f", "smtpreceiver", "-n", "-m", "-d", "+420"}},
		{map[string]string{
			"to/name": "Jana Žluťoučká", "to/company": "Acme (CZ)", "to/dept": "Prodej “2”", "from/company": "Novák's", "from/dept": "$(id)", "system/subject": "Nabídka č. 42; `id`",
		}, true, []string{"-f", "Petr Nov\xe1k <petr@example.com>", "-x", "Acme CZ", "-y", "Prodej 2", "-X", "Nov\xe1k's", "-Y", "$ id", "-r", "Nab\xeddka c. 42 `id`", "-m", "-d", "Jana Zlutouck\xe1@+420"}},
		{map[string]string{"system/subject": " ", "to/name": ""}, true, []string{"-f", "Petr Nov\xe1k <petr@example.com>", "-m", "-d", "+420"}},
	} {
		s := targettest.New(t, "x")
		s.Set(tt.set)
		doc, err := ctl.ReadJob(s.Doc.String(), ctl.Layout{})
		if err != nil {
			t.Fatal(err)
		}
		got := (&Target{Arguments: []string{"-m"}, Cover: tt.cover}).sendfax(&consume.Job{Job: doc, Key: "K"}, "+420")
		want := append([]string{"sendfax", "-i", "K"}, tt.want...)
		if !slices.Equal(got, want) {
			t.Errorf("%v:\n got %q\nwant %q", tt.set, got, want)
		}
	}
}

// TestSilenced: arguments of sendfax that keep the sender from a mail.
func TestSilenced(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		arguments string
		silent    bool
	}{
		{"", false}, {"-N", true}, {"-nN", true}, {"-m -N", true}, {"-D", false}, {"-N -D", false}, {"-N -R", false}, {"-D -N", true}, {"-DN", true}, {"N", false}, {"x -N", true},
		{"-f other@example.com", true}, {"-fother@example.com", true}, {"-nf other@example.com", true},
		{"-c -N", false}, {"-cN", false}, {"-nc -N", false}, {"-c x -N", true}, {"-cx -N", true}, {"-N -cD", true}, {"-N -c -D", true}, {"-sN -m", false}, {"-c", false},
	} {
		if got := Silenced(strings.Fields(tt.arguments)); got != tt.silent {
			t.Errorf("%q: %v", tt.arguments, got)
		}
		for address, passes := range map[string]bool{"petr@example.com": true, "petr novak@example.com": false, "a%b@example.com": false, "": false} {
			j := &ctl.Job{FromSMTP: address}
			if got := Tells(strings.Fields(tt.arguments), j); got != (passes && !tt.silent) {
				t.Errorf("%q, %s: told %v", tt.arguments, address, got)
			}
		}
	}
}

// TestConvertersOfAConsumer: those that are missing are known, those that are wrong are
// errors.
func TestConvertersOfAConsumer(t *testing.T) {
	t.Parallel()
	h, missing, err := New(&config.Consumer{
		Server: "fax1", Arguments: []string{"-m"}, SkipUnknown: true, Cover: true,
		Convert:        map[string][]string{"doc": {"/none/a", "{file}", "{dir}"}, "odt": {"/bin/true", "{file}", "{dir}"}},
		ConvertTimeout: time.Minute, ConvertMaxSize: 2, ConvertMaxMemory: 3,
	})
	if want := (dearchive.Limits{Timeout: time.Minute, MaxSize: 2, MaxFiles: 10_000, MaxMemory: 3}); h.Pages.Converters.Limits != want {
		t.Errorf("limits %+v, want %+v", h.Pages.Converters.Limits, want)
	}
	if err != nil || len(missing) != 1 || missing["doc"] == nil {
		t.Errorf("missing %v, %v", missing, err)
	}
	if h.Server != "fax1" || !slices.Equal(h.Arguments, []string{"-m"}) || !h.SkipUnknown || !h.Cover {
		t.Errorf("%+v", h)
	}
	if _, _, err := New(&config.Consumer{Convert: map[string][]string{"a.b/c": {"/bin/true", "{file}"}}}); err == nil || !strings.HasPrefix(err.Error(), "a.b/c: ") {
		t.Errorf("no extension: %v", err)
	}
}

// TestHas: what faxstat does not say is not known.
func TestHas(t *testing.T) {
	const up = "echo HylaFAX scheduler on x: Running\n"
	home := t.TempDir()
	t.Setenv("HOME", home)
	if err := os.WriteFile(filepath.Join(home, ".hylarc"), []byte("Server: fax9"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, faxstat string
		begun         time.Time
		want          consume.Answer
		err           string
	}{
		{"there", up + "echo 'x|'; echo 'K|'", time.Time{}, consume.Yes, ""},
		{"not there", up + "echo 'x|'", time.Now().Add(-time.Minute), consume.No, ""},
		{"another one", up + "echo 'KK'; echo K", time.Time{}, consume.No, ""},
		{"forgotten perhaps", up, time.Now().Add(-16 * time.Minute), consume.Unknown, ""},
		{"not forgotten yet", up, time.Now().Add(-14 * time.Minute), consume.No, ""},
		{"no scheduler", "echo 'K|'", time.Time{}, consume.Unknown, "faxstat gives no status: it says: K|"},
		{"silent", "", time.Time{}, consume.Unknown, "it says: nothing"},
		{"fails", up + "echo 'K|'; exit 1", time.Time{}, consume.Unknown, "exit status 1"},
		{"too many", up + "head -c 5000000 /dev/zero | tr '\\000' x; echo HylaFAX scheduler", time.Time{}, consume.Unknown, "more jobs than can be looked through"},
		{"of the server", up + `[ "$*" = "-s -d -a -h fax1" ] && grep -q '^Server: fax9$' "$HOME/.hylarc" && grep -q '^JobFmt: "%J|"$' "$HOME/.hylarc" && echo 'K|'`, time.Time{}, consume.Yes, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			targettest.Programs(t, map[string]string{"faxstat": tt.faxstat})
			asked := &asks{Target: Target{Server: "fax1"}, begun: tt.begun}
			targettest.New(t, "x").HandOn(t, asked)
			if asked.answer != tt.want || (asked.err == nil) != (tt.err == "") || asked.err != nil && !strings.Contains(asked.err.Error(), tt.err) {
				t.Errorf("%v, %v, want %v, %q", asked.answer, asked.err, tt.want, tt.err)
			}
		})
	}
}

// TestHasWithoutHome: settings of faxstat that cannot be read are not left out in silence.
func TestHasWithoutHome(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	if err := os.Mkdir(filepath.Join(home, ".hylarc"), 0o700); err != nil {
		t.Fatal(err)
	}
	targettest.Programs(t, map[string]string{"faxstat": "echo HylaFAX scheduler on x: Running; echo 'K|'"})
	asked := &asks{}
	if targettest.New(t, "x").HandOn(t, asked); asked.answer != consume.Unknown || asked.err == nil {
		t.Errorf("%v, %v", asked.answer, asked.err)
	}
}

// TestPlain: nothing that HylaFAX reads as more than a text is left.
func TestPlain(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"a\x7fb\x1fc~}": "a b c~}", "a\r\nb\t": "a b", `#a<b>(c)"d\e%f;g`: "a b c d e f g", "x@y": "x y"} {
		if got := plain(in, "@"); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestNoFax: what can be no fax is refused before anything is made of it.
func TestNoFax(t *testing.T) {
	t.Parallel()
	for want, set := range map[string]map[string]string{"no number to dial": {"to/number": "12ab"}, "format_preference": {"system/format": "mht"}} {
		s := targettest.New(t, "x")
		s.Set(set)
		if why := s.HandOn(t, &Target{}); !strings.Contains(why, want) {
			t.Errorf("%v: %q", set, why)
		}
	}
}

// asks only asks for the job.
type asks struct {
	Target
	begun  time.Time
	answer consume.Answer
	err    error
}

func (a *asks) Prepare(context.Context, *consume.Job) (string, error) { return "", nil }

func (a *asks) Submit(ctx context.Context, j *consume.Job) error {
	j.Key, j.Begun = "K", a.begun
	a.answer, a.err = a.Has(ctx, j)
	return nil
}

// TestTextAttachment: one that is plain text is set as pages, whatever is in it.
func TestTextAttachment(t *testing.T) {
	record := filepath.Join(t.TempDir(), "args")
	targettest.Programs(t, map[string]string{
		"sendfax": `for a; do case $a in *.pdf) pdftotext -layout "$a" - 2>/dev/null || cat "$a"; echo "=$(basename "$a")"; esac; done >` + record,
		"faxstat": "exit 1",
	})
	s := targettest.New(t, " \r\n")
	s.Attach(t, "00000042_1_a.txt", "a\tb\x07c\x00d\r\nsecond")
	if why := s.HandOn(t, &Target{}); why != "" {
		t.Fatal(why)
	}
	got, err := os.ReadFile(record)
	if err != nil || strings.Contains(string(got), "=0.pdf") || strings.Count(string(got), "=1.pdf") != 1 {
		t.Fatalf("%s, %v", got, err)
	}
}
