// Package plain makes plain text of what text parts hold: enriched and flowed text,
// line ends and control characters, as UTF-8 with LF line ends. It streams: memory
// does not grow with the text.
package plain

import (
	"strings"

	"golang.org/x/text/transform"
)

const (
	maxCommand = 60   // letters of a formatting command, RFC 1896 §3
	maxParam   = 1000 // bytes that <param> can hide
)

// Enriched takes the formatting out of text/enriched (RFC 1896) and of its
// forerunner text/richtext. Its source has LF line ends. What only looks like
// a command, such as an address in angle brackets, stays.
type Enriched struct {
	command  [1 + maxCommand]byte // letters after a <, the / of a closing one too
	n        int
	inside   bool // a < has been read
	param    int  // bytes that may yet be hidden
	nofill   bool
	newlines int // in a row; one is a space, n are n-1
}

func (d *Enriched) Reset() { *d = Enriched{} }

func (d *Enriched) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	const most = 3 + 1 + maxCommand // written for one byte
	for nSrc < len(src) {
		if len(dst)-nDst < most {
			return nDst, nSrc, transform.ErrShortDst
		}
		c := src[nSrc]
		nSrc++
		switch {
		case !d.inside && c == '<':
			d.inside, d.n = true, 0
		case !d.inside:
			nDst += d.put(dst[nDst:], c)
		case c == '<' && d.n == 0:
			d.inside = false
			nDst += d.put(dst[nDst:], c)
		case c == '>' && d.n > 0 && d.command[d.n-1] != '/':
			d.inside = false
			nDst += d.obey(dst[nDst:])
		case d.n < len(d.command) && (isLetter(c) || d.n == 0 && c == '/' || d.n > 0 && (c == '-' || c >= '0' && c <= '9')):
			d.command[d.n] = c
			d.n++
		default:
			nDst += d.literal(dst[nDst:])
			nSrc--
		}
	}
	if !atEOF {
		return nDst, nSrc, nil
	}
	if len(dst)-nDst < most {
		return nDst, nSrc, transform.ErrShortDst
	}
	if d.inside {
		nDst += d.literal(dst[nDst:])
	}
	if d.newlines == 1 {
		nDst += copy(dst[nDst:], "\n")
	}
	d.newlines = 0
	return nDst, nSrc, nil
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// put writes one character of the text.
func (d *Enriched) put(dst []byte, c byte) (n int) {
	if d.param > 0 {
		d.param--
		return 0
	}
	if c == '\n' && !d.nofill {
		if d.newlines++; d.newlines > 1 {
			return copy(dst, "\n")
		}
		return 0
	}
	if d.newlines == 1 {
		n = copy(dst, " ")
	}
	d.newlines = 0
	dst[n] = c
	return n + 1
}

// literal writes what was no command.
func (d *Enriched) literal(dst []byte) (n int) {
	d.inside = false
	n = d.put(dst, '<')
	for _, c := range d.command[:d.n] {
		n += d.put(dst[n:], c)
	}
	return n
}

// obey does what a command says about characters; how they look is lost.
func (d *Enriched) obey(dst []byte) (n int) {
	switch strings.ToLower(string(d.command[:d.n])) {
	case "param":
		d.param = maxParam
	case "/param":
		d.param = 0
	case "nofill":
		d.nofill = true
	case "/nofill":
		d.nofill = false
	case "lt": // of richtext, as nl
		return d.put(dst, '<')
	case "nl":
		if d.param == 0 {
			d.newlines = 0
			return copy(dst, "\n")
		}
	}
	return 0
}
