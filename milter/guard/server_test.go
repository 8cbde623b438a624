package guard

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/d--j/go-milter"

	"smtpreceiver/core/socket"
)

// acceptAll is a filter that answers all that needs an answer.
type acceptAll struct{ milter.NoOpMilter }

func serveLibrary(l net.Listener) *milter.Server {
	s := milter.NewServer(milter.WithMilter(func() milter.Milter { return acceptAll{} }))
	go s.Serve(l)
	return s
}

func loopback(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func newGuardedServer(t testing.TB, l net.Listener) {
	t.Helper()
	s := serveLibrary(&Listener{Acceptor: socket.NewAcceptor(l, slog.New(slog.DiscardHandler)), Open: new(socket.Open[*Conn])})
	t.Cleanup(func() { s.Close() })
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

func TestGuardedServerSurvivesMalformedFrames(t *testing.T) {
	t.Parallel()
	l := loopback(t)
	newGuardedServer(t, l)
	bystander := dial(t, l.Addr())
	ask(t, bystander, negotiation)

	for _, test := range malformed {
		c := dial(t, l.Addr())
		if raw, ok := strings.CutPrefix(test.raw, negotiation); ok {
			ask(t, c, negotiation)
			io.WriteString(c, raw)
		} else {
			io.WriteString(c, test.raw)
		}
		if answer, err := io.ReadAll(c); len(answer) > 0 || isTimeout(err) {
			t.Errorf("%s: answer %q, %v; want the connection closed", test.name, answer, err)
		}
		if answer := ask(t, bystander, rawFrame('M', "<a@x.test>\x00")); answer != "c" {
			t.Errorf("%s: another connection gets %q, want c", test.name, answer)
		}
	}
	ask(t, dial(t, l.Addr()), negotiation)
}

func isTimeout(err error) bool {
	netErr, ok := err.(net.Error)
	return ok && netErr.Timeout()
}

// TestUnguardedServerDies shows that the guard is needed. If it fails, the
// library has learned to survive. The server is this test program, started once
// more for each frame.
func TestUnguardedServerDies(t *testing.T) {
	t.Parallel()
	const asServer = "SMTPRECEIVER_TEST_UNGUARDED"
	if os.Getenv(asServer) != "" {
		l := loopback(t)
		serveLibrary(l)
		fmt.Println(l.Addr())
		io.Copy(io.Discard, os.Stdin) // until the other side is gone
		return
	}
	for _, test := range killers {
		server := exec.Command(os.Args[0], "-test.run=^TestUnguardedServerDies$")
		server.Env = append(os.Environ(), asServer+"=1")
		var stderr bytes.Buffer
		server.Stderr = &stderr
		in, err := server.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := server.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		addr, _ := bufio.NewReader(out).ReadString('\n')
		c, err := net.Dial("tcp", strings.TrimSpace(addr))
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(20 * time.Second))
		io.WriteString(c, test.raw)
		io.Copy(io.Discard, c) // until the server is gone, or has closed the connection
		c.Close()
		// The connection closes before the panic has ended the process: one that
		// survives is ended by its input.
		survived := time.AfterFunc(10*time.Second, func() { in.Close() })
		defer survived.Stop()
		if err := server.Wait(); err == nil || !strings.Contains(stderr.String(), "panic: runtime error") {
			t.Errorf("%s: the unguarded server ended with %v, want a panic\n%s", test.name, err, &stderr)
		}
	}
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

// FuzzGuardedServer: whatever comes, the library behind the guard does not
// panic, and the connection ends.
func FuzzGuardedServer(f *testing.F) {
	l := make(pipes)
	newGuardedServer(f, l)

	f.Add([]byte(strings.TrimPrefix(shortDialog(), negotiation)))
	for _, test := range malformed {
		f.Add([]byte(strings.TrimPrefix(test.raw, negotiation)))
		f.Add([]byte(test.raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, prefix := range []string{"", negotiation} {
			client, server := net.Pipe()
			l <- server
			go func() {
				io.WriteString(client, prefix)
				client.Write(raw)
				client.Write([]byte(rawFrame('Q', "")))
				client.Close()
			}()
			client.SetReadDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.Copy(io.Discard, client); isTimeout(err) {
				t.Errorf("connection still open after %q", raw)
			}
		}
	})
}
