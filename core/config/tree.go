package config

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// What a configuration file may hold at most. Aliases in YAML count each time
// they are used.
const (
	maxFileSize = 1 << 20
	maxNodes    = 100_000
	maxDepth    = 20
	maxBrackets = 10_000 // in TOML
)

// node is a value of the file as it was written: scalars keep their spelling
// (0660, 007, yes), mappings keep the case and the order of their keys and even
// a key given twice. The decoders of the three formats agree on nothing else.
type node struct {
	scalar  bool
	text    string // of a scalar
	decoded bool   // the text is a number printed again (TOML), which may have been written otherwise
	literal bool   // a number or a truth value without quotes
	list    []*node
	pairs   []pair
	null    bool
	mapping bool
}

type pair struct {
	name  string
	value *node
	place place
}

// section tells a value that another file may add to.
func (n *node) section() bool { return n.mapping || n.null }

// describe names the node in messages. Values stay out of it: one of them may
// be a password.
func (n *node) describe() string {
	switch {
	case n.null:
		return "nothing"
	case n.scalar:
		return "a single value"
	case n.mapping:
		return "a section"
	}
	return "a list"
}

// tree reads a file of the format yaml, toml or json. An error says the line
// where it can.
func (b *treeBuilder) tree(format string, data []byte) (*node, error) {
	if len(data) > maxFileSize {
		return nil, fmt.Errorf("larger than %d bytes, which is no configuration", maxFileSize)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("line %d: not UTF-8, save the file in that encoding", invalidLine(data))
	}
	switch format {
	case "yaml":
		return b.yaml(data)
	case "toml":
		return b.toml(data)
	case "json":
		return b.json(data)
	}
	panic("config: no decoder for " + format)
}

func invalidLine(data []byte) int {
	valid := 0
	for valid < len(data) {
		r, size := utf8.DecodeRune(data[valid:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		valid += size
	}
	return 1 + bytes.Count(data[:valid], []byte("\n"))
}

// treeBuilder counts the nodes of all files, so that aliases cannot multiply
// without end.
type treeBuilder struct {
	nodes int
	at    place // the file that is read
}

// line is a place in the file that is read; 0: its decoder does not tell.
func (b *treeBuilder) line(n int) place {
	at := b.at
	at.line = n
	return at
}

func (b *treeBuilder) enter(depth int) error {
	if b.nodes++; b.nodes > maxNodes {
		return fmt.Errorf("more than %d values, which is no configuration", maxNodes)
	}
	if depth > maxDepth {
		return fmt.Errorf("nested more than %d levels deep, which is no configuration", maxDepth)
	}
	return nil
}
