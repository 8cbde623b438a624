package plain

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// TestPrintable: control characters go, also those of two bytes that reads cut.
func TestPrintable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                             "",
		"a\tb\r\nc\fd":                 "a\tb\r\nc\fd",
		"\x00a\x01\x1b[1mb\x1f \x7f~":  "a[1mb ~",
		"\u0080a\u009fb\u00a0c\u00bfd": "ab\u00a0c\u00bfd",
		"\u0085\u0085\u00a9":           "\u00a9",
		"ž\u0085€\x07😀":                "ž€😀",
		"a\xc2":                        "a\xc2",
		"\x01\x02\x03":                 "",
		"\u009b\xc2":                   "\xc2",
	} {
		for name, pieces := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "halves": iotest.HalfReader, "end with the data": iotest.DataErrReader,
		} {
			got, err := io.ReadAll(Printable(pieces(strings.NewReader(in))))
			if err != nil || string(got) != want {
				t.Errorf("%s: %q: %q, %v; want %q", name, in, got, err, want)
			}
			// The reader above may ask for one byte at a time.
			got, err = io.ReadAll(iotest.OneByteReader(&asked{t, Printable(pieces(strings.NewReader(in)))}))
			if err != nil || string(got) != want {
				t.Errorf("%s, asked for single bytes: %q: %q, %v; want %q", name, in, got, err, want)
			}
		}
	}
	fault := errors.New("fault")
	got, err := io.ReadAll(Printable(io.MultiReader(strings.NewReader("a\u0085b\xc2"), iotest.ErrReader(fault))))
	if !errors.Is(err, fault) || string(got) != "ab\xc2" {
		t.Errorf("%q, %v", got, err)
	}
}

// asked is asked for nothing before each read, and must not answer a read with nothing.
type asked struct {
	t *testing.T
	r io.Reader
}

func (a *asked) Read(b []byte) (int, error) {
	if n, err := a.r.Read(nil); n != 0 {
		a.t.Errorf("%d bytes into no room, %v", n, err)
	}
	n, err := a.r.Read(b)
	if n == 0 && err == nil {
		a.t.Error("a read without a byte and without an end")
	}
	return n, err
}
