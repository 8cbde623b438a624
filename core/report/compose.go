package report

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	gomessage "github.com/emersion/go-message"
	"github.com/emersion/go-message/mail"

	"smtpreceiver/core/message"
	"smtpreceiver/core/transform"
)

// Outcome is what became of a job.
type Outcome struct {
	Action Action
	Code   string // RFC 3463: "5.0.0"
	Reason string // in words; "": nothing went wrong
	Target string // who has the job, or should have it
	App    string
	Job    string
	Key    string // of the job and the report: letters, digits and '-'
	Number string // that was dialled, or was to be
	Name   string // of the recipient
	At     time.Time
	Until  time.Time // of a delay: it is tried until then; zero: not known
}

// Composer writes reports.
type Composer struct {
	Host    string // of this gateway
	From    string // address with or without a name; "": the postmaster of Host
	Subject *transform.Template
	Text    *transform.Template
}

// The templates that stand where the configuration has none.
const (
	DefaultSubject = `<%'Not sent: ' if status == 'failed' else 'Delayed: ' if status == 'delayed' else 'Delivered: ' if status == 'delivered' else 'Handed on: '%><%subject|to%>`
	DefaultText    = `<%'Your message could not be sent.' if status == 'failed' else 'Your message is still waiting to be sent. It is tried again; you need not send it again.' if status == 'delayed' else 'Your message was delivered.' if status == 'delivered' else 'Your message was handed on to be sent.'%>\n\n` +
		`To:      <%number|to%>\nSubject: <%subject|'(none)'%>\n<%('Reason:  ' + reason + chr(10)) if reason else ''%>\n` +
		`This report was made by the fax and SMS gateway. Nobody reads answers to it.\n`
)

// Bounds in bytes: of what the templates make, and of a value for programs. Some
// servers take no line of more than 998 (RFC 5322 section 2.1.1).
const (
	maxText  = 64 << 10
	maxValue = 900
)

// Compose writes a report on a job: plain text, message/delivery-status and the
// header of the mail (RFC 3464, RFC 6522). The errors are those of templates, which
// cost no report: what stands for them is English.
func (c *Composer) Compose(ctx context.Context, q *Request, o Outcome) (letter []byte, errs []error) {
	o.Reason = publicReason(o.Reason)
	items := c.items(q, o)
	subject, failed := c.render(ctx, c.Subject, DefaultSubject, items)
	errs = append(errs, failed...)
	text, failed := c.render(ctx, c.Text, DefaultText, items)
	errs = append(errs, failed...)

	var h mail.Header
	h.SetAddressList("From", []*mail.Address{c.from()})
	h.Set("To", "<"+q.Sender+">")
	h.SetSubject(oneLine(subject, 200))
	h.SetDate(o.At)
	h.SetMessageID(o.Key + "." + string(o.Action) + "@" + c.Host)
	h.Set("Auto-Submitted", "auto-replied")
	if id := strings.TrimSpace(items.MessageID); messageID.MatchString(id) {
		h.Set("In-Reply-To", id)
		h.Set("References", id)
	}
	h.SetContentType("multipart/report", map[string]string{"report-type": "delivery-status"})
	var b bytes.Buffer
	if err := c.write(&b, h.Header, text, q, o); err != nil { // no writer here can fail
		return nil, append(errs, err)
	}
	return b.Bytes(), errs
}

func (c *Composer) write(b io.Writer, h gomessage.Header, text string, q *Request, o Outcome) error {
	w, err := gomessage.CreateWriter(b, h)
	if err != nil {
		return err
	}
	for _, part := range []struct{ mediaType, encoding, content string }{
		{"text/plain; charset=utf-8", "quoted-printable", crlf(text)},
		{"message/delivery-status", "7bit", c.status(q, o)},
		{"text/rfc822-headers", encodingOf(q.Header), string(q.Header)},
	} {
		var ph gomessage.Header
		ph.Set("Content-Type", part.mediaType)
		ph.Set("Content-Transfer-Encoding", part.encoding)
		p, err := w.CreatePart(ph)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(p, part.content); err != nil {
			return err
		}
		if err := p.Close(); err != nil {
			return err
		}
	}
	return w.Close()
}

