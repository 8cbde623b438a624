package config

import (
	"maps"
	"slices"
	"strings"

	"smtpreceiver/core/suggest"
)

// envPrefix begins the environment variables that set keys.
const envPrefix = "SMTPRECEIVER_"

// env begins the variables of a group: SMTPRECEIVER_APPLICATIONS_<NAME>_<KEY>.
func (g *group) env() string { return envPrefix + envName(g.name) + "_" }

// envName spells a key or the name of a section as environment variables do.
func envName(name string) string {
	return strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(name))
}

// environment lays the variables over the file. A variable set to nothing sets
// its key to nothing.
func (l *loader) environment(environ []string) {
	set := map[string]string{}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && strings.HasPrefix(name, envPrefix) {
			set[name] = value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if g := l.groupOf(name); g != nil {
			l.groupVariable(g, name, set[name])
			continue
		}
		if f, ok := l.top.variable(strings.TrimPrefix(name, envPrefix)); ok {
			l.override(name, set[name], f, "", "")
			continue
		}
		l.unknownVariable(name)
	}
}

// variable finds the field whose key is spelled so.
func (s schema) variable(spelled string) (field, bool) {
	i := slices.IndexFunc(s.fields, func(f field) bool { return envName(f.name) == spelled })
	if i < 0 {
		return field{}, false
	}
	return s.fields[i], true
}

// groupOf finds the group that a variable is for, or nil.
func (l *loader) groupOf(variable string) *group {
	for _, g := range l.groups {
		if strings.HasPrefix(variable, g.env()) {
			return g
		}
	}
	return nil
}

// groupVariable reads what stands behind the group's name as <NAME>_<KEY>; the
// longest key that fits is meant.
func (l *loader) groupVariable(g *group, variable, value string) {
	rest := strings.TrimPrefix(variable, g.env())
	var best field
	for _, f := range g.keys.fields {
		if strings.HasSuffix(rest, "_"+envName(f.name)) && len(f.name) > len(best.name) {
			best = f
		}
	}
	name := strings.TrimSuffix(rest, "_"+envName(best.name))
	if best.name == "" || !sectionName.MatchString(name) {
		l.unknownVariable(variable)
		return
	}
	if best.kind.isMap() {
		l.mapVariable(variable)
		return
	}
	called := func(other string) bool { return envName(other) == envName(name) }
	at := slices.IndexFunc(g.names, called)
	if at < 0 {
		at = len(g.names)
		g.names = append(g.names, strings.ToLower(name))
		_, shown := g.path(at)
		l.variables[shown] = variable
	} else if other := slices.IndexFunc(g.names[at+1:], called); other >= 0 {
		l.problems.Add(variable, "may mean "+g.names[at]+" or "+g.names[at+1+other], "rename one of these sections, or set the key in the file")
		return
	}
	path, shown := g.path(at)
	l.override(variable, value, best, path, shown)
}

// override sets a key in viper's strongest layer.
func (l *loader) override(variable, value string, f field, path, shown string) {
	if f.kind.isMap() {
		l.mapVariable(variable)
		return
	}
	key := shown + f.name
	l.variables[key] = variable
	delete(l.bad, key)
	l.places[key] = place{}
	at := path + strings.ReplaceAll(f.name, ".", delimiter)
	if f.kind == kindList {
		l.v.Set(at, splitList(value, ";"))
		return
	}
	l.v.Set(at, value)
}

func (l *loader) mapVariable(variable string) {
	l.problems.Add(variable, "sets a map, which the environment cannot", "write it in the file")
}

// unknownVariable says what an unknown variable may have meant.
func (l *loader) unknownVariable(variable string) {
	fields, prefix := l.top.fields, envPrefix
	sections, remedy := []string{""}, "unset it; the names are "+envPrefix+"<KEY>"
	for _, g := range l.groups {
		remedy += " and " + g.env() + "<NAME>_<KEY>"
	}
	if g := l.groupOf(variable); g != nil {
		fields, prefix, sections = g.keys.fields, g.env(), nil
		for _, name := range g.names {
			sections = append(sections, envName(name)+"_")
		}
	}
	rest := strings.TrimPrefix(variable, prefix)
	var known []string
	for _, f := range fields {
		if f.kind.isMap() && (strings.HasPrefix(rest, envName(f.name)+"_") || strings.Contains(rest, "_"+envName(f.name)+"_")) {
			l.mapVariable(variable)
			return
		}
		for _, section := range sections {
			known = append(known, section+envName(f.name))
		}
	}
	if question := suggest.Question(rest, prefix, known); question != "" {
		remedy = question
	}
	l.problems.Add(variable, "unknown environment variable", remedy)
}
