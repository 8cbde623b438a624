package standalone

import (
	"io"
	"sync/atomic"
)

// Message reads a message, without dot stuffing, as if a client sent it by
// DATA: CRLF becomes its only newline. Unless accept is set, a bare CR or LF
// makes the end of it the *reply.Reply of bare_newlines.
func Message(r io.Reader, accept bool) io.Reader {
	bare := new(atomic.Bool)
	return &judged{newlineChecker{r: r, bare: bare}, accept}
}

type judged struct {
	newlineChecker
	accept bool
}

func (j *judged) Read(p []byte) (int, error) {
	n, err := j.newlineChecker.Read(p)
	if err == io.EOF && j.bare.Load() && !j.accept {
		err = errBare
	}
	return n, err
}
