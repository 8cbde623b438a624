package match

import "testing"

func TestAdvice(t *testing.T) {
	t.Parallel()
	dash := func(r rune) bool { return r == '-' }
	other := func(r rune) bool { return r != '+' && r != '-' && (r < '0' || r > '9') }
	for _, test := range []struct {
		expr                                 string
		open, group, other, demands, mayPlus bool
	}{
		{`(?P<number>\+?\d+)@fax$`, false, true, false, false, true},
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
