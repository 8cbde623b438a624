package job

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/incoming"
	"smtpreceiver/core/match"
	"smtpreceiver/core/message"
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
	longest := strings.Repeat("z", maxTemplateText-len("\n-- \nJan\n")) // with a signature
	long := strings.Repeat("y", maxTemplateText) + "\n-- \nJan\n"
	for text, want := range map[string]string{signed: "x", longest + "\n-- \nJan\n": longest, longest + "z\n-- \nJan\n": longest + "z\r\n-- \r\nJan\r\n", long: strings.ReplaceAll(long, "\n", "\r\n")} {
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

// TestArchives: what comes out of an archive stands in its place. All archives of a
// message share the limits of one, and nothing of them is left.
func TestArchives(t *testing.T) {
	t.Parallel()
	const archive = "--b\nContent-Type: application/octet-stream; name=\"%s\"\n\n%s\n"
	mail := "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n"
	for _, content := range [][2]string{{"one.arc", "12345"}, {"a.pdf", "PDF"}, {"two.arc", "12346"}, {"three.arc", "12345"}} {
		mail += fmt.Sprintf(archive, content[0], content[1])
	}
	unpacker := []string{"sh", "-c", `cp "$0" "$1/x.txt" && cp "$0" "$1/y.txt" && if grep -q 5 "$0"; then ln -s x.txt "$1/link"; fi`, "{archive}", "{dir}"}
	for name, tt := range map[string]struct {
		files int
		size  int64
		want  []string // names of the attachments
	}{
		"all":           {100, 1000, []string{"x.txt", "y.txt", "a.pdf", "x.txt", "y.txt", "x.txt", "y.txt"}},
		"files of two":  {6, 1000, []string{"x.txt", "y.txt", "a.pdf", "x.txt", "y.txt", "three.arc"}},
		"size of two":   {100, 29, []string{"x.txt", "y.txt", "a.pdf", "x.txt", "y.txt", "three.arc"}},
		"files of none": {1, 1000, []string{"one.arc", "a.pdf", "two.arc", "three.arc"}},
	} {
		r := recipe(t)
		r.Dearchive.Timeout, r.Dearchive.MaxFiles, r.Dearchive.MaxSize = time.Minute, tt.files, tt.size
		if err := r.Dearchive.Add("arc", unpacker); err != nil {
			t.Fatal(err)
		}
		m, log := maker(t, Mail{}, mail+"--b--\n")
		j := m.job(t, "1", r, recipient(t, "1@fax"))
		doc := j.document(t, r)
		var got []string
		for n := 1; doc.Get("attachments", fmt.Sprint(n)) != ""; n++ {
			name := doc.Get("attachments", fmt.Sprint(n, "_name"))
			got = append(got, name)
			if text := j.files[doc.Get("attachments", fmt.Sprint(n))]; name == "a.pdf" && text != "PDF" || name != "a.pdf" && !strings.HasPrefix(text, "1234") {
				t.Errorf("attachment %d, %s, is %q", n, name, text)
			}
		}
		if !slices.Equal(got, tt.want) || doc.Get("attachments", "count") != fmt.Sprint(len(tt.want)) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
		if ignored, kept := strings.Contains(log.String(), "ignored=1"), strings.Contains(log.String(), "error="); ignored != (tt.files > 1) || strings.Contains(log.String(), "ignored=0") || kept != strings.Contains(strings.Join(tt.want, " "), "arc") {
			t.Errorf("%s: log %s", name, log)
		}
		m.Close(t.Context())
		if left, err := os.ReadDir(m.scratch.(scratch).dir); err != nil || len(left) > 0 {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
	}
}

// TestTextOfRules: a rule that reads the text has it, whichever kind of rule that is,
// and only then it is read.
func TestTextOfRules(t *testing.T) {
	t.Parallel()
	setting, err := transform.ParseSetting(`system|word|parse|msg = a (w\w+)`)
	if err != nil {
		t.Fatal(err)
	}
	other, err := transform.ParseSetting(`system|word|parse|subject = (s\w+)`)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*Recipe)
		wants  bool
		want   string
	}{
		"none":          {func(*Recipe) {}, false, ""},
		"setting":       {func(r *Recipe) { r.Settings = []*transform.Setting{other, setting} }, true, "word"},
		"other setting": {func(r *Recipe) { r.Settings = []*transform.Setting{other} }, false, "subject"},
		"target": {func(r *Recipe) {
			r.Targets = []Target{{"a", "b", template(t, "x")}, {"system", "word", template(t, "<%msg[2:6]%>")}}
		}, true, "word"},
		"other target":   {func(r *Recipe) { r.Targets = []Target{{"system", "word", template(t, "<%subject%>")}} }, false, "subject"},
		"text":           {func(r *Recipe) { r.Text = template(t, "<%msg%>") }, true, ""},
		"text of others": {func(r *Recipe) { r.Text = template(t, "<%to%>") }, false, ""},
	} {
		r := recipe(t)
		tt.change(r)
		m, _ := maker(t, Mail{}, "Subject: subject\n\na word\n")
		if got := m.job(t, "1", r, recipient(t, "1@fax")).document(t, r).Get("system", "word"); got != tt.want || r.wantsText() != tt.wants {
			t.Errorf("%s: %q, want %q; the text is read: %v", name, got, tt.want, r.wantsText())
		}
	}
}

