package main

import (
	"bufio"
	"io"
)

// messageFile reads a message from a file as SMTP carries it: with CRLF at the
// end of each line, the last one included. A file whose first line ends in LF
// alone is one of Unix, where every LF means CRLF; of any other, the line ends
// are left as they are, right or wrong.
func messageFile(r io.Reader) io.Reader { return &lineEnds{in: bufio.NewReader(r)} }

type lineEnds struct {
	in     *bufio.Reader
	known  bool // the first line end has been seen
	unix   bool
	last   byte
	begun  bool
	queued bool // the LF behind a CR that was put in
}

func (l *lineEnds) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		b, err := l.next()
		if err != nil {
			if n > 0 {
				return n, nil
			}
			return 0, err
		}
		p[n] = b
		n++
	}
	return n, nil
}

func (l *lineEnds) next() (byte, error) {
	if l.queued {
		l.queued, l.last = false, '\n'
		return '\n', nil
	}
	b, err := l.in.ReadByte()
	switch {
	case err == io.EOF && l.begun && l.last != '\n':
		b = '\n' // the last line was not ended
		if l.last != '\r' {
			l.queued, l.last = true, '\r'
			return '\r', nil
		}
	case err != nil:
		return 0, err
	case b == '\n' && l.last != '\r' && (l.unix || !l.known):
		l.known, l.unix, l.queued = true, true, true
		b = '\r'
	case b == '\n':
		l.known = true
	}
	l.begun, l.last = true, b
	return b, nil
}
