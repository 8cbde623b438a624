package folder

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"
)

const (
	maxJournal = 64 << 10 // bytes; a reason of 2,000 bytes and two paths are far below
	keyLength  = 8
)

// State is what has become of a job.
type State string

// The states in a journal.
const (
	Waiting State = "waiting" // the target does not have it
	Begun   State = "begun"   // it is being handed over, or was when that was interrupted
	Done    State = "done"
	Failed  State = "failed"
)

// Over tells a verdict.
func (s State) Over() bool { return s == Done || s == Failed }

// Journal is what must survive a crash.
type Journal struct {
	State    State     `json:"state"`
	Key      string    `json:"key"` // tells this job from any other of its name
	Attempts int       `json:"attempts,omitempty"`
	First    time.Time `json:"first,omitzero"` // since when the target should have had it
	Begun    time.Time `json:"begun,omitzero"` // the first try of which nobody has seen the end
	Next     time.Time `json:"next,omitzero"`
	Note     string    `json:"note,omitempty"`   // of the target
	Target   string    `json:"target,omitempty"` // which was given the job, where there are several consumers
	Reason   string    `json:"reason,omitempty"`
	// Unreadable: the consumer's user cannot read the CTL, whoever else can.
	Unreadable bool `json:"unreadable,omitempty"`
	Delayed    bool `json:"delayed,omitempty"` // its sender has heard that it waits; for other consumers, too
	Parts      int  `json:"parts,omitempty"`   // SMS that the job makes; 0: it is none
	// Rooms for files: of the done folder, which Held.Keep has begun to fill; and
	// where the verdict puts all of them. Older versions wrote full paths.
	Kept string `json:"kept,omitempty"`
	Room string `json:"folder,omitempty"`
}

// ErrJournal is a journal that says nothing.
var ErrJournal = errors.New("it says whether the job was handed over; find that out, then remove the file to have it sent, or the .ctl beside it to have it forgotten")

// journal reads the journal of a stem; a new one where there is none.
func (f *Folder) journal(stem string) (*Journal, error) {
	file, err := f.work.open(stem + journalExt)
	if errors.Is(err, fs.ErrNotExist) {
		return &Journal{State: Waiting, Key: rand.Text()[:keyLength]}, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxJournal+1))
	if err != nil {
		return nil, err
	}
	j := new(Journal)
	if err = json.Unmarshal(data, j); err == nil {
		err = j.check(f)
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read (%v): %w", filepath.Join(f.work.path, stem+journalExt), err, ErrJournal)
	}
	return j, nil
}

// check refuses what no consumer has written, and makes full paths rooms.
func (j *Journal) check(f *Folder) error {
	if !keySyntax.MatchString(j.Key) {
		return errors.New("no key")
	}
	switch j.State {
	case Waiting, Begun, Done, Failed:
	default:
		return fmt.Errorf("state %q", j.State)
	}
	var err error
	if j.Kept, err = f.doneHome.room(j.Kept); err != nil {
		return err
	}
	home := &f.doneHome
	if j.State == Failed {
		home = &f.failedHome
	}
	j.Room, err = home.room(j.Room)
	return err
}

func (j *Journal) encode() ([]byte, error) {
	data, err := json.Marshal(j)
	if err == nil && len(data) > maxJournal { // it would not be read again
		err = fmt.Errorf("journal of %d bytes, %d are allowed", len(data), maxJournal)
	}
	return data, err
}
