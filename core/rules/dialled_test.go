package rules

import (
	"strings"
	"testing"
	"unicode"

	"smtpreceiver/core/access"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/number"
)

// TestRulesSeeWhatIsDialled: whatever character stands in a number, rules see the
// digits that a consumer reads in the control file and dials. 9⁰6 and ٩٠٦ walked past
// numbers_denied and became 906 in a page that has neither.
func TestRulesSeeWhatIsDialled(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"cp1250", "utf-8", "windows-1258", "shift_jis"} {
		r, problems := Compile(parse(t, `
clients: 127.0.0.1
output_code_page: `+page+`
applications:
  fax: {output_folder: /fax, ctl_type: fax, addresses: '(?P<number>[^@]+)@fax$', numbers_denied: ['906']}
`), access.NewResolver(nil, nil))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		app, bypassed := r.Apps[0], 0
		dials := func(written string) string {
			d := ctl.New()
			d.Set("system", "txt", "x")
			d.Set("to", "number", written)
			job, err := ctl.ReadJob(r.Page.Decode(r.Page.Encode(d.String())), ctl.Layout{})
			if err != nil {
				t.Fatalf("%q: %v", written, err)
			}
			return number.Clean(job.Number)
		}
		for c := rune(1); c < 0x20000; c++ {
			if !unicode.In(c, unicode.N, unicode.M, unicode.Cc, unicode.Cf, unicode.Z, unicode.P) { // no letter becomes a digit
				continue
			}
			for _, written := range []string{"9" + string(c) + "6123", string(c) + "906123", "9" + string(c) + "06123"} {
				dialled := dials(written)
				if strings.ContainsFunc(dialled, func(r rune) bool { return !number.Dialled(r) }) {
					continue // no consumer does
				}
				if got := app.Number(written); got != dialled {
					if bypassed++; bypassed < 5 {
						t.Errorf("%s: %q (%U): rules see %q, dialled is %q", page, written, c, got, dialled)
					}
				}
			}
		}
		for _, written := range []string{"906123", "9\u034f06123", "9\u030106123", "９０６123", "\u0301906123", "\u206090\u20006123"} {
			if denied, _ := app.Judge(app.Number(written)); denied != 0 && dials(written) == "906123" {
				t.Errorf("%s: %q is not denied, and %q is dialled", page, written, dials(written))
			}
		}
	}
}
