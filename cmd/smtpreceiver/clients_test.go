//go:build linux

package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// runClient runs a mail client to its successful end.
func runClient(t *testing.T, stdin, name string, args ...string) {
	t.Helper()
	c := exec.Command(name, args...)
	c.Stdin = strings.NewReader(stdin)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", c, err, out)
	}
}

// wantJob fails the test unless the folder's only job has these values, keyed by
// section/key, and this text.
func wantJob(t *testing.T, folder, text string, values map[string]string) {
	t.Helper()
	found := jobs(t, folder)
	if len(found) != 1 {
		t.Fatalf("%d jobs in %s, want 1", len(found), folder)
	}
	for target, want := range values {
		section, key, _ := strings.Cut(target, "/")
		if got := found[0].Get(section, key); got != want {
			t.Errorf("%s %s: %q, want %q", found[0].control, target, got, want)
		}
	}
	got, err := found[0].text()
	if err != nil || got != text {
		t.Errorf("text %q, %v, want %q", got, err, text)
	}
}

// TestCurl has lines that end in LF, as files on Unix do.
func TestCurl(t *testing.T) {
	t.Parallel()
	curl := program(t, "curl", "curl")
	r := running(t)
	runClient(t, "From: Eva <eva@example.com>\nTo: Petr <+420603123456@sms>\nSubject: =?utf-8?Q?P=C5=99=C3=ADli=C5=A1?=\nContent-Type: text/plain; charset=utf-8\n\nžluťoučký €\n.\n..kůň\n",
		curl, "-sS", "--url", "smtp://"+r.addr, "--mail-from", "eva@example.com",
		"--mail-rcpt", "+420603123456@sms", "--mail-rcpt", "61388454@fax", "--crlf", "--upload-file", "-")
	r.wantJobs(t, "+420603123456@sms", "61388454@fax")
	wantJob(t, r.sms, "žluťoučký €\r\n.\r\n..kůň\r\n", map[string]string{
		"system/type": "sms", "system/subject": "Příliš", "from/name": "Eva", "from/smtp": "eva@example.com",
		"to/number": "+420603123456", "to/name": "Petr",
	})
}

func TestSwaks(t *testing.T) {
	t.Parallel()
	swaks := program(t, "swaks", "swaks")
	r := running(t)
	pdf := filepath.Join(r.dir, "invoice.pdf")
	writeFile(t, pdf, "%PDF-1.4\n\x00\xff\r\n%%EOF\n")
	runClient(t, "", swaks, "--server", r.addr, "--from", "eva@example.com", "--to", `"Petr/Datasys/61388454"@fax,+420603123456@sms`,
		"--header", "Subject: invoice", "--body", "see the attachment", "--attach-type", "application/pdf", "--attach", "@"+pdf)
	// The line end before a boundary belongs to the boundary.
	wantJob(t, r.fax, "see the attachment", map[string]string{
		"system/subject": "invoice", "to/name": "Petr", "to/company": "Datasys", "to/number": "61388454",
		"attachments/count": "1", "attachments/1_name": "invoice.pdf",
	})
	wantJob(t, r.sms, "see the attachment", map[string]string{"to/number": "+420603123456", "attachments/count": ""})
	attached := jobs(t, r.fax)[0].files[1]
	if got, want := readFile(t, filepath.Join(r.fax, attached)), readFile(t, pdf); got != want {
		t.Errorf("attachment %q, want %q", got, want)
	}
}

// smtplibScript has a wrong recipient among the right ones, and one message after
// another on one connection.
const smtplibScript = `
import smtplib, sys
from email.message import EmailMessage
m = EmailMessage()
m["From"], m["To"], m["Subject"] = "Eva <eva@example.com>", "1@fax", "Grüße"
m.set_content("first line\n.\nlast line\n")
m.add_attachment(b"\x00\x01", maintype="application", subtype="pdf", filename="přehled.pdf")
host, port = sys.argv[1].rsplit(":", 1)
with smtplib.SMTP(host, int(port)) as s:
    refused = s.send_message(m, to_addrs=["1@fax", "nobody@example.com", "2@fax"])
    assert list(refused) == ["nobody@example.com"] and refused["nobody@example.com"][0] == 550, refused
    s.sendmail("eva@example.com", ["+420603123456@sms"], "Subject: second\r\n\r\nsecond\r\n")
`

func TestSmtplib(t *testing.T) {
	t.Parallel()
	python := program(t, "python3", "python3")
	r := running(t)
	runClient(t, smtplibScript, python, "-", r.addr)
	r.wantJobs(t, "+420603123456@sms", "1@fax", "2@fax")
	for _, j := range jobs(t, r.fax) {
		if got := j.Get("system", "subject"); got != "Grüße" {
			t.Errorf("subject %q", got)
		}
		if got := readFile(t, filepath.Join(r.fax, j.files[1])); got != "\x00\x01" {
			t.Errorf("attachment %q", got)
		}
		if text, err := j.text(); text != "first line\r\n.\r\nlast line\r\n" {
			t.Errorf("text %q, %v", text, err)
		}
	}
	wantJob(t, r.sms, "second\r\n", map[string]string{"system/subject": "second"})
}

// TestSMTPSource has as many sessions as the default of thread_num lets in.
func TestSMTPSource(t *testing.T) {
	t.Parallel()
	source := program(t, "smtp-source", "postfix")
	for _, connection := range []struct {
		name string
		args []string
	}{
		{"a connection each", nil},
		{"kept connections", []string{"-d"}},
	} {
		t.Run(connection.name, func(t *testing.T) {
			t.Parallel()
			r := running(t)
			const messages = "60"
			args := append(connection.args, "-s", "5", "-m", messages, "-r", "2", "-l", "3000", "-f", "a@example.com", "-t", "1@fax", r.addr)
			runClient(t, "", source, args...)
			found := jobs(t, r.fax)
			if len(found) != 120 {
				t.Errorf("%d jobs, want 120: 60 messages with 2 recipients", len(found))
			}
			stems := map[string]bool{}
			for _, j := range found {
				stems[j.Get("system", "id")] = true
				if raw := readFile(t, filepath.Join(j.folder, j.files[0])); len(raw) < 2000 || !bytes.HasSuffix([]byte(raw), []byte("\r\n")) {
					t.Errorf("%s: text of %d bytes", j.control, len(raw))
				}
			}
			if len(stems) != len(found) {
				t.Errorf("%d different IDs for %d jobs", len(stems), len(found))
			}
			r.stop(t)
			r.wantTidy(t)
		})
	}
}
