package dearchive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
	"unicode"
)

// What the private folder holds.
const (
	archiveName = "archive" // and the extension
	filesName   = "files"   // {dir}
	tempName    = "tmp"     // for temporary files of the unpacker
	outputName  = "output"  // what the unpacker said
)

const (
	pollInterval = 50 * time.Millisecond
	maxReport    = 1000 // bytes of the unpacker's last words that go into an error
)

var errNothing = errors.New("it wrote no files")

// Extract unpacks an archive in a new folder inside parent. name decides which
// unpacker is taken and is used for nothing else. It fails if the unpacker
// does, if a limit is passed, or if no file comes out; then nothing is left in
// parent and the caller goes on with the archive.
func (r *Rules) Extract(ctx context.Context, parent, name string, content io.Reader) (*Files, error) {
	u := r.find(name)
	if u == nil {
		return nil, fmt.Errorf("no %s for %q", r.noun(), name)
	}
	if r.Timeout <= 0 || r.MaxSize <= 0 || r.MaxFiles <= 0 {
		return nil, errors.New("not unpacked: the files before it have used up the time, the size or the number of files allowed")
	}
	files, err := r.extract(ctx, u, parent, content)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.noun(), filepath.Base(u.program), err)
	}
	return files, nil
}

func (r *Rules) extract(ctx context.Context, u *unpacker, parent string, content io.Reader) (_ *Files, err error) {
	parent, err = filepath.Abs(parent) // the unpacker runs in another folder
	if err != nil {
		return nil, forNow{err}
	}
	w, err := newWorkspace(parent)
	if err != nil {
		return nil, forNow{err}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.remove())
		}
	}()
	archive := archiveName + "." + u.extension
	if err := w.write(archive, content); err != nil {
		return nil, forNow{err}
	}
	cmd := u.command(r.input(), filepath.Join(w.dir, archive), filepath.Join(w.dir, filesName))
	cmd.Dir = filepath.Join(w.dir, filesName)
	cmd.Env = w.environment()
	ctx, cancel := context.WithTimeoutCause(ctx, r.Timeout, fmt.Errorf("not done within %v", r.Timeout))
	defer cancel()
	err = w.run(ctx, cmd, r.Limits)
	if over := w.measure(r.Limits); over != nil {
		err = over // says better why the unpacker failed, if it did
	}
	if err != nil {
		return nil, w.report(err)
	}
	files, err := w.collect()
	if err == nil && len(files.List) == 0 {
		err = errNothing
	}
	if err != nil {
		return nil, w.report(err)
	}
	return files, nil
}

// workspace is the private folder of one unpacking.
type workspace struct {
	dir  string // full path
	root *os.Root
}

func newWorkspace(parent string) (*workspace, error) {
	dir, err := os.MkdirTemp(parent, "dearchive-") // for nobody but us
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	w := &workspace{dir, root}
	if err := errors.Join(root.Mkdir(filesName, 0o700), root.Mkdir(tempName, 0o700)); err != nil {
		return nil, errors.Join(err, w.remove())
	}
	return w, nil
}

func (w *workspace) remove() error {
	return errors.Join(w.root.Close(), removeTree(w.dir))
}

func (w *workspace) write(name string, content io.Reader) error {
	f, err := w.create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}

func (w *workspace) create(name string) (*os.File, error) {
	return w.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
}

// environment keeps what we were started with, passwords among it, from the
// unpacker. UTF-8, because it could not write all names otherwise.
func (w *workspace) environment() []string {
	temp := filepath.Join(w.dir, tempName)
	return []string{
		"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "HOME=" + temp,
		"TMPDIR=" + temp, "TMP=" + temp, "TEMP=" + temp,
	}
}

// run runs the unpacker until it ends, ctx does, or a limit is passed. When it
// returns nothing of its process group runs any more.
func (w *workspace) run(ctx context.Context, cmd *exec.Cmd, l Limits) error {
	// A file and no pipe: a process that holds it open cannot keep us waiting, and
	// its size counts as the unpacker's.
	output, err := w.create(outputName)
	if err != nil {
		return err
	}
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	// One byte more than allowed: so the size tells that the limit was hit.
	processes, err := start(cmd, l.MaxSize+1, l.MaxMemory)
	if err != nil {
		return forNow{err}
	}
	defer processes.close()
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	poll := time.NewTimer(pollInterval)
	for {
		select {
		case err := <-done:
			return unlessCrashed(err)
		case <-ctx.Done():
			err = forNow{context.Cause(ctx)}
		case begun := <-poll.C:
			if err = w.measure(l); err == nil {
				poll.Reset(max(pollInterval, 4*time.Since(begun))) // looking must not cost more than unpacking
				continue
			}
		}
		processes.kill()
		<-done
		return err
	}
}

// unlessCrashed marks the end of a program that did not end by itself; a shell
// around it says that with a status above 128.
func unlessCrashed(err error) error {
	var ended *exec.ExitError
	if err == nil || errors.As(err, &ended) && ended.Exited() && ended.ExitCode() <= 128 {
		return err
	}
	return forNow{err}
}

// report adds the unpacker's last words to an error, on one line.
func (w *workspace) report(err error) error {
	f, openErr := w.open(outputName)
	if openErr != nil {
		return err // it never ran
	}
	defer f.Close()
	info, statErr := f.Stat()
	if statErr != nil {
		return err
	}
	from := max(0, info.Size()-maxReport)
	said, readErr := io.ReadAll(io.NewSectionReader(f, from, maxReport))
	text := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(said), "?"))
	if text = strings.Join(strings.Fields(text), " "); text == "" || readErr != nil {
		return err
	}
	return fmt.Errorf("%w: it says: %s", err, text)
}
