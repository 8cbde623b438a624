//go:build unix

package main

import (
	"bytes"
	"os"
	"testing"
	"time"

	"smtpreceiver/contrib/man"
	"smtpreceiver/core/config"
)

// TestManualPages holds the manual pages against the commands and the keys of
// the program. Their date is that of their last change.
func TestManualPages(t *testing.T) {
	example, err := readmeConfiguration()
	if err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func() ([]byte, error){
		"smtpreceiver.8":      func() ([]byte, error) { return man.Program(root()) },
		"smtpreceiver.yaml.5": func() ([]byte, error) { return man.Configuration(config.Keys(), example) },
	} {
		file := "../../contrib/man/" + name
		got, err := os.ReadFile(file)
		if err != nil && !*updateReadme {
			t.Fatal(err)
		}
		want, err := write()
		if err != nil {
			t.Fatal(err)
		}
		want = man.Dated(want, got, time.Now().UTC().Format("January 2, 2006"))
		if bytes.Equal(got, want) {
			continue
		}
		if !*updateReadme {
			t.Errorf("contrib/man/%s is not what the program does: go test ./cmd/smtpreceiver -run Manual -update-readme", name)
		} else if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Error(err)
		}
	}
}
