package pages

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"smtpreceiver/core/consume/pages/picture"
	"smtpreceiver/core/consume/pages/typeset"
	"smtpreceiver/core/dearchive"
)

// sniffed is how much of a file tells its type, in bytes.
const sniffed = 1024

// maxText bounds what is read of a text file, in bytes.
const maxText = 16 << 20

// Unfit says why a file cannot become pages. Trying again cannot mend it.
type Unfit struct{ Why string }

func (e *Unfit) Error() string { return e.Why }

func unfit(format string, args ...any) error { return &Unfit{fmt.Sprintf(format, args...)} }

// errDecoration is for a file that a reader of the mail does not see or does not
// miss: what only programs read, a picture of a few pixels.
var errDecoration = errors.New("only decorates the message")

// Maker makes documents. It may be used for several messages at once.
type Maker struct {
	Converters dearchive.Rules

	missing map[string]error // programs that are not installed, by ".extension"
	fonts   typeset.Fonts
	one     sync.Mutex // one picture at a time: a photograph takes hundreds of MiB

	maxDrawing time.Duration // but for tests
}

// Files makes documents of the texts and files of one message.
type Files struct {
	Left []Left // out, of the message and of those that it forwards

	*Maker
	converters dearchive.Rules // with what is left of their limits
	decode     func([]byte) string
	lacking    map[rune]bool // no font has them
	depth      int           // of forwarded messages
	made       int           // pages set here, and documents
	taken      int           // parts that were copied
	drawing    time.Duration // of pictures
}

// maxMade is how many pages and documents there are of one message, about: a mail of a
// few hundred kilobytes can hold ten thousand pictures of hours of work.
const maxMade = 1000

// full says why there are no more documents.
func (f *Files) full(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if f.made >= maxMade {
		return unfit("a fax of more than %d pages", maxMade)
	}
	return nil
}

// Message begins a message; decode is for a text that says of itself no character
// set.
func (m *Maker) Message(decode func([]byte) string) *Files {
	return &Files{Maker: m, converters: m.Converters, decode: decode, lacking: map[rune]bool{}}
}

// file makes documents of the file at path, which only this user can change; name
// has its extension. It returns their paths, which begin with path, in order. The
// file itself may be moved. The error is an *Unfit or errDecoration where the file is
// the reason.
func (f *Files) file(ctx context.Context, path, name string) (documents []string, err error) {
	if err := f.full(ctx); err != nil {
		return nil, err
	}
	head, err := headOf(path)
	if err != nil {
		return nil, err
	}
	if taken(head) == "" && f.converts(name) && !isForPrograms(name, head) {
		return f.convert(ctx, path, name)
	}
	if taken(head) == "" && strings.EqualFold(filepath.Ext(name), ".eml") {
		return f.forwarded(ctx, path)
	}
	return f.plain(ctx, path, name)
}

// plain makes documents of a file without a program.
func (f *Files) plain(ctx context.Context, path, name string) (documents []string, err error) {
	head, err := headOf(path)
	if err != nil {
		return nil, err
	}
	if kind := taken(head); kind != "" {
		f.made++
		return []string{path + kind}, os.Rename(path, path+kind)
	}
	document := path + ".pdf"
	switch {
	case isForPrograms(name, head):
		err = errDecoration
	case picture.Is(head):
		f.made++
		err = f.picture(ctx, document, path)
	case len(head) == 0:
		err = unfit("it is empty")
	case textual[strings.ToLower(filepath.Ext(name))]:
		err = f.text(document, path)
	default:
		err = unfit("PDF, PostScript, TIFF, pictures and plain text can be faxed")
	}
	if err != nil {
		return nil, err
	}
	return []string{document}, nil
}

// maxDrawing is how long the pictures of one message may take: none of a few dozen
// photographs is late, and a file of 100 KiB can hold hours of work.
const maxDrawing = 2 * time.Minute

func (f *Files) picture(ctx context.Context, document, path string) error {
	f.one.Lock()
	defer f.one.Unlock()
	begun := time.Now()
	defer func() { f.drawing += time.Since(begun) }()
	most := cmp.Or(f.maxDrawing, maxDrawing)
	late := unfit("the pictures of the message take longer than %v", most)
	if f.drawing >= most {
		return late
	}
	ctx, cancel := context.WithTimeoutCause(ctx, most-f.drawing, late)
	defer cancel()
	err := picture.File(ctx, document, path)
	var bad *picture.Unfit
	switch {
	case errors.As(err, &bad):
		return unfit("%s", bad.Why)
	case errors.Is(err, picture.ErrDecoration):
		return errDecoration
	}
	return err
}

func headOf(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, sniffed))
}

func (f *Files) text(document, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	data, err := limited(file)
	if err != nil {
		return err
	}
	return f.set(document, readable(data, f.decode))
}

// set makes a document of a text.
func (f *Files) set(document, text string) error {
	pages, lacking, err := f.fonts.Document(document, text)
	for _, r := range lacking {
		f.lacking[r] = true
	}
	f.made += pages
	if errors.Is(err, typeset.ErrTooLong) {
		return unfit("%v", err)
	}
	return err
}

// Lacking are the characters of the texts of this message that no font has.
func (f *Files) Lacking() []rune { return slices.Sorted(maps.Keys(f.lacking)) }
