// Package charset turns bytes of mail into UTF-8: it decides in which charset text is.
package charset

import (
	"bytes"
	"fmt"
	"io"

	"golang.org/x/text/transform"

	"smtpreceiver/core/message/charset/labels"
)

// Context is what the rest of a message tells about text in it.
type Context struct {
	Neighbours []string      // what other text declares, the nearest first: the body's charset, Subject's
	Default    string        // Limits.DefaultCharset
	Decided    func(Verdict) // told how short texts were read, if it is not nil
}

// Evidence is all that is known about the charset of a text.
type Evidence struct {
	Context
	Declared string // by its header field, parameter or encoded word
	Meta     string // by the head of an HTML document
	Bytes    Bytes
}

// Verdict is the charset in which a text is read.
type Verdict struct {
	Charset string // its name, in lower case
	Because string // the reason, in words

	declared string
	plain    bool // the text is ASCII, so that nothing was decided
	clean    bool // the text is UTF-8 as it stands
	new      func() transform.Transformer
}

const headSays = "its HTML head says so"

// FromHead says that the head of an HTML document decided.
func (v Verdict) FromHead() bool { return v.Because == headSays }

// rules decide, the first that names a charset. What is declared counts unless
// the bytes contradict it; then the neighbours count, then the default.
var rules = []struct {
	because string
	charset func(*Evidence, labels.Charset) string // the second is the declared one
}{
	{"it begins with a byte order mark", func(e *Evidence, _ labels.Charset) string { return e.Bytes.mark }},
	{"its zero bytes show the byte order", zeroBytes},
	{"it holds ISO-2022 escapes", escapes},
	{"its bytes are valid UTF-8", againstDeclared},
	{"it holds bytes that only this charset has", superset},
	{"it is declared", declared},
	{headSays, meta},
	{"its bytes are valid UTF-8", unlabelled},
	{"the rest of the message is declared so", neighbour},
	{"nothing says otherwise (default_charset)", func(e *Evidence, _ labels.Charset) string { return e.Default }},
	{"nothing says otherwise", func(*Evidence, labels.Charset) string { return "windows-1252" }},
}

// Decide reads the evidence.
func (e *Evidence) Decide() Verdict {
	d, _ := labels.Lookup(e.Declared) // an unknown label is none: its kind is ascii
	for _, r := range rules {
		name := r.charset(e, d)
		if name == "" {
			continue
		}
		c := d
		if name != d.Name {
			var ok bool
			if c, ok = labels.Lookup(name); !ok {
				continue
			}
		}
		v := Verdict{Charset: c.Name, Because: r.because, declared: e.Declared, plain: e.Bytes.ASCII() && c.Kind != labels.SevenBit, new: c.NewDecoder}
		if c.Kind <= labels.UTF8 {
			v.Charset, v.clean = "utf-8", e.Bytes.bad == 0 && e.Bytes.mark == ""
			v.new = func() transform.Transformer { return newMixed(e) }
		}
		return v
	}
	panic("charset: the last rule always holds")
}

// NewDecoder reads the text as UTF-8. What cannot be read becomes U+FFFD.
func (v Verdict) NewDecoder() transform.Transformer {
	if v.new == nil {
		return transform.Nop
	}
	return v.new()
}

// Reader reads text, r, as UTF-8 without a byte order mark.
func (v Verdict) Reader(r io.Reader) io.Reader {
	if v.clean {
		return r
	}
	return transform.NewReader(r, Marked(v.NewDecoder()))
}

// Guessed says that the text is not simply in the charset that it declares.
func (v Verdict) Guessed() bool {
	if v.plain {
		return false
	}
	c, ok := labels.Lookup(v.declared)
	return !ok || family(c.Name) != family(v.Charset)
}

// family is a charset without what a label need not say: the byte order of
// UTF-16, and that ASCII is UTF-8.
func family(name string) string {
	switch name {
	case "us-ascii":
		return "utf-8"
	case "utf-16le", "utf-16be":
		return "utf-16"
	case "utf-32le", "utf-32be":
		return "utf-32"
	}
	return name
}

// String explains the verdict.
func (v Verdict) String() string {
	label := "none declared"
	if v.declared != "" {
		label = fmt.Sprintf("declared %.40q", v.declared)
	}
	if v.plain {
		return label + ", the text is ASCII"
	}
	return label + ", read as " + v.Charset + " because " + v.Because
}

// zeroBytes: UTF-16 without a mark has the byte order that its zero bytes show
// (RFC 2781 §4.3 says SHOULD be big-endian; Windows writes the other).
func zeroBytes(e *Evidence, d labels.Charset) string {
	if d.Kind == labels.Wide {
		return e.Bytes.order(false)
	}
	return e.Bytes.order(true)
}

