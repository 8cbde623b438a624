package pages

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"smtpreceiver/core/message"
)

// maxForwarded is how many forwarded messages may lie inside each other.
const maxForwarded = 3

// Part is an attachment.
type Part struct {
	Name string                  // as the sender gave it
	File string                  // a name with its extension
	Put  func(path string) error // puts a private copy at path
}

// Left is a part that is not on the fax.
type Left struct {
	Name string
	Why  error
}

func (l Left) String() string { return fmt.Sprintf("%q: %v", l.Name, l.Why) }

// Pages makes documents of a message, whose paths begin with prefix: the text, unless
// it is blank beside attachments, then these. What is left out is named at the end.
// The error is an *Unfit if there is nothing but that.
func (f *Files) Pages(ctx context.Context, prefix, text string, parts []Part) (documents []string, err error) {
	var left []Left
	for i, part := range parts {
		made, err := f.part(ctx, fmt.Sprint(prefix, i+1), part)
		switch {
		case errors.As(err, new(*Unfit)):
			left = append(left, Left{part.Name, err})
		case err != nil && !errors.Is(err, errDecoration):
			return nil, fmt.Errorf("attachment %q: %w", part.Name, err)
		}
		documents = append(documents, made...)
	}
	blank := strings.TrimSpace(text) == ""
	if blank && len(documents) == 0 && len(left) > 0 {
		return nil, unfit("nothing of it can be faxed: %s", list(left))
	}
	f.Left = append(f.Left, left...)
	note := leftOut(left)
	if len(documents) == 0 { // one page is enough for both
		text, note = strings.TrimRight(text, " \r\n\t")+"\n\n"+note, ""
	}
	if !blank || len(documents) == 0 {
		first := prefix + "text.pdf"
		documents = append([]string{first}, documents...)
		err = f.set(first, text)
	}
	if note != "" && err == nil {
		last := prefix + "left.pdf"
		documents = append(documents, last)
		err = f.set(last, note)
	}
	return documents, err
}

// maxTaken is how many parts of one message are looked at, those of forwarded ones
// too: a million that are no pages fit into 50 MiB.
const maxTaken = 10_000

// part makes documents of a part. Its copy goes, unless it is one of them.
func (f *Files) part(ctx context.Context, path string, p Part) (made []string, err error) {
	if err := f.full(ctx); err != nil {
		return nil, err
	}
	if f.taken++; f.taken > maxTaken {
		return nil, unfit("a fax of more than %d files", maxTaken)
	}
	if err := p.Put(path); err != nil {
		return nil, err
	}
	made, err = f.file(ctx, path, p.File)
	if gone := os.Remove(path); err == nil && !errors.Is(gone, fs.ErrNotExist) {
		err = gone
	}
	return made, err
}

func list(left []Left) string {
	var all []string
	for _, l := range left {
		all = append(all, l.String())
	}
	return strings.Join(all, "; ")
}

// leftOut is what the recipient is told.
func leftOut(left []Left) string {
	if len(left) == 0 {
		return ""
	}
	const named = 100
	note := "Left out of this fax, because it cannot be printed:\n"
	for _, l := range left[:min(len(left), named)] {
		note += l.Name + "\n"
	}
	if more := len(left) - named; more > 0 {
		note += fmt.Sprintf("and %d more\n", more)
	}
	return note
}

// forwarded makes documents of a message that is an attachment.
func (f *Files) forwarded(ctx context.Context, path string) ([]string, error) {
	if f.depth == maxForwarded {
		return nil, unfit("more than %d messages inside each other", maxForwarded)
	}
	f.depth++
	defer func() { f.depth-- }()
	source, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	info, err := source.Stat()
	if err != nil {
		return nil, err
	}
	m, err := message.Parse(source, info.Size(), message.Limits{})
	if err != nil {
		return nil, err
	}
	reader, err := m.Text()
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	text, err := limited(reader)
	if err != nil {
		return nil, err
	}
	var parts []Part
	for _, a := range m.Attachments(m.Body([]message.Format{message.TXT})) {
		parts = append(parts, Part{a.Name, a.Name, func(path string) error {
			content, err := a.Open()
			if err != nil {
				return err
			}
			return save(content, path)
		}})
	}
	return f.Pages(ctx, path+"-", head(m)+string(text), parts)
}

// head is what a reader wants to know of a forwarded message.
func head(m *message.Message) string {
	var b strings.Builder
	for _, field := range []struct {
		name   string
		values []message.Address
	}{{"From", []message.Address{m.From()}}, {"To", m.To()}, {"Cc", m.Cc()}} {
		var all []string
		for _, a := range field.values {
			if a != (message.Address{}) {
				all = append(all, strings.TrimSpace(a.Name+" <"+a.Email+">"))
			}
		}
		if len(all) > 0 {
			fmt.Fprintf(&b, "%s: %s\n", field.name, strings.Join(all, ", "))
		}
	}
	for _, field := range [][2]string{{"Date", m.Date()}, {"Subject", m.Subject()}} {
		if field[1] != "" {
			fmt.Fprintf(&b, "%s: %s\n", field[0], field[1])
		}
	}
	return b.String() + "\n"
}

func limited(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxText+1))
	if err == nil && len(data) > maxText {
		err = unfit("a text of more than %d MiB", maxText>>20)
	}
	return data, err
}
