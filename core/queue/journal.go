package queue

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// State is what has become of a job.
type State string

// The states of journal entries. A job without one is new.
const (
	Waiting   State = "waiting"   // nobody has it, and its message is not withdrawn
	Begun     State = "begun"     // it is being handed over, or was when that was interrupted
	Done      State = "done"      // handed on
	Failed    State = "failed"    // for good
	Withdrawn State = "withdrawn" // by its gateway, which got no answer: it never was
)

// Over tells a verdict.
func (s State) Over() bool { return s == Done || s == Failed }

// Entry is the journal of a job.
type Entry struct {
	State    State     `json:"state"`
	By       string    `json:"by"`             // who wrote it: another for each consumer's folder
	Host     string    `json:"host,omitempty"` // where
	Since    time.Time `json:"since"`
	Begun    time.Time `json:"begun,omitzero"`   // the first try of which nobody has seen the end
	Target   string    `json:"target,omitempty"` // that was given the job
	Attempts int       `json:"attempts,omitempty"`
	First    time.Time `json:"first,omitzero"` // since when the target should have had it
	Note     string    `json:"note,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Delayed  bool      `json:"delayed,omitempty"` // its sender has heard that it waits
}

func (e Entry) encode() []byte {
	data, _ := json.Marshal(e) // of strings and times
	return data
}

func journalKey(key string, index int) string { return fmt.Sprintf("%s.%d", key, index) }

// Name is a job's identity in letters and digits alone.
func (j *Job) Name() string { return j.Key + strconv.Itoa(j.Index) }

// parseName takes a name apart.
func parseName(name string) (key string, index int, err error) {
	if len(name) > keyLength {
		if index, err = strconv.Atoi(name[keyLength:]); err == nil && index >= 0 && keySyntax.MatchString(name[:keyLength]) {
			return name[:keyLength], index, nil
		}
	}
	return "", 0, fmt.Errorf("%.60q names no job of the queue", name)
}

const keyLength = 26
