package guard

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// quickAck makes the kernel acknowledge at once what has been read from a TCP
// connection; others are returned as they are. Sendmail writes macros and
// command as two small packets and holds the second back until the first is
// acknowledged (Nagle's algorithm), which the kernel would do only after 40 ms:
// a message with 1,000 recipients would take 44 s. The kernel forgets the
// setting, so it is made again after each read.
func quickAck(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	return &quickAckConn{TCPConn: tcp, raw: raw}
}

type quickAckConn struct {
	*net.TCPConn
	raw syscall.RawConn
}

func (q *quickAckConn) Read(p []byte) (int, error) {
	n, err := q.TCPConn.Read(p)
	if n > 0 {
		q.raw.Control(setQuickAck) // without it, things are only slower
	}
	return n, err
}

func setQuickAck(fd uintptr) {
	unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
}
