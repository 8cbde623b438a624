package config

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"smtpreceiver/core/suggest"
)

// builtinTags are the sets of @commands that need no entry in tags.
var builtinTags = []string{"mobilchange", "faxchange"}

var (
	instanceSyntax   = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9-]{0,15})?$`)
	terminatorSyntax = regexp.MustCompile(`^\r\n[^\r\n]{1,998}\r\n$`)
	hostnameSyntax   = regexp.MustCompile(`^([A-Za-z0-9_.-]{1,253}|\[[0-9A-Za-z.:]+\])?$`)
)

// contradictions reports what is well-formed by itself but cannot be meant, in
// s as a whole.
func (l *loader) contradictions(s *Settings) {
	l.identity(s)
	l.forwarding(s)
	l.tls(s)
	l.authentication(s)
	l.senders(s)
	l.queue(s)
	l.consumers(s)
	l.reports(s)
	if s.LogRcvData && !strings.Contains(s.LogConsole+s.LogEventLog+s.LogFile, "T") {
		l.contradiction("log_rcv_data", "has no effect, because no log has the level T", "add T to log_file, or remove the key",
			"log_console", "log_event_log", "log_file")
	}
	enabled := false
	for name, app := range s.Applications {
		shown := KeyPath("applications", name) + "."
		enabled = enabled || app.Enabled || l.bad[shown+"enabled"]
		l.application(shown, app, s.Tags)
		l.outputFolder(shown+"output_folder", app, s.Queue.On())
	}
	if !enabled && s.ForwardSMTPServer == "" {
		l.contradiction("applications", "none is enabled and there is no forward server, so no mail could be taken",
			"set up an application, or forward_smtp_server", "forward_smtp_server", "configuration")
	}
}

// contradiction records a problem of key unless key or one of the others it
// rests on has a problem of its own.
func (l *loader) contradiction(key, what, remedy string, others ...string) {
	if l.bad[key] || slices.ContainsFunc(others, func(other string) bool { return l.bad[other] }) {
		return
	}
	l.reject(key, what, remedy)
}

// both reports the missing one of two keys that go together.
func (l *loader) both(key, value, otherKey, otherValue string) {
	if value != "" && otherValue == "" {
		key, otherKey = otherKey, key
	} else if value != "" || otherValue == "" {
		return
	}
	l.contradiction(key, "missing, though "+otherKey+" is set", "set both or none", otherKey)
}

// identity checks what names this host: its address, its name and its instance.
func (l *loader) identity(s *Settings) {
	if _, err := netip.ParseAddr(s.SMTPIPAddress); err != nil && s.SMTPIPAddress != "" {
		l.contradiction("smtp_ip_address", quote(s.SMTPIPAddress)+" is not an IP address", "write an IPv4 or IPv6 address, or leave it empty for all")
	}
	if !hostnameSyntax.MatchString(s.Hostname) {
		l.contradiction("hostname", quote(s.Hostname)+" is not a host name", "use letters, digits, '-' and '.', such as mail.example.com")
	}
	if !instanceSyntax.MatchString(s.Instance) {
		l.contradiction("instance", quote(s.Instance)+" cannot begin file names", "use letters, digits and '-', at most 16 in all")
	}
}

// forwarding checks the forward_ keys against each other.
func (l *loader) forwarding(s *Settings) {
	if s.ForwardSMTPServer == "" {
		const what, remedy = "set, but there is no server to forward to", "set forward_smtp_server, or remove the key"
		for key, set := range map[string]bool{
			"forward_smtp_server_port": s.ForwardSMTPServerPort != 25,
			"forward_tls":              s.ForwardTLS != "none",
			"forward_username":         s.ForwardUsername != "",
			"forward_password":         s.ForwardPassword != "",
			"forward_client_cert_file": s.ForwardClientCertFile != "",
		} {
			if set {
				l.contradiction(key, what, remedy, "forward_smtp_server")
			}
		}
	}
	l.both("forward_username", s.ForwardUsername, "forward_password", s.ForwardPassword)
	l.both("forward_client_cert_file", s.ForwardClientCertFile, "forward_client_key_file", s.ForwardClientKeyFile)
	if s.ForwardClientCertFile != "" && s.ForwardTLS == "none" {
		l.contradiction("forward_tls", "a certificate is shown in TLS only", "set it to required or implicit", "forward_client_cert_file")
	}
	if s.ForwardUsername != "" && s.ForwardTLS == "none" {
		l.contradiction("forward_tls", "the password would travel in clear", "set it to required or implicit", "forward_username")
	}
}

// tls checks the keys of the listener's certificate against each other.
func (l *loader) tls(s *Settings) {
	l.both("tls.cert_file", s.TLS.CertFile, "tls.key_file", s.TLS.KeyFile)
	if s.TLS.Port == 0 {
		return
	}
	if s.TLS.CertFile == "" {
		l.contradiction("tls.port", "set, but there is no certificate to show there", "set tls.cert_file and tls.key_file, or remove the key", "tls.cert_file", "tls.key_file")
	} else if s.TLS.Port == s.SMTPPort {
		l.contradiction("tls.port", "the same as smtp_port, where clients begin without TLS", "choose another port, usually 465", "smtp_port")
	}
}

// application checks the keys of one application against each other; shown
// stands before its keys.
func (l *loader) application(shown string, app *Application, tags map[string]map[string]string) {
	if _, own := tags[app.CmdTags]; app.CmdTags != "" && !own && !slices.Contains(builtinTags, app.CmdTags) {
		sets := slices.Clone(builtinTags)
		for set := range tags {
			sets = append(sets, set)
		}
		remedy := "add the set to tags, or use one of: " + strings.Join(slices.Sorted(slices.Values(sets)), ", ")
		if question := suggest.Question(app.CmdTags, "", sets); question != "" {
			remedy = question
		}
		l.contradiction(shown+"cmd_tags", "there is no set "+quote(app.CmdTags), remedy, "tags")
	}
	for extension, command := range app.Dearchive {
		if len(command) == 0 || command[0] == "" {
			l.contradiction(shown+"dearchive."+KeyPath(extension), "the command is empty", "write the program and its arguments as a list")
		}
	}
	l.terminator(shown, app)
}

// terminator checks the end of DATA that some clients send.
func (l *loader) terminator(shown string, app *Application) {
	key, clientsKey := shown+"nonstandard_data_terminator", shown+"nonstandard_data_terminator_clients"
	terminator, clients := app.NonstandardDataTerminator, app.NonstandardDataTerminatorClients
	switch {
	case terminator == "" && len(clients) > 0:
		l.contradiction(key, "missing, though there are clients for it", `set it, for example to '\r\n .\r\n', or remove nonstandard_data_terminator_clients`, clientsKey)
	case terminator == "":
	case len(clients) == 0:
		l.contradiction(clientsKey, "missing, though there is a terminator for them", "list the clients, or remove nonstandard_data_terminator", key)
	case !terminatorSyntax.MatchString(terminator):
		l.contradiction(key, quote(terminator)+" could end a message in its middle", `begin and end it with \r\n and put one line between, such as '\r\n .\r\n'`)
	}
}
