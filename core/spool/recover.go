package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
)

// asideSuffix ends the name of a staging directory that recovery cannot read
// and nobody but an administrator can settle.
const asideSuffix = ".aside"

// recoverAll settles what dead owners left in these folders. One that cannot be
// settled keeps no other from it.
func (s *Spool) recoverAll(folders []string) error {
	s.recovering.Lock()
	defer s.recovering.Unlock()
	var errs []error
	for _, path := range folders {
		owners, err := s.owners(path)
		if err != nil {
			errs = append(errs, fmt.Errorf("recovery of %s %s: %w", s.kind(path), path, err))
		}
		for _, owner := range owners {
			if err := s.recoverOwner(place{Folder: path, Owner: owner}); err != nil {
				errs = append(errs, fmt.Errorf("recovery of %s in %s %s: %w", owner, s.kind(path), path, err))
			}
		}
	}
	return errors.Join(errs...)
}

// owners are all who have a staging directory or a lock in the folder, the
// living too.
func (s *Spool) owners(path string) ([]string, error) {
	o, err := openPlace(place{Folder: path})
	if err != nil {
		return nil, ignore(err, fs.ErrNotExist) // Use has said why it could not be made
	}
	defer o.closeAll()
	entries, err := s.disk.readDir(o.root)
	found := map[string]bool{}
	for _, e := range entries {
		if owner, ok := strings.CutSuffix(e.Name(), lockSuffix); ok && e.Type().IsRegular() {
			found[owner] = true
		} else if e.IsDir() && !strings.HasSuffix(e.Name(), asideSuffix) {
			found[e.Name()] = true
		}
	}
	return slices.Sorted(maps.Keys(found)), err
}

// recovery is what one dead owner left, in all places that its batches tie
// together.
type recovery struct {
	spool  *Spool
	places []*deadPlace
	known  map[place]*deadPlace // one folder may have several names
}

// deadPlace is a place whose owner is dead, locked.
type deadPlace struct {
	*opened
	lock *lock
	left *leftovers
}

// recoverOwner settles a dead owner's place and those its batches reach into,
// under the locks of all of them. It does nothing if one of them is locked: the
// owner lives, or another process is at it.
func (s *Spool) recoverOwner(p place) error {
	r := &recovery{spool: s, known: map[place]*deadPlace{}}
	free, err := r.gather(p)
	if err == nil && free {
		err = r.join()
	}
	if errors.Is(err, errDamaged) {
		err = r.setAside(err)
	} else if err == nil && free {
		if err = r.settle(); err == nil {
			err = r.clear()
		}
	}
	for _, p := range r.places {
		err = errors.Join(err, p.lock.unlock(), p.closeAll())
	}
	return err
}

// gather locks and lists the place and, following the records, all others. It
// says whether all could be locked.
func (r *recovery) gather(first place) (bool, error) {
	for queue := []recordPlace{{place: first}}; len(queue) > 0; queue = queue[1:] {
		p := queue[0].place
		if r.known[p] != nil {
			continue
		}
		o, err := openPlace(p)
		if errors.Is(err, fs.ErrNotExist) {
			return false, errNotThere(p)
		}
		if err != nil {
			return false, err
		}
		another := func(known *deadPlace) bool { return known.Owner == p.Owner && os.SameFile(known.out.info, o.out.info) }
		if i := slices.IndexFunc(r.places, another); i >= 0 {
			r.known[p] = r.places[i] // by another name
			_ = o.closeAll()         // only read
			continue
		}
		found := &deadPlace{opened: o}
		r.known[p], r.places = found, append(r.places, found)
		if found.lock, err = tryLockOwner(o.lock()); err != nil || found.lock == nil {
			return false, err
		}
		if o.in, err = o.root.private(p.Owner); ignore(err, fs.ErrNotExist) != nil || o.in != nil && !holdDir(o.in) {
			return false, ignore(err, fs.ErrNotExist)
		}
		if meant := queue[0].Inode; o.in == nil && meant != 0 && meant != o.out.inode() {
			return false, errNotThere(p)
		}
		if aside, err := exists(o.root.at(p.Owner + asideSuffix)); err != nil || aside {
			return false, errors.Join(err, fmt.Errorf("%w: a part of the same messages is set aside: %s", errDamaged, p.staging()+asideSuffix))
		}
		if found.left, err = listLeftovers(r.spool.disk, o); err != nil {
			return false, err
		}
		for _, rec := range found.left.records {
			queue = append(queue, rec.Places...)
		}
	}
	return true, nil
}

