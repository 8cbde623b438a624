package job

import (
	"context"
	"io"
	"time"

	"smtpreceiver/core/dearchive"
	"smtpreceiver/core/message"
)

// attachment is a file of the job: of the message, or out of an archive in it.
type attachment struct {
	name string // not safe as a file name
	open func() (io.ReadCloser, error)
}

// attachments lists the attachments of the message, archives replaced by what
// is in them. An archive that cannot be unpacked stays. All archives of a
// message share the limits of one, or a mail of many could hold us for hours.
func (m *Maker) attachments(ctx context.Context, c *content) error {
	left := *c.recipe.Dearchive
	for _, a := range c.message.Attachments(c.body) {
		if !left.Match(a.Name) {
			c.attachments = append(c.attachments, attachment{a.Name, a.Open})
			continue
		}
		begun := time.Now()
		files, err := m.unpack(ctx, &left, a)
		left.Timeout -= time.Since(begun)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			m.log.WarnContext(ctx, "dearchive", "app", c.recipe.App, "attachment", a.Name, "error", err.Error())
			c.attachments = append(c.attachments, attachment{a.Name, a.Open})
			continue
		}
		if files.Ignored > 0 {
			m.log.WarnContext(ctx, "dearchive", "app", c.recipe.App, "attachment", a.Name, "ignored", files.Ignored)
		}
		left.MaxSize -= files.Size
		left.MaxFiles -= len(files.List)
		for _, f := range files.List {
			c.attachments = append(c.attachments, attachment{f.Name, f.Open})
		}
	}
	return nil
}

// unpack unpacks one archive into the scratch folder; Close removes what came
// out.
func (m *Maker) unpack(ctx context.Context, rules *dearchive.Rules, a message.Attachment) (*dearchive.Files, error) {
	parent, err := m.scratch.TempDir()
	if err != nil {
		return nil, err
	}
	content, err := a.Open()
	if err != nil {
		return nil, err
	}
	defer content.Close()
	files, err := rules.Extract(ctx, parent, a.Name, content)
	if err == nil {
		m.unpacked = append(m.unpacked, files)
	}
	return files, err
}

// Close removes what came out of archives. No job may be filled after it.
func (m *Maker) Close(ctx context.Context) {
	for _, files := range m.unpacked {
		if err := files.Close(); err != nil {
			m.log.WarnContext(ctx, "dearchive", "error", err.Error())
		}
	}
	m.unpacked = nil
	for _, c := range m.contents {
		if c.shared != nil {
			c.shared.Close()
		}
	}
}
