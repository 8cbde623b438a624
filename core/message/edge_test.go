package message

import (
	"bytes"
	"encoding/base64"
	"errors"
	"image"
	"image/png"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestDefaultLimits: a limit that is not set has its standard, any other stays.
func TestDefaultLimits(t *testing.T) {
	t.Parallel()
	standard := Limits{MaxDepth: 50, MaxParts: 1000, MaxHeaderSize: 1 << 20, MaxHeaderFields: 1000, DefaultCharset: "windows-1252"}
	set := Limits{MaxDepth: 1, MaxParts: 1, MaxHeaderSize: 1, MaxHeaderFields: 1, DefaultCharset: "iso-8859-2"}
	for _, c := range []struct{ in, want Limits }{
		{Limits{}, standard},
		{Limits{MaxDepth: -1, MaxParts: -1, MaxHeaderSize: -1, MaxHeaderFields: -1, DefaultCharset: "none"}, standard},
		{set, set},
	} {
		if got := c.in.withDefaults(); got != c.want {
			t.Errorf("%+v: %+v, want %+v", c.in, got, c.want)
		}
	}
}

// TestPhotograph: a picture that HTML shows stays attached where it is larger than a logo.
func TestPhotograph(t *testing.T) {
	t.Parallel()
	measured := func(width, height int) string {
		var b bytes.Buffer
		if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for name, c := range map[string]struct {
		mediaType, content string
		stays              bool
		words              string
	}{
		"small":                {"image/png", measured(400, 400), false, "words"},
		"wide":                 {"image/png", measured(500, 400), false, "words"},
		"high":                 {"image/png", measured(400, 500), false, "words"},
		"large":                {"image/png", measured(401, 401), true, "words"},
		"unknown, few bytes":   {"image/x", strings.Repeat("x", 100<<10-1), false, "words"},
		"unknown, many":        {"image/x", strings.Repeat("x", 100<<10), true, "words"},
		"a drawing":            {"image/svg+xml", strings.Repeat("x", 100<<10), false, "words"},
		"small, without words": {"image/png", measured(1, 1), true, "&nbsp;"},
	} {
		m := parse(t, crlf("MIME-Version: 1.0", "Content-Type: multipart/related; boundary=b", "",
			"--b", "Content-Type: text/html", "", "<p>"+c.words+"<img src='cid:1@x'>",
			"--b", "Content-Type: "+c.mediaType, "Content-ID: <1@x>", "Content-Disposition: inline", "Content-Transfer-Encoding: base64", "",
			base64.StdEncoding.EncodeToString([]byte(c.content)), "--b--", ""), Limits{})
		if n := len(m.Attachments(m.Body([]Format{TXT}))); (n == 1) != c.stays {
			t.Errorf("%s: %d attached", name, n)
		}
	}
}

// TestUUFileAnywhere: a file is found where it stands, in whatever pieces the text comes and
// however long the lines before it are.
func TestUUFileAnywhere(t *testing.T) {
	t.Parallel()
	const file = "begin 644 a\n#86)C\n`\nend\n"
	for _, before := range []int{0, 1, 254, 255, 256, 257, 511, 600} {
		text := strings.Repeat("x", before) + "\n" + strings.Repeat("y", before) + "\n\n"
		all := text + file + text + file + "end"
		for size := range 300 {
			u := uuFinder{most: maxUUFiles}
			for piece := range slices.Chunk([]byte(all), size+1) {
				u.write(piece)
			}
			u.end()
			if len(u.files) != 2 || u.files[0].from != int64(len(text)) || u.files[0].to != int64(len(text+file)) || u.files[1].from != int64(len(text+file+text)) || u.files[1].to != int64(len(all)-len("end")) {
				t.Fatalf("lines of %d bytes, pieces of %d: %+v", before, size+1, u.files)
			}
		}
	}
	for name, text := range map[string]string{
		"no end":           "begin 644 a\n#86)C\n",
		"no line of data":  "begin 644 a\n`\nend\n",
		"another line":     "begin 644 a\n#86)C\nwords\n`\nend\n",
		"data behind zero": "begin 644 a\n#86)C\n`\n#86)C\nend\n",
		"a long name":      "begin 644 " + strings.Repeat("a", 300) + "\n#86)C\nend\n",
		"a long line":      "begin 644 a\n#86)C\n" + strings.Repeat("x", 300) + "\n`\nend\n",
	} {
		for size := range len(text) {
			u := uuFinder{most: maxUUFiles}
			for piece := range slices.Chunk([]byte(text), size+1) {
				u.write(piece)
			}
			if u.end(); len(u.files) != 0 {
				t.Fatalf("%s, in pieces of %d: %+v", name, size+1, u.files)
			}
		}
	}
}

// TestUUFileIsWhole: what is read of a file in a text, and of the text around it, in
// whatever encoding the text is, or claims to be.
func TestUUFileIsWhole(t *testing.T) {
	t.Parallel()
	const text = "before\r\nbegin 644 a.txt\r\n#86)C\r\n`\r\nend\r\nbehind"
	for encoding, body := range map[string]string{"7bit": text, "quoted-printable": strings.ReplaceAll(text, "b", "=62"), "base64": base64.StdEncoding.EncodeToString([]byte(text)), "Base64": text} {
		m := parse(t, []byte("Content-Transfer-Encoding: "+encoding+"\r\n\r\n"+body), Limits{})
		b := m.Body(nil)
		l := m.Attachments(b)
		if len(l) != 1 || l[0].Name != "a.txt" || content(t, l[0]) != "abc" {
			t.Errorf("%s: %+v", encoding, l)
		}
		if got := readText(t, b); got != "before\nbehind" {
			t.Errorf("%s: %q", encoding, got)
		}
	}
}

// TestLongTexts: a text behind an encoded one, and HTML that holds RTF, are longer than
// what is looked at in one piece.
func TestLongTexts(t *testing.T) {
	t.Parallel()
	for shift := range 2 {
		behind := strings.Repeat("x", shift) + strings.Repeat("ž", surveyWindow)
		m := parse(t, []byte("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nUHVtcCAzIGlzIGRvd24hIQ==\r\n_____\r\n"+behind), Limits{DefaultCharset: "windows-1250"})
		if got, want := readText(t, m.Body(nil)), "Pump 3 is down!!\n_____\n"+behind; got != want {
			t.Errorf("%d bytes, want %d: %.60q", len(got), len(want), got)
		}
	}
	m := parse(t, []byte("Content-Type: text/html\r\n\r\n{\\rtf1 x}"+strings.Repeat("y", 2*surveyWindow)), Limits{})
	if got := readText(t, m.Body(nil)); got != "" {
		t.Errorf("%.60q of RTF is shown", got)
	}
}

// TestPicturesOfMHT: which parts an mht holds as pictures of its HTML.
func TestPicturesOfMHT(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		around, part string
		inline       bool
	}{
		"by its ID":                 {"mixed", "Content-Type: image/png\nContent-Id: <a>", true},
		"by another ID":             {"related", "Content-Type: image/png\nContent-Id: <b>", false},
		"of any type":               {"mixed", "Content-Type: application/octet-stream\nContent-Id: <a>", true},
		"by its place":              {"related", "Content-Type: image/png\nContent-Location: b.png", true},
		"by its place, not related": {"mixed", "Content-Type: image/png\nContent-Location: b.png", false},
		"by its place, no picture":  {"related", "Content-Type: text/css; name=a.css\nContent-Location: a.css", false},
		"a message":                 {"mixed", "Content-Type: message/rfc822\nContent-Id: <a>", false},
		"beyond a limit":            {"mixed", "Content-Type: multipart/mixed; boundary=c\nContent-Id: <a>", false},
	} {
		m := parse(t, []byte("Content-Type: multipart/"+tt.around+"; boundary=b\n\n--b\nContent-Type: text/html\n\n<img src=cid:a>\n--b\n"+tt.part+"\n\nx\n--b--\n"), Limits{MaxDepth: 1})
		b := m.Body([]Format{MHT})
		if len(b.inline)+len(b.attached) != 1 || (len(b.inline) == 1) != tt.inline {
			t.Errorf("%s: %d are in it, %d attached", name, len(b.inline), len(b.attached))
		}
	}
}

// TestIsTNEF: by either of its types, or by the name that Outlook gives it.
func TestIsTNEF(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p    *part
		want bool
	}{
		{&part{mediaType: "application/ms-tnef"}, true},
		{&part{mediaType: "application/vnd.ms-tnef"}, true},
		{&part{mediaType: "application/octet-stream", name: "WINMAIL.DAT"}, true},
		{&part{mediaType: "application/octet-stream", name: "winmail"}, false},
		{&part{mediaType: "application/ms-tnef", name: "winmail.dat", opaque: true}, false},
	} {
		if c.p.isTNEF() != c.want {
			t.Errorf("%s %s: not %v", c.p.mediaType, c.p.name, c.want)
		}
	}
}

