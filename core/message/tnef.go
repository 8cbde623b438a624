package message

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strconv"
	"strings"

	"smtpreceiver/core/message/charset"
	"smtpreceiver/core/message/header"
)

// tnef is what was found in a winmail.dat (MS-OXTNEF). Nothing is copied: the
// parts are stretches of the decoded stream.
type tnef struct {
	texts []*part // of the message, HTML or plain
	files []*part
	keep  bool // the stream itself must stay an attachment

	subject, from, address string // of a message
}

// Bounds of what is taken out of one TNEF stream.
const (
	maxTNEFFiles = 200
	maxTNEFTexts = 8
	maxTNEFDepth = 5 // messages forwarded inside each other
)

// Attribute IDs and MAPI properties that are read.
const (
	tnefSignature = 0x223e9f78

	attBody        = 0x0002800c
	attSubject     = 0x00018004
	attAttachTitle = 0x00018010
	attAttachData  = 0x0006800f
	attRendData    = 0x00069002 // begins an attachment
	attMsgProps    = 0x00069003
	attAttachProps = 0x00069005
	attOemCodepage = 0x00069007

	propSubject        = 0x0037
	propSentByName     = 0x0042 // PidTagSentRepresentingName
	propSentByAddress  = 0x0065
	propSenderName     = 0x0c1a
	propSenderAddress  = 0x0c1f
	propSenderSMTP     = 0x5d01
	propBody           = 0x1000
	propHTML           = 0x1013
	propDisplayName    = 0x3001
	propAttachData     = 0x3701
	propAttachFilename = 0x3704
	propAttachLongName = 0x3707
	propAttachMimeTag  = 0x370e
	propInternetCPID   = 0x3fde
)

func (p *part) isTNEF() bool {
	return !p.opaque && (p.mediaType == "application/ms-tnef" || p.mediaType == "application/vnd.ms-tnef" ||
		strings.EqualFold(p.name, "winmail.dat"))
}

// unpack reads a TNEF part, once.
func (m *Message) unpack(p *part) *tnef {
	p.tnefOnce.Do(func() {
		src, size, err := m.randomAccess(p)
		if err != nil {
			p.tnef = &tnef{keep: true}
			return
		}
		p.tnef = readTNEF(src, size, m.context)
	})
	return p.tnef
}

// tnefReader walks the stream. Every read is checked against the end of the
// attribute it is in.
type tnefReader struct {
	src     io.ReaderAt
	r       *bufio.Reader
	pos     int64
	end     int64 // of the stream or the attribute
	err     error
	charset string // of 8-bit strings
	html    string // of the HTML text
	context charset.Context
	out     *tnef
	file    *part // the attachment that is being read
	long    bool  // its name is the long one
}

var errTNEF = errors.New("message: TNEF stream is damaged")

func readTNEF(src io.ReaderAt, size int64, c charset.Context) *tnef {
	t := &tnefReader{src: src, r: bufio.NewReader(io.NewSectionReader(src, 0, size)), end: size,
		context: c, out: &tnef{}}
	if t.u32() != tnefSignature {
		return &tnef{keep: true}
	}
	t.u16() // key
	for t.err == nil && t.pos < size {
		t.u8() // level
		id := t.u32()
		length := t.u32()
		end := t.pos + int64(length)
		if t.err != nil || end > size {
			t.err = errTNEF
			break
		}
		t.end = end
		t.attribute(id)
		t.err = nil // a bad attribute does not hurt the next
		t.skip(end - t.pos)
		t.end = size
		t.u16() // checksum
	}
	t.finish()
	return t.out
}

// finish drops what has no content. A stream that was not understood in full,
// or in which nothing was found, is kept.
func (t *tnefReader) finish() {
	var files []*part
	for _, f := range t.out.files {
		if f.end > f.body {
			files = append(files, f)
		}
	}
	t.out.files = files
	t.out.keep = t.out.keep || t.err != nil || len(files) == 0 && len(t.out.texts) == 0
	for _, p := range t.out.texts {
		if p.charset == "" {
			p.charset = t.html
		}
	}
}

func (t *tnefReader) attribute(id uint32) {
	switch id {
	case attOemCodepage:
		if cp := t.u32(); t.err == nil {
			t.charset = "cp" + strconv.Itoa(int(cp))
		}
	case attSubject:
		t.setString(&t.out.subject, false)
	case attBody:
		t.addText("text/plain", t.charset, 1)
	case attMsgProps:
		t.properties(t.messageProperty)
	case attRendData:
		if t.file = nil; len(t.out.files) >= maxTNEFFiles {
			t.out.keep = true
			return
		}
		t.file = &part{mediaType: "application/octet-stream", src: t.src, tnefPart: true}
		t.long = false
		t.out.files = append(t.out.files, t.file)
	case attAttachTitle:
		if t.file != nil && !t.long {
			t.file.name = t.str(false)
		}
	case attAttachData:
		if t.file != nil {
			t.file.body, t.file.end = t.pos, t.end
		}
	case attAttachProps:
		if t.file != nil {
			t.properties(t.fileProperty)
		}
	}
}

// addText notes the rest of the attribute or property as text; unit is the
// length of its terminating zero.
func (t *tnefReader) addText(mediaType, charset string, unit int64) {
	p := &part{mediaType: mediaType, charset: charset, src: t.src, tnefPart: true, body: t.pos, end: t.end}
	var zero [2]byte
	if n := p.end - p.body; n >= unit && unit > 0 {
		if _, err := t.src.ReadAt(zero[:unit], p.end-unit); err == nil && zero == [2]byte{} {
			p.end -= unit
		}
	}
	if p.end > p.body && len(t.out.texts) < maxTNEFTexts {
		t.out.texts = append(t.out.texts, p)
	}
}

func (t *tnefReader) messageProperty(id, kind uint16) {
	isUnicode := kind == ptUnicode
	switch {
	case kind != ptString8 && !isUnicode && id < propBody:
	case id == propSubject:
		t.setString(&t.out.subject, isUnicode)
	case id == propSenderName || id == propSentByName:
		t.setString(&t.out.from, isUnicode)
	case id == propSenderSMTP || id == propSenderAddress || id == propSentByAddress:
		var s string
		if t.setString(&s, isUnicode); strings.Contains(s, "@") { // else an address of Exchange
			t.out.address = s
		}
	case id == propBody && kind == ptUnicode:
		t.addText("text/plain", "utf-16le", 2)
	case id == propBody:
		t.addText("text/plain", t.charset, 1)
	case id == propHTML && kind == ptUnicode:
		t.addText("text/html", "utf-16le", 2)
	case id == propHTML:
		t.addText("text/html", "", 0)
	case id == propInternetCPID && kind == ptLong:
		t.html = "cp" + strconv.Itoa(int(t.u32()))
	}
}

func (t *tnefReader) fileProperty(id, kind uint16) {
	switch id {
	case propAttachLongName, propAttachFilename, propDisplayName:
		if id == propAttachLongName || !t.long && t.file.name == "" {
			t.file.name = t.str(kind == ptUnicode)
			t.long = id == propAttachLongName
		}
	case propAttachMimeTag:
		if mediaType := strings.ToLower(t.str(kind == ptUnicode)); !t.file.tnefMail {
			t.file.setType(mediaType)
		}
	case propAttachData:
		if kind == ptObject { // after its class ID; it replaces what stands for it in attAttachData
			t.object()
		} else if t.file.end <= t.file.body {
			t.file.body, t.file.end = t.pos, t.end
		}
	}
}

// messageClass is the class ID of a message (IID_IMessage).
var messageClass = []byte("\x07\x03\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46")

// object takes an attached object: a message, which is a TNEF stream of its
// own (MS-OXTNEF §2.1.3.4), or an OLE object.
func (t *tnefReader) object() {
	var class [16]byte
	if !t.read(class[:]) || t.pos >= t.end {
		return
	}
	t.file.body, t.file.end = t.pos, t.end
	var signature [4]byte
	if _, err := t.src.ReadAt(signature[:], t.pos); err != nil {
		return
	}
	if bytes.Equal(class[:], messageClass) && binary.LittleEndian.Uint32(signature[:]) == tnefSignature {
		t.file.mediaType, t.file.tnefMail = "message/rfc822", true
	}
}

// setString reads the rest of the attribute or property as a line, if none has
// been read.
func (t *tnefReader) setString(s *string, unicode bool) {
	if *s == "" {
		*s = strings.TrimSpace(header.SpaceControls(t.str(unicode)))
	}
}

// str reads the rest of the attribute or property as a string up to its zero.
func (t *tnefReader) str(unicode bool) string {
	b := make([]byte, int(min(t.end-t.pos, header.MaxValue)))
	if t.err != nil || !t.read(b) {
		return ""
	}
	label := t.charset
	if unicode {
		label = "utf-16le"
	}
	zero := make([]byte, 1)
	if unicode {
		zero = make([]byte, 2)
	}
	for i := 0; i+len(zero) <= len(b); i += len(zero) {
		if bytes.Equal(b[i:i+len(zero)], zero) {
			b = b[:i]
			break
		}
	}
	return header.Cut(charset.Decode(b, label, t.context), header.MaxValue)
}

func (t *tnefReader) read(b []byte) bool {
	if t.err != nil || int64(len(b)) > t.end-t.pos {
		t.err = errTNEF
		return false
	}
	n, err := io.ReadFull(t.r, b)
	t.pos += int64(n)
	t.err = err
	return err == nil
}

func (t *tnefReader) skip(n int64) {
	if t.err != nil || n > t.end-t.pos {
		t.err = errTNEF
		return
	}
	for n > 0 && t.err == nil {
		var k int
		k, t.err = t.r.Discard(int(min(n, 1<<30)))
		t.pos += int64(k)
		n -= int64(k)
	}
}

func (t *tnefReader) u8() uint8 {
	var b [1]byte
	t.read(b[:])
	return b[0]
}

func (t *tnefReader) u16() uint16 {
	var b [2]byte
	t.read(b[:])
	return binary.LittleEndian.Uint16(b[:])
}

func (t *tnefReader) u32() uint32 {
	var b [4]byte
	t.read(b[:])
	return binary.LittleEndian.Uint32(b[:])
}
