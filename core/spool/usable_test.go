package spool

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestUsable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		folder string
		fault  Fault
		is     error
	}{
		{dir, "", nil},
		{filepath.Join(dir, "gone"), Missing, fs.ErrNotExist},
		{file, NotFolder, nil},
		{filepath.Join(file, "below"), Unreachable, nil},
	} {
		if runtime.GOOS == "windows" && tt.fault == Unreachable {
			continue // says that it does not exist
		}
		for name, usable := range map[string]func(string) error{"Usable": Usable, "TryWriting": TryWriting} {
			err := usable(tt.folder)
			var e *FolderError
			switch {
			case tt.fault == "" && err == nil:
			case !errors.As(err, &e) || e.Fault != tt.fault || tt.is != nil && !errors.Is(err, tt.is):
				t.Errorf("%s: %v, want the fault %q", name, err, tt.fault)
			case !strings.HasPrefix(err.Error(), tt.folder+" "+string(tt.fault)):
				t.Errorf("%s: %v: does not name the folder and its fault", name, err)
			}
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("something was left behind: %v, %v", left, err)
	}
}
