package htmltext

import (
	"math"
	"strings"
	"unicode"

	"golang.org/x/net/html/atom"
)

// blocks are the elements that begin and end a line; 2 asks for an empty line
// around.
var blocks = map[atom.Atom]int{
	atom.P: 2, atom.H1: 2, atom.H2: 2, atom.H3: 2, atom.H4: 2, atom.H5: 2, atom.H6: 2,
	atom.Blockquote: 1, atom.Pre: 2, atom.Dl: 2, atom.Ul: 1, atom.Ol: 1, atom.Menu: 1, atom.Table: 1,
	atom.Address: 1, atom.Article: 1, atom.Aside: 1, atom.Body: 1, atom.Caption: 1, atom.Center: 1,
	atom.Dd: 1, atom.Div: 1, atom.Dt: 1, atom.Fieldset: 1, atom.Figure: 1, atom.Figcaption: 1,
	atom.Footer: 1, atom.Form: 1, atom.Header: 1, atom.Hr: 1, atom.Legend: 1, atom.Li: 1, atom.Main: 1,
	atom.Nav: 1, atom.Option: 1, atom.Section: 1, atom.Tbody: 1, atom.Thead: 1, atom.Tfoot: 1,
	atom.Tr: 1, atom.Xmp: 1, atom.Listing: 1,
}

// never is how soon an element counts as not closed which the tokenizer takes
// as one text to its end.
const never = math.MaxInt

// unseen are the elements whose content no reader sees, with the length of
// text after which they count as never closed.
var unseen = map[atom.Atom]int{
	atom.Style: never, atom.Script: never, atom.Title: never,
	atom.Iframe: never, atom.Noembed: never, atom.Noframes: never,
	atom.Template: 16 * maxHidden, atom.Svg: maxHidden, atom.Audio: maxHidden, atom.Video: maxHidden,
}

func (h *Text) startTag(selfClosing bool) {
	tag, more := h.t.TagName()
	name := atom.Lookup(tag)
	if h.skip != 0 {
		if name == h.skip && !selfClosing {
			h.depth++
		}
		return
	}
	var attr map[string]string
	switch name {
	case atom.A, atom.Img, atom.P, atom.Div, atom.Span, atom.Blockquote, atom.Ol:
		attr = h.attributes(more)
	}
	room, hide := unseen[name]
	if !hide && name != atom.A && name != atom.Img && hidden(attr["style"]) {
		room, hide = maxHidden, true
	}
	if hide {
		if !selfClosing || room == never { // the tokenizer heeds no /> there
			h.skip, h.depth, h.skipRoom, h.held = name, 1, room, nil
		}
		return
	}
	h.start(name, attr)
}

func (h *Text) start(name atom.Atom, attr map[string]string) {
	n := blocks[name]
	switch name {
	case atom.Br:
		h.lineBreak()
	case atom.Hr:
		h.block(1)
		h.write([]byte("---"))
	case atom.P:
		h.tight = strings.HasPrefix(attr["class"], "Mso") || strings.Contains(squeeze(attr["style"]), "margin:0")
		if h.tight {
			n = 1
		}
	case atom.Ul, atom.Ol, atom.Menu:
		if len(h.lists) < maxLists {
			h.lists = append(h.lists, list{ordered: name == atom.Ol})
		} else {
			h.tooDeep++
		}
	case atom.Li:
		if h.begun && !h.cell {
			h.newlines = 1
		}
		h.bullet = h.bulletOf()
	case atom.Blockquote:
		if len(h.quotes) < maxLists {
			h.quotes = append(h.quotes, attr["type"] == "cite" || strings.Contains(attr["class"], "gmail_quote"))
		}
	case atom.Pre, atom.Xmp, atom.Listing:
		h.pre++
	case atom.Noscript:
		h.t.NextIsNotRawText() // nothing runs scripts here
	case atom.Tr:
		h.inCell = false
	case atom.Td, atom.Th:
		if h.inCell {
			h.endCell()
		}
		h.inCell, h.cell = true, true
	case atom.A:
		h.endLink()
		h.link.href = linkAddress(attr["href"])
	case atom.Img:
		if h.link.href != "" && h.link.alt == "" {
			h.link.alt = strings.Join(strings.Fields(strings.ToValidUTF8(attr["alt"][:min(len(attr["alt"]), maxAlt)], "")), " ")
		}
	}
	if n > 0 {
		h.block(n)
	}
}

func (h *Text) end(name atom.Atom) {
	if h.skip != 0 {
		if name == h.skip {
			if h.depth--; h.depth == 0 {
				h.skip, h.held = 0, nil
			}
		}
		return
	}
	n := blocks[name]
	switch name {
	case atom.P:
		if h.tight {
			n = 1
		}
	case atom.Ul, atom.Ol, atom.Menu:
		if h.tooDeep > 0 {
			h.tooDeep--
		} else if len(h.lists) > 0 {
			h.lists = h.lists[:len(h.lists)-1]
		}
		h.bullet = ""
	case atom.Li:
		h.bullet = ""
	case atom.Blockquote:
		h.quotes = h.quotes[:max(len(h.quotes)-1, 0)]
	case atom.Pre, atom.Xmp, atom.Listing:
		h.pre = max(h.pre-1, 0)
	case atom.Td, atom.Th:
		h.endCell()
	case atom.Tr, atom.Table:
		h.cell, h.inCell = false, false
	case atom.A:
		h.endLink()
	case atom.Br: // </br>
		h.lineBreak()
	}
	if n > 0 {
		h.block(n)
	}
}

func (h *Text) attributes(more bool) map[string]string {
	attr := make(map[string]string)
	for more {
		var k, v []byte
		k, v, more = h.t.TagAttr()
		switch string(k) {
		case "href", "alt", "class", "style", "type":
			attr[string(k)] = string(v)
		}
	}
	return attr
}

// linkAddress is the address of a link that a reader can use, else empty.
func linkAddress(href string) string {
	href = squeeze(href)
	low := strings.ToLower(href)
	switch {
	case len(href) > maxLink:
		return ""
	case strings.HasPrefix(low, "mailto:"):
		to, _, _ := strings.Cut(href[len("mailto:"):], "?")
		return to
	case strings.HasPrefix(low, "http://"), strings.HasPrefix(low, "https://"):
		return href
	}
	return ""
}

// hidden says that a style shows nothing: the text which newsletters put in
// front for the list of messages.
func hidden(style string) bool {
	return strings.Contains(strings.ToLower(squeeze(style)), "display:none")
}

// squeeze takes out all white space and control characters.
func squeeze(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}
