package number

import (
	"strings"
	"testing"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{
		"":                      "",
		"61388454":              "61388454",
		"+420 603 123 456":      "+420603123456",
		"9-0-6 123":             "906123",
		"FAX":                   "FAX",
		"61\t38\n84":            "613884",
		"(02) 6138/84.54":       "0261388454",
		"[02]61":                "0261",
		"+49 (0)89 123456":      "+4989123456",
		"+49(0) 89":             "+4989",
		"0049 (0)89":            "0049089", // without a region 00 is nothing but two digits
		"+49 (0 89)":            "+49089",
		"+49 0)89":              "+49089",
		"+49 [0]89":             "+49089",
		"+49 (0)(0)89":          "+4989",
		"+4(0)":                 "+4",
		"(0)89":                 "089",
		"+(0)89":                "+089",
		"＋４２０　６０３":              "+420603",
		"9\u20130\u00a06\u2011": "906", // en dash, no-break space, no-break hyphen
		"\u202a+420\u202c":      "+420",
		"i90123":                "i90123",
		"9,01*2#":               "9,01*2#",
		"+420+1":                "+420+1",
		"٩٠":                    "٩٠", // what a code page makes of it: rules.Application.Number
	} {
		if got := Clean(written); got != want {
			t.Errorf("%q: %q, want %q", written, got, want)
		}
	}
}

func TestRegion(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ region, written, want string }{
		{"CZ", "603 123 456", "+420603123456"},
		{"cz", "00420-603.123.456", "+420603123456"},
		{"CZ", "+420603123456", "+420603123456"},
		{"CZ", "900 123 456", "+420900123456"},
		{"CZ", "0090 6123", "+906123"},
		{"CZ", "112", "112"},
		{"CZ", "+999123456", "+999123456"}, // no country
		{"CZ", "+", "+"},
		{"CZ", ",123", ",123"},
		{"CZ", "603123456,,12", "+420603123456,,12"},
		{"CZ", "101", "101"},
		{"CZ", "603123456,,12", "+420603123456,,12"},
		{"CZ", "0,00420603123456", "0,00420603123456"}, // a line prefix
		{"CZ", "*21#", "*21#"},
		{"CZ", "6+03123456", "6+03123456"}, {"CZ", "0+420603123456", "0+420603123456"}, {"CZ", "00420+603123456", "00420+603123456"},
		{"CZ", "i603123456", "i603123456"},
		{"CZ", "", ""},
		{"CZ", "603123456603123456", "603123456603123456"},
		{"CZ", strings.Repeat("1", 300), strings.Repeat("1", 300)},
		{"AR", "000105234567", "000105234567"}, // zeros that would go one by one
		{"CZ", ",603123456", ",603123456"},
		{"DE", "089 123456", "+4989123456"},
		{"DE", "0049 (0)89 123456", "+4989123456"},
		{"US", "011 420 603 123 456", "+420603123456"},
		{"US", "(212) 555-0123", "+12125550123"},
		{"US", "555-0123", "5550123"}, // local only
		{"GB", "020 7946 0958", "+442079460958"},
		{"IT", "06 6982", "+39066982"},
		{"", "603 123 456", "603123456"},
		{"", "+44 020 7946 0958", "+4402079460958"}, // no region, nothing is known of national prefixes
	} {
		r, err := ParseRegion(row.region)
		if err != nil {
			t.Fatal(err)
		}
		got := r.Number(row.written)
		if got != row.want {
			t.Errorf("%s %q: %q, want %q", row.region, row.written, got, row.want)
		}
		if again := r.Number(got); again != got {
			t.Errorf("%s %q: %q becomes %q the second time", row.region, row.written, got, again)
		}
	}
}

func TestParseRegionRefuses(t *testing.T) {
	t.Parallel()
	for code, says := range map[string]string{"UK": "GB", "CZE": "two letters", "420": "two letters", "XX": "two letters", "001": "two letters"} {
		if _, err := ParseRegion(code); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "GB") && strings.Contains(err.Error(), "two letters") == (code == "UK") {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// FuzzNumber: what was cleaned has no separator, and to judge a number twice is
// to judge the same number.
func FuzzNumber(f *testing.F) {
	for _, seed := range []string{"+420 603 123 456", "0049(0)89", "9,0", "＋４２０", "\xff", "+49((0))(0)1"} {
		f.Add(seed)
	}
	regions := []Region{{}, {"CZ"}, {"DE"}, {"US"}, {"IT"}, {"AR"}, {"BR"}}
	f.Fuzz(func(t *testing.T, written string) {
		if clean := Clean(written); strings.ContainsFunc(clean, Separator) {
			t.Errorf("%q: %q", written, clean)
		}
		for _, r := range regions {
			got := r.Number(written)
			if again := r.Number(got); again != got {
				t.Errorf("%s: %q: %q, then %q", r, written, got, again)
			}
		}
	})
}
