package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/viper"
)

// file gives viper what the files hold. It compares them with the schema, reports
// what does not fit, and hands on what fits in a form that viper's lower-casing
// and key splitting leave alone: scalars as written, lists as []string, maps with
// the administrator's keys as typed Go maps, the sections of a group by number.
func (l *loader) file(root *node) error {
	values := map[string]any{}
	l.section(root, "configuration", "", "", l.top, values)
	l.v = viper.NewWithOptions(viper.KeyDelimiter(delimiter))
	return l.v.MergeConfigMap(values)
}

// section reads the keys of one level into values. The level is called self,
// its keys stand in messages behind shown and in the schema behind prefix
// ("milter.").
func (l *loader) section(n *node, self, shown, prefix string, s schema, values map[string]any) {
	for _, p := range l.pairs(n, self, shown) {
		name := strings.ToLower(p.name)
		key := shown + name
		if f, known := s.byName[prefix+name]; known {
			if value := l.value(p.value, key, f); value != nil {
				values[name] = value
			}
			continue
		}
		switch {
		case l.group(key) != nil:
			values[name] = l.named(l.group(key), p.value)
		case s.sections[prefix+name]:
			nested := map[string]any{}
			values[name] = nested
			l.section(p.value, key, key+".", prefix+name+".", s, nested)
		default:
			what, remedy := unknown(name, shown, prefix, s)
			l.problems.Add(shown+KeyPath(p.name), what, remedy)
		}
	}
}

var sectionName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// named reads the sections of a group and numbers them.
func (l *loader) named(g *group, n *node) map[string]any {
	numbered := map[string]any{}
	for _, p := range l.pairs(n, g.name, g.name+".") {
		self := KeyPath(g.name, p.name)
		if !sectionName.MatchString(p.name) {
			l.problems.Add(self, "not a name for "+g.one, "use letters without accents, digits, '_', '-' and '.', at most 64 in all")
			l.bad[g.name] = true
			continue
		}
		values := map[string]any{}
		numbered[strconv.Itoa(len(g.names))] = values
		g.names = append(g.names, p.name)
		l.section(p.value, self, self+".", "", g.keys, values)
	}
	return numbered
}

// pairs are the entries of a mapping, which may be empty. A key given twice,
// also in another case, is a problem; but a section may be continued in another
// file.
func (l *loader) pairs(n *node, self, shown string) []pair {
	if n.null {
		return nil
	}
	if !n.mapping {
		l.reject(self, n.describe()+" where a section must be", "write keys with values below it")
		return nil
	}
	first, last := map[string]int{}, map[string]place{}
	var once []pair
	for _, p := range n.pairs {
		folded := strings.ToLower(p.name)
		at, twice := first[folded]
		before := last[folded]
		last[folded] = p.place
		again := before.file == p.place.file
		switch {
		case !twice:
			first[folded] = len(once)
			once = append(once, p)
			l.found(shown+KeyPath(p.name), p.place)
			l.found(shown+folded, p.place)
		case again && !p.place.added:
			l.problems.Add(shown+KeyPath(p.name), "given twice (as "+quote(once[at].name)+" and "+quote(p.name)+")", "keep one")
		case !again && once[at].value.section() && p.value.section():
			once[at].value = &node{mapping: true, pairs: slices.Concat(once[at].value.pairs, p.value.pairs)}
		default:
			l.problems.Add(shown+KeyPath(p.name), "given twice, in "+before.String()+" and in "+p.place.String(), "keep one")
			l.bad[shown+folded] = true
			l.places[shown+KeyPath(p.name)] = place{} // both are said
		}
	}
	return once
}

// found notes where a key of conf.d stands.
func (l *loader) found(key string, at place) {
	if at.added {
		l.places[key] = at
	}
}

// value turns a node into what the field's kind wants; nil if the file leaves
// it empty or it does not fit.
func (l *loader) value(n *node, key string, f field) (value any) {
	if n.null {
		return nil
	}
	before := len(l.problems)
	switch f.kind {
	case kindList:
		if n.scalar {
			return f.split(n.text)
		}
		value = l.texts(n, key)
	case kindMap:
		value = mapOf(l, n, key, l.text)
	case kindMapList:
		value = mapOf(l, n, key, l.texts)
	case kindTree:
		if tree := l.treeOf(n, key); tree != nil {
			value = tree
		}
	case kindMapMap:
		value = mapOf(l, n, key, func(n *node, key string) map[string]string { return mapOf(l, n, key, l.text) })
	default:
		switch {
		case !n.scalar:
			l.problems.Add(key, n.describe()+" where one value must be", remedies[f.kind])
		case f.kind == kindMode && n.decoded:
			l.problems.Add(key, "a number without quotes", remedies[kindMode])
		}
		value = n.text
	}
	if len(l.problems) > before {
		l.bad[key] = true
		return nil
	}
	return value
}

func (l *loader) text(n *node, key string) string {
	if !n.scalar {
		l.problems.Add(key, n.describe()+" where one value must be", `write one value, "" for an empty one`)
	}
	return n.text
}

// texts reads a list of values; one value is a list of one.
func (l *loader) texts(n *node, key string) []string {
	if n.scalar {
		return []string{n.text}
	}
	if n.null || n.mapping {
		l.problems.Add(key, n.describe()+" where a list must be", remedies[kindList])
	}
	list := make([]string, len(n.list))
	for i, item := range n.list {
		list[i] = l.text(item, KeyIndex(key, i))
	}
	return list
}

// mapOf reads a map whose keys are the administrator's own, so in their own case.
func mapOf[T any](l *loader, n *node, key string, read func(n *node, key string) T) map[string]T {
	m := map[string]T{}
	for _, p := range l.pairs(n, key, key+".") {
		m[p.name] = read(p.value, key+"."+KeyPath(p.name))
	}
	return m
}
