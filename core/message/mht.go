package message

import (
	"bufio"
	"io"
	"maps"
	"net/mail"
	"strings"

	"smtpreceiver/core/message/header"

	"github.com/emersion/go-message"
	"smtpreceiver/core/message/address"
)

// mhtBoundary can be in no part of an mht: they are all quoted-printable or
// base64, in which "=_" does not occur.
const mhtBoundary = "----=_Part_of_smtpreceiver"

// takePictures moves the pictures the HTML shows from the attachments into
// the document.
func (b *Body) takePictures() {
	b.refs = map[string]string{}
	for _, p := range b.shown {
		if v, err := b.m.look(p); err == nil {
			maps.Copy(b.refs, v.refs)
		}
	}
	var rest []*part
	for _, p := range b.attached {
		if p.picture(b.refs) {
			b.inline = append(b.inline, p)
		} else {
			rest = append(rest, p)
		}
	}
	b.attached = rest
}

// picture says whether HTML that refers to those Content-IDs shows the part
// (RFC 2392, RFC 2557).
func (p *part) picture(refs map[string]string) bool {
	if p.opaque || p.embedded() {
		return false
	}
	return refs[p.contentID] != "" || p.location != "" && strings.HasPrefix(p.mediaType, "image/") &&
		p.parent != nil && p.parent.mediaType == "multipart/related"
}

// writeMHT writes HTML and pictures as multipart/related (RFC 2557).
func (b *Body) writeMHT(w *bufio.Writer) error {
	var h message.Header
	h.SetContentType("multipart/related", map[string]string{"type": "text/html", "boundary": mhtBoundary})
	h.Set("MIME-Version", "1.0")
	if v := header.Cut(b.m.Header("Date"), address.MaxName); v != "" {
		h.SetText("Date", v)
	}
	h.SetText("Subject", header.Cut(b.m.Subject(), address.MaxName))
	if a := b.m.From(); strings.Contains(a.Email, "@") {
		h.Set("From", (&mail.Address{Name: a.Name, Address: a.Email}).String())
	}
	mw, err := message.CreateWriter(w, h)
	if err != nil {
		return err
	}
	h = message.Header{}
	h.SetContentType("text/html", map[string]string{"charset": "utf-8"})
	h.Set("Content-Transfer-Encoding", "quoted-printable")
	if err := writeMHTPart(mw, h, b.writeHTML); err != nil {
		return err
	}
	for _, p := range b.inline {
		h = message.Header{}
		h.Set("Content-Type", p.mediaType)
		h.Set("Content-Transfer-Encoding", "base64")
		location := p.location
		if ref := b.refs[p.contentID]; ref != "" && ref != p.contentID {
			location = "cid:" + ref // Chromium does not undo %XX in a cid: URL
		}
		if location != "" {
			h.Set("Content-Location", header.SpaceControls(location))
		}
		if p.contentID != "" {
			h.Set("Content-Id", "<"+header.SpaceControls(p.contentID)+">")
		}
		err := writeMHTPart(mw, h, func(w *bufio.Writer) error {
			_, err := io.Copy(w, b.m.open(p))
			return err
		})
		if err != nil {
			return err
		}
	}
	return mw.Close()
}

func writeMHTPart(mw *message.Writer, h message.Header, write func(*bufio.Writer) error) error {
	pw, err := mw.CreatePart(h)
	if err != nil {
		return err
	}
	bw := bufio.NewWriter(pw)
	if err := write(bw); err != nil {
		return err
	}
	if err := bw.Flush(); err != nil {
		return err
	}
	return pw.Close()
}
