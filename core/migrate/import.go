package migrate

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"smtpreceiver/core/config"
	"smtpreceiver/core/migrate/registry"
	"smtpreceiver/core/rules"
)

// Options say how to read an export and where its folders are now.
type Options struct {
	ANSI    func([]byte) string // the code page of the Windows that it comes from
	Folders Folders
}

// Result is what an import gives.
type Result struct {
	YAML  []byte
	Notes []Note
	// Unfit is what check has against the YAML all the same, apart from what
	// depends on the machine. Then too little was left for a configuration.
	Unfit config.Problems
}

// place is where the settings lie below HKEY_LOCAL_MACHINE\SOFTWARE.
const place = `\Datasys\UMS\SMTPreceiver`

// Import translates an export. The error means that it is no export, or has no
// settings of the original.
func Import(export []byte, o Options) (*Result, error) {
	root, problems, err := registry.Read(export, o.ANSI)
	if err != nil {
		return nil, err
	}
	t := &translator{root: root, damages: problems, folders: o.Folders, sets: map[string]string{}}
	if err := t.locate(); err != nil {
		return nil, err
	}
	top := t.doc.section()
	top.comments = []string{"Made by smtpreceiver import-registry from " + t.base.Path()}
	for _, p := range problems {
		where := fmt.Sprint("line ", p.Line)
		if p.Key != nil && p.Key != t.base {
			where += ", " + strings.TrimPrefix(p.Key.Path(), t.base.Path()+`\`)
		}
		t.doc.say(&top.comments, Note{Lost, where, p.What})
	}
	for _, other := range t.unused {
		t.doc.say(&top.comments, Note{Lost, other.Path(), "not used, the settings are those of " + t.base.Path()})
	}
	t.unreadable(top)
	t.top(top)
	unfit, warnings, err := t.doc.settle()
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		t.doc.say(&top.comments, Note{Changed, "", w})
	}
	t.byDesign()
	text, err := t.doc.yaml()
	return &Result{YAML: text, Notes: t.doc.notes, Unfit: unfit}, err
}

// unreadable notes values with characters that could not be decoded.
func (t *translator) unreadable(top *section) {
	for key := range t.base.All() {
		for _, v := range key.Values() {
			if strings.ContainsRune(v.Name+strings.Join(v.Text, ""), '\uFFFD') {
				t.doc.say(&top.comments, Note{Changed, t.where(key, v), "has characters that cannot be read, shown as \uFFFD; is --code-page right?"})
			}
		}
	}
}

// locate finds the settings. The original is a 32-bit program: on a 64-bit
// Windows it reads the view under WOW6432Node, so that goes first.
func (t *translator) locate() error {
	var found []*registry.Key
	for key := range t.root.All() {
		if hasSuffixFold(key.Path(), place) && !key.Empty() {
			found = append(found, key)
		}
	}
	slices.SortStableFunc(found, func(a, b *registry.Key) int { return view(a) - view(b) })
	if len(found) == 0 {
		return errors.New(`no settings of SMTPreceiver in the export: export the key HKEY_LOCAL_MACHINE\SOFTWARE\Datasys, of a 64-bit Windows HKEY_LOCAL_MACHINE\SOFTWARE\WOW6432Node\Datasys`)
	}
	t.base, t.unused = found[0], found[1:]
	return nil
}

func view(key *registry.Key) int {
	if hasSuffixFold(key.Path(), `\WOW6432Node`+place) {
		return 0
	}
	return 1
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

// settle takes out what the checks of the program refuse, until they refuse
// nothing that could be taken out.
func (d *document) settle() (unfit config.Problems, warnings []string, err error) {
	for {
		d.tighten()
		text, err := d.yaml()
		if err != nil {
			return nil, nil, err
		}
		settings, err := config.Parse("yaml", text, nil)
		if err == nil {
			unfit, warnings = rules.Check(settings)
		} else if !errors.As(err, &unfit) {
			return nil, nil, err
		}
		if !d.remove(unfit) {
			return unfit, warnings, nil
		}
	}
}

// tighten keeps applications from allowing more than they did: one that has
// lost a restriction is switched off. It drops a half of what goes in pairs.
func (d *document) tighten() {
	for _, s := range d.sections {
		if len(s.path) == 0 || s.path[0] != "applications" {
			continue
		}
		terminator, clients := s.find("nonstandard_data_terminator"), s.find("nonstandard_data_terminator_clients")
		if terminator != nil && clients == nil {
			d.removeEntries(terminator, terminator.entries, "no client is listed for it")
		} else if clients != nil && terminator == nil {
			d.removeEntries(clients, clients.entries, "there is no terminator for them")
		}
		if s.damaged != "" {
			d.switchOff(s, s.damaged)
		}
		for _, st := range s.settings {
			if st.lost > 0 && (st.name == "from_disabled" || len(st.entries) == 0 && slices.Contains([]string{"enabled", "from_enabled", "clients"}, st.name)) {
				d.switchOff(s, st.name)
			}
		}
	}
}

func (d *document) switchOff(s *section, because string) {
	for _, st := range s.settings {
		if st.name != "enabled" || len(st.entries) == 1 && st.entries[0].text == "0" {
			continue
		}
		st.entries = []*entry{{text: "0"}}
		d.say(&st.comments, Note{Changed, strings.Join(s.path, `\`), "switched off, because without what is not taken over of " + because + " it would allow more than it did: mend that, then set enabled to 1"})
	}
}

// maxShown bounds what a message shows of a value, in bytes; no expression is that long.
const maxShown = 4096

// shown quotes data for messages, as it is if it can be printed.
func shown(s string) string {
	if len(s) > maxShown {
		return shown(strings.ToValidUTF8(s[:maxShown-3], "")+"...") + fmt.Sprintf(" (%d bytes)", len(s))
	}
	if !strings.Contains(s, `"`) && oneLine(s) == s {
		return `"` + s + `"`
	}
	return fmt.Sprintf("%q", s)
}
