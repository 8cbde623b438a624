package consume

import (
	"path/filepath"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/consume/folder"
)

// TestNotDue: a report whose next try is later is not read, every few seconds, until then;
// what is wrong with it is said when it is due.
func TestNotDue(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	o := options(t, &fake{})
	reporting(&o, sink.Addr)
	log := logged(&o)
	c, box := outbox(t, o)
	r := c.newReporter(box)
	name := putLetter(t, box, "1", time.Now())
	write(t, filepath.Join(folder.OutboxPath(o.Folder), name), "no letter")
	for tries, next := range []time.Duration{time.Hour, -time.Hour} {
		if err := box.Note(name, folder.Tried{Times: 1, Next: time.Now().Add(next)}); err != nil {
			t.Fatal(err)
		}
		if r.round(t.Context()); log.count("is no report") != tries {
			t.Errorf("next try in %v: log:\n%s", next, log.all())
		}
	}
}
