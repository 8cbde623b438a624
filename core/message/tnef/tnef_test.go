package tnef

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"smtpreceiver/core/message/charset"
	"smtpreceiver/core/message/header"
)

// stream builds TNEF streams for the tests.
type stream struct{ bytes.Buffer }

func newStream() *stream {
	s := new(stream)
	s.put(uint32(signature), uint16(1))
	s.attribute(attOemCodepage, binary.LittleEndian.AppendUint64(nil, 1250))
	return s
}

func (s *stream) put(values ...any) {
	for _, v := range values {
		binary.Write(s, binary.LittleEndian, v) // to a bytes.Buffer: cannot fail
	}
}

func (s *stream) attribute(id uint32, data []byte) *stream {
	s.put(byte(1), id, uint32(len(data)), data, uint16(0))
	return s
}

type prop struct {
	kind, id uint16
	value    []byte
}

func (s *stream) props(id uint32, l ...prop) *stream {
	var p stream
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

func (s *stream) file(data string, l ...prop) *stream {
	s.attribute(attRendData, make([]byte, 14))
	if data != "" {
		s.attribute(attAttachData, []byte(data))
	}
	return s.props(attAttachProps, l...)
}

func (s *stream) read() *Stream {
	return Read(bytes.NewReader(s.Bytes()), int64(s.Len()), charset.Context{Default: "windows-1252"})
}

func (s *stream) cut(from, to int64) string { return string(s.Bytes()[from:to]) }

func TestRead(t *testing.T) {
	t.Parallel()
	s := newStream()
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
	out := s.read()
	var texts, files []string
	for _, p := range out.Texts {
		texts = append(texts, p.MediaType+" "+p.Charset+" "+s.cut(p.Begin, p.End))
	}
	for _, p := range out.Files {
		files = append(files, p.Name+" "+p.MediaType+" "+s.cut(p.Begin, p.End))
	}
	want := "text/plain cp1250 text \xe8|text/plain utf-16le " + strings.TrimSuffix(string(utf16le("Žluť")), "\x00\x00") + "|text/html cp1250 <p>\x9e"
	if got := strings.Join(texts, "|"); got != want {
		t.Errorf("texts %q, want %q", got, want)
	}
	want = "dlouhé.pdf application/pdf data one|vloženo  data two!|o.ole  object"
	if got := strings.Join(files, "|"); got != want {
		t.Errorf("files %q, want %q", got, want)
	}
	if out.Keep {
		t.Error("the stream was understood, but is kept")
	}
}

// TestMessage: what a forwarded message says of itself, by attribute and by
// property, in 8 and in 16 bits; the first counts.
func TestMessage(t *testing.T) {
	t.Parallel()
	class := string(messageClass)
	inner := "\x78\x9f\x3e\x22inner"
	for name, tc := range map[string]struct {
		s                      *stream
		subject, from, address string
		texts                  string // charsets and contents
	}{
		"attribute": {newStream().attribute(attSubject, []byte("vlo\x9eeno \r\n\x00")), "vloženo", "", "", ""},
		"properties, 8 bits": {newStream().props(attMsgProps,
			prop{ptString8, propSubject, []byte("p\xf8\xedloha\x00")}, prop{ptString8, propSenderName, []byte("Petr\x00")},
			prop{ptString8, propSenderAddress, []byte("p@x.cz\x00")}, prop{ptString8, propBody, []byte("t\xf8i\x00")}),
			"příloha", "Petr", "p@x.cz", "cp1250 t\xf8i"},
		"properties, 16 bits": {newStream().props(attMsgProps,
			prop{ptUnicode, propSubject, utf16le("日本")}, prop{ptUnicode, propSentByName, utf16le("Žán")},
			prop{ptUnicode, propSenderSMTP, utf16le("z@x.cz")}, prop{ptUnicode, propHTML, utf16le("<p>")}),
			"日本", "Žán", "z@x.cz", "utf-16le <\x00p\x00>\x00"},
		"an address of Exchange is none": {newStream().props(attMsgProps,
			prop{ptUnicode, propSenderAddress, utf16le("/O=X/CN=PETR")}, prop{ptUnicode, propSentByAddress, utf16le("p@x.cz")}),
			"", "", "p@x.cz", ""},
		"the first subject counts":                        {newStream().attribute(attSubject, []byte("one\x00")).props(attMsgProps, prop{ptUnicode, propSubject, utf16le("two")}), "one", "", "", ""},
		"a number is no subject":                          {newStream().props(attMsgProps, prop{ptLong, propSubject, []byte("abcd")}), "", "", "", ""},
		"a text without its zero":                         {newStream().attribute(attBody, []byte("x")), "", "", "", "cp1250 x"},
		"no text":                                         {newStream().attribute(attBody, []byte("\x00")), "", "", "", ""},
		"an empty subject":                                {newStream().attribute(attSubject, nil).attribute(attSubject, []byte("a")), "a", "", "", ""},
		"a code page cut short":                           {newStream().attribute(attOemCodepage, []byte{0x52, 3}).attribute(attSubject, []byte("\xe8\x00")), "č", "", "", ""},
		"a named property cut short":                      {newStream().attribute(attMsgProps, []byte{1, 0, 0, 0, ptString8, 0, 0, 0x80, 1, 2, 3}).attribute(attSubject, []byte("a")), "a", "", "", ""},
		"a value cut short":                               {newStream().attribute(attMsgProps, []byte{1, 0, 0, 0, ptString8, 0, 0x37, 0, 1, 0, 0, 0, 9, 0, 0, 0, 'x'}).attribute(attSubject, []byte("a")), "a", "", "", ""},
		"a string in 16 bits and what is behind its zero": {newStream().props(attMsgProps, prop{ptUnicode, propSubject, []byte("a\x00\x00\x01\x00\x00b\x00")}), "aĀ", "", "", ""},
		"an odd string in 16 bits":                        {newStream().props(attMsgProps, prop{ptUnicode, propSubject, []byte("a\x00b")}), "a\ufffd", "", "", ""},
		"several values":                                  {newStream().props(attMsgProps, prop{ptUnicode | ptMulti, propSubject, []byte("\x02\x00\x00\x00\x04\x00\x00\x00a\x00\x00\x00\x02\x00\x00\x00c\x00")}, prop{ptLong | ptMulti, propInternetCPID, []byte("\x02\x00\x00\x0012345678")}, prop{ptString8, propSubject, []byte("b")}), "b", "", "", ""},
		"HTML in 8 bits keeps its zero":                   {newStream().props(attMsgProps, prop{ptBinary, propHTML, []byte("<p>\x00")}), "", "", "", " <p>\x00"},
		"HTML beside another number": {newStream().props(attMsgProps, prop{ptLong, propInternetCPID, []byte{0x52, 3, 0, 0}}, prop{ptLong, propInternetCPID + 1, []byte{0x53, 3, 0, 0}},
			prop{ptString8, propInternetCPID, []byte("abcd")}, prop{ptBinary, propHTML, []byte("<p>")}), "", "", "", "cp850 <p>"},
		"a long subject":      {newStream().props(attMsgProps, prop{ptString8, propSubject, bytes.Repeat([]byte("a"), header.MaxValue+1)}), strings.Repeat("a", header.MaxValue), "", "", ""},
		"HTML in an odd page": {newStream().props(attMsgProps, prop{ptLong, propInternetCPID, []byte{0x52, 3, 0, 0}}, prop{ptBinary, propHTML, []byte("<p>")}), "", "", "", "cp850 <p>"},
	} {
		out := tc.s.read()
		var texts []string
		for _, p := range out.Texts {
			texts = append(texts, p.Charset+" "+tc.s.cut(p.Begin, p.End))
		}
		if got := strings.Join(texts, "|"); out.Subject != tc.subject || out.From != tc.from || out.Address != tc.address || got != tc.texts {
			t.Errorf("%s: subject %q, from %q <%s>, texts %q", name, out.Subject, out.From, out.Address, got)
		}
	}
	for name, tc := range map[string]struct {
		s    *stream
		want string
	}{
		"a message":                         {newStream().file("", prop{ptObject, propAttachData, []byte(class + inner)}), "message  " + inner},
		"another object that looks so":      {newStream().file("", prop{ptObject, propAttachData, []byte("0123456789abcdef" + inner)}), "  " + inner},
		"a message that is no stream":       {newStream().file("", prop{ptObject, propAttachData, []byte(class + "no stream")}), "  no stream"},
		"an object cut short":               {newStream().file("", prop{ptObject, propAttachData, []byte("0123")}), ""},
		"an object of nothing":              {newStream().file("", prop{ptObject, propAttachData, []byte(class)}), ""},
		"a message of three bytes":          {newStream().file("", prop{ptObject, propAttachData, []byte(class + "\x78\x9f\x3e")}), "  \x78\x9f\x3e"},
		"an object replaces the data":       {newStream().file("stands for it", prop{ptObject, propAttachData, []byte(class + inner)}), "message  " + inner},
		"data, then again as a property":    {newStream().file("first", prop{ptBinary, propAttachData, []byte("second")}), "  first"},
		"title":                             {titled("a.txt", "data"), " a.txt data"},
		"the long name before a short one":  {newStream().file("x", prop{ptUnicode, propAttachLongName, utf16le("long.txt")}, prop{ptString8, propAttachFilename, []byte("L~1.TXT\x00")}), " long.txt x"},
		"the long name behind a short one":  {newStream().file("x", prop{ptString8, propAttachFilename, []byte("L~1.TXT\x00")}, prop{ptUnicode, propAttachLongName, utf16le("long.txt")}), " long.txt x"},
		"the short name before what it was": {newStream().file("x", prop{ptString8, propAttachFilename, []byte("a.txt\x00")}, prop{ptString8, propDisplayName, []byte("b\x00")}), " a.txt x"},
		"a title behind the long name":      {newStream().file("x", prop{ptUnicode, propAttachLongName, utf16le("long.txt")}).attribute(attAttachTitle, []byte("T~1.TXT\x00")), " long.txt x"},
		"no attachment begun":               {newStream().attribute(attAttachTitle, []byte("a\x00")).attribute(attAttachData, []byte("x")), ""},
	} {
		out := tc.s.read()
		var files []string
		for _, f := range out.Files {
			kind := ""
			if f.Message {
				kind = "message"
			}
			files = append(files, kind+" "+f.Name+" "+tc.s.cut(f.Begin, f.End))
		}
		if got := strings.Join(files, "|"); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// TestSizes: a property of any type does not hide the next.
func TestSizes(t *testing.T) {
	t.Parallel()
	for kind, size := range map[uint16]int{ptShort: 4, ptLong: 4, ptFloat: 4, ptDouble: 8, ptCurrency: 8, ptAppTime: 8, ptError: 4, ptBoolean: 4, ptObject: 5,
		ptInt64: 8, ptString8: 1, ptUnicode: 2, ptSysTime: 8, ptCLSID: 16, ptBinary: 3} {
		if out := newStream().props(attMsgProps, prop{kind, 1, make([]byte, size)}, prop{ptString8, propSubject, []byte("next")}).read(); out.Subject != "next" {
			t.Errorf("type %#x: the next is %q", kind, out.Subject)
		}
	}
}

func titled(name, data string) *stream {
	s := newStream()
	s.attribute(attRendData, make([]byte, 14))
	s.attribute(attAttachTitle, []byte(name+"\x00"))
	return s.attribute(attAttachData, []byte(data))
}

func TestBounds(t *testing.T) {
	t.Parallel()
	many := newStream()
	for range MaxFiles + 5 {
		many.file("x")
	}
	texts := newStream()
	for range 100 {
		texts.attribute(attBody, []byte("x\x00"))
	}
	cut := newStream().file("one")
	cut.Truncate(cut.Len() - 3)
	endless := newStream()
	endless.put(byte(1), uint32(attBody), uint32(0xffffffff), []byte("x"))
	counts := newStream()
	counts.attribute(attMsgProps, []byte{0xff, 0xff, 0xff, 0xff, 0x1e, 0x10, 1, 0x10, 0xff, 0xff, 0xff, 0xff})
	unknown := newStream().props(attMsgProps, prop{0x77, 1, nil}, prop{ptString8, propBody, []byte("x\x00")}).file("after")
	for name, tc := range map[string]struct {
		s            *stream
		files, texts int
		keep         bool
	}{
		"many files":            {many, MaxFiles, 0, true},
		"many texts":            {texts, 0, MaxTexts, false},
		"cut":                   {cut, 1, 0, true},
		"length past the end":   {endless, 0, 0, true},
		"endless counts":        {counts, 0, 0, true},
		"unknown property type": {unknown, 1, 0, false},
		"nothing in it":         {newStream(), 0, 0, true},
		"no TNEF":               {new(stream), 0, 0, true},
	} {
		out := tc.s.read()
		if len(out.Files) != tc.files || len(out.Texts) != tc.texts || out.Keep != tc.keep {
			t.Errorf("%s: %d files, %d texts, kept %v; want %d, %d, %v", name, len(out.Files), len(out.Texts), out.Keep, tc.files, tc.texts, tc.keep)
		}
	}
}

// outlook is a stream that Outlook made, out of a sample.
func outlook(t testing.TB, sample string) []byte {
	t.Helper()
	raw, err := os.ReadFile("../testdata/" + sample + ".eml")
	if err != nil {
		t.Fatal(err)
	}
	begin := bytes.Index(raw, []byte("eJ8+")) // the signature
	if begin < 0 {
		t.Fatal(sample, "holds no stream in base64")
	}
	text, _, _ := bytes.Cut(raw[begin:], []byte("--"))
	b := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, _ := base64.StdEncoding.Decode(b, text)
	return b[:n]
}

// TestOutlook reads what Outlook itself has written.
func TestOutlook(t *testing.T) {
	t.Parallel()
	for sample, want := range map[string]string{
		"outlook-winmail":     `"" "" false: text/plain cp1250 47 "Smlouva o dílo č. 5.pdf" application/pdf false 125 "Ceník.xls"  false 9`,
		"outlook-tnef-only":   `"" "" false: text/plain utf-16le 22 text/html cp1250 51 "Příloha.txt"  false 7`,
		"outlook-tnef-broken": `"" "" true: text/plain cp1250 47 "SMLOUV~1.PDF"  false 125`,
	} {
		b := outlook(t, sample)
		out := Read(bytes.NewReader(b), int64(len(b)), charset.Context{Default: "windows-1250"})
		got := fmt.Sprintf("%q %q %v:", out.Subject, out.Address, out.Keep)
		for _, text := range out.Texts {
			got += fmt.Sprintf(" %s %s %d", text.MediaType, text.Charset, text.End-text.Begin)
		}
		for _, f := range out.Files {
			got += fmt.Sprintf(" %q %s %v %d", f.Name, f.MediaType, f.Message, f.End-f.Begin)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", sample, got, want)
		}
	}
}

// FuzzRead: what is found lies inside the stream, and its number is bounded.
func FuzzRead(f *testing.F) {
	for _, sample := range []string{"outlook-winmail", "outlook-tnef-only", "outlook-tnef-broken"} {
		f.Add(outlook(f, sample))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		out := Read(bytes.NewReader(b), int64(len(b)), charset.Context{Default: "windows-1250"})
		if len(out.Files) > MaxFiles || len(out.Texts) > MaxTexts {
			t.Errorf("%d files, %d texts", len(out.Files), len(out.Texts))
		}
		if len(out.Files)+len(out.Texts) == 0 && !out.Keep {
			t.Error("nothing was found, and the stream is thrown away")
		}
		for _, p := range out.Files {
			if p.Begin < 0 || p.End <= p.Begin || p.End > int64(len(b)) || !utf8.ValidString(p.Name) || len(p.Name) > header.MaxValue {
				t.Errorf("file %q from %d to %d of %d", p.Name, p.Begin, p.End, len(b))
			}
		}
		for _, p := range out.Texts {
			if p.Begin < 0 || p.End <= p.Begin || p.End > int64(len(b)) {
				t.Errorf("text from %d to %d of %d", p.Begin, p.End, len(b))
			}
		}
	})
}
