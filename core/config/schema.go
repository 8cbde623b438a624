package config

import (
	"reflect"
	"strings"
	"time"
)

// kind is how the value of a key is written. It doubles as the word for it in
// documentation and messages.
type kind string

const (
	kindText     kind = "string"
	kindBool     kind = "bool"
	kindNumber   kind = "number"
	kindDuration kind = "duration"
	kindSize     kind = "size"
	kindMode     kind = "octal mode"
	kindEscaped  kind = "escaped string"
	kindList     kind = "list"
	kindMap      kind = "map"
	kindMapList  kind = "map of lists"
	kindMapMap   kind = "map of maps"
	kindTree     kind = "map of anything"
)

// isMap tells the kinds that only a file can hold.
func (k kind) isMap() bool {
	return k == kindMap || k == kindMapList || k == kindMapMap || k == kindTree
}

// field is one key: a struct field and what its tags say.
type field struct {
	name    string // "milter.listen"; without "applications.<name>." for those of a group
	section string
	kind    kind
	goType  reflect.Type
	index   []int
	tag     reflect.StructTag
}

// in finds the field's value in the struct that s points to.
func (f field) in(s any) reflect.Value { return reflect.ValueOf(s).Elem().FieldByIndex(f.index) }

// initial is the default as the file would hold it: a string, or a list.
func (f field) initial() any {
	text := f.tag.Get("default")
	switch {
	case f.kind == kindList:
		return f.split(text)
	case f.kind == kindTree:
		return (*Tree)(nil)
	case f.kind.isMap():
		return reflect.MakeMap(f.goType).Interface()
	}
	return text
}

// split makes a list of what was given as one string.
func (f field) split(text string) []string {
	if separator := f.tag.Get("split"); separator != "" {
		return splitList(text, separator)
	}
	if text == "" {
		return []string{}
	}
	return []string{text}
}

// splitList cuts at the separator and leaves out what is empty.
func splitList(text, separator string) []string {
	list := []string{}
	for entry := range strings.SplitSeq(text, separator) {
		if entry = strings.TrimSpace(entry); entry != "" {
			list = append(list, entry)
		}
	}
	return list
}

// schema is the keys of one struct in the order of its fields, nested sections
// included.
type schema struct {
	fields   []field
	byName   map[string]field
	sections map[string]bool // "milter"
}

// schemaOf reads the tags of a struct type.
func schemaOf[T any]() schema {
	s := schema{byName: map[string]field{}, sections: map[string]bool{}}
	s.collect(reflect.TypeFor[T](), "", "", nil)
	return s
}

func (s *schema) collect(t reflect.Type, prefix, section string, index []int) {
	for i := range t.NumField() {
		goField := t.Field(i)
		if goField.Tag.Get("key") == "" {
			continue
		}
		if heading := goField.Tag.Get("section"); heading != "" {
			section = heading
		}
		name, at := prefix+goField.Tag.Get("key"), append(index[:len(index):len(index)], i)
		switch {
		case goField.Type.Kind() == reflect.Map && goField.Type.Elem().Kind() == reflect.Pointer: // a group
			s.sections[name] = true
		case goField.Type.Kind() == reflect.Struct:
			s.sections[name] = true
			s.collect(goField.Type, name+".", section, at)
		default:
			f := field{name: name, section: section, kind: kindOf(goField), goType: goField.Type, index: at, tag: goField.Tag}
			s.fields = append(s.fields, f)
			s.byName[name] = f
		}
	}
}

// names lists the keys and sections of one level: "" for the top, "milter." for
// a section.
func (s schema) names(prefix string) []string {
	var names []string
	for _, f := range s.fields {
		if rest, ok := strings.CutPrefix(f.name, prefix); ok && !strings.Contains(rest, ".") {
			names = append(names, rest)
		}
	}
	if prefix == "" {
		for name := range s.sections {
			names = append(names, name)
		}
	}
	return names
}

func kindOf(f reflect.StructField) kind {
	switch f.Tag.Get("type") {
	case "size":
		return kindSize
	case "mode":
		return kindMode
	case "escaped":
		return kindEscaped
	}
	switch f.Type {
	case reflect.TypeFor[time.Duration]():
		return kindDuration
	case reflect.TypeFor[map[string]string]():
		return kindMap
	case reflect.TypeFor[map[string][]string]():
		return kindMapList
	case reflect.TypeFor[map[string]map[string]string]():
		return kindMapMap
	case reflect.TypeFor[*Tree]():
		return kindTree
	}
	switch f.Type.Kind() {
	case reflect.Bool:
		return kindBool
	case reflect.String:
		return kindText
	case reflect.Slice:
		return kindList
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return kindNumber
	}
	panic("config: field " + f.Name + " has a type no key can have: " + f.Type.String())
}
