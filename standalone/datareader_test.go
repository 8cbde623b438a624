package standalone

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"
)

func TestNewlines(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in, want string
		bare     bool
	}{
		{"", "", false},
		{"a\r\nb\r\n", "a\r\nb\r\n", false},
		{"a\nb", "a\r\nb", true},
		{"a\rb", "a\r\nb", true},
		{"a\r\r\nb", "a\r\nb", true},
		{"a\r\r\r\r\nb", "a\r\nb", true},
		{"a\r\rb", "a\r\n\r\nb", true},
		{"a\n\r\nb", "a\r\n\r\nb", true},
		{"a\r\n\rb", "a\r\n\r\nb", true},
		{"a\r", "a\r\n", true},
		{".\r\n..\r\n", ".\r\n..\r\n", false},
		{strings.Repeat("\r", 100) + "x", strings.Repeat("\r\n", 100) + "x", true},
		{strings.Repeat("\r", 100) + "\n", strings.Repeat("\r\n", 100-maxHeldCR+1), true},
	}
	for _, tt := range tests {
		for name, split := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "EOF with data": iotest.DataErrReader,
		} {
			var bare atomic.Bool
			got, err := io.ReadAll(&newlineChecker{r: split(strings.NewReader(tt.in)), bare: &bare})
			if string(got) != tt.want || err != nil || bare.Load() != tt.bare {
				t.Errorf("%.20q (%s): %.60q, %v, bare %v; want %.60q, bare %v", tt.in, name, got, err, bare.Load(), tt.want, tt.bare)
			}
		}
	}
}

func TestNewlineCheckerPassesErrorsOn(t *testing.T) {
	t.Parallel()
	r := &newlineChecker{r: io.MultiReader(strings.NewReader("a\r"), iotest.ErrReader(io.ErrUnexpectedEOF)), bare: new(atomic.Bool)}
	if got, err := io.ReadAll(r); string(got) != "a" || err != io.ErrUnexpectedEOF {
		t.Errorf("%q, %v", got, err)
	}
}

// scriptedConn is a client that sends pieces, one each Read, and hears nothing.
type scriptedConn struct {
	net.Conn // for deadlines and addresses
	pieces   [][]byte
	heard    bytes.Buffer
}

func (c *scriptedConn) Read(p []byte) (int, error) {
	if len(c.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.pieces[0])
	if c.pieces[0] = c.pieces[0][n:]; len(c.pieces[0]) == 0 {
		c.pieces = c.pieces[1:]
	}
	return n, nil
}

func (c *scriptedConn) Write(p []byte) (int, error) { return c.heard.Write(p) }

// cut splits b at places that are taken from seed.
func cut(b, seed []byte) (pieces [][]byte) {
	for i := 0; len(b) > 0; i++ {
		n := len(b)
		if len(seed) > 0 {
			n = min(n, 1+int(seed[i%len(seed)]))
		}
		pieces, b = append(pieces, b[:n]), b[n:]
	}
	return pieces
}

// lenient reads a message as leniently as textproto does.
func lenient(_ *conn, text *textproto.Reader) ([]byte, error) { return io.ReadAll(text.DotReader()) }

// directly reads up to maximum bytes of a message as a session does, and leaves the
// rest to go-smtp.
func directly(maximum int64) func(*conn, *textproto.Reader) ([]byte, error) {
	return func(c *conn, text *textproto.Reader) ([]byte, error) {
		message, err := io.ReadAll(io.LimitReader(c.body(nil), maximum))
		if err != nil {
			return nil, err
		}
		rest, err := lenient(c, text)
		if int64(len(message)) < maximum && len(rest) > 0 {
			return nil, fmt.Errorf("%q is left of a message that was at its end", rest)
		}
		return bytes.ReplaceAll(message, []byte("\r\n"), []byte("\n")), err
	}
}

// run plays a server that answers any line and takes a message behind each
// DATA.
func run(pieces [][]byte, read func(*conn, *textproto.Reader) ([]byte, error)) (commands, messages []string, bare []bool, heard string) {
	pipe, other := net.Pipe()
	defer other.Close()
	defer pipe.Close()
	client := &scriptedConn{Conn: pipe, pieces: pieces}
	o := wireTestOptions()
	c := newConn(client, &o, nil)
	text := textproto.NewReader(bufio.NewReader(c))
	io.WriteString(c, "220 gw.test\r\n")
	for c.SetReadDeadline(time.Time{}) == nil {
		line, err := text.ReadLineBytes()
		if err != nil {
			break
		}
		commands = append(commands, string(line))
		if size := bdatSize(string(line)); size > 0 {
			chunk, err := io.ReadAll(io.LimitReader(text.R, size))
			commands = append(commands, string(chunk))
			if err != nil {
				break
			}
		}
		if !strings.EqualFold(string(line), "DATA") {
			io.WriteString(c, "250 OK\r\n")
			continue
		}
		io.WriteString(c, "354 \r\n")
		message, err := read(c, text)
		if err != nil {
			break
		}
		messages, bare = append(messages, string(message)), append(bare, c.bareNewline())
		io.WriteString(c, "250 OK\r\n")
	}
	return commands, messages, bare, client.heard.String()
}

