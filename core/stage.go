package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"smtpreceiver/core/codepage"
	"smtpreceiver/core/message"
	"smtpreceiver/core/reply"
	"smtpreceiver/core/spool"
	"smtpreceiver/core/transform"
)

// maxTemplateText is the longest message text, in bytes, that is loaded for
// templates and ctl_settings. A longer one is streamed to its file as it is
// and is empty to them.
const maxTemplateText = 1 << 20

type stagedJob struct {
	app        *application
	rcpt, name string
}

// content is what one application makes of the message: shared by its jobs.
type content struct {
	app         *application
	message     *message.Message
	body        *message.Body
	tags        []transform.Tag
	text        string // only if a rule of the application wants it
	long        bool   // text was too long to load
	attachments []attachment
	owner       *spool.Job // the job that holds the attachments, once written
	names       []string   // their file names in owner
}

// Stage makes the jobs of the message and brings them to disk, not yet
// visible. Nothing more of the mail is taken after it. The error is a *reply.Reply.
func (t *Transaction) Stage(ctx context.Context) error {
	if !t.Diverting() {
		return nil
	}
	begun := time.Now()
	t.batch = t.recv.spool.NewBatch()
	if err := t.stage(ctx); err != nil {
		t.Abort()
		return reply.Of(err)
	}
	t.staging = time.Since(begun)
	return nil
}

func (t *Transaction) stage(ctx context.Context) error {
	if _, err := t.Write(nil); err != nil { // an empty message has no buffer yet
		return err
	}
	root, err := message.Parse(t.buffer, t.buffer.Size(), t.rules.limits)
	if err != nil {
		return err
	}
	defer t.removeUnpacked(ctx)
	contents := make(map[*application]*content)
	files := 0
	for _, p := range t.plans {
		c := contents[p.app]
		if c == nil {
			if c, err = t.content(ctx, root, p.app); err != nil {
				return err
			}
			contents[p.app] = c
		}
		files += filesBesideAttachments + len(c.attachments)
	}
	if limit := t.rules.settings.MaxFilesPerMessage; files > limit {
		return tooManyFiles(fmt.Errorf("%d recipients and their attachments make %d files, max_files_per_message is %d", len(t.plans), files, limit))
	}
	for _, p := range t.plans {
		// The texts of many recipients are a multiple of what the message was.
		if err := t.recv.space(t.rules, p.app.conf.OutputFolder); err != nil {
			return err
		}
		if err := t.stageJob(ctx, contents[p.app], p); err != nil {
			return fmt.Errorf("application %s, recipient %s: %w", p.app.name, p.rcpt.Mailbox, err)
		}
	}
	t.logProblems(ctx, root)
	for _, c := range contents {
		if c.message != root {
			t.logProblems(ctx, c.message)
		}
	}
	err = t.batch.Stage(ctx)
	if errors.Is(err, spool.ErrTooLarge) {
		return tooManyFiles(err)
	}
	return err
}

// filesBesideAttachments is the CTL and the message file of a job.
const filesBesideAttachments = 2

func tooManyFiles(cause error) *reply.Reply {
	return &reply.Reply{Code: 552, Enhanced: [3]int{5, 3, 4}, Text: "Too many attachments for so many recipients", Cause: cause, Reason: reply.ReasonSize}
}

// logProblems says what could not be read of a message as it claims to be.
func (t *Transaction) logProblems(ctx context.Context, m *message.Message) {
	for _, what := range m.Problems() {
		t.log(ctx, slog.LevelWarn, "message", "problem", what)
	}
	if t.charsets != nil {
		t.charsets(m.Charsets())
	}
}

// content reads the message as app wants it.
func (t *Transaction) content(ctx context.Context, root *message.Message, app *application) (*content, error) {
	c := &content{app: app, message: root}
	if app.conf.ProcessAttMsg {
		if inner, ok := root.Attached(); ok {
			c.message = inner
		}
	}
	c.body = c.message.Body(app.formats)
	c.body.InlinePictures = app.conf.InlinePictures
	if app.conf.ProcessAttachments {
		if err := t.attachments(ctx, c); err != nil {
			return nil, err
		}
	}
	wanted := app.wantsText || app.text != nil && app.text.Uses("msg")
	if app.tags == nil && !wanted {
		return c, nil
	}
	r, err := c.openText()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if !wanted { // only the @commands in front
		return c, nil
	}
	text, err := io.ReadAll(io.LimitReader(r, maxTemplateText+1))
	if err != nil {
		return nil, err
	}
	if c.long = len(text) > maxTemplateText; c.long {
		t.log(ctx, slog.LevelWarn, "message", "app", app.name, "problem",
			fmt.Sprintf("text is longer than %d bytes: templates and ctl_settings see it as empty, the text file has it whole", maxTemplateText))
	} else {
		c.text = string(text)
	}
	return c, nil
}

