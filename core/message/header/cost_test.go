package header

import (
	"strings"
	"testing"
	"time"
)

// TestParamsCostNoMoreThanTheirLength: what looks like a parameter at each quotation
// mark was searched to the end of the field each time: 16 KiB took 40 s.
func TestParamsCostNoMoreThanTheirLength(t *testing.T) {
	t.Parallel()
	const size = 16 << 10 // before: seconds to minutes each; now: under a millisecond
	for _, unit := range []string{`" ,`, `"charset`, `" charset`, `"a=`, `a="b`, " name", " name =", `"name*1`, "(=", " , ", `"  name* `} {
		for _, before := range []string{`text/plain; a="`, "text/plain; a=", "text/plain;"} {
			began := time.Now()
			p := ParseParams(before + strings.Repeat(unit, size/len(unit)) + "=")
			p.Value("name", cp1250)
			if took := time.Since(began); took > time.Second {
				t.Fatalf("%d bytes of %q behind %q: %v", size, unit, before, took)
			}
		}
	}
}

// TestNextParameter: where a parameter begins whose semicolon is missing.
func TestNextParameter(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int{
		"": -1, "x": -1, "name=x": -1, " name=x": 0, "x, \tNAME \t=": 1, "a\r\n charset=": 1, " xname=": -1, " names=": -1, " name": -1, " name name=": 5, " name*=": 0,
		" name*0=": 0, " filename*12*=": 0, " name0=": 0, " name0*=": 0, " name**=": -1, " name*0**=": -1, " report-type=": 0, " type-=": -1, "= = size=": 3, " name\r\n=": -1, " =": -1,
	} {
		if got := nextParameter(in); got != want {
			t.Errorf("%q: %d, want %d", in, got, want)
		}
		if got := beginsParameter(in); got != (want == 0) {
			t.Errorf("%q: %t at its start", in, got)
		}
	}
}
