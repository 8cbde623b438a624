package transform

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

func builtinSet(t *testing.T, name string) *TagSet {
	t.Helper()
	ts, ok := Builtin(name)
	if !ok {
		t.Fatalf("no set %s", name)
	}
	return ts
}

// cut cuts a text that can be read without errors, byte by byte.
func cut(t *testing.T, ts *TagSet, text string) ([]Tag, string) {
	t.Helper()
	tags, rest, err := ts.Cut(iotest.OneByteReader(strings.NewReader(text)))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	b, err := io.ReadAll(rest)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return tags, string(b)
}

func TestCut(t *testing.T) {
	t.Parallel()
	system := func(pairs ...string) []Tag {
		var tags []Tag
		for i := 0; i < len(pairs); i += 2 {
			tags = append(tags, Tag{"system", pairs[i], pairs[i+1]})
		}
		return tags
	}
	for _, c := range []struct {
		text string
		tags []Tag
		rest string
	}{
		{"", nil, ""},
		{"Hello\n@dr=1\n", nil, "Hello\n@dr=1\n"},
		{"\n@dr=1\n", nil, "\n@dr=1\n"},
		{" @dr=1\n", nil, " @dr=1\n"},
		{"@dr=1\n\nHello", system("dr", "1"), "Hello"},
		{"@dr=0\r\n@action=2\r\n@maxlen=3\r\n\r\nHello\r\n", system("dr", "0", "action", "2", "maxlen", "3"), "Hello\r\n"},
		{"@report\nHello", system("dr", "1"), "Hello"},
		{"@report=1\nHello", system("dr", "1"), "Hello"},
		{"@report=0\nHello", nil, "@report=0\nHello"},
		{"@DR = 1 \t\n@Priority=HIGH", system("dr", "1", "priority", "high"), ""},
		{"@dr\n\n\nHello", system("dr", "1"), "\nHello"},
		{"@dr\n \t\r\nHello", system("dr", "1"), "Hello"},
		{"@dr\n", system("dr", "1"), ""},
		{"@dr\n\n", system("dr", "1"), ""},
		{"@dr=1\n@dr=0\nHello", system("dr", "1", "dr", "0"), "Hello"},
		{"\ufeff@dr=1\nHello", system("dr", "1"), "Hello"},
		{"\ufeffHello", nil, "\ufeffHello"},
		{"\ufeff@home", nil, "\ufeff@home"},
		{"@home I will call\n@dr=1\n", nil, "@home I will call\n@dr=1\n"},
		{"@dr=1\n@home\n@maxlen=1\nHello", system("dr", "1"), "@home\n@maxlen=1\nHello"},
		{"@dr=1\n\n@home", system("dr", "1"), "@home"},
		{"@dr=1\n\n@maxlen=2", system("dr", "1"), "@maxlen=2"},
		{"@dr=x\nHello", nil, "@dr=x\nHello"},
		{"@dr=\nHello", nil, "@dr=\nHello"},
		{"@dr=-1\nHello", nil, "@dr=-1\nHello"},
		{"@maxlen=999999999\nHello", system("maxlen", "999999999"), "Hello"},
		{"@maxlen=1000000000\nHello", nil, "@maxlen=1000000000\nHello"},
		{"@maxlen=٣\nHello", nil, "@maxlen=٣\nHello"},
		{"@priority=Normal\n", system("priority", "normal"), ""},
		{"@priority=low\n", system("priority", "low"), ""},
		{"@priority=urgent\nHello", nil, "@priority=urgent\nHello"},
		{"@priority\nHello", nil, "@priority\nHello"},
		{"@dr=1 please\nHello", nil, "@dr=1 please\nHello"},
		{"@", nil, "@"},
		{"@dr=1\x00\nHello", nil, "@dr=1\x00\nHello"},
	} {
		tags, rest := cut(t, builtinSet(t, "mobilchange"), c.text)
		if !reflect.DeepEqual(tags, c.tags) || rest != c.rest {
			t.Errorf("%q: %v %q, want %v %q", c.text, tags, rest, c.tags, c.rest)
		}
	}
}

func TestBuiltin(t *testing.T) {
	t.Parallel()
	if _, rest := cut(t, builtinSet(t, "FaxChange"), "@dr=1\n@maxlen=1\nHello"); rest != "@maxlen=1\nHello" {
		t.Errorf("faxchange: %q", rest)
	}
	if _, ok := Builtin("none"); ok {
		t.Error("a set that does not exist")
	}
}

