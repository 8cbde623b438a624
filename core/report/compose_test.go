package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	gomessage "github.com/emersion/go-message"
	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"smtpreceiver/core/transform"
)

var (
	arrived = time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)
	judged  = arrived.Add(time.Hour)
)

func request() *Request {
	return &Request{
		Sender: "petr@example.com", Recipient: "61388454@fax", Arrived: arrived, EnvID: "QQ=314", Original: "rfc822;fax-61388454@example.com",
		Header: []byte("From: Petr <petr@example.com>\r\nSubject: =?utf-8?q?Nab=C3=ADdka?=\r\nMessage-ID: <1@example.com>\r\nX-Long: " + strings.Repeat("x", 200) + "\r\n"),
	}
}

func failure() Outcome {
	return Outcome{
		Action: Failed, Code: "5.0.0", Reason: `sendfax: "/var/spool/smtpreceiver/fax/1.txt": no such number`, Target: "hylafax", App: "fax", Job: "00000001",
		Key: "00000001-ABCD", Number: "+42061388454", At: judged,
	}
}

func composer(t *testing.T, subject, text string) *Composer {
	t.Helper()
	c := &Composer{Host: "gw.example.com"}
	for s, to := range map[string]**transform.Template{subject: &c.Subject, text: &c.Text} {
		if s == "" {
			continue
		}
		var err error
		if *to, err = transform.ParseReport(s); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// parts takes a report apart: its header, and the body of each part by its type.
func parts(t *testing.T, letter []byte) (mail.Header, map[string]string) {
	t.Helper()
	if bytes.Contains(regexp.MustCompile(`[^\r]\n`).Find(letter), []byte("\n")) {
		t.Errorf("a bare newline in\n%s", letter)
	}
	m, err := mail.ReadMessage(bytes.NewReader(letter))
	if err != nil {
		t.Fatalf("%v in\n%s", err, letter)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" || params["report-type"] != "delivery-status" {
		t.Fatalf("%s, %v", m.Header.Get("Content-Type"), err)
	}
	found := map[string]string{}
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextPart() // decodes quoted-printable
		if err == io.EOF {
			return m.Header, found
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := strings.Cut(p.Header.Get("Content-Type"), ";")
		found[kind] = string(body)
	}
}

func TestCompose(t *testing.T) {
	t.Parallel()
	letter, errs := composer(t, "", "").Compose(t.Context(), request(), failure())
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	h, got := parts(t, letter)
	for name, want := range map[string]string{
		"From": `"Fax and SMS" <postmaster@gw.example.com>`, "To": "<petr@example.com>", "Auto-Submitted": "auto-replied", "Mime-Version": "1.0", "Date": "Sat, 28 Nov 2026 11:00:00 +0000",
		"Message-Id": "<00000001-ABCD.failed@gw.example.com>", "In-Reply-To": "<1@example.com>", "References": "<1@example.com>",
	} {
		if h.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, h.Get(name), want)
		}
	}
	if subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject")); err != nil || subject != "Not sent: Nabídka" {
		t.Errorf("subject %q, %v", subject, err)
	}
	want := map[string]string{
		"text/plain": "Your message could not be sent.\r\n\r\nTo:      +42061388454\r\nSubject: Nabídka\r\nReason:  sendfax: \"1.txt\": no such number\r\n\r\n" +
			"This report was made by the fax and SMS gateway. Nobody reads answers to it.\r\n",
		"message/delivery-status": "Reporting-MTA: dns; gw.example.com\r\nOriginal-Envelope-Id: QQ=314\r\nArrival-Date: Sat, 28 Nov 2026 10:00:00 +0000\r\n\r\n" +
			"Original-Recipient: rfc822; fax-61388454@example.com\r\nFinal-Recipient: rfc822; 61388454@fax\r\nAction: failed\r\nStatus: 5.0.0\r\n" +
			"Diagnostic-Code: x-fax; sendfax: \"1.txt\": no such number\r\nLast-Attempt-Date: Sat, 28 Nov 2026 11:00:00 +0000\r\nX-Smtpreceiver-Job: fax/00000001\r\n",
		"text/rfc822-headers": string(request().Header),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestComposeOthers: the other two reports, and templates of one's own.
func TestComposeOthers(t *testing.T) {
	t.Parallel()
	o := failure()
	o.Action, o.Code, o.Reason, o.Until = Delayed, "4.0.0", "target is down", judged.Add(time.Hour)
	letter, _ := composer(t, "", "").Compose(t.Context(), request(), o)
	if _, got := parts(t, letter); !strings.Contains(got["text/plain"], "still waiting") || !strings.Contains(got["message/delivery-status"], "Action: delayed\r\nStatus: 4.0.0\r\n") ||
		!strings.Contains(got["message/delivery-status"], "Will-Retry-Until: Sat, 28 Nov 2026 12:00:00 +0000\r\n") {
		t.Errorf("%q", got)
	}
	o.Until = time.Time{}
	letter, _ = composer(t, "", "").Compose(t.Context(), request(), o)
	if _, got := parts(t, letter); strings.Contains(got["message/delivery-status"], "Retry") {
		t.Errorf("not known until when: %q", got)
	}
	o = failure()
	o.Action, o.Code, o.Reason, o.Until = Relayed, "2.0.0", "", judged.Add(time.Hour)
	letter, errs := composer(t, "<%status%> <%number%> <%target%>", "Dobrý den, <%messageFromName%>: <%headers['subject']%>\\n<%1/0%>").Compose(t.Context(), request(), o)
	h, got := parts(t, letter)
	if len(errs) != 1 || h.Get("Subject") != "relayed +42061388454 hylafax" || strings.Contains(got["message/delivery-status"], "Retry") || got["text/plain"] != "Dobrý den, Petr: Nabídka\r\n" || strings.Contains(got["message/delivery-status"], "Diagnostic") {
		t.Errorf("%q %q, %v", h.Get("Subject"), got, errs)
	}
	// A template that fails, and nothing but that: the English one.
	letter, errs = composer(t, "<%1/0%>", "").Compose(t.Context(), request(), failure())
	if h, _ = parts(t, letter); len(errs) != 1 || !strings.HasPrefix(h.Get("Subject"), "=?utf-8?q?Not_sent:") {
		t.Errorf("%q, %v", h.Get("Subject"), errs)
	}
}

// TestComposeFrom: reports come from reports.from, and a mail's Reply-To is an item.
func TestComposeFrom(t *testing.T) {
	t.Parallel()
	c := composer(t, "<%messageReplyToName%> <%messageReplyToAddress%>", "")
	c.From = "Fax <fax@b.example>"
	q := request()
	q.Header = append(q.Header, "Reply-To: Jana <jana@b.example>\r\n"...)
	letter, _ := c.Compose(t.Context(), q, failure())
	if h, _ := parts(t, letter); h.Get("From") != `"Fax" <fax@b.example>` || h.Get("Subject") != "Jana jana@b.example" {
		t.Errorf("from %q, subject %q", h.Get("From"), h.Get("Subject"))
	}
}

// TestComposeBounds: a subject has 200 bytes at most, a text 64 KiB, a value of the
// part for programs 900; the longest header is still read.
func TestComposeBounds(t *testing.T) {
	t.Parallel()
	q, o := request(), failure()
	q.Header = append([]byte("X: "), strings.Repeat("y", 64<<10-len("X: \r\nSubject: first\r\n"))+"\r\nSubject: first\r\n"...)
	o.Reason = strings.Repeat("r", 1000)
	letter, _ := composer(t, strings.Repeat("s", 250), "<%subject%><%headers['x']%><%headers['x']%>").Compose(t.Context(), q, o)
	h, got := parts(t, letter)
	reason := strings.Repeat("r", 900-len("x-fax; "))
	if h.Get("Subject") != strings.Repeat("s", 200) || got["text/plain"] != "first"+strings.Repeat("y", 65_536-len("first")) || !strings.Contains(got["message/delivery-status"], "x-fax; "+reason+"\r\n") {
		t.Errorf("a subject of %d bytes, a text of %d: %.20q\n%s", len(h.Get("Subject")), len(got["text/plain"]), got["text/plain"], got["message/delivery-status"])
	}
}

// room is a writer that has room for so many bytes.
type room int

func (r *room) Write(b []byte) (int, error) {
	if len(b) > int(*r) {
		return 0, io.ErrShortWrite
	}
	*r -= room(len(b))
	return len(b), nil
}

// TestWriteFails: a report is whole, or an error.
func TestWriteFails(t *testing.T) {
	t.Parallel()
	c, q := composer(t, "", ""), request()
	var h gomessage.Header
	h.SetContentType("multipart/report", map[string]string{"boundary": "x"})
	var whole bytes.Buffer
	if err := c.write(&whole, h, "text", q, failure()); err != nil {
		t.Fatal(err)
	}
	for n := range whole.Len() + 1 {
		r := room(n)
		if err := c.write(&r, h, "text", q, failure()); (err == nil) != (n == whole.Len()) {
			t.Errorf("room for %d of %d bytes: %v", n, whole.Len(), err)
		}
	}
}

// TestComposeHostile: nothing of a mail begins a field or a part of the report.
func TestComposeHostile(t *testing.T) {
	t.Parallel()
	q := request()
	q.Recipient, q.Original, q.EnvID = "jiří/1@fax", "utf-8;ž\x85@x\x7f", "a\u2028b"
	q.Header = []byte("Subject: =?utf-8?q?x=0D=0ABcc:_all@example.com=0D=0A=0D=0A--b?=\r\nMessage-ID: <a@b> Bcc: c\r\nX: \xff\xfe\r\nY: " + strings.Repeat("long ", 500) + "\r\n")
	o := failure()
	o.Reason = "x\r\nAction: relayed\r\n\r\nFinal-Recipient: rfc822; other@x \xff " + strings.Repeat("y", 4000)
	letter, _ := composer(t, "<%subject%>", "<%reason%><%subject%>").Compose(t.Context(), q, o)
	h, got := parts(t, letter)
	status := got["message/delivery-status"]
	if h.Get("Bcc") != "" || h.Get("In-Reply-To") != "" || len(got) != 3 || strings.Count(status, "\nAction: ") != 1 || strings.Count(status, "\nFinal-Recipient: ") != 1 ||
		!strings.Contains(status, `Final-Recipient: utf-8; ji\x{159}\x{ED}/1@fax`) || got["text/rfc822-headers"] != string(q.Header) {
		t.Errorf("%q\n%q", h, got)
	}
	for line := range strings.Lines(string(letter)) {
		if len(line) > 1000 {
			t.Errorf("a line of %d bytes: %.80q", len(line), line)
		}
	}
	if bytes.ContainsFunc(letter, func(c rune) bool { return c > 127 }) {
		t.Errorf("not 7 bits:\n%s", letter)
	}
}

// TestEncodingOf: a header goes out as it is only where each server must take it.
func TestEncodingOf(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"": "7bit", "X: y\r\n": "7bit", "X: \x7f\r\n": "7bit", "X: \u0080\r\n": "quoted-printable", "X: \x80\r\n": "quoted-printable", "X: \x00\r\n": "quoted-printable",
		"X: " + strings.Repeat("y", 993) + "\r\n": "7bit", "X: " + strings.Repeat("y", 998) + "\r\n": "quoted-printable",
	} {
		if got := encodingOf([]byte(header)); got != want {
			t.Errorf("%.20q of %d bytes: %s, want %s", header, len(header), got, want)
		}
	}
}

