//go:build unix

package targets

import (
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// giveToGroup lets the group of folder use a file, if we may.
func giveToGroup(f *os.File, folder string) {
	if info, err := os.Stat(folder); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			_ = f.Chown(-1, int(st.Gid)) // a group we are not in: see the recipes for what is needed then
		}
	}
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return syncOpen(f)
}

// syncOpen brings the names in an open folder to disk.
func syncOpen(f *os.File) error { return f.Sync() }

func moveOpen(from *os.Root, name string, to *os.Root, as string) error {
	old, err := from.Open(".")
	if err != nil {
		return err
	}
	defer old.Close()
	fresh, err := to.Open(".")
	if err != nil {
		return err
	}
	defer fresh.Close()
	if err := unix.Renameat(int(old.Fd()), name, int(fresh.Fd()), as); err != nil {
		return &os.LinkError{Op: "rename", Old: filepath.Join(from.Name(), name), New: filepath.Join(to.Name(), as), Err: err}
	}
	return nil
}
