package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadmeExplain holds what README.md shows of explain against what the
// program says under the configuration of the Debian package.
func TestReadmeExplain(t *testing.T) {
	const file, begin, end = "../../README.md", "<!-- explain -->\n```\n$ smtpreceiver ", "```"
	readme, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(readme), begin)
	shown, after, ok2 := strings.Cut(rest, end)
	command, shown, ok3 := strings.Cut(shown, "\n")
	if !ok || !ok2 || !ok3 {
		t.Fatal("README.md has lost the mark in front of its explain")
	}
	packaged, err := os.ReadFile("../../contrib/deb/smtpreceiver.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "smtpreceiver.yaml")
	// A folder that this machine lacks is a warning.
	packaged = bytes.ReplaceAll(packaged, []byte("/var/spool/smtpreceiver"), []byte(filepath.ToSlash(dir)))
	if err := os.WriteFile(config, packaged, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, app := range []string{"fax", "sms"} {
		if err := os.Mkdir(filepath.Join(dir, app), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	if status := run(t.Context(), append(strings.Fields(command), "--config", config), &out, &errs); status != 1 {
		t.Fatalf("exit status %d, want that of a refusal\n%s%s", status, &out, &errs)
	}
	if shown == out.String() {
		return
	}
	if !*updateReadme {
		t.Fatalf("README.md shows\n%s\nthe program says\n%s\ngo test ./cmd/smtpreceiver -run Readme -update-readme", shown, &out)
	}
	if err := os.WriteFile(file, []byte(before+begin+command+"\n"+out.String()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
