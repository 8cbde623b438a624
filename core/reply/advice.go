package reply

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// advice is what an administrator can do about an error of the file system.
var advice = []struct {
	err  error
	what string
}{
	{syscall.ENOSPC, "make room in its file system"},
	{syscall.EDQUOT, "make room, or raise the quota"},
	{syscall.EROFS, "make the file system writable; the kernel mounts one read-only when it finds errors, see its log"},
	{syscall.EIO, "check the disk; the kernel's log says more"},
	{syscall.EMFILE, "raise LimitNOFILE in the systemd unit, or lower thread_num"},
	{syscall.ENFILE, "the whole system is out of them: raise the sysctl fs.file-max"},
	{fs.ErrPermission, "make it writable for the user of the service"},
	{fs.ErrNotExist, "create it, or mount the file system that holds it"},
}

// Advised adds to an error of the file system what to do about it.
func Advised(err error) error {
	for _, a := range advice {
		if errors.Is(err, a.err) {
			return fmt.Errorf("%w: %s", err, a.what)
		}
	}
	return err
}
