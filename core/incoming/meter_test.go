package incoming

import (
	"fmt"
	"strings"
	"testing"

	"smtpreceiver/core/message/header"
	"smtpreceiver/core/reply"
)

// TestHeaderFieldsAreCounted: what begins no field does not count,
// in whatever pieces it comes; as many fit as the limit says, and one more does not.
func TestHeaderFieldsAreCounted(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text   string
		fields int
	}{
		{"a: 1\r\nb:\r\nC-d :x\r\n\r\ne: 5\r\nf: 6\r\n", 3},
		{"a: 1\r\nb:\r\nc:\r\nd:", 4},
		{"a: 1\r\n b: folded\r\n\tc: folded\r\nb:\r\n: none\r\nFrom x: y\r\nno colon\r\nč: 1\r\nc:\r\n", 3},
		{strings.Repeat("a:\r\n", 4), 4},
		{"a \t :\r\nb\t:\r\n", 2},
		{"!:\r\n~:\r\n\x7f:\r\na\x01:\r\n\t:\r\n", 2},
		{"a:b:c\r\na b:c:d\r\n", 1},
	} {
		for _, size := range []int{1, 2, 7, len(test.text)} {
			for _, limit := range []int{test.fields, test.fields - 1} {
				want := map[bool]string{false: "552 5.3.4"}[limit == test.fields]
				var m Meter
				var err error
				for rest := test.text; rest != "" && err == nil; {
					n := min(size, len(rest))
					err = m.Take([]byte(rest[:n]), Limits{Size: 1 << 30, HeaderSize: 1 << 30, Hops: 1000, HeaderFields: limit})
					rest = rest[n:]
				}
				got := ""
				if err != nil {
					r := reply.Of(err)
					got = fmt.Sprint(r.Code, " ", r.Status())
				}
				if got != want {
					t.Errorf("%q in pieces of %d, limit %d: %q, want %q", test.text, size, limit, got, want)
				}
			}
		}
	}
}

func TestMeter(t *testing.T) {
	t.Parallel()
	if n := (*Meter)(nil).Size(); n != 0 {
		t.Errorf("without a meter: size %d", n)
	}
	const two = "Received: a\r\nRECEIVED: b\r\nReceived-SPF: c\r\n"
	codes := map[reply.Reason]string{reply.ReasonSize: "552 5.3.4", reply.ReasonHeader: "552 5.3.4", reply.ReasonHops: "554 5.4.6"}
	for _, tt := range []struct {
		name, message string
		limits        Limits
		want          reply.Reason
	}{
		{"fits", "A: b\r\n\r\n12345", Limits{13, 8, 100, 0}, ""},
		{"size", "A: b\r\n\r\n123456", Limits{13, 8, 100, 0}, reply.ReasonSize},
		{"header", "A: bc\r\n\r\n", Limits{100, 8, 100, 0}, reply.ReasonHeader},
		{"header without end", "A: bcdefgh", Limits{100, 8, 100, 0}, reply.ReasonHeader},
		{"long body", "\r\n" + strings.Repeat("x", 50), Limits{100, 8, 100, 0}, ""},
		{"hops", two + "\r\n", Limits{100, 100, 100, 2}, ""},
		{"one hop too many", two + "\r\n", Limits{100, 100, 100, 1}, reply.ReasonHops},
		{"Received in the body", "\r\n" + two + two, Limits{1000, 100, 100, 1}, ""},
	} {
		for _, step := range []int{1, 2, 7, 1000} {
			var m Meter
			var err error
			for rest := tt.message; len(rest) > 0 && err == nil; rest = rest[min(step, len(rest)):] {
				err = m.Take([]byte(rest[:min(step, len(rest))]), tt.limits)
			}
			got := reply.Reason("")
			if err != nil {
				r := reply.Of(err)
				got = r.Reason
				if want := codes[tt.want]; fmt.Sprint(r.Code, " ", r.Status()) != want {
					t.Errorf("%s: %d %s, want %s", tt.name, r.Code, r.Status(), want)
				}
			}
			if got != tt.want {
				t.Errorf("%s in pieces of %d: %q, want %q", tt.name, step, got, tt.want)
			}
			if err == nil && m.Size() != int64(len(tt.message)) {
				t.Errorf("%s: size %d, want %d", tt.name, m.Size(), len(tt.message))
			}
		}
	}
}

// TestFieldName: what counts as a field here is one for who reads the mail, too.
func TestFieldName(t *testing.T) {
	t.Parallel()
	var lines func(begin string, more int)
	lines = func(begin string, more int) {
		_, want := header.FieldName([]byte(begin))
		var whole, bytewise fieldName
		got := false
		for i := range len(begin) {
			got = bytewise.next([]byte(begin[i:i+1])) || got
		}
		if whole.next([]byte(begin)) != want || got != want {
			t.Errorf("%q begins a field: %v, not for who counts", begin, want)
		}
		for i := 0; more > 0 && i < len("a:\t \r~\x7f\x00é"); i++ {
			lines(begin+"a:\t \r~\x7f\x00é"[i:i+1], more-1)
		}
	}
	lines("", 4)
}
