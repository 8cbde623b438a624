package migrate

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/config"
)

// TestManual has every value that the original's manual names, in the key where
// it stands, and what becomes of it.
func TestManual(t *testing.T) {
	app := func(s *config.Settings) *config.Application { return s.Applications["fax"] }
	for _, tt := range []struct {
		key, name, data string // data as in the file
		got             func(*config.Settings) any
		want            any
	}{
		{"", "forward_smtp_server", `"mail.petrol.org"`, func(s *config.Settings) any { return s.ForwardSMTPServer }, "mail.petrol.org"},
		{"", "forward_smtp_server_port", `"25"`, func(s *config.Settings) any { return s.ForwardSMTPServerPort }, 25},
		{"", "id_allocated", `dword:0000ffff`, func(s *config.Settings) any { return s.IDAllocated }, uint64(65535)},
		{"", "id_allocated", `"1234567890123"`, func(s *config.Settings) any { return s.IDAllocated }, uint64(1234567890123)},
		{"", "log_console", `"EWIT"`, func(s *config.Settings) any { return s.LogConsole }, "EWIT"},
		{"", "log_console", `""`, func(s *config.Settings) any { return s.LogConsole }, ""},
		{"", "log_event_log", `"e"`, func(s *config.Settings) any { return s.LogEventLog }, "E"},
		{"", "log_file", `"EWIT"`, func(s *config.Settings) any { return s.LogFile }, "EWIT"},
		{"", "logging_file_name", `"D:\\Faxchange\\log\\smtp.log"`, func(s *config.Settings) any { return s.LoggingFileName }, "/srv/Faxchange/log/smtp.log"},
		{"", "log_rcv_data", "\"1\"\n\"log_file\"=\"EWIT\"", func(s *config.Settings) any { return s.LogRcvData }, true},
		{"", "output_code_page", `"cp852"`, func(s *config.Settings) any { return s.OutputCodePage }, "cp852"},
		{"", "socket_timeout", `dword:0000003c`, func(s *config.Settings) any { return s.SocketTimeout }, time.Minute},
		{"", "smtp_ip_address", `"192.168.1.7"`, func(s *config.Settings) any { return s.SMTPIPAddress }, "192.168.1.7"},
		{"", "smtp_port", `"2525"`, func(s *config.Settings) any { return s.SMTPPort }, 2525},
		{"", "thread_num", `dword:00000007`, func(s *config.Settings) any { return s.ThreadNum }, 7},
		{"", "thread_priority", `dword:fffffff1`, func(s *config.Settings) any { return s.ThreadPriority }, -15},
		{"", "thread_priority", `"-2"`, func(s *config.Settings) any { return s.ThreadPriority }, -2},
		{`\clients`, "2", `"192.168.1.0-192.168.1.31"`, func(s *config.Settings) any { return s.Clients }, []string{"localhost", "192.168.1.0-192.168.1.31"}},
		{`\clients`, "1", `"cxhlpsrv,syscae.syscae.cz"`, func(s *config.Settings) any { return s.Clients }, []string{"localhost", "cxhlpsrv", "syscae.syscae.cz"}},
		{`\applications\fax`, "output_folder", `hex(2):44,00,3a,00,5c,00,61,00,00,00`, func(s *config.Settings) any { return app(s).OutputFolder }, "/srv/a"},
		{`\applications\fax`, "process_attachments", `"1"`, func(s *config.Settings) any { return app(s).ProcessAttachments }, true},
		{`\applications\fax`, "process_attachments", `dword:00000002`, func(s *config.Settings) any { return app(s).ProcessAttachments }, true},
		{`\applications\fax`, "enabled", "\"0\"\n[" + top + "]\n\"forward_smtp_server\"=\"mail\"", func(s *config.Settings) any { return app(s).Enabled }, false},
		{`\applications\fax`, "format_preference", `"MHT; txt"`, func(s *config.Settings) any { return app(s).FormatPreference }, []string{"mht", "txt"}},
		{`\applications\fax`, "ctl_type", `"SMS"`, func(s *config.Settings) any { return app(s).CTLType }, "sms"},
		{`\applications\fax`, "cmd_tags", `" SOFTWARE\\Datasys\\FaxChange\\info\\smtp_tag"`, func(s *config.Settings) any { return app(s).CmdTags }, "faxchange"},
		{`\applications\fax`, "nonstandard_data_terminator", `"\\r\\n .\\r\\n"` + "\n[" + fax + "\\clients\\nonstandard_data_terminator]\n\"0\"=\"localhost\"",
			func(s *config.Settings) any { return app(s).NonstandardDataTerminator }, "\r\n .\r\n"},
		{`\applications\fax\clients\nonstandard_data_terminator`, "0", "\"localhost,10.0.0.7\"\n[" + fax + "]\n\"nonstandard_data_terminator\"=\"\\\\r\\\\n .\\\\r\\\\n\"",
			func(s *config.Settings) any { return app(s).NonstandardDataTerminatorClients }, []string{"localhost", "10.0.0.7"}},
		{`\applications\fax`, "process_anonymous", `"1"`, func(s *config.Settings) any { return app(s).ProcessAnonymous }, true},
		{`\applications\fax`, "process_att_msg", `"1"`, func(s *config.Settings) any { return app(s).ProcessAttMsg }, true},
		{`\applications\fax\clients`, "0", `"localhost"`, func(s *config.Settings) any { return app(s).Clients }, []string{"localhost"}},
		{`\applications\fax\addresses`, "addr_re_0", `"?(P<number>\\+?[\\d]+)@fax"`, func(s *config.Settings) any { return app(s).Addresses }, []string{`(?P<number>\+?[\d]+)@fax`}},
		{`\applications\fax\addresses`, "addr_re_1", `" (?:(?P<name>[^/]+)/)?(?P<number>[+i]?\\d+)@fax$"`, func(s *config.Settings) any { return app(s).Addresses[1] }, `(?:(?P<name>[^/]+)/)?(?P<number>[+i]?\d+)@fax$`},
		{`\applications\fax\addresses`, "add_re_1", `".*@fax$"`, func(s *config.Settings) any { return app(s).Addresses[1] }, ".*@fax$"},
		{`\applications\fax\from_enabled`, "1", `".*@petrol\\.org$"`, func(s *config.Settings) any { return app(s).FromEnabled }, []string{`.*@petrol\.org$`}},
		{`\applications\fax\from_disabled`, "1", "\".*@fax$\"\n\"2\"=\".*@gsm$\"", func(s *config.Settings) any { return app(s).FromDisabled }, []string{".*@fax$", ".*@gsm$"}},
		{`\applications\fax\ctl_settings`, "system|maxlen", `"1"`, func(s *config.Settings) any { return app(s).CTLSettings }, []string{"system|maxlen = 1"}},
		{`\applications\fax\ctl_settings`, "system|dr", `dword:00000000`, func(s *config.Settings) any { return app(s).CTLSettings }, []string{"system|dr = 0"}},
		{`\applications\fax\ctl_settings`, "system|no_send_info", `"1"`, func(s *config.Settings) any { return app(s).CTLSettings }, []string{"system|no_send_info = 1"}},
		{`\applications\fax\ctl_settings`, "system|nomodify", `"1"`, func(s *config.Settings) any { return app(s).CTLSettings }, []string{"system|nomodify = 1"}},
		{`\applications\fax\ctl_settings`, "system|priority", `"normal"`, func(s *config.Settings) any { return app(s).CTLSettings }, []string{"system|priority = normal"}},
		{`\applications\fax\ctl_settings`, "system|user_app_id|parse|subject", `".*ID:(\\d+).*"`, func(s *config.Settings) any { return app(s).CTLSettings }, []string{`system|user_app_id|parse|subject = .*ID:(\d+).*`}},
		{`\applications\fax\transform`, "Subject", `"<%subject%>"`, transformed("subject"), "<%subject%>"},
		{`\applications\fax\transform`, "txt", `"<%time.strftime(\"%x %X\",time.localtime())%>\\n<%msg%>"`, transformed("txt"), `<%time.strftime("%x %X",time.localtime())%>\n<%msg%>`},
		{`\applications\fax\transform`, "from/name", `"<%messageFromName|messageReplyToName%>"`, transformed("from/name"), "<%messageFromName|messageReplyToName%>"},
		{`\applications\fax\transform`, "from/username", `"<%address%> <%app%>"`, transformed("from/username"), "<%address%> <%app%>"},
		{`\applications\fax\transform`, "from/email", `"<%messageReplyToAddress| messageFromAddress |'lamp_room@petrol.org'%>"`, transformed("from/email"), "<%messageReplyToAddress| messageFromAddress |'lamp_room@petrol.org'%>"},
		{`\applications\fax\transform`, "from/gateway", `"s"`, transformed("from/gateway"), "s"},
		{`\applications\fax\transform`, "from/smtp", `"<%format%><%msgFileName%><%pri%>"`, transformed("from/smtp"), "<%format%><%msgFileName%><%pri%>"},
	} {
		s, r := importText(t, fmt.Sprintf("%s[%s%s]\n%q=%s\n", minimal, top, tt.key, tt.name, tt.data))
		if got := tt.got(s); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s %s=%s: %q, want %q in\n%s", tt.key, tt.name, tt.data, got, tt.want, r.YAML)
		}
		if lost := lines(r, Lost); lost != "" {
			t.Errorf("%s %s=%s: %s", tt.key, tt.name, tt.data, lost)
		}
	}
}

func transformed(target string) func(*config.Settings) any {
	return func(s *config.Settings) any { return s.Applications["fax"].Transform[target] }
}

// TestManualAuthentication: the one value without an equivalent is explained.
func TestManualAuthentication(t *testing.T) {
	_, r := importText(t, minimal+"["+top+"]\n\"authentication_lib\"=\"Mxcomdbapi.mxdbapi\"\n")
	if got := lines(r, Lost); !strings.HasPrefix(got, `not taken over: authentication_lib: "Mxcomdbapi.mxdbapi": `) || !strings.Contains(string(r.YAML), "#   authentication:\n#     backend: sql\n") {
		t.Errorf("%s in\n%s", got, r.YAML)
	}
	if _, r = importText(t, minimal+"["+top+"]\n\"authentication_lib\"=\"\"\n"); lines(r, Lost, Changed) != "" {
		t.Error(lines(r, Lost, Changed))
	}
}

// TestUnknown: what the manual does not name is told, wherever it stands.
func TestUnknown(t *testing.T) {
	export := minimal
	places := []string{"", `\x`, `\applications`, `\clients\x`, `\applications\fax`, `\applications\fax\x\y`, `\applications\fax\addresses`, `\applications\fax\addresses\x`,
		`\applications\fax\from_enabled\x`, `\applications\fax\clients\x`, `\applications\fax\clients\nonstandard_data_terminator\x`, `\applications\fax\transform\x`}
	for i, place := range places {
		export += fmt.Sprintf("[%s%s]\n\"unknown_x\"=\"data%d\"\n", top, place, i)
	}
	_, r := importText(t, export)
	for i, place := range places {
		want := strings.TrimPrefix(strings.TrimPrefix(place, `\`)+": ", ": ") + fmt.Sprintf("unknown_x: \"data%d\"", i)
		if !strings.Contains(lines(r, Lost), "not taken over: "+want) || !strings.Contains(string(r.YAML), want) {
			t.Errorf("%s is not told:\n%s", want, lines(r, Lost))
		}
	}
}

// TestNoClients: what is a client in one key is none in a key beside it.
func TestNoClients(t *testing.T) {
	places := []string{`clients\x`, `from_enabled\nonstandard_data_terminator`, `clients\nonstandard_data_terminator\x`}
	export := minimal
	for _, place := range places {
		export += fmt.Sprintf("[%s\\%s]\n\"0\"=\"10.0.0.9\"\n", fax, place)
	}
	s, r := importText(t, export)
	app := s.Applications["fax"]
	if len(app.Clients) > 0 || len(app.NonstandardDataTerminatorClients) > 0 {
		t.Errorf("clients %q, %q", app.Clients, app.NonstandardDataTerminatorClients)
	}
	for _, place := range places {
		if want := place + `: 0: "10.0.0.9"`; !strings.Contains(lines(r, Lost), want) {
			t.Errorf("%s is not told:\n%s", want, lines(r, Lost))
		}
	}
}
