package mtatest

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
)

// Recipe reads a file of contrib with the old strings replaced by the new ones:
// addresses and paths of a real site by those of the test. A blank or commented
// line is left out.
func Recipe(t testing.TB, file string, oldnew ...string) []string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(oldnew); i += 2 {
		if !bytes.Contains(b, []byte(oldnew[i])) {
			t.Fatalf("%s has no %q", file, oldnew[i])
		}
	}
	lines := strings.Split(strings.NewReplacer(oldnew...).Replace(string(b)), "\n")
	return slices.DeleteFunc(lines, func(line string) bool { return line == "" || line[0] == '#' })
}
