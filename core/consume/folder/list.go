package folder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Entry is a job as it is found.
type Entry struct {
	Stem  string
	State string    // waiting, held, failed or done
	Busy  bool      // a consumer is at it now
	Since time.Time // its control file was written; for failed and done, it was settled
	// Where its control file is, and a key if another job of its name was there.
	Path    string
	Journal *Journal // of a job that is on its way; nil: none
	Reason  string   // why it is held or has failed, or why the last try was in vain
	Control []byte   // nil: it cannot be read
	Tries   int
}

// The states of entries. A held job is one that a consumer cannot deal with
// before somebody has had a look.
const (
	StateWaiting = "waiting"
	StateHeld    = "held"
	StateFailed  = "failed"
	StateDone    = "done"
)

// View looks at an output folder and what belongs to it, and changes nothing.
type View struct {
	// Only says of which jobs Each tells, by their names; nil: of all. Files of others are
	// not read.
	Only func(stem string) bool

	output, work, done, failed *dir // work, done and failed: nil if not there
}

func (v *View) means(stem string) bool { return v.Only == nil || v.Only(stem) }

// OpenView opens what is there.
func OpenView(output, done, failed string) (*View, error) {
	v := new(View)
	var err error
	if v.output, err = openDir(output); err != nil {
		return nil, err
	}
	for _, d := range []struct {
		to   **dir
		open func() (*dir, error)
	}{
		{&v.work, func() (*dir, error) { return v.output.sub(workName) }},
		{&v.done, func() (*dir, error) { return openDir(done) }},
		{&v.failed, func() (*dir, error) { return openDir(failed) }},
	} {
		opened, openErr := d.open()
		if openErr != nil && !errors.Is(openErr, fs.ErrNotExist) {
			err = errors.Join(err, openErr)
		}
		if openErr == nil {
			*d.to = opened
		}
	}
	if err != nil {
		v.Close()
		return nil, err
	}
	return v, nil
}

// Close gives the handles back.
func (v *View) Close() {
	for _, d := range []*dir{v.output, v.work, v.done, v.failed} {
		if d != nil {
			d.close()
		}
	}
}

// Counts is a folder in figures.
type Counts struct {
	Waiting, Held, Failed int
	Oldest                string // stem of the waiting job that is there for longest
	Since                 time.Time
}

// Count counts jobs without reading new ones.
func (v *View) Count() (c Counts, err error) {
	err = v.output.each(func(e fs.DirEntry) error {
		switch stem := Stem(e.Name()); {
		case stem == "":
		case !e.Type().IsRegular():
			c.Held++
		default:
			c.Waiting++
			c.older(v.output, stem)
		}
		return nil
	})
	if err != nil {
		return c, err
	}
	err = v.onTheirWay(all, func(e *Entry) error {
		if e.State == StateHeld {
			c.Held++
			return nil
		}
		c.Waiting++
		c.older(v.work, e.Stem)
		return nil
	})
	if err != nil || v.failed == nil {
		return c, err
	}
	h := home{dir: v.failed, output: v.output}
	err = h.jobs(func(*dir, string) error { c.Failed++; return nil })
	return c, err
}

// Reason is why the last try of a waiting job was in vain; "": it was not tried.
func (v *View) Reason(stem string) (why string) {
	_ = v.onTheirWay(func(at string) bool { return at == stem }, func(e *Entry) error {
		if e.Journal != nil {
			why = e.Reason
		}
		return nil
	})
	return why
}

// Trusted says which folder is not its consumer's. Who that is, is not known here:
// the folders must have one owner, or be root's.
func (v *View) Trusted() error {
	if v.work == nil {
		return nil
	}
	for _, d := range []*dir{v.done, v.failed} {
		if d != nil && filepath.Dir(d.path) == v.output.path && d.owner.String() != v.work.owner.String() && !rootOwned(d.owner) && !rootOwned(v.work.owner) {
			return &OwnerError{d.path, d.owner.String(), v.work.owner.String()}
		}
	}
	return nil
}

func (c *Counts) older(d *dir, stem string) {
	info, err := d.root.Lstat(stem + controlExt)
	if err == nil && (c.Oldest == "" || info.ModTime().Before(c.Since)) {
		c.Oldest, c.Since = stem, info.ModTime()
	}
}

// Each calls see for every job of the states wanted.
func (v *View) Each(states []string, see func(*Entry) error) error {
	wanted := func(state string) bool { return slices.Contains(states, state) }
	if wanted(StateWaiting) || wanted(StateHeld) {
		err := v.output.each(func(e fs.DirEntry) error {
			stem, state := Stem(e.Name()), StateWaiting
			if !e.Type().IsRegular() {
				state = StateHeld
			}
			if stem == "" || !wanted(state) {
				return nil
			}
			return v.entry(v.output, stem, state, see)
		})
		if err != nil {
			return err
		}
	}
	if wanted(StateWaiting) || wanted(StateHeld) {
		err := v.onTheirWay(v.means, func(e *Entry) error {
			if !wanted(e.State) {
				return nil
			}
			return see(e)
		})
		if err != nil {
			return err
		}
	}
	if wanted(StateFailed) && v.failed != nil {
		h := home{dir: v.failed, output: v.output}
		err := h.jobs(func(d *dir, stem string) error { return v.entry(d, stem, StateFailed, see) })
		if err != nil {
			return err
		}
	}
	if wanted(StateDone) && v.done != nil {
		return v.eachDone(see)
	}
	return nil
}

