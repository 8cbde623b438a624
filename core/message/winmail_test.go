package message

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// tnefStream builds TNEF streams.
type tnefStream []byte

func newTNEF() tnefStream { return tnefStream("\x78\x9f\x3e\x22\x01\x00") }

func (s *tnefStream) attribute(id uint32, data []byte) {
	*s = binary.LittleEndian.AppendUint32(append(*s, 2), id)
	*s = append(append(binary.LittleEndian.AppendUint32(*s, uint32(len(data))), data...), 0, 0)
}

// property is an attribute of one property of variable length.
func (s *tnefStream) property(attribute uint32, kind, id uint16, value []byte) {
	b := binary.LittleEndian.AppendUint16([]byte{1, 0, 0, 0}, kind)
	b = binary.LittleEndian.AppendUint32(append(binary.LittleEndian.AppendUint16(b, id), 1, 0, 0, 0), uint32(len(value)))
	s.attribute(attribute, append(append(b, value...), make([]byte, -len(value)&3)...))
}

func (s *tnefStream) file(name, data string) {
	s.attribute(0x00069002, nil)
	s.attribute(0x00018010, []byte(name))
	s.attribute(0x0006800f, []byte(data))
}

// tnefOf is a TNEF stream with that text and these messages in it, which have no name.
func tnefOf(text []byte, messages ...[]byte) []byte {
	s := newTNEF()
	s.attribute(0x0002800c, text)
	for _, m := range messages {
		s.attribute(0x00069002, nil)
		s.property(0x00069005, 0x000d, 0x3701, append([]byte("\x07\x03\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46"), m...)) // behind its class
	}
	return s
}

// TestTNEFMessage: a message inside a TNEF stream becomes a mail with all that it has.
func TestTNEFMessage(t *testing.T) {
	t.Parallel()
	data := strings.Repeat("x", 120)
	inner := newTNEF()
	inner.attribute(0x00018004, []byte("Order 5"))
	inner.property(0x00069003, 0x001e, 0x0c1a, []byte("Jan"))
	inner.property(0x00069003, 0x001e, 0x0c1f, []byte("jan@b.cz"))
	inner.attribute(0x0002800c, []byte("caf\xe9"))
	inner.property(0x00069003, 0x0102, 0x1013, []byte("<p>"))
	inner.file("a b.txt", data)
	bare := newTNEF()
	bare.attribute(0x0002800c, []byte("x"))
	m := parse(t, append([]byte("Content-Type: application/ms-tnef\r\n\r\n"), tnefOf([]byte("outer"), inner, bare)...), Limits{})
	l := m.Attachments(m.Body(nil))
	if len(l) != 2 || l[0].Name != "Order 5.eml" || l[1].Name != "message.eml" {
		t.Fatalf("%+v", l)
	}
	b64 := base64.StdEncoding.EncodeToString
	for i, want := range [][]byte{
		crlf("From: \"Jan\" <jan@b.cz>", "Subject: Order 5", "MIME-Version: 1.0", `Content-Type: multipart/mixed; boundary="=_files_1"`, "",
			"--=_files_1", `Content-Type: multipart/alternative; boundary="=_texts_1"`, "",
			"--=_texts_1", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64", "", b64([]byte("café")),
			"--=_texts_1", "Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: base64", "", b64([]byte("<p>")), "--=_texts_1--",
			"--=_files_1", "Content-Type: application/octet-stream", `Content-Disposition: attachment; filename="a b.txt"`, "Content-Transfer-Encoding: base64", "",
			b64([]byte(data[:57])), b64([]byte(data[57:114])), b64([]byte(data[114:])), "--=_files_1--", ""),
		crlf("MIME-Version: 1.0", `Content-Type: multipart/mixed; boundary="=_files_1"`, "",
			"--=_files_1", `Content-Type: multipart/alternative; boundary="=_texts_1"`, "",
			"--=_texts_1", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64", "", b64([]byte("x")), "--=_texts_1--", "--=_files_1--", ""),
	} {
		if got := content(t, l[i]); got != string(want) {
			t.Errorf("%q\nwant %q", got, want)
		}
	}
}

// TestTNEFMessagesInsideEachOther: five deep each is a message, what lies deeper is
// the stream as it came.
func TestTNEFMessagesInsideEachOther(t *testing.T) {
	t.Parallel()
	stream := tnefOf([]byte("text 7"))
	for i := 6; i >= 0; i-- {
		stream = tnefOf(fmt.Appendf(nil, "text %d", i), stream)
	}
	m := parse(t, append([]byte("Content-Type: application/ms-tnef\r\nContent-Transfer-Encoding: base64\r\n\r\n"), lines(base64.StdEncoding.EncodeToString(stream))...), Limits{})
	for depth := 0; ; depth++ {
		if got, want := readText(t, m.Body(nil)), fmt.Sprintf("text %d", depth); got != want {
			t.Fatalf("%d deep: %q, want %q", depth, got, want)
		}
		l := m.Attachments(m.Body(nil))
		if depth == maxTNEFDepth { // this reader takes the next stream apart again
			if p := m.root.kids[1]; len(l) != 1 || p.name != "winmail.dat" || p.mediaType != "application/ms-tnef" || content(t, l[0]) == "" {
				t.Errorf("%d deep: %d attachments, %s, %s", depth, len(l), p.name, p.mediaType)
			}
			return
		}
		if len(l) != 1 || l[0].Name != "message.eml" || l[0].ContentType != "message/rfc822" {
			t.Fatalf("%d deep: %v", depth, l)
		}
		m = parse(t, []byte(content(t, l[0])), Limits{})
	}
}

// TestTNEFWhoseTextCannotBeRead: where nothing else says what the message says,
// the stream with its RTF stays among the attachments.
func TestTNEFWhoseTextCannotBeRead(t *testing.T) {
	t.Parallel()
	const stream = "eJ8+IgEAAQeQBgAIAAAA4gQAAAAAAAAAAAECkAYADgAAAAAAAAAAAAAAAAAAAAAAAAABD4AGAAMAAABvbmUAAAEFkAYAGAAAAAEAAAAeAAQ3AQAAAAgAAABvbmUucGRmAAAA" // holds one.pdf, no text
	for text, want := range map[string]string{"": "one.pdf|winmail.dat", "see attachment": "one.pdf"} {
		m := parse(t, crlf("MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b", "",
			"--b", "Content-Type: text/plain", "", text,
			"--b", "Content-Type: application/ms-tnef; name=winmail.dat", "Content-Transfer-Encoding: base64", "",
			stream, "--b--", ""), Limits{})
		var names []string
		for _, a := range m.Attachments(m.Body([]Format{TXT})) {
			names = append(names, a.Name)
		}
		if got := strings.Join(names, "|"); got != want {
			t.Errorf("beside the text %q: %s, want %s", text, got, want)
		}
	}
}
