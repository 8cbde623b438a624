package main

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"smtpreceiver/core/config"
)

var updateReadme = flag.Bool("update-readme", false, "write contrib/doc/keys.md, contrib/smtpreceiver.yaml, the manual pages and what README.md shows of explain")

// TestReadmeKeys holds the handbook's table of keys against the declarations
// that the program reads its configuration by.
func TestReadmeKeys(t *testing.T) {
	const file = "../../contrib/doc/keys.md"
	want := keyTable()
	if *updateReadme {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != want {
		t.Fatalf("%v; contrib/doc/keys.md is not what the program reads: go test ./cmd/smtpreceiver -run Readme -update-readme", err)
	}
}

const keyTableHead = `# All keys

Every scalar key can be set by environment: ` + "`SMTPRECEIVER_`" + ` and the key in
capitals, ` + "`_`" + ` between levels: ` + "`SMTPRECEIVER_SMTP_PORT`" + `,
` + "`SMTPRECEIVER_APPLICATIONS_FAX_OUTPUT_FOLDER`. Lists there are separated by `;`" + `.
Booleans are 0, 1, true or false; times ` + "`60` (seconds), `60s` or `10m`" + `; sizes
` + "`50MiB`" + ` or bytes. An unknown key is an error that names the nearest known one.
`

// keyTable is the table of all keys in Markdown, one for each section.
func keyTable() string {
	var b strings.Builder
	b.WriteString(keyTableHead)
	section := ""
	escape := strings.NewReplacer("|", `\|`, "<", "&lt;").Replace
	for _, k := range config.Keys() {
		if k.Section != section {
			section = k.Section
			b.WriteString("\n## " + section + "\n\n| key | default | meaning |\n|---|---|---|\n")
		}
		initial := "–"
		if k.Default != "" {
			initial = "`" + escape(k.Default) + "`"
		} else if k.Example != "" {
			initial = "required"
		}
		b.WriteString("| `" + k.Name + "` | " + initial + " | " + escape(k.Doc) + " |\n")
	}
	return b.String()
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

// readmeConfiguration is the configuration that the handbook and the manual page show.
func readmeConfiguration() (string, error) {
	readme, err := os.ReadFile("../../contrib/doc/standalone.md")
	if err != nil {
		return "", err
	}
	_, rest, ok := strings.Cut(string(readme), "```yaml\n")
	yaml, _, ok2 := strings.Cut(rest, "```")
	if !ok || !ok2 {
		return "", errors.New("contrib/doc/standalone.md shows no configuration")
	}
	return yaml, nil
}

// TestReadmeDropIns: a piece of configuration that README.md shows works as a
// file of conf.d beside the packaged configuration, but for the folders, which
// are the reader's.
func TestReadmeDropIns(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	packaged, err := os.ReadFile("../../contrib/deb/smtpreceiver.yaml")
	if err != nil {
		t.Fatal(err)
	}
	pieces := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindAllSubmatch(readme, -1)
	if len(pieces) == 0 {
		t.Fatal("README.md shows no configuration")
	}
	for _, piece := range pieces {
		dir := t.TempDir()
		main := filepath.Join(dir, "smtpreceiver.yaml")
		if err := errors.Join(os.Mkdir(filepath.Join(dir, "conf.d"), 0o700), os.WriteFile(main, packaged, 0o600),
			os.WriteFile(filepath.Join(dir, "conf.d", "readme.yaml"), piece[1], 0o600)); err != nil {
			t.Fatal(err)
		}
		settings, _, err := config.Load(config.Source{File: main})
		if err != nil {
			t.Fatalf("%v\n%s", err, piece[1])
		}
		settings.StateDirectory = dir
		for _, app := range settings.Applications {
			app.OutputFolder = dir
		}
		var problems config.Problems
		warnings := validate(settings, &problems)
		if len(problems) > 0 || len(warnings) > 0 {
			t.Errorf("problems %v, warnings %v\n%s", problems, warnings, piece[1])
		}
	}
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
