package man_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"smtpreceiver/contrib/man"
	"smtpreceiver/core"
	"smtpreceiver/core/config"
	"smtpreceiver/core/ctl"
)

var pages = []string{"smtpreceiver.8", "smtpreceiver.yaml.5", "smtpreceiver-ctl.5"}

func program(t *testing.T, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed (Debian package %s)", name, debian)
	}
	return path
}

func TestLint(t *testing.T) {
	t.Parallel()
	mandoc := program(t, "mandoc", "mandoc")
	// Which other pages this machine has is no property of ours.
	if out, err := exec.Command(mandoc, append([]string{"-T", "lint", "-W", "warning"}, pages...)...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// rendered is a page as man(1) shows it.
func rendered(t *testing.T, page string) string {
	t.Helper()
	c := exec.Command(program(t, "man", "man-db"), "--warnings", "-E", "UTF-8", "-l", page)
	c.Env = append(os.Environ(), "MANWIDTH=80", "LC_ALL=C.UTF-8", "MAN_KEEP_FORMATTING=")
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil || errs.Len() > 0 {
		t.Fatalf("%s: %v\n%s", c, err, &errs)
	}
	return out.String()
}

func TestRendering(t *testing.T) {
	t.Parallel()
	text := map[string]string{}
	for _, page := range pages {
		text[page] = rendered(t, page)
		for line := range strings.Lines(text[page]) {
			if strings.Contains(line, `\&`) || strings.HasPrefix(line, ".") {
				t.Errorf("%s shows markup: %q", page, line)
			}
		}
	}
	for _, k := range config.Keys() {
		if !regexp.MustCompile(`(?m)^ +` + regexp.QuoteMeta(k.Name+" "+k.Type) + `$`).MatchString(text["smtpreceiver.yaml.5"]) {
			t.Errorf("smtpreceiver.yaml(5) does not show %s", k.Name)
		}
	}
	for _, example := range []string{`(?P<number>\+?\d+)@fax$'`, `\r, \n and \t`} {
		if !strings.Contains(text["smtpreceiver.yaml.5"], example) {
			t.Errorf("smtpreceiver.yaml(5) does not show %s", example)
		}
	}
}

// TestExampleLoads reads the configuration out of the page as man(1) shows it.
func TestExampleLoads(t *testing.T) {
	t.Parallel()
	_, example, _ := strings.Cut(rendered(t, "smtpreceiver.yaml.5"), "mail.example.com:\n")
	example, _, _ = strings.Cut(example, "SEE ALSO")
	indent := regexp.MustCompile(`(?m)^ {11}`)
	settings, err := config.Parse("yaml", []byte(indent.ReplaceAllString(example, "")), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(settings.Applications) != 2 {
		t.Errorf("applications %v", settings.Applications)
	}
}

// TestControlFile holds smtpreceiver-ctl(5) against a job that has everything,
// both ways.
func TestControlFile(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("smtpreceiver-ctl.5")
	if err != nil {
		t.Fatal(err)
	}
	want := fullJob(t)
	example, err := ctl.Parse(regexp.MustCompile(`(?s)\n(\[system\].*?)\.Ed`).FindStringSubmatch(string(source))[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, section := range want.Sections() {
		_, text, _ := strings.Cut(string(source), ".Sh SECTION "+section+"\n")
		text, _, _ = strings.Cut(text, ".El")
		var documented []string
		for _, item := range regexp.MustCompile(`(?m)^\.It (.*)$`).FindAllStringSubmatch(text, -1) {
			item := strings.NewReplacer("Ar N Ns Cm _name", "1_name", "Ar N", "1", "Cm ", "").Replace(item[1])
			documented = append(documented, strings.Split(item, " , ")...)
		}
		if got := want.Keys(section); !slices.Equal(documented, got) {
			t.Errorf("section %s: the page has %q, the program writes %q", section, documented, got)
		}
		for _, key := range example.Keys(section) {
			if key != "maxlen" && !slices.Contains(documented, key) {
				t.Errorf("section %s: the example's %s is no key of the program", section, key)
			}
		}
	}
}

// fullJob is the control file of a job with every key that the program sets by itself.
func fullJob(t *testing.T) *ctl.Document {
	t.Helper()
	dir, ctx := t.TempDir(), context.Background()
	settings, err := config.Parse("yaml", []byte(`
state_directory: '`+filepath.ToSlash(dir)+`'
min_free_space: 0
applications:
  fax:
    ctl_type: fax
    output_folder: '`+filepath.ToSlash(dir)+`'
    addresses: ['(?P<name>.+)/(?P<company>.+)/(?P<dept>.+)/(?P<number>.+)@fax$']
    clients: [localhost]
    process_attachments: 1
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := core.Open(ctx, settings, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	trx := r.Begin(core.Client{Addr: netip.MustParseAddr("127.0.0.1")})
	defer trx.Abort()
	_, err = trx.Sender("eva@example.com", core.Envelope{EnvID: "QQ1"})
	must(t, err)
	_, err = trx.Recipient(ctx, `"Petr/Datasys/Sales/61388454"@fax`, core.RecipientOptions{Notify: "NEVER"})
	must(t, err)
	message := "From: Eva <eva@example.com>\nSubject: hello\nContent-Type: multipart/mixed; boundary=b\n\n" +
		"--b\n\nhello\n--b\nContent-Disposition: attachment; filename=a.pdf\n\nx\n--b--\n"
	_, err = trx.Write([]byte(strings.ReplaceAll(message, "\n", "\r\n")))
	must(t, err)
	must(t, trx.Stage(ctx))
	must(t, trx.Commit(ctx))
	names, err := filepath.Glob(filepath.Join(dir, "*.ctl"))
	if err != nil || len(names) != 1 {
		t.Fatalf("%v, %v", names, err)
	}
	text, err := os.ReadFile(names[0])
	must(t, err)
	d, err := ctl.Parse(string(text)) // all ASCII
	must(t, err)
	return d
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDated(t *testing.T) {
	t.Parallel()
	old := []byte(".Dd May 1, 2026\n.Dt X 1\n")
	if got := man.Dated([]byte(".Dd January 1, 2026\n.Dt X 1\n"), old, "June 1, 2026"); string(got) != string(old) {
		t.Errorf("unchanged: %q", got)
	}
	if got := man.Dated([]byte(".Dd January 1, 2026\n.Dt Y 1\n"), old, "June 1, 2026"); string(got) != ".Dd June 1, 2026\n.Dt Y 1\n" {
		t.Errorf("changed: %q", got)
	}
}
