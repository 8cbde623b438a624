package output_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"smtpreceiver/core/output"
	"smtpreceiver/core/outputtest"
	"smtpreceiver/core/spool"
)

func TestFolders(t *testing.T) {
	t.Parallel()
	outputtest.Run(t, func(t *testing.T) outputtest.Subject {
		dir := t.TempDir()
		first, second := filepath.Join(dir, "fax"), filepath.Join(dir, "sms")
		for _, folder := range []string{first, second} {
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		s, err := spool.Open(t.Context(), spool.Config{StateDirectory: filepath.Join(dir, "state"), Instance: "gw1"})
		if err != nil {
			t.Fatal(err)
		}
		out := output.Folders(s)
		if err := out.Use([]string{first, second}); err != nil {
			t.Fatal(err)
		}
		broken := false
		t.Cleanup(func() {
			if err := out.Close(); err != nil && !broken {
				t.Error(err)
			}
		})
		return outputtest.Subject{
			Output: out, First: first, Second: second, Visible: visible,
			Break: func(t *testing.T, folder string) {
				broken = true
				if err := os.RemoveAll(folder); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

// TestProbe: a folder that is there, but cannot take jobs any more.
func TestProbe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fax := filepath.Join(dir, "fax")
	if err := os.Mkdir(fax, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := spool.Open(t.Context(), spool.Config{StateDirectory: filepath.Join(dir, "state"), Instance: "gw1"})
	if err != nil {
		t.Fatal(err)
	}
	out := output.Folders(s)
	defer out.Close()
	if err := out.Use([]string{fax}); err != nil {
		t.Fatal(err)
	}
	if err := out.Probe(t.Context(), fax); err != nil {
		t.Error(err)
	}
	staging := filepath.Join(fax, ".staging")
	if err := errors.Join(os.RemoveAll(staging), os.WriteFile(staging, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := out.Probe(t.Context(), fax); err == nil {
		t.Error("a folder whose staging directory is a file is ready")
	}
	if err := os.RemoveAll(fax); err != nil {
		t.Fatal(err)
	}
	if err := out.Probe(t.Context(), fax); !errors.As(err, new(*spool.FolderError)) {
		t.Errorf("of a folder that is gone: %v", err)
	}
}

// visible reads what is not in the staging directory.
func visible(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		content, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(content)
	}
	return files
}
