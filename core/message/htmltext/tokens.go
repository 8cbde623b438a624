package htmltext

import (
	"bytes"
	"errors"
	"io"

	"golang.org/x/net/html"
)

// MaxToken bounds what the tokenizer holds of one token. Pictures inside an
// attribute (data: URLs) are longer and must not end the reading.
const MaxToken = 256 << 10

// Tokens is x/net/html's tokenizer, which goes on after a token that is
// too long: text comes in pieces, a tag or comment that long is left out. The
// tokenizer knows no nesting, so none can hurt it.
type Tokens struct {
	*html.Tokenizer
	r    pushback
	last html.TokenType
	// Spill, if there is one, says where the rest of a tag or comment goes
	// that is too long; it gets the beginning of the tag.
	Spill func(tag []byte) io.Writer
}

// NewTokens reads the tokens of an HTML document in UTF-8.
func NewTokens(r io.Reader) *Tokens {
	t := &Tokens{r: pushback{r: r}}
	t.restart()
	return t
}

func (t *Tokens) restart() {
	t.Tokenizer = html.NewTokenizer(&t.r)
	t.SetMaxBuf(MaxToken)
}

// Next is the type of the next token, html.ErrorToken only at the end.
func (t *Tokens) Next() html.TokenType {
	for {
		tt := t.Tokenizer.Next()
		if tt != html.ErrorToken || !errors.Is(t.Err(), html.ErrBufferExceeded) {
			t.last = tt
			return tt
		}
		raw := t.Raw() // empty, if the piece before was a token
		t.r.unread(t.Buffered())
		if mark := t.mark(raw); mark != "" {
			var spill io.Writer = io.Discard
			if t.Spill != nil {
				spill = t.Spill(raw)
			}
			t.r.skip(mark, spill)
		}
		t.restart()
		t.last = html.ErrorToken
	}
}

// ReadError is the error of the reader that ended the tokens, nil at its end.
func (t *Tokens) ReadError() error { return t.r.err }

// mark is what ends the token that is too long; text needs no end.
func (t *Tokens) mark(raw []byte) string {
	switch {
	case len(raw) > 0:
		return ">"
	case t.last == html.CommentToken:
		return "-->"
	}
	return ""
}

// pushback is a reader that takes bytes back.
type pushback struct {
	rest []byte
	r    io.Reader
	err  error // other than io.EOF
}

func (p *pushback) Read(b []byte) (n int, err error) {
	if len(p.rest) > 0 {
		n = copy(b, p.rest)
		p.rest = p.rest[n:]
		return n, nil
	}
	n, err = p.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		p.err = err
	}
	return n, err
}

func (p *pushback) unread(b []byte) {
	p.rest = append(bytes.Clone(b), p.rest...)
}

// skip copies to the end of the next mark, or to the end.
func (p *pushback) skip(mark string, spill io.Writer) {
	buf := make([]byte, 0, 4096)
	for {
		n, err := p.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		i := bytes.Index(buf, []byte(mark))
		read := len(buf) - min(len(buf), len(mark)-1)
		switch {
		case i >= 0:
			read = i + len(mark)
		case err != nil:
			read = len(buf)
		}
		spill.Write(buf[:read])
		if i >= 0 {
			p.unread(buf[read:])
		}
		if i >= 0 || err != nil {
			return
		}
		buf = buf[:copy(buf, buf[read:])]
	}
}
