package job

import (
	"fmt"
	"strings"
	"testing"

	"smtpreceiver/core/reply"
)

// TestHeaderFieldsAreCounted: what begins no field does not count,
// in whatever pieces it comes.
func TestHeaderFieldsAreCounted(t *testing.T) {
	t.Parallel()
	limits := Limits{Size: 1 << 30, HeaderSize: 1 << 30, Hops: 1000, HeaderFields: 3}
	for _, test := range []struct{ text, want string }{
		{"a: 1\r\nb:\r\nC-d :x\r\n\r\ne: 5\r\nf: 6\r\n", ""},
		{"a: 1\r\nb:\r\nc:\r\nd:", "552 5.3.4"},
		{"a: 1\r\n b: folded\r\n\tc: folded\r\nb:\r\n: none\r\nFrom x: y\r\nno colon\r\nč: 1\r\nc:\r\n", ""},
		{strings.Repeat("a:\r\n", 4), "552 5.3.4"},
	} {
		for _, size := range []int{1, 2, 7, len(test.text)} {
			var m Meter
			var err error
			for rest := test.text; rest != "" && err == nil; {
				n := min(size, len(rest))
				err = m.Take([]byte(rest[:n]), limits)
				rest = rest[n:]
			}
			got := ""
			if err != nil {
				r := reply.Of(err)
				got = fmt.Sprint(r.Code, " ", r.Status())
			}
			if got != test.want {
				t.Errorf("%q in pieces of %d: %q, want %q", test.text, size, got, test.want)
			}
		}
	}
}
