package job

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"smtpreceiver/core/codepage"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/match"
	"smtpreceiver/core/transform"
)

// document makes the CTL of a job. A later value replaces an earlier one, in this
// order: built-in values, ctl_settings, @commands, transform.
func (m *Maker) document(ctx context.Context, c *content, rcpt Recipient, id string, attached []attachedFile, items *transform.Items) *ctl.Document {
	d := ctl.New()
	d.Set("system", "type", c.recipe.CTLType)
	d.Set("system", "app", items.App)
	d.Set("system", "id", id)
	d.Set("system", "subject", items.Subject)
	d.Set("system", "priority", items.Pri)
	d.Set("system", "txt", items.MsgFileName)
	d.Set("system", "format", items.Format)

	d.Set("from", "name", items.MessageFromName)
	d.Set("from", "username", localPart(items.Address))
	d.Set("from", "email", cmp.Or(items.MessageReplyToAddress, items.MessageFromAddress, items.Address))
	d.Set("from", "gateway", "s") // SMTP, in the original's letters
	d.Set("from", "smtp", items.Address)
	for _, column := range slices.Sorted(maps.Keys(m.mail.SenderData)) {
		if !slices.Contains(ownFrom, column) {
			d.Set("from", column, m.mail.SenderData[column])
		}
	}

	for _, g := range rcpt.Groups {
		d.Set("to", g.Name, g.Value)
	}
	d.Set("to", "name", items.Name)
	d.Set("to", "address", rcpt.Mailbox)
	d.Set("to", "notify", rcpt.Notify)
	d.Set("to", "envid", m.mail.EnvID)
	d.Set("to", "orcpt", rcpt.Original)

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

	for i, s := range c.recipe.Settings {
		v := c.rule(place{true, i}, s.PerJob(), func() (string, bool) { return s.Value(items) })
		if v.ok {
			d.Set(s.Section(), s.Key(), v.text)
		}
	}
	for _, tag := range c.tags {
		d.Set(tag.Section, tag.Key, tag.Value)
	}
	for i, to := range c.recipe.Targets {
		v := c.rule(place{false, i}, to.Template.PerJob(), func() (string, bool) {
			text, errs := to.Template.Execute(ctx, items)
			m.templateErrors(ctx, c.recipe, to.Section+"/"+to.Key, errs)
			return text, true
		})
		d.Set(to.Section, to.Key, v.text)
	}
	return d
}

// ownFrom are the keys of the section from that speak of the mail: no column of
// the table of senders is written in their place.
var ownFrom = []string{"name", "username", "email", "gateway", "smtp"}

// place is that of a ctl_settings rule or of a template in its recipe.
type place struct {
	setting bool
	at      int
}

// value is what a rule gave; ok is false where it gave nothing.
type value struct {
	text string
	ok   bool
}

// rule is what a rule gives for a job. Where all jobs of the message get the same
// it is made once.
func (c *content) rule(at place, perJob bool, give func() (string, bool)) value {
	if v, ok := c.values[at]; ok {
		return v
	}
	text, ok := give()
	v := value{text, ok}
	if c.jobs > 1 && !perJob {
		if c.values == nil {
			c.values = make(map[place]value)
		}
		c.values[at] = v
	}
	return v
}

// items are the values that templates and ctl_settings read of a job. What all jobs
// of the content share is read once: a header may be long, and the jobs many.
func (m *Maker) items(c *content, rcpt Recipient, file string) *transform.Items {
	if c.items == nil {
		m.readItems(c)
	}
	it := *c.items
	it.MsgFileName, it.To, it.Groups = file, rcpt.Mailbox, make(map[string]string)
	for _, g := range rcpt.Groups {
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
	it.Name = cmp.Or(it.Name, c.named[strings.ToLower(rcpt.Mailbox)])
	return &it
}

func (m *Maker) readItems(c *content) {
	msg := c.message
	from, replyTo := msg.From(), msg.ReplyTo()
	c.items = &transform.Items{
		Address:               m.mail.Sender,
		App:                   c.recipe.App,
		Format:                string(c.body.Format),
		MessageFromAddress:    from.Email,
		MessageFromName:       from.Name,
		MessageReplyToAddress: replyTo.Email,
		MessageReplyToName:    replyTo.Name,
		Pri:                   msg.Priority(),
		Subject:               msg.Subject(),
		Msg:                   c.text,
		Client:                m.mail.Client,
		User:                  m.mail.User,
		Sender:                m.mail.SenderData,
		Date:                  msg.Date(),
		MessageID:             msg.MessageID(),
		Recipients:            m.mail.Recipients,
		Header:                msg.Header,
		Budget:                m.budget,
	}
	for _, a := range c.attachments {
		c.items.Attachments = append(c.items.Attachments, a.name)
	}
	c.named = make(map[string]string)
	for _, a := range slices.Concat(msg.To(), msg.Cc()) {
		if r, err := match.ParseRecipient(a.Email); err == nil {
			key := strings.ToLower(r.Mailbox)
			c.named[key] = cmp.Or(c.named[key], a.Name)
		}
	}
}

func (m *Maker) templateErrors(ctx context.Context, recipe *Recipe, target string, errs []error) {
	for _, err := range errs {
		recipe.Counters.TemplateError()
		m.log.WarnContext(ctx, "template", "app", recipe.App, "target", target, "error", err.Error())
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
