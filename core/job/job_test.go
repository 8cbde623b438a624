package job

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"smtpreceiver/core/codepage"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/dearchive"
	"smtpreceiver/core/incoming"
	"smtpreceiver/core/match"
	"smtpreceiver/core/message"
	"smtpreceiver/core/report"
	"smtpreceiver/core/transform"
)

// memoryJob keeps what it is given.
type memoryJob struct {
	id    string
	files map[string]string
	links map[string]string // new name: that of the other job
	ctl   string
}

type memoryFile struct {
	bytes.Buffer
	close func(string)
}

func (f *memoryFile) Close() error {
	f.close(f.String())
	return nil
}

func newMemoryJob(id string) *memoryJob {
	return &memoryJob{id: id, files: map[string]string{}, links: map[string]string{}}
}

func (j *memoryJob) ID() string   { return j.id }
func (j *memoryJob) Stem() string { return "gw1-" + j.id }
func (j *memoryJob) Create(name string) (io.WriteCloser, error) {
	return &memoryFile{close: func(content string) { j.files[name] = content }}, nil
}

func (j *memoryJob) Link(name string, from Job, fromName string) error {
	content, ok := from.(*memoryJob).files[fromName]
	if !ok {
		return fmt.Errorf("no file %q", fromName)
	}
	j.files[name], j.links[name] = content, fromName
	return nil
}

func (j *memoryJob) Control(c []byte) error {
	j.ctl = string(c)
	return nil
}

// scratch is a folder, whose files cannot be read from when fails is set.
type scratch struct {
	dir   string
	fails *bool
}

func (s scratch) TempDir() (string, error) { return s.dir, nil }

func (s scratch) TempFile(string) (incoming.TempFile, error) {
	f, err := os.CreateTemp(s.dir, "buffer-*")
	if err != nil {
		return nil, err
	}
	return scratchFile{f, s.fails}, nil
}

type scratchFile struct {
	*os.File
	fails *bool
}

func (f scratchFile) Close() error { return errors.Join(f.File.Close(), os.Remove(f.Name())) }

func (f scratchFile) ReadAt(p []byte, off int64) (int, error) {
	if *f.fails {
		return 0, errFault
	}
	return f.File.ReadAt(p, off)
}

// maker reads a message, line ends made CRLF. What it logs is in the string.
func maker(t *testing.T, mail Mail, text string) (*Maker, *strings.Builder) {
	t.Helper()
	return makerIn(t, scratch{t.TempDir(), new(bool)}, 1<<20, mail, text)
}

// makerIn is maker with a message that is in a file of dir where it has more than
// mem bytes.
func makerIn(t *testing.T, dir scratch, mem int64, mail Mail, text string) (*Maker, *strings.Builder) {
	t.Helper()
	b := incoming.NewBuffer(dir, "fax", mem)
	t.Cleanup(func() { b.Close() })
	if _, err := io.WriteString(b, strings.ReplaceAll(text, "\n", "\r\n")); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	m, err := NewMaker(b, message.Limits{MaxDepth: 20, MaxParts: 100, MaxHeaderSize: 1 << 20, DefaultCharset: "utf-8"}, mail, dir,
		slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(t.Context()) })
	return m, &log
}

// recipe is of an application fax, in windows-1250.
func recipe(t *testing.T) *Recipe {
	t.Helper()
	page, err := codepage.Lookup("windows-1250")
	if err != nil {
		t.Fatal(err)
	}
	return &Recipe{
		App: "fax", Destination: "fax", CTLType: "fax", Attachments: true, Formats: []message.Format{message.TXT},
		Page: page, Dearchive: &dearchive.Rules{},
	}
}

func recipient(t *testing.T, address string, groups ...match.Group) Recipient {
	t.Helper()
	r, err := match.ParseRecipient(address)
	if err != nil {
		t.Fatal(err)
	}
	return Recipient{Recipient: r, Groups: groups, Notify: "NEVER"}
}

