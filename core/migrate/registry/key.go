package registry

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
)

// Key is one key with what lies in it. Names are kept as written and compared
// without case.
type Key struct {
	Name   string
	parent *Key // nil: the root
	line   int
	values map[string]*Value
	keys   map[string]*Key
}

// Value is one value of a key.
type Value struct {
	Name string // empty: the default value of the key
	Kind Kind
	Text []string // of MultiString the entries that are not empty, else one
	Line int      // where it stands in the file, from 1
}

// Kind is how Windows stores a value.
type Kind int

// The kinds that can be read. Binary is any other; its Text is as the file has
// it.
const (
	String       Kind = iota // REG_SZ
	ExpandString             // REG_EXPAND_SZ
	MultiString              // REG_MULTI_SZ
	Number                   // REG_DWORD and REG_QWORD, in decimal
	Binary
)

// Path is the names of the keys from below the root to k, with a backslash
// between them.
func (k *Key) Path() string {
	var names []string
	for ; k.parent != nil; k = k.parent {
		names = append(names, k.Name)
	}
	slices.Reverse(names)
	return strings.Join(names, `\`)
}

// Within says that k is above, or lies below it.
func (k *Key) Within(above *Key) bool {
	for ; k != nil; k = k.parent {
		if k == above {
			return true
		}
	}
	return false
}

// Values lists the values of the key in the order of the file.
func (k *Key) Values() []*Value {
	return slices.SortedFunc(maps.Values(k.values), func(a, b *Value) int { return cmp.Compare(a.Line, b.Line) })
}

// Value finds a value by its name; nil if there is none.
func (k *Key) Value(name string) *Value { return k.values[fold(name)] }

// Keys lists the keys directly below in the order of the file.
func (k *Key) Keys() []*Key {
	return slices.SortedFunc(maps.Values(k.keys), func(a, b *Key) int { return cmp.Compare(a.line, b.line) })
}

// Sub finds a key below by its path, levels separated by a backslash; nil if
// there is none.
func (k *Key) Sub(path string) *Key {
	for name := range strings.SplitSeq(path, `\`) {
		if k = k.keys[fold(name)]; k == nil {
			return nil
		}
	}
	return k
}

// Empty says that there is no value in the key nor in any below it.
func (k *Key) Empty() bool {
	for key := range k.All() {
		if len(key.values) > 0 {
			return false
		}
	}
	return true
}

// All goes over the key and everything below it, parents first.
func (k *Key) All() iter.Seq[*Key] {
	return func(yield func(*Key) bool) { k.walk(yield) }
}

func (k *Key) walk(yield func(*Key) bool) bool {
	if !yield(k) {
		return false
	}
	for _, sub := range k.Keys() {
		if !sub.walk(yield) {
			return false
		}
	}
	return true
}

func fold(name string) string { return strings.ToLower(name) }
