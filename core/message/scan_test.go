package message

import (
	"encoding/base64"
	"io"
	"strings"
	"testing"

	"smtpreceiver/core/message/header"
)

// shape writes a tree down: subtypes, with the text of small leaves.
func shape(t *testing.T, m *Message, p *part) string {
	t.Helper()
	_, name, _ := strings.Cut(p.mediaType, "/")
	if p.leaf() {
		b, err := io.ReadAll(m.open(p))
		if err != nil {
			t.Fatal(err)
		}
		return name + "=" + string(b)
	}
	var kids []string
	for _, k := range p.kids {
		kids = append(kids, shape(t, m, k))
	}
	return name + "(" + strings.Join(kids, " ") + ")"
}

const (
	mixed = "Content-Type: multipart/mixed; boundary=o\n\n"
	inner = "Content-Type: multipart/alternative; boundary=i\n\n"
)

// TestStructure indexes messages whose MIME is right, broken and worse.
func TestStructure(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, mail, want string }{
		{"no header", "\na\n", "plain=a\n"},
		{"no body", "Subject: b\n", "plain="},
		{"no body and no field of a mail", "A: b\nC: d\n", "plain=A: b\nC: d\n"},
		{"a part that is no header", mixed + "--o\nLevel: 95\n--o--\n", "mixed(plain=Level: 95\n)"},
		{"delimiter in the header", strings.TrimSuffix(mixed, "\n") + "--o\n\na\n--o--\n", "mixed(plain=a)"},
		{"delimiter in the header behind others", strings.TrimSuffix(mixed, "\n") + "--x\n--y\n--o\n\na\n--o--\n", "mixed(plain=a)"},
		{"a digest of words", "Content-Type: multipart/digest; boundary=o\n\n--o\nA: b\n--o--\n", "digest(rfc822=)"},
		{"delimiter behind a blank", strings.TrimSuffix(mixed, "\n") + " \n--o\n\na\n--o--\n", "mixed(plain=a)"},
		{"another delimiter", mixed + "--x\nContent-Type: text/html\n\na\n--x--\n", "mixed(html=a)"},
		{"another delimiter without fields", mixed + "--x\n\na\n--x\n\nb\n--x--\n", "mixed(plain=a plain=b)"},
		{"dashes in text", mixed + "--x\na\n-- \nb\n", "plain=--x\na\n-- \nb\n"},
		{"no type, but parts", "Subject: a\n\n--x\nContent-Type: text/html\n\na\n--x--\n", "mixed(html=a)"},
		{"text that quotes parts", "Subject: a\n\nSee:\n--x\nContent-Type: text/html\n\na\n--x--\n", "plain=See:\n--x\nContent-Type: text/html\n\na\n--x--\n"},
		{"no type, but parts and words behind", "Subject: a\n\n--x\nContent-Type: text/html\n\na\n--x--\nb\n", "mixed(html=a)"},
		{"no type, but parts behind a stock sentence", "Subject: a\n\nThis is a MIME message.\n\n--x\nContent-Type: text/html\n\na\n--x--\n", "mixed(html=a)"},
		{"no type, but parts behind a line between", "Subject: a\n\n--x\nwords\n--y\nContent-Type: text/html\n\na\n", "plain=--x\nwords\n--y\nContent-Type: text/html\n\na\n"},
		{"a type, and what looks like parts", "Content-Type: text/plain\n\n--x\nContent-Type: text/html\n\na\n--x--\n", "plain=--x\nContent-Type: text/html\n\na\n--x--\n"},
		{"no header, fields in the text", "\nSubject: a\n\nb\n", "plain=Subject: a\n\nb\n"},
		{"byte order mark in front", "\ufeffContent-Type: text/html\n\nb\n", "html=b\n"},
		{"blanks in front", " \tContent-Type: text/html\n To: x\n\nb\n", "html=b\n"},
		{"encoded as a whole", "Content-Type: multipart/mixed; boundary=o\nContent-Transfer-Encoding: base64\n\nLS1vCgphCi0tbwoKYgotLW8tLQo=\n", "mixed(plain=a plain=b)"},
		{"encoded as a whole, not closed", "Content-Type: multipart/mixed; boundary=o\nContent-Transfer-Encoding: base64\n\nLS1vCgph\n", "mixed(plain=a)"},
		{"encoded as a whole, another boundary", "Content-Type: multipart/mixed; boundary=x\nContent-Transfer-Encoding: base64\n\nLS1vCgphCi0tbwoKYgotLW8tLQo=\n", "mixed(plain=a plain=b)"},
		{"encoded as a whole, no part", "Content-Type: multipart/mixed; boundary=x\nContent-Transfer-Encoding: base64\n\nYQ==\n", "plain=a"},
		{"encoded as a whole, plain delimiters", "Content-Type: multipart/mixed; boundary=o\nContent-Transfer-Encoding: quoted-printable\n\n--o\nContent-Type: text/html; charset=3Dutf-8\n\n=C5=88\n--o--\n", "mixed(html=ň)"},
		{"claims to be encoded, and is not", "Content-Type: multipart/mixed; boundary=o\nContent-Transfer-Encoding: quoted-printable\n\n--o\nContent-Type: text/plain\n\na=3Db\n--o--\n", "mixed(plain=a=3Db)"},
		{"another delimiter, and lines like one", mixed + "--x\n\na\n--y\n\nb\n--x\n\nc\n", "mixed(plain=a\n--y\n\nb plain=c\n)"},
		{"a signature before a field", mixed + "a\n-- Petr\nContent-Type: text/html\n\nb\n", "plain=a\n-- Petr\nContent-Type: text/html\n\nb\n"},
		{"a last delimiter before a field", mixed + "a\n--x--\nContent-Type: text/html\n\nb\n", "plain=a\n--x--\nContent-Type: text/html\n\nb\n"},
		{"no end of line", "A: b\n\na", "plain=a"},
		{"only text", "a text\nof two lines\n", "plain=a text\nof two lines\n"},
		{"text after the fields", "A: b\na text\n\nmore\n", "plain=a text\n\nmore\n"},
		{"garbage between fields", "From x\nA: b\ngarbage\nC: d\n\na\n", "plain=a\n"},
		{"header ends with CR CR LF", "A: b\r\r\n\r\r\na\r\n", "plain=a\r\n"},
		{"two parts", mixed + "--o\n\na\n--o\n\nb\n--o--\n", "mixed(plain=a plain=b)"},
		{"preamble and epilogue", mixed + "x\n--o\n\na\n--o--\ny\n", "mixed(plain=a)"},
		{"line end of a part", mixed + "--o\n\na\n\n--o\n\n--o--", "mixed(plain=a\n plain=)"},
		{"part without empty line", mixed + "--o\na text\n--o--\n", "mixed(plain=a text)"},
		{"part that is a header only", mixed + "--o\nContent-Type: text/html\n--o--\n", "mixed(html=)"},
		{"no part at all", mixed + "text\n", "plain=text\n"},
		{"only the last delimiter", mixed + "text\n--o--\n", "plain=text\n--o--\n"},
		{"space after a delimiter", mixed + "--o \t\n\na\n--o-- \n", "mixed(plain=a)"},
		{"space before a delimiter", mixed + "--o\n\na\n --o--\n", "mixed(plain=a\n --o--\n)"},
		{"delimiter that goes on", mixed + "--o\n\na\n--ob\n--o-\n--o---\n--o--\n", "mixed(plain=a\n--ob\n--o-\n--o---)"},
		{"delimiter after the last", mixed + "--o\n\na\n--o--\n--o\n\nb\n", "mixed(plain=a plain=b\n)"},
		{"nested", mixed + "--o\n" + inner + "--i\n\na\n--i--\n--o\n\nb\n--o--\n", "mixed(alternative(plain=a) plain=b)"},
		{"inner never ends", mixed + "--o\n" + inner + "--i\n\na\n--o\n\nb\n--o--\n", "mixed(alternative(plain=a) plain=b)"},
		{"outer ends inside", mixed + "--o\n" + inner + "--i\n\na\n--o--\n--i\n\nb\n", "mixed(alternative(plain=a))"},
		{"inner has no part", mixed + "--o\n" + inner + "a\n--o\n\nb\n--o--\n", "mixed(plain=a plain=b)"},
		{"inner without boundary", mixed + "--o\nContent-Type: multipart/related\n\n--x\n\na\n--x--\n--o\n\nb\n--o--\n", "mixed(related(plain=a) plain=b)"},
		{"inner without boundary or part", mixed + "--o\nContent-Type: multipart/related\n\na\n--o\n\nb\n--o--\n", "mixed(plain=a plain=b)"},
		{"boundary is a prefix", mixed + "--o\nContent-Type: multipart/alternative; boundary=oo\n\n--oo\n\na\n--oo--\n--o--\n", "mixed(alternative(plain=a))"},
		{"boundary with dashes", "Content-Type: multipart/mixed; boundary=\"--\"\n\n----\n\na\n------\n", "mixed(plain=a)"},
		{"boundary too long", "Content-Type: multipart/mixed; boundary=" + strings.Repeat("b", 2000) + "\n\n--" + strings.Repeat("b", 2000) + "\n\na\n",
			"plain=--" + strings.Repeat("b", 2000) + "\n\na\n"},
		{"boundary as long as may be", "Content-Type: multipart/mixed; boundary=" + strings.Repeat("b", 998) + "\n\n--" + strings.Repeat("b", 998) + "\n\na", "mixed(plain=a)"},
		{"boundary as long as may be that is not declared", "Content-Type: multipart/mixed\n\n--" + strings.Repeat("b", 998) + "\n\na", "mixed(plain=a)"},
		{"boundary longer by one", "Content-Type: multipart/mixed\n\n--" + strings.Repeat("b", 999) + "\n\na", "plain=--" + strings.Repeat("b", 999) + "\n\na"},
		{"encoded multipart", "Content-Type: multipart/mixed; boundary=o\nContent-Transfer-Encoding: base64\n\n--o\n\na\n--o--\n", "mixed(plain=a)"},
		{"digest", "Content-Type: multipart/digest; boundary=o\n\n--o\n\nA: b\n--o\nContent-Type: text/plain\n\na\n--o--\n", "digest(rfc822=A: b plain=a)"},
		{"message inside", mixed + "--o\nContent-Type: message/rfc822\n\n" + inner + "--i\n\na\n--i--\n--o--\n", "mixed(rfc822=" + inner + "--i\n\na\n--i--)"},
		{"type that is none", mixed + "--o\nContent-Type: text\n\na\n--o\nContent-Type: a b/c\n\nb\n--o\nContent-Type: x/\x01\n\nc\n--o--\n", "mixed(plain=a plain=b plain=c)"},
		{"two types", "Content-Type: text/html\nContent-Type: multipart/mixed; boundary=o\n\n--o\n", "html=--o\n"},
		{"long line", mixed + "--o\n\n" + strings.Repeat("a", 3*scanBuffer) + "\n--o--\n", "mixed(plain=" + strings.Repeat("a", 3*scanBuffer) + ")"},
		{"long line that ends like a delimiter", mixed + "--o\n\n" + strings.Repeat("a", scanBuffer) + "--o\n--o--\n", "mixed(plain=" + strings.Repeat("a", scanBuffer) + "--o)"},
	} {
		for end, s := range map[string]string{"LF": tc.mail, "CRLF": strings.ReplaceAll(tc.mail, "\n", "\r\n")} {
			t.Run(tc.name+" "+end, func(t *testing.T) {
				t.Parallel()
				m := parse(t, []byte(s), Limits{})
				want := tc.want
				if end == "CRLF" {
					want = strings.ReplaceAll(want, "\n", "\r\n")
				}
				if got := shape(t, m, m.root); got != want {
					t.Errorf("%.300q, want %.300q", got, want)
				}
			})
		}
	}
}

