package folder

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"

	"smtpreceiver/core/report"
)

// requestKept is how long what reports need of a mail may lie without its job.
const requestKept = 24 * time.Hour

// withRequest are the files that move with a job.
func withRequest(stem string, files []string) []string {
	return append(slices.Clone(files), stem+report.FileExt)
}

// Request reads what a report on the job needs; nil: its sender is told nothing.
func (h *Held) Request() (*report.Request, error) {
	return readRequest(h.Open(h.Stem + report.FileExt))
}

// readRequest reads one that was opened, and closes it; nil: there is none.
func readRequest(file *os.File, err error) (*report.Request, error) {
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return report.Decode(file)
}

// SaveRequest writes it back, for a job that goes on. It is on disk when it
// returns.
func (h *Held) SaveRequest(q *report.Request) error {
	data, err := q.Encode()
	if err != nil {
		return err
	}
	places, err := h.places()
	if err != nil {
		return err
	}
	name := h.Stem + report.FileExt
	for _, d := range places[1:] {
		if there, err := d.exists(name); err != nil || there {
			return errors.Join(err, d.replace(name, data, true))
		}
	}
	return places[0].replace(name, data, true)
}

// cleanRequests removes requests whose job somebody else has taken away.
func (f *Folder) cleanRequests(now time.Time) error {
	var old []string
	err := f.output.each(func(e fs.DirEntry) error {
		stem := stemOf(e.Name())
		if e.Name() != stem+report.FileExt && e.Name() != stem+report.FileExt+newExt || !stemSyntax.MatchString(stem) {
			return nil
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && now.Sub(info.ModTime()) < requestKept {
			return nil
		}
		for _, d := range []*dir{f.output, f.work} {
			if there, looked := d.exists(stem + controlExt); looked != nil || there {
				return errors.Join(err, looked)
			}
		}
		if err == nil {
			old = append(old, e.Name())
		}
		return err
	})
	for _, name := range old {
		err = errors.Join(err, f.output.removeIfThere(name))
	}
	return err
}
