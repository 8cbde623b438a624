package transform

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"smtpreceiver/core/ctl"
	"smtpreceiver/core/regex"
	"smtpreceiver/core/suggest"
	"smtpreceiver/core/transform/python"
)

// Setting is one entry of ctl_settings: a CTL value that is given, or that a
// regular expression finds in an item.
type Setting struct {
	section, key string
	value        string // if there is no expression
	item         string
	table        string // the X-Any of headers['X-Any']
	expression   *regexp.Regexp
	warnings     []string
}

// ParseSetting reads an entry in the grammar of the original:
//
//	section|key = value
//	section|key|parse|item = regular expression
//
// An item is a name of Items, headers['X-Any'] or groups['any'].
func ParseSetting(s string) (*Setting, error) {
	left, right, ok := strings.Cut(s, "=")
	fields := strings.Split(left, "|")
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	if !ok || len(fields) != 2 && (len(fields) != 4 || fields[2] != "parse") {
		return nil, fmt.Errorf("%q: write section|key = value or section|key|parse|item = expression", s)
	}
	set := &Setting{section: fields[0], key: fields[1], value: strings.TrimSpace(right)}
	if err := checkTarget(set.section, set.key); err != nil {
		return nil, fmt.Errorf("%q: %w", s, err)
	}
	if len(fields) == 2 {
		return set, nil
	}
	if err := set.parseItem(fields[3]); err != nil {
		return nil, fmt.Errorf("%q: %w", s, err)
	}
	var err error
	if set.expression, err = regex.Compile(set.value, regex.AtStart); err != nil {
		return nil, fmt.Errorf("%q: %w", s, err)
	}
	set.warnings = regex.Warnings(set.value)
	return set, nil
}

var tableEntry = regexp.MustCompile(`^(headers|groups)\[(?:'([^']+)'|"([^"]+)")\]$`)

func (s *Setting) parseItem(name string) error {
	if m := tableEntry.FindStringSubmatch(name); m != nil {
		s.item, s.table = m[1], m[2]+m[3]
		return nil
	}
	i, ok := itemByName[name]
	if !ok {
		text := fmt.Sprintf("unknown item %q", name)
		if question := suggest.Question(name, "", slices.Collect(maps.Keys(itemByName))); question != "" {
			text += " (" + question + ")"
		}
		return errors.New(text)
	}
	if i.lookup != nil {
		return fmt.Errorf("write %s['name']", name)
	}
	s.item = name
	return nil
}

// Section is the CTL section that the value belongs to.
func (s *Setting) Section() string { return s.section }

// Key is the CTL key that gets the value.
func (s *Setting) Key() string { return s.key }

// Warnings names what RE2 reads in the expression otherwise than Python does,
// one sentence for each.
func (s *Setting) Warnings() []string { return s.warnings }

// Item is the name of the item that Value reads, "" if the value is given.
func (s *Setting) Item() string { return s.item }

// PerJob says whether the rule reads what differs between the jobs of one message
// for one application.
func (s *Setting) PerJob() bool { return slices.Contains(perJob, s.item) }

// Value gives the value for one job. The expression must match from the start
// of the item; the value is its first group, or the whole match if it has no
// groups. Without a match, or with an empty one, ok is false.
func (s *Setting) Value(it *Items) (value string, ok bool) {
	if s.expression == nil {
		return s.value, true
	}
	var text string
	switch i := itemByName[s.item]; {
	case i.lookup != nil:
		text = i.lookup(it, s.table)
	case i.list != nil:
		text = strings.Join(i.list(it), python.ListSeparator)
	default:
		text = i.text(it)
	}
	m := s.expression.FindStringSubmatch(text)
	if m == nil {
		return "", false
	}
	value = m[min(1, len(m)-1)]
	return value, value != ""
}

// checkTarget checks the place of a value in a CTL document.
func checkTarget(section, key string) error {
	if err := ctl.ValidName(section); err != nil {
		return fmt.Errorf("section: %w", err)
	}
	if err := ctl.ValidName(key); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	return nil
}
