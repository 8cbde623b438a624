package targets

import (
	"net"
	"strconv"

	"github.com/emersion/go-message/mail"

	"smtpreceiver/core/config"
	"smtpreceiver/core/consume"
	"smtpreceiver/core/match"
	"smtpreceiver/core/report"
	"smtpreceiver/core/transform"
)

// reportsOf is how senders are told what becomes of the jobs of a target; nil: they
// are not.
func reportsOf(s *config.Settings, target string) (*consume.Reports, error) {
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
		Composer: composer, Server: report.Server{Addr: net.JoinHostPort(c.SMTPServer, strconv.Itoa(c.SMTPPort)), Host: host},
		DelayAfter: c.DelayAfter, Ours: ours, Target: target, Tells: kindOf(target).tells,
	}, nil
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

// checkReports adds what is wrong with the section reports.
func checkReports(s *config.Settings, problems *config.Problems) {
	for _, of := range []struct{ key, text string }{{"reports.subject", s.Reports.Subject}, {"reports.text", s.Reports.Text}} {
		if _, err := transform.ParseReport(of.text); err != nil {
			problems.Add(of.key, err.Error(), "")
		}
	}
	if s.Reports.From == "" {
		return
	}
	if _, err := mail.ParseAddress(s.Reports.From); err != nil {
		problems.Add("reports.from", "not an address with or without a name", "write it like Fax and SMS <postmaster@example.com>")
	}
}
