package feed

import (
	"testing"
	"time"

	"smtpreceiver/core/consume/folder"
	"smtpreceiver/core/queue"
)

// TestBegun: who takes a job over counts its doubt from the first try, not from the
// last; an entry of an older version tells only that.
func TestBegun(t *testing.T) {
	t.Parallel()
	f := New(Options{Me: "me"})
	l := &queue.Lease{Job: &queue.Job{Key: "K"}}
	first := time.Now().Add(-20 * time.Hour)
	e := f.entryOf(queue.Begun, &folder.Journal{Begun: first})
	if j := journalOf(l, e); j.State != folder.Begun || !j.Begun.Equal(first) {
		t.Errorf("%+v", j)
	}
	e.Begun = time.Time{}
	if j := journalOf(l, e); !j.Begun.Equal(e.Since) || e.Since.IsZero() {
		t.Errorf("%+v of an older version", j)
	}
	if j := journalOf(l, f.entryOf(queue.Waiting, &folder.Journal{Begun: first})); !j.Begun.IsZero() {
		t.Errorf("%+v that waits", j)
	}
}
