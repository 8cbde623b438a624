package guard

import (
	"bufio"
	"bytes"
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
	"smtpreceiver/milter/guard/guardtest"
)

// acceptAll is a filter that answers all that needs an answer.
type acceptAll struct{ milter.NoOpMilter }

func serveLibrary(l net.Listener) *milter.Server {
	s := milter.NewServer(milter.WithMilter(func() milter.Milter { return acceptAll{} }))
	go s.Serve(l)
	return s
}

func newGuardedServer(t testing.TB, l net.Listener) {
	t.Helper()
	s := serveLibrary(&Listener{Acceptor: socket.NewAcceptor(l, slog.New(slog.DiscardHandler)), Open: new(socket.Open[*Conn])})
	t.Cleanup(func() { s.Close() })
}

func TestGuardedServerSurvivesMalformedFrames(t *testing.T) {
	t.Parallel()
	l := guardtest.Listen(t)
	newGuardedServer(t, l)
	bystander := guardtest.Dial(t, l.Addr())
	guardtest.Ask(t, bystander, guardtest.Negotiation)

	for _, test := range guardtest.Malformed {
		c := guardtest.Dial(t, l.Addr())
		if raw, ok := strings.CutPrefix(test.Raw, guardtest.Negotiation); ok {
			guardtest.Ask(t, c, guardtest.Negotiation)
			io.WriteString(c, raw)
		} else {
			io.WriteString(c, test.Raw)
		}
		if answer, err := io.ReadAll(c); len(answer) > 0 || guardtest.IsTimeout(err) {
			t.Errorf("%s: answer %q, %v; want the connection closed", test.Name, answer, err)
		}
		if answer := guardtest.Ask(t, bystander, guardtest.Frame('M', "<a@x.test>\x00")); answer != "c" {
			t.Errorf("%s: another connection gets %q, want c", test.Name, answer)
		}
	}
	guardtest.Ask(t, guardtest.Dial(t, l.Addr()), guardtest.Negotiation)
}

// TestUnguardedServerDies shows that the guard is needed. If it fails, the
// library has learned to survive. The server is this test program, started once
// more for each frame.
func TestUnguardedServerDies(t *testing.T) {
	t.Parallel()
	const asServer = "SMTPRECEIVER_TEST_UNGUARDED"
	if os.Getenv(asServer) != "" {
		l := guardtest.Listen(t)
		serveLibrary(l)
		fmt.Println(l.Addr())
		io.Copy(io.Discard, os.Stdin) // until the other side is gone
		return
	}
	for _, test := range guardtest.Killers {
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
		io.WriteString(c, test.Raw)
		io.Copy(io.Discard, c) // until the server is gone, or has closed the connection
		c.Close()
		// The connection closes before the panic has ended the process: one that
		// survives is ended by its input.
		survived := time.AfterFunc(10*time.Second, func() { in.Close() })
		defer survived.Stop()
		if err := server.Wait(); err == nil || !strings.Contains(stderr.String(), "panic: runtime error") {
			t.Errorf("%s: the unguarded server ended with %v, want a panic\n%s", test.Name, err, &stderr)
		}
	}
}

// FuzzGuardedServer: whatever comes, the library behind the guard does not
// panic, and the connection ends.
func FuzzGuardedServer(f *testing.F) {
	l := make(guardtest.Pipes)
	newGuardedServer(f, l)

	f.Add([]byte(strings.TrimPrefix(shortDialog(), guardtest.Negotiation)))
	for _, test := range guardtest.Malformed {
		f.Add([]byte(strings.TrimPrefix(test.Raw, guardtest.Negotiation)))
		f.Add([]byte(test.Raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, prefix := range []string{"", guardtest.Negotiation} {
			client, server := net.Pipe()
			l <- server
			go func() {
				io.WriteString(client, prefix)
				client.Write(raw)
				client.Write([]byte(guardtest.Frame('Q', "")))
				client.Close()
			}()
			client.SetReadDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.Copy(io.Discard, client); guardtest.IsTimeout(err) {
				t.Errorf("connection still open after %q", raw)
			}
		}
	})
}
