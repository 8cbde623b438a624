package config

import "encoding/json"

// Tree is a value of any depth, for a key such as consume.<name>.json. One of its
// fields is set.
type Tree struct {
	Object  []Member // in the order of the file (TOML: of the names)
	List    []Tree
	Text    *string
	Literal string // a number, true, false or null, as JSON writes it
}

// Member is one entry of a Tree, its name in the case that the administrator wrote.
type Member struct {
	Name  string
	Value Tree
}

// treeOf makes a value of a node; nil: the node holds nothing.
func (l *loader) treeOf(n *node, key string) *Tree {
	if len(n.pairs) == 0 && len(n.list) == 0 {
		if !n.mapping {
			l.problems.Add(key, n.describe()+" where a section must be", remedies[kindTree])
		}
		return nil
	}
	t := l.branch(n, key)
	return &t
}

func (l *loader) branch(n *node, key string) Tree {
	switch {
	case n.null:
		return Tree{Literal: "null"}
	case n.scalar && n.literal && json.Valid([]byte(n.text)):
		return Tree{Literal: n.text}
	case n.scalar:
		return Tree{Text: &n.text}
	case n.mapping:
		t := Tree{Object: []Member{}}
		for _, p := range l.pairs(n, key, key+".") {
			t.Object = append(t.Object, Member{p.name, l.branch(p.value, key+"."+KeyPath(p.name))})
		}
		return t
	}
	t := Tree{List: []Tree{}}
	for i, item := range n.list {
		t.List = append(t.List, l.branch(item, KeyIndex(key, i)))
	}
	return t
}

// Any tells whether a text in the tree is such.
func (t *Tree) Any(such func(string) bool) bool {
	for i := range t.Object {
		if t.Object[i].Value.Any(such) {
			return true
		}
	}
	for i := range t.List {
		if t.List[i].Any(such) {
			return true
		}
	}
	return t.Text != nil && such(*t.Text)
}
