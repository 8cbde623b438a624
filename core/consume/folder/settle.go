package folder

import (
	"errors"
	"fmt"

	"smtpreceiver/core/report"
)

// Verdict is a job whose journal holds a verdict, and what its moving needs.
type Verdict struct {
	*Held
	Files       []string // that the control file names; nil if it cannot be read
	Explanation string   // of a failed job, for its .err file
	// Request is what the job's .report is to be; nil: as it is.
	Request *report.Request
	Err     error // set by Settle: it is not settled
}

// Settle moves jobs whose verdict is written to where they belong, and syncs each
// folder for all of them together. It may be interrupted anywhere and called
// again. Their journals stay until Forget.
func (f *Folder) Settle(verdicts []*Verdict) {
	rooms := map[*Verdict]*dir{}
	f.step(verdicts, func(v *Verdict) (err error) {
		if rooms[v], err = v.home().dirOf(v.Journal.Room); err != nil {
			return err
		}
		return v.moveFiles(rooms[v])
	})
	f.syncAll(verdicts, rooms)
	f.step(verdicts, func(v *Verdict) error {
		return move(f.work, v.Stem+controlExt, rooms[v], v.Stem+controlExt)
	})
	f.syncAll(verdicts, rooms)
	gone := f.work.sync()
	f.step(verdicts, func(*Verdict) error { return gone })
}

func (f *Folder) step(verdicts []*Verdict, do func(*Verdict) error) {
	for _, v := range verdicts {
		if v.Err != nil {
			continue
		}
		if err := do(v); err != nil {
			v.Err = fmt.Errorf("job %s is %s but cannot be moved to %s: %w", v.Stem, v.Journal.State, v.home().path, err)
		}
	}
}

// syncAll syncs each room once.
func (f *Folder) syncAll(verdicts []*Verdict, rooms map[*Verdict]*dir) {
	outcome := map[*dir]error{}
	f.step(verdicts, func(v *Verdict) error {
		err, synced := outcome[rooms[v]]
		if !synced {
			err = rooms[v].sync()
			outcome[rooms[v]] = err
		}
		return err
	})
}

// moveFiles moves the data files, and says why beside those of a failed job.
func (v *Verdict) moveFiles(to *dir) error {
	files := v.Files
	if files == nil {
		var err error
		if files, err = filesIn(v.folder.output, v.Stem); err != nil {
			return err
		}
	}
	files = withRequest(v.Stem, files)
	places, err := v.places()
	if err != nil {
		return err
	}
	for _, from := range places {
		if from != to {
			if err := moveAll(from, to, files); err != nil {
				return err
			}
		}
	}
	if v.Request != nil {
		data, err := v.Request.Encode()
		if err == nil {
			err = to.replace(v.Stem+report.FileExt, data, true)
		}
		if err != nil {
			return err
		}
	}
	if v.Journal.State != Failed {
		return nil
	}
	return to.replace(v.Stem+errorExt, []byte(v.Explanation), true)
}

// Forget removes the journal of a settled job and releases it.
func (h *Held) Forget() error {
	return errors.Join(h.folder.work.removeIfThere(h.Stem+journalExt), h.Release())
}
