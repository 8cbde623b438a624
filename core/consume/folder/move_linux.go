package folder

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// moveNew is move to a name that nothing has.
func moveNew(from *dir, name string, to *dir, as string) error {
	err := unix.Renameat2(int(from.self.Fd()), name, int(to.self.Fd()), as, unix.RENAME_NOREPLACE)
	switch {
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS): // a file system that cannot
		return moveChecked(from, name, to, as)
	case err != nil:
		return &os.LinkError{Op: "rename", Old: from.path + "/" + name, New: to.path + "/" + as, Err: err}
	}
	return nil
}
