package migrate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"smtpreceiver/core/migrate/registry"
)

// translator carries one import.
type translator struct {
	root, base *registry.Key
	damages    []registry.Problem
	unused     []*registry.Key
	folders    Folders
	doc        document
	sets       map[string]string // key of @commands to the name of the set made of it
}

// rule says how a value of the original becomes a key of the same name.
type rule struct {
	name string
	read func(text string) string // nil: as it is
	bare bool                     // an empty value means something
}

// What stands in the key SMTPreceiver, in the order of the documentation.
var topRules = []rule{
	{name: "smtp_ip_address", read: strings.TrimSpace},
	{name: "smtp_port", read: strings.TrimSpace},
	{name: "thread_num", read: strings.TrimSpace},
	{name: "thread_priority", read: signed},
	{name: "socket_timeout", read: strings.TrimSpace},
	{name: "forward_smtp_server", read: strings.TrimSpace},
	{name: "forward_smtp_server_port", read: strings.TrimSpace},
	{name: "output_code_page", read: strings.TrimSpace},
	{name: "id_allocated", read: strings.TrimSpace},
	{name: "log_console", read: letters, bare: true},
	{name: "log_event_log", read: letters, bare: true},
	{name: "log_file", read: letters, bare: true},
	{name: "logging_file_name"},
	{name: "log_rcv_data", read: boolean},
	{name: "authentication_lib"},
}

// What stands in the key of an application.
var applicationRules = []rule{
	{name: "enabled", read: boolean},
	{name: "output_folder"},
	{name: "ctl_type", read: lower},
	{name: "process_attachments", read: boolean},
	{name: "process_anonymous", read: boolean},
	{name: "process_att_msg", read: boolean},
	{name: "format_preference", read: lower},
	{name: "cmd_tags", read: strings.TrimSpace},
	{name: "nonstandard_data_terminator"},
}

func lower(text string) string { return strings.ToLower(strings.TrimSpace(text)) }

func letters(text string) string { return strings.ToUpper(strings.TrimSpace(text)) }

// boolean takes any number but 0 as 1, as Python does.
func boolean(text string) string {
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n != 0 {
		return "1"
	}
	return text
}

// signed reads the negative numbers that a REG_DWORD cannot show.
func signed(text string) string {
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		return strconv.Itoa(int(int32(n)))
	}
	return text
}

// top translates the key SMTPreceiver.
func (t *translator) top(s *section) {
	clients := s.setting("clients", list)
	t.values(s, t.base, topRules)
	for _, key := range t.base.Keys() {
		switch strings.ToLower(key.Name) {
		case "clients":
			t.clients(clients, key)
			for _, sub := range key.Keys() {
				t.unknown(s, sub)
			}
		case "applications":
			t.unknownValues(s, key, nil)
			t.applications(key.Keys())
		default:
			t.unknown(s, key)
		}
	}
}

// values translates the values of a key that have a rule, and notes the others.
func (t *translator) values(s *section, key *registry.Key, rules []rule) {
	for _, r := range rules {
		st := s.setting(r.name, scalar)
		v := key.Value(r.name)
		if v == nil || len(v.Text) == 0 {
			continue
		}
		where := t.where(key, v)
		if len(v.Text) != 1 || v.Kind == registry.Binary {
			t.doc.lose(st, where, strings.Join(v.Text, ","), "it must be one value, as a string or number")
			continue
		}
		text := v.Text[0]
		if r.read != nil {
			text = r.read(text)
		}
		if text != "" || r.bare {
			t.value(s, st, text, where)
		}
	}
	t.unknownValues(s, key, rules)
}

// value adds a value that stands alone, where more than its spelling changes.
func (t *translator) value(s *section, st *setting, text, where string) {
	switch st.name {
	case "output_folder", "logging_file_name":
		t.folder(st, text, where)
	case "authentication_lib":
		t.doc.lose(st, where, text, "a COM object of Windows; clients on no list log in by the section authentication, over TLS, and what each user may do stands in the section senders (backend file, sql or ldap)")
		st.comments = append(st.comments, moveUsers()...)
	case "format_preference":
		st.shape = list
		for format := range strings.SplitSeq(text, ";") {
			if format = strings.TrimSpace(format); slices.Contains([]string{"txt", "eml", "mht", "htm"}, format) {
				st.add(format, where)
			} else if format != "" {
				t.doc.lose(st, where, format, "the formats are txt, eml, mht and htm")
			}
		}
	case "cmd_tags":
		t.cmdTags(s, st, text, where)
	default:
		st.add(text, where)
	}
}

func (t *translator) folder(st *setting, text, where string) {
	mapped, ok := t.folders.apply(text)
	switch e := st.add(text, where); {
	case ok:
		e.text = mapped
		t.doc.notes = append(t.doc.notes, Note{Design, where, text + " is now " + mapped})
	case strings.ContainsAny(text, `\:%`):
		t.doc.say(&e.comments, Note{Changed, where, shown(text) + ` is kept, though it is a path of Windows: give its new place with --map 'OLD=NEW', or write it here`})
	}
}

// clients adds the entries of a list of clients, each on its own.
func (t *translator) clients(st *setting, key *registry.Key) {
	for _, v := range inOrder(key.Values()) {
		for _, line := range t.texts(st, key, v) {
			for client := range strings.SplitSeq(line, ",") {
				if client = strings.TrimSpace(client); client != "" {
					st.add(client, t.where(key, v))
				}
			}
		}
	}
}

// texts are the texts of a value in a list; a value of another kind is noted.
func (t *translator) texts(st *setting, key *registry.Key, v *registry.Value) []string {
	if v.Kind == registry.Binary {
		t.doc.lose(st, t.where(key, v), v.Text[0], "it must be a string")
		return nil
	}
	return v.Text
}

// unknownValues notes the values of a key that no rule speaks of.
func (t *translator) unknownValues(s *section, key *registry.Key, rules []rule) {
	for _, v := range key.Values() {
		known := slices.ContainsFunc(rules, func(r rule) bool { return strings.EqualFold(r.name, v.Name) })
		if !known && (v.Name != "" || strings.Join(v.Text, "") != "") {
			t.doc.say(&s.comments, Note{Lost, t.where(key, v), shown(strings.Join(v.Text, ",")) + ": there is no such setting here"})
		}
	}
}

// unknown notes everything in a key that has no place.
func (t *translator) unknown(s *section, key *registry.Key) {
	for k := range key.All() {
		t.unknownValues(s, k, nil)
	}
}

// where names a value of the registry for messages.
func (t *translator) where(key *registry.Key, v *registry.Value) string {
	name := v.Name
	if name == "" {
		name = "(default)"
	}
	path := key.Path()
	if path == t.base.Path() {
		return name
	}
	return fmt.Sprintf("%s: %s", strings.TrimPrefix(path, t.base.Path()+`\`), name)
}

// inOrder sorts values by name, numbers in names by their size.
func inOrder(values []*registry.Value) []*registry.Value {
	slices.SortStableFunc(values, func(a, b *registry.Value) int { return compareNames(a.Name, b.Name) })
	return values
}
