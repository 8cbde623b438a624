package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// disk is what the file system gives at most: for each mail a text of its size
// and a small control file, both fsynced and renamed, by as many writers as
// there are sessions. With syncFolder the folder is fsynced too, as a promise
// that holds across a power cut wants it.
func disk(dir, name string, syncFolder bool) *target {
	send := func(b *testing.B, l load, mails int) {
		text, control := bytes.Repeat([]byte("x"), l.size), bytes.Repeat([]byte("x"), 400)
		var writers sync.WaitGroup
		failures := make(chan error, l.sessions)
		for w := range l.sessions {
			writers.Go(func() {
				for n := w; n < mails; n += l.sessions {
					if err := writeJob(dir, n, text, control, syncFolder); err != nil {
						failures <- err
						return
					}
				}
			})
		}
		writers.Wait()
		select {
		case err := <-failures:
			b.Fatal(err)
		default:
		}
	}
	return &target{name: name, send: send, settle: func(b *testing.B) { emptyFolder(b, dir) }}
}

func writeJob(dir string, n int, text, control []byte, syncFolder bool) error {
	for _, f := range []struct {
		extension string
		content   []byte
	}{{"txt", text}, {"ctl", control}} {
		staged := filepath.Join(dir, "stage", fmt.Sprintf("%08d.%s", n, f.extension))
		if err := writeSynced(staged, f.content); err != nil {
			return err
		}
		if err := os.Rename(staged, filepath.Join(dir, filepath.Base(staged))); err != nil {
			return err
		}
	}
	if !syncFolder {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func writeSynced(path string, content []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(content); err != nil {
		return err
	}
	return f.Sync()
}
