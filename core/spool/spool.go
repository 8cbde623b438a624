package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"
)

// recoveryInterval is how often the folders are looked through for what dead
// processes left.
const recoveryInterval = time.Minute

// Config says where a Spool keeps its numbers and how it names files.
type Config struct {
	StateDirectory string       // holds the ID counter and scratch files; created if missing
	Instance       string       // prefix of file names where several hosts share a folder; may be empty
	FirstID        uint64       // floor (id_allocated): the first ID handed out is greater
	Log            *slog.Logger // nil: nothing is logged
}

// Spool gives out IDs and stages jobs for any number of output folders. It is
// safe for concurrent use.
type Spool struct {
	instance string
	log      *slog.Logger
	disk     disk
	ids      *idAllocator
	scratch  string // for TempDir

	mu       sync.Mutex
	closed   bool
	open     map[string]*folder // by the name it was asked for
	vanished []*folder          // once open, staging directory gone
	used     []string           // output folders named by the last Use, absolute
	owed     []*undoing         // what could not be undone

	unsettled string // error of the last recovery

	recovering sync.Mutex // one recovery at a time
	undoing    sync.Mutex // one look at owed at a time
	stop       context.CancelFunc
	done       chan struct{}
}

var instanceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Open readies a spool: it takes the ID counter into use and starts the
// recovery of each minute, which ends with Close or with ctx. Folders are added by Use or by
// the first job for them.
func Open(ctx context.Context, cfg Config) (*Spool, error) {
	return open(ctx, cfg, disk{})
}

func open(ctx context.Context, cfg Config, d disk) (*Spool, error) {
	if cfg.Instance != "" && !instanceName.MatchString(cfg.Instance) {
		return nil, fmt.Errorf("instance %q: use at most 64 letters, digits, '.', '_' or '-', a letter or digit first: it begins file names", cfg.Instance)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	ids, err := newIDAllocator(d, cfg.StateDirectory, cfg.FirstID)
	if err != nil {
		return nil, err
	}
	scratch := filepath.Join(cfg.StateDirectory, "scratch")
	if err := makeScratch(scratch); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	s := &Spool{
		instance: cfg.Instance, log: cfg.Log, disk: d, ids: ids, scratch: scratch,
		open: map[string]*folder{}, stop: stop, done: make(chan struct{}),
	}
	go s.recoverEachMinute(ctx)
	return s, nil
}

// Use recovers these output folders now and every minute from here on, in place
// of those of an earlier call. Each folder must exist; its staging directory is
// made here, so that a folder we may not write to is an error at start. On such
// an error the folders of the earlier call stay in use.
//
// What recovery cannot settle is logged and tried again: it keeps neither the
// service nor another application from working. Nor does a staging directory
// that is not ours: jobs for its folder are refused until that is mended.
func (s *Spool) Use(folders []string) error {
	var errs []error
	var paths []string
	for _, name := range folders {
		path, err := filepath.Abs(name)
		if slices.Contains(paths, path) {
			continue
		}
		paths = append(paths, path)
		if err == nil {
			_, err = s.folder(name)
		}
		if errors.Is(err, errUntrusted) {
			s.log.Error("jobs for this output folder are refused until it is mended", "folder", path, "error", err)
		} else if err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	s.mu.Lock()
	s.used = paths
	s.mu.Unlock()
	s.recoverUsed()
	return nil
}

// logUnsettled says what a recovery could not settle, once as long as it stays
// the same.
func (s *Spool) logUnsettled(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.unsettled = ""
	} else if s.unsettled != err.Error() {
		s.unsettled = err.Error()
		s.log.Error("what a crash has left cannot be settled; it is tried again each minute", "error", err)
	}
}

func (s *Spool) recoverEachMinute(ctx context.Context) {
	defer close(s.done)
	tick := time.NewTicker(recoveryInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.recoverUsed()
	}
}

func (s *Spool) recoverUsed() {
	s.mu.Lock()
	paths := append([]string{s.scratch}, s.used...)
	s.mu.Unlock()
	_ = s.undoOwed() // it has logged why
	s.logUnsettled(s.recoverAll(paths))
}

// Close ends the recovery, undoes what is owed, gives back the IDs reserved but not used, and
// removes our staging directories. No batch may be in use; what an unfinished
// one staged is left for the next recovery.
func (s *Spool) Close() error {
	s.stop()
	<-s.done
	owed := s.undoOwed()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	errs := []error{owed}
	for _, f := range slices.AppendSeq(s.vanished, maps.Values(s.open)) {
		errs = append(errs, f.close())
	}
	return errors.Join(append(errs, s.ids.giveBack())...)
}

// NextID takes an ID, and makes the name that the files of its job begin with.
func (s *Spool) NextID() (id, stem string, err error) {
	n, err := s.ids.next()
	if err != nil {
		return "", "", err
	}
	if id = formatID(n); s.instance == "" {
		return id, id, nil
	}
	return id, s.instance + "-" + id, nil
}

// TempDir is where temporary folders may be made. It is in the state directory:
// programs reach what is in it by path, which others may change in an output
// folder. Who makes one removes it before Close; what a crash leaves there,
// recovery removes.
func (s *Spool) TempDir() (string, error) {
	f, err := s.folder(s.scratch)
	if err != nil {
		return "", err
	}
	return f.in.path, nil
}

// ScratchRoom is the number of bytes that we may still write in the file system of
// the state directory, where Scratch is.
func (s *Spool) ScratchRoom() (uint64, error) { return FreeSpace(filepath.Dir(s.scratch)) }

// makeScratch makes the folder of TempDir where there is none.
func makeScratch(path string) error {
	if err := ignore(os.Mkdir(path, stagingMode), fs.ErrExist); err != nil {
		return fmt.Errorf("state_directory: %w", err)
	}
	return nil
}

// kind is what an error calls a folder.
func (s *Spool) kind(name string) string {
	if name == s.scratch {
		return "scratch folder of state_directory"
	}
	return "output folder"
}

// Scratch is the folder of TempDir, which TempFile takes like an output folder.
func (s *Spool) Scratch() string { return s.scratch }

// FreeSpace is the number of bytes we may still write in the file system of
// folder.
func FreeSpace(folder string) (uint64, error) {
	n, err := freeSpace(folder)
	if err != nil {
		return 0, fmt.Errorf("free space: %w", &os.PathError{Op: "statfs", Path: folder, Err: err})
	}
	return n, nil
}
