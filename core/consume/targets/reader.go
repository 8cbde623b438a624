package targets

import (
	"smtpreceiver/core/codepage"
	"smtpreceiver/core/config"
	"smtpreceiver/core/ctl"
)

// Reader reads the control files of an application: as a job, and as UTF-8.
func Reader(s *config.Settings, app *config.Application) (read func([]byte) (*ctl.Job, error), text func([]byte) string, err error) {
	layout, err := layoutOf(s, app)
	if err != nil {
		return nil, nil, err
	}
	page, err := codepage.Lookup(s.OutputCodePage)
	if err != nil {
		return nil, nil, err
	}
	return func(control []byte) (*ctl.Job, error) { return ctl.ReadJob(page.Decode(control), layout) }, page.Decode, nil
}
