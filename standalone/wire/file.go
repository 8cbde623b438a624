package wire

import (
	"errors"
	"io"

	"smtpreceiver/core/reply"
)

// ErrBare refuses a message with a CR or an LF by itself.
var ErrBare = &reply.Reply{Code: 550, Enhanced: [3]int{5, 5, 2}, Text: "Message has a bare CR or LF; lines must end in CRLF", Cause: errors.New("bare_newlines is reject"), Reason: reply.ReasonNewlines}

// File reads a message, without dot stuffing, as if a client sent it by DATA:
// CRLF becomes its only newline. Unless accept is set, a bare CR or LF makes the
// end of it ErrBare.
func File(r io.Reader, accept bool) io.Reader {
	return &file{r: r, accept: accept, in: make([]byte, bufferSize)}
}

type file struct {
	r       io.Reader
	accept  bool
	filter  dataFilter
	in      []byte
	encoded []byte
	out     []byte
	err     error
}

func (f *file) Read(p []byte) (int, error) {
	for len(f.out) == 0 {
		if f.err != nil {
			return 0, f.err
		}
		f.fill()
	}
	n := copy(p, f.out)
	f.out = f.out[n:]
	return n, nil
}

func (f *file) fill() {
	n, err := f.r.Read(f.in)
	f.encoded, _, _ = f.filter.filter(f.encoded[:0], f.in[:n])
	if err == io.EOF {
		f.encoded = f.filter.finish(f.encoded)
		if f.filter.bare && !f.accept {
			err = ErrBare
		}
	}
	f.out, f.err = f.encoded, err
}
