package queue

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"slices"
)

// BatchJob is one job of a batch: data files first, the CTL last.
type BatchJob struct {
	batch      *Batch
	job        Job
	writing    map[string]*dataFile // not closed yet
	controlled bool
	inline     int
}

// ID is the job's number.
func (j *BatchJob) ID() string { return j.job.ID }

// Stem is what the names of the job's files begin with.
func (j *BatchJob) Stem() string { return j.job.Stem }

// Create makes a data file. A name is refused, without harm to the batch, if it is
// more than a file name, does not begin with the stem, or is that of a CTL.
func (j *BatchJob) Create(name string) (io.WriteCloser, error) {
	if err := j.mayAdd(name); err != nil {
		return nil, err
	}
	f := &dataFile{job: j, name: name, sum: sha256.New()}
	if j.writing == nil {
		j.writing = map[string]*dataFile{}
	}
	j.writing[name] = f
	return f, nil
}

func (j *BatchJob) mayAdd(name string) error {
	if j.batch.state != filling {
		return fmt.Errorf("file name %q: the batch is %s", name, j.batch.state)
	}
	if j.controlled {
		return fmt.Errorf("file name %q: the CTL of job %s is there already", name, j.job.Stem)
	}
	if j.writing[name] != nil || j.index(name) >= 0 {
		return fmt.Errorf("job %s has a file %q already", j.job.Stem, name)
	}
	return checkName(j.job.Stem, name)
}

func (j *BatchJob) index(name string) int {
	return slices.IndexFunc(j.job.Files, func(f File) bool { return f.Name == name })
}

// Link gives the job a file of another job of the batch, which is closed.
func (j *BatchJob) Link(name string, from *BatchJob, fromName string) error {
	if err := j.mayAdd(name); err != nil {
		return err
	}
	i := from.index(fromName)
	if i < 0 {
		return fmt.Errorf("link %s: job %s has no finished file %q", name, from.job.Stem, fromName)
	}
	file := from.job.Files[i]
	if file.Pieces == 0 {
		return j.place(name, from.job.contents[i], file.SHA256)
	}
	file.Name = name
	j.add(file, nil)
	return nil
}

// Control takes the CTL.
func (j *BatchJob) Control(ctl []byte) error {
	if j.batch.state != filling || j.controlled {
		return fmt.Errorf("CTL of job %s: there already: %t, the batch is %s", j.job.Stem, j.controlled, j.batch.state)
	}
	j.controlled = true
	return j.place(j.job.Stem+controlExt, slices.Clone(ctl), sumOf(ctl))
}

func (j *BatchJob) add(f File, content []byte) {
	j.job.Files = append(j.job.Files, f)
	j.job.contents = append(j.job.contents, content)
}

// place puts a short file into the job's message, if there is room, or makes it a
// piece. Equal files are one.
func (j *BatchJob) place(name string, content []byte, sum string) error {
	b := j.batch
	file := File{Name: name, Size: int64(len(content)), SHA256: sum}
	if there, ok := b.uploaded[sum]; ok && len(content) > 0 {
		file.Number, file.Pieces = there.Number, there.Pieces
		j.add(file, nil)
		return nil
	}
	if j.inline+len(content) <= inlineJob && b.inline+len(content) <= inlineBatch {
		j.inline += len(content)
		b.inline += len(content)
		j.add(file, content)
		return nil
	}
	file.Number, file.Pieces = b.newFile(), int(pieces(file.Size))
	for i := range file.Pieces {
		b.upload(file.Number, i, content[i*pieceSize:min(len(content), (i+1)*pieceSize)])
	}
	b.uploaded[sum] = file
	j.add(file, nil)
	return b.err
}

// newFile numbers a file in pieces.
func (b *Batch) newFile() int {
	b.files++
	return b.files
}

// upload brings a piece on its way. It waits while there are too many.
func (b *Batch) upload(file, piece int, content []byte) {
	subject := b.queue.pieceSubject(b.key, file, piece)
	b.uploads.Go(func() error {
		if err := b.queue.publishPiece(b.ctx, subject, content); err != nil {
			return fmt.Errorf("file %d, piece %d: %w", file, piece, err)
		}
		return nil
	})
	if err := b.ctx.Err(); err != nil && b.err == nil {
		if cause := b.uploads.Wait(); cause != nil {
			err = cause
		}
		b.err = err
	}
}

// dataFile is a data file being written. Its pieces are on their way while it is.
type dataFile struct {
	job    *BatchJob
	name   string
	sum    hash.Hash
	size   int64
	rest   []byte // behind the last piece
	number int    // 0: no piece yet
	pieces int
	closed bool
	err    error
}

func (f *dataFile) Write(p []byte) (int, error) {
	if f.closed {
		return 0, fmt.Errorf("file %s is closed", f.name)
	}
	if f.err != nil {
		return 0, f.err
	}
	f.sum.Write(p)
	f.size += int64(len(p))
	n := len(p)
	for len(p) > 0 {
		if len(f.rest) == pieceSize { // and more comes
			if f.flush(); f.err != nil {
				return 0, f.err
			}
		}
		part := min(pieceSize-len(f.rest), len(p))
		f.rest = append(f.rest, p[:part]...)
		p = p[part:]
	}
	return n, nil
}

func (f *dataFile) flush() {
	b := f.job.batch
	if f.number == 0 {
		f.number = b.newFile()
	}
	b.upload(f.number, f.pieces, f.rest)
	f.pieces++
	f.rest, f.err = nil, b.err
}

// Close ends the file. A second call does nothing.
func (f *dataFile) Close() error {
	if f.closed {
		return f.err
	}
	f.closed = true
	delete(f.job.writing, f.name)
	if f.err != nil {
		return f.err
	}
	sum := hex.EncodeToString(f.sum.Sum(nil))
	if f.number == 0 {
		f.err = f.job.place(f.name, f.rest, sum)
		f.rest = nil
		return f.err
	}
	if f.flush(); f.err != nil {
		return f.err
	}
	file := File{Name: f.name, Size: f.size, SHA256: sum, Number: f.number, Pieces: f.pieces}
	f.job.batch.uploaded[sum] = file
	f.job.add(file, nil)
	return nil
}
