package registry

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

const (
	header4 = "REGEDIT4"
	header5 = "Windows Registry Editor Version 5.00"
)

// What an export may hold at most. Windows has the same limit of levels.
const (
	MaxSize  = 32 << 20 // bytes
	maxKeys  = 100_000
	maxDepth = 512

	maxProblems = 1000
)

// Problem is a line that cannot be read, or of which something is missing.
type Problem struct {
	Line int    // from 1
	Key  *Key   // in which it stands; nil: in none that could be told
	Path string // without a Key: what stands where its path should
	What string
}

func (p Problem) String() string { return fmt.Sprintf("line %d: %s", p.Line, p.What) }

// Read reads an export and returns its root, below which the keys are found by
// their full paths (HKEY_LOCAL_MACHINE\SOFTWARE\…). ansi decodes a file, or the
// strings in one, that are in the code page of the Windows it comes from. As
// regedit does, it passes over lines that it cannot read; problems lists them.
// An error means that the whole is no export.
func Read(data []byte, ansi func([]byte) string) (root *Key, problems []Problem, err error) {
	if len(data) > MaxSize {
		return nil, nil, fmt.Errorf(`larger than %d MiB: export only the key HKEY_LOCAL_MACHINE\SOFTWARE\Datasys`, MaxSize>>20)
	}
	r := &reader{root: &Key{}, text: decode(data, ansi), ansi: ansi}
	first := ""
	for first == "" && r.more() {
		first = strings.TrimSpace(r.take())
	}
	switch first {
	case header4:
	case header5:
		r.wide = true
	default:
		return nil, nil, fmt.Errorf("not a registry export: it must begin with %q or %q", header5, header4)
	}
	for r.more() {
		if err := r.entry(); err != nil {
			return nil, nil, err
		}
		if len(r.problems) > maxProblems {
			return nil, nil, fmt.Errorf("not a registry export: %v, and so on", r.problems[0])
		}
	}
	return r.root, r.problems, nil
}

// reader goes over the text of an export.
type reader struct {
	root, key *Key   // key is nil where values belong to none
	text      string // what is still to be read
	line      int    // number of the line taken last
	broken    string // where key is nil: the path behind which values come
	keys      int
	wide      bool // strings in hex are UTF-16
	ansi      func([]byte) string
	problems  []Problem
}

func (r *reader) more() bool { return r.text != "" }

// take returns the next line without its end.
func (r *reader) take() string {
	line, rest, _ := strings.Cut(r.text, "\n")
	r.text = rest
	r.line++
	return strings.TrimSuffix(line, "\r")
}

func (r *reader) problem(line int, format string, args ...any) {
	r.problems = append(r.problems, Problem{line, r.key, r.broken, fmt.Sprintf(format, args...)})
}

// entry reads one entry: a line, or several that belong together.
func (r *reader) entry() error {
	rest := r.text
	line := strings.TrimSpace(r.take())
	switch {
	case line == "" || line[0] == ';' || line == "\x1a":
	case line == header4 || line == header5: // of a second export behind the first
		r.key, r.broken = nil, ""
	case line[0] == '[':
		return r.section(line)
	case line[0] == '"' || line[0] == '@':
		r.value(strings.TrimLeft(rest, " \t"), line)
	default:
		r.problem(r.line, "neither a key nor a value: %.60q", line)
	}
	return nil
}

// fullPath writes out the short name of a root.
func fullPath(path string) string {
	path = strings.Trim(path, `\`)
	if root, below, _ := strings.Cut(path, `\`); fold(root) == "hklm" {
		return strings.TrimSuffix(`HKEY_LOCAL_MACHINE\`+below, `\`)
	}
	return path
}

// section reads [PATH], or [-PATH], which deletes a key.
func (r *reader) section(line string) error {
	r.key, r.broken = nil, fullPath(strings.TrimPrefix(line[1:], "-"))
	end := strings.LastIndexByte(line, ']')
	if !blank(line[end+1:]) {
		r.problem(r.line, "a key must end with ]: %.60q", line)
		return nil
	}
	path, deleted := strings.CutPrefix(line[1:end], "-")
	names := strings.Split(fullPath(path), `\`)
	if len(names) > maxDepth {
		r.problem(r.line, "more than %d levels of keys", maxDepth)
		return nil
	}
	if deleted {
		last := len(names) - 1
		parent := r.root
		if last > 0 {
			parent = r.root.Sub(strings.Join(names[:last], `\`))
		}
		if parent != nil {
			delete(parent.keys, fold(names[last]))
		}
		return nil
	}
	key := r.root
	for _, name := range names {
		sub := key.keys[fold(name)]
		if sub == nil {
			if r.keys++; r.keys > maxKeys {
				return errors.New(`too many keys: export only HKEY_LOCAL_MACHINE\SOFTWARE\Datasys`)
			}
			sub = &Key{Name: name, parent: key, line: r.line}
			if key.keys == nil {
				key.keys = map[string]*Key{}
			}
			key.keys[fold(name)] = sub
		}
		key = sub
	}
	r.key, r.broken = key, ""
	return nil
}

// value reads name=data. text begins with the name, line is its first line,
// which has been taken.
func (r *reader) value(text, line string) {
	at := r.line
	var name string
	rest, byDefault := strings.CutPrefix(text, "@")
	if !byDefault {
		var ok bool
		if name, rest, ok = quoted(text); !ok || strings.Contains(name, "\n") {
			r.problem(at, "the name of a value must end with a quote: %.60q", line)
			return
		}
	}
	rest, ok := strings.CutPrefix(strings.TrimLeft(rest, " \t"), "=")
	if !ok {
		r.problem(at, "= is missing behind the name of the value: %.60q", line)
		return
	}
	if rest = strings.TrimLeft(rest, " \t"); strings.HasPrefix(rest, `"`) {
		data, after, ok := quoted(rest)
		tail, next, _ := strings.Cut(after, "\n")
		if !ok || !blank(tail) {
			r.problem(at, "the quotes of a value do not match: %.60q", line)
			return
		}
		for len(r.text) > len(next) { // regedit writes line breaks in a string as they are
			r.take()
		}
		r.set(&Value{Name: name, Kind: String, Text: []string{data}, Line: at})
		return
	}
	data, _, _ := strings.Cut(rest, "\n")
	r.set(r.plain(name, strings.TrimSpace(data), at))
}

// set stores a value in the current key.
func (r *reader) set(v *Value) {
	switch {
	case v == nil: // has been complained about, or deletes one
	case r.key == nil:
		r.problem(v.Line, "the value %.60q belongs to no key", v.Name)
	default:
		if r.key.values == nil {
			r.key.values = map[string]*Value{}
		}
		r.key.values[fold(v.Name)] = v
	}
}

// quoted reads a string in quotes, in which \\ and \" are escapes. It may go
// over several lines.
func quoted(text string) (content, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return b.String(), text[i+1:], true
		case c == '\\' && i+1 < len(text) && (text[i+1] == '\\' || text[i+1] == '"'):
			i++
			b.WriteByte(text[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

// blank says that what stands behind an entry is nothing, or a comment.
func blank(s string) bool {
	s = strings.TrimSpace(s)
	return s == "" || s[0] == ';'
}

var hexKind = regexp.MustCompile(`^(?i:hex)(?:\(([0-9a-fA-F]{1,8})\))?:`)
