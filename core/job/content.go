package job

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"smtpreceiver/core/dearchive"
	"smtpreceiver/core/incoming"
	"smtpreceiver/core/message"
	"smtpreceiver/core/transform"
	"smtpreceiver/core/transform/python"
)

// Maker makes the jobs of one message. It is used by one goroutine at a time.
type Maker struct {
	root     *message.Message
	source   *incoming.Buffer
	budget   *python.Budget // of the templates of all jobs
	mail     Mail
	scratch  incoming.Scratch
	log      *slog.Logger // has the keys of the transaction
	contents map[*Recipe]*content
	unpacked []*dearchive.Files
	header   []byte // of the message, for reports; nil: not read yet
}

// NewMaker reads the structure of a message. The buffer stays the caller's.
func NewMaker(b *incoming.Buffer, limits message.Limits, mail Mail, scratch incoming.Scratch, log *slog.Logger) (*Maker, error) {
	root, err := message.Parse(b, b.Size(), limits)
	if err != nil {
		return nil, err
	}
	return &Maker{root: root, source: b, budget: python.NewBudget(), mail: mail, scratch: scratch, log: log, contents: map[*Recipe]*content{}}, nil
}

// filesBesideAttachments is the CTL and the message file of a job.
const filesBesideAttachments = 2

// Read readies the message for one more job of that recipe, before the first
// Fill: it reads the text and unpacks archives. files is how many a job
// will have.
func (m *Maker) Read(ctx context.Context, recipe *Recipe) (files int, err error) {
	c := m.contents[recipe]
	if c == nil {
		if c, err = m.content(ctx, recipe); err != nil {
			return 0, err
		}
		m.contents[recipe] = c
	}
	c.jobs++
	files = filesBesideAttachments + len(c.attachments)
	if recipe.Reported {
		files++
	}
	return files, nil
}

// LogProblems says what could not be read of the message as it claims to be.
func (m *Maker) LogProblems(ctx context.Context) {
	m.logProblems(ctx, m.root)
	for _, c := range m.contents {
		if c.message != m.root {
			m.logProblems(ctx, c.message)
		}
	}
}

func (m *Maker) logProblems(ctx context.Context, read *message.Message) {
	for _, what := range read.Problems() {
		m.log.WarnContext(ctx, "message", "problem", what)
	}
}

// Charsets says of what is not simply in the character set that it declares how
// it was read, and why.
func (m *Maker) Charsets() []string {
	var all []string
	note := func(read *message.Message) {
		for _, s := range read.Charsets() {
			if !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	note(m.root)
	for _, c := range m.contents {
		note(c.message)
	}
	return all
}

// maxTemplateText is the longest message text, in bytes, that is loaded for
// templates and ctl_settings. A longer one is streamed to its file as it is
// and is empty to them.
const maxTemplateText = 1 << 20

// content is what one recipe makes of the message: shared by its jobs.
type content struct {
	recipe      *Recipe
	message     *message.Message
	body        *message.Body
	tags        []transform.Tag
	text        string // only if the recipe wants it
	long        bool   // text was too long to load
	attachments []attachment
	owner       Job               // the job that holds the attachments, once written
	names       []string          // their file names in owner
	jobs        int               // that it is read for
	shared      *incoming.Buffer  // the message file, where all of several jobs have the same
	values      map[place]value   // what rules gave, where that is the same
	items       *transform.Items  // but for what each job has of its own; nil: not read yet
	named       map[string]string // by recipient in small letters, the name that To or Cc gives it: 101@sms has no room for one
}

// content reads the message as recipe wants it.
func (m *Maker) content(ctx context.Context, recipe *Recipe) (*content, error) {
	c := &content{recipe: recipe, message: m.root}
	if recipe.AttachedMessage {
		inner, err := m.root.Attached()
		if err != nil {
			return nil, err
		}
		if inner != nil {
			c.message = inner
		}
	}
	c.body = c.message.Body(recipe.Formats)
	c.body.InlinePictures = recipe.InlinePictures
	if recipe.Attachments {
		if err := m.attachments(ctx, c); err != nil {
			return nil, err
		}
	}
	wanted := recipe.wantsText()
	if recipe.Tags == nil && !wanted {
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
		m.log.WarnContext(ctx, "message", "app", recipe.App, "problem",
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
	if err != nil || c.recipe.Tags == nil && !c.recipe.Tidy.Any() {
		return r, err
	}
	rest, err := c.own(r)
	if err != nil {
		r.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{rest, r}, nil
}

// own is the text without what commands us, and what is not to be sent. A text
// too long for templates is not tidied: no SMS is that long.
func (c *content) own(r io.Reader) (io.Reader, error) {
	if c.recipe.Tags != nil {
		tags, rest, err := c.recipe.Tags.Cut(r)
		if err != nil {
			return nil, err
		}
		c.tags, r = tags, rest
	}
	if !c.recipe.Tidy.Any() {
		return r, nil
	}
	text, err := io.ReadAll(io.LimitReader(r, maxTemplateText+1))
	if err != nil || len(text) > maxTemplateText {
		return io.MultiReader(bytes.NewReader(text), r), err
	}
	return strings.NewReader(c.recipe.Tidy.Text(string(text))), nil
}
