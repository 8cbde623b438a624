package folder

import (
	"errors"
	"fmt"

	"smtpreceiver/core/report"
)

// Tell makes a report on a job that is done, by what its target says of it later.
// write makes the letter, or none where the sender does not want it. told: there is a
// letter now, which a consumer of the folder sends. Each action is told once.
func (f *Folder) Tell(e *Entry, a report.Action, write func(*report.Request) *Letter) (told bool, err error) {
	o, err := f.Outbox()
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	err = f.with(e, func(h *Held, d *dir) error {
		name := e.Stem + report.FileExt
		q, err := readRequest(d.open(name))
		if err != nil {
			return fmt.Errorf("job %s: %w", e.Stem, err)
		}
		if q == nil || q.HasTold(a) {
			return nil
		}
		l := write(q)
		if l == nil {
			return nil
		}
		h.Journal = &Journal{Key: string(a)} // what it names is no other report's
		if err := o.Put(h, l); err != nil {
			return err
		}
		told = true
		q.Told = append(q.Told, a)
		data, err := q.Encode()
		if err != nil {
			return err
		}
		return d.replace(name, data, true)
	})
	return told, err
}
