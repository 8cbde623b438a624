package targets

import (
	"cmp"
	"log/slog"

	"smtpreceiver/core/codepage"
	"smtpreceiver/core/config"
	"smtpreceiver/core/consume"
	"smtpreceiver/core/ctl"
)

// Open makes the consumer of the section consume.<name>, which exists and has
// passed Check.
func Open(s *config.Settings, name string, log *slog.Logger) (*consume.Consumer, error) {
	c := s.Consume[name]
	app := s.Applications[c.ApplicationOf(name)]
	target, err := kindOf(c.Target).make(c, app)
	if err != nil {
		return nil, err
	}
	if service, is := target.(*HTTP); is {
		for _, variable := range service.request.unset() {
			log.Warn("environment variable not set: no job can be handed on without it", "consumer", name, "variable", variable)
		}
	}
	layout, err := layoutOf(s, app)
	if err != nil {
		return nil, err
	}
	page, err := codepage.Lookup(s.OutputCodePage)
	if err != nil {
		return nil, err
	}
	reports, err := reportsOf(s, c)
	if err != nil {
		return nil, err
	}
	done, failed := c.Folders(app.OutputFolder)
	return consume.New(consume.Options{
		Name: name, App: c.ApplicationOf(name), Folder: app.OutputFolder, Done: done, Failed: failed,
		Layout: layout, Decode: page.Decode, Encode: page.Encode, Target: target, Resend: c.InDoubt == "resend",
		KeepDoneDays: c.KeepDoneDays, PollInterval: c.PollInterval, RetryDelay: c.RetryDelay,
		RetryDelayMax: c.RetryDelayMax, GiveUpAfter: c.GiveUpAfter, Timeout: c.Timeout, Log: log,
		Workers: workersOf(c), KeepFailedDays: c.KeepFailedDays, OnFailed: hook(c.OnFailed), Reports: reports,
	}), nil
}

// workersOf is how many jobs a consumer hands on at once.
func workersOf(c *config.Consumer) int { return cmp.Or(c.Workers, kindOf(c.Target).workers) }

func layoutOf(s *config.Settings, app *config.Application) (ctl.Layout, error) {
	top, err := ctl.ParseLayout(s.CTLLayout)
	if err != nil {
		return ctl.Layout{}, err
	}
	own, err := ctl.ParseLayout(app.CTLLayout)
	return top.Over(own), err
}
