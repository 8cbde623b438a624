package folder

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// Latest calls see for the newest jobs by their numbers: at most n of those that
// wait, are held or are on their way, n that have failed, and n that were done on the
// last day with any. Only their control files are read, however many jobs there are.
func (v *View) Latest(n int, see func(*Entry) error) error {
	err := v.newest(v.output, n, StateWaiting, see)
	if err == nil && v.work != nil {
		err = v.newestOnTheirWay(n, see)
	}
	if err == nil && v.failed != nil {
		err = v.newest(v.failed, n, StateFailed, see)
	}
	if err != nil || v.done == nil {
		return err
	}
	last := ""
	err = v.done.each(func(e fs.DirEntry) error {
		if _, notDay := time.Parse(time.DateOnly, e.Name()); notDay == nil && e.IsDir() {
			last = max(last, e.Name())
		}
		return nil
	})
	if err != nil || last == "" {
		return err
	}
	day, err := v.done.sub(last)
	if err != nil {
		return ignoreGone(err)
	}
	return errors.Join(v.newest(day, n, StateDone, see), day.close())
}

func (v *View) newest(d *dir, n int, state string, see func(*Entry) error) error {
	newest, err := newestJobs(d, n)
	if err != nil {
		return err
	}
	for _, j := range newest {
		as := state
		if state == StateWaiting && !j.regular {
			as = StateHeld
		}
		if err := v.entry(d, j.stem, as, see); err != nil {
			return err
		}
	}
	return nil
}

func (v *View) newestOnTheirWay(n int, see func(*Entry) error) error {
	newest, err := newestJobs(v.work, n)
	if err != nil || len(newest) == 0 {
		return err
	}
	return v.onTheirWay(func(stem string) bool {
		return slices.ContainsFunc(newest, func(j numbered) bool { return j.stem == stem })
	}, see)
}

// numbered is a job by its name alone.
type numbered struct {
	stem    string
	regular bool // its control file is a regular file
}

// newestJobs are the n highest numbers; a longer one is higher.
func newestJobs(d *dir, n int) (newest []numbered, err error) {
	after := func(a, b numbered) int {
		if len(a.stem) != len(b.stem) {
			return len(b.stem) - len(a.stem)
		}
		return strings.Compare(b.stem, a.stem)
	}
	err = d.each(func(e fs.DirEntry) error {
		j := numbered{Stem(e.Name()), e.Type().IsRegular()}
		if j.stem == "" {
			return nil
		}
		at, _ := slices.BinarySearchFunc(newest, j, after)
		if at < n {
			newest = slices.Insert(newest, at, j)[:min(len(newest)+1, n)]
		}
		return nil
	})
	return newest, err
}
