package queue

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"
)

const version = 1

// Job is the first line of a job's message, in JSON.
type Job struct {
	Version int       `json:"version"`
	Stem    string    `json:"stem"` // what the names of its files begin with
	ID      string    `json:"id"`
	App     string    `json:"app"`
	Gateway string    `json:"gateway"` // instance that took the mail
	Made    time.Time `json:"made"`
	Key     string    `json:"key"` // of the message it was made of
	Index   int       `json:"index"`
	Jobs    int       `json:"jobs"` // of that message
	// Files are the files of the job, the CTL among them as <stem>.ctl.
	Files []File `json:"files"`

	contents [][]byte // of the files that have no pieces
}

// File is a file of a job.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // hexadecimal
	// Where it lies: in this many pieces of the file with this number, or, where
	// Pieces is 0, in the job's message itself.
	Number int `json:"file,omitempty"`
	Pieces int `json:"pieces,omitempty"`
}

func sumOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// Identity names the job among all there ever were.
func (j *Job) Identity() string { return journalKey(j.Key, j.Index) }

// encode makes the message.
func (j *Job) encode() ([]byte, error) {
	head, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	b := bytes.NewBuffer(append(head, '\n'))
	for _, content := range j.contents {
		b.Write(content)
	}
	return b.Bytes(), nil
}

var (
	keySyntax  = regexp.MustCompile(`^[A-Z2-7]{26}$`)
	stemSyntax = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,63}$`)
)

// decode reads the message of a job. An error means that no gateway of a version
// that this one knows has written it.
func decode(message []byte) (*Job, error) {
	head, rest, found := bytes.Cut(message, []byte{'\n'})
	if !found {
		return nil, errors.New("no line of JSON in front")
	}
	j := new(Job)
	if err := json.Unmarshal(head, j); err != nil {
		return nil, err
	}
	switch {
	case j.Version != version:
		return nil, fmt.Errorf("version %d, this program knows %d", j.Version, version)
	case !keySyntax.MatchString(j.Key) || j.Index < 0 || j.Index >= maxJobs || j.Jobs <= j.Index:
		return nil, fmt.Errorf("identity %.40q %d of %d", j.Key, j.Index, j.Jobs)
	case !stemSyntax.MatchString(j.Stem):
		return nil, fmt.Errorf("stem %.80q", j.Stem)
	}
	j.contents = make([][]byte, len(j.Files))
	controls := 0
	for i, f := range j.Files {
		if f.Name == j.Stem+controlExt {
			controls++
		} else if err := checkName(j.Stem, f.Name); err != nil {
			return nil, err
		}
		if f.Size < 0 || f.Pieces < 0 || f.Pieces > 0 && int64(f.Pieces) != pieces(f.Size) {
			return nil, fmt.Errorf("file %s: %d bytes in %d pieces", f.Name, f.Size, f.Pieces)
		}
		if f.Pieces > 0 {
			continue
		}
		if f.Size > int64(len(rest)) {
			return nil, fmt.Errorf("file %s: %d bytes, %d are there", f.Name, f.Size, len(rest))
		}
		j.contents[i], rest = rest[:f.Size:f.Size], rest[f.Size:]
		if sumOf(j.contents[i]) != f.SHA256 {
			return nil, fmt.Errorf("file %s: its SHA-256 is another one", f.Name)
		}
	}
	if controls != 1 || len(rest) > 0 {
		return nil, fmt.Errorf("CTL files: %d, bytes behind the files: %d", controls, len(rest))
	}
	return j, nil
}

// pieces is how many a file of that size has.
func pieces(size int64) int64 { return (size + pieceSize - 1) / pieceSize }
