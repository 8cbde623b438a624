package guard

import (
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"smtpreceiver/milter/guard/guardtest"
)

func TestQuickAckAfterEachRead(t *testing.T) {
	t.Parallel()
	l := guardtest.Listen(t)
	defer l.Close()
	client := guardtest.Dial(t, l.Addr())
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	raw, err := server.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	quick := func() (on int) {
		raw.Control(func(fd uintptr) { on, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK) })
		if err != nil {
			t.Fatal(err)
		}
		return on
	}
	g := New(server)
	for _, frames := range []string{guardtest.Negotiation, guardtest.Frame('M', "<a@x.test>\x00")} {
		raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0) })
		if err != nil || quick() != 0 {
			t.Fatalf("cannot switch quick acknowledgement off: %v", err)
		}
		io.WriteString(client, frames)
		if _, err := io.ReadFull(g, make([]byte, len(frames))); err != nil {
			t.Fatal(err)
		}
		if quick() != 1 {
			t.Errorf("no quick acknowledgement after %q", frames)
		}
	}
}

func TestQuickAckLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	for _, c := range []net.Conn{new(net.UnixConn), new(net.TCPConn)} { // the second is closed
		if quickAck(c) != c {
			t.Errorf("a %T is wrapped", c)
		}
	}
}
