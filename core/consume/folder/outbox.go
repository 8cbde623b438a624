package folder

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"smtpreceiver/core/report"
)

const (
	outboxName = "reports"
	finalExt   = ".final"
	delayedExt = ".delayed"
	tryExt     = ".try"
	senderLock = ".lock"
	maxLetter  = 1 << 20 // bytes; a header of 64 KiB and two templates are far below
)

// Outbox holds finished reports on the jobs of a folder until they are sent:
// .consume/reports/<stem>-<key of the journal>.final, and .delayed. A final report
// may be sent when the job's journal is gone, since all is settled then; one on a
// delay while the job waits and its request says that this was told.
type Outbox struct {
	folder *Folder
	dir    *dir
	lock   *os.File // who has it sends
}

// Letter is a report ready to be sent.
type Letter struct {
	To     string        `json:"to"` // mailbox
	Action report.Action `json:"action"`
	Job    string        `json:"job"`
	Made   time.Time     `json:"made"`
	Text   []byte        `json:"-"`
}

// Tried is what became of a letter so far.
type Tried struct {
	Times  int       `json:"times"`
	Next   time.Time `json:"next"`
	Reason string    `json:"reason"`
}

// OutboxPath is where reports on the jobs of an output folder wait.
func OutboxPath(output string) string { return filepath.Join(output, workName, outboxName) }

// Outbox opens the outbox of the folder.
func (f *Folder) Outbox() (*Outbox, error) {
	d, err := f.work.made(outboxName)
	if err != nil {
		return nil, err
	}
	if err := trust(d, f.output); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return &Outbox{folder: f, dir: d}, nil
}

// Close gives the handles back, and the right to send.
func (o *Outbox) Close() error {
	var err error
	if o.lock != nil {
		err = o.lock.Close()
	}
	return errors.Join(err, o.dir.close())
}

// Mine says whether this process is the one that sends: of those that share the
// folder one does.
func (o *Outbox) Mine() (bool, error) {
	if o.lock != nil {
		return true, nil
	}
	var err error
	o.lock, _, err = o.dir.tryLock(senderLock)
	return o.lock != nil, err
}

func letterName(h *Held, a report.Action) string {
	if a.Final() {
		return h.Stem + "-" + h.Journal.Key + finalExt
	}
	return h.Stem + "-" + h.Journal.Key + delayedExt
}

// Put keeps a report on a job; it is on disk when Put returns. A job has one of
// each kind, and another one takes its place.
func (o *Outbox) Put(h *Held, l *Letter) error {
	line, err := json.Marshal(l)
	if err != nil {
		return err
	}
	data := slices.Concat(line, []byte("\n"), l.Text)
	if len(data) > maxLetter {
		return fmt.Errorf("report on job %s: %d bytes, %d are allowed", h.Stem, len(data), maxLetter)
	}
	return o.dir.replace(letterName(h, l.Action), data, true)
}

// Withdraw removes a final report that a verdict before had made, which a power
// cut took back.
func (o *Outbox) Withdraw(h *Held) error { return o.dir.removeIfThere(letterName(h, report.Failed)) }

// WithdrawOlder removes the final reports on a job that were made before it was tried
// again, and not sent yet.
func (o *Outbox) WithdrawOlder(h *Held) error {
	var older []string
	err := o.dir.each(func(e fs.DirEntry) error {
		if stem, key, final, ok := parseLetterName(e.Name()); ok && final && stem == h.Stem && key != h.Journal.Key {
			older = append(older, e.Name())
		}
		return nil
	})
	for _, name := range older {
		err = errors.Join(err, o.Remove(name))
	}
	return err
}

// Ready lists the letters that may be sent, the oldest first. One on a delay that
// is over is removed.
func (o *Outbox) Ready() ([]string, error) {
	type found struct {
		name string
		made time.Time
	}
	var ready []found
	var over []string
	err := o.dir.each(func(e fs.DirEntry) error {
		stem, key, final, ok := parseLetterName(e.Name())
		if !ok {
			if o.forgotten(e) {
				over = append(over, e.Name())
			}
			return nil
		}
		sendable, outdated, err := o.sendable(stem, key, final)
		if outdated {
			over = append(over, e.Name())
		}
		if err != nil || !sendable {
			return err
		}
		info, err := e.Info()
		if err == nil {
			ready = append(ready, found{e.Name(), info.ModTime()})
		}
		return ignoreGone(err)
	})
	for _, name := range over {
		err = errors.Join(err, o.Remove(name))
	}
	slices.SortFunc(ready, func(a, b found) int { return a.made.Compare(b.made) })
	names := make([]string, len(ready))
	for i, f := range ready {
		names[i] = f.name
	}
	return names, err
}

// forgotten tells what a killed process has left of a letter.
func (o *Outbox) forgotten(e fs.DirEntry) bool {
	base, isPart := strings.CutSuffix(strings.TrimSuffix(e.Name(), newExt), tryExt)
	if !isPart && !strings.HasSuffix(e.Name(), newExt) {
		return false
	}
	if there, err := o.dir.exists(base); err != nil || there && isPart && !strings.HasSuffix(e.Name(), newExt) {
		return false
	}
	info, err := e.Info()
	return err == nil && time.Since(info.ModTime()) > requestKept
}

