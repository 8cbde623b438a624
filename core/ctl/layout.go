package ctl

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Layout renames or drops keys when a document is written. The zero value
// changes nothing.
//
// In the section attachments a leading '#' stands for an attachment's number:
// "attachments/#_name" means the names of all attachments, and the '#' of the
// new key takes the same number. A rule for one key goes before a rule for all
// numbers.
type Layout struct {
	targets map[place]target // by the place before
}

// place is where a key stands, in folded names.
type place struct{ section, key string }

func placeOf(section, key string) place { return place{fold(section), fold(key)} }

// ParseLayout reads rules from "section/key" to "section/key", or to "", which
// drops the key. Every rule that is wrong is reported, joined; of two rules that lead
// to one key the second.
func ParseLayout(m map[string]string) (Layout, error) {
	l := Layout{targets: map[place]target{}}
	type rule struct {
		from string
		target
	}
	var rules []rule
	var problems []error
	for _, from := range slices.Sorted(maps.Keys(m)) {
		source, t, err := parseRule(from, m[from])
		if _, twice := l.targets[source]; err == nil && twice {
			err = errors.New("another rule has this key in a different spelling")
		}
		for _, other := range rules {
			if err == nil && t.meets(other.target) {
				err = fmt.Errorf("%q leads to that key too", other.from)
			}
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%q to %q: %w", from, m[from], err))
			continue
		}
		rules = append(rules, rule{from, t})
		l.targets[source] = t
	}
	if problems != nil {
		return Layout{}, errors.Join(problems...)
	}
	return l, nil
}

func parseRule(from, to string) (place, target, error) {
	t := target{numbered: strings.HasPrefix(fold(from), "attachments/#")}
	section, key, err := parsePlace(from, t.numbered)
	source := placeOf(section, key)
	if err != nil || to == "" {
		return source, t, err
	}
	t.section, t.key, err = parsePlace(to, t.numbered)
	return source, t, err
}

// parsePlace is ParseTarget for a name that may hold one '#' for a number.
func parsePlace(s string, numbered bool) (section, key string, err error) {
	if !numbered {
		return ParseTarget(s)
	}
	if strings.Count(s, "#") != 1 {
		return "", "", fmt.Errorf("%q needs one '#', for the number of the attachment", s)
	}
	const longest = "4294967295"
	if _, _, err := ParseTarget(strings.Replace(s, "#", longest, 1)); err != nil {
		return "", "", err
	}
	section, key, _ = strings.Cut(s, "/")
	if !strings.Contains(key, "#") {
		return "", "", fmt.Errorf("%q has its '#' in the section", s)
	}
	return section, key, nil
}

// Over joins the rules of an application with those of the top level, l's with
// app's. The application's win: for a key that both have a rule for, and for a
// key that both lead to.
func (l Layout) Over(app Layout) Layout {
	joined := maps.Clone(app.targets)
	if joined == nil {
		return l
	}
	for source, t := range l.targets {
		_, again := joined[source]
		if !again && !app.leadsTo(t) {
			joined[source] = t
		}
	}
	return Layout{joined}
}

func (l Layout) leadsTo(t target) bool {
	for _, u := range l.targets {
		if t.meets(u) {
			return true
		}
	}
	return false
}