// unreadable is a source whose reads fail from an offset on once it has an error.
type unreadable struct {
	io.ReaderAt
	from int64
	err  error
}

func (f *unreadable) ReadAt(p []byte, off int64) (int, error) {
	if f.err != nil && off+int64(len(p)) > f.from {
		return 0, f.err
	}
	return f.ReaderAt.ReadAt(p, off)
}

// TestUnreadable: what can no longer be read is an error, or attached as it is.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	raw := crlf("MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b", "", "--b", "Content-Type: text/html", "", "<p>text",
		"--b", "Content-Type: application/ms-tnef; name=winmail.dat", "Content-Transfer-Encoding: base64", "", "eJ8+IgEAAQeQBgAIAAAA", "--b--", "")
	source := &unreadable{ReaderAt: bytes.NewReader(raw)}
	m, err := Parse(source, int64(len(raw)), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	source.err, source.from = errors.New("disk"), int64(bytes.Index(raw, []byte("eJ8+")))
	if list := m.Attachments(m.Body([]Format{TXT})); len(list) != 1 || list[0].Name != "winmail.dat" {
		t.Errorf("%+v", list)
	}
	if !m.isLarge(m.root.kids[1]) {
		t.Error("a picture that cannot be read is left out as a small one")
	}
	source.from = 0
	for _, f := range []Format{TXT, HTM, MHT, EML} {
		if _, err := m.Body([]Format{f}).WriteTo(io.Discard); !errors.Is(err, source.err) {
			t.Errorf("%v: %v", f, err)
		}
	}
}

