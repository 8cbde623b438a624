package plain

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

const (
	flowedBuffer = 16 << 10
	maxQuote     = 50 // quote marks that are kept at the start of a line
)

// Flowed joins the lines of format=flowed text (RFC 3676). Its source has LF
// line ends.
type Flowed struct {
	r      *bufio.Reader
	delsp  bool
	out    []byte // not yet read
	buf    []byte
	inside bool // the last line read was longer than the buffer
	held   bool // a space ended the piece of it, and may make it flowed
	open   bool // the line before is flowed: this one continues it
	depth  int  // quote depth of the line before
	err    error
}

// NewFlowed reads format=flowed text from r; delsp says that its DelSp is yes.
func NewFlowed(r io.Reader, delsp bool) *Flowed {
	return &Flowed{r: bufio.NewReaderSize(r, flowedBuffer), delsp: delsp}
}

func (f *Flowed) Read(p []byte) (int, error) {
	for len(f.out) == 0 {
		if f.err != nil {
			return 0, f.err
		}
		line, err := f.r.ReadSlice('\n')
		f.out = f.buf[:0]
		if len(line) > 0 {
			f.line(line, err == nil)
		}
		f.inside = errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !f.inside {
			if errors.Is(err, io.EOF) && f.open {
				f.out = append(f.out, '\n')
			}
			f.err = err
		}
		f.buf = f.out
	}
	n := copy(p, f.out)
	f.out = f.out[n:]
	return n, nil
}

// line appends what a line, or a piece of one, gives to out.
func (f *Flowed) line(line []byte, ends bool) {
	line = bytes.TrimSuffix(line, []byte("\n"))
	if !f.inside {
		rest := bytes.TrimLeft(line, ">")
		depth := len(line) - len(rest)
		line = bytes.TrimPrefix(rest, []byte(" ")) // space-stuffing, RFC 3676 §4.4
		if f.open && (depth != f.depth || string(line) == "-- ") {
			f.out = append(f.out, '\n')
			f.open = false
		}
		if !f.open && depth > 0 {
			f.out = append(f.out, bytes.Repeat([]byte(">"), min(depth, maxQuote))...)
			f.out = append(f.out, ' ')
		}
		f.depth = depth
	}
	if f.held {
		line = append([]byte{' '}, line...)
	}
	if f.held = !ends && bytes.HasSuffix(line, []byte(" ")); f.held {
		line = line[:len(line)-1]
	}
	f.open = ends && bytes.HasSuffix(line, []byte(" ")) && string(line) != "-- "
	if f.open && f.delsp {
		line = line[:len(line)-1]
	}
	f.out = append(f.out, line...)
	if ends && !f.open {
		f.out = append(f.out, '\n')
	}
}