func TestOwnSet(t *testing.T) {
	t.Parallel()
	ts, err := ParseTagSet(map[string]string{
		"cover":   "fax|cover",
		"Urgent":  "system | priority | high",
		"pošta-2": "a|b|c|d",
	})
	if err != nil {
		t.Fatal(err)
	}
	tags, rest := cut(t, ts, "@cover = my page|2\n@cover\n@cover=\n@urgent\n@POŠTA-2=1\n@urgent=0\nHello")
	want := []Tag{{"fax", "cover", "my page|2"}, {"fax", "cover", "1"}, {"fax", "cover", ""}, {"system", "priority", "high"}, {"a", "b", "c|d"}}
	if !reflect.DeepEqual(tags, want) || rest != "@urgent=0\nHello" {
		t.Errorf("%v %q", tags, rest)
	}
}

func TestTagSetErrors(t *testing.T) {
	t.Parallel()
	_, err := ParseTagSet(map[string]string{
		"@dr": "system|dr", "a b": "system|dr", "": "system|dr",
		"none": "", "word": "system", "blank": "|dr", "key": "system|", "fixed": "system|dr|", "eq": "system|a=b",
		"Twice": "a|b", "twice": "a|b", "good": "a|b",
	})
	if err == nil {
		t.Fatal("no error")
	}
	text := err.Error()
	for _, part := range []string{
		`"@dr": a name is`, `"a b": a name is`, `"": a name is`, `"none": "": write`, `"word": "system": write`,
		`"blank": "|dr": section: the name is empty`, `"key": "system|": key: the name is empty`,
		`"fixed": "system|dr|": the value is missing`, `"eq": "system|a=b": key: the name "a=b" holds`, `"twice": given twice`,
	} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in %s", part, text)
		}
	}
	if strings.Contains(text, `"good"`) {
		t.Error("a good command is reported")
	}
}

// TestCutBounds shows that a block ends somewhere, and that the rest streams.
func TestCutBounds(t *testing.T) {
	t.Parallel()
	ts := builtinSet(t, "mobilchange")
	tags, rest := cut(t, ts, strings.Repeat("@dr=1\n", maxBlockLines+1)+"Hello")
	if len(tags) != maxBlockLines || rest != "@dr=1\nHello" {
		t.Errorf("%d tags, %q", len(tags), rest)
	}
	padded := "@dr=1" + strings.Repeat(" ", 1000) + "\n"
	tags, rest = cut(t, ts, strings.Repeat(padded, 10))
	if n := maxBlockBytes / len(padded); len(tags) != n || rest != strings.Repeat(padded, 10-n) {
		t.Errorf("%d tags, %d bytes", len(tags), len(rest))
	}
	long := "@dr=1" + strings.Repeat(" ", maxBlockBytes) + "\nHello"
	if tags, rest = cut(t, ts, long); tags != nil || rest != long {
		t.Errorf("long line: %v, %d bytes", tags, len(rest))
	}

	for _, text := range []string{"@dr=1\nHello", "Hello"} {
		source := &counter{Reader: io.MultiReader(strings.NewReader(text), zeros{})}
		if _, _, err := ts.Cut(source); err != nil || source.n > maxBlockBytes {
			t.Errorf("%q: read %d bytes, %v", text, source.n, err)
		}
	}
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

type counter struct {
	io.Reader
	n int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

func TestCutReadError(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk failed")
	for _, text := range []string{"", "@d", "@dr=1\nHel"} {
		tags, rest, err := builtinSet(t, "mobilchange").Cut(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) || tags != nil {
			t.Errorf("%q: %v %v", text, tags, err)
			continue
		}
		if got, err := io.ReadAll(rest); string(got) != text || !errors.Is(err, broken) {
			t.Errorf("%q: rest %q %v", text, got, err)
		}
	}
	// An error behind the block is met when the rest is read.
	behind := "@dr=1\n\n" + strings.Repeat("x", maxBlockBytes)
	tags, rest, err := builtinSet(t, "mobilchange").Cut(io.MultiReader(strings.NewReader(behind), iotest.ErrReader(broken)))
	if err != nil || len(tags) != 1 {
		t.Fatal(tags, err)
	}
	if got, err := io.ReadAll(rest); string(got) != behind[len("@dr=1\n\n"):] || !errors.Is(err, broken) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
