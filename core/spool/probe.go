package spool

import "errors"

// Probe says whether a job could be brought into an output folder now. It makes
// and removes a file in our staging directory; in the folder itself every file
// is a reader's.
func (s *Spool) Probe(name string) error {
	f, err := s.folder(name)
	if err == nil {
		err = s.mayTake(f.Folder)
	}
	if err != nil {
		return err
	}
	e := f.in.at(bufferPrefix + "probe")
	if err := f.disk.removeIfThere(e); err != nil {
		return err
	}
	probe, err := f.disk.create(e)
	if err != nil {
		return err
	}
	return errors.Join(probe.close(), f.disk.removeIfThere(e))
}
