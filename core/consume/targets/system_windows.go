package targets

import (
	"os"
	"path/filepath"
)

func giveToGroup(*os.File, string) {}

func syncFolder(string) error { return nil }

func syncOpen(*os.File) error { return nil }

// moveOpen: only a path moves a file here, and it stays within to.
func moveOpen(from *os.Root, name string, to *os.Root, as string) error {
	way, err := filepath.Rel(to.Name(), from.Name())
	if err != nil {
		return err
	}
	return to.Rename(filepath.Join(way, name), as)
}