func (m *Maker) job(t *testing.T, id string, r *Recipe, rcpt Recipient) *memoryJob {
	t.Helper()
	files, err := m.Read(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	j := newMemoryJob(id)
	if err := m.Fill(t.Context(), j, r, rcpt); err != nil {
		t.Fatal(err)
	}
	if made := len(j.files) + 1; made != files { // and the CTL
		t.Errorf("job %s: %d files, Read said %d", id, made, files)
	}
	return j
}

func (j *memoryJob) document(t *testing.T, r *Recipe) *ctl.Document {
	t.Helper()
	doc, err := ctl.Parse(r.Page.Decode([]byte(j.ctl)))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func template(t *testing.T, text string) *transform.Template {
	t.Helper()
	tpl, err := transform.ParseTemplate(text)
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

// withTwo is a message of two attachments, one of which would pass for a CTL.
const withTwo = `From: Petr Novák <petr@example.com>
Reply-To: office@example.com
To: "Jana Malá" <123@fax>
Subject: =?utf-8?q?p=C5=99=C3=ADloha?=
X-Priority: 1
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=utf-8

Příliš žluťoučký kůň
--b
Content-Type: application/pdf; name="a.pdf"

PDF
--b
Content-Type: application/octet-stream; name="evil.CTL"

[to]
--b--
`

func TestFill(t *testing.T) {
	t.Parallel()
	r := recipe(t)
	m, _ := maker(t, Mail{Sender: "petr@sender.example", EnvID: "QQ1"}, withTwo)
	j := m.job(t, "00000001", r, recipient(t, "123@fax", match.Group{Name: "number", Value: "123"}))
	want := map[string]string{
		"gw1-00000001.txt":         string(r.Page.Encode("Příliš žluťoučký kůň")),
		"gw1-00000001_1_a.pdf":     "PDF",
		"gw1-00000001_2_evil.CTL_": "[to]",
	}
	if diff := cmp.Diff(want, j.files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	doc := j.document(t, r)
	for key, want := range map[string]string{
		"system/type": "fax", "system/app": "fax", "system/id": "00000001", "system/subject": "příloha", "system/txt": "gw1-00000001.txt",
		"system/format": "txt", "from/name": "Petr Novák", "from/username": "petr", "from/email": "office@example.com", "from/gateway": "s",
		"from/smtp": "petr@sender.example", "to/number": "123", "to/name": "Jana Malá", "to/address": "123@fax", "to/notify": "NEVER",
		"to/envid": "QQ1", "attachments/count": "2", "attachments/1": "gw1-00000001_1_a.pdf", "attachments/1_name": "a.pdf",
		"attachments/2": "gw1-00000001_2_evil.CTL_", "attachments/2_name": "evil.CTL",
	} {
		section, name, _ := strings.Cut(key, "/")
		if got := doc.Get(section, name); got != want {
			t.Errorf("%s=%q, want %q", key, got, want)
		}
	}
}

// TestAttachmentsOnce: the second job of a recipe links them; another recipe
// writes its own.
func TestAttachmentsOnce(t *testing.T) {
	t.Parallel()
	fax, without := recipe(t), recipe(t)
	without.App, without.Attachments = "sms", false
	m, _ := maker(t, Mail{}, withTwo)
	first := m.job(t, "00000001", fax, recipient(t, "1@fax"))
	second := m.job(t, "00000002", fax, recipient(t, "2@fax"))
	none := m.job(t, "00000003", without, recipient(t, "3@sms"))
	if len(first.links) != 0 || len(first.files) != 3 {
		t.Errorf("first: %q, linked %q", first.files, first.links)
	}
	want := map[string]string{
		"gw1-00000002_1_a.pdf":     "gw1-00000001_1_a.pdf",
		"gw1-00000002_2_evil.CTL_": "gw1-00000001_2_evil.CTL_",
	}
	if diff := cmp.Diff(want, second.links); diff != "" {
		t.Errorf("second (-want +got):\n%s", diff)
	}
	if len(none.files) != 1 || none.document(t, without).Get("attachments", "count") != "" {
		t.Errorf("without attachments: %q\n%s", none.files, none.ctl)
	}
}

// TestTemplates: what they make, what stands where one fails, and who wins.
func TestTemplates(t *testing.T) {
	t.Parallel()
	const failing = "<%int('x')%>"
	for _, tt := range []struct {
		name, text, target string
		wantText, want     string
		logged             bool
	}{
		{name: "none", wantText: "body\r\n", want: "hello"},
		{name: "text", text: "To <%to%>: <%msg%>", wantText: "To 1@fax: body\r\n", want: "hello"},
		{name: "text fails whole", text: failing, wantText: "body\r\n", want: "hello", logged: true},
		{name: "text fails in part", text: "a" + failing + "b", wantText: "ab", want: "hello", logged: true},
		{name: "target", target: "<%msg%>", wantText: "body\r\n", want: "body"},
		{name: "target fails", target: failing, wantText: "body\r\n", want: "", logged: true},
	} {
		r := recipe(t)
		if tt.text != "" {
			r.Text = template(t, tt.text)
		}
		if tt.target != "" {
			r.Targets = []Target{{"system", "subject", template(t, tt.target)}}
		}
		m, log := maker(t, Mail{Sender: "a@b.example"}, "Subject: hello\n\nbody\n")
		j := m.job(t, "00000001", r, recipient(t, "1@fax"))
		if got := j.files["gw1-00000001.txt"]; got != tt.wantText {
			t.Errorf("%s: text %q, want %q", tt.name, got, tt.wantText)
		}
		if got := strings.TrimSpace(j.document(t, r).Get("system", "subject")); got != tt.want {
			t.Errorf("%s: subject %q, want %q", tt.name, got, tt.want)
		}
		if logged := strings.Contains(log.String(), "template"); logged != tt.logged {
			t.Errorf("%s: log %q", tt.name, log)
		}
	}
}

// TestLongText: a text that is too long for templates is in the file whole, and
// one that just fits is in both.
func TestLongText(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]int{maxTemplateText: maxTemplateText, maxTemplateText + 1: 0} {
		r := recipe(t)
		r.Targets = []Target{{"system", "x", template(t, "<%len(msg)%>")}}
		m, log := maker(t, Mail{}, "\n"+strings.Repeat("x", size))
		j := m.job(t, "00000001", r, recipient(t, "1@fax"))
		if n := len(j.files["gw1-00000001.txt"]); n != size {
			t.Errorf("%d bytes of %d in the file", n, size)
		}
		if got := j.document(t, r).Get("system", "x"); got != fmt.Sprint(want) {
			t.Errorf("text of %d bytes: templates see %s, want %d", size, got, want)
		}
		if logged := strings.Contains(log.String(), "longer than"); logged != (want == 0) {
			t.Errorf("text of %d bytes: log %q", size, log)
		}
	}
}

// TestDisplayName: of To and Cc, the local part as it is, the domain in any case.
func TestDisplayName(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"To: 1@fax\nCc: \"Jana\" <1@FAX>": "Jana",
		"To: Eva <2@fax>, Petr <1@fax>":   "Petr",
		"To: Eva <2@fax>":                 "",
	} {
		r := recipe(t)
		m, _ := maker(t, Mail{}, header+"\n\nx\n")
		if got := m.job(t, "00000001", r, recipient(t, "1@fax")).document(t, r).Get("to", "name"); got != want {
			t.Errorf("%q: name %q, want %q", header, got, want)
		}
	}
}

func TestLocalPartAndShortName(t *testing.T) {
	t.Parallel()
	for mailbox, want := range map[string]string{"a@b": "a", `"x@y"@b`: `"x@y"`, "postmaster": "postmaster", "@b": "", "": ""} {
		if got := localPart(mailbox); got != want {
			t.Errorf("localPart(%q) = %q, want %q", mailbox, got, want)
		}
	}
	long := strings.Repeat("a", maxName-1)
	for name, want := range map[string]string{"a.pdf": "a.pdf", long + "b": long + "b", long + "bc": long + "b", long + "ř": long} {
		if got := shortName(name); got != want {
			t.Errorf("shortName(%d bytes) = %d bytes, want %d", len(name), len(got), len(want))
		}
	}
}

func TestWriteText(t *testing.T) {
	t.Parallel()
	page, err := codepage.Lookup("utf-8")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"": "", "a": "a", "a\nb": "a\r\nb", "a\r\nb": "a\r\nb", "\n\n": "\r\n\r\n", "a\rb": "a\rb", "\r\r\n": "\r\r\n",
		strings.Repeat("x\n", 5000): strings.Repeat("x\r\n", 5000),
	} {
		for _, size := range []int{1, 2, 3, maxTextPiece} {
			var out bytes.Buffer
			if err := writeText(&out, page, strings.NewReader(text), make([]byte, size)); err != nil {
				t.Fatal(err)
			}
			if out.String() != want {
				t.Errorf("%.20q in pieces of %d: %.40q, want %.40q", text, size, out.String(), want)
			}
		}
	}
}

// TestEmptyMessage: a mail without a byte makes a job like any other.
func TestEmptyMessage(t *testing.T) {
	t.Parallel()
	r := recipe(t)
	m, _ := maker(t, Mail{}, "")
	if j := m.job(t, "1", r, recipient(t, "1@fax")); j.files["gw1-1.txt"] != "" || j.document(t, r).Get("system", "txt") != "gw1-1.txt" {
		t.Errorf("%q, CTL %s", j.files, j.ctl)
	}
}

// TestReadEndsWithItsContext: archives are not unpacked for a mail that is gone.
func TestReadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	r := recipe(t)
	r.Dearchive.Timeout = time.Minute
	if err := r.Dearchive.Add("pdf", []string{"true", "{archive}", "{dir}"}); err != nil {
		t.Fatal(err)
	}
	m, _ := maker(t, Mail{}, withTwo)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Read(ctx, r); err == nil {
		t.Error("read")
	}
}

