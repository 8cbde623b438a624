package migrate

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"

	"smtpreceiver/core/config"
	"smtpreceiver/core/rules"
)

var update = flag.Bool("update", false, "write the .yaml and .check files of testdata anew")

func cp1250(b []byte) string {
	text, _ := charmap.Windows1250.NewDecoder().Bytes(b)
	return string(text)
}

const (
	header = "Windows Registry Editor Version 5.00\r\n\r\n"
	top    = `HKEY_LOCAL_MACHINE\SOFTWARE\Datasys\UMS\SMTPreceiver`
	fax    = top + `\applications\fax`
)

// minimal has no more than a configuration needs.
const minimal = header + `
[` + top + `\clients]
"0"="localhost"
[` + fax + `]
"output_folder"="D:\\fax"
"ctl_type"="fax"
[` + fax + `\addresses]
"addr_re_0"="(?P<number>\\d+)@fax$"
`

// importText imports an export and fails the test unless it gives a
// configuration.
func importText(t *testing.T, export string) (*config.Settings, *Result) {
	t.Helper()
	folders, err := ParseFolders([]string{`D:\=/srv`})
	if err != nil {
		t.Fatal(err)
	}
	result, err := Import([]byte(export), Options{ANSI: cp1250, Folders: folders})
	if err != nil {
		t.Fatal(err)
	}
	return accepted(t, result), result
}

// accepted holds a result against what check asks for, folders apart.
func accepted(t *testing.T, r *Result) *config.Settings {
	t.Helper()
	s, err := config.Parse("yaml", r.YAML, nil)
	if err != nil {
		t.Fatalf("%v in\n%s", err, r.YAML)
	}
	if problems, _ := rules.Check(s); len(problems) > 0 || len(r.Unfit) > 0 {
		t.Fatalf("%v, %v in\n%s", problems, r.Unfit, r.YAML)
	}
	return s
}

// lines are the notes of some kinds.
func lines(r *Result, kinds ...Kind) string {
	var b strings.Builder
	for _, n := range r.Notes {
		for _, k := range kinds {
			if n.Kind == k {
				b.WriteString(n.String() + "\n")
			}
		}
	}
	return b.String()
}

// TestGolden imports whole exports: full.reg as a 64-bit Windows writes it, with
// everything the original's manual names; regedit4.reg with much that cannot be.
func TestGolden(t *testing.T) {
	exports, err := filepath.Glob("testdata/*.reg")
	if err != nil || len(exports) < 2 {
		t.Fatal(exports, err)
	}
	folders, err := ParseFolders([]string{`d:/faxchange=/srv/fax/`, `%ums%\MobilChange=/srv/sms`})
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range exports {
		export, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		result, err := Import(export, Options{ANSI: cp1250, Folders: folders})
		if err != nil {
			t.Fatal(err)
		}
		accepted(t, result)
		for ext, got := range map[string]string{".yaml": string(result.YAML), ".check": lines(result, Lost, Changed, Design)} {
			golden := strings.TrimSuffix(file, ".reg") + ext
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if diff := cmp.Diff(string(want), got); diff != "" || err != nil {
				t.Errorf("%v; %s (-want +got):\n%s", err, golden, diff)
			}
		}
	}
}

// TestBothViews: the view of 32-bit programs wins, if it has anything.
func TestBothViews(t *testing.T) {
	wide := strings.ReplaceAll(minimal, `SOFTWARE\Datasys`, `Software\wow6432node\DATASYS`)[len(header):]
	s, r := importText(t, minimal+strings.ReplaceAll(wide, "localhost", "wide.example.com"))
	if s.Clients[0] != "wide.example.com" || !strings.Contains(lines(r, Lost), top+": not used") {
		t.Errorf("clients %q, %s", s.Clients, lines(r, Lost))
	}
	s, r = importText(t, minimal+"["+strings.Replace(top, "SOFTWARE", `SOFTWARE\WOW6432Node`, 1)+`\clients]`)
	if s.Clients[0] != "localhost" || lines(r, Lost) != "" {
		t.Errorf("the other view is empty: clients %q, %s", s.Clients, lines(r, Lost))
	}
	// The registry of another disk, loaded as a hive.
	if s, _ = importText(t, strings.ReplaceAll(minimal, `\SOFTWARE\`, `\old\`)); s.Clients[0] != "localhost" {
		t.Errorf("clients %q", s.Clients)
	}
}

// TestNoSettings: an export of something else is an error that says what to
// export.
func TestNoSettings(t *testing.T) {
	for _, export := range []string{header, header + "[" + top + `\applications]`, header + `[HKLM\SOFTWARE\Datasys]` + "\n\"x\"=\"y\""} {
		if _, err := Import([]byte(export), Options{ANSI: cp1250}); err == nil || !strings.Contains(err.Error(), `HKEY_LOCAL_MACHINE\SOFTWARE\Datasys`) {
			t.Errorf("%q: %v", export, err)
		}
	}
}

// TestNothingLeft: where no application is left there is no configuration, and
// what there was stands in the comments.
func TestNothingLeft(t *testing.T) {
	r, err := Import([]byte(strings.Replace(minimal, `"fax"`, `"telex"`, 1)), Options{ANSI: cp1250})
	if err != nil || len(r.Unfit) == 0 || r.Unfit[0].Key != "applications" || !strings.Contains(string(r.YAML), `#         - '(?P<number>\d+)@fax$'`) {
		t.Errorf("%v, %v in\n%s", err, r.Unfit, r.YAML)
	}
}