// status is the part for programs (RFC 3464 section 2).
func (c *Composer) status(q *Request, o Outcome) string {
	var b strings.Builder
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value[:min(len(value), maxValue)])
		}
	}
	field("Reporting-MTA", "dns; "+c.Host)
	field("Original-Envelope-Id", visible(q.EnvID))
	if !q.Arrived.IsZero() {
		field("Arrival-Date", q.Arrived.Format(time.RFC1123Z))
	}
	b.WriteString("\r\n")
	field("Original-Recipient", originalRecipient(q.Original))
	field("Final-Recipient", typed("rfc822", q.Recipient))
	field("Action", string(o.Action))
	field("Status", o.Code)
	if o.Reason != "" {
		field("Diagnostic-Code", "x-"+o.App+"; "+visible(o.Reason))
	}
	field("Last-Attempt-Date", o.At.Format(time.RFC1123Z))
	if o.Action == Delayed && !o.Until.IsZero() {
		field("Will-Retry-Until", o.Until.Format(time.RFC1123Z))
	}
	field("X-Smtpreceiver-Job", o.App+"/"+o.Job)
	return b.String()
}

func originalRecipient(orcpt string) string {
	kind, address, found := strings.Cut(orcpt, ";")
	if !found || kind == "" || address == "" {
		return ""
	}
	return typed(visible(kind), address)
}

// typed is an address with its type; one that is not ASCII is written as RFC 6533
// section 3 has it for a message/delivery-status.
func typed(kind, address string) string {
	if ascii(address) {
		return kind + "; " + visible(address)
	}
	return "utf-8; " + visible(address)
}

// visible keeps a value on its line and in ASCII: a character outside is \x{...}
// (RFC 6533 section 3).
func visible(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case isControl(c):
			b.WriteByte(' ')
		case c >= utf8.RuneSelf:
			fmt.Fprintf(&b, `\x{%X}`, c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

func (c *Composer) from() *mail.Address {
	if a, err := mail.ParseAddress(c.From); err == nil {
		return a
	}
	return &mail.Address{Name: "Fax and SMS", Address: "postmaster@" + c.Host}
}

func (c *Composer) items(q *Request, o Outcome) *transform.Items {
	it := &transform.Items{
		Address: q.Sender, App: o.App, Number: o.Number, Name: o.Name, To: q.Recipient, Recipients: []string{q.Recipient},
		Reason: o.Reason, Status: string(o.Action), Target: o.Target, Now: o.At,
	}
	header := append(bytes.Clone(q.Header), "\r\n"...)
	msg, err := message.Parse(bytes.NewReader(header), int64(len(header)), message.Limits{})
	if err != nil { // a reader of memory does not fail
		return it
	}
	it.Subject, it.Date, it.MessageID, it.Pri, it.Header = msg.Subject(), msg.Date(), msg.MessageID(), msg.Priority(), msg.Header
	it.MessageFromName, it.MessageFromAddress = msg.From().Name, msg.From().Email
	it.MessageReplyToName, it.MessageReplyToAddress = msg.ReplyTo().Name, msg.ReplyTo().Email
	return it
}

var defaults = map[string]*transform.Template{DefaultSubject: parsed(DefaultSubject), DefaultText: parsed(DefaultText)}

func parsed(text string) *transform.Template {
	t, err := transform.ParseReport(text)
	if err != nil {
		panic(err)
	}
	return t
}

// render executes a template; the default one where there is none, or where it
// failed and left nothing.
func (c *Composer) render(ctx context.Context, t *transform.Template, standard string, it *transform.Items) (string, []error) {
	var errs []error
	if t != nil {
		text, failed := t.Execute(ctx, it)
		if strings.TrimSpace(text) != "" {
			return strings.ToValidUTF8(text[:min(len(text), maxText)], "?"), failed
		}
		errs = failed
	}
	text, failed := defaults[standard].Execute(ctx, it)
	return strings.ToValidUTF8(text[:min(len(text), maxText)], "?"), append(errs, failed...)
}

// folders are the folders of a path, which are no sender's business.
var folders = regexp.MustCompile(`(?:[A-Za-z]:)?(?:[/\\][^/\\\s:;,"']+)+[/\\]|/(?:[^/\s:;,"']+/)+`)

// publicReason is a reason without what only the administrator should read.
func publicReason(reason string) string { return oneLine(folders.ReplaceAllString(reason, ""), 1000) }

func oneLine(s string, most int) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	return strings.ToValidUTF8(s[:min(len(s), most)], "")
}

func crlf(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
}

// encodingOf is how a header travels: as it is, if every server takes it.
func encodingOf(header []byte) string {
	for line := range bytes.Lines(header) {
		if len(line) > 998 || bytes.ContainsFunc(line, func(c rune) bool { return c >= utf8.RuneSelf || c == 0 }) {
			return "quoted-printable"
		}
	}
	return "7bit"
}

// messageID is one that may stand in a header of ours.
var messageID = regexp.MustCompile(`^<[!-;=?-~]{1,250}>$`)
