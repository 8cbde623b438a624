package man

import (
	"bytes"
	"embed"
	"fmt"
	"regexp"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"smtpreceiver/core/config"
)

//go:embed *.tmpl
var templates embed.FS

// Program is smtpreceiver(8).
func Program(root *cobra.Command) ([]byte, error) {
	var synopsis, commands page
	for _, c := range leaves(root) {
		synopsis.synopsis(c)
		commands.command(c)
	}
	return render("smtpreceiver.8", map[string]string{
		"Short": lowerFirst(root.Short), "Long": text(root.Long),
		"Synopsis": synopsis.String(), "Commands": commands.String(),
	})
}

// Configuration is smtpreceiver.yaml(5); example is a whole configuration.
func Configuration(keys []config.Key, example string) ([]byte, error) {
	var list page
	for i, k := range keys {
		if i == 0 || keys[i-1].Section != k.Section {
			if i > 0 {
				list.line("El")
			}
			list.line("Ss", word(k.Section))
			list.line("Bl", "-tag", "-width", "Ds")
		}
		list.key(k)
	}
	list.line("El")
	return render("smtpreceiver.yaml.5", map[string]string{"Keys": list.String(), "Example": literal(example)})
}

func render(name string, data map[string]string) ([]byte, error) {
	t, err := template.ParseFS(templates, name+".tmpl")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return nil, fmt.Errorf("manual page %s: %w", name, err)
	}
	return b.Bytes(), nil
}

var dateLine = regexp.MustCompile(`(?m)^\.Dd .*\n`)

// Dated gives page the date of old if nothing else has changed, else the date
// today, as "January 2, 2006".
func Dated(page, old []byte, today string) []byte {
	dated := dateLine.ReplaceAll(page, []byte(".Dd "+today+"\n"))
	if bytes.Equal(dateLine.ReplaceAll(dated, nil), dateLine.ReplaceAll(old, nil)) {
		return old
	}
	return dated
}

// leaves are the commands that do something, in the order of --help.
func leaves(c *cobra.Command) []*cobra.Command {
	if !c.HasSubCommands() {
		return []*cobra.Command{c}
	}
	var all []*cobra.Command
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			all = append(all, leaves(sub)...)
		}
	}
	return all
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
