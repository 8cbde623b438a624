package targets

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/emersion/go-message/mail"

	"smtpreceiver/core/config"
	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/folder"
	"smtpreceiver/core/consume/targets/hylafax"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/match"
	"smtpreceiver/core/report"
	"smtpreceiver/core/transform"
)

// reportsOf is how senders are told what becomes of the jobs of a consumer; nil: they
// are not.
func reportsOf(s *config.Settings, consumer *config.Consumer) (*consume.Reports, error) {
	c := s.Reports
	if c.SMTPServer == "" {
		return nil, nil
	}
	host := s.HostName()
	composer := &report.Composer{Host: host, From: c.From}
	for _, of := range []struct {
		text string
		to   **transform.Template
	}{{c.Subject, &composer.Subject}, {c.Text, &composer.Text}} {
		if of.text == "" {
			continue
		}
		t, err := transform.ParseReport(of.text)
		if err != nil {
			return nil, err
		}
		*of.to = t
	}
	ours, err := addresses(s)
	if err != nil {
		return nil, err
	}
	return &consume.Reports{
		Composer: composer,
		Server: report.Server{
			Addr: c.Server(), Host: host, TLS: c.TLS, Username: c.Username, Password: c.Password,
		},
		DelayAfter: c.DelayAfter, Ours: ours, Target: consumer.Target, Tells: tellsOf(consumer),
	}, nil
}

// tellsOf says of which jobs the target, or its event handler, tells the sender.
func tellsOf(c *config.Consumer) func(*ctl.Job) bool {
	k := kindOf(c.Target)
	switch {
	case c.Outcomes == "handler":
		return func(*ctl.Job) bool { return true }
	case k.tells != nil:
		return func(j *ctl.Job) bool { return k.tells(c, j) }
	}
	return nil
}

// addresses tells what an application of the configuration takes, whoever sends.
func addresses(s *config.Settings) (func(address string) bool, error) {
	var all [][]*match.Expression
	for _, app := range s.Applications {
		if !app.Enabled {
			continue
		}
		var own []*match.Expression
		for _, text := range app.Addresses {
			e, err := match.Compile(text)
			if err != nil {
				return nil, err
			}
			own = append(own, e)
		}
		all = append(all, own)
	}
	table := match.NewTable(all)
	return func(address string) bool {
		r, err := match.ParseRecipient(address)
		return err == nil && len(table.Lookup(r.Match)) > 0
	}, nil
}

// checkReports adds what is wrong with the section reports, and says what it does not
// reach.
func checkReports(s *config.Settings, problems *config.Problems) (warnings []string) {
	for _, name := range slices.Sorted(maps.Keys(s.Applications)) {
		if s.Reports.SMTPServer != "" && s.Applications[name].Enabled && !s.Reported(name) {
			warnings = append(warnings, "reports: no section of consume hands on the jobs of application "+name+", so their senders are told nothing")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Consume)) {
		if c := s.Consume[name]; s.Reports.SMTPServer != "" && c.Target == "hylafax" && c.Outcomes != "handler" && hylafax.Silenced(c.Arguments) {
			warnings = append(warnings, config.KeyPath("consume", name, "arguments")+": with -N or -f HylaFAX does not mail the senders; they hear from us that HylaFAX has the fax, if they asked for that, and nothing where it fails later")
		}
	}
	for _, of := range []struct{ key, text string }{{"reports.subject", s.Reports.Subject}, {"reports.text", s.Reports.Text}} {
		if _, err := transform.ParseReport(of.text); err != nil {
			problems.Add(of.key, err.Error(), "")
		}
	}
	if s.Reports.From == "" {
		return warnings
	}
	if _, err := mail.ParseAddress(s.Reports.From); err != nil {
		problems.Add("reports.from", "not an address with or without a name", "write it like Fax and SMS <postmaster@example.com>")
	}
	return warnings
}

// Outcome is what a target says of a job that it has.
type Outcome struct {
	Action report.Action // failed, relayed or delivered
	Reason string
}

// Tell makes the report on a job that is done. told: there is one now; the sender
// may not want it, or have had it.
func Tell(s *config.Settings, name string, f *folder.Folder, e *folder.Entry, j *ctl.Job, o Outcome) (told bool, err error) {
	reports, err := reportsOf(s, s.Consume[name])
	if err != nil {
		return false, err
	}
	if reports == nil {
		return false, errors.New("reports.smtp_server is not set: senders are told nothing")
	}
	now := time.Now()
	return f.Tell(e, o.Action, func(q *report.Request) *folder.Letter {
		if !q.Wants(o.Action) || reports.Ours(q.Sender) {
			return nil
		}
		out := report.Outcome{
			Action: o.Action, Code: codes[o.Action], Reason: o.Reason, Target: reports.Target, App: s.Consume[name].ApplicationOf(name),
			Job: e.Stem, Key: e.Stem + "-outcome", Number: j.Number, Name: j.Name, At: now,
		}
		text, _ := reports.Composer.Compose(context.Background(), q, out)
		return &folder.Letter{To: q.Sender, Action: o.Action, Job: e.Stem, Made: now, Text: text}
	})
}

var codes = map[report.Action]string{report.Failed: "5.0.0", report.Relayed: "2.0.0", report.Delivered: "2.0.0"}
