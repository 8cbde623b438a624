package job

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"smtpreceiver/core/codepage"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/incoming"
	"smtpreceiver/core/message"
	"smtpreceiver/core/reply"
	"smtpreceiver/core/sms"
	"smtpreceiver/core/transform"
)

// Fill writes the files of one job; the CTL last.
func (m *Maker) Fill(ctx context.Context, job Job, recipe *Recipe, rcpt Recipient) error {
	c := m.contents[recipe]
	file := job.Stem() + "." + string(c.body.Format)
	items := m.items(c, rcpt, file)
	if err := m.writeBody(ctx, c, job, file, items); err != nil {
		return err
	}
	attached, err := writeAttachments(c, job)
	if err != nil {
		return err
	}
	doc := m.document(ctx, c, rcpt, job.ID(), attached, items)
	laidOut, err := m.layOut(recipe, rcpt, doc)
	if err != nil {
		return err
	}
	if err := m.writeRequest(job, recipe, rcpt); err != nil {
		return err
	}
	text := laidOut.String()
	encoded := recipe.Page.Encode(text)
	if size := max(len(text), len(encoded)); size > ctl.MaxSize {
		return &reply.Reply{Code: 552, Enhanced: [3]int{5, 3, 4}, Text: "Too many attachments or too long values for a control file",
			Cause: fmt.Errorf("recipient %s: the CTL has %d bytes, readers take %d", rcpt.Mailbox, size, ctl.MaxSize), Reason: reply.ReasonSize}
	}
	return job.Control(encoded)
}

// layOut gives the CTL its layout. Number and maxlen have their last word before
// it, and after it where the layout makes one of something else, or a rule has written
// where the layout would put the number.
func (m *Maker) layOut(recipe *Recipe, rcpt Recipient, doc *ctl.Document) (*ctl.Document, error) {
	last := func(d *ctl.Document, section, key string) error {
		if recipe.CTLType == "sms" {
			m.boundParts(d)
		}
		written := d.Get(section, key)
		if rcpt.Number == nil || written == "" {
			return nil
		}
		number, err := rcpt.Number(written)
		if err == nil && number != written {
			d.Set(section, key, number)
		}
		return err
	}
	if err := last(doc, "to", "number"); err != nil {
		return nil, err
	}
	laidOut := recipe.Layout.Apply(doc)
	if err := last(laidOut, "to", "number"); err != nil {
		return nil, err
	}
	section, key := recipe.Layout.Place("to", "number")
	return laidOut, last(laidOut, section, key)
}

// boundParts lowers maxlen to what the sender may cause.
func (m *Maker) boundParts(d *ctl.Document) {
	l := sms.NewLimit(m.mail.MaxParts, d.Get("system", "maxlen"), "")
	if m.mail.MaxParts > 0 && l.Max == m.mail.MaxParts {
		d.Set("system", "maxlen", strconv.Itoa(l.Max))
	}
}

// writeBody writes the message file of a job. Where all of several jobs have the
// same it is made once.
func (m *Maker) writeBody(ctx context.Context, c *content, job Job, file string, items *transform.Items) (err error) {
	f, err := job.Create(file)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	own := c.body.Format == message.TXT && c.recipe.Text != nil && !c.long && c.recipe.Text.PerJob()
	if c.jobs < 2 || own || c.body.Format == message.EML {
		return m.makeBody(ctx, c, f, items)
	}
	if c.shared == nil {
		made := incoming.NewBuffer(m.scratch, c.recipe.Destination, m.source.Memory())
		if err := m.makeBody(ctx, c, made, items); err != nil {
			made.Close()
			return err
		}
		c.shared = made
	}
	_, err = io.Copy(f, io.NewSectionReader(c.shared, 0, c.shared.Size()))
	return err
}

// makeBody makes the message file.
func (m *Maker) makeBody(ctx context.Context, c *content, w io.Writer, items *transform.Items) error {
	if c.body.Format != message.TXT {
		_, err := c.body.WriteTo(w)
		return err
	}
	buf := make([]byte, min(m.source.Size()+1, maxTextPiece))
	if text, ok := m.templateText(ctx, c, items); ok {
		return writeText(w, c.recipe.Page, strings.NewReader(text), buf)
	}
	text, err := c.openText()
	if err != nil {
		return err
	}
	defer text.Close()
	return writeText(w, c.recipe.Page, text, buf)
}

// templateText is what the template txt makes of the text. ok is false without a
// template, and where the template failed and left nothing: the message's own
// text is better than an empty file.
func (m *Maker) templateText(ctx context.Context, c *content, items *transform.Items) (text string, ok bool) {
	if c.recipe.Text == nil || c.long {
		return "", false
	}
	text, errs := c.recipe.Text.Execute(ctx, items)
	m.templateErrors(ctx, c.recipe, "txt", errs)
	return text, len(errs) == 0 || strings.TrimSpace(text) != ""
}

// maxTextPiece is how much of a text goes to the encoder at once, in bytes. The
// encoder writes pieces of about this size, so longer ones would gain nothing.
const maxTextPiece = 4 << 10

// writeText writes text in the code page with CRLF line ends.
func writeText(w io.Writer, page *codepage.Page, text io.Reader, buf []byte) error {
	encoder := page.Writer(w)
	if _, err := io.CopyBuffer(&crlfWriter{w: encoder}, text, buf); err != nil {
		return err
	}
	return encoder.Close()
}

// crlfWriter makes an LF alone CRLF.
type crlfWriter struct {
	w    io.Writer
	last byte
	out  []byte
}

func (c *crlfWriter) Write(p []byte) (int, error) {
	c.out = slices.Grow(c.out[:0], len(p))
	for _, b := range p {
		if b == '\n' && c.last != '\r' {
			c.out = append(c.out, '\r')
		}
		c.out = append(c.out, b)
		c.last = b
	}
	if _, err := c.w.Write(c.out); err != nil {
		return 0, err
	}
	return len(p), nil
}