// escapes: ISO-2022 is all in seven bits, and no other text holds its escapes.
func escapes(e *Evidence, d labels.Charset) string {
	b := &e.Bytes
	switch {
	case b.good()+b.bad > 0 || d.Kind == labels.Wide:
		return ""
	case b.jp && d.Name != "iso-2022-kr" && d.Name != "iso-2022-cn":
		return "iso-2022-jp"
	case b.kr:
		return "iso-2022-kr"
	case b.cn:
		return "iso-2022-cn"
	}
	return ""
}

// againstDeclared: text of another charset is by chance valid UTF-8 only where
// it is very short.
func againstDeclared(e *Evidence, d labels.Charset) string {
	b := &e.Bytes
	switch d.Kind {
	case labels.Single, labels.SevenBit:
		if b.good() > b.rare && b.bad == 0 {
			return "utf-8"
		}
	case labels.Dense: // short words of it can look so
		if (b.good() > b.rare+2 || b.telling > 0) && b.bad == 0 {
			return "utf-8"
		}
	case labels.Double: // a few letters of it can look like UTF-8, not a few among many of ASCII
		if b.bad == 0 && (b.more > 0 || b.two > 3 || b.two > 0 && b.total > 8*int64(b.two)) {
			return "utf-8"
		}
	case labels.Wide:
		if b.bad == 0 && b.controls == 0 && b.total >= 4 && b.zeros == [4]int64{} {
			return "utf-8"
		}
	}
	return ""
}

// supersets are the charsets of Windows whose texts are declared as the
// standard that has control characters where they have letters.
var supersets = map[string]string{
	"iso-8859-2": "windows-1250", "iso-8859-5": "windows-1251", "iso-8859-6": "windows-1256", "iso-8859-7": "windows-1253",
	"iso-8859-8": "windows-1255", "iso-8859-8-i": "windows-1255", "iso-8859-13": "windows-1257", "iso-8859-4": "windows-1257", "iso-8859-15": "windows-1252",
}

func superset(e *Evidence, d labels.Charset) string {
	b := &e.Bytes
	switch {
	case b.c1 > 0 && d.Kind == labels.Single:
		return supersets[d.Name]
	case d.Name == "iso-2022-jp" && b.bad > 0 && !b.jp && b.c1 > 0:
		return "shift_jis"
	case d.Name == "iso-2022-jp" && b.bad > 0 && !b.jp:
		return "euc-jp"
	}
	return ""
}

func declared(e *Evidence, d labels.Charset) string {
	switch d.Kind {
	case labels.ASCII:
		return ""
	case labels.UTF8: // with some bad bytes too, but not with nothing else
		if e.Bytes.bad > 0 && e.Bytes.good() == 0 {
			return ""
		}
	}
	return d.Name
}

// meta: a head that can be read is not in UTF-16, whatever it says.
func meta(e *Evidence, _ labels.Charset) string {
	c, ok := labels.Lookup(e.Meta)
	if !ok || c.Kind == labels.Wide || c.Kind <= labels.UTF8 || e.Bytes.bad == 0 && c.Kind != labels.SevenBit || e.Bytes.good() > e.Bytes.bad {
		return ""
	}
	return c.Name
}

// unlabelled: a few bad bytes in much good text are damage, not another
// charset.
func unlabelled(e *Evidence, _ labels.Charset) string {
	if b := &e.Bytes; b.bad == 0 || b.good() >= b.bad {
		return "utf-8"
	}
	return ""
}

func neighbour(e *Evidence, _ labels.Charset) string {
	for _, n := range e.Neighbours {
		c, _ := labels.Lookup(n)
		switch {
		case c.Kind == labels.UTF8 && e.Bytes.good() > 0, c.ByteEach(), c.Kind == labels.Double:
			return c.Name
		}
	}
	return ""
}

// Lends says whether text without a label can be in the charset of a label
// beside it: one of 8 bits.
func Lends(label string) bool {
	c, _ := labels.Lookup(label)
	return c.ByteEach() || c.Kind == labels.Double || c.Kind == labels.UTF8
}

// Decode turns a short text, such as an encoded word, into valid UTF-8.
func Decode(b []byte, label string, c Context) string {
	e := Evidence{Context: c, Declared: label, Bytes: Look(b)}
	v := e.Decide()
	if c.Decided != nil {
		c.Decided(v)
	}
	if v.clean {
		return string(b)
	}
	out, _, _ := transform.Bytes(Marked(v.NewDecoder()), b)
	return string(bytes.ToValidUTF8(out, []byte("\uFFFD")))
}
