package plain

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/text/transform"
)

func TestEnriched(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, in, want string }{
		{"empty", "", ""},
		{"formatting", "<bold>Now</bold> is the <Italic>time</ITALIC>", "Now is the time"},
		{"less than", "a << b <<c>", "a < b <c>"},
		{"one line end is a space", "one\nparagraph\n", "one paragraph\n"},
		{"two are one", "one\n\ntwo\n\n\nthree", "one\ntwo\n\nthree"},
		{"nofill", "<nofill>a\nb\n</nofill>c\nd", "a\nb\nc d"},
		{"param", "<color><param>red, a<b</param>text</color>", "text"},
		{"param never closed", "<param>" + strings.Repeat("x", 1000) + "text", "text"},
		{"richtext", "a<nl>b <lt>c", "a\nb <c"},
		{"an address", "Petr <petr@firma.cz>, <http://x/>", "Petr <petr@firma.cz>, <http://x/>"},
		{"no command", "1 < 2 > <> </> <1>", "1 < 2 > <> </> <1>"},
		{"digits in a command", "<x-h2>a</x-h2>b <2h>", "ab <2h>"},
		{"command too long", "<" + strings.Repeat("x", 62) + ">", "<" + strings.Repeat("x", 62) + ">"},
		{"command as long as may be", "<" + strings.Repeat("x", 61) + ">a", "a"},
		{"at the end", "a<bold", "a<bold"},
		{"a line end in it", "a <bo\nld>b", "a <bo ld>b"},
	} {
		for _, pieces := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.DataErrReader} {
			b, err := io.ReadAll(transform.NewReader(pieces(strings.NewReader(tc.in)), new(Enriched)))
			if err != nil || string(b) != tc.want {
				t.Errorf("%s: %q, %v, want %q", tc.name, b, err, tc.want)
			}
		}
	}
}