// TestRequestForReports: beside a job that is reported lies what a report needs,
// and in no CTL.
func TestRequestForReports(t *testing.T) {
	t.Parallel()
	mail := Mail{Sender: "a b@x.test", Mailbox: `"a b"@x.test`, EnvID: "QQ1", Return: "HDRS", Arrived: time.Unix(1e9, 0).UTC()}
	rcpt := recipient(t, "1@fax")
	rcpt.Notify, rcpt.Original = "SUCCESS", "rfc822;fax@x.test"
	r := recipe(t)
	r.Attachments, r.Reported = false, true
	m, _ := maker(t, mail, "Subject: hello\nBroken line\n\nbody\n")
	for _, id := range []string{"00000001", "00000002"} {
		j := m.job(t, id, r, rcpt)
		got, err := report.Decode(strings.NewReader(j.files["gw1-"+id+".report"]))
		if err != nil {
			t.Fatal(err)
		}
		want := &report.Request{
			Sender: `"a b"@x.test`, Recipient: "1@fax", Arrived: mail.Arrived, Notify: "SUCCESS", Return: "HDRS", EnvID: "QQ1", Original: "rfc822;fax@x.test",
			Header: []byte("Subject: hello\r\n"),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if doc := j.document(t, r); strings.Contains(j.ctl, ".report") || doc.Get("to", "orcpt") != "rfc822;fax@x.test" {
			t.Errorf("CTL %s", j.ctl)
		}
	}
	never := rcpt
	never.Notify = "NEVER"
	for name, quiet := range map[string]func() (*Maker, *Recipe, Recipient){
		"not reported": func() (*Maker, *Recipe, Recipient) { m, _ := maker(t, mail, "\nx\n"); return m, recipe(t), rcpt },
		"null sender":  func() (*Maker, *Recipe, Recipient) { m, _ := maker(t, Mail{}, "\nx\n"); return m, r, rcpt },
		"NEVER":        func() (*Maker, *Recipe, Recipient) { m, _ := maker(t, mail, "\nx\n"); return m, r, never },
	} {
		m, r, rcpt := quiet()
		if _, err := m.Read(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		j := newMemoryJob("00000009")
		if err := m.Fill(t.Context(), j, r, rcpt); err != nil {
			t.Fatal(err)
		}
		if len(j.files) != 1 {
			t.Errorf("%s: %q", name, j.files)
		}
	}
}

// TestLongHeaderOfManyJobs: what all jobs of a mail share is read of its header once.
// Else a header as long as the limit lets it be, for a thousand recipients, holds us
// for minutes.
func TestLongHeaderOfManyJobs(t *testing.T) {
	const jobs = 3
	allocations := func(header string) float64 {
		m, _ := maker(t, Mail{Sender: "a@b.example"}, header+"\nx\n")
		r, rcpt := recipe(t), recipient(t, "1@fax")
		for range jobs {
			if _, err := m.Read(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		return testing.AllocsPerRun(jobs-1, func() {
			if err := m.Fill(t.Context(), newMemoryJob("1"), r, rcpt); err != nil {
				t.Fatal(err)
			}
		})
	}
	short := allocations("Subject: x\n")
	for _, name := range []string{"To", "Cc", "From", "Reply-To", "Subject", "X-Priority", "Date", "Message-ID"} {
		if long := allocations(name + ": " + strings.Repeat("=?utf-8?q?=C5=A1?= <a@x.test>,\n ", 500) + "z@x.test\n"); long > short+50 {
			t.Errorf("%s: %.0f allocations a job, %.0f of a short header", name, long, short)
		}
	}
}
