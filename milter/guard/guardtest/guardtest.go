// Package guardtest speaks the milter protocol as mail servers do, and as they never
// should, for tests.
package guardtest

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"testing"
	"time"
)

// Frame is a command with its length in front.
func Frame(command byte, data string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(1+len(data)))) + string(command) + data
}

// Negotiation offers all that protocol version 6 has.
var Negotiation = Frame('O', "\x00\x00\x00\x06\x00\x00\x01\xff\x00\x1f\xff\xff")

// Malformation is a dialog that ends in a malformed frame.
type Malformation struct{ Name, Raw string }

// Killers are the frames that end a process that serves go-milter without a guard.
var Killers = []Malformation{
	{"empty frame as negotiation", "\x00\x00\x00\x00"},
	{"empty frame", Negotiation + "\x00\x00\x00\x00"},
	{"connect without family", Negotiation + Frame('C', "host\x00")},
	{"connect without NUL", Negotiation + Frame('C', "host")},
	{"MAIL without NUL", Negotiation + Frame('M', "<a@x.test>")},
	{"RCPT without NUL", Negotiation + Frame('R', "<1@fax>")},
}

// Malformed are those and others that no mail server sends.
var Malformed = append(slices.Clone(Killers), []Malformation{
	{"first frame no negotiation", Frame('M', "<a@x.test>\x00")},
	{"HTTP", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"},
	{"512 MiB claimed first", "\x1f\xff\xff\xffO"},
	{"65 KiB claimed first", "\x00\x01\x04\x00O"},
	{"512 MiB claimed", Negotiation + "\x1f\xff\xff\xffB"},
	{"more than 1 MiB claimed", Negotiation + "\x00\x10\x04\x01B"},
	{"negotiation too short", Frame('O', "\x00\x00\x00\x06\x00\x00\x01\xff\x00\x1f\xff")},
	{"empty connect", Negotiation + Frame('C', "")},
	{"empty HELO", Negotiation + Frame('H', "")},
	{"HELO without NUL", Negotiation + Frame('H', "host")},
	{"MAIL with bytes after its last NUL", Negotiation + Frame('M', "<a@x.test>\x00SIZE=1")},
	{"unknown without NUL", Negotiation + Frame('U', "FOO")},
	{"header without value", Negotiation + Frame('L', "Subject\x00")},
	{"header without last NUL", Negotiation + Frame('L', "Subject\x00 x\x00y")},
	{"body at the end of the message", Negotiation + Frame('E', "last")},
	{"macros without command", Negotiation + Frame('D', "")},
	{"macros without NUL", Negotiation + Frame('D', "Mi")},
}...)

// Listen listens at a free port of the loopback address.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Dial connects; a server that says nothing fails the test.
func Dial(t testing.TB, addr net.Addr) net.Conn {
	t.Helper()
	c, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// Ask sends frames and reads the answer to the last of them.
func Ask(t testing.TB, c net.Conn, raw string) string {
	t.Helper()
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	answer, err := Read(c)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	return answer
}

// Read reads one frame, without its length.
func Read(r io.Reader) (string, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return "", err
	}
	frame := make([]byte, binary.BigEndian.Uint32(head))
	_, err := io.ReadFull(r, frame)
	return string(frame), err
}

// IsTimeout says whether nothing came in time.
func IsTimeout(err error) bool {
	netErr, ok := err.(net.Error)
	return ok && netErr.Timeout()
}

// Pipes is a listener whose connections do not leave the process.
type Pipes chan net.Conn

// Accept implements net.Listener.
func (p Pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

// Close implements net.Listener.
func (p Pipes) Close() error { close(p); return nil }

// Addr implements net.Listener.
func (p Pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }
