// Package tnef finds texts and files in what Outlook sends as winmail.dat
// (MS-OXTNEF), and subject and sender of a message that was forwarded in one.
package tnef

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"smtpreceiver/core/message/charset"
	"smtpreceiver/core/message/header"
)

// Stream is what a TNEF stream holds. Nothing is copied: texts and files are
// stretches of it.
type Stream struct {
	Texts []Text // of the message
	Files []File
	Keep  bool // it was not understood in full, or nothing was found: it is a file itself

	Subject, From, Address string // of the message; From is the name
}

// Text is one form of the message's text.
type Text struct {
	MediaType  string // text/plain or text/html
	Charset    string // "" if the stream does not say
	Begin, End int64
}

// File is an attachment.
type File struct {
	Name       string
	MediaType  string // as the stream gives it, in lower case; "" if it does not
	Message    bool   // it is a message: a TNEF stream of its own
	Begin, End int64
}

// Bounds of what is taken out of one stream.
const (
	MaxFiles = 200
	MaxTexts = 8
)

// Attribute IDs and MAPI properties that are read.
const (
	signature = 0x223e9f78

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

// reader walks the stream. Every read is checked against the end of the
// attribute it is in.
type reader struct {
	src     io.ReaderAt
	r       *bufio.Reader
	pos     int64
	end     int64 // of the stream or the attribute
	err     error
	charset string // of 8-bit strings
	html    string // of the HTML text
	context charset.Context
	out     *Stream
	file    *File // the attachment that is being read
	long    bool  // its name is the long one
}

var errDamaged = errors.New("tnef: the stream is damaged")

// Read looks through the size bytes of src, bad ones too; c helps with strings in
// 8 bits.
func Read(src io.ReaderAt, size int64, c charset.Context) *Stream {
	t := &reader{src: src, r: bufio.NewReader(io.NewSectionReader(src, 0, size)), end: size,
		context: c, out: &Stream{}}
	if t.u32() != signature {
		return &Stream{Keep: true}
	}
	t.u16() // key
	for t.err == nil && t.pos < size {
		t.u8() // level
		id := t.u32()
		length := t.u32()
		end := t.pos + int64(length)
		if t.err != nil || end > size {
			t.err = errDamaged
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
func (t *reader) finish() {
	t.out.Files = slices.DeleteFunc(t.out.Files, func(f File) bool { return f.End <= f.Begin })
	t.out.Keep = t.out.Keep || t.err != nil || len(t.out.Files) == 0 && len(t.out.Texts) == 0
	for i := range t.out.Texts {
		if text := &t.out.Texts[i]; text.Charset == "" {
			text.Charset = t.html
		}
	}
}

func (t *reader) attribute(id uint32) {
	switch id {
	case attOemCodepage:
		if cp := t.u32(); t.err == nil {
			t.charset = "cp" + strconv.Itoa(int(cp))
		}
	case attSubject:
		t.setString(&t.out.Subject, false)
	case attBody:
		t.addText("text/plain", t.charset, 1)
	case attMsgProps:
		t.properties(t.messageProperty)
	case attRendData:
		if t.file = nil; len(t.out.Files) >= MaxFiles {
			t.out.Keep = true
			return
		}
		t.out.Files = append(t.out.Files, File{})
		t.file, t.long = &t.out.Files[len(t.out.Files)-1], false
	case attAttachTitle:
		if t.file != nil && !t.long {
			t.file.Name = t.str(false)
		}
	case attAttachData:
		if t.file != nil {
			t.file.Begin, t.file.End = t.pos, t.end
		}
	case attAttachProps:
		if t.file != nil {
			t.properties(t.fileProperty)
		}
	}
}

// addText notes the rest of the attribute or property as text; unit is the
// length of its terminating zero.
func (t *reader) addText(mediaType, charset string, unit int64) {
	text := Text{MediaType: mediaType, Charset: charset, Begin: t.pos, End: t.end}
	var zero [2]byte
	if text.End-text.Begin >= unit {
		if _, err := t.src.ReadAt(zero[:unit], text.End-unit); err == nil && zero == [2]byte{} {
			text.End -= unit
		}
	}
	if text.End > text.Begin && len(t.out.Texts) < MaxTexts {
		t.out.Texts = append(t.out.Texts, text)
	}
}

func (t *reader) messageProperty(id, kind uint16) {
	isUnicode := kind == ptUnicode
	switch {
	case kind != ptString8 && !isUnicode && id < propBody:
	case id == propSubject:
		t.setString(&t.out.Subject, isUnicode)
	case id == propSenderName || id == propSentByName:
		t.setString(&t.out.From, isUnicode)
	case id == propSenderSMTP || id == propSenderAddress || id == propSentByAddress:
		var s string
		if t.setString(&s, isUnicode); strings.Contains(s, "@") { // else an address of Exchange
			t.out.Address = s
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

func (t *reader) fileProperty(id, kind uint16) {
	switch id {
	case propAttachLongName, propAttachFilename, propDisplayName:
		if id == propAttachLongName || !t.long && t.file.Name == "" {
			t.file.Name = t.str(kind == ptUnicode)
			t.long = id == propAttachLongName
		}
	case propAttachMimeTag:
		t.file.MediaType = strings.ToLower(t.str(kind == ptUnicode))
	case propAttachData:
		if kind == ptObject { // after its class ID; it replaces what stands for it in attAttachData
			t.object()
		} else if t.file.End <= t.file.Begin {
			t.file.Begin, t.file.End = t.pos, t.end
		}
	}
}

// messageClass is the class ID of a message (IID_IMessage).
var messageClass = []byte("\x07\x03\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46")

// object takes an attached object: a message, which is a TNEF stream of its
// own (MS-OXTNEF §2.1.3.4), or an OLE object.
func (t *reader) object() {
	var class [16]byte
	if !t.read(class[:]) || t.pos >= t.end {
		return
	}
	t.file.Begin, t.file.End = t.pos, t.end
	var begin [4]byte
	t.src.ReadAt(begin[:], t.pos) // what cannot be read is no signature
	if bytes.Equal(class[:], messageClass) && binary.LittleEndian.Uint32(begin[:]) == signature {
		t.file.Message = true
	}
}

// setString reads the rest of the attribute or property as a line, if none has
// been read.
func (t *reader) setString(s *string, unicode bool) {
	if *s == "" {
		*s = strings.TrimSpace(header.SpaceControls(t.str(unicode)))
	}
}

// str reads the rest of the attribute or property as a string up to its zero.
func (t *reader) str(unicode bool) string {
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

func (t *reader) read(b []byte) bool {
	if t.err != nil || int64(len(b)) > t.end-t.pos {
		t.err = errDamaged
		return false
	}
	n, err := io.ReadFull(t.r, b)
	t.pos += int64(n)
	t.err = err
	return err == nil
}

func (t *reader) skip(n int64) {
	if t.err != nil || n > t.end-t.pos {
		t.err = errDamaged
		return
	}
	for n > 0 && t.err == nil {
		var k int
		k, t.err = t.r.Discard(int(min(n, 1<<30)))
		t.pos += int64(k)
		n -= int64(k)
	}
}

func (t *reader) u8() uint8 {
	var b [1]byte
	t.read(b[:])
	return b[0]
}

func (t *reader) u16() uint16 {
	var b [2]byte
	t.read(b[:])
	return binary.LittleEndian.Uint16(b[:])
}

func (t *reader) u32() uint32 {
	var b [4]byte
	t.read(b[:])
	return binary.LittleEndian.Uint32(b[:])
}
