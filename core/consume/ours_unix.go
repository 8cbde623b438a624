//go:build unix

package consume

import (
	"io/fs"
	"os"
	"syscall"
)

// ours tells what belongs to this user.
func ours(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}
