package queue

import (
	"encoding/json"
	"fmt"
	"time"
)

// State is what has become of a job.
type State string

// The states of journal entries. A job without one is new.
const (
	Waiting   State = "waiting"   // its message is not withdrawn
	Begun     State = "begun"     // it is being handed over, or was when that was interrupted
	Done      State = "done"      //
	Failed    State = "failed"    //
	Withdrawn State = "withdrawn" // by its gateway, which got no answer: it never was
)

// Entry is the journal of a job.
type Entry struct {
	State State     `json:"state"`
	By    string    `json:"by"` // who wrote it
	Since time.Time `json:"since"`
}

func (e Entry) encode() []byte {
	data, _ := json.Marshal(e) // of strings and times
	return data
}

func journalKey(key string, index int) string { return fmt.Sprintf("%s.%d", key, index) }
