// Package pagestest reads in tests what stands on the pages of a document.
package pagestest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Texts are what Ghostscript reads in a document, page by page, without blanks at
// the ends of lines and without blank lines.
func Texts(t *testing.T, document string) []string {
	t.Helper()
	if _, err := exec.LookPath("gs"); err != nil {
		t.Skip("no gs here: apt-get install -y ghostscript")
	}
	dir := t.TempDir()
	if out, err := exec.Command("gs", "-q", "-dSAFER", "-sDEVICE=txtwrite", "-o", filepath.Join(dir, "%03d.txt"), document).CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v, %s", err, out)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.txt"))
	var texts []string
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for line := range strings.Lines(string(data)) {
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, line)
			}
		}
		texts = append(texts, strings.Join(lines, "\n"))
	}
	return texts
}
