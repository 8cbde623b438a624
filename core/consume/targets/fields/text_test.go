package fields

import (
	"context"
	"strings"
	"testing"

	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/targets/targettest"
	"smtpreceiver/core/ctl"
)

func TestLimit(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 153*3) // three SMS
	for _, tt := range []struct {
		text           string
		max            int
		maxlen, action string
		want           string
		parts, over    int
		err            string
	}{
		{"", 0, "", "", "", 0, 0, "the text is empty"},
		{"x", 0, "", "", "x", 1, 0, ""},
		{long, 0, "", "", long, 3, 0, ""},
		{long, 3, "", "", long, 3, 0, ""},
		{long, 2, "", "", long[:153*2], 2, 1, ""},
		{long, 3, "2", "", long[:153*2], 2, 1, ""},
		{long, 2, "", "1", "", 0, 3, "makes 3 SMS and max_parts allows 2"},
	} {
		j := &consume.Job{Job: &ctl.Job{MaxLen: tt.maxlen, Action: tt.action}}
		got, err := Limit(j, tt.text, tt.max)
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%d of %d, %q: %v", len(tt.text), tt.max, tt.maxlen, err)
		}
		if err == nil && (got != tt.want || j.Parts != tt.parts || j.Over != tt.over) {
			t.Errorf("%d of %d, %q: %d bytes, %d SMS, %d over", len(tt.text), tt.max, tt.maxlen, len(got), j.Parts, j.Over)
		}
	}
}

func TestOneLine(t *testing.T) {
	t.Parallel()
	if got := OneLine("a\r\nb\x00\x7f č~ "); got != "a  b   č~ " {
		t.Errorf("%q", got)
	}
}

func TestLastWords(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"": "", " busy\r\n\ttry  later\n": "busy try later",
		strings.Repeat("x", 1000):             strings.Repeat("x", 1000),
		"before " + strings.Repeat("x", 1000): strings.Repeat("x", 1000),
		"ab" + strings.Repeat("x", 999):       "b" + strings.Repeat("x", 999),
	} {
		if got := LastWords(said); got != want {
			t.Errorf("%.20q: %d bytes, want %d", said, len(got), len(want))
		}
	}
}

// read is a target that reads the text.
type read struct{ text string }

func (r *read) Prepare(context.Context, *consume.Job) (string, error) { return "", nil }

func (r *read) Has(context.Context, *consume.Job) (consume.Answer, error) { return consume.No, nil }

func (r *read) Submit(_ context.Context, j *consume.Job) (err error) {
	r.text, err = Text(j)
	return err
}

func TestText(t *testing.T) {
	t.Parallel()
	for format, why := range map[string]string{"txt": "", "htm": `the message is in format "htm", and plain text is needed`} {
		s := targettest.New(t, "words")
		s.Doc.Set("system", "format", format)
		r := &read{}
		said := s.HandOn(t, r)
		if !strings.Contains(said, why) || (said == "") != (why == "") || (r.text == "words") != (why == "") {
			t.Errorf("%s: text %q, why %q", format, r.text, said)
		}
	}
}
