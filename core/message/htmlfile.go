package message

import (
	"bufio"
	"bytes"
	"io"
	"strings"

	"smtpreceiver/core/message/htmltext"

	"golang.org/x/net/html"
)

const (
	declaration = `<meta charset="utf-8">`
	htmlHead    = "<!DOCTYPE html>\n<html><head>" + declaration + "<title>"
	htmlBody    = "</title></head>\n<body>\n"
	htmlEnd     = "</body></html>\n"
)

// writeHTML writes the shown parts as one HTML document in UTF-8.
func (b *Body) writeHTML(w *bufio.Writer) error {
	if len(b.shown) == 1 && isHTMLType(b.shown[0].mediaType) {
		p := b.shown[0]
		v, err := b.m.look(p)
		if err != nil {
			return err
		}
		if !v.rtf {
			return b.copyHTML(w, p, false)
		}
	}
	w.WriteString(htmlHead)
	w.WriteString(html.EscapeString(b.m.Subject()))
	w.WriteString(htmlBody)
	for _, p := range b.shown {
		if err := b.writePart(w, p); err != nil {
			return err
		}
	}
	_, err := w.WriteString(htmlEnd)
	return err
}

// writePart writes one of several parts into the document. HTML that is RTF
// in truth is left out, as the original product does.
func (b *Body) writePart(w *bufio.Writer, p *part) error {
	if isHTMLType(p.mediaType) {
		v, err := b.m.look(p)
		if err != nil || v.rtf {
			return err
		}
		w.WriteString("<div>\n")
		if err := b.copyHTML(w, p, true); err != nil {
			return err
		}
		_, err = w.WriteString("\n</div>\n")
		return err
	}
	r, err := b.m.text(p)
	if err != nil {
		return err
	}
	w.WriteString(`<pre style="white-space: pre-wrap">` + "\n")
	if _, err := io.Copy(htmlEscaper{w}, r); err != nil {
		return err
	}
	_, err = w.WriteString("</pre>\n")
	return err
}

// copyHTML copies an HTML part in UTF-8. Every charset the document declares
// is taken out, and the true one put in unless it is there already.
func (b *Body) copyHTML(w *bufio.Writer, p *part, declared bool) error {
	r, err := b.m.decoded(p)
	if err != nil {
		return err
	}
	declare := func() {
		if !declared {
			w.WriteString(declaration)
			declared = true
		}
	}
	t := htmltext.NewTokens(r)
	t.Spill = func(tag []byte) io.Writer {
		if len(tag) > 0 {
			declare()
		}
		w.Write(tag)
		return w
	}
	for {
		tt := t.Next()
		raw := t.Raw()
		switch tag := tagName(raw); {
		case tt == html.ErrorToken:
			declare()
			w.Write(raw)
			return t.ReadError()
		case tag == "meta" && bytes.Contains(bytes.ToLower(raw), []byte("charset")):
			continue
		case declared, tag == "html", tt == html.CommentToken, tt == html.DoctypeToken,
			tt == html.TextToken && len(bytes.TrimSpace(raw)) == 0:
		case tag == "head":
			w.Write(raw)
			raw = nil
			declare()
		default:
			declare()
		}
		if _, err := w.Write(raw); err != nil {
			return err
		}
	}
}

// tagName is the name of a start tag, in lower case.
func tagName(raw []byte) string {
	if len(raw) < 2 || raw[0] != '<' {
		return ""
	}
	end := bytes.IndexAny(raw, " \t\r\n\f/>")
	if end < 0 {
		return ""
	}
	return strings.ToLower(string(raw[1:end]))
}

// htmlEscaper writes text as the content of an element.
type htmlEscaper struct{ w *bufio.Writer }

func (e htmlEscaper) Write(p []byte) (int, error) {
	var err error
	for _, c := range p {
		switch c {
		case '&':
			_, err = e.w.WriteString("&amp;")
		case '<':
			_, err = e.w.WriteString("&lt;")
		case '>':
			_, err = e.w.WriteString("&gt;")
		default:
			err = e.w.WriteByte(c)
		}
	}
	return len(p), err
}
