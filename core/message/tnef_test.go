package message

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"unicode/utf16"

	"smtpreceiver/core/message/charset"
)

// tnefStream builds TNEF streams for the tests.
type tnefStream struct{ bytes.Buffer }

func newTNEF() *tnefStream {
	s := new(tnefStream)
	s.put(uint32(tnefSignature), uint16(1))
	s.attribute(attOemCodepage, binary.LittleEndian.AppendUint64(nil, 1250))
	return s
}

func (s *tnefStream) put(values ...any) {
	for _, v := range values {
		binary.Write(s, binary.LittleEndian, v) // to a bytes.Buffer: cannot fail
	}
}

func (s *tnefStream) attribute(id uint32, data []byte) *tnefStream {
	s.put(byte(1), id, uint32(len(data)), data, uint16(0))
	return s
}

type prop struct {
	kind, id uint16
	value    []byte
}

func (s *tnefStream) props(id uint32, l ...prop) *tnefStream {
	var p tnefStream
	p.put(uint32(len(l)))
	for _, v := range l {
		p.put(v.kind, v.id)
		if v.id >= 0x8000 {
			p.put([16]byte{}, uint32(1), uint32(5), []byte("a\x00b\x00\x00\x00\x00\x00"))
		}
		if isVariable(v.kind) {
			p.put(uint32(1), uint32(len(v.value)))
		}
		p.put(v.value, make([]byte, -len(v.value)&3))
	}
	return s.attribute(id, p.Bytes())
}

func utf16le(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s + "\x00")) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

func (s *tnefStream) file(data string, l ...prop) *tnefStream {
	s.attribute(attRendData, make([]byte, 14))
	if data != "" {
		s.attribute(attAttachData, []byte(data))
	}
	return s.props(attAttachProps, l...)
}

func (s *tnefStream) read(t *testing.T) *tnef {
	t.Helper()
	return readTNEF(bytes.NewReader(s.Bytes()), int64(s.Len()), charset.Context{Default: "windows-1252"})
}

func (p *part) bytes(t *testing.T) string {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(p.src, p.body, p.end-p.body))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTNEF(t *testing.T) {
	t.Parallel()
	s := newTNEF()
	s.attribute(attBody, []byte("text \xe8\x00"))
	s.props(attMsgProps,
		prop{ptUnicode, 0x8001, utf16le("a named property")},
		prop{ptLong, propInternetCPID, []byte{0xe2, 4, 0, 0}},
		prop{ptUnicode, propBody, utf16le("Žluť")},
		prop{ptSysTime, 0x39, make([]byte, 8)},
		prop{ptCLSID, 0x3a, make([]byte, 16)},
		prop{ptBinary, propHTML, []byte("<p>\x9e")})
	s.file("data one", prop{ptString8, propAttachMimeTag, []byte("Application/PDF\x00")}, prop{ptUnicode, propAttachLongName, utf16le("dlouhé.pdf")},
		prop{ptString8, propAttachFilename, []byte("DLOUH~1.PDF\x00")})
	s.file("", prop{ptString8, propDisplayName, []byte("vlo\x9eeno\x00")}, prop{ptBinary, propAttachData, []byte("data two!")})
	s.file("", prop{ptObject, propAttachData, []byte("0123456789abcdefobject")}, prop{ptString8, propAttachFilename, []byte("o.ole\x00")})
	s.file("", prop{ptString8, propAttachFilename, []byte("empty\x00")})
	out := s.read(t)
	var texts, files []string
	for _, p := range out.texts {
		texts = append(texts, p.mediaType+" "+p.charset+" "+p.bytes(t))
	}
	for _, p := range out.files {
		files = append(files, p.name+" "+p.mediaType+" "+p.bytes(t))
	}
	want := "text/plain cp1250 text \xe8|text/plain utf-16le " + strings.TrimSuffix(string(utf16le("Žluť")), "\x00\x00") + "|text/html cp1250 <p>\x9e"
	if got := strings.Join(texts, "|"); got != want {
		t.Errorf("texts %q, want %q", got, want)
	}
	want = "dlouhé.pdf application/pdf data one|vloženo application/octet-stream data two!|o.ole application/octet-stream object"
	if got := strings.Join(files, "|"); got != want {
		t.Errorf("files %q, want %q", got, want)
	}
	if out.keep {
		t.Error("the stream was understood, but is kept")
	}
}

func TestTNEFBounds(t *testing.T) {
	t.Parallel()
	many := newTNEF()
	for range maxTNEFFiles + 5 {
		many.file("x")
	}
	texts := newTNEF()
	for range 100 {
		texts.attribute(attBody, []byte("x\x00"))
	}
	cut := newTNEF().file("one")
	cut.Truncate(cut.Len() - 3)
	endless := newTNEF()
	endless.put(byte(1), uint32(attBody), uint32(0xffffffff), []byte("x"))
	counts := newTNEF()
	counts.attribute(attMsgProps, []byte{0xff, 0xff, 0xff, 0xff, 0x1e, 0x10, 1, 0x10, 0xff, 0xff, 0xff, 0xff})
	unknown := newTNEF().props(attMsgProps, prop{0x77, 1, []byte("abcd")}, prop{ptString8, propBody, []byte("x\x00")}).file("after")
	for name, tc := range map[string]struct {
		s            *tnefStream
		files, texts int
		keep         bool
	}{
		"many files":            {many, maxTNEFFiles, 0, true},
		"many texts":            {texts, 0, maxTNEFTexts, false},
		"cut":                   {cut, 1, 0, true},
		"length past the end":   {endless, 0, 0, true},
		"endless counts":        {counts, 0, 0, true},
		"unknown property type": {unknown, 1, 0, false},
		"nothing in it":         {newTNEF(), 0, 0, true},
		"no TNEF":               {new(tnefStream), 0, 0, true},
	} {
		out := tc.s.read(t)
		if len(out.files) != tc.files || len(out.texts) != tc.texts || out.keep != tc.keep {
			t.Errorf("%s: %d files, %d texts, kept %v; want %d, %d, %v", name, len(out.files), len(out.texts), out.keep, tc.files, tc.texts, tc.keep)
		}
	}
}

// TestTNEFWhoseTextCannotBeRead: where nothing else says what the message says,
// the stream with its RTF stays among the attachments.
func TestTNEFWhoseTextCannotBeRead(t *testing.T) {
	t.Parallel()
	stream := newTNEF().file("one", prop{ptString8, propAttachFilename, []byte("one.pdf\x00")})
	for text, want := range map[string]string{"": "one.pdf|winmail.dat", "see attachment": "one.pdf"} {
		m := parse(t, crlf("MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b", "",
			"--b", "Content-Type: text/plain", "", text,
			"--b", "Content-Type: application/ms-tnef; name=winmail.dat", "Content-Transfer-Encoding: base64", "",
			base64.StdEncoding.EncodeToString(stream.Bytes()), "--b--", ""), Limits{})
		var names []string
		for _, a := range m.Attachments(m.Body([]Format{TXT})) {
			names = append(names, a.Name)
		}
		if got := strings.Join(names, "|"); got != want {
			t.Errorf("beside the text %q: %s, want %s", text, got, want)
		}
	}
}
