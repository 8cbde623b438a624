//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"smtpreceiver/core/codepage"
	"smtpreceiver/core/explained"
)

// richApplications take each sample as MHT with attachments and as text.
const richApplications = `
state_directory: '%[1]s/state'
applications:
  fax:
    ctl_type: fax
    output_folder: '%[1]s/fax'
    addresses: ['(?:(?P<name>[^/]+)/(?P<company>[^/]+)/)?(?P<number>\+?\d+)@fax$']
    process_attachments: 1
    format_preference: mht;txt
  sms:
    ctl_type: sms
    output_folder: '%[1]s/sms'
    addresses: ['(?P<number>\+?\d+)@sms$']
    process_attachments: 1
    cmd_tags: mobilchange
    ctl_settings: ['system|maxlen = 3']
    transform: {txt: "<%%messageFromName|messageFromAddress|'?'%%>: <%%msg%%>"}
`

// TestExplainedJobsAreTheRealOnes sends every sample mail through the running
// program and holds the jobs in its spool, or its reply, against what explain
// says of the same file.
func TestExplainedJobsAreTheRealOnes(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../core/message/testdata/*.eml")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d samples, %v", len(files), err)
	}
	r := newReceiver(t)
	writeFile(t, r.config, basicSettings+fmt.Sprintf(richApplications, r.dir))
	r.start(t)
	page, err := codepage.Lookup(outputPage)
	if err != nil {
		t.Fatal(err)
	}
	rcpts := []string{"+420603123456@sms", `"Eva Dvořáková/Firma/261388454"@fax`}
	made := 0
	for _, file := range files {
		text := readFile(t, file)
		if !strings.Contains(text, "\r\n") {
			text = strings.ReplaceAll(text, "\n", "\r\n")
		}
		if text != "" && !strings.HasSuffix(text, "\r\n") {
			text += "\r\n"
		}
		reply, err := deliver(r.addr, mail{"sender@firma.cz", rcpts, text})
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		status, e := explainJSON(t, "--config", r.config, "--from", "sender@firma.cz", "--rcpt", rcpts[0], "--rcpt", rcpts[1], file)
		if reply[0] != '2' {
			if e.Refused == nil || said(&e.Refused.Reply) != reply || status != 1 {
				t.Errorf("%s: explained %+v, got %q", file, e.Refused, reply)
			}
			continue
		}
		if status != 0 || e.Message == nil {
			t.Errorf("%s: status %d, %+v, got %q", file, status, e.Refused, reply)
			continue
		}
		if len(e.Message.Jobs) != 2 {
			t.Fatalf("%s: explained %d jobs", file, len(e.Message.Jobs))
		}
		for i, folder := range []string{r.sms, r.fax} {
			j := e.Message.Jobs[i]
			if d := cmp.Diff(takeWritten(t, page, folder, j.Name), j.Files); d != "" || j.Folder != folder {
				t.Errorf("%s, in %s: -written +explained:\n%s", file, j.Folder, d)
			}
			made++
		}
	}
	if made < 100 {
		t.Errorf("only %d jobs were compared", made)
	}
}

// takeWritten takes the only job out of a folder: its files, CTL and message in
// front, as explain would show them under another name.
func takeWritten(t testing.TB, page *codepage.Page, folder, name string) []explained.File {
	t.Helper()
	controls, err := filepath.Glob(filepath.Join(folder, "*.ctl"))
	if err != nil || len(controls) != 1 {
		t.Fatalf("%q, %v, want one CTL", controls, err)
	}
	stem := strings.TrimSuffix(filepath.Base(controls[0]), ".ctl")
	paths, err := filepath.Glob(filepath.Join(folder, stem+"[._]*"))
	if err != nil {
		t.Fatal(err)
	}
	var files []explained.File
	for _, path := range paths {
		raw := readFile(t, path)
		f := explained.File{Name: strings.Replace(filepath.Base(path), stem, name, 1), Size: int64(len(raw))}
		if base := filepath.Base(path); base == stem+".ctl" || base == stem+".txt" {
			text := strings.ReplaceAll(page.Decode([]byte(raw)), stem, name)
			f.Text = &text
		}
		files = append(files, f)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func said(r *explained.Reply) string { return fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text) }

// TestExplainedRepliesAreTheRealOnes: for each way to be refused, explain says
// what the SMTP server says.
func TestExplainedRepliesAreTheRealOnes(t *testing.T) {
	t.Parallel()
	const from, small = "petr@example.com", "Subject: x\r\n\r\nbody\r\n"
	hops := strings.Repeat("Received: from a by b\r\n", 6)
	for _, tt := range []struct {
		name, settings, from, to, text, code string
	}{
		{"greeting", "clients: 192.0.2.1", from, "1@sms", small, "554 5.7.1"},
		{"authentication required", "clients: 192.0.2.1\nauthentication: {backend: file, users_file: {dir}/users, allow_plaintext: 1}", from, "1@sms", small, "530 5.7.0"},
		{"relay denied", "", from, "eva@example.com", small, "550 5.7.1"},
		{"null sender", "", "", "1@sms", small, "550 5.7.1"},
		{"sender denied", "", "robot@example.com", "1@sms", small, "550 5.7.1"},
		{"sender not enabled", "", "petr@elsewhere.test", "1@sms", small, "550 5.7.1"},
		{"number denied", "", from, "90@sms", small, "550 5.7.1"},
		{"number not allowed", "", from, "7@sms", small, "550 5.7.1"},
		{"no space at MAIL", "min_free_space: 100000000GiB", from, "1@sms", small, "452 4.3.1"},
		{"message size", "max_message_size: 1KiB", from, "1@sms", small + strings.Repeat("0123456\r\n", 200), "552 5.3.4"},
		{"header size", "max_header_size: 1KiB", from, "1@sms", strings.Repeat("X: 456\r\n", 200) + small, "552 5.3.4"},
		{"hops", "max_hops: 5", from, "1@sms", hops + small, "554 5.4.6"},
		{"bare LF", "", from, "1@sms", "Subject: x\r\n\r\na\nb\r\n", "550 5.5.2"},
		{"bare LF accepted", "bare_newlines: accept", from, "1@sms", "Subject: x\r\n\r\na\nb\r\n", ""},
		{"bare CR", "", from, "1@sms", "Subject: x\r\n\r\na\rb\r\n", "550 5.5.2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t)
			key, _, _ := strings.Cut(tt.settings, ":")
			basics := strings.Builder{}
			for line := range strings.Lines(basicSettings) {
				if key == "" || !strings.HasPrefix(line, key+":") {
					basics.WriteString(line)
				}
			}
			rules := readFile(t, "testdata/explain/refusing.yaml")
			writeFile(t, filepath.Join(r.dir, "users"), "")
			writeFile(t, r.config, strings.ReplaceAll(basics.String()+tt.settings+"\n"+rules, "{dir}", r.dir))
			r.start(t)
			reply, err := deliver(r.addr, mail{tt.from, []string{tt.to}, tt.text})
			if err != nil || !strings.HasPrefix(reply, tt.code) || (tt.code == "") != (reply[0] == '2') {
				t.Fatalf("%q, %v, want %s", reply, err, tt.code)
			}
			file := filepath.Join(r.dir, "mail.eml")
			writeFile(t, file, tt.text)
			status, e := explainJSON(t, "--config", r.config, "--from", tt.from, "--rcpt", tt.to, file)
			got := ""
			switch {
			case e.Refused != nil:
				got = said(&e.Refused.Reply)
			case e.Recipients[0].Reply != nil:
				got = said(e.Recipients[0].Reply)
			}
			if tt.code == "" {
				reply = ""
			}
			if got != reply || (status == 0) != (tt.code == "") {
				t.Errorf("explained %q, status %d; the server said %q", got, status, reply)
			}
		})
	}
}
