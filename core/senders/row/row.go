// Package row reads what a table holds of a sender, by the names of its columns, as
// the rights of the sender.
package row

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Rights are what a sender may do, and what else its row holds.
type Rights struct {
	Name     string            // as the table holds it
	MaxParts int               // SMS of one text; 0: the application's limit alone
	MaxJobs  int               // in an hour; 0: no limit of its own
	Data     map[string]string // further columns that are not empty

	all     bool     // applications
	apps    []string // or these
	numbers Numbers  // nil: every one that the application allows
}

// Numbers says whether a number may be dialled.
type Numbers func(number string) bool

// MayUse says whether the sender may use an application.
func (r *Rights) MayUse(app string) bool { return r.all || slices.Contains(r.apps, app) }

// MayDial says whether the sender may send to a number, written as it is dialled.
func (r *Rights) MayDial(number string) bool { return r.numbers == nil || r.numbers(number) }

// The columns that have a meaning here.
const (
	ColumnName     = "name"
	ColumnAllowed  = "allowed"
	ColumnNumbers  = "numbers_allowed"
	columnMaxParts = "max_parts"
	columnMaxJobs  = "max_jobs"
)

// Bounds of a row.
const (
	maxColumns = 50
	maxValue   = 1 << 10 // bytes
	maxNumbers = 4 << 10 // bytes of numbers_allowed
)

// columnSyntax is what a further column may be called: templates and CTL files
// use its name.
var columnSyntax = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)

// CheckColumns says what is wrong with the names of the columns.
func CheckColumns(names []string) error {
	if len(names) > maxColumns {
		return fmt.Errorf("%d columns, more than %d", len(names), maxColumns)
	}
	for i, name := range names {
		if !columnSyntax.MatchString(name) {
			return fmt.Errorf("%q cannot be the name of a column: use letters, digits, '_' and '-'", name)
		}
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("the column %s is there twice", name)
		}
	}
	if !slices.Contains(names, ColumnName) {
		return errors.New("no column " + ColumnName + ", which holds the sender as it counts")
	}
	return nil
}

// Row is what a table holds of a sender, by column.
type Row map[string]string

// Rights reads a row. compile readies numbers_allowed.
func (r Row) Rights(compile func(expression string) (Numbers, error)) (*Rights, error) {
	out := &Rights{Name: r[ColumnName], Data: map[string]string{}}
	if err := CheckName(out.Name); err != nil {
		return nil, fmt.Errorf("%s: %w", ColumnName, err)
	}
	if err := out.allow(r[ColumnAllowed]); err != nil {
		return nil, fmt.Errorf("%s: %w", ColumnAllowed, err)
	}
	var err error
	for _, column := range slices.Sorted(maps.Keys(r)) {
		value := r[column]
		switch column {
		case ColumnName, ColumnAllowed:
		case ColumnNumbers:
			if len(value) > maxNumbers {
				err = fmt.Errorf("more than %d bytes", maxNumbers)
			} else if value != "" {
				out.numbers, err = compile(value)
			}
		case columnMaxParts:
			out.MaxParts, err = limit(value)
		case columnMaxJobs:
			out.MaxJobs, err = limit(value)
		default:
			if len(value) > maxValue || !utf8.ValidString(value) {
				err = fmt.Errorf("it is not UTF-8 of at most %d bytes", maxValue)
			} else if value != "" {
				out.Data[column] = value
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", column, err)
		}
	}
	return out, nil
}

// allow reads the column allowed: what databases write for true and false, or
// names of applications. One that is empty or not there says nothing, so the row
// itself allows.
func (r *Rights) allow(value string) error {
	switch strings.ToLower(value) {
	case "", "1", "true", "t", "yes", "y", "\x01":
		r.all = true
		return nil
	case "0", "false", "f", "no", "n", "\x00":
		return nil
	}
	for name := range strings.SplitSeq(value, ",") {
		if name = strings.TrimSpace(name); name == "" || strings.HasPrefix(name, "-") {
			return fmt.Errorf("%.40q is neither 1 nor 0 nor names of applications", value)
		}
		r.apps = append(r.apps, name)
	}
	return nil
}

// limit reads a number; empty and less than nothing are none.
func limit(value string) (int, error) {
	if value == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%.40q is no whole number", value)
	}
	return int(max(n, 0)), nil
}

// maxSender bounds the name of a sender, in bytes.
const maxSender = 400

// Lowered is a name in small letters: ASCII alone, since that is what the case
// of mail addresses is about.
func Lowered(name string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, name)
}

// CheckName says why a name cannot be a sender's.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("it is empty")
	case len(name) > maxSender:
		return fmt.Errorf("it has more than %d bytes", maxSender)
	case !utf8.ValidString(name):
		return errors.New("it is not UTF-8")
	case strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("it has control characters")
	}
	return nil
}
