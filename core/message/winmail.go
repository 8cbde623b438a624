package message

import (
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"net/mail"
	"slices"
	"strings"

	"smtpreceiver/core/message/charset"
	"smtpreceiver/core/message/tnef"
)

// winmail is a TNEF stream as parts of the message.
type winmail struct {
	*tnef.Stream
	texts, files []*part
}

func (p *part) isTNEF() bool {
	return !p.opaque && (p.mediaType == "application/ms-tnef" || p.mediaType == "application/vnd.ms-tnef" ||
		strings.EqualFold(p.name, "winmail.dat"))
}

// unpack reads a TNEF part, once.
func (m *Message) unpack(p *part) *winmail {
	p.winmailOnce.Do(func() {
		src, size, err := m.randomAccess(p)
		if err != nil {
			p.winmail = &winmail{Stream: &tnef.Stream{Keep: true}}
			return
		}
		w := readWinmail(src, size, m.context)
		if most := m.share(tnef.MaxFiles); len(w.files) > most {
			w.files, w.Keep = slices.Clone(w.files[:most]), true
		}
		p.winmail = &winmail{Stream: &tnef.Stream{Keep: w.Keep}, texts: w.texts, files: w.files}
	})
	return p.winmail
}

func readWinmail(src io.ReaderAt, size int64, c charset.Context) *winmail {
	w := &winmail{Stream: tnef.Read(src, size, c)}
	for _, t := range w.Texts {
		w.texts = append(w.texts, &part{mediaType: t.MediaType, charset: t.Charset, src: src, tnefPart: true, body: t.Begin, end: t.End})
	}
	for _, f := range w.Files {
		p := &part{mediaType: "application/octet-stream", name: f.Name, src: src, tnefPart: true, tnefMail: f.Message, body: f.Begin, end: f.End}
		switch {
		case f.Message:
			p.mediaType = "message/rfc822"
		case f.MediaType != "":
			p.setType(f.MediaType)
		}
		w.files = append(w.files, p)
	}
	return w
}

// maxTNEFDepth bounds messages that were forwarded inside each other.
const maxTNEFDepth = 5

// tnefMessage writes a message that was forwarded inside a TNEF stream as a
// mail: its subject, sender, texts and files (RFC 5322, RFC 2045).
func (m *Message) tnefMessage(p *part) io.Reader { return tnefMail(m, p, m.context, 1) }

func tnefMail(m *Message, p *part, c charset.Context, depth int) io.Reader {
	src := io.NewSectionReader(p.src, p.body, p.end-p.body)
	t := readWinmail(src, src.Size(), c)
	var head strings.Builder
	if t.From != "" || t.Address != "" {
		fmt.Fprintf(&head, "From: %s\r\n", (&mail.Address{Name: t.From, Address: t.Address}).String())
	}
	if t.Subject != "" {
		fmt.Fprintf(&head, "Subject: %s\r\n", mime.BEncoding.Encode("utf-8", t.Subject))
	}
	mixed, alternative := fmt.Sprintf("=_files_%d", depth), fmt.Sprintf("=_texts_%d", depth)
	fmt.Fprintf(&head, "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=%q\r\n\r\n", mixed)
	w := &pieces{}
	w.text(head.String())
	if len(t.texts) > 0 {
		w.text("--" + mixed + "\r\nContent-Type: multipart/alternative; boundary=\"" + alternative + "\"\r\n\r\n")
		for _, text := range t.texts {
			w.text("--" + alternative + "\r\nContent-Type: " + text.mediaType + "; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n")
			w.open = append(w.open, func() (io.Reader, error) {
				r, err := m.decoded(text)
				return newBase64Lines(r), err
			})
		}
		w.text("--" + alternative + "--\r\n")
	}
	for _, f := range t.files {
		w.text("--" + mixed + "\r\n")
		if f.tnefMail && depth < maxTNEFDepth {
			w.text(fileHead(m.fileName(f), f.mediaType) + "\r\n")
			w.open = append(w.open, func() (io.Reader, error) { return tnefMail(m, f, c, depth+1), nil })
			continue
		}
		name, mediaType := "winmail.dat", "application/ms-tnef" // of a message too deep
		if !f.tnefMail {
			name, mediaType = m.fileName(f), f.mediaType
		}
		w.text(fileHead(name, mediaType) + "Content-Transfer-Encoding: base64\r\n\r\n")
		w.open = append(w.open, func() (io.Reader, error) { return newBase64Lines(m.raw(f)), nil })
	}
	w.text("--" + mixed + "--\r\n")
	return &w.lined
}

// fileHead is the header of a file, but for its transfer encoding.
func fileHead(name, mediaType string) string {
	disposition := mime.FormatMediaType("attachment", map[string]string{"filename": name})
	if disposition == "" {
		disposition = "attachment"
	}
	return "Content-Type: " + mediaType + "\r\nContent-Disposition: " + disposition + "\r\n"
}

// pieces is a mail in pieces, each of which is read when it is its turn.
type pieces struct{ lined }

func (w *pieces) text(s string) {
	w.open = append(w.open, func() (io.Reader, error) { return strings.NewReader(s), nil })
}

// base64Lines reads r in base64, in lines (RFC 2045 §6.8).
type base64Lines struct {
	r   io.Reader
	out []byte
	buf [80]byte
	in  [57]byte
}

func newBase64Lines(r io.Reader) *base64Lines { return &base64Lines{r: r} }

func (b *base64Lines) Read(p []byte) (int, error) {
	if len(b.out) == 0 {
		n, err := io.ReadFull(b.r, b.in[:])
		if n == 0 {
			return 0, err
		}
		base64.StdEncoding.Encode(b.buf[:], b.in[:n])
		b.out = append(b.buf[:base64.StdEncoding.EncodedLen(n)], "\r\n"...)
	}
	n := copy(p, b.out)
	b.out = b.out[n:]
	return n, nil
}
