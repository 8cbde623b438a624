// Package doc tests the handbook: what it points to exists.
package doc

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// pages are README.md and every page of contrib, from the root of the tree.
func pages(t *testing.T) []string {
	t.Helper()
	list := []string{"README.md"}
	err := filepath.WalkDir(filepath.Join(root, "contrib"), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			path, err = filepath.Rel(root, path)
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestFrontDoor: README fits on a few screens, and its two commands on the
// first; HACKING fits on two printed pages.
func TestFrontDoor(t *testing.T) {
	t.Parallel()
	readme, hacking := read(t, "README.md"), read(t, "contrib/HACKING.md")
	if len(readme) > 14000 {
		t.Errorf("README.md has %d bytes", len(readme))
	}
	if len(hacking) > 9000 || strings.Count(hacking, "\n") > 120 {
		t.Errorf("HACKING.md has %d bytes, %d lines", len(hacking), strings.Count(hacking, "\n"))
	}
	for _, command := range []string{"go run ./cmd/smtpreceiver demo", "sh contrib/test.sh"} {
		before, _, ok := strings.Cut(readme, command)
		if line := strings.Count(before, "\n"); !ok || line > 35 {
			t.Errorf("%s stands on line %d", command, line)
		}
	}
}

// TestHackingPaths: every file and folder that HACKING.md names is there.
func TestHackingPaths(t *testing.T) {
	t.Parallel()
	var paths []string
	for _, m := range regexp.MustCompile("`([a-z][\\w.-]*(?:/[\\w.-]+)*)`").FindAllStringSubmatch(read(t, "contrib/HACKING.md"), -1) {
		if strings.Contains(m[1], "/") || filepath.Ext(m[1]) != "" || topLevel[m[1]] {
			paths = append(paths, m[1])
		}
	}
	if len(paths) < 60 {
		t.Fatalf("only %d paths found: %q", len(paths), paths)
	}
	for _, path := range paths {
		if _, err := os.Stat(filepath.Join(root, path)); err != nil {
			t.Error(err)
		}
	}
}

var topLevel = map[string]bool{"cmd": true, "milter": true, "standalone": true, "core": true, "contrib": true}

// TestMap: the map of HACKING.md leaves out no package but those below one it names.
func TestMap(t *testing.T) {
	t.Parallel()
	hacking := read(t, "contrib/HACKING.md")
	_, table, ok := strings.Cut(hacking, "## The map")
	table, _, ok2 := strings.Cut(table, "## One mail's way")
	if !ok || !ok2 {
		t.Fatal("HACKING.md has lost its map")
	}
	entries, err := os.ReadDir(filepath.Join(root, "core"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && e.Name() != "testdata" && !strings.Contains(table, "`core/"+e.Name()+"`") {
			t.Errorf("the map does not name core/%s", e.Name())
		}
	}
}

var (
	codeBlock = regexp.MustCompile("(?ms)^```.*?^```$")
	codeSpan  = regexp.MustCompile("`[^`\n]*`")
	link      = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading   = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are the names that GitHub gives the headings of a page.
func anchors(text string) map[string]bool {
	all := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
		all[strings.ReplaceAll(notAnchor.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return all
}

// TestLinks follows every link of every page that stays in the tree.
func TestLinks(t *testing.T) {
	t.Parallel()
	found := 0
	for _, page := range pages(t) {
		text := codeSpan.ReplaceAllString(codeBlock.ReplaceAllString(read(t, page), ""), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			found++
			file, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: %v", page, err)
				continue
			}
			if anchor != "" && !anchors(read(t, target))[anchor] {
				t.Errorf("%s: %s has no heading for #%s", page, target, anchor)
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d links found", found)
	}
}
