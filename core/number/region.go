package number

import (
	"fmt"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// Region is the country whose numbers need no country code. The zero value is
// none: numbers are cleaned only.
type Region struct{ code string }

// ParseRegion reads an ISO 3166-1 country code such as CZ; "" is the zero
// Region.
func ParseRegion(code string) (Region, error) {
	if code == "" {
		return Region{}, nil
	}
	upper := strings.ToUpper(code)
	if upper == "UK" {
		return Region{}, fmt.Errorf("%q is no ISO country: write GB", code)
	}
	if phonenumbers.GetCountryCodeForRegion(upper) == 0 {
		return Region{}, fmt.Errorf("%q is no ISO country: write two letters such as CZ, DE or GB", code)
	}
	return Region{upper}, nil
}

// String is the country code, empty for the zero Region.
func (r Region) String() string { return r.code }

// Number is what is dialled for a number as people write it: cleaned, and
// completed to E.164 where a region is set and the number is one of its numbers
// or begins with its international prefix. A pause (',') and what stands behind
// it are kept. What cannot be a number of the region, such as an emergency or an
// extension number, is cleaned only.
func (r Region) Number(written string) string {
	plain := Clean(written)
	if r.code == "" {
		return plain
	}
	first, rest := plain, ""
	if i := strings.IndexByte(plain, ','); i >= 0 {
		first, rest = plain[:i], plain[i:]
	}
	full, ok := r.complete(first)
	if ok && full != first {
		again, _ := r.complete(full)
		ok = again == full // zeros that would go one by one are no national prefix
	}
	if !ok {
		return plain
	}
	return full + rest
}

func (r Region) complete(plain string) (string, bool) {
	if len(plain) > maxDigits || strings.ContainsFunc(plain, func(c rune) bool { return !Dialled(c) }) {
		return "", false
	}
	n, err := phonenumbers.ParseAndKeepRawInput(plain, r.code)
	if err != nil {
		return "", false
	}
	// With a country code the number is abroad and means that country, whatever
	// its length; a short national one may be an extension.
	foreign := n.GetCountryCodeSource() == phonenumbers.PhoneNumber_FROM_NUMBER_WITH_PLUS_SIGN ||
		n.GetCountryCodeSource() == phonenumbers.PhoneNumber_FROM_NUMBER_WITH_IDD
	if !foreign && phonenumbers.IsPossibleNumberWithReason(n) != phonenumbers.IS_POSSIBLE {
		return "", false
	}
	return phonenumbers.Format(n, phonenumbers.E164), true
}

// maxDigits is more than any number has (E.164: 15 digits) with an
// international prefix in front.
const maxDigits = 32
