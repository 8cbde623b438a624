package plain

import (
	"io"
)

// Printable reads UTF-8 from r without its control characters; tabs, line ends
// and form feeds stay.
func Printable(r io.Reader) io.Reader { return &printable{r: r} }

type printable struct {
	r    io.Reader
	half bool // the last byte read was the first of what may be a C1 control
}

// c1 is the first byte of the characters from U+0080 to U+00BF.
const c1 = 0xc2

func (p *printable) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		at := 0
		if p.half {
			if len(b) < 2 {
				return p.short(b)
			}
			b[0], at = c1, 1
		}
		n, err := p.r.Read(b[at:])
		n += at
		if p.half = false; n > at && b[n-1] == c1 && err == nil {
			p.half = true
			n--
		}
		if n = clean(b[:n]); n > 0 || err != nil {
			return n, err
		}
	}
}

// short reads into one byte where two are needed.
func (p *printable) short(b []byte) (int, error) {
	var two [2]byte
	for {
		n, err := p.r.Read(two[1:])
		if n == 0 && err == nil {
			continue
		}
		p.half = false
		if n == 0 {
			b[0] = c1
			return 1, nil // the error comes again
		}
		if two[1] < 0xa0 { // a control character
			return p.Read(b)
		}
		p.r = io.MultiReader(&rest{two[1:]}, p.r)
		b[0] = c1
		return 1, nil // the error comes again, behind the rest
	}
}

type rest struct{ b []byte }

func (r *rest) Read(b []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, r.b)
	r.b = r.b[n:]
	return n, nil
}

// clean takes the control characters out of b and returns its new length.
func clean(b []byte) int {
	n := 0
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f' || c == 0x7f:
			continue
		case c == c1 && i+1 < len(b) && b[i+1] < 0xa0:
			i++
			continue
		}
		if n != i {
			b[n] = c
		}
		n++
	}
	return n
}
