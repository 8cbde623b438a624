//go:build unix

package targets

import (
	"os"
	"syscall"
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
