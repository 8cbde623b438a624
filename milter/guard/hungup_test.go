package guard

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/socket"
	"smtpreceiver/milter/guard/guardtest"
)

func TestHungUpBeforeItWasAccepted(t *testing.T) {
	t.Parallel()
	var c socket.Open[*Conn]
	c.End((*Conn).HangUp)
	client, server := net.Pipe()
	defer client.Close()
	g := New(server)
	c.Add(g)
	if n, err := g.Read(make([]byte, 4)); n != 0 || err.Error() != "EOF" {
		t.Errorf("%d, %v; want the end", n, err)
	}
}

// TestHungUpWhileItWaits: a connection that waits for its next frame ends as if the MTA
// had closed it.
func TestHungUpWhileItWaits(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	defer client.Close()
	asked := make(chan struct{}, 1)
	g := New(askedConn{server, asked})
	read := make(chan error, 1)
	go func() {
		_, err := g.Read(make([]byte, 4))
		read <- err
	}()
	mtatest.Receive(t, "the read", asked)
	g.HangUp()
	if err := mtatest.Receive(t, "the read to end", read); err != io.EOF {
		t.Errorf("error %v, want the end", err)
	}
}

// askedConn tells when it is read from.
type askedConn struct {
	net.Conn
	asked chan struct{}
}

func (c askedConn) Read(p []byte) (int, error) {
	c.asked <- struct{}{}
	return c.Conn.Read(p)
}

func TestHasHungUp(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	defer client.Close()
	if hasHungUp(server) {
		t.Error("a pipe, which cannot be asked, has hung up")
	}
	l := guardtest.Listen(t)
	defer l.Close()
	c := guardtest.Dial(t, l.Addr())
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if hasHungUp(s) {
		t.Error("a silent client has hung up")
	}
	fmt.Fprint(c, "x")
	if hasHungUp(s) {
		t.Error("a talking client has hung up")
	}
	s.Close()
	for _, closed := range []net.Conn{s, new(net.TCPConn)} {
		if !hasHungUp(closed) {
			t.Error("a connection that we have closed has not hung up")
		}
	}
}

// TestProgressToNoOne: a progress notice fails if the MTA has hung up; an answer is
// left to the kernel.
func TestProgressToNoOne(t *testing.T) {
	t.Parallel()
	l := guardtest.Listen(t)
	defer l.Close()
	c := guardtest.Dial(t, l.Addr())
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	g := New(s)
	progress := []byte(guardtest.Frame('p', ""))
	if _, err := g.Write(progress); err != nil {
		t.Errorf("progress to one that waits: %v", err)
	}
	if _, err := io.ReadFull(c, make([]byte, len(progress))); err != nil {
		t.Fatal(err)
	}
	c.Close()
	for end := time.Now().Add(10 * time.Second); !hasHungUp(s); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the client has not hung up")
		}
	}
	if n, err := g.Write([]byte(guardtest.Frame('c', ""))); n == 0 || err != nil {
		t.Errorf("an answer: %d, %v", n, err)
	}
	if n, err := g.Write(progress); n != 0 || !errors.Is(err, errHungUp) {
		t.Errorf("progress: %d, %v, want %v", n, err, errHungUp)
	}
}

// TestNoFrameBehindTheEnd: a frame that has come with the one before is not handed on
// once the connection is hung up or closed.
func TestNoFrameBehindTheEnd(t *testing.T) {
	t.Parallel()
	for end, want := range map[string]error{"hung up": io.EOF, "closed": io.ErrClosedPipe} {
		client, server := net.Pipe()
		defer client.Close()
		g := New(server)
		g.timeout = func() time.Duration { return time.Minute }
		go io.WriteString(client, guardtest.Negotiation+guardtest.Frame('M', "<a@x.test>\x00"))
		if _, err := io.ReadFull(g, make([]byte, len(guardtest.Negotiation))); err != nil {
			t.Fatal(err)
		}
		if end == "closed" {
			g.Close()
		} else {
			g.HangUp()
		}
		if n, err := g.Read(make([]byte, 4)); n != 0 || err != want {
			t.Errorf("%s: %d bytes, %v, want %v", end, n, err, want)
		}
	}
}
