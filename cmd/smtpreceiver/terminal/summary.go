package terminal

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"smtpreceiver/core/config"
)

// Summary says what a configuration without problems makes the program do.
func Summary(to io.Writer, s *config.Settings) error {
	w := table(to)
	line := func(what, text string) { fmt.Fprintf(w, "%s\t%s\n", what, Printable(text)) }
	smtp := net.JoinHostPort(cmp.Or(s.SMTPIPAddress, "*"), strconv.Itoa(s.SMTPPort))
	line("standalone", "SMTP on "+smtp+either(s.TLS.CertFile != "", ", STARTTLS offered", ", without TLS"))
	if s.TLS.Port != 0 {
		line("", "SMTP under TLS on "+net.JoinHostPort(cmp.Or(s.SMTPIPAddress, "*"), strconv.Itoa(s.TLS.Port)))
	}
	if s.LMTP.Listen != "" {
		line("", "LMTP on "+s.LMTP.Listen)
	}
	if s.LMTP.PolicyListen != "" {
		line("", "asked by Postfix on "+s.LMTP.PolicyListen)
	}
	forwarded := "refused"
	if servers := s.ForwardServers(); len(servers) > 0 {
		forwarded = "forwarded to " + strings.Join(servers, ", ") + ", TLS " + s.ForwardTLS
	}
	line("", "mail that no application takes: "+forwarded)
	line("milter", s.Milter.Listen)
	if s.Milter.PolicyListen != "" {
		line("", "asked by Postfix on "+s.Milter.PolicyListen)
	}
	line("", "mail that no application takes: left to the mail server")
	line("clients", entries(s.Clients, "only those of the applications' own lists"))
	if len(s.ProxyProtocolFrom) > 0 {
		line("", "named by the proxies "+entries(s.ProxyProtocolFrom, ""))
	}
	if a := s.Authentication; a.Backend != "none" {
		line("", "whoever logs in, backend "+a.Backend+either(a.AllowPlaintext, ", also without TLS", ", under TLS only"))
	}
	if a := s.Senders; a.Backend != "none" {
		line("senders", "rights of each from the backend "+a.Backend+either(a.Unknown == "allow", ", also those without a row may send", ", nobody else may send"))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Applications)) {
		summarize(line, s, name)
	}
	reports := "off: senders are not told what becomes of their jobs"
	if s.Reports.SMTPServer != "" {
		reports = "to senders by " + s.Reports.Server() + ", TLS " + s.Reports.TLS
	}
	line("reports", reports)
	line("log", logs(s))
	line("metrics", cmp.Or(s.Metrics.Listen, "off"))
	return w.Flush()
}

// summarize says what becomes of the mail of one application.
func summarize(line func(what, text string), s *config.Settings, name string) {
	app, what := s.Applications[name], "application "+name
	if !app.Enabled {
		line(what, "disabled")
		return
	}
	for i, expression := range app.Addresses {
		line(either(i == 0, what, ""), expression)
	}
	if list := entries(app.Clients, ""); list != "" {
		line("", "for the clients "+list)
	}
	if s.Queue.On() {
		line("", app.CTLType+" jobs in the queue "+s.Queue.Name)
	} else {
		line("", app.CTLType+" jobs in "+app.OutputFolder)
	}
	reader := "handed on by another program"
	if app.CTLType == "sms" && app.MaxParts > 0 {
		reader += ", which alone bounds what a text costs: max_parts does not"
	}
	for _, consumer := range slices.Sorted(maps.Keys(s.Consume)) {
		if c := s.Consume[consumer]; c.ApplicationOf(consumer) == name {
			reader = "handed on to " + c.Target + " by smtpreceiver consume " + consumer
		}
	}
	line("", reader)
}

// entries are those of a client list on one line.
func entries(list []string, none string) string {
	var all []string
	for _, of := range list {
		for entry := range strings.SplitSeq(of, ",") {
			if entry = strings.TrimSpace(entry); entry != "" {
				all = append(all, entry)
			}
		}
	}
	return cmp.Or(strings.Join(all, ", "), none)
}

// logs says where log lines of which levels go.
func logs(s *config.Settings) string {
	var to []string
	for _, of := range []struct{ name, levels string }{
		{"console", s.LogConsole}, {"event log", s.LogEventLog}, {s.LoggingFileName, s.LogFile},
	} {
		if of.name != "" && of.levels != "" {
			to = append(to, of.name+" ("+of.levels+")")
		}
	}
	return cmp.Or(strings.Join(to, ", "), "nowhere")
}
