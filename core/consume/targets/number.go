package targets

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"smtpreceiver/core/consume"
)

var (
	separators  = strings.NewReplacer(" ", "", "-", "", ".", "", "/", "", "(", "", ")", "")
	phoneSyntax = regexp.MustCompile(`^\+?[0-9]{1,20}$`)
	faxSyntax   = regexp.MustCompile(`^\+?[0-9*#,]{1,60}$`) // a comma is a pause
)

// phoneNumber is the number without separators. Only one that begins with '+' is
// sure to be international.
func phoneNumber(number string) (string, error) { return checked(number, phoneSyntax) }

// faxNumber may hold what else one dials.
func faxNumber(number string) (string, error) { return checked(number, faxSyntax) }

func checked(number string, syntax *regexp.Regexp) (string, error) {
	if number == "" {
		return "", consume.Permanent(errors.New("the job has no number: give the application's addresses a group (?P<number>...)"))
	}
	if plain := separators.Replace(number); syntax.MatchString(plain) {
		return plain, nil
	}
	return "", consume.Permanent(fmt.Errorf("%.80q is no number to dial: tighten the group number in the application's addresses", number))
}
