package config

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing wrong with the configuration. Key is the full path of
// the key ("applications.fax.output_folder"), the name of an environment
// variable or of a file; What says what is wrong, Remedy what to do about it;
// Place is the file and line of a key that is not in the main file.
type Problem struct{ Key, What, Remedy, Place string }

// String is "key (place): what: remedy", on one line.
func (p Problem) String() string {
	s := p.Key
	if p.Place != "" {
		s += " (" + p.Place + ")"
	}
	s += ": " + p.What
	if p.Remedy != "" {
		s += ": " + p.Remedy
	}
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(s)
}

// Problems lists everything wrong with a configuration, sorted by key. The zero
// value is ready for Add.
type Problems []Problem

// Add puts a problem in its place; one already there is not repeated.
func (p *Problems) Add(key, what, remedy string) {
	problem := Problem{Key: key, What: what, Remedy: remedy}
	i, found := slices.BinarySearchFunc(*p, problem, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.What, b.What), cmp.Compare(a.Remedy, b.Remedy))
	})
	if !found {
		*p = slices.Insert(*p, i, problem)
	}
}

// Merge adds what others say of keys that had no problem before: two parts of
// the program often see the same fault.
func (p *Problems) Merge(others Problems) {
	known := map[string]bool{}
	for _, problem := range *p {
		known[problem.Key] = true
	}
	for _, problem := range others {
		if !known[problem.Key] {
			p.Add(problem.Key, problem.What, problem.Remedy)
		}
	}
}

// Errors are the errors that errors.Join put together, or err alone.
func Errors(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// Error has one line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// Err is p as an error, nil if there is no problem.
func (p Problems) Err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// KeyPath joins the parts of a key: KeyPath("applications", "fax", "addresses")
// is "applications.fax.addresses". A part that would not read well there
// (empty, with dots, spaces or control characters) is quoted.
func KeyPath(parts ...string) string {
	quoted := make([]string, len(parts))
	for i, part := range parts {
		if quoted[i] = part; part == "" || strings.ContainsAny(part, ". :\"") || strconv.Quote(part) != `"`+part+`"` {
			quoted[i] = strconv.Quote(part)
		}
	}
	return strings.Join(quoted, ".")
}

// KeyIndex names one entry of a list: KeyIndex("clients", 0) is "clients[0]".
func KeyIndex(key string, i int) string { return key + "[" + strconv.Itoa(i) + "]" }
