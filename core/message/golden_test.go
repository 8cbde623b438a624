package message

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestSamples shows each sample mail as a job's writer sees it.
func TestSamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d samples, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(file, ".eml")
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := describe(t, raw, Limits{})
			if *update {
				if err := os.WriteFile(name+".golden", []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name + ".golden")
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func parse(t testing.TB, raw []byte, lim Limits) *Message {
	t.Helper()
	m, err := Parse(bytes.NewReader(raw), int64(len(raw)), lim)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// describe writes down everything a message gives, the forwarded one too.
func describe(t testing.TB, raw []byte, lim Limits) string {
	t.Helper()
	m := parse(t, raw, lim)
	var b strings.Builder
	describeMessage(t, &b, m)
	if inner, err := m.Attached(); err != nil {
		t.Error(err)
	} else if inner != nil {
		b.WriteString("\n======== attached message\n")
		describeMessage(t, &b, inner)
	}
	eml := new(bytes.Buffer)
	if _, err := m.Body([]Format{EML}).WriteTo(eml); err != nil || !bytes.Equal(eml.Bytes(), raw) {
		t.Errorf("eml is not the message byte for byte (%v)", err)
	}
	return b.String()
}

func describeMessage(t testing.TB, b *strings.Builder, m *Message) {
	t.Helper()
	fmt.Fprintf(b, "subject: %q\nfrom: %q\nreply-to: %q\nto: %q\ncc: %q\n", m.Subject(), m.From(), m.ReplyTo(), m.To(), m.Cc())
	fmt.Fprintf(b, "date: %q\nid: %q\npriority: %s\nnotes: %q\n", m.Date(), m.MessageID(), m.Priority(), m.Problems())
	for _, pref := range []string{"txt;mht", "htm;txt;eml", "mht;eml"} {
		var l []Format
		for _, f := range strings.Split(pref, ";") {
			l = append(l, Format(f))
		}
		fmt.Fprintf(b, "%s: %s\n", pref, m.Body(l).Format)
	}
	for _, f := range []Format{TXT, HTM, MHT} {
		body := m.Body([]Format{f})
		content := new(bytes.Buffer)
		n, err := body.WriteTo(content)
		if err != nil || n != int64(content.Len()) {
			t.Errorf("%s: WriteTo returned %d, %v for %d bytes", f, n, err, content.Len())
		}
		if f == TXT {
			if s := readText(t, body); s != content.String() {
				t.Errorf("Text %q and WriteTo %q differ", s, content)
			}
		}
		fmt.Fprintf(b, "\n-------- %s\n%s", f, strings.ReplaceAll(content.String(), "\r\n", "\n"))
		for i, a := range m.Attachments(body) {
			sum, size := digest(t, a)
			fmt.Fprintf(b, "\n-------- %s attachment %d: %q %s %d %x", f, i+1, a.Name, a.ContentType, size, sum[:8])
		}
	}
	b.WriteString("\n")
}

func readText(t testing.TB, b *Body) string {
	t.Helper()
	r, err := b.m.Text()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(s)
}

func digest(t testing.TB, a Attachment) (sum []byte, size int64) {
	t.Helper()
	r, err := a.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	h := sha256.New()
	size, err = io.Copy(h, r)
	if err != nil {
		t.Fatal(err)
	}
	return h.Sum(nil), size
}