func bdatSize(line string) int64 {
	if !strings.EqualFold(line[:min(len(line), 4)], "BDAT") {
		return 0
	}
	return chunkSize(line)
}

// However a stream is cut, it gives the same commands and messages, and there
// are never more messages than true ends.
func FuzzConn(f *testing.F) {
	for _, seed := range []string{
		"EHLO c\r\nDATA\r\na\r\n.\r\nQUIT\r\n", "DATA\r\n.\r\nDATA\r\n..\r\n.x\r\n.\r\n", "DATA\r\na\n.\nNOOP\r\n\r\n.\r\n",
		"DATA\r\na\r\n.\r\r\nDATA\r\n.\r\n", "DATA\r\na\r\r\n.\r\nDATA\r\nb\r\n.\r\n", "BDAT 5 LAST\r\nab\r\ncNOOP\r\n", "DATA\r\n\r.\r\r\n.\r\n",
		"NOOP\x00\r\nPOST / \r\n", "DATA\r\n.\r.\r\n.\n.\r\n\r\n.\r\n",
	} {
		f.Add([]byte(seed), []byte{0})
		f.Add([]byte(seed), []byte{2, 0, 7})
	}
	f.Fuzz(func(t *testing.T, stream, seed []byte) {
		if len(stream) > 4096 {
			return // slow, and long lines have tests of their own
		}
		commands, messages, bare, heard := run(cut(stream, nil), lenient)
		c2, m2, b2, h2 := run(cut(stream, seed), directly(1<<20))
		if a, b := strconv.Quote(strings.Join(commands, "|")), strconv.Quote(strings.Join(c2, "|")); a != b {
			t.Errorf("commands whole: %s\ncut: %s", a, b)
		}
		if a, b := strconv.Quote(strings.Join(messages, "|")), strconv.Quote(strings.Join(m2, "|")); a != b {
			t.Errorf("messages whole: %s\ncut: %s", a, b)
		}
		if heard != h2 || len(bare) != len(b2) {
			t.Errorf("replies whole: %q\ncut: %q", heard, h2)
		}
		limit := int64(len(seed))
		c3, m3, _, h3 := run(cut(stream, seed), directly(limit))
		if a, b := strings.Join(commands, "|"), strings.Join(c3, "|"); a != b || heard != h3 || len(m3) != len(messages) {
			t.Errorf("commands after whole messages: %q\nafter %d bytes of each: %q", a, limit, b)
		}
		if ends := bytes.Count(stream, []byte("\n.\r\n")); len(messages) > ends {
			t.Errorf("%d messages, %d ends", len(messages), ends)
		}
		if bytes.Contains(stream, bytes.Repeat([]byte("\r"), maxHeldCR)) {
			return
		}
		checkAgainstReference(t, stream, commands, messages)
	})
}

// checkAgainstReference reads the stream once more, naively.
func checkAgainstReference(t *testing.T, stream []byte, commands, messages []string) {
	rest, n, spoken, bad := string(stream), 0, false, 0
	expect := func(kind string, list []string, i int, want string) {
		if i >= len(list) || list[i] != want {
			t.Fatalf("%s %d: want %q in %q", kind, i, want, list)
		}
	}
	m := 0
	for {
		line, after, ok := strings.Cut(rest, "\n")
		if !ok {
			break
		}
		rest = after
		long := len(line)+1 > maxCommandLine
		if !spoken && !long && isForeign([]byte(line+"\n")) {
			break
		}
		if long || strings.Contains(line, "\x00") {
			spoken = true
			if bad++; bad > maxBadLines {
				break
			}
			continue
		}
		spoken = true
		line = strings.TrimSuffix(line, "\r")
		expect("command", commands, n, line)
		n++
		if size := bdatSize(line); size > 0 {
			k := min(int(size), len(rest))
			expect("chunk", commands, n, rest[:k])
			rest = rest[k:]
			n++
			if k < int(size) {
				break
			}
		}
		if !strings.EqualFold(line, "DATA") {
			continue
		}
		body, after, ok := strings.Cut("\r\n"+rest, "\r\n.\r\n")
		if !ok {
			break
		}
		rest = after
		expect("message", messages, m, referenceMessage(body))
		m++
		if strings.HasSuffix(body, "\r") {
			break // a doubtful end
		}
	}
	if n != len(commands) || m != len(messages) {
		t.Fatalf("%d commands and %d messages, want %d and %d", len(commands), len(messages), n, m)
	}
}

// referenceMessage is body, which begins with CRLF and lacks the one before the
// final dot, as textproto's DotReader gives it: with LF.
func referenceMessage(body string) string {
	if body == "" {
		return ""
	}
	lines := strings.Split(body[2:]+"\r\n", "\r\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, ".")
	}
	text := strings.Join(lines, "\r\n")
	for strings.Contains(text, "\r\r\n") {
		text = strings.ReplaceAll(text, "\r\r\n", "\r\n")
	}
	return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
}

func BenchmarkDataFilter(b *testing.B) {
	line := strings.Repeat("0123456789abcdef", 4) + "0123456789ab\r\n"
	in := []byte(strings.Repeat(line, wireBuffer/len(line)))
	f := newDataFilter(nil)
	out := make([]byte, 0, 2*len(in))
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		f.filter(out, in)
	}
}
