package address

import (
	"strings"
	"testing"
	"time"
)

// TestSchemeCostsNoMoreThanItsLength: at each colon all that stood before it was
// searched for "mailto": 256 KiB took 40 s.
func TestSchemeCostsNoMoreThanItsLength(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{"MAILTO:", "mailto:", "x:mailto:", "a mailto:"} {
		began := time.Now()
		Append(nil, strings.Repeat(unit, 1<<18/len(unit)), cp1250)
		if took := time.Since(began); took > 5*time.Second {
			t.Fatalf("%q: %v", unit, took)
		}
	}
	l := Append(nil, "mailto:a@b.cz, MailTo:c@d.cz, friends: e@f.cz;", cp1250)
	if len(l) != 3 || l[0].Email != "a@b.cz" || l[1].Email != "c@d.cz" || l[2].Email != "e@f.cz" {
		t.Errorf("%q", l)
	}
}
