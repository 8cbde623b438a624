package standalone

import (
	"bytes"
	"io"
	"sync/atomic"
)

// maxHeldCR bounds a run of CR whose meaning depends on whether LF follows it.
const maxHeldCR = 16

type lineState uint8

const (
	inText  lineState = iota
	afterCR           // crs of them
	atStart           // behind CRLF, where a dot has a meaning; held is what may be an end
)

// standardEnd is the line that ends a message (RFC 5321 section 4.1.1.4).
var standardEnd = []byte(".\r\n")

// dataFilter makes CRLF the only newline of a message and finds its end. A CR
// or an LF by itself becomes CRLF and is remembered, several CR before an LF
// are one newline. The end is CRLF.CRLF and nothing else: whatever only looks
// like it to a more lenient reader is text, a dot that the relay doubles again
// (SMTP smuggling).
//
// The clients of nonstandard_data_terminator have other ends besides: a line of
// its own each, behind CRLF too.
//
// An end behind CR CR LF is doubtful: it is one, but the server before us may
// have seen none and mean the rest as text. Nothing may be read behind it.
//
// In wire form dots are doubled and an end follows. The zero value reads what
// has neither: what comes out of go-smtp's reader, and BDAT chunks.
type dataFilter struct {
	wire bool     // the input is in wire form
	dots bool     // and so is the output, for go-smtp's reader
	ends [][]byte // lines that end the message

	state     lineState
	held      []byte // of the line that begins, so far the beginning of one of ends
	crs       int
	lineStart bool // of the output
	bare      bool
	doubtful  bool // the line that starts here is behind CR CR LF
	odd       bool // the message ended with an end that is not the standard one
}

// newDataFilter reads a message in wire form. terminators are the ends that its
// client may use besides CRLF.CRLF, their first CRLF included.
func newDataFilter(terminators [][]byte) dataFilter {
	f := dataFilter{wire: true, dots: true, ends: [][]byte{standardEnd}, state: atStart, lineStart: true}
	for _, t := range terminators {
		f.ends = append(f.ends, t[len("\r\n"):])
	}
	return f
}

// filter appends what src stands for to dst. At the end of the message it says
// so and returns what is behind it.
func (f *dataFilter) filter(dst, src []byte) (out, rest []byte, end bool) {
	breaks := newlines{src: src, cr: -1, lf: -1}
	for i := 0; i < len(src); {
		b := src[i]
		switch f.state {
		case inText:
			if next := breaks.from(i); next > i {
				dst = f.text(dst, src[i:next])
				i = next
				continue
			}
			if b == '\r' {
				f.state, f.crs = afterCR, 1
			} else {
				f.bare = true
				dst = f.newline(dst)
			}
		case afterCR:
			switch b {
			case '\r':
				f.bare = true
				if f.crs == maxHeldCR {
					dst = f.newline(dst)
				} else {
					f.crs++
				}
			case '\n':
				dst = f.newline(dst)
				f.state, f.doubtful = inText, f.crs > 1
				if f.wire {
					f.state = atStart
				}
			default:
				dst = f.finish(dst)
				continue
			}
		case atStart:
			longer := f.extend(b)
			switch {
			case longer == nil:
				dst = f.release(dst)
				continue
			case b == '\n':
				f.odd, f.held = !bytes.Equal(longer, standardEnd), nil
				if f.dots {
					dst = append(dst, standardEnd...)
				}
				return dst, src[i+1:], true
			}
			f.held = longer
		}
		i++
	}
	return dst, nil, false
}

// extend returns held with b behind it if one of ends begins like that, else
// nil.
func (f *dataFilter) extend(b byte) []byte {
	n := len(f.held)
	for _, end := range f.ends {
		if len(end) > n && end[n] == b && bytes.Equal(end[:n], f.held) {
			return end[:n+1]
		}
	}
	return nil
}

// release appends what was held and is no end: the beginning of a line,
// without the dot that was doubled.
func (f *dataFilter) release(dst []byte) []byte {
	text, cr := bytes.CutSuffix(f.held, []byte("\r"))
	if text = bytes.TrimPrefix(text, []byte(".")); len(text) > 0 {
		dst = f.text(dst, text)
	}
	f.state, f.held = inText, nil
	if cr {
		f.state, f.crs = afterCR, 1
	}
	return dst
}

// finish appends the newlines that CRs without an LF stand for.
func (f *dataFilter) finish(dst []byte) []byte {
	if f.state == afterCR {
		f.bare, f.state = true, inText
		for range f.crs {
			dst = f.newline(dst)
		}
	}
	return dst
}

func (f *dataFilter) newline(dst []byte) []byte {
	f.lineStart = true
	return append(dst, '\r', '\n')
}

func (f *dataFilter) text(dst, text []byte) []byte {
	if f.dots && f.lineStart && text[0] == '.' {
		dst = append(dst, '.')
	}
	f.lineStart = false
	return append(dst, text...)
}

// newlines finds the CR and LF of src, and looks at no byte twice for either.
type newlines struct {
	src    []byte
	cr, lf int // the last ones found
}

// from returns the index of the first CR or LF at i or behind it, or the
// length.
func (n *newlines) from(i int) int {
	if n.cr < i {
		n.cr = n.index('\r', i)
	}
	if n.lf < i {
		n.lf = n.index('\n', i)
	}
	return min(n.cr, n.lf)
}

func (n *newlines) index(c byte, i int) int {
	if at := bytes.IndexByte(n.src[i:], c); at >= 0 {
		return i + at
	}
	return len(n.src)
}

// newlineChecker does above go-smtp what conn cannot do under TLS and for BDAT.
type newlineChecker struct {
	r      io.Reader
	filter dataFilter
	bare   *atomic.Bool

	in, encoded, out []byte
	err              error
}

func (n *newlineChecker) Read(p []byte) (int, error) {
	for len(n.out) == 0 {
		if n.err != nil {
			return 0, n.err
		}
		n.fill()
	}
	m := copy(p, n.out)
	n.out = n.out[m:]
	return m, nil
}

func (n *newlineChecker) fill() {
	if n.in == nil {
		n.in = make([]byte, wireBuffer)
	}
	m, err := n.r.Read(n.in)
	out, _, _ := n.filter.filter(n.encoded[:0], n.in[:m])
	if err == io.EOF {
		out = n.filter.finish(out)
	}
	n.encoded, n.out, n.err = out, out, err
	if n.filter.bare {
		n.bare.Store(true)
	}
}
