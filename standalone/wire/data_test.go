package wire

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
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
			got, err := io.ReadAll(File(split(strings.NewReader(tt.in)), false))
			if bare := errors.Is(err, ErrBare); string(got) != tt.want || err != nil && !bare || bare != tt.bare {
				t.Errorf("%.20q (%s): %.60q, %v; want %.60q, bare %v", tt.in, name, got, err, tt.want, tt.bare)
			}
		}
	}
}

func TestFilePassesErrorsOn(t *testing.T) {
	t.Parallel()
	r := File(io.MultiReader(strings.NewReader("a\r"), iotest.ErrReader(io.ErrUnexpectedEOF)), true)
	if got, err := io.ReadAll(r); string(got) != "a" || err != io.ErrUnexpectedEOF {
		t.Errorf("%q, %v", got, err)
	}
}

func BenchmarkDataFilter(b *testing.B) {
	line := strings.Repeat("0123456789abcdef", 4) + "0123456789ab\r\n"
	in := []byte(strings.Repeat(line, bufferSize/len(line)))
	f := newDataFilter(nil)
	out := make([]byte, 0, 2*len(in))
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		f.filter(out, in)
	}
}

// TestRefusedBeforeItsEnd: nothing of a message that the session stopped reading
// is an end or a command, and its end is not missed, wherever the session stops.
func TestRefusedBeforeItsEnd(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"Subject: x\r\n\r\nsome text that is long enough\r\n",
		"a\r\n\r\n..\r\nMAIL FROM:<smuggled@x.test>\r\n",
		"a" + strings.Repeat("\n", 40) + "\r\n..\r\nMAIL FROM:<smuggled@x.test>\r\n",
	} {
		for reads := 1; reads <= 20; reads++ {
			s := (&wireServer{reads: reads}).start(t, testOptions())
			d := s.dial(t)
			d.Want("220 ")
			d.Say("EHLO c.test", "250 ")
			d.Say("MAIL FROM:<a@x.test>", "250 ")
			d.Say("RCPT TO:<b@x.test>", "250 ")
			d.Say("DATA", "354 ")
			d.Send(text + ".\r\nNOOP\r\n")
			d.Want("552 ", "250 ")
			d.Say("QUIT", "221 ")
			if from := s.from(); len(from) != 1 {
				t.Errorf("%d bytes read of %q: senders %q", reads, text, from)
			}
		}
	}
}
