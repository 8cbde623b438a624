package sms

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Tidy leaves out of a text what nobody pays for gladly. The zero value leaves out
// nothing.
type Tidy struct {
	signature, quote bool
	marks            []string
}

// signatureLine ends the text (RFC 3676, 4.3).
const signatureLine = "-- "

// ParseTidy reads sms_text: signature, quote, and mark:TEXT any number of times.
func ParseTidy(entries []string) (t Tidy, err error) {
	var errs []error
	for _, entry := range entries {
		mark, isMark := strings.CutPrefix(entry, "mark:")
		switch {
		case isMark && strings.TrimSpace(mark) != "":
			t.marks = append(t.marks, mark)
		case entry == "signature":
			t.signature = true
		case entry == "quote":
			t.quote = true
		default:
			errs = append(errs, fmt.Errorf("%q is none of signature, quote and mark:TEXT", entry))
		}
	}
	return t, errors.Join(errs...)
}

// Any tells whether anything may be left out.
func (t Tidy) Any() bool { return t.signature || t.quote || len(t.marks) > 0 }

// Text returns what is left of a text: first of all nothing from a mark on, then no
// line "-- " and nothing behind it, then no reply quoted at the end, with the line
// that says who wrote it.
func (t Tidy) Text(text string) string {
	left := text
	for _, mark := range t.marks {
		left, _, _ = strings.Cut(left, mark)
	}
	if t.signature {
		left = withoutSignature(left)
	}
	if t.quote {
		left = withoutQuote(left)
	}
	return left
}

func withoutSignature(text string) string {
	at := 0
	for line := range strings.Lines(text) {
		if strings.TrimRight(line, "\r\n") == signatureLine {
			return text[:at]
		}
		at += len(line)
	}
	return text
}

var (
	// A line that mail programs of one family put above the message replied to:
	// -----Original Message-----, or a rule.
	ruleLine = regexp.MustCompile(`^\s*(-{3,}\s*\pL[^-]{0,60}-{3,}|_{20,})\s*$`)
	// And what follows it: From: Petr.
	fieldLine = regexp.MustCompile(`^\s*\*?\pL[\pL ]{0,20}\*?:\*?(\s|$)`)
)

// Lines that say who wrote what is quoted: "On …, Petr <petr@example.com> wrote:".
const (
	attribution = 3  // at most
	broken      = 45 // letters that a line broken by a program has at least
)

var address = regexp.MustCompile(`<[^>]*>`)

// withoutQuote takes off the lines with '>' at the end, and those that an Outlook
// quotes without any.
func withoutQuote(text string) string {
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		if ruleLine.MatchString(line) && quotedHeader(lines[i+1:]) {
			lines = lines[:i]
			break
		}
	}
	end := trimBlank(lines)
	quoted := end
	for quoted > 0 && (strings.HasPrefix(lines[quoted-1], ">") || blank(lines[quoted-1])) {
		quoted--
	}
	if quoted == end { // nothing is quoted with '>'
		return strings.Join(lines, "")
	}
	lines = lines[:quoted]
	return strings.Join(lines[:withoutAttribution(lines)], "")
}

// quotedHeader tells the fields of a message: three at least, one after the other.
func quotedHeader(lines []string) bool {
	fields := 0
	for _, line := range lines {
		switch {
		case fieldLine.MatchString(line):
			if fields++; fields == 3 {
				return true
			}
		case fields > 0 || !blank(line):
			return false
		}
	}
	return false
}

// withoutAttribution is the number of lines before the one that ends in ':' and
// says who wrote. A program that breaks lines leaves long ones: of those before it
// the ones up to the date belong to it, if there is a date.
func withoutAttribution(lines []string) int {
	end := trimBlank(lines)
	if end == 0 || !strings.HasSuffix(strings.TrimRight(lines[end-1], " \r\n"), ":") {
		return len(lines)
	}
	for first := end - 1; first >= max(0, end-attribution); first-- {
		if strings.ContainsAny(address.ReplaceAllString(lines[first], ""), "0123456789") {
			return first
		}
		if first == 0 || utf8.RuneCountInString(lines[first-1]) < broken {
			break
		}
	}
	return end - 1
}

// trimBlank is the number of lines without the blank ones at the end.
func trimBlank(lines []string) int {
	n := len(lines)
	for n > 0 && blank(lines[n-1]) {
		n--
	}
	return n
}

func blank(line string) bool { return strings.TrimSpace(line) == "" }
