//go:build unix

package core

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestModes: what a job says is for the folder's group to read, for none to change,
// and for others not at all; what is not finished is the service's own.
func TestModes(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	message := "Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\nContent-Type: application/pdf; name=a.pdf\n\nPDF\n--b--\n"
	b.send(t, localhost, "a@x.test", []string{"1@fax", "2@fax"}, message)
	files := 0
	err := filepath.WalkDir(b.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == b.dir {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(b.dir, path)
		mode := info.Mode().Perm()
		switch {
		case strings.HasPrefix(rel, "fax"+string(filepath.Separator)+"."):
			if mode&0o077 != 0 {
				t.Errorf("%s: mode %o, others can look into it", rel, mode)
			}
			if e.IsDir() {
				return fs.SkipDir // which it shuts
			}
		case filepath.Dir(rel) == "fax":
			files++
			if mode != 0o640 {
				t.Errorf("%s: mode %o, want 640", rel, mode)
			}
		case !e.IsDir() && mode&0o022 != 0:
			t.Errorf("%s: mode %o, others can write it", rel, mode)
		}
		return err
	})
	if err != nil || files < 4 {
		t.Errorf("%d files looked at, %v", files, err)
	}
}
