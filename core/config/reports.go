package config

import (
	"os"
	"time"
)

// Reports holds the keys of the section reports.
type Reports struct {
	SMTPServer string        `key:"smtp_server" doc:"The server that takes reports for senders: a job that fails for good is told to the envelope sender, by RFC 3464; one that was handed on, or is late, where the sender asked for that (NOTIFY). Only jobs of a queue or of applications with a section consume, and only those that came in since the key is set. Empty: senders are told nothing."`
	SMTPPort   int           `key:"smtp_port" default:"25" min:"1" max:"65535" doc:"Its port, where smtp_server does not end with one."`
	TLS        string        `key:"tls" default:"none" oneof:"none|opportunistic|required|implicit" doc:"TLS towards it: none, opportunistic (when offered), required (STARTTLS), implicit (TLS from the first byte). The last two check the certificate."`
	Username   string        `key:"username" doc:"User name there. Empty: no authentication."`
	Password   string        `key:"password" secret:"value" doc:"Its password."`
	From       string        `key:"from" doc:"The From of reports. Empty: Fax and SMS <postmaster@HOSTNAME>, with hostname."`
	Subject    string        `key:"subject" doc:"Template of their subject; besides the items of transform it has reason, status (failed, relayed, delivered, delayed) and target. Empty: an English one."`
	Text       string        `key:"text" doc:"Template of their text, with the same items. Empty: an English one."`
	DelayAfter time.Duration `key:"delay_after" default:"4h" min:"1s" max:"8760h" doc:"How long a job may wait before a sender that asked for it (NOTIFY=DELAY) is told; once a job."`
}

// Reported says whether senders are told what becomes of the jobs of an
// application.
func (s *Settings) Reported(app string) bool {
	return s.Reports.SMTPServer != "" && s.consumed(app)
}

// consumed says whether consume hands the jobs of an application on. From a queue
// nothing else does, on whatever machine.
func (s *Settings) consumed(app string) bool {
	if s.Queue.On() {
		return true
	}
	for name, c := range s.Consume {
		if c.ApplicationOf(name) == app {
			return true
		}
	}
	return false
}

// OffersDSN says whether clients may ask for reports (RFC 3461), which is a promise
// that somebody makes them.
func (s *Settings) OffersDSN() bool {
	switch s.DSNOffer {
	case "reader":
		return true
	case "off":
		return false
	}
	for name, app := range s.Applications {
		if app.Enabled && !s.Reported(name) {
			return false
		}
	}
	return true
}

// reports checks the keys of the section.
func (l *loader) reports(s *Settings) {
	r := &s.Reports
	if r.SMTPServer == "" {
		for key, set := range map[string]bool{
			"from": r.From != "", "subject": r.Subject != "", "text": r.Text != "", "tls": r.TLS != "none", "username": r.Username != "", "password": r.Password != "",
		} {
			if set {
				l.contradiction("reports."+key, "set, but there is no server to send reports to", "set reports.smtp_server, or remove the key", "reports.smtp_server")
			}
		}
		return
	}
	l.both("reports.username", r.Username, "reports.password", r.Password)
	if r.Username != "" && r.TLS == "none" {
		l.contradiction("reports.tls", "the password would travel in clear", "set it to required or implicit", "reports.username")
	}
	if len(s.Consume) == 0 && !s.Queue.On() {
		l.contradiction("reports.smtp_server", "has no effect, because there is no section consume: only jobs that smtpreceiver consume hands on are reported",
			"set up consume, or remove the key", "consume")
	}
}

// HostName is hostname, or the name of the machine.
func (s *Settings) HostName() string {
	if s.Hostname != "" {
		return s.Hostname
	}
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return "localhost"
}
