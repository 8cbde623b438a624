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
	damaged  string // the line of the export that may have held a restriction of it
}

// setting is one key, or one place where a key would be.
type setting struct {
	name     string
	shape    shape
	entries  []*entry
	comments []string
	lost     int // entries that were not kept, or cannot be relied on
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

// remove takes what problems speak of out of the configuration; ok is false if
// they speak of nothing in it.
func (d *document) remove(problems config.Problems) (ok bool) {
	known := d.parts()
	for _, p := range problems {
		reason := p.What
		if p.Remedy != "" {
			reason += ": " + p.Remedy
		}
		if part, found := known[p.Key]; found {
			part(reason)
			ok = true
			continue
		}
		for _, s := range slices.Clone(d.sections) { // a key that should be there
			if missing, inside := strings.CutPrefix(p.Key, s.under()); inside && len(s.path) > 0 {
				d.removeSection(s, missing+": "+reason)
				ok = true
			}
		}
	}
	return ok
}

// parts gives for each key, as problems name it, what removes it.
func (d *document) parts() map[string]func(reason string) {
	parts := map[string]func(string){}
	for _, s := range d.sections {
		if len(s.path) > 0 {
			parts[s.key()] = func(reason string) { d.removeSection(s, reason) }
		}
		for _, st := range s.settings {
			key, all := s.under()+config.KeyPath(st.name), slices.Clone(st.entries)
			if len(all) > 0 {
				parts[key] = func(reason string) { d.removeEntries(st, all, reason) }
			}
			for i, e := range all {
				at := config.KeyIndex(key, i)
				if st.shape == mapping {
					at = key + "." + config.KeyPath(e.key)
				}
				parts[at] = func(reason string) { d.removeEntries(st, []*entry{e}, reason) }
			}
		}
	}
	return parts
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
