package pages

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"smtpreceiver/core/consume/pages/pagestest"
)

func part(name, content string) Part {
	return Part{name, name, func(path string) error { return os.WriteFile(path, []byte(content), 0o600) }}
}

// paged makes documents of a message and lists them as name=words.
func paged(t *testing.T, files *Files, text string, parts ...Part) (string, error) {
	t.Helper()
	dir := t.TempDir()
	documents, err := files.Pages(t.Context(), dir+string(filepath.Separator), text, parts)
	var all []string
	for _, document := range documents {
		rest, _ := filepath.Rel(dir, document)
		all = append(all, rest+"="+strings.ReplaceAll(strings.Join(pagestest.Texts(t, document), "/"), "\n", "|"))
	}
	return strings.Join(all, " "), err
}

const forwardedMail = "From: Jana <jana@x.test>\r\nTo: a@x.test, B <b@x.test>\r\nDate: Mon, 2 Nov 2026 10:00:00 +0100\r\nSubject: =?utf-8?q?Nab=C3=ADdka?=\r\n" +
	"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nwords\r\n--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\n" +
	"inner\r\n--b\r\nContent-Type: video/mp4; name=b.mp4\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b--\r\n"

// TestForwarded: a message that is an attachment has pages as one that was sent, with
// who wrote it when; what it lacks is named where it ends.
func TestForwarded(t *testing.T) {
	t.Parallel()
	files := (&Maker{}).Message(upper)
	got, err := paged(t, files, "see below", part("fwd.eml", forwardedMail), part("c.txt", "last"))
	const want = "text.pdf=see below 1-text.pdf=From: Jana <jana@x.test>|To: <a@x.test>, B <b@x.test>|Date: Mon, 2 Nov 2026 10:00:00 +0100|Subject: Nabídka|words " +
		"1-1.pdf=inner 1-left.pdf=Left out of this fax, because it cannot be printed:|b.mp4 2.pdf=last"
	if err != nil || got != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	if list(files.Left) != `"b.mp4": PDF, PostScript, TIFF, pictures and plain text can be faxed` {
		t.Error(list(files.Left))
	}
}

// TestForwardedBeside: messages beside each other are not inside each other, and each says
// of itself what it has.
func TestForwardedBeside(t *testing.T) {
	t.Parallel()
	files := (&Maker{}).Message(upper)
	mails := []string{"Subject: one\r\n\r\nwords", "Cc: c@x.test, d@x.test\r\n\r\nwords", "From: \r\nDate: today\r\n\r\nwords", "X: y\r\n\r\nwords", "To: a@x.test\r\n\r\nwords"}
	var parts []Part
	for _, mail := range mails {
		parts = append(parts, part("a.eml", mail))
	}
	got, err := paged(t, files, "", parts...)
	const want = "1-text.pdf=Subject: one|words 2-text.pdf=Cc: <c@x.test>, <d@x.test>|words 3-text.pdf=Date: today|words 4-text.pdf=words 5-text.pdf=To: <a@x.test>|words"
	if err != nil || got != want || len(files.Left) > 0 {
		t.Errorf("%v, %v\n%s\nwant\n%s", err, files.Left, got, want)
	}
}

