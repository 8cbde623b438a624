// Package socket opens the listeners that mail servers on the same host reach
// us at: Unix sockets with mode and group, TCP ports, or sockets of systemd,
// written as mail servers write them.
package socket

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
)

// Socket says where a mail server reaches us.
type Socket struct {
	// Spec is unix:PATH (or local:PATH), inet:HOST:PORT, inet6:[HOST]:PORT,
	// libmilter's inet:PORT@HOST, or fd: for a socket of systemd.
	Spec  string
	Mode  fs.FileMode // of a unix socket
	Group string      // of a unix socket; empty: the process's
}

// address is Spec in the terms of package net; network "fd" is systemd's.
func (s Socket) address() (network, address string, err error) {
	kind, rest, ok := strings.Cut(s.Spec, ":")
	if !ok {
		return "", "", s.malformed()
	}
	switch kind {
	case "unix", "local":
		if rest == "" {
			return "", "", s.malformed()
		}
		return "unix", rest, nil
	case "fd":
		return "fd", rest, nil
	case "inet", "inet6":
		network = map[string]string{"inet": "tcp4", "inet6": "tcp6"}[kind]
		if port, host, ok := strings.Cut(rest, "@"); ok {
			rest = net.JoinHostPort(strings.Trim(host, "[]"), port)
		}
		host, port, err := net.SplitHostPort(rest)
		if err != nil || host == "" {
			return "", "", s.malformed()
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || (n == 0 && port != "0") {
			return "", "", s.malformed()
		}
		return network, rest, nil
	}
	return "", "", s.malformed()
}

func (s Socket) malformed() error {
	return fmt.Errorf("%q: write unix:/run/smtpreceiver/NAME.sock, inet:127.0.0.1:PORT, inet6:[::1]:PORT or, for a socket of systemd, fd:NAME", s.Spec)
}

// Check says what is wrong with the socket's settings, without opening it.
func (s Socket) Check() error {
	_, _, err := s.address()
	return err
}

// CheckGroup says whether this machine has the group of a Unix socket.
func (s Socket) CheckGroup() error {
	if network, _, _ := s.address(); network != "unix" || s.Group == "" {
		return nil
	}
	_, err := s.gid()
	return err
}

func (s Socket) gid() (int, error) {
	g, err := user.LookupGroup(s.Group)
	if err != nil {
		return 0, fmt.Errorf("socket_group: %w", err)
	}
	gid, err := strconv.Atoi(g.Gid)
	if err != nil {
		return 0, fmt.Errorf("socket_group %s: %w", s.Group, err)
	}
	return gid, nil
}

// Target is where a client on this host reaches the socket, in the terms of
// package net.
func (s Socket) Target() (network, address string, err error) {
	network, address, err = s.address()
	switch network {
	case "fd":
		return "", "", fmt.Errorf("%q: only systemd knows where it listens", s.Spec)
	case "tcp4", "tcp6":
		host, port, err := net.SplitHostPort(address)
		if ip, bad := netip.ParseAddr(host); bad == nil && ip.IsUnspecified() { // listens on all
			address = net.JoinHostPort(map[string]string{"tcp4": "127.0.0.1", "tcp6": "::1"}[network], port)
		}
		return network, address, err
	}
	return network, address, err
}

// Listen opens the socket. A unix socket that a dead process left is replaced;
// one that somebody serves is an error.
func Listen(s Socket) (net.Listener, error) {
	network, address, err := s.address()
	if err != nil {
		return nil, err
	}
	var l net.Listener
	switch network {
	case "fd":
		l, err = inherited(address)
	case "unix":
		l, err = s.listenUnix(address)
	default:
		l, err = net.Listen(network, address)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Spec, err)
	}
	return l, nil
}

// inherited takes the socket that systemd opened for us, by its
// FileDescriptorName if there are several.
func inherited(name string) (net.Listener, error) {
	named, err := activation.ListenersWithNames()
	if err != nil {
		return nil, err
	}
	var all []net.Listener
	for n, listeners := range named {
		if name == "" || n == name {
			all = append(all, listeners...)
		}
	}
	if len(all) != 1 {
		return nil, fmt.Errorf("systemd passed %d sockets that fit, one is needed: start the program from its socket unit, and name the socket (fd:NAME, FileDescriptorName=NAME) where there are several", len(all))
	}
	return all[0], nil
}

// listenUnix makes the socket in a private folder, gives it its mode and group,
// and moves it into place: under no umask can another user connect before that.
func (s Socket) listenUnix(path string) (net.Listener, error) {
	if err := removeStale(path); err != nil {
		return nil, err
	}
	private, err := os.MkdirTemp(filepath.Dir(path), ".s")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(private)
	temporary := filepath.Join(private, "s")
	if longest := len(syscall.RawSockaddrUnix{}.Path) - 1; max(len(path), len(temporary)) > longest {
		return nil, fmt.Errorf("the path is too long for a socket (%d bytes at most, its folder %d): choose a shorter one", longest, longest-len(temporary)+len(filepath.Dir(path)))
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: temporary, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err := s.handOver(temporary, path); err != nil {
		l.Close()
		return nil, err
	}
	return &unixListener{UnixListener: l, path: path}, nil
}

func (s Socket) handOver(temporary, path string) error {
	if err := os.Chmod(temporary, s.Mode); err != nil {
		return err
	}
	if s.Group != "" {
		gid, err := s.gid()
		if err != nil {
			return err
		}
		if err := os.Chown(temporary, -1, gid); err != nil {
			return fmt.Errorf("socket_group %s: %w: run as root or as a member of the group", s.Group, err)
		}
	}
	return os.Rename(temporary, path)
}

// removeStale removes a socket that no process listens on.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s exists and is not a socket: remove it or choose another path", path)
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
		return fmt.Errorf("%s is in use: another process serves it", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

// unixListener removes its socket when it is closed, and only once: a second
// process may have made its own in the meantime.
type unixListener struct {
	*net.UnixListener
	path  string
	close sync.Once
}

// Addr is where the socket is, and not where it was made.
func (l *unixListener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

func (l *unixListener) Close() error {
	l.close.Do(func() { os.Remove(l.path) })
	return l.UnixListener.Close()
}
