package core

import (
	"regexp"
	"strings"
	"testing"
)

// manualApplication has the examples of the original's manual as they are
// printed there; the page breaks the second expression in two lines.
const manualApplication = `
clients: localhost
applications:
  fax:
    output_folder: '{dir}/fax'
    process_attachments: 0
    enabled: 1
    format_preference: txt
    ctl_type: fax
    addresses:
      - '{addr_re_0}'
      - ' (?:(?P<name>[^/]+)/(?:(?P<company>[^/]+)/(?:(?P<dept>[^/]+)/)?)?)?(?P<number>[+i]?\d+)@fax$'
    from_enabled: ['.*']
    from_disabled: ['.*@fax$', '.*@gsm$']
    ctl_settings:
      - system|maxlen = 1
      - system|dr = 0
      - system|no_send_info = 1
      - system|nomodify = 1
      - system|priority = normal
      - system|user_app_id|parse|subject = .*ID:(\d+).*
    transform:
      txt: |-
        Now is <%time.strftime("%x %X")%>\n Message from:<%messageFromName%> <%messageFromAddress%>\n<%subject%>\n Send reply to: <%messageReplyToAddress|'lamp_room@petrol.org'%> \n<%msg%>
      from/email: |-
        <%messageReplyToAddress| messageFromAddress |'lamp_room@petrol.org'%>
      system/received: |-
        <%time.strftime("%x %X",time.localtime())%>
`

const (
	printed = `?(P<number>\+?[\d]+)@fax`
	meant   = `(?P<number>\+?[\d]+)@fax`
)

// TestManualMisprint: the first address expression cannot work as printed;
// check says which key it is and how to write it.
func TestManualMisprint(t *testing.T) {
	t.Parallel()
	problems, _ := Check(settings(t, t.TempDir(), basics+strings.Replace(manualApplication, "{addr_re_0}", printed, 1)))
	if len(problems) != 1 || problems[0].Key != "applications.fax.addresses[0]" || !strings.Contains(problems.Error(), `(?P<number>`) {
		t.Errorf("problems %v", problems)
	}
}

func TestManual(t *testing.T) {
	t.Parallel()
	b := open(t, strings.Replace(manualApplication, "{addr_re_0}", meant, 1))
	const moment = `\d\d/\d\d/\d\d \d\d:\d\d:\d\d`
	for _, tt := range []struct {
		name, rcpt, mail string
		text             string // regular expression
		ctl              map[string]string
	}{
		{"all there", `"Petr Brouzda/Datasys/Dev/+42061388454"@fax`,
			"From: Eva <eva@petrol.org>\nReply-To: reply@petrol.org\nSubject: Pump 3 ID:4711 stopped\n\nIt stopped at noon.\n",
			`^Now is ` + moment + `\r\n Message from:Eva eva@petrol\.org\r\nPump 3 ID:4711 stopped\r\n Send reply to: reply@petrol\.org \r\nIt stopped at noon\.\r\n$`,
			map[string]string{
				"from/email": "reply@petrol.org", "system/user_app_id": "4711", "system/subject": "Pump 3 ID:4711 stopped",
				"to/name": "Petr Brouzda", "to/company": "Datasys", "to/dept": "Dev", "to/number": "+42061388454",
			}},
		{"no Reply-To", "61388454@fax", "From: Eva <eva@petrol.org>\nSubject: no number\n\nx",
			`^Now is ` + moment + `\r\n Message from:Eva eva@petrol\.org\r\nno number\r\n Send reply to: lamp_room@petrol\.org \r\nx$`,
			map[string]string{"from/email": "eva@petrol.org", "system/user_app_id": "", "to/number": "61388454", "to/name": ""}},
		{"no sender in the header", "i7@fax", "Subject:\n\n",
			`^Now is ` + moment + `\r\n Message from: \r\n\r\n Send reply to: lamp_room@petrol\.org \r\n$`,
			map[string]string{"from/email": "lamp_room@petrol.org", "from/smtp": "a@b.example", "to/number": "i7"}},
		{"plain form", "+420123456@fax.example.com", mail, `(?s)^Now is .*\r\nbody\r\n$`, map[string]string{"to/number": "+420123456"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := b.send(t, localhost, "a@b.example", []string{tt.rcpt}, tt.mail)[0]
			if !regexp.MustCompile(tt.text).MatchString(j.text) {
				t.Errorf("text %q, want %s", j.text, tt.text)
			}
			j.values(t, tt.ctl)
			j.values(t, map[string]string{
				"system/type": "fax", "system/app": "fax", "system/maxlen": "1", "system/dr": "0", "system/no_send_info": "1",
				"system/nomodify": "1", "system/priority": "normal", "from/gateway": "s",
			})
			if got := j.ctl.Get("system", "received"); !regexp.MustCompile("^" + moment + "$").MatchString(got) {
				t.Errorf("system/received is %q", got)
			}
		})
	}
	for sender, want := range map[string]string{"eva@fax": "550 5.7.1", "eva@gsm": "550 5.7.1", "eva@fax.example.com": "divert"} {
		trx := b.Begin(localhost)
		if _, err := trx.Sender(sender, Envelope{}); err != nil {
			t.Fatal(err)
		}
		if got := verdict(trx.Recipient(t.Context(), "1@fax", RecipientOptions{})); got != want {
			t.Errorf("%s: %s, want %s", sender, got, want)
		}
		trx.Abort()
	}
}

// TestManualSettings reads the values of the manual's basic configuration.
func TestManualSettings(t *testing.T) {
	t.Parallel()
	s := settings(t, t.TempDir(), `
state_directory: '{dir}/state'
forward_smtp_server_port: 25
log_console: EWIT
log_event_log: EW
log_file: EWIT
logging_file_name: '{dir}/smtp.log'
log_rcv_data: 0
output_code_page: cp1250
socket_timeout: 60
smtp_port: 25
thread_num: 5
thread_priority: -15
min_free_space: 0
clients: [localhost, 'cxhlpsrv,syscae.syscae.cz', 192.168.1.0-192.168.1.31]
default_charset: windows-1252
applications:
  fax:
    output_folder: '{dir}/fax'
    ctl_type: fax
    addresses: '(?P<number>\d+)@fax$'
    format_preference: txt;eml;mht;htm
    cmd_tags: faxchange
    nonstandard_data_terminator: '\r\n .\r\n'
    nonstandard_data_terminator_clients: [localhost, 'cxhlpsrv,syscae.syscae.cz', 192.168.1.0-192.168.1.31]
    clients: [localhost, 'cxhlpsrv,syscae.syscae.cz', 192.168.1.0-192.168.1.31]
    process_anonymous: 0
    process_att_msg: 0
`)
	problems, warnings := Check(s)
	if len(problems) > 0 || len(warnings) > 0 {
		t.Errorf("problems %v, warnings %v", problems, warnings)
	}
	app := s.Applications["fax"]
	if len(app.FormatPreference) != 4 || app.NonstandardDataTerminator != "\r\n .\r\n" {
		t.Errorf("%+v", app)
	}
}
