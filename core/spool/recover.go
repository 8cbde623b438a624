package spool

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gofrs/flock"
)

// recoverAll settles what dead owners left in these folders.
func (s *Spool) recoverAll(folders []string) error {
	s.recovering.Lock()
	defer s.recovering.Unlock()
	var errs []error
	for _, path := range folders {
		owners, err := s.owners(path)
		if err != nil {
			errs = append(errs, fmt.Errorf("recovery of output folder %s: %w", path, err))
		}
		for _, owner := range owners {
			if err := s.recoverOwner(place{Folder: path, Owner: owner}); err != nil {
				errs = append(errs, fmt.Errorf("recovery of %s in output folder %s: %w", owner, path, err))
			}
		}
	}
	return errors.Join(errs...)
}

// owners are all who have a staging directory or a lock in the folder, the
// living too.
func (s *Spool) owners(path string) ([]string, error) {
	root := filepath.Join(path, stagingName)
	if there, err := isDir(root); !there {
		return nil, err // Use has said why it could not be made
	}
	entries, err := s.disk.readDir(root)
	found := map[string]bool{}
	for _, e := range entries {
		if owner, ok := strings.CutSuffix(e.Name(), lockSuffix); ok && e.Type().IsRegular() {
			found[owner] = true
		} else if e.IsDir() { // no symbolic links: what they point to is not ours
			found[e.Name()] = true
		}
	}
	return slices.Sorted(maps.Keys(found)), err
}

// recovery is what one dead owner left, in all places that its batches tie
// together.
type recovery struct {
	spool   *Spool
	locks   []*flock.Flock
	left    map[place]*leftovers
	order   []place
	forward map[place]map[string]bool // stems that a record decided
}

// recoverOwner settles a dead owner's place and those its batches reach into,
// under the locks of all of them. It does nothing if one of them is locked: the
// owner lives, or another process is at it.
func (s *Spool) recoverOwner(p place) error {
	r := &recovery{spool: s, left: map[place]*leftovers{}, forward: map[place]map[string]bool{}}
	free, err := r.gather(p)
	if err == nil && free {
		if err = r.settle(); err == nil {
			err = r.clear()
		}
	}
	for _, l := range r.locks {
		err = errors.Join(err, l.Unlock()) // does nothing to those that clear has released
	}
	return err
}

// gather locks and lists the place and, following the records, all others. It
// says whether all could be locked.
func (r *recovery) gather(first place) (bool, error) {
	for queue := []place{first}; len(queue) > 0; queue = queue[1:] {
		p := queue[0]
		if r.left[p] != nil {
			continue
		}
		if there, err := isDir(p.root()); err != nil {
			return false, err
		} else if !there {
			return false, fmt.Errorf("output folder %s, which an unfinished batch reaches into, is not there: mount it, or remove what names it", p.Folder)
		}
		l, err := tryLockOwner(p.lock())
		if err != nil || l == nil {
			return false, err
		}
		r.locks = append(r.locks, l)
		left, err := listLeftovers(r.spool.disk, p)
		if err != nil {
			return false, err
		}
		r.left[p] = left
		r.order = append(r.order, p)
		for _, rec := range left.records {
			for _, other := range rec.Places {
				queue = append(queue, other.place)
			}
		}
	}
	return true, nil
}

// settle brings every job to its end, on disk, and leaves the staged files that
// explain it.
func (r *recovery) settle() error {
	for _, left := range r.left {
		for _, rec := range left.decided {
			for _, p := range rec.Places {
				if r.forward[p.place] == nil {
					r.forward[p.place] = map[string]bool{}
				}
				for _, j := range p.Jobs {
					r.forward[p.place][j.Stem] = true
				}
			}
		}
	}
	for _, p := range r.order {
		jobs := r.left[p].jobs
		for _, stem := range slices.Sorted(maps.Keys(jobs)) {
			if err := r.settleJob(jobs[stem], r.forward[p][stem]); err != nil {
				return err
			}
		}
		if len(jobs) > 0 {
			if err := r.spool.disk.syncDir(p.Folder); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *recovery) settleJob(j *leftJob, forward bool) error {
	d, log := r.spool.disk, r.spool.log.With("job", j.stem, "folder", j.Folder)
	visible, err := exists(j.shownPath(j.control()))
	if err != nil {
		return err
	}
	controlled := j.staged != ""
	linked := controlled && visible && same(j.stagedControl(), j.shownPath(j.control())) // a link made in place of a rename
	switch {
	case controlled && !linked && forward:
		if err := j.show(d, j.here); err != nil {
			return err
		}
		if err := j.showControl(d); err != nil {
			return err
		}
		log.Info("job completed after a crash")
	case controlled && !linked && visible:
		log.Error("job dropped after a crash: another job has its name, so its data files are left in the folder; hosts that share a folder need an instance each")
	case controlled && !linked:
		if err := j.hide(d); err != nil {
			return err
		}
		log.Info("job undone after a crash: its sender was not told of success")
	case visible && len(j.here) > 0:
		if err := j.show(d, j.here); err != nil {
			return err
		}
		log.Info("visible job completed after a crash", "files", len(j.here))
	case len(j.here) > 0:
		log.Info("unfinished job removed after a crash")
	}
	return nil
}

// clear removes what is staged, when all is settled everywhere: jobs, then
// records, which mean nothing without them, then the places.
func (r *recovery) clear() error {
	d := r.spool.disk
	for _, p := range r.order {
		for _, j := range r.left[p].jobs {
			if err := j.discard(d); err != nil {
				return err
			}
		}
	}
	for i, p := range r.order {
		for _, name := range r.left[p].others {
			if err := d.removeTree(filepath.Join(p.staging(), name)); err != nil {
				return err
			}
		}
		if err := d.removeIfThere(p.staging()); err != nil {
			return err
		}
		if err := releaseOwner(r.locks[i]); err != nil {
			return err
		}
	}
	return nil
}
