package job

import (
	"errors"
	"strings"
	"testing"

	"smtpreceiver/core/match"
	"smtpreceiver/core/sms"
	"smtpreceiver/core/transform"
)

// TestRulesOfManyJobs: what stands in front of the text, what ctl_settings and
// what templates say is in each job, by its own recipient where a rule reads
// that; a later rule wins.
func TestRulesOfManyJobs(t *testing.T) {
	t.Parallel()
	r := recipe(t)
	r.Tags, _ = transform.Builtin("mobilchange")
	for _, rule := range []string{`system|maxlen = 9`, `system|dr = 0`, `system|ref|parse|subject = ID:(\d+)`, `system|none|parse|subject = XX`, `system|phone|parse|number = \d`} {
		s, err := transform.ParseSetting(rule)
		if err != nil {
			t.Fatal(err)
		}
		r.Settings = append(r.Settings, s)
	}
	r.Targets = []Target{
		{"system", "priority", template(t, "low")}, {"system", "made", template(t, "<%subject%>/<%app%>")}, {"system", "for", template(t, "<%number%>")},
		{"system", "who", template(t, "<%name%>|<%company%>|<%dept%>|<%groups['ext']%>")},
	}
	m, _ := maker(t, Mail{Sender: "a@b.example"}, "Subject: ID:42\n\n@dr=1\n@priority=high\n\nbody\n")
	var jobs []*memoryJob
	groups := [][]match.Group{
		{{Name: "number", Value: "1"}, {Name: "name", Value: "Jana"}, {Name: "company", Value: "Acme"}, {Name: "dept", Value: "Ops"}, {Name: "ext", Value: "7"}},
		{{Name: "ext", Value: "8"}, {Name: "number", Value: "2"}},
	}
	for range groups { // as many as Fill is called for
		if _, err := m.Read(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	for i, address := range []string{"1@fax", "2@fax"} {
		j := newMemoryJob([]string{"00000001", "00000002"}[i])
		if err := m.Fill(t.Context(), j, r, recipient(t, address, groups[i]...)); err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, j)
	}
	for i, want := range []map[string]string{
		{"for": "1", "phone": "1", "who": "Jana|Acme|Ops|7"},
		{"for": "2", "phone": "2", "who": "|||8"},
	} {
		for key, value := range map[string]string{"maxlen": "9", "dr": "1", "ref": "42", "none": "", "priority": "low", "made": "ID:42/fax"} {
			want[key] = value
		}
		doc := jobs[i].document(t, r)
		for key, value := range want {
			if got := doc.Get("system", key); got != value {
				t.Errorf("job %d: system/%s is %q, want %q", i+1, key, got, value)
			}
		}
		if got := jobs[i].files["gw1-"+jobs[i].id+".txt"]; got != "body\r\n" {
			t.Errorf("job %d: text %q", i+1, got)
		}
	}
}

// TestTidiedText: what sms_text names is gone from text and templates; a text
// that is too long for templates stays whole.
func TestTidiedText(t *testing.T) {
	t.Parallel()
	r := recipe(t)
	tidy, err := sms.ParseTidy([]string{"signature"})
	if err != nil {
		t.Fatal(err)
	}
	r.Tidy = tidy
	const signed = "x\n-- \nJan\n"
	long := strings.Repeat("y", maxTemplateText) + "\n-- \nJan\n"
	for text, want := range map[string]string{signed: "x", long: strings.ReplaceAll(long, "\n", "\r\n")} {
		m, _ := maker(t, Mail{}, "\n"+text)
		if got := m.job(t, "00000001", r, recipient(t, "1@fax")).files["gw1-00000001.txt"]; strings.TrimRight(got, "\r\n") != strings.TrimRight(want, "\r\n") {
			t.Errorf("text of %d bytes: %d bytes %.40q, want %d", len(text), len(got), got, len(want))
		}
	}
}

// TestNumberHasTheLastWord: the number that a rule made is the one of the site's
// rules, in the layout too; one that they refuse is no job.
func TestNumberHasTheLastWord(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	for number, want := range map[string]string{"1 23": "123", "666": ""} {
		r := recipe(t)
		r.Targets = []Target{{"to", "number", template(t, number)}}
		m, _ := maker(t, Mail{}, "\nx\n")
		if _, err := m.Read(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		rcpt := recipient(t, "1@fax")
		rcpt.Number = func(written string) (string, error) {
			if written == "666" {
				return "", refused
			}
			return strings.ReplaceAll(written, " ", ""), nil
		}
		j := newMemoryJob("1")
		err := m.Fill(t.Context(), j, r, rcpt)
		if want == "" {
			if !errors.Is(err, refused) || j.ctl != "" {
				t.Errorf("%s: %v, CTL %q", number, err, j.ctl)
			}
			continue
		}
		if err != nil || j.document(t, r).Get("to", "number") != want {
			t.Errorf("%s: %v, CTL %s", number, err, j.ctl)
		}
	}
}

// TestMaxLen: the CTL of an SMS says how many parts the sender may cause, if that
// is fewer than the CTL asks for.
func TestMaxLen(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind     string
		maxParts int
		asked    string
		want     string
	}{{"sms", 0, "", ""}, {"sms", 0, "5", "5"}, {"sms", 3, "", "3"}, {"sms", 3, "5", "3"}, {"sms", 3, "2", "2"}, {"fax", 3, "", ""}} {
		r := recipe(t)
		r.CTLType = tt.kind
		if tt.asked != "" {
			r.Targets = []Target{{"system", "maxlen", template(t, tt.asked)}}
		}
		m, _ := maker(t, Mail{MaxParts: tt.maxParts}, "\nx\n")
		if got := m.job(t, "1", r, recipient(t, "1@sms")).document(t, r).Get("system", "maxlen"); got != tt.want {
			t.Errorf("%+v: maxlen %q", tt, got)
		}
	}
}

// TestOneAttachment: it is counted and named, and one whose name nobody can see has
// that of its file.
func TestOneAttachment(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"a.pdf": "a.pdf", "\u200b": "attachment"} {
		r := recipe(t)
		m, _ := maker(t, Mail{}, "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\nContent-Type: application/pdf; name=\""+name+"\"\n\nPDF\n--b--\n")
		doc := m.job(t, "1", r, recipient(t, "1@fax")).document(t, r)
		if doc.Get("attachments", "count") != "1" || doc.Get("attachments", "1_name") != want || doc.Get("attachments", "1") == "" {
			t.Errorf("%q: count %q, file %q, name %q", name, doc.Get("attachments", "count"), doc.Get("attachments", "1"), doc.Get("attachments", "1_name"))
		}
	}
}

// TestProblemsAreLogged: what could not be read as it claims to be, of the message
// and of the one in it.
func TestProblemsAreLogged(t *testing.T) {
	t.Parallel()
	r := recipe(t)
	r.AttachedMessage = true
	inner := "Content-Type: text/plain; charset=x-none\n\nv\xe9lo\n"
	m, log := maker(t, Mail{}, "Content-Type: message/rfc822\nX-Long: "+strings.Repeat("x", 1<<20)+"\n\n"+inner)
	if _, err := m.Read(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	m.LogProblems(t.Context())
	if problems := m.root.Problems(); len(problems) == 0 || strings.Count(log.String(), "problem=") < len(problems) {
		t.Errorf("%q, log %s", problems, log)
	}
	if got := m.Charsets(); len(got) == 0 && len(m.root.Problems()) == 0 {
		t.Errorf("charsets %q", got)
	}
	m, _ = maker(t, Mail{}, inner)
	plain := recipe(t)
	m.job(t, "1", plain, recipient(t, "1@fax"))
	if got := m.Charsets(); len(got) != 1 || !strings.Contains(got[0], "x-none") {
		t.Errorf("charsets %q, want one that is not as declared", got)
	}
}