// TestOneLine: an error is cut at a whole character, and stays on its line.
func TestOneLine(t *testing.T) {
	t.Parallel()
	if got := said(errors.New(strings.Repeat("x\n\t ", 400))); got != strings.Repeat("x ", 250) {
		t.Errorf("%d bytes: %q", len(got), got)
	}
	if got := said(&smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: strings.Repeat("x", 600)}); got != "550 5.1.1 "+strings.Repeat("x", 490) {
		t.Errorf("%d bytes: %q", len(got), got)
	}
	if got := oneLine("a\xff \u017e", 4); got != "a? " {
		t.Errorf("%q", got)
	}
}

func TestPublicReason(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]string{
		"exit status 1: bad number":                     "exit status 1: bad number",
		"open /var/spool/x/1.txt: no such file":         "open 1.txt: no such file",
		`open C:\spool\fax\1.txt: denied`:               "open 1.txt: denied",
		"given up after 3 tries in 1/2 h; see http://x": "given up after 3 tries in 1/2 h; see http://x",
		"a\n b":                   "a b",
		strings.Repeat("x", 1000): strings.Repeat("x", 1000),
		strings.Repeat("x", 1001): strings.Repeat("x", 1000),
	} {
		if got := publicReason(reason); got != want {
			t.Errorf("%q: %q, want %q", reason, got, want)
		}
	}
}

