package match

import (
	"testing"
	"unicode"
)

func TestAdvice(t *testing.T) {
	t.Parallel()
	dash := func(r rune) bool { return r == '-' }
	other := func(r rune) bool { return r != '+' && r != '-' && (r < '0' || r > '9') }
	for _, test := range []struct {
		expr                                 string
		open, group, other, demands, mayPlus bool
	}{
		{`(?P<number>\+?\d+)@fax$`, false, true, false, false, true},
		{`(?P<number>.+)@fax$`, false, true, true, false, true},
		{`(?P<number>\d+)@fax`, true, true, false, false, false},
		{`(?P<number>[^@]+)@fax(\.cz)?$`, false, true, true, false, true},
		{`\d+@fax\.?$`, false, false, false, false, false},
		{`\d+@fax\z`, false, false, false, false, false},
		{`.*@fax.*`, false, false, false, false, true},
		{`.*@(fax$|sms)`, true, false, false, false, true},
		{`(a@fax$|b@fax$)`, false, false, false, false, false},
		{`(?P<number>[+i]?\d+)@fax$`, false, true, true, false, true},
		{`(?P<number>[\d-]+)@fax$`, false, true, false, false, false},
		{`(?P<number>(\d|-|\*)+)@fax$`, false, true, true, false, false},
		{`\+?(00)?90\d+`, true, false, false, false, true},
		{`90-?\d+`, true, false, false, false, false},
		{`90-\d+`, true, false, false, true, false},
		{`90[-]{1,2}\d+`, true, false, false, true, false},
		{`90[- ]\d+`, true, false, false, false, false},
		{`(9-|8-)1`, true, false, false, true, false},
		{`(9-|8)1`, true, false, false, false, false},
		{`^\+90`, true, false, false, false, true},
		{`(00|\+)?90`, true, false, false, false, true},
		{`x*\+`, true, false, false, false, true},
		{`(^|x)\+90`, true, false, false, false, true},
		{`(x|\+)90`, true, false, false, false, true},
		{`(\+|x)90`, true, false, false, false, true},
		{`(x|y?)\+`, true, false, false, false, true},
		{`^90\d+`, true, false, false, false, false},
		{`(x?y?)90`, true, false, false, false, false},
		{`(x?y?)\+`, true, false, false, false, true},
		{`(x\d)\+`, true, false, false, false, false},
		{`(x?\d)\+`, true, false, false, false, false},
		{`(x|y)\+`, true, false, false, false, false},
		{`(x?){2}\+`, true, false, false, false, true},
		{`x{2}\+`, true, false, false, false, false},
		{`x{0,2}\+`, true, false, false, false, true},
		{`x?y\+`, true, false, false, false, false},
	} {
		e, err := Compile(test.expr)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Open(); got != test.open {
			t.Errorf("%s: open %v", test.expr, got)
		}
		if got := e.HasGroup("number"); got != test.group {
			t.Errorf("%s: has a group %v", test.expr, got)
		}
		if got := e.GroupTakes("number", other); got != test.other {
			t.Errorf("%s: the group takes others %v", test.expr, got)
		}
		if got := e.Demands(dash); got != test.demands {
			t.Errorf("%s: demands %v", test.expr, got)
		}
		if got := e.MayBeginWith('+'); got != test.mayPlus {
			t.Errorf("%s: may begin with '+' %v", test.expr, got)
		}
	}
}

// TestSome: of a long range the ends, the middle and the beginning are looked at.
func TestSome(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		ranges []rune
		of     rune
		want   bool
	}{
		{nil, 'a', false}, {[]rune{'a', 'c'}, 'a', true}, {[]rune{'a', 'c'}, 'c', true}, {[]rune{'a', 'c'}, 'd', false}, {[]rune{'a', 'a', 'c', 'd'}, 'd', true}, {[]rune{'a', 'a', 'c', 'd'}, 'b', false},
		{[]rune{0, 256}, 256, true}, {[]rune{0, 256}, 255, true}, {[]rune{0, 1000}, 0, true}, {[]rune{0, 1000}, 1000, true}, {[]rune{0, 1000}, 500, true}, {[]rune{0, 1000}, 256, true},
		{[]rune{0, 1000}, 257, false}, {[]rune{0, 1000}, 499, false}, {[]rune{0, 1000}, 501, false}, {[]rune{1000, 3000, 4000, 4001}, 4001, true}, {[]rune{1000, 3000}, 2000, true},
		{[]rune{0x10000, unicode.MaxRune}, unicode.MaxRune, true},
	} {
		if got := some(tt.ranges, func(r rune) bool { return r == tt.of }); got != tt.want {
			t.Errorf("%d in %d: %v", tt.of, tt.ranges, got)
		}
	}
}
