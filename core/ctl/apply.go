package ctl

import "strings"

// target is where a rule leads; the zero section drops the key.
type target struct {
	section, key string
	numbered     bool // '#' in key stands for a number
}

const digits = "0123456789"

// meets reports whether t and u can lead to one key.
func (t target) meets(u target) bool {
	if t.section == "" || fold(t.section) != fold(u.section) {
		return false
	}
	if !t.numbered {
		t, u = u, t
	}
	if !t.numbered {
		return fold(t.key) == fold(u.key)
	}
	before, after, _ := strings.Cut(fold(t.key), "#")
	if u.numbered { // f# and f#1 meet in f11
		before2, after2, _ := strings.Cut(fold(u.key), "#")
		return strings.TrimRight(before, digits) == strings.TrimRight(before2, digits) &&
			strings.TrimLeft(after, digits) == strings.TrimLeft(after2, digits)
	}
	number, ok := strings.CutPrefix(fold(u.key), before)
	number, ok2 := strings.CutSuffix(number, after)
	return ok && ok2 && number != "" && number[0] != '0' && strings.Trim(number, digits) == ""
}

// find returns where a key goes, in the case that a rule is for it.
func (l Layout) find(section, key string) (target, bool) {
	if t, ok := l.targets[placeOf(section, key)]; ok {
		return t, true
	}
	rest := strings.TrimLeft(key, digits)
	if rest == key || fold(section) != "attachments" {
		return target{}, false
	}
	t, ok := l.targets[placeOf(section, "#"+rest)]
	t.key = strings.Replace(t.key, "#", key[:len(key)-len(rest)], 1)
	return t, ok
}

// Apply returns d with the rules applied; d stays as it is. A key that a rule
// leads to displaces one that stands there by itself.
func (l Layout) Apply(d *Document) *Document {
	if len(l.targets) == 0 {
		return d
	}
	out := New()
	led := map[place]bool{}
	for _, s := range d.ordered() {
		for _, e := range s.entries {
			t, ok := l.find(s.name, e.key)
			if !ok {
				t = target{section: s.name, key: e.key}
			}
			here := placeOf(t.section, t.key)
			if t.section == "" || e.value == "" || led[here] && !ok {
				continue
			}
			out.Set(t.section, t.key, e.value)
			led[here] = led[here] || ok
		}
	}
	return out
}
