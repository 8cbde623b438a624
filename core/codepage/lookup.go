package codepage

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/text/encoding/ianaindex"

	"smtpreceiver/core/suggest"
)

// Lookup finds a page by its IANA name or alias, its Windows number (1250,
// cp1250, windows-1250, ibm852) or a usual spelling of these; case, '-', '_' and
// spaces do not count. The error for an unknown name offers near ones. Pages
// that are not compatible with ASCII (UTF-16, ISO-2022-JP, EBCDIC) are refused.
func Lookup(name string) (*Page, error) {
	short := shorten(name)
	if p, ok := byShortName[short]; ok {
		return p, nil
	}
	if notASCII(short) {
		return nil, fmt.Errorf("code page %q is not compatible with ASCII, its readers could not find line ends and '='; use utf-8", name)
	}
	if enc, err := ianaindex.IANA.Encoding(strings.TrimSpace(name)); err == nil && enc != nil {
		for _, p := range byShortName {
			if p.enc == enc {
				return p, nil
			}
		}
	}
	return nil, fmt.Errorf("code page %q is not known; %s", name, suggestion(squeeze(name)))
}

// squeeze leaves the letters and digits of a name.
func squeeze(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("-_. \t", r) {
			return -1
		}
		return r
	}, strings.ToLower(name))
}

// shorten brings the spellings of one name together: "Windows-1250", "CP_1250"
// and "1250" become "1250", "ISO-8859-2" becomes "iso88592".
func shorten(name string) string {
	s := squeeze(name)
	number := strings.TrimLeft(s, "abcdefghijklmnopqrstuvwxyz")
	if number == "" || strings.Trim(number, "0123456789") != "" {
		return s
	}
	switch s[:len(s)-len(number)] {
	case "", "cp", "windows", "win", "ibm", "dos", "ms", "codepage", "xcp":
		return strings.TrimLeft(number, "0")
	}
	return s
}

// notASCII knows the pages people may ask for whose bytes below 0x40 are not
// always ASCII: wide ones, those that switch by escape sequences, and EBCDIC.
func notASCII(short string) bool {
	for _, prefix := range []string{"utf16", "utf32", "ucs2", "ucs4", "utf7", "iso2022", "csiso2022", "hz", "unicode", "ebcdic", "iso10646"} {
		if strings.HasPrefix(short, prefix) {
			return true
		}
	}
	return slices.Contains([]string{"37", "500", "1047", "1140", // EBCDIC
		"1200", "1201", "12000", "12001", "65000", // UTF-16, UTF-32, UTF-7
		"50220", "50221", "50222", "50225", "50227", "52936"}, short) // ISO-2022, HZ
}

// suggestion offers the pages with the nearest names. A number alone is near
// none: another one is another page.
func suggestion(squeezed string) string {
	pageBySpelling := make(map[string]string)
	for short, p := range byShortName {
		if strings.Trim(short, "0123456789") == "" {
			short = "cp" + short
		}
		pageBySpelling[short], pageBySpelling[squeeze(p.name)] = p.name, p.name
	}
	var pages []string
	for _, spelling := range suggest.Nearest(squeezed, slices.Collect(maps.Keys(pageBySpelling))) {
		pages = append(pages, pageBySpelling[spelling])
	}
	slices.Sort(pages)
	if question := suggest.Ask("", slices.Compact(pages)); question != "" {
		return question
	}
	return "use an IANA or Windows name such as cp1250, cp852, iso-8859-2 or utf-8"
}
