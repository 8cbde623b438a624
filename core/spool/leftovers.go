package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// leftovers is what a dead owner's staging directory holds.
type leftovers struct {
	jobs    map[string]*leftJob // by stem
	records []*batchRecord      // all that can be read
	decided []*batchRecord      // of them, those that decide
	others  []string            // names of what is no job's: records, buffers, temporary folders
}

// leftJob is a job as far as it is still staged.
type leftJob struct {
	jobFiles
	here []string // data files that are here
}

func listLeftovers(d disk, p place) (*leftovers, error) {
	left := &leftovers{jobs: map[string]*leftJob{}}
	entries, err := d.readDir(p.staging())
	if errors.Is(err, fs.ErrNotExist) {
		return left, nil // only the lock was left
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if stem, name, ok := parseStagedName(e.Name()); ok {
			j := left.job(p, stem)
			j.here = append(j.here, name)
			j.data = append(j.data, name)
			continue
		}
		if stem, data, ok := parseControlName(e.Name()); ok && left.job(p, stem).staged == "" {
			j := left.job(p, stem)
			j.staged = e.Name()
			j.data = append(j.data, data...)
			continue
		}
		left.others = append(left.others, e.Name())
		if err := left.addRecord(d, p, e.Name()); err != nil {
			return nil, err
		}
	}
	for _, r := range left.records {
		for _, of := range r.Places {
			if of.place != p {
				continue
			}
			for _, j := range of.Jobs {
				if known := left.jobs[j.Stem]; known != nil {
					known.data = append(known.data, j.Data...)
				}
			}
		}
	}
	return left, nil
}

func (l *leftovers) job(p place, stem string) *leftJob {
	if l.jobs[stem] == nil {
		l.jobs[stem] = &leftJob{jobFiles: jobFiles{place: p, stem: stem}}
	}
	return l.jobs[stem]
}

// addRecord reads the file if it is a record.
func (l *leftovers) addRecord(d disk, p place, name string) error {
	decides := strings.HasSuffix(name, decisionSuffix)
	if !strings.HasPrefix(name, recordPrefix) || !decides && !strings.HasSuffix(name, recordSuffix) {
		return nil
	}
	path := filepath.Join(p.staging(), name)
	data, err := d.readFile(path, recordLimit)
	if err != nil {
		return err
	}
	r, err := parseRecord(data)
	switch {
	case err == nil && decides:
		l.decided = append(l.decided, r)
	case err != nil && decides:
		// It was on disk whole before it got this name. Neither completing nor
		// undoing the batch is safe now.
		return fmt.Errorf("%s is damaged (%w): move the jobs beside it into the output folder by hand, data files before CTL, then remove it", path, err)
	case err != nil:
		return nil // torn by the crash while it was written: its batch was never staged
	}
	l.records = append(l.records, r)
	return nil
}