func (o *Outbox) sendable(stem, key string, final bool) (sendable, outdated bool, err error) {
	there, err := o.folder.work.exists(stem + journalExt)
	if err != nil {
		return false, false, err
	}
	var j *Journal
	if there {
		if j, err = o.folder.journal(stem); err != nil {
			return false, false, nil // somebody must have a look at the job first
		}
	}
	running := j != nil && j.Key == key
	switch {
	case final:
		return !running, false, nil
	case !running || j.State.Over():
		return false, true, nil
	}
	q, err := (&Held{Stem: stem, Journal: j, folder: o.folder}).Request()
	return err == nil && q != nil && q.HasTold(report.Delayed), false, nil
}

func parseLetterName(name string) (stem, key string, final, ok bool) {
	ext := filepath.Ext(name)
	if ext != finalExt && ext != delayedExt {
		return "", "", false, false
	}
	base := strings.TrimSuffix(name, ext)
	at := strings.LastIndexByte(base, '-')
	if at < 0 || !stemSyntax.MatchString(base[:at]) || !keySyntax.MatchString(base[at+1:]) {
		return "", "", false, false
	}
	return base[:at], base[at+1:], ext == finalExt, true
}

// Read reads a letter and what became of it. fs.ErrNotExist: it is gone.
func (o *Outbox) Read(name string) (*Letter, Tried, error) {
	l, err := readLetter(o.dir, name, true)
	return l, o.Tried(name), err
}

// readLetter leaves the text out unless it is to be whole.
func readLetter(d *dir, name string, whole bool) (*Letter, error) {
	file, err := d.open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r := bufio.NewReader(io.LimitReader(file, maxLetter))
	line, err := r.ReadBytes('\n')
	l := new(Letter)
	if err == nil {
		err = json.Unmarshal(line, l)
	}
	if err != nil {
		return nil, fmt.Errorf("%s is no report: %w", filepath.Join(d.path, name), err)
	}
	if whole {
		l.Text, err = io.ReadAll(r)
	}
	return l, err
}

// Tried says what became of a letter, which it need not read for that.
func (o *Outbox) Tried(name string) Tried { return o.dir.tried(name) }

func (d *dir) tried(name string) (t Tried) {
	file, err := d.open(name + tryExt)
	if err != nil {
		return t
	}
	defer file.Close()
	if json.NewDecoder(io.LimitReader(file, maxJournal)).Decode(&t) != nil { // it only says when to try again
		return Tried{}
	}
	return t
}

// Note writes down why a letter was not sent.
func (o *Outbox) Note(name string, t Tried) error {
	data, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return o.dir.replace(name+tryExt, data, false)
}

// Remove removes a letter that is dealt with; it is gone for good when Remove
// returns.
func (o *Outbox) Remove(name string) error {
	return errors.Join(o.dir.removeIfThere(name), o.dir.removeIfThere(name+tryExt), o.dir.sync())
}

// Reports is an outbox in figures.
type Reports struct {
	Waiting int
	Oldest  time.Time
	Reason  string // why one of them could not be sent; "": none was tried in vain
}

// Reports counts the reports that wait.
func (v *View) Reports() (r Reports, err error) {
	if v.work == nil {
		return r, nil
	}
	d, err := v.work.sub(outboxName)
	if err != nil {
		return r, ignoreGone(err)
	}
	defer d.close()
	err = d.each(func(e fs.DirEntry) error {
		if _, _, _, ok := parseLetterName(e.Name()); !ok {
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return ignoreGone(err)
		}
		made, why := info.ModTime(), ""
		if l, err := readLetter(d, e.Name(), false); errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			why = err.Error()
		} else {
			made, why = l.Made, d.tried(e.Name()).Reason
		}
		r.Waiting++
		if r.Oldest.IsZero() || made.Before(r.Oldest) {
			r.Oldest = made
		}
		r.Reason = cmp.Or(why, r.Reason)
		return nil
	})
	return r, err
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Told is what a job's sender has heard, and why each report on it that waits was not
// sent; "": it was not tried. q is nil where the sender is told nothing.
func (v *View) Told(e *Entry) (q *report.Request, waits []string, err error) {
	places := []string{filepath.Dir(e.Path), v.output.path} // data files lie in the output folder while the job is on its way
	for _, path := range places {
		d, err := openDir(path)
		if err != nil {
			return nil, nil, err
		}
		q, err = readRequest(d.open(e.Stem + report.FileExt))
		if err = errors.Join(err, d.close()); err != nil {
			return nil, nil, err
		}
		if q != nil {
			break
		}
	}
	if q == nil || v.work == nil {
		return q, nil, nil
	}
	d, err := v.work.sub(outboxName)
	if err != nil {
		return q, nil, ignoreGone(err)
	}
	defer d.close()
	err = d.each(func(entry fs.DirEntry) error {
		if stem, _, _, ok := parseLetterName(entry.Name()); !ok || stem != e.Stem {
			return nil
		}
		waits = append(waits, d.tried(entry.Name()).Reason)
		return nil
	})
	return q, waits, err
}
