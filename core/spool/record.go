package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

const (
	recordSuffix   = ".batch"  // what belongs together
	decisionSuffix = ".commit" // the first directory's record, once all of it is to become visible

	// recordLimit is far above what a message of a thousand jobs needs.
	recordLimit = 16 << 20
)

// batchRecord names all jobs of a batch of several. Each staging directory the batch touches has a copy, so that whoever recovers one
// finds the others; only that of the first place decides.
type batchRecord struct {
	Places []recordPlace `json:"places"`
}

// recordPlace is the batch's share of one staging directory.
type recordPlace struct {
	place
	Stems []string `json:"stems"`
}

func newBatchRecord(jobs []*Job) *batchRecord {
	r := &batchRecord{}
	index := map[place]int{}
	for _, j := range jobs {
		i, ok := index[j.place]
		if !ok {
			i = len(r.Places)
			index[j.place] = i
			r.Places = append(r.Places, recordPlace{place: j.place})
		}
		r.Places[i].Stems = append(r.Places[i].Stems, j.stem)
	}
	return r
}

// name is the same in every place; the first job's stem is in no other batch.
func (r *batchRecord) name() string     { return recordPrefix + r.Places[0].Stems[0] + recordSuffix }
func (r *batchRecord) decision() string { return recordPrefix + r.Places[0].Stems[0] + decisionSuffix }

func (r *batchRecord) path(p place, name string) string { return filepath.Join(p.staging(), name) }

func (r *batchRecord) write(d disk) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("batch record: %w", err)
	}
	for _, p := range r.Places {
		if err := d.writeFile(r.path(p.place, r.name()), data); err != nil {
			return err
		}
	}
	return nil
}

// decide makes the batch one that a crash completes, once the first staging directory is fsynced.
func (r *batchRecord) decide(d disk) error {
	first := r.Places[0].place
	return d.move(r.path(first, r.name()), r.path(first, r.decision()))
}

// revoke makes the batch one that a crash undoes.
func (r *batchRecord) revoke(d disk) error {
	first := r.Places[0].place
	return errors.Join(d.removeIfThere(r.path(first, r.decision())), d.removeIfThere(r.path(first, r.name())))
}

// remove ends the record when all jobs are settled: copies first, so that the decision stands as long as anybody may ask for it.
func (r *batchRecord) remove(d disk) error {
	for _, p := range r.Places[1:] {
		if err := d.removeIfThere(r.path(p.place, r.name())); err != nil {
			return err
		}
	}
	return r.revoke(d)
}

// parseRecord reads a record. One that a crash tore does not parse, and then its batch was never staged.
func parseRecord(data []byte) (*batchRecord, error) {
	r := &batchRecord{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, err
	}
	if len(r.Places) == 0 {
		return nil, errors.New("it names no folder")
	}
	for _, p := range r.Places {
		if !filepath.IsAbs(p.Folder) || !isElement(p.Owner) || len(p.Stems) == 0 {
			return nil, fmt.Errorf("bad place: folder %.300q, owner %.300q, %d stems", p.Folder, p.Owner, len(p.Stems))
		}
		for _, stem := range p.Stems {
			if !isElement(stem) {
				return nil, fmt.Errorf("bad stem %.300q", stem)
			}
		}
	}
	return r, nil
}

// isElement says whether name is one path element that no prefix of ours begins.
func isElement(name string) bool {
	return name != "" && !strings.ContainsAny(name, `/\:`) && !strings.ContainsAny(name[:1], "."+markerPrefix+recordPrefix+bufferPrefix)
}
