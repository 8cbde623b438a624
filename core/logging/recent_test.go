package logging

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestRecent(t *testing.T) {
	t.Parallel()
	log, err := Open(Options{}, io.Discard) // written nowhere
	if err != nil {
		t.Fatal(err)
	}
	if got := log.Recent(); got == nil || len(got) != 0 { // [] in JSON
		t.Errorf("at the start: %v", got)
	}
	session := log.With("session", "s1")
	for i := range keptEvents {
		session.Warn("w", "n", i)
		session.Info("i")
	}
	if err := log.Reopen(Options{}); err != nil {
		t.Fatal(err)
	}
	session.Error("e", "n", strings.Repeat("x", 5000))
	got := log.Recent()
	if len(got) != keptEvents || got[0].Line != "msg=w session=s1 n=1" || got[0].Level != "W" || got[0].Time.IsZero() {
		t.Errorf("%d events, the first %+v", len(got), got[0])
	}
	last := got[len(got)-1]
	if last.Level != "E" || len(last.Line) != 2048+len("...") {
		t.Errorf("the last: %s, %d bytes", last.Level, len(last.Line))
	}
	long := "msg=" + strings.Repeat("x", 2048-len("msg="))
	log.Warn(long[len("msg="):])
	if got = log.Recent(); got[keptEvents-1].Line != long {
		t.Errorf("%d bytes, want %d", len(got[keptEvents-1].Line), len(long))
	}
	if counts := fmt.Sprint(log.Count("W"), log.Count("E")); counts != "21 1" {
		t.Errorf("counted %s", counts)
	}
}
