package folder

import (
	"errors"
	"os"
)

// Send gives a failed job to send, which reads its files, and removes it here when
// that has them. Nobody takes a job of its name meanwhile.
func (f *Folder) Send(e *Entry, files []string, send func(open func(file string) (*os.File, error)) error) error {
	return f.with(e, func(_ *Held, d *dir) error {
		if err := send(d.open); err != nil {
			return err
		}
		for _, name := range withRequest(e.Stem, files) {
			if err := d.removeIfThere(name); err != nil {
				return err
			}
		}
		return errors.Join(d.removeIfThere(e.Stem+errorExt), d.removeIfThere(e.Stem+controlExt))
	})
}
