//go:build unix

package guard

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// hasHungUp says whether the other side has closed the connection, or has ended
// altogether.
func hasHungUp(c net.Conn) bool {
	conn, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return true
	}
	var gone bool
	err = raw.Control(func(fd uintptr) {
		n, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		gone = err == nil && n == 0 || err == unix.ECONNRESET
	})
	return gone || err != nil
}
