package message

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"smtpreceiver/core/message/transfer"

	"golang.org/x/text/transform"
)

// TestFewBytesAtOnce compares the two ways to undo an encoding.
func TestFewBytesAtOnce(t *testing.T) {
	t.Parallel()
	broken := errors.New("no such block")
	for _, body := range []string{
		"", "=", "YQ==", "YWJj", "stop", "no base64 at all, but words\r\n", "Caf=C3=A9=\r\n au lait =4", strings.Repeat("=\r\n", 300),
		strings.Repeat("YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzNDU2\r\n", 40) + "-- \r\na list\r\n", strings.Repeat("YWJj", 700),
		"begin 644 a\r\n#86)C\r\n`\r\nend\r\n", strings.Repeat("x", 3000),
	} {
		for _, e := range []transfer.Encoding{transfer.Base64, transfer.QuotedPrintable, transfer.UUEncode} {
			for _, fails := range []error{nil, broken} {
				source := func() io.Reader {
					if fails != nil {
						return io.MultiReader(strings.NewReader(body), iotest.ErrReader(fails))
					}
					return strings.NewReader(body)
				}
				size := int64(len(body))
				if fails != nil {
					size++ // of which the last cannot be read
				}
				dec := e.NewDecoder()
				got, err := io.ReadAll(undone(source(), size, dec))
				if !errors.Is(err, fails) {
					t.Errorf("%v, %q: error %v, want %v", e, body, err, fails)
				}
				if fails != nil {
					continue
				}
				slow := e.NewDecoder()
				want, _ := io.ReadAll(transform.NewReader(source(), slow))
				if !bytes.Equal(got, want) {
					t.Errorf("%v, %q: %q, want %q", e, body, got, want)
				}
				a, b := dec.Stretch()
				if c, d := slow.Stretch(); a != c || b != d {
					t.Errorf("%v, %q: encoded from %d to %d, want %d to %d", e, body, a, b, c, d)
				}
			}
		}
	}
}
