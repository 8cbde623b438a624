package config

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// Key is one row of the key table.
type Key struct {
	Name    string // "applications.<name>.output_folder"
	Type    string // "number", or the values allowed: "reject|accept"
	Default string // as the file would hold it; empty: none
	Doc     string
	Section string // heading
	Example string // for a key that must be set
}

// Keys is the key table in the order of the documentation.
func Keys() []Key {
	var keys []Key
	for _, f := range schemaOf[Settings]().fields {
		keys = append(keys, f.row("", f.section))
	}
	for _, g := range groups() {
		for _, f := range g.keys.fields {
			keys = append(keys, f.row(g.name+".<name>.", g.heading))
		}
	}
	return keys
}

func (f field) row(prefix, section string) Key {
	written := string(f.kind)
	if choices := f.tag.Get("oneof"); choices != "" && f.kind != kindList {
		written = choices
	} else if choices != "" {
		written = "list of " + choices
	}
	return Key{
		Name: prefix + f.name, Type: written, Default: f.tag.Get("default"),
		Doc: f.doc(), Section: section, Example: f.tag.Get("example"),
	}
}

// Sample is a commented sample configuration in YAML: every key with its
// documentation and its default, commented out. Lines that begin with "# "
// explain; taking the "#" off the others gives a configuration that can be
// loaded.
func Sample() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Configuration of smtpreceiver. Every key is shown with its default; remove the # to change one.\n")
	section, parent := "", ""
	for _, f := range schemaOf[Settings]().fields {
		if f.section != section {
			section = f.section
			fmt.Fprintf(&b, "\n# ---- %s ----\n", section)
		}
		name, indent := f.name, ""
		if outer, inner, nested := strings.Cut(f.name, "."); nested {
			if name, indent = inner, "  "; outer != parent {
				parent = outer
				fmt.Fprintf(&b, "\n#%s:\n", parent)
			}
		}
		f.sample(&b, name, indent)
	}
	for _, g := range groups() {
		fmt.Fprintf(&b, "\n# ---- %s ----\n\n#%s:\n  #fax:\n", g.heading, g.name)
		for _, f := range g.keys.fields {
			f.sample(&b, f.name, "    ")
		}
	}
	return b.Bytes()
}

func (f field) sample(b *bytes.Buffer, name, indent string) {
	b.WriteByte('\n')
	for _, line := range wrap(f.doc(), 100-len(indent)) {
		fmt.Fprintf(b, "%s# %s\n", indent, line)
	}
	if f.tag.Get("required") != "" && f.tag.Get("default") == "" {
		fmt.Fprintf(b, "%s# This key must be set.\n", indent)
	}
	fmt.Fprintf(b, "%s#%s: %s\n", indent, name, f.sampleValue())
}

// sampleValue is the default, or the example where there is none, in YAML.
func (f field) sampleValue() string {
	text := f.tag.Get("default")
	if text == "" {
		text = f.tag.Get("example")
	}
	switch {
	case f.kind.isMap():
		return "{}"
	case f.kind == kindList && text == "":
		return "[]"
	case f.kind == kindList:
		return "[" + yamlText(text) + "]"
	case f.kind == kindText || f.kind == kindEscaped || f.kind == kindMode:
		return yamlText(text)
	}
	return text
}

var plainYAML = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9/:._-]*$`)

// yamlText is text as a YAML value, quoted where it has to be.
func yamlText(text string) string {
	if plainYAML.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// wrap breaks text into lines of at most width letters, where words allow.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
