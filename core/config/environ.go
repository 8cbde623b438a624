package config

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// envPrefix begins the environment variables that set keys.
const envPrefix = "SMTPRECEIVER_"

// envApplications begins those of an application: SMTPRECEIVER_APPLICATIONS_<NAME>_<KEY>.
const envApplications = envPrefix + "APPLICATIONS_"

// envName spells a key or an application's name as environment variables do.
func envName(name string) string {
	return strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(name))
}

// environment lays the variables over the file. A variable set to nothing sets its key to nothing.
func (l *loader) environment(environ []string) {
	set := map[string]string{}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && strings.HasPrefix(name, envPrefix) {
			set[name] = value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if rest, ok := strings.CutPrefix(name, envApplications); ok {
			l.applicationVariable(name, rest, set[name])
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

// applicationVariable reads rest as <NAME>_<KEY>; the longest key that fits is meant.
func (l *loader) applicationVariable(variable, rest, value string) {
	var best field
	for _, f := range l.app.fields {
		if strings.HasSuffix(rest, "_"+envName(f.name)) && len(f.name) > len(best.name) {
			best = f
		}
	}
	name := strings.TrimSuffix(rest, "_"+envName(best.name))
	if best.name == "" || !applicationName.MatchString(name) {
		l.unknownVariable(variable)
		return
	}
	if best.kind.isMap() {
		l.mapVariable(variable)
		return
	}
	called := func(app string) bool { return envName(app) == envName(name) }
	at := slices.IndexFunc(l.apps, called)
	if at < 0 {
		at = len(l.apps)
		l.apps = append(l.apps, strings.ToLower(name))
		l.variables[KeyPath("applications", l.apps[at])+"."] = variable
	} else if other := slices.IndexFunc(l.apps[at+1:], called); other >= 0 {
		l.problems.Add(variable, "may mean "+l.apps[at]+" or "+l.apps[at+1+other], "rename one of these applications, or set the key in the file")
		return
	}
	l.override(variable, value, best, "applications"+delimiter+strconv.Itoa(at)+delimiter, KeyPath("applications", l.apps[at])+".")
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
	apps := []string{""}
	if strings.HasPrefix(variable, envApplications) {
		fields, prefix, apps = l.app.fields, envApplications, nil
		for _, app := range l.apps {
			apps = append(apps, envName(app)+"_")
		}
	}
	rest := strings.TrimPrefix(variable, prefix)
	var known []string
	for _, f := range fields {
		if f.kind.isMap() && (strings.HasPrefix(rest, envName(f.name)+"_") || strings.Contains(rest, "_"+envName(f.name)+"_")) {
			l.mapVariable(variable)
			return
		}
		for _, app := range apps {
			known = append(known, app+envName(f.name))
		}
	}
	remedy := "unset it; the names are " + envPrefix + "<KEY> and " + envApplications + "<NAME>_<KEY>"
	if near := nearest(rest, known); near != "" {
		remedy = "did you mean " + prefix + near + "?"
	}
	l.problems.Add(variable, "unknown environment variable", remedy)
}
