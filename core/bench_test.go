package core

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkDivert is one message from MAIL to the committed job, fsync
// included.
func BenchmarkDivert(b *testing.B) {
	for _, size := range []int{2 << 10, 2 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			line := strings.Repeat("x", 76) + "\r\n"
			benchmark(b, spooling, "123@sms", []byte("From: a@b.example\r\nSubject: x\r\n\r\n"+strings.Repeat(line, size/len(line))))
		})
	}
}

// BenchmarkJob is the same for mail as it comes: what it allocates must not
// depend on the size of an attachment.
func BenchmarkJob(b *testing.B) {
	for _, bb := range []struct {
		name, rcpt string
		mail       []byte
	}{
		{"SMS", "603123456@sms", sample(b, "seznam")},
		{"HTMLToText", "603123456@sms", sample(b, "newsletter")},
		{"HTMLToMHT", "261388454@fax", sample(b, "outlook-html")},
		{"PDF1MB", "261388454@fax", withPDF(1 << 20)},
		{"PDF10MB", "261388454@fax", withPDF(10 << 20)},
	} {
		b.Run(bb.name, func(b *testing.B) { benchmark(b, office, bb.rcpt, bb.mail) })
	}
}

// withPDF is a mail with an attachment of n bytes.
func withPDF(n int) []byte {
	var w bytes.Buffer
	w.WriteString("From: scanner@firma.cz\r\nSubject: scan\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nscan\r\n" +
		"--b\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	line := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("%PDF-1.4 ", 7)[:57])) + "\r\n"
	w.WriteString(strings.Repeat(line, n/57))
	w.WriteString("--b--\r\n")
	return w.Bytes()
}

func benchmark(b *testing.B, yaml, rcpt string, msg []byte) {
	b.Helper()
	r := open(b, yaml)
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		trx := r.Begin(localhost)
		if _, err := trx.Sender("a@b.example", Envelope{}); err != nil {
			b.Fatal(err)
		}
		if _, err := trx.Recipient(context.Background(), rcpt, RecipientOptions{}); err != nil {
			b.Fatal(err)
		}
		if _, err := trx.Write(msg); err != nil {
			b.Fatal(err)
		}
		if err := trx.Stage(context.Background()); err != nil {
			b.Fatal(err)
		}
		if err := trx.Commit(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		for _, folder := range []string{"fax", "sms"} {
			for _, name := range r.files(b, folder) {
				if err := os.Remove(filepath.Join(r.dir, folder, name)); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.StartTimer()
	}
}

// held keeps a transaction on the heap, as the sessions of the frontends do.
var held *Transaction

// BenchmarkNotOurs is what mail that no application takes costs us.
func BenchmarkNotOurs(b *testing.B) {
	r := open(b, spooling)
	b.ReportAllocs()
	for b.Loop() {
		trx := r.Begin(localhost)
		held = trx
		if _, err := trx.Sender("a@b.example", Envelope{}); err != nil {
			b.Fatal(err)
		}
		if rcpt, err := trx.Recipient(context.Background(), "eva.dvorakova@example.com", RecipientOptions{}); err != nil || rcpt.Verdict != Pass {
			b.Fatal(rcpt, err)
		}
		trx.Abort()
	}
}
