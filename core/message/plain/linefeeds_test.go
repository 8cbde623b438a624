package plain

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// TestLineFeedsInPieces reads line ends that the reads below cut.
func TestLineFeedsInPieces(t *testing.T) {
	t.Parallel()
	const text, want = "\na\r\nb\rc\r\r\nd\n\r\n\re\r", "\na\nb\nc\n\nd\n\n\ne\n"
	for name, pieces := range map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "halves": iotest.HalfReader,
		"end with the data": iotest.DataErrReader,
	} {
		got, err := io.ReadAll(LineFeeds(pieces(strings.NewReader(text))))
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
}
