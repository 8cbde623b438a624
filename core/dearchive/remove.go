package dearchive

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// removeTree removes a folder an unpacker has worked in: with folders that bar
// their owner, and nested so deep that their paths are too long or one open
// folder for each level would be too many. So it moves the folders inside a
// folder up to the top before it removes that folder, and is never more than
// two levels down.
func removeTree(dir string) error {
	_ = os.Chmod(dir, 0o700) // if that fails, so does the next call
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	r := remover{root: root, prefix: rand.Text()}
	return errors.Join(r.empty("."), root.Close(), os.Remove(dir))
}

type remover struct {
	root   *os.Root
	prefix string // of names of ours, which no unpacker has guessed
	moved  int
}

// empty removes what is in folder, which is the top or directly in it.
func (r *remover) empty(folder string) error {
	for {
		entries, err := r.list(folder)
		if len(entries) == 0 {
			return err
		}
		for _, e := range entries {
			if err := r.remove(folder, e); err != nil {
				return err
			}
		}
	}
}

func (r *remover) remove(folder string, e fs.DirEntry) error {
	path := folder + "/" + e.Name()
	err := r.root.Remove(path)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if !e.IsDir() {
		return err
	}
	// Its owner may need every right in it, be it only to move it.
	if err := r.root.Chmod(path, 0o700); err != nil {
		return err
	}
	if folder != "." {
		r.moved++
		return r.root.Rename(path, fmt.Sprint(r.prefix, r.moved))
	}
	return r.empty(path) // the next look at the top removes it
}

// list reads some entries of a folder; a fresh listing each time, because
// entries removed between two reads of one make some systems skip others.
func (r *remover) list(folder string) ([]fs.DirEntry, error) {
	d, err := r.root.Open(folder)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(1024)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return entries, err
}
