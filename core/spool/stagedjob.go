package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
)

// Job is one job of a batch. Like its batch it is used by one goroutine at a
// time.
type Job struct {
	jobFiles
	batch      *Batch
	folder     *batchFolder
	id         string
	writing    map[string]*dataFile // data files not closed yet
	controlled bool                 // CTL staged
}

// ID is the job's number: decimal, zero-padded to 8 digits.
func (j *Job) ID() string { return j.id }

// Stem is what the names of all the job's files begin with: the ID, after
// "<instance>-" where an instance is set.
func (j *Job) Stem() string { return j.stem }

// Create makes a data file. The caller gives the complete name: Stem()+".txt",
// Stem()+"_1_invoice.pdf". Stage brings it to disk. A name is refused, without
// harm to the batch, if it is more than a file name, does not begin with the
// stem, or ends in ".ctl". An error of the disk fails the batch, even if the
// caller overlooks it. Writes are not buffered.
func (j *Job) Create(name string) (io.WriteCloser, error) {
	if err := j.mayAdd(name); err != nil {
		return nil, err
	}
	w, err := j.create(name)
	if err != nil {
		return nil, j.fail(err)
	}
	return w, nil
}

func (j *Job) create(name string) (*dataFile, error) {
	f, err := j.folder.disk.create(j.stagedData(name))
	if err != nil {
		return nil, err
	}
	j.data = append(j.data, name)
	w := &dataFile{file: f, job: j, name: name}
	j.writing[name] = w
	return w, nil
}

func (j *Job) mayAdd(name string) error {
	if j.batch.state != filling {
		return fmt.Errorf("file name %q: the batch is %s", name, j.batch.state)
	}
	if j.controlled {
		return fmt.Errorf("file name %q: the CTL of job %s is staged already", name, j.stem)
	}
	return checkName(j.stem, name)
}

// Link gives the job another job's data file, closed before, under a name of
// its own: a hard link, or a copy where links fail (another file system, too
// many links). Readers of the two jobs may then share one file and must not
// write to it.
func (j *Job) Link(name string, from *Job, fromName string) error {
	if err := j.mayAdd(name); err != nil {
		return err
	}
	if !slices.Contains(from.data, fromName) || from.writing[fromName] != nil {
		return fmt.Errorf("link %s: job %s has no finished file %q", name, from.stem, fromName)
	}
	return j.fail(j.link(name, from.stagedData(fromName)))
}

func (j *Job) link(name string, source entry) error {
	err := j.folder.disk.link(source, j.stagedData(name))
	if err == nil {
		j.data = append(j.data, name)
		return nil
	}
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	return j.copy(name, source)
}

func (j *Job) copy(name string, source entry) error {
	src, err := source.dir.root.Open(source.name)
	if err != nil {
		return err
	}
	defer src.Close()
	w, err := j.create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, src)
	return errors.Join(err, w.Close())
}

// Control stages the CTL, as the last of the job's files.
func (j *Job) Control(ctl []byte) error {
	if j.batch.state != filling || j.controlled {
		return fmt.Errorf("CTL of job %s: staged already: %t, the batch is %s", j.stem, j.controlled, j.batch.state)
	}
	j.staged = controlName(j.stem, j.data)
	err := j.folder.write(j.stagedControl(), ctl)
	j.controlled = err == nil
	return j.fail(err)
}

// fail remembers the batch's first error and puts the job's name to it.
func (j *Job) fail(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		j.batch.spool.forgetVanished(j.folder.folder)
	}
	err = fmt.Errorf("job %s: %w", j.stem, err)
	if j.batch.err == nil {
		j.batch.err = err
	}
	return err
}

// dataFile is a data file being written.
type dataFile struct {
	file *file
	job  *Job
	name string
	err  error // first error, kept: a file with a hole is not a file
}

func (f *dataFile) Write(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.file.Write(p)
	f.err = f.job.fail(err)
	return n, f.err
}

// Close ends the file. A second call does nothing.
func (f *dataFile) Close() error {
	if f.job.writing[f.name] != f {
		return f.err
	}
	delete(f.job.writing, f.name)
	if f.err != nil {
		return errors.Join(f.err, f.file.close())
	}
	f.err = f.job.fail(f.job.folder.keep(f.file))
	return f.err
}
