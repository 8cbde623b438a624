package logging

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// datedFile appends to name_YYMMDD.ext and goes on to the next day's file at
// midnight, as the original does. The live file carries the date, which is
// why no rotating library serves here: those date the old one.
type datedFile struct {
	name     string
	keepDays int
	now      func() time.Time

	mu   sync.Mutex
	file *os.File
	day  string
}

const dayForm = "060102"

// split gives what stands before and after the date in the file's name.
func (d *datedFile) split() (prefix, ext string) {
	ext = filepath.Ext(d.name)
	return strings.TrimSuffix(d.name, ext) + "_", ext
}

func (d *datedFile) open() error {
	prefix, ext := d.split()
	day := d.now().Format(dayForm)
	f, err := os.OpenFile(prefix+day+ext, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return fmt.Errorf("logging_file_name: %w", err)
	}
	d.file.Close() // none at first, which is an error
	d.file, d.day = f, day
	d.removeOld(prefix, ext)
	return nil
}

// removeOld deletes files of days out of keepDays. Only names that hold a
// date are ours.
func (d *datedFile) removeOld(prefix, ext string) {
	if d.keepDays <= 0 {
		return
	}
	oldest := d.now().AddDate(0, 0, -d.keepDays).Format(dayForm)
	entries, _ := os.ReadDir(filepath.Dir(prefix)) // what cannot be read stays
	base := filepath.Base(prefix)
	for _, e := range entries {
		day, ok := strings.CutPrefix(e.Name(), base)
		if !ok {
			continue
		}
		if day, ok = strings.CutSuffix(day, ext); !ok {
			continue
		}
		if t, err := time.Parse(dayForm, day); err == nil && t.Format(dayForm) < oldest {
			os.Remove(filepath.Join(filepath.Dir(prefix), e.Name()))
		}
	}
}

func (d *datedFile) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file == nil {
		return 0, os.ErrClosed
	}
	if d.now().Format(dayForm) != d.day {
		d.open() // where that fails, yesterday's file is better than no line at all
	}
	return d.file.Write(p)
}

func (d *datedFile) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.file.Close()
	d.file = nil
	return err
}
