package spool

import (
	"errors"
	"path/filepath"
)

// Probe says whether a job could be brought into an output folder now. It makes
// and removes a file in our staging directory; in the folder itself every file
// is a reader's.
func (s *Spool) Probe(name string) error {
	f, err := s.folder(name)
	if err != nil {
		return err
	}
	err = f.probe()
	if err != nil { // a staging directory that is gone is made anew, as for the next job
		s.forgetVanished(f)
		if again, reopened := s.folder(name); again != f {
			if err = reopened; err == nil {
				err = again.probe()
			}
		}
	}
	return err
}

func (f *folder) probe() error {
	path := filepath.Join(f.staging(), bufferPrefix+"probe")
	if err := f.disk.removeIfThere(path); err != nil {
		return err
	}
	probe, err := f.disk.create(path)
	if err != nil {
		return err
	}
	return errors.Join(probe.close(), f.disk.removeIfThere(path))
}
