//go:build unix

package hylafax

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/targets/targettest"
	"smtpreceiver/core/ctl"
)

// TestSendfaxFails: a fax that sendfax could not hand in is not taken for sent,
// unless the server has it.
func TestSendfaxFails(t *testing.T) {
	for _, tt := range []struct{ name, sendfax, faxstat, want string }{
		{"refused", "echo bad number >&2; exit 1", "echo HylaFAX scheduler on x: Running", "given up after 1 tries"},
		{"taken all the same", "exit 1", `echo "HylaFAX scheduler on x: Running"; echo "$KEY|"`, ""},
		{"nobody can be asked", "echo lost the connection >&2; exit 1", "exit 1", "the target cannot be asked"},
		{"never reached", "echo Can not reach server at host x, port 4559. >&2; exit 1", "echo Can not reach service 1 at host x; exit 1", "sendfax: exit status 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			record := filepath.Join(t.TempDir(), "key")
			targettest.Programs(t, map[string]string{
				"sendfax": `while [ "$1" != -i ]; do shift; done; echo "$2" >` + record + "\n" + tt.sendfax,
				"faxstat": "KEY=$(cat " + record + ")\n" + tt.faxstat,
			})
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
