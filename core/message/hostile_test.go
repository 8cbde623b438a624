package message

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"smtpreceiver/core/message/tnef"
)

// countingSource counts the bytes that are read of it.
type countingSource struct {
	*bytes.Reader
	read int64
}

func (c *countingSource) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.Reader.ReadAt(p, off)
	c.read += int64(n)
	return n, err
}

// tree counts the parts, how deep they are, and how many are opaque.
func (p *part) tree() (parts, depth, opaque int) {
	parts = 1
	if p.opaque {
		opaque = 1
	}
	for _, k := range p.kids {
		n, d, o := k.tree()
		parts, opaque, depth = parts+n, opaque+o, max(depth, d+1)
	}
	return parts, depth, opaque
}

func nested(depth int) string {
	var b strings.Builder
	b.WriteString("MIME-Version: 1.0\r\n")
	for i := range depth {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	b.WriteString("Content-Type: text/plain\r\n\r\nthe deepest text\r\n--b0--\r\n")
	return b.String()
}

func manyParts(n int) string {
	var b strings.Builder
	b.WriteString("Content-Type: multipart/mixed; boundary=b\r\n\r\n")
	for i := range n {
		fmt.Fprintf(&b, "--b\r\nContent-Type: application/pdf; name=%d.pdf\r\n\r\n%d\r\n", i, i)
	}
	b.WriteString("--b--\r\n")
	return b.String()
}

// TestBounds shows by counts that no message costs more than its limits allow
// and that nothing beyond them is lost.
func TestBounds(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		mail   string
		lim    Limits
		parts  int // of the tree
		depth  int
		opaque int
		note   string
		last   string // what the last attachment holds
	}{
		{"MIME depth 10,000", nested(10_000), Limits{}, 51, 50, 1, "more than 50 deep", "the deepest text"},
		{"MIME depth at the limit", nested(5), Limits{MaxDepth: 5}, 6, 5, 0, "", ""},
		{"MIME depth past the limit", nested(6), Limits{MaxDepth: 5}, 6, 5, 1, "more than 5 deep", "the deepest text"},
		{"100,000 parts", manyParts(100_000), Limits{}, 1001, 1, 1, "more than 1000 parts", "99999.pdf"},
		{"parts at the limit", manyParts(9), Limits{MaxParts: 10}, 10, 1, 0, "", "8"},
		{"parts past the limit", manyParts(10), Limits{MaxParts: 10}, 11, 1, 1, "more than 10 parts", "9.pdf"},
		{"header of 10 MB", "Subject: " + strings.Repeat("a", 10<<20) + "\r\n\r\ntext\r\n", Limits{}, 1, 0, 0, "header of part 1 cut", ""},
		{"header of 10 MB in lines", strings.Repeat("X-A: b\r\n", 10<<17) + "\r\ntext\r\n", Limits{}, 1, 0, 0, "header of part 1 cut", ""},
		{"header without end", strings.Repeat("X-A: b\r\n ", 1<<17), Limits{}, 1, 0, 0, "header of part 1 cut", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			src := &countingSource{Reader: bytes.NewReader([]byte(tc.mail))}
			m, err := Parse(src, int64(len(tc.mail)), tc.lim)
			if err != nil {
				t.Fatal(err)
			}
			if src.read > int64(len(tc.mail)) {
				t.Errorf("%d bytes read of %d", src.read, len(tc.mail))
			}
			parts, depth, opaque := m.root.tree()
			if parts != tc.parts || depth != tc.depth || opaque != tc.opaque {
				t.Errorf("%d parts, %d deep, %d opaque; want %d, %d, %d", parts, depth, opaque, tc.parts, tc.depth, tc.opaque)
			}
			if notes := strings.Join(m.Problems(), "\n"); !strings.Contains(notes, tc.note) || tc.note == "" && notes != "" {
				t.Errorf("notes %q, want %q", notes, tc.note)
			}
			kept := 0
			for _, f := range m.fields {
				kept += len(f.Name) + len(f.Value)
			}
			if int64(kept) > m.lim.MaxHeaderSize {
				t.Errorf("%d bytes of header kept", kept)
			}
			b := m.Body(nil)
			if tc.last == "" {
				return
			}
			l := m.Attachments(b)
			if s := content(t, l[len(l)-1]); !strings.Contains(s, tc.last) {
				t.Errorf("the last attachment ends with %q", s[max(len(s)-100, 0):])
			}
		})
	}
}

