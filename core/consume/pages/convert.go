package pages

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"smtpreceiver/core/dearchive"
)

// AddConverter has files with that extension converted by a program; see package
// dearchive for the command. The error says what is wrong with it. missing is the
// one of a program that is not installed: until it is, such files fail for now.
func (m *Maker) AddConverter(extension string, command []string) (missing, err error) {
	m.Converters.Converts = true
	err = m.Converters.Add(extension, command)
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		if m.missing == nil {
			m.missing = map[string]error{}
		}
		m.missing["."+strings.ToLower(extension)] = err
		return err, nil
	}
	return nil, err
}

// converts tells a file for which there is a program, or should be.
func (f *Files) converts(name string) bool { return f.converters.Match(name) || f.lacks(name) != nil }

func (f *Files) lacks(name string) error {
	for extension, err := range f.missing {
		if strings.HasSuffix(strings.ToLower(name), extension) {
			return err
		}
	}
	return nil
}

// convert makes documents of what a program makes of a file. All files of a message
// share the limits of one.
func (f *Files) convert(ctx context.Context, path, name string) (documents []string, err error) {
	if err := f.lacks(name); err != nil {
		return nil, err
	}
	content, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	begun := time.Now()
	made, err := f.converters.Extract(ctx, filepath.Dir(path), name, content)
	f.converters.Timeout -= time.Since(begun)
	switch {
	case errors.Is(err, dearchive.ErrForNow):
		return nil, err
	case err != nil:
		return nil, unfit("%v", err)
	}
	defer func() { err = errors.Join(err, made.Close()) }()
	f.converters.MaxSize -= made.Size
	for i, file := range made.List {
		if full := f.full(ctx); full != nil {
			return nil, full
		}
		one := fmt.Sprintf("%s-%d", path, i+1)
		content, err := file.Open()
		if err != nil {
			return nil, err
		}
		if err := save(content, one); err != nil {
			return nil, err
		}
		pages, err := f.plain(ctx, one, file.Name)
		if err != nil && !errors.As(err, new(*Unfit)) && !errors.Is(err, errDecoration) {
			return nil, err
		}
		documents = append(documents, pages...)
	}
	if len(documents) == 0 {
		return nil, unfit("its converter made nothing that can be faxed")
	}
	return documents, nil
}

// save writes a new file of from, which it closes.
func save(from io.ReadCloser, path string) error {
	defer from.Close()
	to, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}
