package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const mainFile = `clients: [localhost]
applications:
  fax: {output_folder: /var/spool/fax, ctl_type: fax, addresses: '.*@fax$'}
`

// loadAll writes files under a new folder and loads the first. Its name may be
// that of the usual main file.
func loadAll(t *testing.T, environ []string, files ...[2]string) (*Settings, error) {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		file := filepath.Join(dir, f[0])
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, file, f[1])
	}
	s, main, err := Load(Source{File: filepath.Join(dir, files[0][0]), Environ: environ})
	if main != filepath.Join(dir, files[0][0]) {
		t.Errorf("main file %s", main)
	}
	if err != nil {
		err = errorText(strings.ReplaceAll(filepath.ToSlash(err.Error()), filepath.ToSlash(dir)+"/", ""))
	}
	return s, err
}

type errorText string

func (e errorText) Error() string { return string(e) }

// TestAddedFiles: sections are put together from all files; what is no *.yaml,
// or hidden, is not read.
func TestAddedFiles(t *testing.T) {
	t.Parallel()
	for _, main := range [][2]string{
		{"smtpreceiver.yaml", mainFile},
		{"smtpreceiver.json", `{"clients": "localhost", "applications": {"fax": {"output_folder": "/var/spool/fax", "ctl_type": "fax", "addresses": ".*@fax$"}}}`},
		{"smtpreceiver.toml", "clients = 'localhost'\n[applications.fax]\noutput_folder = '/var/spool/fax'\nctl_type = 'fax'\naddresses = '.*@fax$'\n"},
	} {
		s, err := loadAll(t, []string{"SMTPRECEIVER_SMTP_PORT=2526"}, main,
			[2]string{"conf.d/20-consume.yaml", "Applications:\n  fax: {cmd_tags: office}\nconsume:\n  fax: {target: hylafax}\n"},
			[2]string{"conf.d/10-tags.yaml", "tags:\n  office: {a: 'x|y'}\nconsume:\nsmtp_port: 2525\n"},
			[2]string{"conf.d/30.yaml", ""},
			[2]string{"conf.d/40.yml", "nonsense: 1"},
			[2]string{"conf.d/50.yaml.bak", "nonsense: 1"},
			[2]string{"conf.d/.60.yaml", "nonsense: 1"},
		)
		if err != nil {
			t.Fatalf("%s: %v", main[0], err)
		}
		if app := s.Applications["fax"]; app.CmdTags != "office" || app.OutputFolder != "/var/spool/fax" || s.Consume["fax"].Target != "hylafax" || s.SMTPPort != 2526 {
			t.Errorf("%s: %+v", main[0], s)
		}
		var names []string
		for _, file := range s.Files {
			names = append(names, filepath.Base(file))
		}
		if diff := cmp.Diff([]string{main[0], "10-tags.yaml", "20-consume.yaml", "30.yaml"}, names); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
		if got := s.Source(); !strings.HasSuffix(got, main[0]+" and conf.d (10-tags.yaml, 20-consume.yaml, 30.yaml)") {
			t.Errorf("source %s", got)
		}
	}
}

