//go:build linux

package soak

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/codepage"
	"smtpreceiver/core/ctl"
)

// reader takes the jobs away, as a fax server does. It may come at any moment,
// so whatever it sees must be whole.
type reader struct {
	folders []string
	books   *books
	arrive  func(arrival) *message
	page    *codepage.Page
	exact   bool              // jobs of a sample are alike, but for their numbers
	shapes  map[string]string // what the job of a sample looks like, by format and sample
}

func newReader(t *testing.T, books *books, exact bool, folders ...string) *reader {
	t.Helper()
	page, err := codepage.Lookup("cp1250")
	must(t, err)
	return &reader{
		folders: folders, books: books, page: page, exact: exact, shapes: map[string]string{},
		arrive: func(a arrival) *message { return books.arrive(a.rcpt) },
	}
}

// arrival is a job that somebody has got.
type arrival struct {
	job    string // its name
	rcpt   string
	failed string // why; empty: it was handed on
}

// run takes jobs until stop is closed, and once more behind that.
func (r *reader) run(stop <-chan struct{}) {
	for ended := false; !ended; {
		select {
		case <-stop:
			ended = true
		case <-time.After(rand.N(20 * time.Millisecond)):
		}
		for _, folder := range r.folders {
			entries, err := os.ReadDir(folder)
			if err != nil {
				r.books.fault("%v", err)
			}
			for _, e := range entries {
				if strings.HasSuffix(e.Name(), ".ctl") {
					if err := r.take(folder, e.Name()); err != nil {
						r.books.fault("job %s: %v", filepath.Join(folder, e.Name()), err)
					}
				}
			}
		}
	}
}

func (r *reader) take(folder, control string) error {
	raw, err := os.ReadFile(filepath.Join(folder, control))
	if err != nil {
		return err
	}
	doc, err := ctl.Parse(r.page.Decode(raw))
	if err != nil {
		return err
	}
	files := []string{doc.Get("system", "txt")}
	count, _ := strconv.Atoi(doc.Get("attachments", "count"))
	for i := range count {
		files = append(files, doc.Get("attachments", strconv.Itoa(i+1)))
	}
	rcpt, stem := doc.Get("to", "address"), strings.TrimSuffix(control, ".ctl")
	why, err := os.ReadFile(filepath.Join(folder, stem+".err"))
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	m := r.arrive(arrival{stem, rcpt, string(why)})
	if m == nil {
		return fmt.Errorf("for %q, to whom nobody sent", rcpt)
	}
	shape := ""
	for _, name := range files {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil {
			return fmt.Errorf("for %s, %s: %w", rcpt, m.sample, err)
		}
		_, own, _ := strings.Cut(name, doc.Get("system", "id"))
		shape += fmt.Sprintf("%s %d;", own, info.Size())
	}
	key := doc.Get("system", "app") + " of " + m.sample
	if known, found := r.shapes[key]; r.exact && found && known != shape {
		return fmt.Errorf("for %s, %s: %s, the first was %s", rcpt, key, shape, known)
	}
	r.shapes[key] = shape
	for _, name := range append([]string{control}, files...) {
		if err := os.Remove(filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	for _, ext := range []string{".err", ".report"} { // of a failed job
		os.Remove(filepath.Join(folder, stem+ext))
	}
	return nil
}

// leftOver looks for what nobody has taken in the end.
func (r *reader) leftOver(t *testing.T) {
	for _, folder := range r.folders {
		err := filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
			if filepath.Base(path) == ".smtpreceiver" { // a killed consumer may leave a copy there
				return filepath.SkipDir
			}
			if err == nil && path != folder && filepath.Base(path) != ".staging" {
				t.Errorf("left over: %s", path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
