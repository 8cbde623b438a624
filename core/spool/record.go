package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

const (
	recordSuffix   = ".batch"  // what belongs together
	decisionSuffix = ".commit" // the first directory's record, once all of it is to become visible

	// recordLimit is held by the writer, in bytes: a message that needs more is
	// refused. A thousand jobs of ten long names each need a fifth of it.
	recordLimit = 16 << 20
	// recordReadLimit only bounds memory: older versions wrote records of any
	// length, which for the limits of a message is below 256 MB.
	recordReadLimit = 512 << 20
)

// ErrTooLarge is the error of a batch that has too many files.
var ErrTooLarge = errors.New("the message makes too many files")

// batchRecord names all jobs of a batch of several, and the data files of all
// jobs. Each staging directory the batch touches has a copy, so that the
// recovery of one finds the others; only that of the first place decides.
type batchRecord struct {
	Places []recordPlace `json:"places"`
}

// recordPlace is the batch's share of one staging directory.
type recordPlace struct {
	place
	Inode uint64      `json:"inode,omitempty"` // of the output folder, which may not be mounted when the record is read
	Jobs  []recordJob `json:"jobs"`
}

type recordJob struct {
	Stem string   `json:"stem"`
	Data []string `json:"data"`
}

func newBatchRecord(jobs []*Job) *batchRecord {
	r := &batchRecord{}
	index := map[place]int{}
	for _, j := range jobs {
		i, ok := index[j.place]
		if !ok {
			i = len(r.Places)
			index[j.place] = i
			r.Places = append(r.Places, recordPlace{place: j.place, Inode: j.out.inode()})
		}
		r.Places[i].Jobs = append(r.Places[i].Jobs, recordJob{j.stem, j.data})
	}
	return r
}

// name is the same in every place; the first job's stem is in no other batch.
func (r *batchRecord) name() string { return recordPrefix + r.Places[0].Jobs[0].Stem + recordSuffix }
func (r *batchRecord) decision() string {
	return recordPrefix + r.Places[0].Jobs[0].Stem + decisionSuffix
}

// write puts a copy into each folder of the batch; they are those of the places.
func (r *batchRecord) write(folders []*batchFolder) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("batch record: %w", err)
	}
	if len(data) > recordLimit {
		return fmt.Errorf("batch record: %w: %d bytes of file names, %d are allowed", ErrTooLarge, len(data), recordLimit)
	}
	for _, f := range folders {
		if err := f.write(f.in.at(r.name()), data); err != nil {
			return err
		}
	}
	return nil
}

// decide makes the batch one that a crash completes, once first, the staging
// directory of the first place, is fsynced.
func (r *batchRecord) decide(d disk, first *dir) error {
	return d.move(first.at(r.name()), first.at(r.decision()))
}

// revoke makes the batch one that a crash undoes.
func (r *batchRecord) revoke(d disk, folders []*batchFolder) error {
	if r == nil {
		return nil
	}
	first := folders[0].in
	return ignore(d.move(first.at(r.decision()), first.at(r.name())), fs.ErrNotExist) // nothing was decided
}

// remove ends the record when all jobs are settled: copies first, so that the
// decision stands as long as anybody may ask for it.
func (r *batchRecord) remove(d disk, folders []*batchFolder) error {
	if r == nil {
		return nil
	}
	for _, f := range slices.Backward(folders) {
		if err := d.removeIfThere(f.in.at(r.name())); err != nil {
			return err
		}
	}
	if !r.decides() {
		return nil
	}
	return d.removeIfThere(folders[0].in.at(r.decision()))
}

// decides says whether the batch has several jobs: a single one is decided by
// its CTL.
func (r *batchRecord) decides() bool { return len(r.Places) > 1 || len(r.Places[0].Jobs) > 1 }

// parseRecord reads a record. One that a crash tore does not parse, and then
// its batch was never staged.
func parseRecord(data []byte) (*batchRecord, error) {
	r := &batchRecord{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, err
	}
	if len(r.Places) == 0 {
		return nil, errors.New("it names no folder")
	}
	for _, p := range r.Places {
		if !filepath.IsAbs(p.Folder) || !isElement(p.Owner) || len(p.Jobs) == 0 {
			return nil, fmt.Errorf("bad place: folder %.300q, owner %.300q, %d jobs", p.Folder, p.Owner, len(p.Jobs))
		}
		for _, j := range p.Jobs {
			if !isElement(j.Stem) {
				return nil, fmt.Errorf("bad stem %.300q", j.Stem)
			}
			for _, name := range j.Data {
				if err := checkName(j.Stem, name); err != nil {
					return nil, err
				}
			}
		}
	}
	return r, nil
}

// isElement says whether name is one path element that no prefix of ours begins.
func isElement(name string) bool {
	return name != "" && !strings.ContainsAny(name, `/\:`) && !strings.ContainsAny(name[:1], "."+dataPrefix+recordPrefix+bufferPrefix)
}