type full struct{ room int }

var errFull = errors.New("full")

func (f *full) Write(p []byte) (int, error) {
	if n := min(len(p), f.room); n < len(p) {
		return n, errFull
	}
	f.room -= len(p)
	return len(p), nil
}

// TestFull: a file that does not take everything is an error wherever it ends.
func TestFull(t *testing.T) {
	t.Parallel()
	for _, raw := range [][]byte{
		crlf("Content-Type: text/html", "", "<p>text"),
		crlf("MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b", "", "--b", "Content-Type: text/html", "", "<p>text", "--b", "", "more", "--b--"),
	} {
		for _, f := range []Format{TXT, HTM, MHT, EML} {
			b := parse(t, raw, Limits{}).Body([]Format{f})
			whole, err := b.WriteTo(io.Discard)
			if err != nil || whole == 0 {
				t.Fatal(err)
			}
			for room := range int(whole) {
				if _, err := b.WriteTo(&full{room}); !errors.Is(err, errFull) {
					t.Errorf("%v, %d of %d bytes: %v", f, room, whole, err)
				}
			}
		}
	}
}

// TestPictureWithoutHTML: where no HTML shows it a picture stays attached, whatever it says
// of its place.
func TestPictureWithoutHTML(t *testing.T) {
	t.Parallel()
	m := parse(t, crlf("MIME-Version: 1.0", "Content-Type: multipart/related; boundary=b", "", "--b", "", "words",
		"--b", "Content-Type: image/png; name=a.png", "Content-Location: a.png", "", "x", "--b--", ""), Limits{})
	for _, f := range []Format{TXT, HTM} {
		if l := m.Attachments(m.Body([]Format{f})); len(l) != 1 || l[0].Name != "a.png" {
			t.Errorf("%s: %v", f, l)
		}
	}
}

// TestTextsInTNEF: of several texts the one that is preferred is shown, else the first.
func TestTextsInTNEF(t *testing.T) {
	t.Parallel()
	stream := append(tnefOf([]byte("one")), tnefOf([]byte("two"))[len("\x78\x9f\x3e\x22\x01\x00"):]...)
	m := parse(t, append([]byte("Content-Type: application/ms-tnef\r\n\r\n"), stream...), Limits{})
	for _, html := range []bool{false, true} {
		if c := m.choose(html); len(c.unpacked) != 2 || len(c.shown) != 1 || c.shown[0] != c.unpacked[0] {
			t.Errorf("HTML %t: %d of %d texts are shown", html, len(c.shown), len(c.unpacked))
		}
	}
}