// openText reads the plain text without the @commands in front, and notes
// these.
func (c *content) openText() (io.ReadCloser, error) {
	r, err := c.message.Text()
	if err != nil || c.app.tags == nil {
		return r, err
	}
	tags, rest, err := c.app.tags.Cut(r)
	if err != nil {
		r.Close()
		return nil, err
	}
	c.tags = tags
	return struct {
		io.Reader
		io.Closer
	}{rest, r}, nil
}

// stageJob writes the files of one job; the CTL last.
func (t *Transaction) stageJob(ctx context.Context, c *content, p plan) error {
	job, err := t.batch.NewJob(p.app.conf.OutputFolder)
	if err != nil {
		return err
	}
	file := job.Stem() + "." + string(c.body.Format)
	items := t.items(c, p, file)
	if err := t.writeBody(ctx, c, job, file, items); err != nil {
		return err
	}
	attached, err := writeAttachments(c, job)
	if err != nil {
		return err
	}
	doc := t.document(ctx, c, p, job.ID(), file, attached, items)
	control := t.rules.page.Encode(p.app.layout.Apply(doc).String())
	if err := job.Control(control); err != nil {
		return err
	}
	t.staged = append(t.staged, stagedJob{p.app, p.rcpt.Mailbox, job.Stem()})
	return nil
}

// writeBody writes the message file of a job.
func (t *Transaction) writeBody(ctx context.Context, c *content, job *spool.Job, file string, items *transform.Items) (err error) {
	f, err := job.Create(file)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	if c.body.Format != message.TXT {
		_, err := c.body.WriteTo(f)
		return err
	}
	buf := make([]byte, min(t.buffer.Size()+1, maxTextPiece))
	if text, ok := t.templateText(ctx, c, items); ok {
		return writeText(f, t.rules.page, strings.NewReader(text), buf)
	}
	text, err := c.openText()
	if err != nil {
		return err
	}
	defer text.Close()
	return writeText(f, t.rules.page, text, buf)
}

// templateText is what the template txt makes of the text. ok is false where
// there is none, and where it went wrong and left nothing: the message's own
// text is better than an empty file.
func (t *Transaction) templateText(ctx context.Context, c *content, items *transform.Items) (text string, ok bool) {
	if c.app.text == nil || c.long {
		return "", false
	}
	text, errs := c.app.text.Execute(ctx, items)
	t.templateErrors(ctx, c.app, "txt", errs)
	return text, len(errs) == 0 || strings.TrimSpace(text) != ""
}

// maxTextPiece is how much of a text goes to the encoder at once, in bytes: it
// writes pieces of about this size whatever it gets.
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

// attachedFile is one entry of [attachments].
type attachedFile struct{ file, name string }

// writeAttachments gives the job the attachments of the message: written once
// for the first job of an application, linked into the others.
func writeAttachments(c *content, job *spool.Job) ([]attachedFile, error) {
	var files []attachedFile
	first := c.owner == nil
	for i, a := range c.attachments {
		name := fmt.Sprintf("%s_%d_%s", job.Stem(), i+1, attachmentName(a.name))
		files = append(files, attachedFile{name, a.name})
		if !first {
			if err := job.Link(name, c.owner, c.names[i]); err != nil {
				return nil, err
			}
			continue
		}
		if err := writeAttachment(job, name, a); err != nil {
			return nil, err
		}
		c.names = append(c.names, name)
	}
	if first {
		c.owner = job
	}
	return files, nil
}

// attachmentName makes the original name safe in a file name. One that ends in
// .ctl would be taken for a job by whoever watches the folder.
func attachmentName(original string) string {
	name := codepage.FileName(original)
	if strings.EqualFold(filepath.Ext(name), ".ctl") {
		name += "_"
	}
	return name
}

func writeAttachment(job *spool.Job, name string, a attachment) error {
	r, err := a.open()
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := job.Create(name)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
