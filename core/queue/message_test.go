package queue

import (
	"strings"
	"testing"
	"time"
)

const testKey = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

func sample(t testing.TB) *Job {
	t.Helper()
	j := &Job{Version: version, Stem: "gw1-00000001", ID: "00000001", App: "fax", Gateway: "gw1", Made: time.Unix(1e9, 0).UTC(), Key: testKey, Index: 1, Jobs: 2}
	for name, content := range map[string]string{"gw1-00000001.txt": "Dobrý den\r\n", "gw1-00000001.ctl": "[system]\r\n"} {
		j.Files = append(j.Files, File{Name: name, Size: int64(len(content)), SHA256: sumOf([]byte(content))})
		j.contents = append(j.contents, []byte(content))
	}
	j.Files = append(j.Files, File{Name: "gw1-00000001_1_scan.pdf", Size: pieceSize + 1, SHA256: sumOf(nil), Number: 1, Pieces: 2})
	j.contents = append(j.contents, nil)
	return j
}

func TestMessage(t *testing.T) {
	t.Parallel()
	want := sample(t)
	data, err := want.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if got.Identity() != testKey+".1" || got.Stem != want.Stem || !got.Made.Equal(want.Made) || len(got.Files) != len(want.Files) {
		t.Errorf("read as %+v", got)
	}
	for i := range want.Files {
		if got.Files[i] != want.Files[i] || string(got.contents[i]) != string(want.contents[i]) {
			t.Errorf("file %d: %+v %q, want %+v %q", i, got.Files[i], got.contents[i], want.Files[i], want.contents[i])
		}
	}
}

// TestForeign: whoever may write to the cluster may write anything. A name must
// never lead out of the consumer's folder, and no content may differ from its sum.
func TestForeign(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*Job)
		want   string
	}{
		"version":      {func(j *Job) { j.Version = 2 }, "version 2"},
		"key":          {func(j *Job) { j.Key = "../x" }, "identity"},
		"index":        {func(j *Job) { j.Index = 2 }, "identity"},
		"negative":     {func(j *Job) { j.Index = -1 }, "identity"},
		"stem":         {func(j *Job) { j.Stem = "../x" }, "stem"},
		"path":         {func(j *Job) { j.Files[0].Name = j.Stem + "/../../x" }, "more than a file name"},
		"backslash":    {func(j *Job) { j.Files[0].Name = j.Stem + `\x` }, "more than a file name"},
		"of another":   {func(j *Job) { j.Files[0].Name = "other.txt" }, "does not begin"},
		"long":         {func(j *Job) { j.Files[2].Name = j.Stem + strings.Repeat("x", 300) }, "longer"},
		"two CTLs":     {func(j *Job) { j.Files[0].Name, j.Files[1].Name = j.Stem+".ctl", j.Stem+".ctl" }, "CTL files: 2"},
		"sly CTL":      {func(j *Job) { j.Files[2].Name = j.Stem + "_1.CTL" }, "that of a CTL"},
		"size":         {func(j *Job) { j.Files[0].Size = 1 << 40 }, "are there"},
		"content":      {func(j *Job) { j.contents[0] = []byte(strings.Repeat("x", len(j.contents[0]))) }, "SHA-256"},
		"rest":         {func(j *Job) { j.contents[2] = []byte("x") }, "bytes behind the files: 1"},
		"pieces":       {func(j *Job) { j.Files[2].Pieces = 1 }, "in 1 pieces"},
		"many pieces":  {func(j *Job) { j.Files[2].Pieces = 1 << 30 }, "pieces"},
		"minus pieces": {func(j *Job) { j.Files[2].Pieces = -1 }, "pieces"},
	} {
		j := sample(t)
		c.change(j)
		data, err := j.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decode(data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, c.want)
		}
	}
	for _, text := range []string{"", "{}", "{}\n", "\n", "null\n", "[]\n"} {
		if _, err := decode([]byte(text)); err == nil {
			t.Errorf("%q was taken for a job", text)
		}
	}
}

func FuzzDecode(f *testing.F) {
	j := sample(f)
	data, err := j.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte("{\"version\":1}\nx"))
	f.Fuzz(func(t *testing.T, data []byte) {
		j, err := decode(data)
		if err != nil {
			return
		}
		again, err := j.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decode(again); err != nil {
			t.Errorf("what was read cannot be read again: %v", err)
		}
	})
}

// nameOf is the name that token made a part of a subject of.
func nameOf(token string) (string, error) {
	encoded, isEncoded := strings.CutPrefix(token, "=")
	if !isEncoded {
		return token, nil
	}
	name, err := encoding.DecodeString(encoded)
	return string(name), err
}

func TestToken(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, name := range []string{"fax", "FAX", "fax-1", "fax_1", "fax 1", "fax.1", "fax>1", "*", ">", "příjem", "=fax", strings.Repeat("x", 200)} {
		got := token(name)
		if strings.ContainsAny(got, ".*> \t\r\n") || got == "" {
			t.Errorf("token of %q is %q", name, got)
		}
		if other, twice := seen[got]; twice {
			t.Errorf("%q and %q have one token", name, other)
		}
		seen[got] = name
		if back, err := nameOf(got); err != nil || back != name {
			t.Errorf("%q comes back as %q, %v", name, back, err)
		}
	}
}
