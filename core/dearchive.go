package core

import (
	"context"
	"io"
	"log/slog"
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
func (t *Transaction) attachments(ctx context.Context, c *content) error {
	left := *c.app.dearchive
	for _, a := range c.message.Attachments(c.body) {
		if !left.Match(a.Name) {
			c.attachments = append(c.attachments, attachment{a.Name, a.Open})
			continue
		}
		begun := time.Now()
		files, err := t.unpack(ctx, c.app, &left, a)
		left.Timeout -= time.Since(begun)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			t.log(ctx, slog.LevelWarn, "dearchive", "app", c.app.name, "attachment", a.Name, "error", err.Error())
			c.attachments = append(c.attachments, attachment{a.Name, a.Open})
			continue
		}
		if files.Ignored > 0 {
			t.log(ctx, slog.LevelWarn, "dearchive", "app", c.app.name, "attachment", a.Name, "ignored", files.Ignored)
		}
		left.MaxSize -= files.Size
		left.MaxFiles -= len(files.List)
		for _, f := range files.List {
			c.attachments = append(c.attachments, attachment{f.Name, f.Open})
		}
	}
	return nil
}

// unpack unpacks one archive beside the staged jobs; removeUnpacked removes
// what came out.
func (t *Transaction) unpack(ctx context.Context, app *application, rules *dearchive.Rules, a message.Attachment) (*dearchive.Files, error) {
	parent, err := t.recv.spool.TempDir(app.conf.OutputFolder)
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
		t.unpacked = append(t.unpacked, files)
	}
	return files, err
}

func (t *Transaction) removeUnpacked(ctx context.Context) {
	for _, files := range t.unpacked {
		if err := files.Close(); err != nil {
			t.log(ctx, slog.LevelWarn, "dearchive", "error", err.Error())
		}
	}
	t.unpacked = nil
}
