package core

import (
	"cmp"
	"context"
	"log/slog"
	"strconv"
	"strings"

	"smtpreceiver/core/codepage"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/match"
	"smtpreceiver/core/message"
	"smtpreceiver/core/transform"
)

// document makes the CTL of a job. Who wins, weakest first: what is built in,
// ctl_settings, @commands, transform.
func (t *Transaction) document(ctx context.Context, c *content, p plan, id, file string, attached []attachedFile, items *transform.Items) *ctl.Document {
	d := ctl.New()
	m := c.message
	d.Set("system", "type", p.app.conf.CTLType)
	d.Set("system", "app", p.app.name)
	d.Set("system", "id", id)
	d.Set("system", "subject", m.Subject())
	d.Set("system", "priority", m.Priority())
	d.Set("system", "txt", file)
	d.Set("system", "format", string(c.body.Format))

	d.Set("from", "name", m.From().Name)
	d.Set("from", "username", localPart(t.sender))
	d.Set("from", "email", cmp.Or(m.ReplyTo().Email, m.From().Email, t.sender))
	d.Set("from", "gateway", "s") // SMTP, in the original's letters
	d.Set("from", "smtp", t.sender)

	for _, g := range p.groups {
		d.Set("to", g.Name, g.Value)
	}
	d.Set("to", "name", items.Name)
	d.Set("to", "address", p.rcpt.Mailbox)
	d.Set("to", "notify", p.options.Notify)
	d.Set("to", "envid", t.envelope.EnvID)

	if len(attached) > 0 {
		d.Set("attachments", "count", strconv.Itoa(len(attached)))
	}
	for i, a := range attached {
		n := strconv.Itoa(i + 1)
		d.Set("attachments", n, a.file)
		d.Set("attachments", n+"_name", shortName(a.name))
		if d.Get("attachments", n+"_name") == "" { // nothing in it can be seen
			d.Set("attachments", n+"_name", codepage.FileName(a.name))
		}
	}

	for _, s := range c.app.settings {
		if v, ok := s.Value(items); ok {
			d.Set(s.Section(), s.Key(), v)
		}
	}
	for _, tag := range c.tags {
		d.Set(tag.Section, tag.Key, tag.Value)
	}
	for _, to := range c.app.targets {
		v, errs := to.template.Execute(ctx, items)
		t.templateErrors(ctx, c.app, to.section+"/"+to.key, errs)
		d.Set(to.section, to.key, v)
	}
	return d
}

// items are the values that templates and ctl_settings read.
func (t *Transaction) items(c *content, p plan, file string) *transform.Items {
	m := c.message
	it := &transform.Items{
		Address:               t.sender,
		App:                   p.app.name,
		Format:                string(c.body.Format),
		MessageFromAddress:    m.From().Email,
		MessageFromName:       m.From().Name,
		MessageReplyToAddress: m.ReplyTo().Email,
		MessageReplyToName:    m.ReplyTo().Name,
		MsgFileName:           file,
		Pri:                   m.Priority(),
		Subject:               m.Subject(),
		Msg:                   c.text,
		To:                    p.rcpt.Mailbox,
		Client:                t.client.Addr.String(),
		User:                  t.client.User,
		Date:                  m.Date(),
		MessageID:             m.MessageID(),
		Recipients:            t.rcpts,
		Groups:                make(map[string]string),
		Header:                m.Header,
	}
	for _, a := range c.attachments {
		it.Attachments = append(it.Attachments, a.name)
	}
	for _, g := range p.groups {
		switch g.Name {
		case "number":
			it.Number = g.Value
		case "name":
			it.Name = g.Value
		case "company":
			it.Company = g.Value
		case "dept":
			it.Dept = g.Value
		default:
			it.Groups[g.Name] = g.Value
		}
	}
	if it.Name == "" {
		it.Name = displayName(m, p.rcpt)
	}
	return it
}

// displayName is the name that the To or Cc header gives the recipient: an
// address like 101@sms has no room for one.
func displayName(m *message.Message, rcpt match.Recipient) string {
	for _, list := range [][]message.Address{m.To(), m.Cc()} {
		for _, a := range list {
			if a.Name == "" {
				continue
			}
			if r, err := match.ParseRecipient(a.Email); err == nil && strings.EqualFold(r.Key(), rcpt.Key()) {
				return a.Name
			}
		}
	}
	return ""
}

func (t *Transaction) templateErrors(ctx context.Context, app *application, target string, errs []error) {
	for _, err := range errs {
		app.counters.TemplateError()
		t.log(ctx, slog.LevelWarn, "template", "app", app.name, "target", target, "error", err.Error())
	}
}

// maxName bounds the original name of an attachment in the CTL, in bytes: no
// file system has longer ones, and a thousand of 4 KiB would make a CTL that is
// too long for its readers.
const maxName = 255

func shortName(name string) string {
	return strings.ToValidUTF8(name[:min(len(name), maxName)], "")
}

// localPart is what stands before the last @ of a mailbox.
func localPart(mailbox string) string {
	if i := strings.LastIndexByte(mailbox, '@'); i >= 0 {
		return mailbox[:i]
	}
	return mailbox
}
