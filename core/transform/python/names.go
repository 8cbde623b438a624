package python

import (
	"strings"
	"time"

	"go.starlark.net/starlark"
)

// Names are the names that an expression may read besides the functions and
// modules of the language, each with the kind of its value.
type Names map[string]Kind

// Kind is the kind of value that a name stands for.
type Kind int

const (
	Text  Kind = iota + 1
	List       // of texts
	Table      // of texts by name, such as headers['X-Any']
)

// Values gives the values that the names have in one run.
type Values interface {
	Text(name string) string
	List(name string) []string
	// Lookup gives an entry of a table, "" for one that it lacks.
	Lookup(table, key string) string
	// Now is the time that the module time tells, in the zone of its localtime.
	Now() time.Time
}

// read is a name that an expression reads.
type read struct {
	name string
	kind Kind
}

// text is the value as plain text, "" for a table.
func (r read) text(v Values) string {
	switch r.kind {
	case Text:
		return v.Text(r.name)
	case List:
		return strings.Join(v.List(r.name), ListSeparator)
	}
	return ""
}

// value is the value as an expression sees it.
func (r read) value(v Values) starlark.Value {
	switch r.kind {
	case Text:
		return starlark.String(v.Text(r.name))
	case List:
		var list starlark.Tuple
		for _, s := range v.List(r.name) {
			list = append(list, starlark.String(s))
		}
		return list
	}
	return mapping(func(key string) string { return v.Lookup(r.name, key) })
}

// size is what the value adds to the limits, in bytes. A table adds nothing.
func (r read) size(v Values) int {
	switch r.kind {
	case Text:
		return len(v.Text(r.name))
	case List:
		n := 0
		for _, s := range v.List(r.name) {
			n += elementCost + len(s)
		}
		return n
	}
	return 0
}
