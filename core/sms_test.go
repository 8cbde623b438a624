package core

import (
	"strings"
	"testing"

	"smtpreceiver/core/explained"
)

// TestSMSText: what is not worth an SMS is not in the text that is written; a mail
// without text sends its subject; faxes keep all.
func TestSMSText(t *testing.T) {
	t.Parallel()
	b := open(t, `
clients: 127.0.0.1
applications:
  sms:
    output_folder: '{dir}/sms'
    ctl_type: sms
    addresses: '(?P<number>\d+)@sms$'
    cmd_tags: mobilchange
    sms_text: [signature, quote, 'mark:###']
    transform: {txt: '<%msg.strip()|subject%>'}
  plain:
    output_folder: '{dir}/sms'
    ctl_type: sms
    addresses: '(?P<number>\d+)@plain$'
    sms_text: 'signature;quote'
  fax:
    output_folder: '{dir}/fax'
    ctl_type: fax
    addresses: '(?P<number>\d+)@fax$'
    sms_text: signature
`)
	const head = "Subject: Server room\nContent-Type: text/plain; charset=utf-8\n\n"
	for _, tt := range []struct{ to, mail, want string }{
		{"1@sms", head + "31 degrees\n-- \nPetr\n", "31 degrees"},
		{"1@sms", head + "@dr=1\n\n31 degrees ### internal\nmore\n", "31 degrees"},
		{"1@sms", head + "yes\n\nOn Mon, 3 Nov 2025, Eva wrote:\n> Shall I?\n", "yes"},
		{"1@sms", head + "\n", "Server room"},
		{"1@sms", head, "Server room"},
		{"1@sms", head + " \n\t\n-- \nPetr\n", "Server room"},
		{"1@sms", "Subject: Server room\nContent-Type: text/html\n\n<p>&nbsp;</p>", "Server room"},
		{"1@plain", head + "31 degrees\n-- \nPetr\n", "31 degrees\r\n"},
		{"1@plain", head + strings.Repeat("a", 2<<20) + "\n-- \nPetr", strings.Repeat("a", 2<<20) + "\r\n-- \r\nPetr"},
		{"1@fax", head + "31 degrees\n-- \nPetr\n", "31 degrees\r\n-- \r\nPetr\r\n"},
	} {
		jobs := b.sendRaw(t, localhost, "a@b.example", []string{tt.to}, withCRLF(tt.mail))
		if len(jobs) != 1 || jobs[0].text != tt.want {
			t.Errorf("%s, %.80q: %d jobs, text %.80q", tt.to, tt.mail, len(jobs), jobs[0].text)
		}
	}
}

// TestExplainCost: explain says how many SMS a text makes, by what stands in the CTL.
func TestExplainCost(t *testing.T) {
	t.Parallel()
	b := open(t, `
clients: 127.0.0.1
reports: {smtp_server: 127.0.0.1}
consume: {sms: {target: command, command: [/bin/true, '{number}']}}
applications:
  sms:
    output_folder: '{dir}/sms'
    ctl_type: sms
    addresses: '(?P<number>\d+)@sms$'
    cmd_tags: mobilchange
    max_parts: 3
    ctl_layout: {system/maxlen: sms/most}
  fax:
    output_folder: '{dir}/fax'
    ctl_type: fax
    addresses: '(?P<number>\d+)@fax$'
`)
	long := strings.Repeat("a", 500)
	for _, tt := range []struct {
		text string
		want explained.SMS
	}{
		{"Hello", explained.SMS{Parts: 1, Whole: 1, Alphabet: "GSM 7-bit"}},
		{"Ahoj, čau", explained.SMS{Parts: 1, Whole: 1, Alphabet: "UCS-2"}},
		{long, explained.SMS{Parts: 3, Whole: 4, Alphabet: "GSM 7-bit"}},
		{"@maxlen=2\n\n" + long, explained.SMS{Parts: 2, Whole: 4, Alphabet: "GSM 7-bit"}},
		{"@action=2\n@maxlen=1\n\n" + long, explained.SMS{Whole: 4, Alphabet: "GSM 7-bit", Refused: "the text makes 4 SMS and maxlen allows 1; with action 1 or 2 a longer text is not sent: shorten it"}},
		{" ", explained.SMS{Alphabet: "GSM 7-bit", Refused: "the text is empty"}},
	} {
		e := explain(t, b, Question{Client: localhost, Sender: "a@b.example", Recipients: []string{"1@sms", "1@fax"},
			Message: strings.NewReader(string(withCRLF("Subject: x\nContent-Type: text/plain; charset=utf-8\n\n" + tt.text)))})
		if got := e.Message.Jobs[0].SMS; got == nil || *got != tt.want {
			t.Errorf("%.30q: %+v", tt.text, got)
		}
		if e.Message.Jobs[1].SMS != nil {
			t.Error("a fax costs SMS")
		}
	}
}
