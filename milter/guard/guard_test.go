package guard

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"smtpreceiver/milter/guard/guardtest"
)

// fromMTA is a connection on which in arrives and then the end; out is thrown away.
type fromMTA struct {
	net.Conn
	in io.Reader
}

func (c fromMTA) Read(p []byte) (int, error) { return c.in.Read(p) }

func TestGuardRefusesMalformedFrames(t *testing.T) {
	t.Parallel()
	for _, test := range guardtest.Malformed {
		whole, _ := strings.CutPrefix(test.Raw, guardtest.Negotiation)
		g := New(fromMTA{in: strings.NewReader(test.Raw)})
		got, err := io.ReadAll(g)
		if !errors.Is(err, errFrame) {
			t.Errorf("%s: error %v, want %v", test.Name, err, errFrame)
		}
		if strings.HasSuffix(string(got), whole) {
			t.Errorf("%s: handed on wholly", test.Name)
		}
		if n, again := g.Read(make([]byte, 10)); n != 0 || again != err {
			t.Errorf("%s: the next read gives %d bytes and %v, want the same error", test.Name, n, again)
		}
	}
}

// dialog is what Postfix and Sendmail send, and the extremes of what they may send.
var dialog = []string{
	guardtest.Negotiation,
	guardtest.Frame('D', "C"), guardtest.Frame('D', "Cj\x00mx.test\x00{daemon_name}\x00\x00"),
	guardtest.Frame('C', "host\x004\x12\x34192.0.2.1\x00"), guardtest.Frame('C', "host\x006\x12\x34IPv6:2001:db8::1\x00"),
	guardtest.Frame('C', "localhost\x00L\x00\x00/run/x\x00"), guardtest.Frame('C', "unknown\x00U"), guardtest.Frame('C', "\x00U"),
	guardtest.Frame('H', "client.test\x00"), guardtest.Frame('H', "\x00"),
	guardtest.Frame('M', "<>\x00"), guardtest.Frame('M', "<a@x.test>\x00SIZE=1\x00BODY=8BITMIME\x00"),
	guardtest.Frame('R', "<1@fax>\x00NOTIFY=NEVER\x00"), guardtest.Frame('U', "FOO bar\x00"), guardtest.Frame('T', ""),
	guardtest.Frame('L', "Subject\x00 x\n\ty\x00"), guardtest.Frame('L', "Empty\x00\x00"), guardtest.Frame('L', "Long\x00"+strings.Repeat("x", 300<<10)+"\x00"),
	guardtest.Frame('N', ""), guardtest.Frame('B', "no NUL at the end"), guardtest.Frame('B', strings.Repeat("\x00b", 1<<19)),
	guardtest.Frame('E', ""), guardtest.Frame('A', ""), guardtest.Frame('K', ""), guardtest.Frame('Q', ""),
}

// shortDialog is the dialog without its long frames, for the fuzz tests.
func shortDialog() string {
	short := slices.DeleteFunc(slices.Clone(dialog), func(raw string) bool { return len(raw) > 1000 })
	return strings.Join(short, "")
}

func TestGuardPassesWhatMTAsSend(t *testing.T) {
	t.Parallel()
	raw := strings.Join(dialog, "")
	for name, in := range map[string]io.Reader{
		"whole":          strings.NewReader(raw),
		"byte by byte":   iotest.OneByteReader(strings.NewReader(raw)),
		"halves":         iotest.HalfReader(strings.NewReader(raw)),
		"end with bytes": iotest.DataErrReader(strings.NewReader(raw)),
	} {
		got, err := io.ReadAll(New(fromMTA{in: in}))
		if err != nil || string(got) != raw {
			t.Errorf("%s: %d of %d bytes, %v", name, len(got), len(raw), err)
		}
	}
}

// TestGuardLargestFrame: a frame as long as may be passes, one byte more does not.
func TestGuardLargestFrame(t *testing.T) {
	t.Parallel()
	const largest, largestFirst = 1<<20 + 1<<10, 64 << 10
	for more, want := range map[int]error{0: nil, 1: errFrame} {
		raw := guardtest.Negotiation + guardtest.Frame('B', strings.Repeat("x", largest-len("B")+more))
		if got, err := io.ReadAll(New(fromMTA{in: strings.NewReader(raw)})); !errors.Is(err, want) || want == nil && len(got) != len(raw) {
			t.Errorf("%d bytes more: %d of %d bytes, %v", more, len(got), len(raw), err)
		}
		raw = guardtest.Frame('O', strings.Repeat("x", largestFirst-len("O")+more))
		if got, err := io.ReadAll(New(fromMTA{in: strings.NewReader(raw)})); !errors.Is(err, want) || want == nil && len(got) != len(raw) {
			t.Errorf("negotiation, %d bytes more: %d of %d bytes, %v", more, len(got), len(raw), err)
		}
	}
}

func TestGuardTellsAnEndInsideAFrame(t *testing.T) {
	t.Parallel()
	raw := guardtest.Negotiation + guardtest.Frame('M', "<a@x.test>\x00")
	for n := range len(raw) {
		_, err := io.ReadAll(New(fromMTA{in: strings.NewReader(raw[:n])}))
		if proper := n == 0 || n == len(guardtest.Negotiation); proper && err != nil || !proper && err != io.ErrUnexpectedEOF {
			t.Errorf("end after %d bytes: %v", n, err)
		}
	}
}

// countingReader counts the reads that reach the socket.
type countingReader struct {
	io.Reader
	reads int
}

func (c *countingReader) Read(p []byte) (int, error) {
	c.reads++
	return c.Reader.Read(p)
}

func TestGuardReadsManyFramesAtOnce(t *testing.T) {
	t.Parallel()
	raw := guardtest.Negotiation + strings.Repeat(guardtest.Frame('R', "<1@fax>\x00"), 500)
	in := &countingReader{Reader: strings.NewReader(raw)}
	g := New(fromMTA{in: in})
	for range 501 { // as the library reads: the length, then the rest
		head := make([]byte, 4)
		if _, err := io.ReadFull(g, head); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, g, int64(binary.BigEndian.Uint32(head))); err != nil {
			t.Fatal(err)
		}
	}
	if in.reads > 3 {
		t.Errorf("%d bytes took %d reads", len(raw), in.reads)
	}
}

func TestGuardDoesNotWaitBehindAnEmptyFrame(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	defer client.Close()
	go client.Write(make([]byte, 4))
	if _, err := New(server).Read(make([]byte, 4)); !errors.Is(err, errFrame) {
		t.Errorf("error %v, want %v", err, errFrame)
	}
}

// FuzzGuardSplit: what is handed on does not depend on how it comes, and is a
// beginning of what came.
func FuzzGuardSplit(f *testing.F) {
	f.Add([]byte(shortDialog()))
	for _, test := range guardtest.Malformed {
		f.Add([]byte(test.Raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		whole, err := io.ReadAll(New(fromMTA{in: bytes.NewReader(raw)}))
		if !bytes.HasPrefix(raw, whole) {
			t.Errorf("%q is no beginning of %q", whole, raw)
		}
		if err == nil && len(whole) != len(raw) {
			t.Errorf("%d of %d bytes without an error", len(whole), len(raw))
		}
		bytewise, err2 := io.ReadAll(New(fromMTA{in: iotest.OneByteReader(bytes.NewReader(raw))}))
		if errors.Is(err, errFrame) != errors.Is(err2, errFrame) {
			t.Errorf("%v, but byte by byte %v", err, err2)
		}
		if err == nil && !bytes.Equal(whole, bytewise) {
			t.Errorf("%q, but byte by byte %q", whole, bytewise)
		}
	})
}
