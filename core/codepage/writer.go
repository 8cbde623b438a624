package codepage

import (
	"io"
	"unicode/utf8"

	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"
)

// Writer returns a writer that takes UTF-8, split anywhere, and writes to w what
// Encode would return for the whole. What it holds is bounded, whatever comes;
// Close writes what is held back and does not close w. After an error of w every
// call returns that error.
func (p *Page) Writer(w io.Writer) io.WriteCloser {
	composed := &encodingWriter{enc: p.newEncoder(), w: w}
	return &writer{Writer: transform.NewWriter(composed, norm.NFC), composed: composed}
}

// writer composes what is written and hands it on.
type writer struct {
	*transform.Writer
	composed *encodingWriter
}

func (w *writer) Close() error {
	if err := w.Writer.Close(); err != nil {
		return err
	}
	return w.composed.flush()
}

// pieceSize is how many bytes are collected before they are written: the
// composer holds back the last character, which would be a write of its own.
const pieceSize = 4 << 10

// encodingWriter encodes composed text that comes in pieces.
type encodingWriter struct {
	enc  encoder
	w    io.Writer
	tail []byte // the first bytes of a character whose rest is still to come
	buf  []byte
	err  error
}

func (w *encodingWriter) Write(b []byte) (int, error) {
	text := string(w.tail) + string(b)
	whole := wholeRunes(text)
	w.tail = append(w.tail[:0], text[whole:]...)
	if err := w.encode(text[:whole]); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (w *encodingWriter) flush() error {
	text := string(w.tail)
	w.tail = nil
	if err := w.encode(text); err != nil {
		return err
	}
	return w.send()
}

func (w *encodingWriter) encode(text string) error {
	if w.err != nil {
		return w.err
	}
	if w.buf = w.enc.append(w.buf, text); len(w.buf) < pieceSize {
		return nil
	}
	return w.send()
}

func (w *encodingWriter) send() error {
	if len(w.buf) > 0 {
		_, w.err = w.w.Write(w.buf)
		w.buf = w.buf[:0]
	}
	return w.err
}

// wholeRunes returns the length of s without the beginning of a character at its
// end.
func wholeRunes(s string) int {
	for i := len(s) - 1; i >= max(0, len(s)-utf8.UTFMax); i-- {
		if utf8.RuneStart(s[i]) {
			if utf8.FullRuneInString(s[i:]) {
				break
			}
			return i
		}
	}
	return len(s)
}