// TestPartHeaderBound cuts a part's header, not its body.
func TestPartHeaderBound(t *testing.T) {
	t.Parallel()
	header := "Content-Type: application/pdf\n" + strings.Repeat("X-A: b\n", header.MaxPart) + "Content-Disposition: attachment; filename=lost.pdf\n"
	m := parse(t, []byte(mixed+"--o\n"+header+"\nbody\n--o\n\nb\n--o--\n"), Limits{})
	if got := shape(t, m, m.root); got != "mixed(pdf=body plain=b)" {
		t.Error(got)
	}
	if notes := m.Problems(); len(notes) != 1 || notes[0] != "header of part 2 cut to 65536 bytes and 1000 fields" {
		t.Errorf("notes %q", notes)
	}
}

// TestEncodedMultipartsAreFew: of multiparts that are encoded as a whole eight are decoded.
func TestEncodedMultipartsAreFew(t *testing.T) {
	t.Parallel()
	one := "--o\nContent-Type: multipart/mixed; boundary=i\nContent-Transfer-Encoding: base64\n\nLS1pCgph\n"
	m := parse(t, []byte(mixed+strings.Repeat(one, 10)+"--o--\n"), Limits{})
	decoded := 0
	for _, k := range m.root.kids {
		if len(k.kids) > 0 {
			decoded++
		}
	}
	if len(m.root.kids) != 10 || decoded != 8 {
		t.Errorf("%d of %d are decoded", decoded, len(m.root.kids))
	}
}

// TestDepthOfDecoded: a multipart that was encoded as a whole stands as deep as it does.
func TestDepthOfDecoded(t *testing.T) {
	t.Parallel()
	encoded := base64.StdEncoding.EncodeToString([]byte("--e\n" + inner + "--i\n\na\n--i--\n--e--\n"))
	m := parse(t, []byte(mixed+"--o\nContent-Type: multipart/related; boundary=e\nContent-Transfer-Encoding: base64\n\n"+encoded+"\n--o--\n"), Limits{MaxDepth: 2})
	if got, want := shape(t, m, m.root), "mixed(related(alternative="+inner+"--i\n\na\n--i--))"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
