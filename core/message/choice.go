package message

import "strings"

// choice is what a person sees of a message in one way of showing it, and
// what is left as attachments, both in the order of the message.
type choice struct {
	m        *Message
	html     bool // HTML is preferred to plain text
	shown    []*part
	attached []*part
	hidden   []*part // text of alternatives that was not chosen
	other    []*part // alternatives of a type that nobody shows
	unpacked []*part // text from a TNEF stream, in case there is no other
	silent   []*part // TNEF streams whose text, RTF for one, we cannot read
}

// choose walks the tree; its depth is limited by Limits.MaxDepth.
func (m *Message) choose(html bool) *choice {
	c := &choice{m: m, html: html}
	c.walk(m.root, false)
	if len(c.shown) == 0 {
		c.promote((*part).isNamedText)
	}
	if len(c.shown) > 1 || len(c.unpacked) > 0 {
		c.dropBlank()
	}
	if !c.tells() && len(c.unpacked) == 0 {
		c.lastResort()
	}
	if len(c.silent) > 0 && !c.tells() {
		c.attached = append(c.attached, c.silent...)
	}
	return c
}

// tells says whether any text is shown.
func (c *choice) tells() bool {
	for _, p := range c.shown {
		if isHTMLType(p.mediaType) && (!p.inside("multipart/report") || c.m.hasPictures(p)) || !c.m.blankText(p) {
			return true
		}
	}
	return false
}

// hasPictures says that HTML shows pictures that came with it.
func (m *Message) hasPictures(p *part) bool {
	v, err := m.look(p)
	return err == nil && len(v.refs) > 0
}

// lastResort shows what else can be read of a message without text, the first
// of these: a text of an unknown type (RFC 2046 §4.1.4), the words of a report
// that came as an attachment, the preamble, the status of a report (RFC 3464).
func (c *choice) lastResort() {
	for _, p := range c.other {
		c.shown = []*part{p}
		return
	}
	if c.promote((*part).isUnknownText) || c.promote((*part).isReportWords) {
		return
	}
	if p := c.preamble(c.m.root); p != nil {
		c.shown = []*part{p}
		return
	}
	c.promote((*part).isStatus)
}

// preamble finds words in front of the first part of a multipart.
func (c *choice) preamble(p *part) *part {
	if q := p.preamble; q != nil && !c.m.blankText(q) && !c.m.stockText(q) {
		return q
	}
	for _, k := range p.kids {
		if q := c.preamble(k); q != nil {
			return q
		}
	}
	return nil
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
		c.hidden = append(c.hidden, p)
	case p.childless && c.m.stockText(p):
	case p.inlineText():
		c.shown = append(c.shown, p)
		c.attached = append(c.attached, c.m.uuFiles(p)...)
	case p.isRendition():
		c.other = append(c.other, p)
	case p.isTNEF():
		t := c.m.unpack(p)
		c.unpacked = append(c.unpacked, t.texts...)
		c.attached = append(c.attached, t.files...)
		if t.Keep {
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
		} else if plain < 0 && c.holds(k, func(l *part) bool { return !l.childless && !c.m.blankText(l) }) {
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

// promote shows the first attachment that is as asked.
func (c *choice) promote(ask func(*part) bool) bool {
	for i, p := range c.attached {
		if !p.tnefPart && ask(p) {
			c.shown = []*part{p}
			c.attached = append(c.attached[:i:i], c.attached[i+1:]...)
			return true
		}
	}
	return false
}

// isNamedText: phones and scanners give even the body a file name.
func (p *part) isNamedText() bool { return p.isText() && p.disposition != "attachment" }

// isUnknownText: a text without a file name is for reading, whatever it is.
func (p *part) isUnknownText() bool {
	switch p.mediaType {
	case "text/rtf", "text/css", "text/javascript", "text/rfc822-headers":
		return false
	}
	return strings.HasPrefix(p.mediaType, "text/") && p.name == "" && (p.disposition != "attachment" || p.parent == nil)
}

func (p *part) isReportWords() bool { return p.isText() && p.inside("multipart/report") }

// isStatus: what a report says to programs (RFC 3464, 8098, 5965).
func (p *part) isStatus() bool {
	switch p.mediaType {
	case "message/delivery-status", "message/global-delivery-status", "message/disposition-notification",
		"message/global-disposition-notification", "message/feedback-report", "message/tracking-status":
		return true
	}
	return false
}

// isRendition: a text that nobody knows is in an alternative another form of
// the others (RFC 2046 §5.1.4); a calendar is a file of its own.
func (p *part) isRendition() bool {
	if !strings.HasPrefix(p.mediaType, "text/") || p.mediaType == "text/calendar" || p.isText() || p.opaque || p.tnefPart ||
		p.name != "" || p.disposition == "attachment" || p.parent == nil {
		return false
	}
	around := p.parent
	if around.mediaType == "multipart/related" && around.relatedRoot() == p && around.parent != nil {
		around = around.parent
	}
	return around.mediaType == "multipart/alternative"
}

// inside says whether the part is in a multipart of that type.
func (p *part) inside(mediaType string) bool {
	for q := p.parent; q != nil; q = q.parent {
		if q.mediaType == mediaType {
			return true
		}
	}
	return false
}

// htmlParts are the HTML of the message.
func (c *choice) htmlParts() (l []*part) {
	for _, p := range append(c.shown[:len(c.shown):len(c.shown)], c.hidden...) {
		if isHTMLType(p.mediaType) {
			l = append(l, p)
		}
	}
	return l
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
