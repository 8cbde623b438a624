package migrate

import (
	"slices"
	"strings"

	"smtpreceiver/core/migrate/registry"
	"smtpreceiver/core/transform"
)

// cmdTags finds the @commands that the value of cmd_tags names: the registry key
// that defines them. No public page says how that key is laid out.
func (t *translator) cmdTags(s *section, st *setting, path, where string) {
	key := t.tagKey(path)
	if key != nil {
		set, made := t.sets[key.Path()]
		if !made {
			set = t.tagSet(key)
			t.sets[key.Path()] = set
		}
		if set != "" {
			e := st.add(set, where)
			t.doc.say(&e.comments, Note{Changed, where, "the set is made of " + key.Path() + ": see below tags whether its commands are right, their layout is not documented"})
			return
		}
	}
	builtin := "mobilchange"
	product := strings.ToLower(path)
	if v := s.find("ctl_type"); strings.Contains(product, "faxchange") || !strings.Contains(product, "mobilchange") && v != nil && v.entries[0].text == "fax" {
		builtin = "faxchange"
	}
	because := "is not in the export"
	if key != nil {
		because = "has no command that can be read"
	}
	e := st.add(builtin, where)
	t.doc.say(&e.comments, Note{Changed, where, "the key " + shown(path) + " " + because + ": the built-in set " + builtin + " is used instead"})
}

// tagKey finds a key by its path below HKEY_LOCAL_MACHINE, first in the view and
// the hive where the settings were found.
func (t *translator) tagKey(path string) *registry.Key {
	names := strings.FieldsFunc(path, func(r rune) bool { return r == '\\' })
	if len(names) > 0 && (strings.EqualFold(names[0], "HKLM") || strings.EqualFold(names[0], "HKEY_LOCAL_MACHINE")) {
		names = names[1:]
	}
	if len(names) == 0 {
		return nil
	}
	software := t.base.Path()
	software = software[:len(software)-len(place)]
	inSoftware := names
	if strings.EqualFold(names[0], "SOFTWARE") {
		inSoftware = names[1:]
	}
	if len(inSoftware) > 0 && strings.EqualFold(inSoftware[0], "WOW6432Node") {
		inSoftware = inSoftware[1:]
	}
	key := t.root.Sub(software + `\` + strings.Join(inSoftware, `\`))
	if key == nil {
		key = t.root.Sub(`HKEY_LOCAL_MACHINE\` + strings.Join(names, `\`))
	}
	return key
}

// tagSet makes a set of the values of a key and returns its name, "" if none of
// them can be read. A value is named like its command; it holds section|key,
// section|key|value, or a key of the section system.
func (t *translator) tagSet(key *registry.Key) (name string) {
	path := strings.Split(key.Path(), `\`)
	if i := slices.IndexFunc(path, func(p string) bool { return strings.EqualFold(p, "Datasys") }); i >= 0 && i+1 < len(path) {
		path = path[i+1:]
	}
	taken := map[string]bool{}
	for _, set := range t.sets {
		taken[set] = true
	}
	name = applicationName(strings.ToLower(strings.Join(path, "_")), taken)
	s := &section{path: []string{"tags", name}}
	var lost []string // comments of values that are no commands
	for _, v := range key.Values() {
		command, rule := strings.TrimPrefix(strings.TrimSpace(v.Name), "@"), strings.TrimSpace(strings.Join(v.Text, ","))
		if command == "" && rule == "" {
			continue
		}
		if !strings.Contains(rule, "|") {
			rule = "system|" + rule
		}
		_, err := transform.ParseTagSet(map[string]string{command: rule})
		if v.Kind != registry.String && v.Kind != registry.ExpandString || err != nil || s.find(command) != nil {
			t.doc.say(&lost, Note{Lost, t.where(key, v), shown(strings.Join(v.Text, ",")) + ": not an @command, which is a name and section|key, section|key|value or a key of the section system"})
			continue
		}
		s.setting(command, scalar).add(rule, t.where(key, v))
	}
	for _, sub := range key.Keys() {
		for k := range sub.All() {
			for _, v := range k.Values() {
				t.doc.say(&lost, Note{Lost, t.where(k, v), shown(strings.Join(v.Text, ",")) + ": below the key of @commands"})
			}
		}
	}
	if len(s.settings) == 0 {
		t.doc.sections[0].comments = append(t.doc.sections[0].comments, lost...)
		return ""
	}
	s.comments = lost
	t.doc.sections = append(t.doc.sections, s)
	return name
}