// TestPythonReads: a parser of mail programs sees the same.
func TestPythonReads(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	letter, _ := composer(t, "", "").Compose(t.Context(), request(), failure())
	c := exec.Command(python, "-c", `
import email, email.policy, json, sys
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
text, status, header = m.iter_parts()
message, recipient = status.get_payload()
json.dump({
  "type": m.get_content_type(), "report": m.get_param("report-type"), "subject": m["subject"], "text": text.get_content().splitlines()[0],
  "status": status.get_content_type(), "mta": message["reporting-mta"], "final": recipient["final-recipient"], "action": recipient["action"],
  "header": header.get_content_type(), "original": email.message_from_string(header.get_payload(decode=True).decode())["message-id"],
  "defects": [str(d) for p in m.walk() for d in p.defects],
}, sys.stdout)`)
	c.Stdin = bytes.NewReader(letter)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var got map[string]any
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := map[string]any{
		"type": "multipart/report", "report": "delivery-status", "subject": "Not sent: Nabídka", "text": "Your message could not be sent.",
		"status": "message/delivery-status", "mta": "dns; gw.example.com", "final": "rfc822; 61388454@fax", "action": "failed",
		"header": "text/rfc822-headers", "original": "<1@example.com>", "defects": []any{},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzCompose(f *testing.F) {
	f.Add("Subject: a\r\n", "reason", "1@fax", "rfc822;a")
	f.Fuzz(func(t *testing.T, header, reason, recipient, original string) {
		q, o := request(), failure()
		q.Header, q.Recipient, q.Original, o.Reason = cutHeader([]byte(header)), recipient, original, reason
		letter, _ := (&Composer{Host: "gw.example.com"}).Compose(t.Context(), q, o)
		m, err := mail.ReadMessage(bytes.NewReader(letter))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(m.Body)
		if err != nil || m.Header.Get("Auto-Submitted") == "" || bytes.Count(body, []byte("\r\nAction: ")) != 1+strings.Count(string(q.Header), "\r\nAction: ") && !strings.HasPrefix(header, "Action: ") {
			t.Errorf("%v:\n%s", err, letter)
		}
	})
}

// TestHeaderTravels: the header of the mail goes as it is only where every server
// takes it, and an ORCPT that is none is not repeated.
func TestHeaderTravels(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"": "7bit", "Subject: a\r\n": "7bit", "Subject: ž\r\nTo: a\r\n": "quoted-printable", "To: a\r\nSubject: \x00\r\n": "quoted-printable",
		"A: " + strings.Repeat("x", 993) + "\r\n": "7bit", "A: " + strings.Repeat("x", 994) + "\r\n": "quoted-printable",
	} {
		if got := encodingOf([]byte(header)); got != want {
			t.Errorf("%.20q of %d bytes: %s, want %s", header, len(header), got, want)
		}
	}
	for orcpt, want := range map[string]string{
		"rfc822;a@x.test": "rfc822; a@x.test", "": "", "rfc822": "", "rfc822;": "", ";a@x.test": "", "rfc822;ž@x.test": `utf-8; \x{17E}@x.test`, "rfc822;\u0080": `utf-8; \x{80}`, "x\r\ny;a": "x  y; a",
	} {
		if got := originalRecipient(orcpt); got != want {
			t.Errorf("%q: %q, want %q", orcpt, got, want)
		}
	}
}
