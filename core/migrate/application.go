package migrate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/mozillazg/go-unidecode"

	"smtpreceiver/core/migrate/registry"
)

// applications translates the keys below applications.
func (t *translator) applications(keys []*registry.Key) {
	names := map[string]bool{} // folded
	for _, key := range keys {
		name := applicationName(key.Name, names)
		names[strings.ToLower(name)] = true
		t.application(t.doc.section("applications", name), key)
	}
	var before []string // as the registry enumerates them
	for _, s := range t.doc.sections {
		if len(s.path) > 0 && s.path[0] == "applications" {
			before = append(before, s.path[1])
		}
	}
	after := slices.Sorted(slices.Values(before))
	slices.SortFunc(before, func(a, b string) int { return strings.Compare(strings.ToUpper(a), strings.ToUpper(b)) })
	if !slices.Equal(before, after) {
		t.doc.say(&t.doc.sections[0].comments, Note{Changed, "applications", "of those that match a recipient the first takes it: they are asked in the order " +
			strings.Join(after, ", ") + ", capitals first; the registry has " + strings.Join(before, ", ")})
	}
}

var notInName = regexp.MustCompile(`[^A-Za-z0-9_.-]`)

// applicationName makes a name that the configuration takes and that is not
// taken.
func applicationName(name string, taken map[string]bool) string {
	clean := notInName.ReplaceAllString(unidecode.Unidecode(name), "_")
	clean = clean[:min(len(clean), 60)]
	if clean == "" {
		clean = "_"
	}
	unique := clean
	for n := 2; taken[strings.ToLower(unique)]; n++ {
		unique = fmt.Sprint(clean, n)
	}
	return unique
}

func (t *translator) application(s *section, key *registry.Key) {
	if name := s.path[1]; name != key.Name {
		t.doc.say(&s.comments, Note{Changed, `applications\` + key.Name, "is called " + name + " here, also in its CTL files (app=)"})
	}
	t.values(s, key, applicationRules)
	for _, p := range t.damages {
		if s.damaged == "" && t.concerns(p, key) {
			s.damaged = fmt.Sprint("line ", p.Line)
		}
	}
	lists := map[string]*setting{}
	for _, name := range []string{"addresses", "from_enabled", "from_disabled", "clients", "nonstandard_data_terminator_clients", "ctl_settings"} {
		lists[name] = s.setting(name, list)
	}
	transform := s.setting("transform", mapping)
	for _, sub := range key.Keys() {
		name := strings.ToLower(sub.Name)
		switch name {
		case "addresses":
			t.addresses(lists[name], sub)
		case "from_enabled", "from_disabled":
			t.expressions(lists[name], sub, inOrder(sub.Values()))
		case "clients":
			t.clients(lists[name], sub)
		case "ctl_settings":
			t.ctlSettings(lists[name], sub)
		case "transform":
			t.transform(transform, sub)
		default:
			t.unknown(s, sub)
			continue
		}
		for _, below := range sub.Keys() {
			if name == "clients" && strings.EqualFold(below.Name, "nonstandard_data_terminator") {
				t.clients(lists["nonstandard_data_terminator_clients"], below)
				for _, deeper := range below.Keys() {
					t.unknown(s, deeper)
				}
				continue
			}
			t.unknown(s, below)
		}
	}
}

// concerns says that what cannot be read may belong to key. Where not even its own key can
// be read, it does unless that is certainly another program's.
func (t *translator) concerns(p registry.Problem, key *registry.Key) bool {
	if p.Key != nil {
		return p.Key.Within(key)
	}
	path, base := strings.ToLower(p.Path), strings.ToLower(t.base.Path())
	return strings.HasPrefix(path, base) || strings.HasPrefix(base, path)
}

var addressName = regexp.MustCompile(`(?i)^addr?_re_\d+$`)

// addresses translates addr_re_N, and add_re_N, which the original's manual
// names once.
func (t *translator) addresses(st *setting, key *registry.Key) {
	var values []*registry.Value
	for _, v := range key.Values() {
		if addressName.MatchString(v.Name) {
			values = append(values, v)
		} else if v.Name != "" || strings.Join(v.Text, "") != "" {
			t.doc.lose(st, t.where(key, v), strings.Join(v.Text, ","), "the names of expressions are addr_re_0, addr_re_1 and so on")
		}
	}
	slices.SortStableFunc(values, func(a, b *registry.Value) int {
		_, numberA := splitNumber(a.Name)
		_, numberB := splitNumber(b.Name)
		return compareNames(numberA, numberB)
	})
	t.expressions(st, key, values)
	for _, e := range st.entries {
		if strings.Contains(strings.ToLower(e.where), ": add_re_") {
			t.doc.say(&e.comments, Note{Changed, e.where, "the original's manual has this name once, where it means addr_re_: see whether the expression was in use"})
		}
	}
}

// expressions adds regular expressions, those that only Python spells so
// respelled.
func (t *translator) expressions(st *setting, key *registry.Key, values []*registry.Value) {
	for _, v := range values {
		for _, text := range t.texts(st, key, v) {
			if text = strings.TrimSpace(text); text == "" {
				continue
			}
			mended, mends := mend(text)
			if strings.ContainsRune(text, '\uFFFD') { // may match nobody
				st.lost++
			}
			e := st.add(mended, t.where(key, v))
			t.mended(e, mends)
		}
	}
}

func (t *translator) mended(e *entry, mends []string) {
	for _, m := range mends {
		t.doc.say(&e.comments, Note{Changed, e.where, m})
	}
}

// ctlSettings joins names and data to the entries of ctl_settings.
func (t *translator) ctlSettings(st *setting, key *registry.Key) {
	for _, v := range key.Values() {
		data := strings.Join(t.texts(st, key, v), "")
		switch {
		case v.Kind == registry.Binary || v.Name == "" && data == "":
		case v.Kind == registry.MultiString || strings.Contains(v.Name, "="):
			t.doc.lose(st, t.where(key, v), data, "write it as section|key = value")
		default:
			fields := strings.Split(v.Name, "|")
			var mends []string
			if len(fields) == 4 && strings.TrimSpace(fields[2]) == "parse" {
				data, mends = mend(data)
			}
			t.mended(st.add(v.Name+" = "+data, t.where(key, v)), mends)
		}
	}
}

// transforms of the original; others can be any CTL value here.
var transforms = []string{"subject", "txt", "from/name", "from/username", "from/email", "from/gateway", "from/smtp"}

func (t *translator) transform(st *setting, key *registry.Key) {
	for _, v := range key.Values() {
		where, data := t.where(key, v), strings.Join(t.texts(st, key, v), "")
		switch {
		case v.Kind == registry.Binary || data == "": // an empty template was none
		case v.Kind == registry.MultiString || v.Kind == registry.Number || v.Name == "":
			t.doc.lose(st, where, data, "a transformation is a string, and its name what it changes")
		default:
			name := v.Name
			if i := slices.IndexFunc(transforms, func(known string) bool { return strings.EqualFold(known, v.Name) }); i >= 0 {
				name = transforms[i]
			}
			e := st.add(data, where)
			e.key = name
			if !slices.Contains(transforms, name) {
				t.doc.say(&e.comments, Note{Changed, where, "the original's manual has no transformation of this name; here it sets the CTL value " + name})
			}
		}
	}
}