// TestCharsetsSaid: of Subject, From and each text it is said how they were read, where
// that is not simply what they declare.
func TestCharsetsSaid(t *testing.T) {
	t.Parallel()
	m := parse(t, crlf("Subject: \xe9", "From: \xe9 <a@b.cz>", "Content-Type: text/plain; charset=utf-8", "", "\xe9"), Limits{})
	readText(t, m.Body(nil))
	got := m.Charsets()
	for i, want := range []string{"Subject: none declared, read as ", "From: none declared, read as ", "text/plain: declared \"utf-8\", read as "} {
		if len(got) != 3 || !strings.HasPrefix(got[i], want) {
			t.Errorf("%q, want %s", got, want)
		}
	}
	if notes := m.Problems(); len(notes) != 1 || notes[0] != "text is not in the charset \"utf-8\" that it declares" {
		t.Errorf("%q", notes)
	}
	many := "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\xe9\r\n", 3*maxNotes) + "--b--"
	m = parse(t, []byte(many), Limits{})
	readText(t, m.Body(nil))
	if said, notes := len(m.Charsets()), len(m.Problems()); said != 2*maxNotes || notes != 2*maxNotes {
		t.Errorf("%d and %d lines are said", said, notes)
	}
}

// TestKinds: what the type, name and place of a part make of it.
func TestKinds(t *testing.T) {
	t.Parallel()
	alternative := &part{mediaType: "multipart/alternative"}
	root := &part{mediaType: "text/x-web", contentID: "r"}
	related := &part{mediaType: "multipart/related", parent: alternative, rootID: "r", kids: []*part{{mediaType: "text/x-other"}, root}}
	alone := &part{mediaType: "multipart/related", kids: []*part{{mediaType: "text/x-web"}}}
	report := &part{mediaType: "multipart/report", parent: &part{mediaType: "multipart/mixed"}}
	root.parent, related.kids[0].parent, alone.kids[0].parent = related, related, alone
	for name, tt := range map[string]struct {
		p    *part
		want string // the kinds, each a letter: text, inline, named, unknown, rendition, status, words of a report, message
	}{
		"plain":               {&part{mediaType: "text/plain"}, "tinu"},
		"plain, inner":        {&part{mediaType: "text/plain", parent: report.parent}, "tinu"},
		"enriched":            {&part{mediaType: "text/enriched"}, "tinu"},
		"richtext":            {&part{mediaType: "text/richtext"}, "tinu"},
		"HTML":                {&part{mediaType: "text/html"}, "tinu"},
		"XHTML":               {&part{mediaType: "application/xhtml+xml"}, "tin"},
		"with a name":         {&part{mediaType: "text/plain", name: "a"}, "tn"},
		"attached, the whole": {&part{mediaType: "text/plain", disposition: "attachment"}, "tiu"},
		"attached, inner":     {&part{mediaType: "text/plain", disposition: "attachment", parent: report.parent}, "t"},
		"in a report":         {&part{mediaType: "text/plain", parent: report}, "tinuw"},
		"beyond a limit":      {&part{mediaType: "text/plain", opaque: true}, "tnu"},
		"another text":        {&part{mediaType: "text/x-web"}, "u"},
		"another, inner":      {&part{mediaType: "text/x-web", parent: alternative}, "ur"},
		"another, named":      {&part{mediaType: "text/x-web", parent: alternative, name: "a"}, ""},
		"another, attached":   {&part{mediaType: "text/x-web", parent: alternative, disposition: "attachment"}, ""},
		"another, opaque":     {&part{mediaType: "text/x-web", parent: alternative, opaque: true}, "u"},
		"another, of TNEF":    {&part{mediaType: "text/x-web", parent: alternative, tnefPart: true}, "u"},
		"another, mixed":      {&part{mediaType: "text/x-web", parent: report.parent}, "u"},
		"root of related":     {root, "ur"},
		"beside the root":     {related.kids[0], "u"},
		"related alone":       {alone.kids[0], "u"},
		"calendar":            {&part{mediaType: "text/calendar", parent: alternative}, "u"},
		"RTF":                 {&part{mediaType: "text/rtf", parent: alternative}, "r"},
		"style":               {&part{mediaType: "text/css"}, ""},
		"script":              {&part{mediaType: "text/javascript"}, ""},
		"header":              {&part{mediaType: "text/rfc822-headers"}, ""},
		"status":              {&part{mediaType: "message/delivery-status"}, "s"},
		"notification":        {&part{mediaType: "message/global-disposition-notification"}, "s"},
		"complaint":           {&part{mediaType: "message/feedback-report"}, "s"},
		"message":             {&part{mediaType: "message/rfc822"}, "m"},
		"message in UTF-8":    {&part{mediaType: "message/global"}, "m"},
		"PDF":                 {&part{mediaType: "application/pdf"}, ""},
	} {
		got := ""
		for _, kind := range []struct {
			letter string
			is     bool
		}{
			{"t", tt.p.isText()}, {"i", tt.p.inlineText()}, {"n", tt.p.isNamedText()}, {"u", tt.p.isUnknownText()}, {"r", tt.p.isRendition()},
			{"s", tt.p.isStatus()}, {"w", tt.p.isReportWords()}, {"m", tt.p.embedded()},
		} {
			if kind.is {
				got += kind.letter
			}
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	if !root.inside("multipart/alternative") || root.inside("text/x-web") || related.relatedRoot() != root || alone.relatedRoot() != alone.kids[0] {
		t.Error("what a part is inside of")
	}
}

// TestFileNames: what a file is called that has no name, or no ending.
func TestFileNames(t *testing.T) {
	t.Parallel()
	long := "X-Long: " + strings.Repeat("x", 4096-len("X-Long: ")) + "Subject: wrong\r\n" // as if it began a line for a reader of 4096 bytes
	for part, want := range map[string]string{
		"Content-Type: application/pdf; name=a.pdf\r\n\r\n":                                                                "a.pdf",
		"Content-Type: application/pdf\r\n\r\n":                                                                            "attachment.pdf",
		"Content-Type: application/x-none\r\n\r\n":                                                                         "attachment",
		"Content-Type: text/calendar\r\n\r\n":                                                                              "attachment.ics",
		"Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nx":                                             "attachment.txt",
		"Content-Type: message/rfc822; name=A.EML\r\n\r\nSubject: b\r\n\r\n":                                               "A.EML",
		"Content-Type: message/rfc822; name=a\r\n\r\nSubject: b\r\n\r\n":                                                   "a.eml",
		"Content-Type: message/rfc822\r\n\r\n" + long + "Subject: =?utf-8?q?=C5=BE?=\r\n\r\nx":                             "ž.eml",
		"Content-Type: message/rfc822\r\n\r\n" + strings.Replace(long, "Subject: wrong", "", 1) + "Subject: b\r\n\r\nx":    "b.eml",
		"Content-Type: message/global\r\n\r\nX: y\r\n\r\nSubject: wrong\r\n":                                               "message.eml",
		"Content-Type: message/rfc822\r\n\r\nSubject: " + strings.Repeat("y", 300) + "\r\n":                                strings.Repeat("y", 200) + ".eml",
		"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogeA==":                        "x.eml",
		"Content-Type: application/x-none\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 b.tif\r\n#86)C\r\nend": "b.tif",
		"Content-Type: application/x-none\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n#86)C\r\nend":                    "attachment",
	} {
		m := parse(t, []byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n"+part+"\r\n--b--\r\n"), Limits{})
		if l := m.Attachments(m.Body(nil)); len(l) != 1 || l[0].Name != want {
			t.Errorf("%.200q: %+v, want %q", part, l, want)
		}
	}
}

// TestChoice: what is shown where a multipart says so in its own way.
func TestChoice(t *testing.T) {
	t.Parallel()
	picture := "\n--b\nContent-Type: image/png; name=a.png\nContent-Id: <a>\n\nx"
	for name, tt := range map[string]struct{ mail, shown, attached string }{
		"the root of related is named":                       {"Content-Type: multipart/related; boundary=b; start=\"<r>\"\n\n--b\nContent-Type: text/plain\nContent-Id: <a>\n\nx\n--b\nContent-Type: text/html\nContent-Id: <r>\n\n<p>y\n--b--\n", "text/html", "attachment.txt"},
		"a multipart of no more than a stock sentence":       {mixed + "This is a multi-part message in MIME format.\n", "", ""},
		"a multipart without parts":                          {mixed + "words\n", "text/plain", ""},
		"words of a report beside HTML that says nothing":    {"Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>\n--b\nContent-Type: text/plain; name=a.txt\nContent-Disposition: attachment\n\nwords\n--b--\n", "text/plain", ""},
		"words of a report beside HTML that shows a picture": {"Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: text/html\n\n<img src=cid:a>\n--b\nContent-Type: text/plain; name=a.txt\nContent-Disposition: attachment\n\nwords" + picture + "\n--b--\n", "text/html", "a.txt a.png"},
		"a report that is its status":                        {"Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nStatus: 5.1.1\n--b--\n", "message/delivery-status", ""},
		"a text with a name alone":                           {mixed + "--o\nContent-Type: text/plain; name=a.txt\n\nwords\n--o--\n", "text/plain", ""},
		"words in front of the first part":                   {mixed + "words\n--o\nContent-Type: application/pdf; name=a.pdf\n\nx\n--o--\n", "text/plain", "a.pdf"},
		"a stock sentence behind much else":                  {"X-Long: " + strings.Repeat("x", 900) + "\n" + mixed + "This is a multi-part message in MIME format.\n--o\nContent-Type: application/pdf; name=a.pdf\n\nx\n--o--\n", "", "a.pdf"},
		"a stock sentence in front of it":                    {mixed + "This is a multi-part message in MIME format.\n--o\nContent-Type: application/pdf; name=a.pdf\n\nx\n--o--\n", "", "a.pdf"},
		"a text of a type that nobody knows":                 {mixed + "--o\nContent-Type: text/x-none\n\nwords\n--o--\n", "text/x-none", ""},
	} {
		m := parse(t, []byte(tt.mail), Limits{})
		b := m.Body([]Format{HTM})
		var shown, attached []string
		for _, p := range b.shown {
			shown = append(shown, p.mediaType)
		}
		for _, a := range m.Attachments(b) {
			attached = append(attached, a.Name)
		}
		if strings.Join(shown, " ") != tt.shown || strings.Join(attached, " ") != tt.attached {
			t.Errorf("%s: %q is shown, %q attached; want %q, %q", name, shown, attached, tt.shown, tt.attached)
		}
	}
}

// TestShownEitherWay: what is shown as plain text, and as HTML.
func TestShownEitherWay(t *testing.T) {
	t.Parallel()
	part := func(kind, content string) string { return "--b\nContent-Type: " + kind + "\n\n" + content + "\n" }
	for name, tt := range map[string]struct{ mail, plain, html string }{
		"HTML without words beside text": {"mixed" + part("text/html", "<img src=x>") + part("text/plain", "words"), "1", "0 1"},
		"HTML twice":                     {"alternative" + part("text/html", "<p>a") + part("text/html", "<p>b"), "1", "1"},
		"text twice":                     {"alternative" + part("text/plain", "a") + part("text/plain", "b") + part("text/html", "<p>b"), "0", "2"},
		"no HTML":                        {"alternative" + part("text/plain", " ") + part("text/plain", "b"), "1", "1"},
		"text beside the root":           {"related" + part("text/html\nContent-Id: <r>", "<p>a") + part("text/plain", "b") + part("text/plain\nContent-Id: <c>", "c"), "0 1", "0 1"},
		"texts beside the root":          {"related" + part("text/html", "<p>a") + part("multipart/mixed; boundary=c\nContent-Id: <c>", "--c\n\nb\n--c--"), "0 1", "0 1"},
	} {
		kind, rest, _ := strings.Cut(tt.mail, "--b")
		m := parse(t, []byte("Content-Type: multipart/"+kind+"; boundary=b\n\n--b"+rest+"--b--\n"), Limits{})
		for html, want := range map[bool]string{false: tt.plain, true: tt.html} {
			var got []string
			for _, p := range m.choose(html).shown {
				for p.parent != m.root {
					p = p.parent
				}
				got = append(got, strconv.Itoa(slices.Index(m.root.kids, p)))
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s, HTML %t: %s, want %s", name, html, got, want)
			}
		}
	}
}

// TestFileOfTNEFIsNoText: a text file in a winmail.dat is never what a mail says.
func TestFileOfTNEFIsNoText(t *testing.T) {
	t.Parallel()
	stream := newTNEF()
	stream.file("a.txt", "words")
	stream.property(0x00069005, 0x001e, 0x370e, []byte("text/plain"))
	m := parse(t, append([]byte("Content-Type: application/ms-tnef\r\n\r\n"), stream...), Limits{})
	if b := m.Body(nil); len(b.shown) != 0 || len(b.attached) != 2 || b.attached[0].mediaType != "text/plain" {
		t.Errorf("%d are shown, %d attached", len(b.shown), len(b.attached))
	}
}

// TestBorrowed: text without a charset is in that of the nearest: of a text, then of Subject.
func TestBorrowed(t *testing.T) {
	t.Parallel()
	m := parse(t, []byte("Subject: =?koi8-r?Q?a?=\n"+mixed+"--o\nContent-Type: text/plain; charset=windows-1250\n\nx\n--o\n\n\x9e\n--o--\n"), Limits{})
	if got := readText(t, m.Body(nil)); got != "x\nž" {
		t.Errorf("%q", got)
	}
	m = parse(t, []byte("Subject: =?koi8-r?Q?a?=\n"+mixed+strings.Repeat("--o\nContent-Type: text/plain; charset=windows-1250\n\nx\n", 10)+"--o--\n"), Limits{})
	if got := m.context.Neighbours; len(got) != 4 || got[3] != "koi8-r" {
		t.Errorf("%q", got)
	}
}

// TestPartFields: which lines show that a part begins.
func TestPartFields(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		"Content-Type: x": true, "content-x:": true, "CONTENT-ID : x": true, "Content-: x": false, "Content-Type": false, "Content-Ty pe: x": false, " Content-Type: x": false, "Subject: x": false, "": false, ":": false,
	} {
		if isPartField(line) != want {
			t.Errorf("%q: %t", line, !want)
		}
	}
}

// TestNotesAreFew: of limits that cut again and again some are told.
func TestNotesAreFew(t *testing.T) {
	t.Parallel()
	m := parse(t, []byte(mixed+strings.Repeat("--o\nA: b\nC: d\n\nx\n", 2*maxNotes)+"--o--\n"), Limits{MaxHeaderFields: 1})
	if notes := m.Problems(); len(notes) != maxNotes {
		t.Errorf("%d notes", len(notes))
	}
}

// TestBlankText: what shows nothing, and what does.
func TestBlankText(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{
		"": true, " \t\r\n": true, "\u00a0\u2003\u200b\ufeff": true, "\u017e": false, ".": false, "~": false, "begin 644 a\n#86)C\nend\n": true, "begin 644 a\n#86)C\nend\nx": false,
	} {
		m := parse(t, []byte("Content-Type: text/plain; charset=utf-8\n\n"+body), Limits{})
		if got := m.blankText(m.root); got != want {
			t.Errorf("%q: %t", body, got)
		}
		m = parse(t, []byte("Content-Type: text/html; charset=utf-8\n\n<p>"+body), Limits{})
		if got := m.blankText(m.root); got != want && !strings.HasPrefix(body, "begin") {
			t.Errorf("%q in HTML: %t", body, got)
		}
	}
}

// TestBlankAlternative: of texts that are all blank none says anything, and each counts as
// what it is: a file beside them is attached.
func TestBlankAlternative(t *testing.T) {
	t.Parallel()
	m := parse(t, crlf("MIME-Version: 1.0", "Content-Type: multipart/alternative; boundary=b", "",
		"--b", "Content-Type: text/plain", "", " ", "--b", "Content-Type: text/plain", "", "\t",
		"--b", "Content-Type: application/pdf; name=a.pdf", "", "%PDF", "--b--", ""), Limits{})
	if c := m.choose(false); len(c.shown) != 1 || len(c.hidden) != 1 || len(c.attached) != 1 {
		t.Errorf("shown %d, hidden %d, attached %d", len(c.shown), len(c.hidden), len(c.attached))
	}
}

// TestShare: what all parts of a mail may have together, each has a part of.
func TestShare(t *testing.T) {
	t.Parallel()
	for parts, want := range map[int]int{1: 7, 2: 5, 3: 3, 10: 1, 11: 1} {
		if got := (&Message{lim: Limits{MaxParts: 10}, parts: parts}).share(7); got != want {
			t.Errorf("of %d parts each has %d, want %d", parts, got, want)
		}
	}
}
