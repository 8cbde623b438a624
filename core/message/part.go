package message

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"smtpreceiver/core/message/charset"
	"smtpreceiver/core/message/header"
	"smtpreceiver/core/message/transfer"

	"golang.org/x/text/transform"
)

// part is one node of the tree. Offsets are bytes of the message's source.
type part struct {
	parent *part
	kids   []*part
	start  int64 // of the header
	body   int64
	end    int64

	mediaType string // lower case, type/subtype
	boundary  string
	closed    bool // its last delimiter was seen
	opaque    bool // beyond a limit: handed on whole, with its header

	typed       bool // its header names a type that is one
	charset     string
	name        string // file name as sent, decoded
	disposition string
	encoding    transfer.Encoding
	flowed      bool
	delsp       bool
	contentID   string // without angle brackets
	location    string
	rootID      string // of a multipart/related: which part is the root

	// src is the source that the offsets are of, if it is not the message: a
	// TNEF stream, or a multipart that was encoded as a whole.
	src       io.ReaderAt
	tnefPart  bool  // found inside a TNEF stream
	tnefMail  bool  // and is a message there
	preamble  *part // of a multipart: what stands in front of its first part
	childless bool  // a multipart in which no part was found
	dashes    bool  // of a message without parts: its text begins like a delimiter
	onlyWords bool  // its header holds no field that a mail has

	surveyOnce  sync.Once
	survey      survey
	surveyErr   error
	surveyed    atomic.Bool
	filesOnce   sync.Once
	files       []*part // uuencoded, in its text
	blankOnce   sync.Once
	blank       bool
	winmailOnce sync.Once
	winmail     *winmail
}

// describe sets what the header fields say about the part.
func (p *part) describe(fields []header.Field, c charset.Context) {
	p.mediaType = "text/plain"
	if p.parent != nil && p.parent.mediaType == "multipart/digest" {
		p.mediaType = "message/rfc822"
	}
	var ctype, disp header.Params
	seen := map[string]bool{}
	for _, f := range fields {
		if !strings.HasPrefix(f.Name, "Content-") || seen[f.Name] {
			continue
		}
		seen[f.Name] = true
		switch f.Name {
		case "Content-Type":
			ctype = header.ParseParams(f.Value)
			p.setType(ctype.Head)
		case "Content-Disposition":
			disp = header.ParseParams(f.Value)
			p.disposition = disp.Head
		case "Content-Transfer-Encoding":
			p.encoding = transfer.Parse(f.Value)
		case "Content-Id":
			p.contentID = strings.Trim(strings.TrimSpace(f.Value), "<>")
		case "Content-Location":
			p.location = strings.Join(strings.Fields(f.Value), "")
		}
	}
	p.charset = ctype.Token("charset")
	p.rootID = strings.Trim(ctype.Token("start"), "<>")
	p.flowed = strings.EqualFold(ctype.Token("format"), "flowed")
	p.delsp = strings.EqualFold(ctype.Token("delsp"), "yes")
	if p.multipart() {
		p.boundary = strings.TrimRight(ctype.Token("boundary"), " \t")
		if len(p.boundary) > maxBoundary {
			p.boundary = ""
		}
	}
	if p.name = disp.Value("filename", c); p.name == "" {
		p.name = ctype.Value("name", c)
	}
	for value, most := range map[*string]int{&p.mediaType: maxToken, &p.boundary: maxBoundary, &p.charset: maxToken, &p.disposition: maxToken,
		&p.name: header.MaxValue, &p.location: header.MaxValue, &p.contentID: surveyAhead, &p.rootID: surveyAhead} {
		*value = strings.Clone(header.Cut(*value, most)) // a piece of a field would keep all of it in memory
	}
}

// maxToken is the longest name of a media type (RFC 6838 §4.2 says 127 and 127).
const maxToken = 255

// setType takes the media type; what is none is text/plain (RFC 2045 §5.2).
func (p *part) setType(head string) {
	major, minor, ok := strings.Cut(head, "/")
	if ok && header.IsToken(major) && header.IsToken(minor) && len(head) <= maxToken {
		p.mediaType, p.typed = head, true
	} else {
		p.mediaType = "text/plain"
	}
}

func (p *part) multipart() bool { return strings.HasPrefix(p.mediaType, "multipart/") }

// leaf says that the part is read as one piece.
func (p *part) leaf() bool { return p.opaque || !p.multipart() }

// embedded says that the part is a whole message (RFC 2046 §5.2.1, RFC 6532).
func (p *part) embedded() bool {
	return p.mediaType == "message/rfc822" || p.mediaType == "message/global"
}

// source is what the part's offsets are of.
func (m *Message) source(p *part) io.ReaderAt {
	if p.src != nil {
		return p.src
	}
	return m.src
}

// open reads the part's body with its transfer encoding undone; of an opaque
// part everything, header included, as it came.
func (m *Message) open(p *part) io.Reader {
	raw := m.raw(p)
	switch {
	case p.opaque:
		return raw
	case p.tnefMail:
		return m.tnefMessage(p)
	}
	if dec := p.encoding.NewDecoder(); dec != nil {
		return undone(raw, p.end-p.body, dec)
	}
	return raw
}

// undone reads size bytes of r with their transfer encoding undone: a few of
// them at once, as most texts are shorter than the buffers of a reader.
func undone(r io.Reader, size int64, dec *transfer.Decoder) io.Reader {
	const few, slack = 4 << 10, 64 // the decoder asks for room beyond the last line
	if size > few {
		return transform.NewReader(r, dec)
	}
	b := make([]byte, 2*size+slack) // what is decoded is no longer than what is encoded
	n, err := io.ReadFull(r, b[:size])
	text, _, _ := transform.Append(dec, b[size:size], b[:n])
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return bytes.NewReader(text)
	}
	return io.MultiReader(bytes.NewReader(text), broken{err})
}

// broken is what follows where a source cannot be read.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error)          { return 0, b.err }
func (b broken) ReadAt([]byte, int64) (int, error) { return 0, b.err }

// raw reads the bytes of a part as they stand in the source.
func (m *Message) raw(p *part) io.Reader {
	src := m.source(p)
	if !p.opaque {
		return io.NewSectionReader(src, p.body, p.end-p.body)
	}
	body := io.NewSectionReader(src, p.start, p.end-p.start)
	if p.start < p.body || p.parent == nil {
		return body
	}
	// The parts beyond the limit have no header of their own: with this one
	// a mail program can still open them.
	return io.MultiReader(strings.NewReader("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\""+
		strings.ReplaceAll(p.parent.boundary, `"`, `\"`)+"\"\r\n\r\n"), body)
}