// TestAddedFilesWrong: every message names the file, and the line where it can.
func TestAddedFilesWrong(t *testing.T) {
	t.Parallel()
	main := [2]string{"smtpreceiver.yaml", mainFile}
	for _, test := range []struct {
		name  string
		files [][2]string
		want  string
	}{
		{"twice", [][2]string{main, {"conf.d/a.yaml", "\nclients: [10.0.0.1]\n"}},
			`clients: given twice, in smtpreceiver.yaml:1 and in conf.d/a.yaml:2: keep one`},
		{"twice below", [][2]string{main, {"conf.d/a.yaml", "applications:\n  fax:\n    ctl_type: fax\n"}},
			`applications.fax.ctl_type: given twice, in smtpreceiver.yaml:3 and in conf.d/a.yaml:3: keep one`},
		{"twice in added files", [][2]string{main, {"conf.d/a.yaml", "smtp_port: 1\n"}, {"conf.d/b.yaml", "\n\nsmtp_port: 2\n"}},
			`smtp_port: given twice, in conf.d/a.yaml:1 and in conf.d/b.yaml:3: keep one`},
		{"twice in one added file", [][2]string{main, {"conf.d/a.yaml", "applications:\n  fax: {cmd_tags: faxchange}\nApplications:\n  fax: {enabled: 1}\n"}},
			`Applications: given twice, in conf.d/a.yaml:1 and in conf.d/a.yaml:3: keep one`},
		{"a list in JSON and another", [][2]string{
			{"smtpreceiver.json", "{\n\"smtp_port\": 1,\n\"clients\":\n[\"localhost\"]}"},
			{"conf.d/a.yaml", "clients: [10.0.0.1]\napplications:\n  fax: {output_folder: /x, ctl_type: fax, addresses: x}"},
		}, `clients: given twice, in smtpreceiver.json:3 and in conf.d/a.yaml:1: keep one`},
		{"section and value", [][2]string{main, {"conf.d/a.yaml", "applications: none\n"}},
			`applications: given twice, in smtpreceiver.yaml:2 and in conf.d/a.yaml:1: keep one`},
		{"syntax", [][2]string{main, {"conf.d/a.yaml", "clients: [\n"}},
			`conf.d/a.yaml: line 1: did not find expected node content: mend the file; nothing of it was read`},
		{"no section", [][2]string{main, {"conf.d/a.yaml", "- x\n"}},
			`conf.d/a.yaml: a list where a section must be: write keys with values below it`},
		{"bad value", [][2]string{main, {"conf.d/a.yaml", "consume:\n  fax:\n    target: hylafx\n"}},
			`consume.fax.target (conf.d/a.yaml:3): "hylafx" is not known here: write one of: hylafax, smstools, gammu, asterisk, command, http, folder`},
		{"missing", [][2]string{main, {"conf.d/a.yaml", "consume:\n  fax:\n    server: x\n"}},
			`consume.fax.target (conf.d/a.yaml:2): missing: set it, for example hylafax`},
		{"missing in the main file's section", [][2]string{{"smtpreceiver.yaml", "applications:\n  fax: {ctl_type: fax, addresses: x}\n"}, {"conf.d/a.yaml", "applications:\n  fax: {cmd_tags: faxchange}\n"}},
			`applications.fax.output_folder: missing: set it, for example /var/spool/smtpreceiver/fax`},
		{"unknown", [][2]string{main, {"conf.d/a.yaml", "applications:\n  fax: {ctl_typ: fax}\n"}},
			`applications.fax.ctl_typ (conf.d/a.yaml:2): unknown key: did you mean applications.fax.ctl_type?`},
		{"no folder", [][2]string{main, {"conf.d", ""}},
			`conf.d: cannot be read: not a directory: give the user of the service access to it, or name another file with --config`},
		{"two wrong ones", [][2]string{main, {"conf.d/a.yaml", "- x\n"}, {"conf.d/b.yaml", "1\n"}},
			"conf.d/a.yaml: a list where a section must be: write keys with values below it\nconf.d/b.yaml: a single value where a section must be: write keys with values below it"},
		{"beside a main file that is none", [][2]string{{"smtpreceiver.yaml", "- x\n"}, {"conf.d/a.yaml", "smtp_port: 1\n"}},
			`configuration: a list where a section must be: write keys with values below it`},
		{"folders", [][2]string{main, {"conf.d/a.yaml/x", ""}, {"conf.d/b.yaml/x", ""}},
			"conf.d/a.yaml: cannot be read: is a directory: give the user of the service access to it, or name another file with --config\n" +
				"conf.d/b.yaml: cannot be read: is a directory: give the user of the service access to it, or name another file with --config"},
		{"twice, once bad", [][2]string{{"smtpreceiver.yaml", mainFile + "smtp_port: x\n"}, {"conf.d/a.yaml", "smtp_port: 1\n"}},
			`smtp_port: given twice, in smtpreceiver.yaml:4 and in conf.d/a.yaml:1: keep one`},
		{"twice, once in TOML", [][2]string{{"smtpreceiver.toml", "smtp_port = 1\nforward_smtp_server = 'a'\n"}, {"conf.d/a.yaml", "smtp_port: 1\n"}},
			`smtp_port: given twice, in smtpreceiver.toml and in conf.d/a.yaml:1: keep one`},
		{"bad value of a key in capitals", [][2]string{main, {"conf.d/a.yaml", "\nSMTP_Port: x\n"}},
			`smtp_port (conf.d/a.yaml:2): "x" is not a valid number: write a whole number`},
		{"unknown, in capitals", [][2]string{main, {"conf.d/a.yaml", "\nSMTP.Prot: x\n"}},
			`"SMTP.Prot" (conf.d/a.yaml:2): unknown key: did you mean smtp_port?`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := loadAll(t, nil, test.files...)
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

// TestTooManyAddedFiles: 1000 are read.
func TestTooManyAddedFiles(t *testing.T) {
	t.Parallel()
	main := filepath.Join(t.TempDir(), "smtpreceiver.yaml")
	folder := filepath.Join(filepath.Dir(main), "conf.d")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, main, mainFile)
	for i := range 1000 {
		write(t, filepath.Join(folder, fmt.Sprint(i, ".yaml")), "")
	}
	if s, _, err := Load(Source{File: main}); err != nil || len(s.Files) != 1001 {
		t.Errorf("1000 files: %v", err)
	}
	write(t, filepath.Join(folder, "x.yaml"), "")
	if _, _, err := Load(Source{File: main}); err == nil || err.Error() != folder+": holds more than 1000 files: put several into one" {
		t.Errorf("one more: %v", err)
	}
}

// TestSource: what messages call the configuration.
func TestSource(t *testing.T) {
	t.Parallel()
	for want, files := range map[string][]string{"configuration": nil, "/a.yaml": {"/a.yaml"}, "/a.yaml and conf.d (b.yaml)": {"/a.yaml", "/conf.d/b.yaml"}} {
		if got := (&Settings{Files: files}).Source(); got != want {
			t.Errorf("%q: %s, want %s", files, got, want)
		}
	}
}

// TestAddedButSetByEnvironment: what a variable sets is not said to be the
// file's fault.
func TestAddedButSetByEnvironment(t *testing.T) {
	t.Parallel()
	_, err := loadAll(t, []string{"SMTPRECEIVER_SMTP_PORT=x"}, [2]string{"smtpreceiver.yaml", mainFile}, [2]string{"conf.d/a.yaml", "smtp_port: 1\n"})
	if err == nil || !strings.HasPrefix(err.Error(), "smtp_port: environment variable SMTPRECEIVER_SMTP_PORT: ") {
		t.Error(err)
	}
}

// TestAddedFilesShareTheirBounds: aliases do not multiply from file to file.
func TestAddedFilesShareTheirBounds(t *testing.T) {
	t.Parallel()
	many := "clients: [" + strings.Repeat("a,", maxNodes*2/3) + "a]\n"
	_, err := loadAll(t, nil, [2]string{"smtpreceiver.yaml", mainFile}, [2]string{"conf.d/a.yaml", many}, [2]string{"conf.d/b.yaml", many})
	if err == nil || !strings.HasPrefix(err.Error(), "conf.d/b.yaml: line 1: more than 100000 values") {
		t.Errorf("%.200v", err)
	}
}
