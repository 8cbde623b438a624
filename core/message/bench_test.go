package message

import (
	"bytes"
	"encoding/base64"
	"io"
	"os"
	"strings"
	"testing"
)

// benchmark does what a job needs: index, header items, body, attachments.
func benchmark(b *testing.B, raw []byte, format Format) {
	b.Helper()
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		m, err := Parse(bytes.NewReader(raw), int64(len(raw)), Limits{})
		if err != nil {
			b.Fatal(err)
		}
		if m.From().Email == "" || m.Priority() == "" || m.Subject() == "" {
			b.Fatal("no header")
		}
		body := m.Body([]Format{format})
		if _, err := body.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
		for _, a := range m.Attachments(body) {
			r, err := a.Open()
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func sample(b *testing.B, name string) []byte {
	b.Helper()
	raw, err := os.ReadFile("testdata/" + name + ".eml")
	if err != nil {
		b.Fatal(err)
	}
	return raw
}

func BenchmarkSMS(b *testing.B)        { benchmark(b, sample(b, "seznam"), TXT) }
func BenchmarkHTMLToText(b *testing.B) { benchmark(b, sample(b, "newsletter"), TXT) }
func BenchmarkHTM(b *testing.B)        { benchmark(b, sample(b, "outlook-html"), HTM) }
func BenchmarkMHT(b *testing.B)        { benchmark(b, sample(b, "outlook-html"), MHT) }
func BenchmarkWinmail(b *testing.B)    { benchmark(b, sample(b, "outlook-winmail"), TXT) }
func BenchmarkPDF100KB(b *testing.B)   { benchmark(b, withPDF(100<<10), TXT) }
func BenchmarkPDF10MB(b *testing.B)    { benchmark(b, withPDF(10<<20), TXT) }
func BenchmarkParse10MB(b *testing.B) {
	raw := withPDF(10 << 20)
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := Parse(bytes.NewReader(raw), int64(len(raw)), Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

// withPDF is a mail with an attachment of n bytes.
func withPDF(n int) []byte {
	var w strings.Builder
	w.WriteString("Received: from a\r\nFrom: scanner@firma.cz\r\nSubject: scan\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nscan\r\n--b\r\n" +
		"Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	encoded := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("%PDF-1.4 "), n/9))
	for len(encoded) > 76 {
		w.WriteString(encoded[:76] + "\r\n")
		encoded = encoded[76:]
	}
	w.WriteString(encoded + "\r\n--b--\r\n")
	return []byte(w.String())
}

// TestAllocationsDoNotGrow compares attachments of 100 KB and of 2 MB.
func TestAllocationsDoNotGrow(t *testing.T) {
	allocs := func(n int) float64 {
		raw := withPDF(n)
		return testing.AllocsPerRun(3, func() {
			m := parse(t, raw, Limits{})
			body := m.Body(nil)
			readText(t, body)
			for _, a := range m.Attachments(body) {
				if _, size := digest(t, a); size < int64(n)-9 {
					t.Errorf("%d bytes of %d", size, n)
				}
			}
		})
	}
	if small, large := allocs(100<<10), allocs(2<<20); large > small+5 {
		t.Errorf("%.0f allocations for 100 KB, %.0f for 2 MB", small, large)
	}
}
