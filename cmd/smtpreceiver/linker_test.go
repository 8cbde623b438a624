package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestNothingFindsMethodsByName: where the program has code that does, as text/template,
// the linker must keep every exported method of every type, which were 4.4 MB.
func TestNothingFindsMethodsByName(t *testing.T) {
	t.Parallel()
	c := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -dumpdep", "-o", filepath.Join(t.TempDir(), "smtpreceiver"), ".")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	dependencies, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%.2000s", err, dependencies)
	}
	if !bytes.Contains(dependencies, []byte("main.main -> ")) {
		t.Fatalf("the linker does not say what needs what:\n%.2000s", dependencies)
	}
	for line := range strings.Lines(string(dependencies)) {
		if strings.HasSuffix(strings.TrimSpace(line), " <ReflectMethod>") {
			t.Errorf("%s", strings.TrimSpace(line))
		}
	}
}
