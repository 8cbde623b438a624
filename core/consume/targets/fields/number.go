// Package fields reads what targets hand on of a job: a number that can be dialled, a
// text, what fits on one line.
package fields

import (
	"errors"
	"fmt"
	"regexp"

	"smtpreceiver/core/consume"
	"smtpreceiver/core/number"
)

var (
	phoneSyntax = regexp.MustCompile(`^\+?[0-9]{1,20}$`)
	faxSyntax   = regexp.MustCompile(`^\+?[0-9*#,]{1,60}$`) // a comma is a pause
)

// Phone is a number without separators. Only one that begins with '+' is
// sure to be international.
func Phone(written string) (string, error) { return checked(written, phoneSyntax) }

// Fax is one that may hold what else one dials.
func Fax(written string) (string, error) { return checked(written, faxSyntax) }

func checked(written string, syntax *regexp.Regexp) (string, error) {
	if written == "" {
		return "", consume.Permanent(errors.New("the job has no number: give the application's addresses a group (?P<number>...)"))
	}
	if plain := number.Clean(written); syntax.MatchString(plain) {
		return plain, nil
	}
	return "", consume.Permanent(fmt.Errorf("%.80q is no number to dial: tighten the group number in the application's addresses", written))
}
