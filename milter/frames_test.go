package milter

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"
)

func rawFrame(command byte, data string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(1+len(data)))) + string(command) + data
}

// negotiation offers all that protocol version 6 has.
var negotiation = rawFrame('O', "\x00\x00\x00\x06\x00\x00\x01\xff\x00\x1f\xff\xff")

func loopback(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func dial(t testing.TB, addr net.Addr) net.Conn {
	t.Helper()
	c, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second)) // a server that says nothing fails the test
	return c
}

// ask sends frames and reads the answer to the last of them.
func ask(t testing.TB, c net.Conn, raw string) string {
	t.Helper()
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	answer, err := readFrame(c)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	return answer
}

// readFrame reads one frame, without its length.
func readFrame(r io.Reader) (string, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return "", err
	}
	frame := make([]byte, binary.BigEndian.Uint32(head))
	_, err := io.ReadFull(r, frame)
	return string(frame), err
}

// malformed are frames of which each would end a process that serves go-milter
// without a guard, and some of other protocols.
var malformed = []struct{ name, raw string }{
	{"empty frame as negotiation", "\x00\x00\x00\x00"},
	{"empty frame", negotiation + "\x00\x00\x00\x00"},
	{"connect without family", negotiation + rawFrame('C', "host\x00")},
	{"connect without NUL", negotiation + rawFrame('C', "host")},
	{"MAIL without NUL", negotiation + rawFrame('M', "<a@x.test>")},
	{"RCPT without NUL", negotiation + rawFrame('R', "<1@fax>")},
	{"first frame no negotiation", rawFrame('M', "<a@x.test>\x00")},
	{"HTTP", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"},
	{"512 MiB claimed", negotiation + "\x1f\xff\xff\xffB"},
	{"header without value", negotiation + rawFrame('L', "Subject\x00")},
	{"macros without NUL", negotiation + rawFrame('D', "Mi")},
}

func isTimeout(err error) bool {
	netErr, ok := err.(net.Error)
	return ok && netErr.Timeout()
}

// pipes is a listener whose connections do not leave the process.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }
