package folder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// home is the folder for done jobs, or the one for failed ones. It holds jobs in
// rooms: "" is itself, "2026-11-28" a day, and a key within either a job whose
// name was taken there.
type home struct {
	*dir
	output *dir
	mu     sync.Mutex
	days   map[string]*dir
}

var (
	keySyntax  = regexp.MustCompile(`^[A-Za-z0-9]{1,32}$`)
	roomSyntax = regexp.MustCompile(`^([0-9]{4}-[0-9]{2}-[0-9]{2})?(/?[A-Za-z0-9]{1,32})?$`)
)

// openHome opens a folder, and makes it if it is not there. One in the output
// folder, as the default is, is not looked for by its path.
func openHome(output *dir, path string) (*dir, error) {
	if rel, err := filepath.Rel(output.path, path); err == nil && filepath.IsLocal(rel) && !strings.ContainsRune(rel, filepath.Separator) && rel != "." {
		return output.made(rel)
	}
	_, missing := os.Stat(path)
	if err := os.MkdirAll(path, folderMode); err != nil {
		return nil, err
	}
	d, err := openDir(path)
	if err == nil && missing != nil {
		err = output.give(d)
	}
	return d, err
}

// room is the room that a journal names.
func (h *home) room(written string) (string, error) {
	room := filepath.ToSlash(written)
	if filepath.IsAbs(written) {
		rel, err := filepath.Rel(h.path, written)
		if err != nil {
			return "", err
		}
		if room = filepath.ToSlash(rel); room == "." {
			room = ""
		}
	}
	if !roomSyntax.MatchString(room) {
		return "", fmt.Errorf("%.200q is no place in %s", written, h.path)
	}
	return room, nil
}

// dirOf opens a room; making it if it is not there.
func (h *home) dirOf(room string) (*dir, error) {
	if room == "" {
		return h.dir, nil
	}
	day, key, nested := strings.Cut(room, "/")
	d, err := h.inner(h.dir, day)
	if err != nil || !nested {
		return d, err
	}
	return h.inner(d, key)
}

// inner opens a folder in d. Those of h itself stay open.
func (h *home) inner(d *dir, name string) (*dir, error) {
	if d != h.dir {
		return h.trusted(d.made(name))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if inside := h.days[name]; inside != nil {
		return inside, nil
	}
	inside, err := h.trusted(d.made(name))
	if err == nil {
		h.days[name] = inside
	}
	return inside, err
}

func (h *home) trusted(d *dir, err error) (*dir, error) {
	if err != nil {
		return nil, err
	}
	if err := trust(d, h.output); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// forget lets go of the open days; one that is in use stays open until it is not.
func (h *home) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.days = map[string]*dir{}
}

// today is the room of a day.
func today(now time.Time) string { return now.Format(time.DateOnly) }

// OwnerError is a folder that belongs to somebody who could have put anything
// there.
type OwnerError struct{ Path, Owner, Me string }

func (e *OwnerError) Error() string {
	return fmt.Sprintf("%s belongs to %s, who could have put anything there: chown -R %s: %s, or run this as %s", e.Path, e.Owner, e.Me, e.Path, e.Owner)
}

// trust refuses a folder inside of an output folder that is not ours.
func trust(d, output *dir) error {
	if !believed(d.owner, output.owner) {
		return &OwnerError{d.path, d.owner.String(), me(output.owner)}
	}
	return nil
}
