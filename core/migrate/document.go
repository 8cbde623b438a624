package migrate

import (
	"slices"
	"strconv"
	"strings"

	"smtpreceiver/core/config"
)

// document is the configuration in the making: the top level first, then sets of
// @commands and applications. It collects what is said of its parts.
type document struct {
	sections []*section
	left     []string // comments, sections that could not be kept
	notes    []Note
}

// section is one level of the configuration.
type section struct {
	path     []string // none: the top level
	settings []*setting
	comments []string
}

// setting is one key, or one place where a key would be.
type setting struct {
	name     string
	shape    shape
	entries  []*entry
	comments []string
	lost     int // entries that were not kept
}

type shape int

const (
	scalar shape = iota
	list
	mapping
)

// entry is one value of the configuration and the value of the registry that it
// comes from.
type entry struct {
	key      string // in a mapping
	text     string
	where    string
	comments []string
}

func (d *document) section(path ...string) *section {
	s := &section{path: path}
	d.sections = append(d.sections, s)
	return s
}

func (s *section) setting(name string, shape shape) *setting {
	st := &setting{name: name, shape: shape}
	s.settings = append(s.settings, st)
	return st
}

// find gives a setting of the section that has entries, or nil.
func (s *section) find(name string) *setting {
	for _, st := range s.settings {
		if st.name == name && len(st.entries) > 0 {
			return st
		}
	}
	return nil
}

func (s *section) key() string { return config.KeyPath(s.path...) }

// under is what stands before the keys of the section in messages.
func (s *section) under() string {
	if len(s.path) == 0 {
		return ""
	}
	return s.key() + "."
}

func (st *setting) add(text, where string) *entry {
	e := &entry{text: text, where: where}
	st.entries = append(st.entries, e)
	return e
}

// say records a note and puts it beside what it speaks of.
func (d *document) say(comments *[]string, n Note) {
	d.notes = append(d.notes, n)
	*comments = append(*comments, n.String())
}

// lose notes that a value of the registry has no place in the setting.
func (d *document) lose(st *setting, where, data, reason string) {
	st.lost++
	d.say(&st.comments, Note{Lost, where, shown(data) + ": " + reason})
}

// refuse takes what a problem speaks of out of the configuration. It returns
// nil for a problem that speaks of nothing in it.
func (d *document) refuse(p config.Problem) (remove func()) {
	reason := strings.TrimPrefix(p.What+": "+p.Remedy, ": ")
	reason = strings.TrimSuffix(reason, ": ")
	for _, s := range d.sections {
		if len(s.path) > 0 && p.Key == s.key() {
			return func() { d.removeSection(s, reason) }
		}
		for _, st := range s.settings {
			key := s.under() + config.KeyPath(st.name)
			if p.Key == key && len(st.entries) > 0 {
				return func() { d.removeEntries(st, st.entries, reason) }
			}
			for i, e := range st.entries {
				if st.shape == list && p.Key == config.KeyIndex(key, i) || st.shape == mapping && p.Key == key+"."+config.KeyPath(e.key) {
					return func() { d.removeEntries(st, []*entry{e}, reason) }
				}
			}
		}
		// Of a key that is not there: it is missing.
		if len(s.path) > 0 && strings.HasPrefix(p.Key, s.under()) {
			return func() { d.removeSection(s, strings.TrimPrefix(p.Key, s.under())+": "+reason) }
		}
	}
	return nil
}

func (d *document) removeEntries(st *setting, gone []*entry, reason string) {
	for _, e := range slices.Clone(gone) {
		if i := slices.Index(st.entries, e); i >= 0 {
			st.entries = slices.Delete(st.entries, i, i+1)
			st.comments = append(st.comments, e.comments...)
			quoted := strconv.Quote(e.text) + ": " // the data is shown anyway
			d.lose(st, e.where, e.text, strings.TrimPrefix(strings.TrimPrefix(reason, "expression "), quoted))
		}
	}
}

// removeSection leaves a section behind as a comment.
func (d *document) removeSection(s *section, reason string) {
	i := slices.Index(d.sections, s)
	if i < 0 {
		return
	}
	d.sections = slices.Delete(d.sections, i, i+1)
	d.say(&d.left, Note{Lost, strings.Join(s.path, `\`), reason})
	alone := &document{sections: []*section{s}}
	text, err := alone.yaml()
	if err != nil {
		text = []byte(err.Error())
	}
	for line := range strings.Lines(string(text)) {
		d.left = append(d.left, "  "+strings.TrimRight(line, "\n"))
	}
}