// TestNeverWider: an application that lost a restriction is off until an
// administrator has seen to it.
func TestNeverWider(t *testing.T) {
	for name, tt := range map[string]struct {
		values  string
		enabled bool
	}{
		"nothing lost":           {`\from_disabled]` + "\n\"1\"=\".*@fax$\"", true},
		"disabled sender":        {`\from_disabled]` + "\n\"1\"=\".*@fax$\"\n\"2\"=\"(?<!x)@gsm$\"", false},
		"one of enabled senders": {`\from_enabled]` + "\n\"1\"=\"(?!x)y@\"\n\"2\"=\"z@\"", true},
		"all enabled senders":    {`\from_enabled]` + "\n\"1\"=\"(?!x)y@\"", false},
		"enabled in bytes":       {`\from_enabled]` + "\n\"1\"=hex:01", false},
		"one client":             {`\clients]` + "\n\"1\"=\"192.168.1.7,192.168.*\"", true},
		"all clients":            {`\clients]` + "\n\"1\"=\"192.168.*\"", false},
		"a quote":                {`\clients]` + "\n\"1\"=\"192.168.1.7", false},
		"a line":                 {`\from_disabled]` + "\n\"1\"=\".*@fax$\"\n2\"=\"x@gsm$\"", false},
		"a bracket":              {`\clients` + "\n\"1\"=\"192.168.1.7\"", false},
		"a comma":                {`\from_disabled]` + "\n\"1\"=hex(7):61,00,", false},
		"half a character":       {`\from_disabled]` + "\n\"1\"=hex(7):61,00,62", false},
		"another program's":      {`\from_disabled]` + "\n\"1\"=\".*@fax$\"\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Other\n\"x\"=\"1\"\n\x1a", true},
		"a key cut off":          {`\from_disabled]` + "\n\"1\"=\".*@fax$\"\n[HKLM\\SOFTWARE\\Data", false},
		"a key cut off at once":  {`\from_disabled]` + "\n\"1\"=\".*@fax$\"\n[HKLM", false},
		"two exports":            {`\from_disabled]` + "\n\"1\"=\".*@fax$\"\nREGEDIT4\n", true},
		"the rest of hex":        {`\from_disabled]` + "\n\"1\"=hex(7):61,00,\\", false},
		"a line of another":      {`2\addresses]` + "\n\"addr_re_0\"=\"x", true},
	} {
		s, r := importText(t, "\ufeff"+minimal+"["+top+"]\n\"forward_smtp_server\"=\"mail\"\n["+fax+tt.values)
		if got := s.Applications["fax"].Enabled; got != tt.enabled || strings.Contains(lines(r, Changed), `\fax: switched off`) == tt.enabled {
			t.Errorf("%s: enabled is %t\n%s", name, got, lines(r, Lost, Changed))
		}
	}
}

// FuzzImport: whatever the export, the result is a configuration, or the import
// says that it is none.
func FuzzImport(f *testing.F) {
	exports, err := filepath.Glob("testdata/*.reg")
	if err != nil || len(exports) == 0 {
		f.Fatal(exports, err)
	}
	for _, file := range exports {
		export, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(export, `D:\=/srv`)
	}
	f.Add([]byte(minimal), `D:\fax=/`)
	f.Add([]byte(minimal+"["+fax+"]\n\"cmd_tags\"=\"HKLM\\\\x\"\n["+fax+"\\transform]\n\"TXT\"=\"<%msg%>\"\n[HKLM\\x]\n\"@a\"=\"b|c\"\n"), "x=y")
	f.Fuzz(func(t *testing.T, export []byte, folder string) {
		folders, err := ParseFolders([]string{folder})
		if err != nil {
			folders = nil
		}
		r, err := Import(export, Options{ANSI: cp1250, Folders: folders})
		if err != nil {
			return
		}
		for _, n := range r.Notes {
			if strings.ContainsAny(n.String(), "\r\n") {
				t.Fatalf("note %q", n)
			}
		}
		s, err := config.Parse("yaml", r.YAML, nil)
		if err == nil {
			if problems, _ := rules.Check(s); len(problems) > 0 {
				err = problems
			}
		}
		if (err == nil) != (len(r.Unfit) == 0) {
			t.Fatalf("%v, unfit %v in\n%s", err, r.Unfit, r.YAML)
		}
	})
}
