package message

// choice is what a person sees of a message in one way of showing it, and
// what is left as attachments, both in the order of the message.
type choice struct {
	m        *Message
	html     bool // HTML is preferred to plain text
	shown    []*part
	attached []*part
	unpacked []*part // text from a TNEF stream, in case there is no other
	silent   []*part // TNEF streams whose text, RTF for one, we cannot read
}

// choose walks the tree; its depth is limited by Limits.MaxDepth.
func (m *Message) choose(html bool) *choice {
	c := &choice{m: m, html: html}
	c.walk(m.root, false)
	if len(c.shown) == 0 {
		c.promote()
	}
	if len(c.shown) > 1 || len(c.unpacked) > 0 {
		c.dropBlank()
	}
	if len(c.silent) > 0 && !c.tells() {
		c.attached = append(c.attached, c.silent...)
	}
	return c
}

// tells says whether any text is shown.
func (c *choice) tells() bool {
	for _, p := range c.shown {
		if isHTMLType(p.mediaType) || !c.m.blankText(p) {
			return true
		}
	}
	return false
}

// dropBlank leaves out text that shows nothing; if that is all of it, the text
// of a TNEF stream takes its place.
func (c *choice) dropBlank() {
	filled := make([]*part, 0, len(c.shown))
	for _, p := range c.shown {
		if c.html && isHTMLType(p.mediaType) || !c.m.blankText(p) { // HTML may be all pictures
			filled = append(filled, p)
		}
	}
	switch {
	case len(filled) > 0:
		c.shown = filled
	case len(c.unpacked) > 0:
		c.shown = c.unpackedText()
	}
}

// unpackedText is the text of a TNEF stream, the one preferred if there is a
// choice.
func (c *choice) unpackedText() []*part {
	for _, p := range c.unpacked {
		if isHTMLType(p.mediaType) == c.html {
			return []*part{p}
		}
	}
	return c.unpacked[:1]
}

// walk sorts the leaves under p. Text in an alternative that was not chosen is
// hidden; whatever else is there is not.
func (c *choice) walk(p *part, hidden bool) {
	if p.leaf() {
		c.leaf(p, hidden)
		return
	}
	chosen := -1
	if p.mediaType == "multipart/alternative" {
		chosen = c.alternative(p)
	}
	for i, k := range p.kids {
		switch {
		case chosen >= 0:
			c.walk(k, hidden || i != chosen)
		case p.mediaType == "multipart/related" && k.leaf() && k.contentID != "" && k != p.relatedRoot():
			c.attached = append(c.attached, k) // a frame or picture of the root
		default:
			c.walk(k, hidden)
		}
	}
}

func (c *choice) leaf(p *part, hidden bool) {
	switch {
	case p.inlineText() && hidden:
	case p.inlineText():
		c.shown = append(c.shown, p)
	case p.isTNEF():
		t := c.m.unpack(p)
		c.unpacked = append(c.unpacked, t.texts...)
		c.attached = append(c.attached, t.files...)
		if t.keep {
			c.attached = append(c.attached, p)
		} else if len(t.texts) == 0 {
			c.silent = append(c.silent, p)
		}
	default:
		c.attached = append(c.attached, p)
	}
}

// alternative chooses the part of a multipart/alternative (RFC 2046 §5.1.4:
// the last is the richest); -1 if none holds text.
func (c *choice) alternative(p *part) int {
	plain, blank, html := -1, -1, -1
	for i, k := range p.kids {
		if c.holds(k, func(l *part) bool { return isHTMLType(l.mediaType) }) {
			html = i
		} else if plain < 0 && c.holds(k, func(l *part) bool { return !c.m.blankText(l) }) {
			plain = i
		} else if blank < 0 && c.holds(k, func(*part) bool { return true }) {
			blank = i
		}
	}
	switch {
	case html >= 0 && (c.html || plain < 0):
		return html
	case plain >= 0:
		return plain
	}
	return blank
}

// holds says whether some inline text under p is as asked.
func (c *choice) holds(p *part, ask func(*part) bool) bool {
	if p.leaf() {
		return p.inlineText() && ask(p)
	}
	for _, k := range p.kids {
		if c.holds(k, ask) {
			return true
		}
	}
	return false
}

// promote shows the first text that has a file name where there is no other
// text: phones and scanners name even the body.
func (c *choice) promote() {
	for i, p := range c.attached {
		if p.isText() && p.disposition != "attachment" && !p.opaque && p.unpacked == nil {
			c.shown = []*part{p}
			c.attached = append(c.attached[:i:i], c.attached[i+1:]...)
			return
		}
	}
}

func (c *choice) hasHTML() bool {
	for _, p := range c.shown {
		if isHTMLType(p.mediaType) {
			return true
		}
	}
	return false
}

// isText says whether the part is of a type that can be a message's text.
func (p *part) isText() bool {
	switch p.mediaType {
	case "text/plain", "text/enriched", "text/richtext":
		return true
	}
	return isHTMLType(p.mediaType)
}

// inlineText says that the part is text to be shown, not a file.
func (p *part) inlineText() bool {
	return !p.opaque && p.isText() && p.name == "" && (p.disposition != "attachment" || p.parent == nil)
}

// relatedRoot is the part of a multipart/related that refers to the others
// (RFC 2387 §3.2).
func (p *part) relatedRoot() *part {
	for _, k := range p.kids {
		if p.rootID != "" && k.contentID == p.rootID {
			return k
		}
	}
	return p.kids[0]
}
