package migrate

import (
	"bytes"
	"regexp"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// yaml writes the configuration with its comments.
func (d *document) yaml() ([]byte, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	document := &yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{root}, FootComment: comment(d.left)}
	groups := map[string]*yaml.Node{}
	for _, s := range d.sections {
		if len(s.path) == 0 {
			var comments []string
			root.Content, comments = s.nodes()
			document.HeadComment = comment(comments)
			continue
		}
		group := groups[s.path[0]]
		if group == nil {
			group = &yaml.Node{Kind: yaml.MappingNode}
			groups[s.path[0]] = group
			root.Content = append(root.Content, text(s.path[0]), group)
		}
		key, body := text(s.path[1]), &yaml.Node{Kind: yaml.MappingNode}
		var comments []string
		body.Content, comments = s.nodes()
		key.HeadComment = comment(comments)
		group.Content = append(group.Content, key, body)
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	err := enc.Encode(document)
	return b.Bytes(), err
}

// nodes are the keys and values of a section, and the comments that belong to
// none of them.
func (s *section) nodes() (content []*yaml.Node, comments []string) {
	comments = s.comments
	for _, st := range s.settings {
		if len(st.entries) == 0 {
			comments = append(comments[:len(comments):len(comments)], st.comments...)
			continue
		}
		key, value := text(st.name), text(st.entries[0].text)
		said := st.comments
		switch st.shape {
		case scalar:
			said = append(said[:len(said):len(said)], st.entries[0].comments...)
		case list:
			value = &yaml.Node{Kind: yaml.SequenceNode}
			for _, e := range st.entries {
				item := text(e.text)
				item.HeadComment = comment(e.comments)
				value.Content = append(value.Content, item)
			}
		case mapping:
			value = &yaml.Node{Kind: yaml.MappingNode}
			for _, e := range st.entries {
				name := text(e.key)
				name.HeadComment = comment(e.comments)
				value.Content = append(value.Content, name, text(e.text))
			}
		}
		key.HeadComment = comment(said)
		content = append(content, key, value)
	}
	return content, comments
}

var (
	plainText   = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9/:._-]*$`)
	plainNumber = regexp.MustCompile(`^(0|-?[1-9][0-9]{0,18})$`)
)

// text is a scalar, quoted unless it is clearly a word or a number. What the
// configuration reads as text it takes from a number as written.
func text(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	switch {
	case plainNumber.MatchString(s):
		n.Tag = "!!int"
	case plainText.MatchString(s): // the encoder quotes null and true
	case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		n.Style = yaml.DoubleQuotedStyle
	default:
		n.Style = yaml.SingleQuotedStyle
	}
	return n
}

// comment makes lines a comment.
func comment(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(strings.TrimRight("# "+oneLine(line), " ") + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// oneLine replaces what could end a line or move the cursor of a terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}
