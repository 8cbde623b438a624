//go:build linux

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// exported is what regedit wrote on a 64-bit Windows with the original.
const exported = "../../core/migrate/testdata/full.reg"

// TestMovingOver does what an administrator of the original does: import, check,
// start, and the jobs of the same mail lie where the fax and SMS servers are now.
func TestMovingOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folders := []string{"--map", `D:\FaxChange=` + filepath.Join(dir, "faxchange"), "--map", `%Ums%\MobilChange=` + filepath.Join(dir, "mobilchange")}
	status, yaml, warnings := runCommand(t, "", nil, append([]string{"import-registry", exported}, folders...)...)
	if status != 0 || !strings.Contains(warnings, "warning: not taken over: authentication_lib: ") {
		t.Fatalf("exit status %d, %s", status, warnings)
	}
	r := &receiver{
		dir: dir, config: filepath.Join(dir, "smtpreceiver.yaml"), binary: binary,
		fax: filepath.Join(dir, "faxchange/mail/in"), sms: filepath.Join(dir, "mobilchange/Mail/In"),
		// What the export cannot know of this machine.
		environ: []string{"SMTPRECEIVER_STATE_DIRECTORY=" + dir, "SMTPRECEIVER_SMTP_PORT=0", "SMTPRECEIVER_MIN_FREE_SPACE=0", "SMTPRECEIVER_LOG_EVENT_LOG="},
	}
	writeFile(t, r.config, yaml)
	status, problems, _ := runCommand(t, "", r.environ, "check", "--config", r.config)
	if status != 1 || strings.Count(problems, " does not exist: mkdir -p ") != 3 || !strings.Contains(problems, "problems: 3\n") {
		t.Fatalf("before the folders are there: exit status %d, %s", status, problems)
	}
	for _, folder := range []string{r.fax, r.sms, filepath.Join(dir, "faxchange/log")} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if status, problems, _ = runCommand(t, "", r.environ, "check", "--config", r.config); status != 0 {
		t.Fatalf("exit status %d, %s", status, problems)
	}
	r.start(t)
	wantDelivery(t, r.addr, mail{"eva@petrol.org", []string{`"Petr/Datasys/61388454"@fax`, "+420603123456@sms"},
		"From: Eva <eva@petrol.org>\r\nSubject: Pump ID:4711\r\n\r\n@dr=1\r\n\r\nIt stopped.\r\n"}, "250 ")
	for folder, want := range map[string][]string{
		r.fax: {"type=fax", "number=61388454", "company=Datasys", "user_app_id=4711", "dr=1", "nomodify=1", "name=Eva", "email=eva@petrol.org"},
		r.sms: {"type=sms", "number=+420603123456", "maxlen=1", "dr=1"},
	} {
		found, err := filepath.Glob(filepath.Join(folder, "*.ctl"))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %q, %v", folder, found, err)
		}
		if id := filepath.Base(found[0]); id <= "00020471.ctl" {
			t.Errorf("job %s, though the original had used numbers up to 20471", id)
		}
		ctl := readFile(t, found[0])
		for _, line := range want {
			if !strings.Contains(ctl, "\r\n"+line+"\r\n") {
				t.Errorf("no %s in %s:\n%s", line, found[0], ctl)
			}
		}
		text := readFile(t, strings.TrimSuffix(found[0], ".ctl")+".txt")
		if !strings.Contains(text, "It stopped.") || strings.Contains(text, "@dr") || folder == r.fax && !strings.Contains(text, "Message from:Eva eva@petrol.org\r\n") {
			t.Errorf("text for %s: %q", folder, text)
		}
	}
	wantDelivery(t, r.addr, mail{"x@fax", []string{"1@fax"}, "\r\n"}, "550 5.7.1 ") // from_disabled
	r.stop(t)
}

func TestImportRegistry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	minimal := filepath.Join(dir, "minimal.reg")
	const key = `HKLM\SOFTWARE\Datasys\UMS\SMTPreceiver`
	writeFile(t, minimal, "REGEDIT4\n["+key+`\clients]`+"\n\"0\"=\"localhost\"\n["+key+`\applications\fax]`+"\n\"output_folder\"=\"D:\\\\\xbelu\"\n\"ctl_type\"=\"fax\"\n["+
		key+`\applications\fax\addresses]`+"\n\"addr_re_0\"=\".*@fax$\"\n")
	none := filepath.Join(dir, "none.reg")
	writeFile(t, none, "REGEDIT4\n["+key+"]\n\"smtp_port\"=\"25\"\n")
	for _, tt := range []struct {
		args           string
		status         int
		stdout, stderr string // contained; "" wants nothing
	}{
		{"import-registry", 2, "", "takes one registry export"},
		{"import-registry a b", 2, "", "takes one registry export"},
		{"import-registry --map x " + minimal, 2, "", `--map "x": write OLD=NEW`},
		{"import-registry --code-page cp99 " + minimal, 2, "", `--code-page: code page "cp99"`},
		{"import-registry " + dir + "/nowhere.reg", 1, "", "nowhere.reg: no such file"},
		{"import-registry importregistry_test.go", 1, "", "importregistry_test.go: not a registry export"},
		{"import-registry " + none, 1, "smtp_port: 25", "no configuration yet: applications: none"},
		{"import-registry --check " + none, 1, "no configuration yet: applications: none", ""},
		{"import-registry " + minimal, 0, `output_folder: 'D:\ľlu'`, `warning: changed: applications\fax: output_folder: `},
		{"import-registry --code-page cp1252 " + minimal, 0, `output_folder: 'D:\¾lu'`, "warning: "},
		{`import-registry --map D:\=/srv ` + minimal, 0, "output_folder: '/srv/ľlu'", ""},
		{"import-registry --check " + minimal, 0, "by design: ", ""},
		{"import-registry --check " + exported, 1, "not taken over: authentication_lib: ", ""},
	} {
		status, stdout, stderr := runCommand(t, "", nil, strings.Fields(tt.args)...)
		if status != tt.status {
			t.Errorf("%s: exit status %d, want %d", tt.args, status, tt.status)
		}
		for _, stream := range []struct{ want, got string }{{tt.stdout, stdout}, {tt.stderr, stderr}} {
			if !strings.Contains(stream.got, stream.want) || stream.want == "" && stream.got != "" {
				t.Errorf("%s: %q, want %q in it", tt.args, stream.got, stream.want)
			}
		}
	}
	c := exec.Command(binary, "import-registry", "-")
	c.Stdin = strings.NewReader(readFile(t, minimal))
	piped, err := c.Output()
	if _, want, _ := runCommand(t, "", nil, "import-registry", minimal); err != nil || !bytes.Equal(piped, []byte(want)) {
		t.Errorf("from its input: %v, %s", err, piped)
	}
}
