package socket

import (
	"slices"
	"testing"
)

// TestOpen: End reaches what is open, and what comes later, by the last one
// called.
func TestOpen(t *testing.T) {
	t.Parallel()
	var open Open[int]
	var ended []string
	ends := func(how string) func(int) {
		return func(c int) { ended = append(ended, how+string(rune('0'+c))) }
	}
	open.Add(1)
	open.Add(2)
	open.Remove(1)
	if len(ended) > 0 {
		t.Errorf("ended %v before End", ended)
	}
	open.End(ends("a"))
	open.Add(3)
	open.Remove(2)
	open.End(ends("b"))
	open.Add(4)
	if want := []string{"a2", "a3", "b3", "b4"}; !slices.Equal(ended, want) {
		t.Errorf("ended %v, want %v", ended, want)
	}
}
