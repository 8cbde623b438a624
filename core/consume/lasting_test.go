package consume

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// obstructed is a target after which no journal can be written.
type obstructed struct {
	fake
	journal string
}

func (o *obstructed) Flush() error { return os.MkdirAll(filepath.Join(o.journal+".new", "x"), 0o700) }

// TestFailureLasts: a job of many machines that has failed is on disk before the others
// forget it; one that its target has is not theirs to keep.
func TestFailureLasts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		submit func(*Job) error
		said   []string
	}{
		"failed": {refuse, []string{"begin 1 begun here", "close"}},
		"done":   {nil, []string{"begin 1 begun here", "judge 1 done", "settled 1", "close"}},
	} {
		target := &obstructed{fake: fake{submit: tt.submit}}
		o := options(t, target)
		target.journal = filepath.Join(o.Folder, ".consume/1.json")
		source := new(brought)
		o.Source, o.Identity = source, "here"
		addJob(t, o, "1")
		if _, err := New(o).Drain(t.Context()); (err != nil) != (name == "failed") {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.Equal(source.said, tt.said) {
			t.Errorf("%s: %q, want %q", name, source.said, tt.said)
		}
		if name == "done" {
			continue
		}
		// When it can be written the job comes to its end, though a file of it is none.
		if err := os.RemoveAll(target.journal + ".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(o.Folder, "1_1_a.pdf")); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(o.Folder, "1_1_a.pdf"), 0o700); err != nil {
			t.Fatal(err)
		}
		o.Target = new(fake)
		source.said = nil
		if _, err := New(o).Drain(t.Context()); err != nil || !slices.Equal(source.said, []string{"judge 1 failed", "settled 1", "close"}) {
			t.Errorf("again: %q, %v", source.said, err)
		}
	}
}
