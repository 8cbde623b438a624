package consume

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	maxJournal = 64 << 10 // bytes
	keyLength  = 8
)

type state string

const (
	waiting state = "waiting"
	begun   state = "begun"
	done    state = "done"
	failed  state = "failed"
)

// journal is what must survive a crash.
type journal struct {
	State    state     `json:"state"`
	Key      string    `json:"key"` // tells this job from any other of its name
	Attempts int       `json:"attempts,omitempty"`
	First    time.Time `json:"first,omitzero"`
	Begun    time.Time `json:"begun,omitzero"`
	Next     time.Time `json:"next,omitzero"`
	Note     string    `json:"note,omitempty"` // of the target: see Job.Note
	Reason   string    `json:"reason,omitempty"`
	Kept     string    `json:"kept,omitempty"`   // where Job.Keep has put the data files
	Folder   string    `json:"folder,omitempty"` // where the verdict puts all files
}

// readJournal returns a new journal where there is none.
func readJournal(path string) (*journal, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &journal{State: waiting, Key: rand.Text()[:keyLength]}, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxJournal))
	if err != nil {
		return nil, err
	}
	j := new(journal)
	if err := json.Unmarshal(data, j); err != nil || j.Key == "" {
		return nil, fmt.Errorf("%s cannot be read (%v): it says whether the job was handed over; find that out, then remove the file to have it sent, or the .ctl beside it to have it forgotten", path, err)
	}
	return j, nil
}

func (j *journal) write(path string) error {
	data, err := json.Marshal(j)
	if err != nil {
		return err
	}
	return writeFile(path, data)
}

// writeFile replaces a file as a whole; when it returns nil the new one is on disk.
func writeFile(path string, data []byte) error {
	temporary := path + temporaryExt
	f, err := os.OpenFile(temporary, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return errors.Join(err, removeIfThere(temporary))
	}
	return syncFolder(filepath.Dir(path))
}
