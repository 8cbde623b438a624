package message

import (
	"bufio"
	"errors"
	"io"
	"strings"

	"smtpreceiver/core/message/header"
	"smtpreceiver/core/message/tnef"
	"smtpreceiver/core/message/transfer"
	"smtpreceiver/core/message/transfer/seek"
)

// Attachment is one file of a message.
type Attachment struct {
	Name        string // as the sender gave it, not safe as a file name; made up where there is none
	ContentType string // type/subtype in lower case

	m *Message
	p *part
}

// Open reads the attachment with its transfer encoding undone.
func (a Attachment) Open() (io.ReadCloser, error) {
	return io.NopCloser(a.m.open(a.p)), nil
}

// Attachments lists, in the message's order, every part that is neither shown
// in the body b nor another form of it. A forwarded message is one attachment.
// Pictures that only the HTML shows are left out if b says so.
func (m *Message) Attachments(b *Body) []Attachment {
	l := make([]Attachment, 0, len(b.attached))
	for _, p := range b.withoutDecoration() {
		a := Attachment{Name: m.fileName(p), ContentType: p.mediaType, m: m, p: p}
		if p.opaque {
			a.ContentType = "message/rfc822"
		}
		l = append(l, a)
	}
	return l
}

// extensions are for parts without a file name: fax converters go by them.
var extensions = map[string]string{
	"application/msword": ".doc", "application/pdf": ".pdf", "application/pgp-encrypted": ".txt",
	"application/pgp-signature": ".asc", "application/pkcs7-mime": ".p7m",
	"application/pkcs7-signature": ".p7s", "application/postscript": ".ps", "application/rtf": ".rtf",
	"application/x-pkcs7-mime": ".p7m", "application/x-pkcs7-signature": ".p7s",
	"application/zip": ".zip", "image/bmp": ".bmp", "image/gif": ".gif", "image/jpeg": ".jpg",
	"image/jpg": ".jpg", "image/png": ".png", "image/svg+xml": ".svg", "image/tiff": ".tif",
	"message/delivery-status": ".txt", "message/disposition-notification": ".txt",
	"text/calendar": ".ics", "text/csv": ".csv", "text/html": ".htm", "text/plain": ".txt",
	"text/rfc822-headers": ".txt", "text/rtf": ".rtf", "text/vcard": ".vcf", "text/x-vcard": ".vcf",
	"text/xml": ".xml", "application/xml": ".xml",
}

func (m *Message) fileName(p *part) string {
	switch {
	case p.opaque:
		return "part.eml"
	case p.embedded():
		name := p.name
		if name == "" {
			name = header.Cut(m.embeddedSubject(p), 200)
		}
		if name == "" {
			name = "message"
		}
		if !strings.HasSuffix(strings.ToLower(name), ".eml") {
			name += ".eml"
		}
		return name
	case p.name != "":
		return p.name
	}
	if p.mediaType == "text/calendar" && p.inside("multipart/alternative") {
		return "invite.ics"
	}
	if p.encoding == transfer.UUEncode {
		if name := m.uuName(p); name != "" {
			return name
		}
	}
	return "attachment" + extensions[p.mediaType]
}

// embeddedSubject is the subject of a forwarded message.
func (m *Message) embeddedSubject(p *part) string {
	if p.tnefMail { // as a mail it would be read with all that is inside it
		return tnef.Read(io.NewSectionReader(p.src, p.body, p.end-p.body), p.end-p.body, m.context).Subject
	}
	r := bufio.NewReaderSize(io.LimitReader(m.open(p), header.MaxPart), 4096)
	var h header.Block
	h.Reset(header.MaxPart, header.MaxPartFields)
	for starts := true; ; {
		line, err := r.ReadSlice('\n')
		if len(line) == 0 || starts && header.IsBlank(line) {
			break
		}
		h.Add(line, 0, starts)
		starts = !errors.Is(err, bufio.ErrBufferFull)
	}
	for _, f := range h.Fields() {
		if f.Name == "Subject" {
			return m.words(f.Value)
		}
	}
	return ""
}

// Attached is the first forwarded message (message/rfc822) in the message,
// encoded or not; nil if there is none. It fails only if the source does.
func (m *Message) Attached() (*Message, error) {
	p := firstEmbedded(m.root)
	if p == nil {
		return nil, nil
	}
	src, size, err := m.randomAccess(p)
	if err != nil {
		return nil, err
	}
	return Parse(src, size, m.lim)
}

func firstEmbedded(p *part) *part {
	if p.leaf() {
		if p.embedded() {
			return p
		}
		return nil
	}
	for _, k := range p.kids {
		if f := firstEmbedded(k); f != nil {
			return f
		}
	}
	return nil
}

// randomAccess gives the decoded body of a part and its size.
func (m *Message) randomAccess(p *part) (io.ReaderAt, int64, error) {
	raw := io.NewSectionReader(m.source(p), p.body, p.end-p.body)
	if p.encoding == transfer.Identity {
		return raw, raw.Size(), nil
	}
	b := &m.buffers
	if around, ok := m.source(p).(*seek.Reader); ok {
		b = &around.Above
	}
	d, err := seek.New(raw, p.encoding, b)
	if err != nil {
		return nil, 0, err
	}
	return d, d.Size, nil
}
