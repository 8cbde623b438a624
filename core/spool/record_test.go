package spool

import (
	"encoding/json"
	"errors"
	"os"
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
		{jobFiles: jobFiles{opened: &opened{place: b}, stem: "00000001", data: []string{"00000001.txt", "00000001_1_a"}}},
		{jobFiles: jobFiles{opened: &opened{place: a}, stem: "00000002"}},
		{jobFiles: jobFiles{opened: &opened{place: b}, stem: "00000003", data: []string{"00000003.txt"}}},
	})
	want := &batchRecord{Places: []recordPlace{
		{place: b, Jobs: []recordJob{{"00000001", []string{"00000001.txt", "00000001_1_a"}}, {"00000003", []string{"00000003.txt"}}}},
		{place: a, Jobs: []recordJob{{"00000002", nil}}},
	}}
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

// What is written can be read: the writer holds the limit, and what an older
// version wrote without one is settled too.
func TestLongRecords(t *testing.T) {
	t.Parallel()
	var jobs []*Job
	for i := range 300 {
		j := &Job{jobFiles: jobFiles{opened: &opened{}, stem: formatID(uint64(i))}}
		for range 950 {
			j.data = append(j.data, j.stem+"_1_"+strings.Repeat("n", 60))
		}
		jobs = append(jobs, j)
	}
	if err := newBatchRecord(jobs).write(nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a record of 300 jobs with 950 files each: %v", err)
	}
	folder := tempFolders(t, 1)
	crashed(t, folder, shapeOf([]int{0, 0}), firstRename(t, shapeOf([]int{0, 0}))+2) // decided
	records, err := filepath.Glob(filepath.Join(folder[0], stagingName, "*", "*"+decisionSuffix))
	if err != nil || len(records) != 1 {
		t.Fatalf("records: %q, %v", records, err)
	}
	f, err := os.OpenFile(records[0], os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(strings.Repeat(" ", recordLimit+1))
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	recoverWith(t, nil, folder...)
	wantAllOrNone(t, folder, 2, true)
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
		"relative folder":  `{"places":[{"folder":"a","owner":"o","jobs":[{"stem":"1"}]}]}`,
		"no owner":         `{"places":[{"folder":DIR,"jobs":[{"stem":"1"}]}]}`,
		"owner with path":  `{"places":[{"folder":DIR,"owner":"../o","jobs":[{"stem":"1"}]}]}`,
		"owner is parent":  `{"places":[{"folder":DIR,"owner":"..","jobs":[{"stem":"1"}]}]}`,
		"no jobs":          `{"places":[{"folder":DIR,"owner":"o","jobs":[]}]}`,
		"stem with path":   `{"places":[{"folder":DIR,"owner":"o","jobs":[{"stem":"a/b"}]}]}`,
		"stem of ours":     `{"places":[{"folder":DIR,"owner":"o","jobs":[{"stem":"@1"}]}]}`,
		"more after it":    `{"places":[{"folder":DIR,"owner":"o","jobs":[{"stem":"1"}]}]}x`,
		"file of another":  `{"places":[{"folder":DIR,"owner":"o","jobs":[{"stem":"1","data":["2.txt"]}]}]}`,
		"file with path":   `{"places":[{"folder":DIR,"owner":"o","jobs":[{"stem":"1","data":["1_/../x"]}]}]}`,
		"numbers as stems": `{"places":[{"folder":DIR,"owner":"o","jobs":[{"stem":1}]}]}`,
	} {
		if r, err := parseRecord([]byte(strings.ReplaceAll(text, "DIR", string(dir)))); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(`{"places":[{"folder":"/a","owner":"o","jobs":[{"stem":"00000001"},{"stem":"x-2"}]},{"folder":"/b","owner":"o","jobs":[{"stem":"3"}]}]}`))
	f.Add([]byte(`{"places":[{"folder":"/a/../..","owner":".","jobs":[{"stem":""}]}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseRecord(data)
		if err != nil {
			return
		}
		for _, p := range r.Places {
			names := []string{r.name(), r.decision()}
			for _, j := range p.Jobs {
				names = append(append(names, j.Stem), j.Data...)
			}
			for _, name := range names {
				if got := filepath.Dir(filepath.Join(p.staging(), name)); got != p.staging() || filepath.Dir(p.staging()) != filepath.Join(p.Folder, stagingName) {
					t.Errorf("%q leads from %q to %q", name, p.Folder, got)
				}
			}
		}
	})
}
