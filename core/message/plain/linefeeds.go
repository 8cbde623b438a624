package plain

import (
	"bytes"
	"io"
)

// LineFeeds reads text from r with LF in place of CRLF and lone CR.
func LineFeeds(r io.Reader) io.Reader { return &lineFeeds{r: r} }

type lineFeeds struct {
	r  io.Reader
	cr bool // the last byte read was CR
}

func (l *lineFeeds) Read(b []byte) (int, error) {
	for {
		n, err := l.r.Read(b)
		if n = l.fold(b[:n]); n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
	}
}

// fold changes the line ends in b and returns its new length.
func (l *lineFeeds) fold(b []byte) int {
	if !l.cr && bytes.IndexByte(b, '\r') < 0 {
		return len(b)
	}
	n := 0
	for _, c := range b {
		after := l.cr
		l.cr = c == '\r'
		switch {
		case c == '\n' && after:
			continue
		case c == '\r':
			c = '\n'
		}
		b[n] = c
		n++
	}
	return n
}
