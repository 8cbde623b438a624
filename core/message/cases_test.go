package message

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"smtpreceiver/core/message/charset/labels"
)

// mailCase is what must be read of a mail; a field that is absent is not
// checked. testdata/cases/README.md says more.
type mailCase struct {
	Text        *string           `json:"sms_text"`
	Contains    []string          `json:"sms_contains"`
	Lacks       []string          `json:"sms_lacks"`
	Subject     *string           `json:"subject"`
	FromName    *string           `json:"from_name"`
	Email       *string           `json:"email"`
	Attachments *[]caseAttachment `json:"attachments"`
	Config      string            `json:"config"`
	Why         string            `json:"why"`
}

type caseAttachment struct {
	Name     *string `json:"name"`
	SHA256   string  `json:"sha256"`
	Size     *int64  `json:"size"`
	Contains string  `json:"contains"`
}

// TestCases reads the mails in testdata/cases, each of which was once read
// wrongly or guards what must stay.
func TestCases(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/cases/*.eml")
	if err != nil || len(files) < 74 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(file, ".eml")
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			wanted, err := os.ReadFile(name + ".json")
			if err != nil {
				t.Fatal(err)
			}
			var want mailCase
			if err := json.Unmarshal(wanted, &want); err != nil {
				t.Fatal(err)
			}
			want.check(t, raw)
		})
	}
}

func (c *mailCase) check(t *testing.T, raw []byte) {
	t.Helper()
	lim := Limits{DefaultCharset: labels.Default(c.setting("default_charset"), "utf-8")}
	m := parse(t, raw, lim)
	text := readable(readText(t, m.Body([]Format{TXT})))
	if c.Text != nil && text != *c.Text {
		t.Errorf("%s: text\n%q, want\n%q", c.Why, text, *c.Text)
	}
	for _, s := range c.Contains {
		if !strings.Contains(text, s) {
			t.Errorf("%s: the text %q has no %q", c.Why, text, s)
		}
	}
	for _, s := range c.Lacks {
		if strings.Contains(text, s) {
			t.Errorf("%s: the text %q has %q", c.Why, text, s)
		}
	}
	for _, v := range []struct {
		what, got string
		want      *string
	}{{"subject", m.Subject(), c.Subject}, {"name", m.From().Name, c.FromName}, {"address", m.From().Email, c.Email}} {
		if v.want != nil && v.got != *v.want {
			t.Errorf("%s: %s %q, want %q", c.Why, v.what, v.got, *v.want)
		}
	}
	if c.Attachments != nil {
		b := m.Body([]Format{HTM, TXT})
		b.InlinePictures = c.setting("inline_pictures") == "1"
		c.checkFiles(t, m.Attachments(b))
	}
}

// setting is what the case sets a key to.
func (c *mailCase) setting(key string) string {
	for _, line := range strings.Split(c.Config, "\n") {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// readable takes blanks at line ends and empty lines at the end away.
func readable(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \t\r")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

func (c *mailCase) checkFiles(t *testing.T, got []Attachment) {
	t.Helper()
	var names []string
	for _, a := range got {
		names = append(names, a.Name)
	}
	if len(got) != len(*c.Attachments) {
		t.Errorf("%s: %d files %q, want %d", c.Why, len(got), names, len(*c.Attachments))
		return
	}
	for _, want := range *c.Attachments {
		i := slices.IndexFunc(got, func(a Attachment) bool { return want.is(t, a) })
		if i < 0 {
			t.Errorf("%s: no %+v among %q", c.Why, want, names)
			continue
		}
		got = slices.Delete(got, i, i+1)
	}
}

func (w *caseAttachment) is(t *testing.T, a Attachment) bool {
	t.Helper()
	b := []byte(content(t, a))
	sum := sha256.Sum256(b)
	switch {
	case w.Name != nil && *w.Name != a.Name,
		w.SHA256 != "" && w.SHA256 != hex.EncodeToString(sum[:]),
		w.Size != nil && *w.Size != int64(len(b)),
		w.Contains != "" && !holds(t, b, w.Contains):
		return false
	}
	return true
}

// holds says whether a file, or a part of the mail it holds, has these words.
func holds(t *testing.T, file []byte, words string) bool {
	t.Helper()
	if bytes.Contains(file, []byte(words)) {
		return true
	}
	m := parse(t, file, Limits{})
	b := m.Body([]Format{TXT})
	if strings.Contains(readText(t, b), words) {
		return true
	}
	return slices.ContainsFunc(m.Attachments(b), func(a Attachment) bool {
		return strings.Contains(content(t, a), words)
	})
}
