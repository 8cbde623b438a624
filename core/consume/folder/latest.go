package folder

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// Latest calls see for the newest jobs by their numbers: at most n of those that
// wait or are on their way, n that have failed, and n that were done on the last day
// with any. Only their control files are read, however many jobs there are.
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
	stems, err := newestStems(d, n)
	if err != nil {
		return err
	}
	for _, stem := range stems {
		if err := v.entry(d, stem, state, see); err != nil {
			return err
		}
	}
	return nil
}

func (v *View) newestOnTheirWay(n int, see func(*Entry) error) error {
	stems, err := newestStems(v.work, n)
	if err != nil || len(stems) == 0 {
		return err
	}
	return v.onTheirWay(func(stem string) bool { return slices.Contains(stems, stem) }, see)
}

// newestStems are the n highest numbers; a longer one is higher.
func newestStems(d *dir, n int) (stems []string, err error) {
	after := func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(b, a)
	}
	err = d.each(func(e fs.DirEntry) error {
		stem := Stem(e.Name())
		if stem == "" || !e.Type().IsRegular() {
			return nil
		}
		at, _ := slices.BinarySearchFunc(stems, stem, after)
		if at < n {
			stems = slices.Insert(stems, at, stem)[:min(len(stems)+1, n)]
		}
		return nil
	})
	return stems, err
}