// TestBodiesOfManyJobs: each job has its message file whole, whether all have the same
// or each its own, and in whatever format.
func TestBodiesOfManyJobs(t *testing.T) {
	t.Parallel()
	const html = "MIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n\n<p>body</p>\n"
	for name, tt := range map[string]struct {
		change func(*Recipe)
		text   string
		want   [2]string // what the file of each job has
		file   string
	}{
		"text":          {func(*Recipe) {}, "\nbody\n", [2]string{"body", "body"}, ".txt"},
		"of each":       {func(r *Recipe) { r.Text = template(t, "for <%to%>") }, "\nbody\n", [2]string{"for 1@fax", "for 2@fax"}, ".txt"},
		"of all":        {func(r *Recipe) { r.Text = template(t, "<%msg%>!") }, "\nbody\n", [2]string{"body\r\n!", "body\r\n!"}, ".txt"},
		"HTML":          {func(r *Recipe) { r.Formats = []message.Format{message.HTM} }, html, [2]string{"<p>body</p>", "<p>body</p>"}, ".htm"},
		"HTML, of each": {func(r *Recipe) { r.Formats, r.Text = []message.Format{message.HTM}, template(t, "for <%to%>") }, html, [2]string{"<p>body</p>", "<p>body</p>"}, ".htm"},
		"EML":           {func(r *Recipe) { r.Formats = []message.Format{message.EML} }, html, [2]string{"Content-Type: text/html", "Content-Type: text/html"}, ".eml"},
		"long": {func(r *Recipe) { r.Text = template(t, "for <%to%> <%msg%>") }, "\n" + strings.Repeat("y", maxTemplateText+1) + "\n",
			[2]string{strings.Repeat("y", maxTemplateText+1), strings.Repeat("y", maxTemplateText+1)}, ".txt"},
	} {
		r := recipe(t)
		tt.change(r)
		dir := scratch{t.TempDir(), new(bool)}
		m, _ := makerIn(t, dir, 1<<20, Mail{}, tt.text)
		for range tt.want {
			if _, err := m.Read(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		for i, want := range tt.want {
			j := newMemoryJob(fmt.Sprint(i + 1))
			if err := m.Fill(t.Context(), j, r, recipient(t, j.id+"@fax")); err != nil {
				t.Fatal(err)
			}
			if got := j.files[j.Stem()+tt.file]; !strings.Contains(got, want) {
				t.Errorf("%s: job %s has %q of %.40q", name, j.id, j.files, want)
			}
		}
		if shared := m.contents[r].shared != nil; shared != (name != "of each" && name != "EML") {
			t.Errorf("%s: made once: %v", name, shared)
		}
	}
	// One file on disk for all, and none when the mail is gone; without room for it no job.
	dir := scratch{t.TempDir(), new(bool)}
	m, _ := makerIn(t, dir, 0, Mail{}, "\n"+strings.Repeat("body\n", 20000))
	r := recipe(t)
	for range 2 {
		if _, err := m.Read(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	count := func() int {
		left, err := os.ReadDir(dir.dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(left)
	}
	before := count()
	for _, full := range []incoming.Scratch{noScratch{}, fullScratch{dir}} {
		m.scratch = full
		if err := m.Fill(t.Context(), newMemoryJob("1"), r, recipient(t, "1@fax")); !errors.Is(err, errFault) || count() != before {
			t.Errorf("without room: %v, %d files, before %d", err, count(), before)
		}
	}
	m.scratch = dir
	for _, id := range []string{"1", "2"} {
		if err := m.Fill(t.Context(), newMemoryJob(id), r, recipient(t, "1@fax")); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(); n != before+1 {
		t.Errorf("%d files for two jobs, before %d", n, before)
	}
	if m.Close(t.Context()); count() != before {
		t.Errorf("%d files when the mail is gone, before %d", count(), before)
	}
}

// TestColumnsOfSenders: what the site's table has of a sender is in the CTL, and never
// in place of what the mail says.
func TestColumnsOfSenders(t *testing.T) {
	t.Parallel()
	data := map[string]string{"dept": "Ops", "costs": "42"}
	for _, own := range []string{"name", "username", "email", "gateway", "smtp"} {
		data[own] = "of the table"
	}
	r := recipe(t)
	m, _ := maker(t, Mail{Sender: "a@b.example", SenderData: data}, "From: Jan <jan@x.example>\n\nx\n")
	doc := m.job(t, "1", r, recipient(t, "1@fax")).document(t, r)
	for key, want := range map[string]string{"dept": "Ops", "costs": "42", "name": "Jan", "username": "a", "email": "jan@x.example", "gateway": "s", "smtp": "a@b.example"} {
		if got := doc.Get("from", key); got != want {
			t.Errorf("from/%s is %q, want %q", key, got, want)
		}
	}
}

// TestMessageInAMessage: the recipe that wants the message that was forwarded has its
// text, its sender and its problems; the others have that around it.
func TestMessageInAMessage(t *testing.T) {
	t.Parallel()
	const forwarded = "From: outer@x.example\nSubject: outer\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nsee below\n--b\nContent-Type: message/rfc822\n\n" +
		"From: inner@x.example\nSubject: inner\nContent-Type: text/plain; charset=x-none\n\nv\xe9lo\n\n--b--\n"
	m, log := maker(t, Mail{}, forwarded)
	for _, attached := range []bool{true, false} {
		r := recipe(t)
		r.AttachedMessage, r.Attachments = attached, false
		j := m.job(t, "1", r, recipient(t, "1@fax"))
		doc, want := j.document(t, r), map[bool][2]string{true: {"inner", "lo"}, false: {"outer", "see below"}}[attached]
		if doc.Get("system", "subject") != want[0] || !strings.Contains(j.files["gw1-1.txt"], want[1]) {
			t.Errorf("attached %v: subject %q, text %q", attached, doc.Get("system", "subject"), j.files["gw1-1.txt"])
		}
		if got := m.Charsets(); len(got) != 1 || !strings.Contains(got[0], "x-none") {
			t.Errorf("charsets %q", got)
		}
	}
	problems := 0
	for _, c := range m.contents {
		if c.message != m.root {
			problems += len(c.message.Problems())
		}
	}
	m.LogProblems(t.Context())
	if got := strings.Count(log.String(), "problem="); got != problems+len(m.root.Problems()) {
		t.Errorf("%d problems logged, %d of the message in it, log %s", got, problems, log)
	}
}
