package main

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"smtpreceiver/core/config"
)

var updateReadme = flag.Bool("update-readme", false, "write the key table into README.md, contrib/smtpreceiver.yaml and the manual pages")

// TestReadmeKeys holds README's table of keys against the declarations that
// the program reads its configuration by.
func TestReadmeKeys(t *testing.T) {
	const file, begin, end = "../../README.md", "<!-- keys -->\n", "<!-- /keys -->"
	readme, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(readme), begin)
	table, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("README.md has lost the marks around its table of keys")
	}
	want := keyTable()
	if table == want {
		return
	}
	if !*updateReadme {
		t.Fatal("the table of keys in README.md is not what the program reads: go test ./cmd/smtpreceiver -run Readme -update-readme")
	}
	if err := os.WriteFile(file, []byte(before+begin+want+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// keyTable is the table of all keys in Markdown, one for each section.
func keyTable() string {
	var b strings.Builder
	section := ""
	escape := strings.NewReplacer("|", `\|`, "<", "&lt;").Replace
	for _, k := range config.Keys() {
		if k.Section != section {
			section = k.Section
			b.WriteString("\n### " + section + "\n\n| key | default | meaning |\n|---|---|---|\n")
		}
		initial := "–"
		if k.Default != "" {
			initial = "`" + escape(k.Default) + "`"
		} else if k.Example != "" {
			initial = "required"
		}
		b.WriteString("| `" + k.Name + "` | " + initial + " | " + escape(k.Doc) + " |\n")
	}
	return b.String() + "\n"
}

// TestReadmeConfiguration: the configuration shown is one that works, but for
// the folders, which are the reader's.
func TestReadmeConfiguration(t *testing.T) {
	yaml, err := readmeConfiguration()
	if err != nil {
		t.Fatal(err)
	}
	settings, err := config.Parse("yaml", []byte(yaml), nil)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	settings.StateDirectory = folder
	for _, app := range settings.Applications {
		app.OutputFolder = folder
	}
	var problems config.Problems
	if warnings := validate(settings, &problems); len(problems) > 0 || len(warnings) > 0 {
		t.Fatalf("problems %v, warnings %v", problems, warnings)
	}
}

// readmeConfiguration is the configuration that README.md and the manual page show.
func readmeConfiguration() (string, error) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		return "", err
	}
	_, rest, ok := strings.Cut(string(readme), "```yaml\n")
	yaml, _, ok2 := strings.Cut(rest, "```")
	if !ok || !ok2 {
		return "", errors.New("README.md shows no configuration")
	}
	return yaml, nil
}

// TestSampleConfiguration holds the sample against the declarations that the
// program reads its configuration by.
func TestSampleConfiguration(t *testing.T) {
	const file = "../../contrib/smtpreceiver.yaml"
	want := config.Sample()
	if *updateReadme {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != string(want) {
		t.Fatalf("%v; contrib/smtpreceiver.yaml is not what the program reads: go test ./cmd/smtpreceiver -run Sample -update-readme", err)
	}
}
