package spool

import (
	"crypto/rand"
	"errors"
	"io/fs"
)

// TempFile is a file for what is needed until the jobs are made. It is written
// first and read afterwards.
type TempFile struct {
	file  *file
	entry entry
}

// TempFile makes an empty file in the staging directory of an output folder.
// Where the system allows it has no name from here on, so that no crash leaves
// it behind.
func (s *Spool) TempFile(folder string) (*TempFile, error) {
	f, err := s.folder(folder)
	if err != nil {
		return nil, err
	}
	t := &TempFile{entry: f.in.at(bufferPrefix + rand.Text())}
	t.file, err = f.disk.create(t.entry)
	if errors.Is(err, fs.ErrNotExist) {
		s.forgetVanished(f)
	}
	if err != nil {
		return nil, err
	}
	if err := unlinkOpen(t.entry); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

func (t *TempFile) Write(p []byte) (int, error) { return t.file.Write(p) }

// ReadAt implements io.ReaderAt.
func (t *TempFile) ReadAt(p []byte, off int64) (int, error) { return t.file.os.ReadAt(p, off) }

// Close removes the file.
func (t *TempFile) Close() error {
	err := t.file.close()
	// Still there where an open file keeps its name.
	return errors.Join(err, t.file.disk.removeIfThere(t.entry))
}
