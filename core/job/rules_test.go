package job

import (
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
