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
// The zero value reads what has neither doubled dots nor an end: a message in a
// file.
type dataFilter struct {
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
	f := dataFilter{ends: [][]byte{standardEnd}, state: lineBegins}
	for _, t := range terminators {
		f.ends = append(f.ends, t[len("\r\n"):])
	}
	return f
}

// regular measures what stands for itself at the front of src, and takes it: each CR
// and LF is one of a CRLF, and no line begins with a dot.
func (f *dataFilter) regular(src []byte) (n int) {
	begins, lines := f.state == lineBegins && len(f.held) == 0, 0
	if len(f.ends) > 1 || !begins && f.state != inText {
		return 0
	}
	for n < len(src) && !(begins && src[n] == '.') {
		i := bytes.IndexByte(src[n:], '\n')
		if i < 0 {
			n, begins = len(src), false
			break
		}
		if i == 0 || src[n+i-1] != '\r' {
			break
		}
		n, lines, begins = n+i+1, lines+1, true
	}
	if n == 0 || bytes.Count(src[:n], []byte("\r")) != lines {
		return 0
	}
	f.state, f.doubtful = inText, false
	if begins {
		f.state = lineBegins
	}
	return n
}

// filter appends what src stands for to dst. At the end of the message it says
// so and returns what is behind it.
func (f *dataFilter) filter(dst, src []byte) (out, rest []byte, end bool) {
	for i := 0; i < len(src); {
		b := src[i]
		switch f.state {
		case inText:
			if n := text(src[i:]); n > 0 {
				dst = append(dst, src[i:i+n]...)
				i += n
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
				f.state, f.doubtful = lineBegins, f.crs > 1
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

// text measures what is no newline at the front of src.
func text(src []byte) int {
	src = src[:min(len(src), maxGlance)]
	if lf := bytes.IndexByte(src, '\n'); lf >= 0 {
		src = src[:lf]
	}
	if cr := bytes.IndexByte(src, '\r'); cr >= 0 {
		return cr
	}
	return len(src)
}
