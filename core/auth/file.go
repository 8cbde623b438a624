package auth

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// maxUsersFile is the largest users file read, in bytes: some hundred thousand users.
const maxUsersFile = 32 << 20

// usersFile is the backend file. Each login looks whether the file has changed.
type usersFile struct {
	path   string
	log    *slog.Logger
	hasher *hasher
	table  atomic.Pointer[userTable]

	reading sync.Mutex // guards what follows
	seen    fs.FileInfo
	seenAt  time.Time
	sum     [sha256.Size]byte // of the file that table is of
	trouble string            // logged already
}

func newUsersFile(o Options, log *slog.Logger) (backend, error) {
	f := &usersFile{path: o.UsersFile, log: log, hasher: newHasher()}
	if err := f.read(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *usersFile) verify(ctx context.Context, user, password string) (name string, err error) {
	f.reload()
	stored, known := f.table.Load().lookup(user)
	matches, err := f.hasher.matches(ctx, stored, password)
	switch {
	case err != nil:
		return "", err
	case !known:
		return "", unknownUser(user)
	case !matches:
		return "", wrongPassword(user)
	}
	return user, nil // names count letter for letter
}

func (f *usersFile) Close() error { return nil }

// reload reads the file again if it has changed. While it cannot be read or has
// bad lines, the users it had before remain. Logins that come during a reload
// do not wait for it.
func (f *usersFile) reload() {
	if !f.reading.TryLock() {
		return
	}
	defer f.reading.Unlock()
	info, err := os.Stat(f.path)
	switch {
	case err != nil:
		f.seen = nil
	case f.unchanged(info):
		return
	default:
		err = f.read()
	}
	if err == nil {
		f.trouble = ""
		return
	}
	if err.Error() != f.trouble {
		f.trouble = err.Error()
		f.log.Error("users file not taken over, the users read before remain", "file", f.path, "error", err)
	}
}

// unchanged trusts the time of the file only when it is a second old: two
// changes within a tick of the file system's clock have the same time.
func (f *usersFile) unchanged(info fs.FileInfo) bool {
	return f.seen != nil && os.SameFile(info, f.seen) && info.Size() == f.seen.Size() &&
		info.ModTime().Equal(f.seen.ModTime()) && f.seenAt.Sub(info.ModTime()) > time.Second
}

// read takes over the users of the file, unless they are as before or something
// is wrong.
func (f *usersFile) read() error {
	file, err := openRegular(f.path)
	if err != nil {
		return bad("users_file", "%w", err)
	}
	defer file.Close()
	now := time.Now()
	info, err := file.Stat()
	if err != nil {
		return bad("users_file", "%w", err)
	}
	f.seen, f.seenAt = info, now
	data, err := io.ReadAll(io.LimitReader(file, maxUsersFile+1))
	if err != nil {
		return bad("users_file", "%w", err)
	}
	if len(data) > maxUsersFile {
		return bad("users_file", "%s has more than %d MiB", f.path, maxUsersFile>>20)
	}
	sum := sha256.Sum256(data)
	if f.table.Load() != nil && sum == f.sum {
		return nil
	}
	table, err := parseUsers(f.path, data)
	if err != nil {
		return err
	}
	f.table.Store(table)
	f.sum = sum
	f.log.Info("users file read", "file", f.path, "users", len(table.all))
	f.warnOfAccess(info)
	return nil
}

// openRegular opens a file that is one: opening a named pipe would wait for ever.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	return os.Open(path)
}

func (f *usersFile) warnOfAccess(info fs.FileInfo) {
	if mode := info.Mode().Perm(); mode&0o006 != 0 && runtime.GOOS != "windows" {
		f.log.Warn("users file is open to every user of this machine; allow only its group, with chmod o=",
			"file", f.path, "mode", fmt.Sprintf("%04o", mode))
	}
}