func content(t testing.TB, a Attachment) string {
	t.Helper()
	r, err := a.Open()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestRestOpensAgain reads what lies beyond the limits of parts and of depth
// as a mail program would: all of it is there.
func TestRestOpensAgain(t *testing.T) {
	t.Parallel()
	m := parse(t, []byte(manyParts(25)), Limits{MaxParts: 10})
	names := map[string]bool{}
	for range 3 {
		l := m.Attachments(m.Body(nil))
		for _, a := range l {
			names[a.Name] = true
		}
		last := l[len(l)-1]
		if last.Name == "part.eml" && last.ContentType == "message/rfc822" {
			m = parse(t, []byte(content(t, last)), Limits{MaxParts: 10})
		}
	}
	for i := range 25 {
		if name := fmt.Sprintf("%d.pdf", i); !names[name] {
			t.Errorf("%s is lost", name)
		}
	}
	m = parse(t, []byte(nested(6)), Limits{MaxDepth: 3})
	l := m.Attachments(m.Body(nil))
	m = parse(t, []byte(content(t, l[0])), Limits{MaxDepth: 3})
	if s := readText(t, m.Body(nil)); s != "the deepest text" {
		t.Errorf("text of the part too deep: %q", s)
	}
}

// endless is a source of size bytes that repeat. It calls sample whenever
// another 256 KB of it were read.
type endless struct {
	head, unit string
	size       int64
	sample     func()
	read       int
}

func (e *endless) ReadAt(p []byte, off int64) (n int, err error) {
	if e.read += len(p); e.read >= 1<<18 {
		e.read = 0
		e.sample()
	}
	for n < len(p) && off < e.size {
		piece := e.head
		if off < int64(len(e.head)) {
			piece = piece[off:]
		} else {
			piece = e.unit[(off-int64(len(e.head)))%int64(len(e.unit)):]
		}
		k := copy(p[n:], piece[:min(int64(len(piece)), e.size-off)])
		n, off = n+k, off+int64(k)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// TestMemoryDoesNotGrow reads bodies of 384 KB and of 768 KB in every way: how
// much memory is live meanwhile must not depend on which.
func TestMemoryDoesNotGrow(t *testing.T) {
	for _, tc := range []struct{ name, head, unit string }{
		{"base64 without end", "Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n"},
		{"one line of text", "\r\n", "a"},
		{"flowed line", "Content-Type: text/plain; format=flowed\r\n\r\n", "a "},
		{"flowed quotes", "Content-Type: text/plain; format=flowed\r\n\r\n", ">"},
		{"quoted-printable", "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n", "=C3=A9=\r\n"},
		{"html text", "Content-Type: text/html\r\n\r\n", "text &amp; "},
		{"html in one tag", "Content-Type: text/html\r\n\r\n<img src=\"data:", "abcd"},
		{"html comment", "Content-Type: text/html\r\n\r\n<!--", " - "},
		{"html nesting", "Content-Type: text/html\r\n\r\n", "<div><ul><li><blockquote type=cite><table><tr><td>x"},
		{"html link", "Content-Type: text/html\r\n\r\n<a href='http://x'>", "y"},
		{"html references", "Content-Type: text/html\r\n\r\n", "<img src=cid:a>"},
		{"html hidden", "Content-Type: text/html\r\n\r\n<div style='display:none'>", "z "},
		{"script", "Content-Type: text/html\r\n\r\n<script>", "s;"},
		{"attached base64", "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			unit := strings.Repeat(tc.unit, 1<<16/len(tc.unit))
			small, large := live(t, tc.head, unit, 3<<17), live(t, tc.head, unit, 3<<18)
			// Slack for the tokenizer's buffers and the marks of decodedAt.
			if large > small+1<<18 {
				t.Errorf("%d bytes are live for a body of 384 KB, %d for one of 768 KB", small, large)
			}
		})
	}
}

// live is the most memory that was in use while the message was read.
func live(t *testing.T, head, unit string, size int64) (most uint64) {
	t.Helper()
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	src := &endless{head: head, unit: unit, size: size, sample: func() {
		runtime.GC()
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapAlloc-min(now.HeapAlloc, before.HeapAlloc))
	}}
	m, err := Parse(src, size, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []Format{TXT, MHT} { // an mht holds what an htm is
		b := m.Body([]Format{f})
		if _, err := b.WriteTo(io.Discard); err != nil {
			t.Fatal(err)
		}
		for _, a := range m.Attachments(b) {
			r, err := a.Open()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r); err != nil {
				t.Fatal(err)
			}
		}
	}
	if inner, err := m.Attached(); err != nil {
		t.Error(err)
	} else if inner != nil {
		if _, err := inner.Body(nil).WriteTo(io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	src.sample()
	runtime.KeepAlive(m)
	return most
}

// TestFilesThatAreNoParts: a mail of 100 parts with as many files in each as there can
// be has no more than a thousand files, and its encoded parts share their buffers.
func TestFilesThatAreNoParts(t *testing.T) {
	const parts, mostFiles, mostMemory = 100, 1000, 4 << 20
	const uu = "begin 644 a\n#0V%T\nend\n"
	files := make([][]byte, tnef.MaxFiles)
	for i := range files {
		files[i] = tnefOf([]byte("x"))
	}
	stream := lines(base64.StdEncoding.EncodeToString(tnefOf(nil, files...)))
	for name, tc := range map[string]struct {
		part        string
		files, kept int // of each part
	}{
		"uuencode":         {"\r\n" + strings.Repeat(uu, 100), 10, 0},
		"encoded uuencode": {"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + uu, 1, 0},
		"TNEF":             {"Content-Type: application/ms-tnef\r\nContent-Transfer-Encoding: base64\r\n\r\n" + stream, 10, 1},
	} {
		mail := "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n"+tc.part, parts-1) + "--b--\r\n"
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m := parse(t, []byte(mail), Limits{})
		body := m.Body(nil)
		l := m.Attachments(body)
		runtime.GC()
		runtime.ReadMemStats(&after)
		if live := int64(after.HeapAlloc) - int64(before.HeapAlloc); live > mostMemory {
			t.Errorf("%s: %d bytes are live for a mail of %d", name, live, len(mail))
		}
		if want := (tc.files + tc.kept) * (parts - 1); len(l) != want || tc.files*parts > mostFiles {
			t.Errorf("%s: %d files, want %d", name, len(l), want)
		}
		if text := readText(t, body); strings.Count(text, "begin 644") != (strings.Count(tc.part, "begin 644")-tc.files)*(parts-1) && tc.kept == 0 {
			t.Errorf("%s: what is no file is not in the text", name)
		}
		runtime.KeepAlive(m)
	}
}
