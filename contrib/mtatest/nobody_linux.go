package mtatest

import (
	"errors"
	"runtime"

	"golang.org/x/sys/unix"
)

// nobody is a user, and a group, that owns nothing.
const nobody = 65534

// AsNobody does something as a user who owns nothing sees files; only root can.
func AsNobody(do func() error) error {
	out := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its user
		if err := errors.Join(unix.Setfsgid(nobody), unix.Setfsuid(nobody)); err != nil {
			out <- err
			return
		}
		out <- do()
	}()
	return <-out
}
