//go:build unix

package spool

import (
	"io/fs"
	"os"
	"syscall"
)

// ownerIsUs says whether a directory belongs to the user who runs this, or to
// root.
func ownerIsUs(info fs.FileInfo) (owner int, ours bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1, false
	}
	owner = int(st.Uid)
	return owner, owner == os.Geteuid() || owner == 0
}

// inode is the number of the directory in its file system; 0 where it is not known.
func (d *dir) inode() uint64 {
	if d != nil {
		if st, ok := d.info.Sys().(*syscall.Stat_t); ok {
			return uint64(st.Ino)
		}
	}
	return 0
}
