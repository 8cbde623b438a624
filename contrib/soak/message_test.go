//go:build linux

package soak

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// formats are the applications: each has a domain and a folder of its name.
var formats = []string{"txt", "eml", "htm", "mht"}

// message is one message with its envelope. Its recipients name it: no other
// message has them.
type message struct {
	kind      string // how and what for
	sample    string
	from      string
	to        []string
	text      []byte // with CRLF
	refusal   string // what must become of it: the beginning of the refusal; empty: it may be taken
	denied    string // the recipient that must be refused, if there is one
	size      int    // what MAIL says, 0: nothing
	mayDiffer bool   // its recipients are not decided together
}

func isForwarded(rcpt string) bool { return strings.HasSuffix(rcpt, "@example.com") }

// sample is a message text.
type sample struct {
	name string
	text []byte
}

// samples are the mails of many mail programs, and two that do not stay in
// memory.
func samples(t *testing.T) (all []sample) {
	t.Helper()
	files, err := filepath.Glob("../../core/message/testdata/*.eml")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d samples, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\r"), nil), []byte("\n"), []byte("\r\n"))
		if !bytes.HasSuffix(text, []byte("\r\n")) {
			text = append(text, "\r\n"...)
		}
		all = append(all, sample{filepath.Base(file), text})
	}
	line := strings.Repeat("QUJD", 19) + "\r\n"
	for _, kB := range []int{300, 1500} {
		text := "Subject: long\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nText.\r\n--b\r\n" +
			"Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" + strings.Repeat(line, kB<<10/len(line)) + "--b--\r\n"
		all = append(all, sample{fmt.Sprintf("%d kB", kB), []byte(text)})
	}
	return all
}

// maker makes messages.
type maker struct {
	samples  []sample
	refusals bool // kinds too that Postfix would not let through to us
	last     atomic.Int64
}

// long makes a message of the longest kind, with one job.
func (f *maker) long() *message {
	s := f.samples[len(f.samples)-1]
	return &message{kind: "long", sample: s.name, from: "jana@example.com", text: s.text, to: []string{fmt.Sprintf("1%08d0@%s", f.last.Add(1), formats[0])}}
}

// random makes a message of a random kind; mixed says whether it may have
// recipients that are forwarded.
func (f *maker) random(mixed bool) *message {
	n := f.last.Add(1)
	s := f.samples[rand.IntN(len(f.samples))]
	m := &message{kind: "diverted", sample: s.name, from: "jana@example.com", text: s.text}
	rcpt := func(domain string) string { return fmt.Sprintf("1%08d%d@%s", n, len(m.to), domain) }
	for range 1 + rand.IntN(3) {
		m.to = append(m.to, rcpt(formats[rand.IntN(len(formats))]))
	}
	switch roll := rand.IntN(20); {
	case roll < 4 && mixed:
		m.kind = "diverted and forwarded"
		m.to = append(m.to, rcpt("example.com"))
	case roll < 8 && mixed:
		m.kind, m.to = "forwarded", nil
		m.to = append(m.to, rcpt("example.com"))
		m.to = append(m.to, rcpt("example.com"))
	case roll == 8:
		m.kind, m.from, m.refusal = "refused: sender not allowed", "eva@unlisted.test", "550 5.7.1"
	case roll == 9:
		m.kind, m.mayDiffer = "one number denied", true
		m.denied = fmt.Sprintf("90%08d@txt", n)
		m.to = append(m.to, m.denied)
	case roll == 10:
		m.kind, m.size, m.refusal = "refused: announced too large", maxMessageSize+2, "552 5.3.4"
	case roll == 11 && n%10 == 0:
		m.kind, m.refusal = "refused: too large", "552 5.3.4"
		m.text = bytes.Repeat([]byte("0123456789abcd\r\n"), maxMessageSize/16+1)
	case roll == 12 && f.refusals:
		m.kind, m.refusal = "refused: bare newline", "550 5.5.2"
		m.text = []byte("Subject: bare\r\n\r\na\nb\r\n")
	case roll == 13 && f.refusals:
		m.kind, m.to, m.refusal = "refused: no address", []string{fmt.Sprintf("1%08d @txt", n)}, "501 5.1.3"
	}
	return m
}
