package ctl

import (
	"slices"
	"strings"
)

// Document is the control file: sections in a fixed order, keys in the order
// set. Section and key names are compared without case, as the Windows functions
// for such files do; the first spelling stays. The zero value is an empty
// document. It is not safe for concurrent use.
type Document struct {
	sections []*section
	byName   map[string]*section
}

type section struct {
	name    string
	entries []entry
	byKey   map[string]int
}

// entry is a key, absent while its value is empty; so a key keeps its place.
type entry struct{ key, value string }

// New returns an empty document.
func New() *Document { return &Document{} }

// sectionOrder comes first in the file; other sections follow as they were set.
var sectionOrder = []string{"system", "from", "to", "attachments"}

// Set gives a key a value, in its old place or after the other keys of the
// section; an empty value removes the key. Every run of control characters and
// line separators in a value becomes one space, and spaces at its ends go. It begins
// with its first visible character: combining marks and invisible characters before
// that go, too. Invalid UTF-8 becomes U+FFFD, and what is longer than 32 KiB is cut.
//
// Names must pass ValidName, which the reader of the configuration
// checks: Set ignores the others rather than write a file that
// reads differently.
func (d *Document) Set(sectionName, key, value string) {
	value = cleanValue(value)
	if value == "" {
		d.Remove(sectionName, key)
		return
	}
	if ValidName(sectionName) != nil || ValidName(key) != nil {
		return
	}
	s := d.section(sectionName)
	if s == nil {
		s = &section{name: sectionName, byKey: map[string]int{}}
		if d.byName == nil {
			d.byName = map[string]*section{}
		}
		d.byName[fold(sectionName)] = s
		d.sections = append(d.sections, s)
	}
	if i, ok := s.byKey[fold(key)]; ok {
		s.entries[i].value = value
		return
	}
	s.byKey[fold(key)] = len(s.entries)
	s.entries = append(s.entries, entry{key, value})
}

// Get returns the value of a key as a reader of the file will see it, "" if
// there is none.
func (d *Document) Get(sectionName, key string) string {
	if s := d.section(sectionName); s != nil {
		if i, ok := s.byKey[fold(key)]; ok {
			return s.entries[i].value
		}
	}
	return ""
}

// Remove takes a key out. Set puts it back in the place it had.
func (d *Document) Remove(sectionName, key string) {
	if s := d.section(sectionName); s != nil {
		if i, ok := s.byKey[fold(key)]; ok {
			s.entries[i].value = ""
		}
	}
}

// Sections returns the names of the sections that hold keys, in the order of the
// file.
func (d *Document) Sections() []string {
	var names []string
	for _, s := range d.ordered() {
		if len(s.keys()) > 0 {
			names = append(names, s.name)
		}
	}
	return names
}

// Keys returns the keys of a section in the order of the file.
func (d *Document) Keys(sectionName string) []string {
	if s := d.section(sectionName); s != nil {
		return s.keys()
	}
	return nil
}

func (s *section) keys() []string {
	var keys []string
	for _, e := range s.entries {
		if e.value != "" {
			keys = append(keys, e.key)
		}
	}
	return keys
}

func (d *Document) section(name string) *section { return d.byName[fold(name)] }

func (d *Document) ordered() []*section {
	rank := func(s *section) int {
		if i := slices.Index(sectionOrder, fold(s.name)); i >= 0 {
			return i
		}
		return len(sectionOrder)
	}
	sorted := slices.Clone(d.sections)
	slices.SortStableFunc(sorted, func(a, b *section) int { return rank(a) - rank(b) })
	return sorted
}

// fold brings the spellings of one name together.
func fold(name string) string { return strings.ToLower(name) }

// String is the file in UTF-8, with CRLF and without a byte order mark. Keys
// without a value and sections without keys are left out.
func (d *Document) String() string {
	var b strings.Builder
	for _, s := range d.ordered() {
		heading := false
		for _, e := range s.entries {
			if e.value == "" {
				continue
			}
			if !heading {
				b.WriteString("[" + s.name + "]\r\n")
				heading = true
			}
			b.WriteString(e.key)
			b.WriteByte('=')
			b.WriteString(e.value)
			b.WriteString("\r\n")
		}
	}
	return b.String()
}
