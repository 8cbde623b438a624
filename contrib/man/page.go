package man

import (
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"smtpreceiver/core/config"
)

// page is a piece of mdoc source.
type page struct{ strings.Builder }

// line writes a macro line.
func (p *page) line(parts ...string) { p.WriteString("." + strings.Join(parts, " ") + "\n") }

// synopsis writes how a command is called: its name, its flags, then what its
// Use line says of arguments.
func (p *page) synopsis(c *cobra.Command) {
	p.line("Nm", "smtpreceiver")
	p.line("Cm", word(subcommand(c)))
	for _, f := range flags(c) {
		if required(f) {
			p.line("Fl", flag(f))
		} else {
			p.line("Op", "Fl", flag(f))
		}
	}
	p.arguments(c)
}

func (p *page) command(c *cobra.Command) {
	p.line("It", "Cm", word(subcommand(c)))
	if c.Long != "" {
		p.WriteString(text(c.Long))
	} else {
		p.WriteString(text(c.Short + "."))
	}
	if c.Example != "" {
		p.WriteString(literal(c.Example))
	}
	list := flags(c)
	if len(list) == 0 {
		return
	}
	p.line("Bl", "-tag", "-width", "Ds")
	for _, f := range list {
		if f.Shorthand != "" {
			p.line("It", "Fl", f.Shorthand, ",", "Fl", flag(f))
		} else {
			p.line("It", "Fl", flag(f))
		}
		_, usage := pflag.UnquoteUsage(f)
		p.WriteString(text(strings.ToUpper(usage[:1]) + usage[1:] + "."))
	}
	p.line("El")
}

// arguments writes the words of a Use line behind the name of the command, but
// for flags and their values, which stand there already.
func (p *page) arguments(c *cobra.Command) {
	words := strings.Fields(alternative.ReplaceAllString(c.Use, "|"))[1:]
	for i := 0; i < len(words); i++ {
		bare, dots := strings.CutSuffix(words[i], "...")
		bare, optional := strings.CutPrefix(strings.TrimSuffix(bare, "]"), "[")
		name, isFlag := strings.CutPrefix(bare, "--")
		switch {
		case isFlag:
			if f := c.Flags().Lookup(name); f != nil && f.NoOptDefVal == "" {
				i++
			}
			continue
		case bare == "flags": // cobra's word for all of them
			continue
		case optional:
			p.line("Op", "Ar", word(bare))
		default:
			p.line("Ar", word(bare))
		}
		if dots {
			p.line("No", "...")
		}
	}
}

func (p *page) key(k config.Key) {
	p.line("It", "Cm", word(k.Name), "Ar", word(k.Type))
	p.WriteString(text(k.Doc))
	switch {
	case k.Default != "":
		p.line("Pq", "default:", "Ql", word(k.Default))
	case k.Example != "":
		p.line("Pq", "required")
	}
}

func subcommand(c *cobra.Command) string {
	_, name, _ := strings.Cut(c.CommandPath(), " ")
	return name
}

func flags(c *cobra.Command) (list []*pflag.Flag) {
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && !f.Hidden {
			list = append(list, f)
		}
	})
	return list
}

func required(f *pflag.Flag) bool { return f.Annotations[cobra.BashCompOneRequiredFlag] != nil }

// flag is a long flag behind the Fl that writes its first dash.
func flag(f *pflag.Flag) string {
	if name, _ := pflag.UnquoteUsage(f); name != "" {
		return "Fl " + f.Name + " Ar " + word(strings.TrimSuffix(name, "Array")) // pflag's word for one that may be repeated
	}
	return "Fl " + f.Name
}

// word is an argument that stays one, and is never read as a macro.
func word(s string) string {
	return `"\&` + strings.NewReplacer(`\`, `\e`, `"`, `\(dq`).Replace(s) + `"`
}

var (
	alternative = regexp.MustCompile(`\s*\|\s*`)

	sentence = regexp.MustCompile(`([.:!?]\)?)\s+([A-Z0-9@])`)
	indented = regexp.MustCompile(`(?m)^[ \t]`)
)

// text is prose in paragraphs; one whose lines are indented is an example. Each
// sentence begins a line, as mdoc wants.
func text(s string) string {
	var b strings.Builder
	for i, paragraph := range strings.Split(strings.Trim(s, "\n"), "\n\n") {
		if indented.MatchString(paragraph) {
			b.WriteString(literal(paragraph))
			continue
		}
		if i > 0 {
			b.WriteString(".Pp\n")
		}
		flowed := strings.Join(strings.Fields(paragraph), " ")
		for line := range strings.Lines(sentence.ReplaceAllString(flowed, "$1\n$2") + "\n") {
			b.WriteString(escape(line))
		}
	}
	return b.String()
}

// literal is text as it stands.
func literal(s string) string {
	var b strings.Builder
	b.WriteString(".Bd -literal -offset indent\n")
	for line := range strings.Lines(strings.Trim(s, "\n") + "\n") {
		b.WriteString(escape(line))
	}
	b.WriteString(".Ed\n")
	return b.String()
}

// escape makes a line of text mean what it shows.
func escape(line string) string {
	line = strings.ReplaceAll(line, `\`, `\e`)
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}
