package spool

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecordRoundTrip(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := place{Folder: filepath.Join(dir, "a"), Owner: "host-1"}, place{Folder: filepath.Join(dir, "b"), Owner: "host-1"}
	r := newBatchRecord([]*Job{
		{jobFiles: jobFiles{place: b, stem: "00000001"}},
		{jobFiles: jobFiles{place: a, stem: "00000002"}},
		{jobFiles: jobFiles{place: b, stem: "00000003"}},
	})
	want := &batchRecord{Places: []recordPlace{{b, []string{"00000001", "00000003"}}, {a, []string{"00000002"}}}}
	if diff := cmp.Diff(want, r, cmp.AllowUnexported(recordPlace{})); diff != "" {
		t.Error(diff)
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseRecord(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(recordPlace{})); diff != "" {
		t.Error(diff)
	}
	for i := range data {
		if r, err := parseRecord(data[:i]); err == nil {
			t.Fatalf("torn after %d bytes it parses: %+v", i, r)
		}
	}
}

func TestParseRecordRefuses(t *testing.T) {
	t.Parallel()
	dir, err := json.Marshal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"zeros":            strings.Repeat("\x00", 100),
		"nothing":          `{}`,
		"no places":        `{"places":[]}`,
		"relative folder":  `{"places":[{"folder":"a","owner":"o","stems":["1"]}]}`,
		"no owner":         `{"places":[{"folder":DIR,"stems":["1"]}]}`,
		"owner with path":  `{"places":[{"folder":DIR,"owner":"../o","stems":["1"]}]}`,
		"owner is parent":  `{"places":[{"folder":DIR,"owner":"..","stems":["1"]}]}`,
		"no stems":         `{"places":[{"folder":DIR,"owner":"o","stems":[]}]}`,
		"stem with path":   `{"places":[{"folder":DIR,"owner":"o","stems":["a/b"]}]}`,
		"stem of ours":     `{"places":[{"folder":DIR,"owner":"o","stems":["@1"]}]}`,
		"more after it":    `{"places":[{"folder":DIR,"owner":"o","stems":["1"]}]}x`,
		"numbers as stems": `{"places":[{"folder":DIR,"owner":"o","stems":[1]}]}`,
	} {
		if r, err := parseRecord([]byte(strings.ReplaceAll(text, "DIR", string(dir)))); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(`{"places":[{"folder":"/a","owner":"o","stems":["00000001","x-2"]},{"folder":"/b","owner":"o","stems":["3"]}]}`))
	f.Add([]byte(`{"places":[{"folder":"/a/../..","owner":".","stems":[""]}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseRecord(data)
		if err != nil {
			return
		}
		for _, p := range r.Places {
			for _, name := range append([]string{r.name(), r.decision()}, p.Stems...) {
				if got := filepath.Dir(r.path(p.place, name)); got != p.staging() || filepath.Dir(p.staging()) != p.root() {
					t.Errorf("%q leads from %q to %q", name, p.Folder, got)
				}
			}
		}
	})
}
