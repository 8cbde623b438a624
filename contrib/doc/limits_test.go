package doc

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"smtpreceiver/core/config"
)

// limitRow is a row of the table of limits: `name` | figure | multiplies with | held by.
var limitRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]*) \\| ([^|]*) \\| ?(.*) ?\\|$")

// TestLimits: each limit that security.md names is there with that figure, each
// that it says to hold a product stands in the table, and no key that limits is
// left out.
func TestLimits(t *testing.T) {
	t.Parallel()
	_, table, ok := strings.Cut(read(t, "contrib/doc/security.md"), "## Every limit")
	if !ok {
		t.Fatal("security.md has lost its table of limits")
	}
	rows := limitRow.FindAllStringSubmatch(table, -1)
	if len(rows) < 40 || len(rows) != strings.Count(table, "\n| `") {
		t.Fatalf("%d rows are read of %d", len(rows), strings.Count(table, "\n| `"))
	}
	keys := map[string]string{}
	for _, k := range config.Keys() {
		keys[k.Name] = k.Default
	}
	listed := map[string]bool{}
	for _, row := range rows {
		name, figure := row[1], row[2]
		listed[name] = true
		if value, key := keys[name]; key {
			if value != figure {
				t.Errorf("%s is %s, not %s", name, value, figure)
			}
			continue
		}
		folder, constant, ok := strings.Cut(name, ": ")
		if !ok || !declares(t, folder, constant, figure) {
			t.Errorf("%s = %s is neither a key nor a constant", name, figure)
		}
	}
	for _, row := range rows {
		folder := ""
		for _, span := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[4], -1) {
			if at, _, ok := strings.Cut(span[1], ": "); ok {
				folder = at
			}
			if !listed[span[1]] && !listed[folder+": "+span[1]] {
				t.Errorf("%s is held by %s, which is not in the table", row[1], span[1])
			}
		}
	}
	for name := range keys {
		if last := name[strings.LastIndexByte(name, '.')+1:]; strings.HasPrefix(last, "max_") && !listed[name] {
			t.Errorf("the table does not have %s", name)
		}
	}
}

// declares says whether a package of the folder gives the constant that figure.
func declares(t *testing.T, folder, constant, figure string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	declaration := regexp.MustCompile(`(?m)^\s*(?:const )?` + constant + `\s+= ` + regexp.QuoteMeta(figure) + `(?:\s*//.*)?$`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(file, "_test.go") && declaration.Match(text) {
			return true
		}
	}
	return false
}
