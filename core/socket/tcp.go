package socket

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
)

// ListenTCP opens a port at an address (empty: all addresses); keys are the
// settings that say so.
func ListenTCP(keys, address string, port int) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(address, fmt.Sprint(port)))
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, os.ErrPermission):
		err = fmt.Errorf("%w: ports below 1024 need root or CAP_NET_BIND_SERVICE", err)
	}
	return nil, fmt.Errorf("%s: %w", keys, err)
}

// Peer is the address of the other side; zero if it has none, as at a Unix
// socket.
func Peer(c net.Conn) netip.Addr {
	a, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return a.AddrPort().Addr().Unmap().WithZone("")
}
