// Package rowtest says in words what a row gives, for tests.
package rowtest

import (
	"fmt"
	"regexp"

	"smtpreceiver/core/senders/row"
)

// Compile is what core has for numbers_allowed, but for Python's ways.
func Compile(expression string) (row.Numbers, error) {
	re, err := regexp.Compile("^(?:" + expression + ")")
	if err != nil {
		return nil, err
	}
	return re.MatchString, nil
}

// Shown is what a look-up found, in words.
func Shown(r *row.Rights, err error) string {
	if err != nil {
		return "error"
	}
	if r == nil {
		return "none"
	}
	s := r.Name
	for _, app := range []string{"fax", "sms"} {
		if r.MayUse(app) {
			s += " " + app
		}
	}
	for _, number := range []string{"+4201", "+491", ""} {
		if !r.MayDial(number) {
			s += " not:" + number
		}
	}
	if r.MaxParts > 0 || r.MaxJobs > 0 {
		s += fmt.Sprintf(" %d parts %d jobs", r.MaxParts, r.MaxJobs)
	}
	for _, column := range []string{"caller_id", "cost_code"} {
		if v, ok := r.Data[column]; ok {
			s += fmt.Sprintf(" %s=%s", column, v)
		}
	}
	return s
}
