package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

func (b *treeBuilder) yaml(data []byte) (*node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return &node{null: true}, nil
	case err != nil:
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("line %d: a second document begins or the first does not end, write one only", max(second.Line, document.Line))
	}
	return b.yamlNode(document.Content[0], 0)
}

func (b *treeBuilder) yamlNode(y *yaml.Node, depth int) (*node, error) {
	if err := b.enter(depth); err != nil {
		return nil, fmt.Errorf("line %d: %w", y.Line, err)
	}
	n := &node{}
	switch y.Kind {
	case yaml.AliasNode:
		return b.yamlNode(y.Alias, depth)
	case yaml.ScalarNode:
		tag := y.ShortTag()
		n.scalar, n.text, n.null = tag != "!!null", y.Value, tag == "!!null"
		n.literal = tag == "!!int" || tag == "!!float" || tag == "!!bool"
	case yaml.SequenceNode:
		for _, item := range y.Content {
			child, err := b.yamlNode(item, depth+1)
			if err != nil {
				return nil, err
			}
			n.list = append(n.list, child)
		}
	case yaml.MappingNode:
		n.mapping = true
		var merged []*node
		for i := 0; i < len(y.Content); i += 2 {
			name := y.Content[i]
			child, err := b.yamlNode(y.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			switch {
			case name.ShortTag() == "!!merge":
				merged = append(merged, child)
				merged = append(merged, child.list...)
			case name.Kind != yaml.ScalarNode:
				return nil, fmt.Errorf("line %d: a key must be a word", name.Line)
			default:
				n.pairs = append(n.pairs, pair{name.Value, child, b.line(name.Line)})
			}
		}
		n.merge(merged)
	}
	return n, nil
}

// merge adds what "<<" brings in and the mapping has not itself; earlier sources win.
func (n *node) merge(sources []*node) {
	own := map[string]bool{}
	for _, p := range n.pairs {
		own[strings.ToLower(p.name)] = true
	}
	for _, source := range sources {
		for _, p := range source.pairs {
			if name := strings.ToLower(p.name); !own[name] {
				own[name] = true
				n.pairs = append(n.pairs, p)
			}
		}
	}
}

func (b *treeBuilder) toml(data []byte) (*node, error) {
	// go-toml v2.2.4 parses nested arrays and tables by recursion without a limit;
	// a stack overflow ends the process.
	if bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) > maxBrackets {
		return nil, fmt.Errorf("more than %d brackets, which is no configuration", maxBrackets)
	}
	decoder, err := viper.NewCodecRegistry().Decoder("toml")
	if err != nil {
		return nil, err
	}
	values := map[string]any{}
	if err := decoder.Decode(data, values); err != nil {
		var at interface{ Position() (row, column int) }
		if errors.As(err, &at) {
			row, _ := at.Position()
			return nil, fmt.Errorf("line %d: %s", row, strings.TrimPrefix(err.Error(), "toml: "))
		}
		return nil, err
	}
	return b.tomlNode(values, 0)
}

func (b *treeBuilder) tomlNode(value any, depth int) (*node, error) {
	if err := b.enter(depth); err != nil {
		return nil, err
	}
	n := &node{}
	switch value := value.(type) {
	case map[string]any:
		n.mapping = true
		for _, name := range slices.Sorted(maps.Keys(value)) {
			child, err := b.tomlNode(value[name], depth+1)
			if err != nil {
				return nil, err
			}
			n.pairs = append(n.pairs, pair{name, child, b.line(0)})
		}
	case []any:
		for _, item := range value {
			child, err := b.tomlNode(item, depth+1)
			if err != nil {
				return nil, err
			}
			n.list = append(n.list, child)
		}
	case string:
		n.scalar, n.text = true, value
	default:
		n.scalar, n.text, n.decoded, n.literal = true, fmt.Sprint(value), true, true
	}
	return n, nil
}

func (b *treeBuilder) json(data []byte) (*node, error) {
	var whole any
	if err := json.Unmarshal(data, &whole); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("line %d: %w", 1+bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n")), err)
		}
		return nil, err
	}
	// Tokens show a key given twice, which Unmarshal hides.
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return b.jsonNode(&jsonTokens{decoder, data, 1, 0}, 0)
}

// jsonTokens is a decoder that knows the line it is at.
type jsonTokens struct {
	*json.Decoder
	data    []byte
	line    int
	counted int // bytes of data
}

func (d *jsonTokens) Token() (json.Token, error) {
	token, err := d.Decoder.Token()
	to := min(int(d.InputOffset()), len(d.data))
	d.line += bytes.Count(d.data[d.counted:to], []byte("\n"))
	d.counted = to
	return token, err
}

func (b *treeBuilder) jsonNode(decoder *jsonTokens, depth int) (*node, error) {
	if err := b.enter(depth); err != nil {
		return nil, err
	}
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	n := &node{}
	switch token {
	case nil:
		n.null = true
		return n, nil
	case json.Delim('{'):
		n.mapping = true
	case json.Delim('['):
	default:
		_, quoted := token.(string)
		n.scalar, n.text, n.literal = true, fmt.Sprint(token), !quoted
		return n, nil
	}
	for decoder.More() {
		var name json.Token
		var line int
		if n.mapping {
			if name, err = decoder.Token(); err != nil {
				return nil, err
			}
			line = decoder.line
		}
		child, err := b.jsonNode(decoder, depth+1)
		if err != nil {
			return nil, err
		}
		if n.mapping {
			n.pairs = append(n.pairs, pair{name.(string), child, b.line(line)})
		} else {
			n.list = append(n.list, child)
		}
	}
	_, err = decoder.Token() // the closing bracket
	return n, err
}
