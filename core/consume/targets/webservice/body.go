package webservice

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/textproto"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"smtpreceiver/core/config"
	"smtpreceiver/core/consume/targets/fields"
)

// body is the body of a request, read once. Files are streamed.
type body struct {
	io.Reader
	kind  string // Content-Type; "": there is no body
	size  int64
	files []io.Closer

	closing sync.Once
	closed  error
}

// Close implements io.Closer. net/http calls it in two places at the same time, where
// an answer comes before the request has ended.
func (b *body) Close() error {
	b.closing.Do(func() {
		for _, f := range b.files {
			b.closed = errors.Join(b.closed, f.Close())
		}
	})
	return b.closed
}

func textBody(kind string, content []byte) *body {
	return &body{Reader: bytes.NewReader(content), kind: kind, size: int64(len(content))}
}

// body makes the body of the request for a job. Each way encodes values by its own
// structure: none can end its place.
func (r *request) body(c *content) (*body, error) {
	switch {
	case r.json != nil:
		var out bytes.Buffer
		c.encode(&out, r.json)
		return textBody("application/json", out.Bytes()), nil
	case len(r.form) > 0:
		return textBody("application/x-www-form-urlencoded", []byte(filled(c, r.form).Encode())), nil
	case len(r.multipart) > 0:
		return r.parts(c)
	}
	return textBody("", nil), nil
}

// encode writes a tree as JSON, members in their order.
func (c *content) encode(out *bytes.Buffer, t *config.Tree) {
	switch {
	case t.Text != nil && *t.Text == fields.Attachments:
		names := []string{}
		for _, a := range c.Attachments {
			names = append(names, a.Name)
		}
		encodeJSON(out, names)
	case t.Text != nil:
		encodeJSON(out, c.fill(*t.Text))
	case t.Literal != "":
		out.WriteString(t.Literal)
	case t.List != nil:
		out.WriteByte('[')
		for i := range t.List {
			if i > 0 {
				out.WriteByte(',')
			}
			c.encode(out, &t.List[i])
		}
		out.WriteByte(']')
	default:
		out.WriteByte('{')
		for i, m := range t.Object {
			if i > 0 {
				out.WriteByte(',')
			}
			encodeJSON(out, m.Name)
			out.WriteByte(':')
			c.encode(out, &m.Value)
		}
		out.WriteByte('}')
	}
}

// encodeJSON writes text, which always can be.
func encodeJSON(out *bytes.Buffer, text any) {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	_ = e.Encode(text)
	out.Truncate(out.Len() - len("\n"))
}

// parts makes a multipart/form-data body (RFC 7578). Its size is known beforehand:
// many services take none without.
func (r *request) parts(c *content) (*body, error) {
	b := new(body)
	var readers []io.Reader
	var text bytes.Buffer
	flush := func() {
		b.size += int64(text.Len())
		readers = append(readers, bytes.NewReader(bytes.Clone(text.Bytes())))
		text.Reset()
	}
	w := multipart.NewWriter(&text) // into memory, which takes all
	for _, name := range slices.Sorted(maps.Keys(r.multipart)) {
		if r.multipart[name] != fields.Attachments {
			_ = w.WriteField(name, c.fill(r.multipart[name]))
			continue
		}
		for _, a := range c.Attachments {
			f, err := c.Open(a.File)
			if err != nil {
				return nil, errors.Join(err, b.Close())
			}
			b.files = append(b.files, f)
			info, err := f.Stat()
			if err != nil {
				return nil, errors.Join(err, b.Close())
			}
			header := textproto.MIMEHeader{}
			header.Set("Content-Disposition", multipart.FileContentDisposition(name, attachmentName(a.Name, a.File)))
			header.Set("Content-Type", contentType(a.File))
			_, _ = w.CreatePart(header)
			flush()
			readers = append(readers, io.LimitReader(f, info.Size()))
			b.size += info.Size()
		}
	}
	_ = w.Close()
	flush()
	b.kind, b.Reader = w.FormDataContentType(), io.MultiReader(readers...)
	return b, nil
}

func attachmentName(name, file string) string {
	if name = fields.OneLine(strings.ToValidUTF8(name, "?")); name == "" {
		return file
	}
	return name
}

func contentType(file string) string {
	if kind := mime.TypeByExtension(filepath.Ext(file)); kind != "" {
		return kind
	}
	return "application/octet-stream"
}
