package message

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// tnefOf is a TNEF stream with that text and these messages in it, which have no name.
func tnefOf(text []byte, messages ...[]byte) []byte {
	b := []byte("\x78\x9f\x3e\x22\x01\x00")
	attribute := func(id uint32, data []byte) {
		b = binary.LittleEndian.AppendUint32(append(b, 2), id)
		b = append(append(binary.LittleEndian.AppendUint32(b, uint32(len(data))), data...), 0, 0)
	}
	attribute(0x0002800c, text)
	for _, m := range messages {
		object := append([]byte("\x07\x03\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46"), m...) // its class
		props := append([]byte{1, 0, 0, 0, 0x0d, 0, 0x01, 0x37, 1, 0, 0, 0}, binary.LittleEndian.AppendUint32(nil, uint32(len(object)))...)
		attribute(0x00069002, nil)
		attribute(0x00069005, append(append(props, object...), make([]byte, -len(object)&3)...))
	}
	return b
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
