package wire

import "bytes"

// maxHeldCR bounds a run of CR whose meaning depends on whether LF follows it.
const maxHeldCR = 16

type lineState uint8

const (
	inText     lineState = iota
	afterCR              // crs of them
	lineBegins           // behind CRLF, where a dot has a meaning; held is what may be an end
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
// has neither: a message in a file.
type dataFilter struct {
	wire bool     // the input is in wire form
	ends [][]byte // lines that end the message

	state    lineState
	held     []byte // of the line that begins, so far the beginning of one of ends
	crs      int
	bare     bool
	doubtful bool // the line that starts here is behind CR CR LF
	odd      bool // the message ended with an end that is not the standard one
}

// newDataFilter reads a message in wire form. terminators are the ends that its
// client may use besides CRLF.CRLF, their first CRLF included.
func newDataFilter(terminators [][]byte) dataFilter {
	f := dataFilter{wire: true, ends: [][]byte{standardEnd}, state: lineBegins}
	for _, t := range terminators {
		f.ends = append(f.ends, t[len("\r\n"):])
	}
	return f
}

// filter appends what src stands for to dst. At the end of the message it says
// so and returns what is behind it.
func (f *dataFilter) filter(dst, src []byte) (out, rest []byte, end bool) {
	for i := 0; i < len(src); {
		b := src[i]
		switch f.state {
		case inText:
			if n, whole := text(src[i:]); n > 0 {
				dst = append(dst, src[i:i+n]...)
				i += n
				if whole {
					f.newline(1)
				}
				continue
			}
			if b == '\r' {
				f.state, f.crs = afterCR, 1
			} else {
				f.bare = true
				dst = append(dst, '\r', '\n')
			}
		case afterCR:
			switch b {
			case '\r':
				f.bare = true
				if f.crs == maxHeldCR {
					dst = append(dst, '\r', '\n')
				} else {
					f.crs++
				}
			case '\n':
				dst = append(dst, '\r', '\n')
				f.newline(f.crs)
			default:
				dst = f.finish(dst)
				continue
			}
		case lineBegins:
			longer := f.extend(b)
			switch {
			case longer == nil:
				dst = f.release(dst)
				continue
			case b == '\n':
				f.odd, f.held = !bytes.Equal(longer, standardEnd), nil
				return dst, src[i+1:], true
			}
			f.held = longer
		}
		i++
	}
	return dst, nil, false
}

// newline is behind an LF with crs CRs before it.
func (f *dataFilter) newline(crs int) {
	f.state, f.doubtful = inText, crs > 1
	if f.wire {
		f.state = lineBegins
	}
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
	dst = append(dst, bytes.TrimPrefix(text, []byte("."))...)
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
			dst = append(dst, '\r', '\n')
		}
	}
	return dst
}

// maxGlance bounds how far ahead a newline is looked for, so that no byte is
// looked at again and again where there is only one kind of them.
const maxGlance = 1 << 10

// text measures what is no newline at the front of src, and the CRLF behind it
// where that is whole.
func text(src []byte) (n int, whole bool) {
	src = src[:min(len(src), maxGlance)]
	lf := bytes.IndexByte(src, '\n')
	if lf >= 0 {
		src = src[:lf]
	}
	cr := bytes.IndexByte(src, '\r')
	switch {
	case cr < 0:
		return len(src), false
	case lf == cr+1:
		return lf + 1, true
	}
	return cr, false
}