// TestLeftOut: a hundred are named.
func TestLeftOut(t *testing.T) {
	t.Parallel()
	const begin = "Left out of this fax, because it cannot be printed:\n"
	for n, want := range map[int]string{0: "", 1: begin + "a\n", 100: begin + strings.Repeat("a\n", 100), 101: begin + strings.Repeat("a\n", 100) + "and 1 more\n"} {
		if got := leftOut(slices.Repeat([]Left{{Name: "a"}}, n)); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}

// TestLimited: a text has 16 MiB at most.
func TestLimited(t *testing.T) {
	t.Parallel()
	text := bytes.Repeat([]byte("x"), 16<<20+1)
	if data, err := limited(bytes.NewReader(text[1:])); len(data) != 16<<20 || err != nil {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if _, err := limited(bytes.NewReader(text)); !errors.As(err, new(*Unfit)) || err.Error() != "a text of more than 16 MiB" {
		t.Error(err)
	}
	if _, err := limited(iotest.ErrReader(io.ErrNoProgress)); !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
}

// closes is a reader that tells whether it was closed.
type closes struct {
	io.Reader
	closed bool
}

func (c *closes) Close() error { c.closed = true; return nil }

// TestSave: a file is new and whole, or there is an error; what it is made of is closed.
func TestSave(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "1")
	for _, c := range []struct {
		from io.Reader
		want error
	}{{strings.NewReader("x"), nil}, {strings.NewReader("y"), os.ErrExist}} {
		from := &closes{Reader: c.from}
		if err := save(from, path); !errors.Is(err, c.want) || !from.closed {
			t.Errorf("%v, want %v; closed %t", err, c.want, from.closed)
		}
	}
	if got, err := os.ReadFile(path); string(got) != "x" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if err := save(&closes{Reader: iotest.ErrReader(io.ErrNoProgress)}, path+"2"); !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
}

// deep is a message in that many others.
func deep(n int) string {
	mail := forwardedMail
	for i := range n {
		boundary := strings.Repeat("o", i+1) + "x"
		mail = "Subject: outer\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=" + boundary + "\r\n\r\n--" + boundary +
			"\r\nContent-Type: message/rfc822\r\n\r\n" + mail + "\r\n--" + boundary + "--\r\n"
	}
	return mail
}

// TestForwardedDeep: messages inside each other end somewhere.
func TestForwardedDeep(t *testing.T) {
	t.Parallel()
	files := (&Maker{}).Message(upper)
	got, err := paged(t, files, "", part("deep.eml", deep(5)))
	if err != nil || strings.Count(got, "text.pdf=") != maxForwarded || !strings.Contains(list(files.Left), "more than 3 messages inside each other") {
		t.Errorf("%q, %v, %s", got, err, list(files.Left))
	}
}

// TestMany: a message of thousands of attachments is a fax that ends, and so does the
// work on it when its time is over.
func TestMany(t *testing.T) {
	t.Parallel()
	var parts []Part
	for range 10_000 {
		parts = append(parts, part("a.pdf", "%PDF-"))
	}
	dir := t.TempDir() + string(filepath.Separator)
	files := (&Maker{}).Message(upper)
	documents, err := files.Pages(t.Context(), dir, "words", parts)
	if err != nil || len(documents) != maxMade+2 || len(files.Left) != 10_000-maxMade || !strings.Contains(files.Left[0].String(), "more than 1000 pages") {
		t.Fatalf("%d documents, %d left out, %v", len(documents), len(files.Left), err)
	}
	if last := pagestest.Texts(t, documents[len(documents)-1]); len(last) > 3 || !strings.Contains(last[len(last)-1], "and 8900 more") {
		t.Errorf("%q", last)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	over := errors.New("not done within timeout")
	parts[1].Put = func(path string) error { cancel(over); return os.WriteFile(path, []byte("%PDF-"), 0o600) }
	parts[2].Put = func(string) error { t.Error("it goes on"); return over }
	if _, err := (&Maker{}).Message(upper).Pages(ctx, t.TempDir()+string(filepath.Separator), "words", parts); !errors.Is(err, over) || errors.As(err, new(*Unfit)) {
		t.Error(err)
	}
}

// TestPagesOfLittle: a blank text is no page beside others, and where nothing is left there
// is no fax.
func TestPagesOfLittle(t *testing.T) {
	t.Parallel()
	junk, note := part("b.mp4", "\x00\x01"), "Left out of this fax, because it cannot be printed:|b.mp4"
	for name, c := range map[string]struct {
		text  string
		parts []Part
		want  string
		fails string
	}{
		"nothing at all":  {"", nil, "text.pdf=", ""},
		"one left out":    {" \n", []Part{junk}, "", `nothing of it can be faxed: "b.mp4": PDF`},
		"text and that":   {"words \n", []Part{junk}, "text.pdf=words|" + note, ""},
		"pages and that":  {" ", []Part{part("a.txt", "one"), junk}, "1.pdf=one left.pdf=" + note, ""},
		"text and pages":  {"words", []Part{part("a.txt", "one")}, "text.pdf=words 1.pdf=one", ""},
		"only decoration": {"", []Part{part("a.ics", "x")}, "text.pdf=", ""},
	} {
		got, err := paged(t, new(Maker).Message(upper), c.text, c.parts...)
		if got != c.want || (err == nil) != (c.fails == "") || err != nil && (!errors.As(err, new(*Unfit)) || !strings.Contains(err.Error(), c.fails)) {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
}

// TestPagesFails: what is no fault of the message is an error.
func TestPagesFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk")
	_, err := paged(t, (&Maker{}).Message(upper), "words", Part{"a", "a.txt", func(string) error { return broken }})
	if !errors.Is(err, broken) || errors.As(err, new(*Unfit)) || !strings.Contains(err.Error(), `attachment "a"`) {
		t.Error(err)
	}
}

// TestPicturesTakeTooLong: hours of work in a few hundred kilobytes cost these pictures,
// and neither the message nor those behind it.
func TestPicturesTakeTooLong(t *testing.T) {
	t.Parallel()
	bomb := string(pagestest.Scans(500, 50_000))
	files := (&Maker{maxDrawing: 500 * time.Millisecond}).Message(upper)
	began := time.Now()
	made, err := paged(t, files, "words", part("a.jpg", bomb), part("b.jpg", bomb), part("c.jpg", bomb), part("d.txt", "text"))
	if took := time.Since(began); err != nil || took > 30*time.Second {
		t.Fatalf("%v: %q, %v", took, made, err)
	}
	if len(files.Left) != 3 || !strings.Contains(files.Left[2].String(), "take longer than") {
		t.Errorf("%v: %s", files.Left, made)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 500*time.Millisecond, errors.New("not done within timeout"))
	defer cancel()
	if _, err := new(Maker).Message(upper).Pages(ctx, filepath.Join(t.TempDir(), "x"), "words", []Part{part("a.jpg", bomb)}); err == nil || errors.As(err, new(*Unfit)) || !strings.Contains(err.Error(), "not done within timeout") {
		t.Errorf("the time of the try is over: %v", err)
	}
}

// TestPicturesShareTheirTime: a picture has what those before it have left, and counts as a
// page, drawn or not.
func TestPicturesShareTheirTime(t *testing.T) {
	t.Parallel()
	files := (&Maker{maxDrawing: 10 * time.Second}).Message(upper)
	files.drawing = 9900 * time.Millisecond
	path := filepath.Join(t.TempDir(), "1")
	if err := os.WriteFile(path, pagestest.Scans(500, 50_000), 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err := files.file(t.Context(), path, "a.jpg")
	if took := time.Since(began); !errors.As(err, new(*Unfit)) || took > 8*time.Second || files.drawing < 10*time.Second || files.made != 1 {
		t.Errorf("%v after %v; %v of drawing, %d made", err, took, files.drawing, files.made)
	}
}

// TestPagesInVain: the pages of a text that is too long count, or a message could hold
// dozens of such texts, each the work of half a minute.
func TestPagesInVain(t *testing.T) {
	t.Parallel()
	files := new(Maker).Message(upper)
	long := strings.Repeat("x\n", 60*500)
	made, err := paged(t, files, "words", part("a.txt", long), part("b.txt", long), part("c.txt", "short"), part("d.txt", "short"))
	if err != nil || len(files.Left) != 4 || !strings.Contains(files.Left[2].String(), "more than 1000 pages") {
		t.Errorf("%v, %v: %s", files.Left, err, made)
	}
}

// TestManyThatAreNoPages: parts without a page are counted as well, and their copies
// do not pile up.
func TestManyThatAreNoPages(t *testing.T) {
	t.Parallel()
	dir, put, most := t.TempDir()+string(filepath.Separator), 0, 0
	one := Part{"a.ics", "a.ics", func(path string) error {
		if put++; put%100 == 0 {
			there, err := os.ReadDir(dir)
			if err != nil {
				t.Error(err)
			}
			most = max(most, len(there))
		}
		return os.WriteFile(path, []byte("x"), 0o600)
	}}
	files := new(Maker).Message(upper)
	documents, err := files.Pages(t.Context(), dir, "words", slices.Repeat([]Part{one}, 3*maxTaken))
	if err != nil || put != maxTaken || most > 2 || len(documents) != 1 || len(files.Left) != 2*maxTaken || !strings.Contains(files.Left[0].String(), "more than 10000 files") {
		t.Errorf("%d documents, %d copies, %d of them at once, %d left out, %v", len(documents), put, most, len(files.Left), err)
	}
}