func (v *View) eachDone(see func(*Entry) error) error {
	var days []string
	err := v.done.each(func(e fs.DirEntry) error {
		if _, notDay := time.Parse(time.DateOnly, e.Name()); notDay == nil && e.IsDir() {
			days = append(days, e.Name())
		}
		return nil
	})
	slices.Sort(days)
	for _, day := range days {
		if err != nil {
			return err
		}
		d, opened := v.done.sub(day)
		if opened != nil {
			err = ignoreGone(opened) // cleaned up meanwhile
			continue
		}
		h := home{dir: d, output: v.output}
		err = errors.Join(h.jobs(func(d *dir, stem string) error { return v.entry(d, stem, StateDone, see) }), d.close())
	}
	return err
}

// entry reads a job that is not on its way.
func (v *View) entry(d *dir, stem, state string, see func(*Entry) error) error {
	if !v.means(stem) {
		return nil
	}
	info, err := d.root.Lstat(stem + controlExt)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // taken meanwhile
	}
	if err != nil {
		return err
	}
	e := &Entry{Stem: stem, State: state, Since: info.ModTime(), Path: filepath.Join(d.path, stem+controlExt)}
	if said, err := d.root.Lstat(stem + errorExt); err == nil && state == StateFailed {
		e.Since = said.ModTime()
		e.Reason, e.Tries = readReason(d, stem)
	}
	var unreadable error
	if e.Control, unreadable = readControl(d, stem); unreadable != nil && (state == StateWaiting || state == StateHeld) {
		e.Reason = unreadable.Error()
	}
	return see(e)
}

// readReason finds why a job failed, and after how many tries, in what Explain
// wrote.
func readReason(d *dir, stem string) (reason string, tries int) {
	f, err := d.open(stem + errorExt)
	if err != nil {
		return "", 0
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, maxJournal))
	for line := range strings.Lines(string(text)) {
		if why, ok := strings.CutPrefix(line, reasonMark); ok && reason == "" {
			reason = strings.TrimSpace(why)
		}
		if n, ok := strings.CutPrefix(line, triesMark); ok && tries == 0 {
			tries, _ = strconv.Atoi(strings.TrimSpace(n))
		}
	}
	return reason, tries
}

const (
	reasonMark = "Why: "
	triesMark  = "Tries: "
)

// Explain is the text of an .err file.
func Explain(stem, about, reason, output string, attempts int, now time.Time) string {
	return fmt.Sprintf("Job %s was not handed on.\n%sWhen: %s\n%s%d\n%s%s\n\n"+
		"To have it tried again, put right what is wrong, then: smtpreceiver jobs retry %s\n"+
		"or move its files back into\n%s:\nthe data files first, %s last. Remove this file. Or: smtpreceiver jobs drop %s\n",
		stem, about, now.Format(time.RFC3339), triesMark, attempts, reasonMark, reason, stem, output, stem+controlExt, stem)
}

func all(string) bool { return true }

// onTheirWay calls see for each job in the working folder that is wanted.
func (v *View) onTheirWay(wanted func(stem string) bool, see func(*Entry) error) error {
	if v.work == nil {
		return nil
	}
	f := &Folder{output: v.output, work: v.work}
	// A verdict is only shown: where its room is does not matter here.
	f.doneHome.dir, f.failedHome.dir = v.output, v.output
	for _, h := range []struct {
		home *home
		dir  *dir
	}{{&f.doneHome, v.done}, {&f.failedHome, v.failed}} {
		if h.dir != nil {
			h.home.dir = h.dir
		}
	}
	locked := map[string]bool{}
	var stems []string
	err := v.work.each(func(e fs.DirEntry) error {
		if stem := Stem(e.Name()); stem != "" {
			if wanted(stem) {
				stems = append(stems, stem)
			}
		} else if stem, isLock := strings.CutSuffix(e.Name(), lockExt); isLock {
			locked[stem] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, stem := range stems {
		info, err := v.work.root.Lstat(stem + controlExt)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		e := &Entry{Stem: stem, State: StateWaiting, Busy: locked[stem], Since: info.ModTime(), Path: filepath.Join(v.work.path, stem+controlExt)}
		var unreadable error
		e.Control, unreadable = readControl(v.work, stem)
		journal, journalErr := f.journal(stem)
		switch {
		case journalErr != nil:
			e.State, e.Reason = StateHeld, journalErr.Error()
		case journal.State.Over() && !e.Busy:
			e.State, e.Journal, e.Reason = StateHeld, journal, fmt.Sprintf("it is %s but was not moved to its folder", journal.State)
		default:
			e.Journal, e.Reason, e.Tries = journal, journal.Reason, journal.Attempts
			switch {
			case journal.Unreadable: // also while it is tried again
				e.State = StateHeld
			case e.Busy:
			case unreadable != nil:
				e.State, e.Reason = StateHeld, unreadable.Error()
			}
		}
		if err := see(e); err != nil {
			return err
		}
	}
	return nil
}
