package plain

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestFlowed(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("word ", flowedBuffer)
	for _, tc := range []struct {
		name, in string
		delsp    bool
		want     string
	}{
		{"joined", "a \nb \nc\nd\n", false, "a b c\nd\n"},
		{"deleted spaces", "a \nb \nc\n", true, "abc\n"},
		{"space-stuffed", " From a\n > b\n  c\n", false, "From a\n> b\n c\n"},
		{"quoted", "> a \n> b\n>> c \n>> d\n", false, "> a b\n>> c d\n"},
		{"depth changes inside a paragraph", "> a \nb \n> c\n", false, "> a \nb \n> c\n"},
		{"signature", "a \n-- \nb\n", false, "a \n-- \nb\n"},
		{"signature is fixed", "-- \nb\n", false, "-- \nb\n"},
		{"quoted signature", "> -- \n> b\n", false, "> -- \n> b\n"},
		{"empty lines", "a\n\nb\n", false, "a\n\nb\n"},
		{"flowed to the end", "a \n", false, "a \n"},
		{"no end", "a", false, "a"},
		{"long line", long + "\nend\n", false, long + "end\n"},
		{"deep quotes", strings.Repeat(">", 1000) + "a\n", false, strings.Repeat(">", 50) + " a\n"},
		{"empty", "", false, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := io.ReadAll(NewFlowed(strings.NewReader(tc.in), tc.delsp))
			if err != nil || string(got) != tc.want {
				t.Errorf("%.100q, %v; want %.100q", got, err, tc.want)
			}
			if b, err := io.ReadAll(NewFlowed(iotest.OneByteReader(strings.NewReader(tc.in)), tc.delsp)); err != nil || string(b) != string(got) {
				t.Errorf("by bytes: %.100q, %v", b, err)
			}
		})
	}
}
