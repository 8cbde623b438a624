package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"
	"sync"
)

// idBlock is how many IDs are reserved at a time: a crash skips at most that
// many, and a hundred jobs cost one write of the counter.
const idBlock = 100

// idFileLimit is more than any counter file can hold.
const idFileLimit = 64

// idAllocator hands out numbers that no other process with the same state
// directory has had or will have. <state>/id holds the last number reserved by
// anyone; it is raised, durably, before a number of the block is handed out.
// <state>/id.copy holds the same number, so that numbers go on where one of the
// two files was removed or damaged, also under a running process.
type idAllocator struct {
	disk  disk
	path  string // the state directory
	floor uint64
	dir   *dir // the same, while it is locked

	mu   sync.Mutex
	last uint64 // handed out
	end  uint64 // reserved
}

func newIDAllocator(d disk, dir string, floor uint64) (*idAllocator, error) {
	if dir == "" {
		return nil, errors.New("state_directory is empty: the ID counter needs a place")
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("state_directory: %w", err)
	}
	a := &idAllocator{disk: d, path: dir, floor: floor}
	err := a.locked(func() error { _, err := a.read(); return err })
	if err != nil { // a damaged counter is for the administrator at start, not for the first mail
		return nil, err
	}
	return a, nil
}

// next hands out an ID.
func (a *idAllocator) next() (uint64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.last == a.end {
		if err := a.locked(a.reserve); err != nil {
			return 0, err
		}
	}
	a.last++
	return a.last, nil
}

// giveBack returns what is left of the block, unless somebody has reserved
// after us.
func (a *idAllocator) giveBack() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.last == a.end {
		return nil
	}
	return a.locked(func() error {
		if reserved, err := a.read(); err != nil || reserved != a.end {
			return err
		}
		if err := a.write(a.last); err != nil {
			return err
		}
		a.end = a.last
		return nil
	})
}

func (a *idAllocator) reserve() error {
	reserved, err := a.read()
	if err != nil {
		return err
	}
	base := max(reserved, a.floor, a.end) // what we have reserved is used, whatever the files say now
	if base > math.MaxUint64-idBlock {
		return fmt.Errorf("%s: no numbers left after %d: stop the service, write a lower one into it and remove %s", a.dir.at(idName).path(), base, a.dir.at(copyName).path())
	}
	if err := a.write(base + idBlock); err != nil {
		return err
	}
	a.last, a.end = base, base+idBlock
	return nil
}

const (
	idName   = "id"
	copyName = "id.copy"
)

// locked runs f while no other process reads or writes the counter. Should the
// lock file be removed, the next to lock makes it anew.
func (a *idAllocator) locked(f func() error) error {
	dir, err := openDir(a.path)
	if err != nil {
		return fmt.Errorf("ID counter: %w", err)
	}
	defer dir.close()
	l, err := lockOwner(dir.at(idName + lockSuffix))
	if err != nil {
		return fmt.Errorf("ID counter: %w", err)
	}
	a.dir = dir
	return errors.Join(f(), l.unlock())
}

// read returns the counter, 0 if there is none yet: the higher of the two
// files, where both can be read.
func (a *idAllocator) read() (uint64, error) {
	n, err := a.readFile(a.dir.at(idName))
	other, copyErr := a.readFile(a.dir.at(copyName))
	switch {
	case err == nil && copyErr == nil:
		return max(n, other), nil
	case copyErr == nil && other > 0:
		return other, nil
	}
	return n, err
}

func (a *idAllocator) readFile(e entry) (uint64, error) {
	data, err := a.disk.readFile(e, idFileLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("ID counter: %w", err)
	}
	n, err := parseID(data)
	if err != nil {
		return 0, fmt.Errorf("ID counter %s is damaged (%w): write into it, as one decimal number, the highest ID ever used", e.path(), err)
	}
	return n, nil
}

func parseID(data []byte) (uint64, error) {
	n, err := strconv.ParseUint(string(bytes.TrimSpace(data)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%.40q is no decimal number", data)
	}
	return n, nil
}

// write replaces both files durably, one after the other, so that one of them
// is whole at any time. The temporary name is fixed: only the holder of the lock
// writes it.
func (a *idAllocator) write(n uint64) error {
	for _, name := range []string{idName, copyName} {
		temp := a.dir.at(name + ".tmp")
		err := a.disk.removeIfThere(temp)
		if err == nil {
			err = a.disk.writeFile(temp, []byte(strconv.FormatUint(n, 10)+"\n"))
		}
		if err == nil {
			err = a.disk.replace(temp, a.dir.at(name))
		}
		if err != nil {
			return fmt.Errorf("ID counter: %w", err)
		}
	}
	if err := a.disk.syncDir(a.dir); err != nil {
		return fmt.Errorf("ID counter: %w", err)
	}
	return nil
}

// formatID is how an ID appears in names and in the CTL.
func formatID(n uint64) string { return fmt.Sprintf("%08d", n) }