func errNotThere(p place) error {
	return fmt.Errorf("output folder %s, which an unfinished batch reaches into, is not there, or another one is: mount it, or remove what names it", p.Folder)
}

// join tells the jobs what the records say of them.
func (r *recovery) join() error {
	for _, p := range r.places {
		for _, rec := range p.left.records {
			decided := slices.Contains(p.left.decided, rec)
			for _, of := range rec.Places {
				at := r.known[of.place]
				for _, j := range of.Jobs {
					left := at.left.jobs[j.Stem]
					if left == nil {
						continue
					}
					if left.forward = left.forward || decided; at == p {
						left.data = append(left.data, j.Data...)
					}
				}
			}
		}
	}
	var errs []error
	for _, p := range r.places {
		for _, j := range p.left.jobs {
			errs = append(errs, j.wantData())
		}
	}
	return errors.Join(errs...)
}

// setAside keeps the places from all further recovery: neither completing nor
// undoing their batches is safe. Nothing in them was acknowledged.
func (r *recovery) setAside(why error) error {
	d := r.spool.disk
	for _, o := range r.places {
		if o.in != nil {
			aside := o.root.at(o.Owner + asideSuffix)
			err := o.in.close()
			if o.in = nil; err == nil {
				err = d.move(o.root.at(o.Owner), aside)
			}
			if err == nil {
				err = d.syncDir(o.root)
			}
			if err != nil {
				return errors.Join(why, err)
			}
			r.spool.log.Error("what a crash has left cannot be read and is set aside: move the jobs in it into the output folder by hand, data files before CTL, if their senders have not sent them again; then remove it",
				"path", aside.path(), "error", why)
		}
		if err := o.lock.release(); err != nil {
			return errors.Join(why, err)
		}
	}
	return nil
}

// settle brings every job to its end, on disk, and leaves the staged files that
// explain it. What it goes by may be in the cache alone, where a process was killed
// and the machine goes on, so that comes first.
func (r *recovery) settle() error {
	var errs []error
	for _, o := range r.places {
		if o.in != nil {
			errs = append(errs, r.spool.disk.syncDir(o.in), r.spool.disk.syncDir(o.out))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, o := range r.places {
		jobs := o.left.jobs
		for _, stem := range slices.Sorted(maps.Keys(jobs)) {
			errs = append(errs, r.settleJob(jobs[stem])) // one job keeps no other from its folder
		}
		if len(jobs) > 0 {
			errs = append(errs, r.spool.disk.syncDir(o.out))
		}
	}
	return errors.Join(errs...)
}

func (r *recovery) settleJob(j *leftJob) error {
	d, log := r.spool.disk, r.spool.log.With("job", j.stem, "folder", j.Folder)
	visible, err := exists(j.shown(j.control()))
	if err != nil {
		return err
	}
	controlled := j.staged != ""
	linked := controlled && visible && same(j.stagedControl(), j.shown(j.control())) // a link made in place of a rename
	switch {
	case controlled && !linked && j.forward:
		err := j.show(d, j.here)
		if err == nil && !d.keepsOrder(j.out) {
			err = d.syncDir(j.out)
		}
		if err == nil {
			err = j.showControl(d)
		}
		if err != nil {
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
	for _, o := range r.places {
		for _, j := range o.left.jobs {
			if err := j.discard(d); err != nil {
				return err
			}
		}
	}
	for _, o := range r.places {
		for _, name := range o.left.others {
			if err := d.removeTree(o.in.at(name)); err != nil {
				return err
			}
		}
		err := o.in.close()
		if o.in = nil; err != nil {
			return err
		}
		if err := d.removeIfThere(o.root.at(o.Owner)); err != nil {
			return err
		}
		if err := o.lock.release(); err != nil {
			return err
		}
	}
	return nil
}
