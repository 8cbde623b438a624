package wire

import (
	"bytes"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

// What a listed client sends behind DATA, and the message it stands for.
var oddBodies = []struct{ name, sent, want string }{
	{"nonstandard end", "Subject: a\r\n\r\ntext\r\n .\r\n", "Subject: a\r\n\r\ntext\r\n"},
	{"standard end", "Subject: a\r\n\r\ntext\r\n.\r\n", "Subject: a\r\n\r\ntext\r\n"},
	{"end of another application", "a\r\nEOM\r\n", "a\r\n"},
	{"at the very start", " .\r\n", ""},
	{"standard end at the very start", ".\r\n", ""},
	{"beginnings of ends", " \r\n. \r\n .x\r\nEO\r\nEOMM\r\n ..\r\n  .\r\n .\r\n", " \r\n \r\n .x\r\nEO\r\nEOMM\r\n ..\r\n  .\r\n"},
	{"doubled dots", "..\r\n...\r\n..EOM\r\n.EOM\r\n.. .\r\n .\r\n", ".\r\n..\r\n.EOM\r\nEOM\r\n. .\r\n"},
	{"not at the start of a line", "a .\r\nb EOM\r\n .\r\n", "a .\r\nb EOM\r\n"},
	{"empty line before it", "\r\n\r\n .\r\n", "\r\n\r\n"},
	{"eight bits", "\xe9\x00\xff\r\n .\r\n", "\xe9\x00\xff\r\n"},
}

func TestNonstandardEnds(t *testing.T) {
	each(t, func() *wireServer {
		return &wireServer{ends: [][]byte{[]byte("\r\n .\r\n"), []byte("\r\nEOM\r\n")}}
	}, func(t *testing.T, s *wireServer, dial func() *mtatest.Dialog) {
		for i, body := range oddBodies {
			d := dial()
			d.Send("MAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nDATA\r\n" + body.sent + "NOOP\r\nQUIT\r\n")
			d.Want("250 ", "250 ", "354 ", "250 2.0.0 taken", "250 ", "221 ", "")
			if odd := s.odd.Load(); odd == strings.HasSuffix("\r\n"+body.sent, "\r\n.\r\n") {
				t.Errorf("%s: ended oddly %v", body.name, odd)
			}
			if got := s.got(); len(got) != i+1 || got[i] != body.want {
				t.Errorf("%s: got %q, want %q more", body.name, got[min(i, len(got)):], body.want)
			}
		}
	})
}

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

// FuzzTerminator: however a message is cut, it is the same message, and it ends
// where the first of its ends is.
func FuzzTerminator(f *testing.F) {
	ends := [][]byte{[]byte("\r\n .\r\n"), []byte("\r\nEOM\r\n"), []byte("\r\n.end\r\n"), []byte("\r\n .x.\r\n")}
	for _, body := range oddBodies {
		f.Add([]byte(body.sent+"QUIT\r\n"), []byte{0})
		f.Add([]byte(body.sent), []byte{2, 0, 7})
	}
	f.Add([]byte("a\r\r\n .\r\nb"), []byte{3})
	f.Add([]byte("\r .\r\n\n .\r\n.e\r\n.en\r.end\r\n.end\r\n"), []byte{1})
	f.Fuzz(func(t *testing.T, stream, seed []byte) {
		type result struct {
			out, rest           string
			end, odd, bare, bad bool
		}
		read := func(pieces [][]byte) (r result) {
			filter := newDataFilter(ends)
			for i, piece := range pieces {
				out, rest, end := filter.filter(nil, piece)
				if r.out += string(out); end {
					r.end, r.odd, r.rest = true, filter.odd, string(rest)+string(bytes.Join(pieces[i+1:], nil))
					break
				}
			}
			r.bare, r.bad = filter.bare, filter.doubtful
			return r
		}
		whole := read(cut(stream, nil))
		if pieces := read(cut(stream, seed)); pieces != whole {
			t.Fatalf("whole %+v, cut %+v", whole, pieces)
		}
		first, length, odd := -1, 0, false
		for _, end := range append(ends, []byte("\r\n.\r\n")) {
			if i := bytes.Index(append([]byte("\r\n"), stream...), end); i >= 0 && (first < 0 || i < first) {
				first, length, odd = i, len(end), string(end) != "\r\n.\r\n"
			}
		}
		if whole.end != (first >= 0) || whole.end && (whole.odd != odd || whole.rest != string(stream[first+length-2:])) {
			t.Fatalf("%q: %+v, want an end at %d", stream, whole, first)
		}
		if whole.end && mtatest.LenientEnds(dotStuffed(whole.out)) != 1 {
			t.Fatalf("another server could see more than one end in %q", whole.out)
		}
	})
}
