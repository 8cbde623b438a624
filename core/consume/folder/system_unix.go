//go:build unix

package folder

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// nonblock keeps a FIFO that took a file's place from holding us up.
const nonblock = unix.O_NONBLOCK

// owner is who a file belongs to.
type owner struct{ user, group int }

func ownerOf(info fs.FileInfo) owner {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return owner{int(st.Uid), int(st.Gid)}
	}
	return owner{-1, -1}
}

func (o owner) String() string { return userName(o.user) }

func userName(id int) string {
	if u, err := user.LookupId(strconv.Itoa(id)); err == nil {
		return u.Username
	}
	return strconv.Itoa(id)
}

// believed tells whether we may trust what belongs to an owner inside of an
// output folder: ourselves and root. Root acts for the owner of the folder.
func believed(of, folder owner) bool {
	me := os.Geteuid()
	return of.user == me || of.user == 0 || me == 0 && of.user == folder.user
}

func rootOwned(o owner) bool { return o.user == 0 }

// me is the user that entries of an output folder should belong to.
func me(folder owner) string {
	if os.Geteuid() == 0 {
		return folder.String()
	}
	return userName(os.Geteuid())
}

// hand gives a new entry the owner of the folder around it, if root made it.
func (d *dir) hand(f *os.File) error {
	if os.Geteuid() != 0 || d.owner.user == 0 {
		return nil
	}
	return f.Chown(d.owner.user, d.owner.group)
}

// onlyOurs takes others' right to write from a folder that is ours.
func onlyOurs(d *dir) error {
	info, err := d.self.Stat()
	if err != nil || info.Mode().Perm()&writable == 0 {
		return err
	}
	return d.self.Chmod(info.Mode() &^ writable)
}

// move renames an entry from one open folder to another.
func move(from *dir, name string, to *dir, as string) error {
	err := unix.Renameat(int(from.self.Fd()), name, int(to.self.Fd()), as)
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from.path + "/" + name, New: to.path + "/" + as, Err: err}
	}
	return nil
}

// tryLock locks f, for all that share its descriptor; false if another has it.
// The spool's locks are those of gofrs/flock, which keeps its descriptor to
// itself; this one is inherited by the programs that work for the job.
func tryLock(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// inherited is what a child process gets of a lock.
func inherited(lock *os.File) []*os.File { return []*os.File{lock} }

func syncFolder(f *os.File) error { return f.Sync() }
