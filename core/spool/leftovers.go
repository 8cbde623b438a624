package spool

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// errDamaged is the error of a decision that cannot be read.
var errDamaged = errors.New("damaged")

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
	here    []string // data files that are here
	forward bool     // a record decided it
}

// wantData says, with errDamaged, which data file of a job to be completed is neither
// here nor in the folder.
func (j *leftJob) wantData() error {
	if !j.forward || j.staged == "" {
		return nil
	}
	for _, name := range j.data {
		if there, err := exists(j.shown(name)); err != nil {
			return err
		} else if !there && !slices.Contains(j.here, name) {
			return fmt.Errorf("%w: %s is gone", errDamaged, j.shown(name).path())
		}
	}
	return nil
}

func listLeftovers(d disk, o *opened) (*leftovers, error) {
	left := &leftovers{jobs: map[string]*leftJob{}}
	if o.in == nil {
		return left, nil // only the lock was left
	}
	entries, err := d.readDir(o.in)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if stem, name, ok := parseStagedName(e.Name()); ok {
			j := left.job(o, stem)
			j.here = append(j.here, name)
			j.data = append(j.data, name)
			continue
		}
		if stem, data, ok := parseControlName(e.Name()); ok && left.job(o, stem).staged == "" {
			j := left.job(o, stem)
			j.staged = e.Name()
			j.data = append(j.data, data...)
			continue
		}
		left.others = append(left.others, e.Name())
		if err := left.addRecord(d, o.in.at(e.Name())); err != nil {
			return nil, err
		}
	}
	return left, nil
}

func (l *leftovers) job(o *opened, stem string) *leftJob {
	if l.jobs[stem] == nil {
		l.jobs[stem] = &leftJob{jobFiles: jobFiles{opened: o, stem: stem}}
	}
	return l.jobs[stem]
}

// addRecord reads the file if it is a record.
func (l *leftovers) addRecord(d disk, e entry) error {
	name := e.name
	decides := strings.HasSuffix(name, decisionSuffix)
	if !strings.HasPrefix(name, recordPrefix) || !decides && !strings.HasSuffix(name, recordSuffix) {
		return nil
	}
	data, err := d.readFile(e, recordReadLimit)
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
		return fmt.Errorf("%w: %s (%w)", errDamaged, e.path(), err)
	case err != nil:
		return nil // torn by the crash while it was written: its batch was never staged
	}
	l.records = append(l.records, r)
	return nil
}
