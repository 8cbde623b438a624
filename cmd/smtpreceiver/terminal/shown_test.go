package terminal

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"smtpreceiver/core/config"
	"smtpreceiver/core/consume/joblist"
	"smtpreceiver/core/explained"
	"smtpreceiver/core/logging"
	"smtpreceiver/core/queue"
	"smtpreceiver/core/report"
	"smtpreceiver/core/status"
)

var update = flag.Bool("update", false, "write the files of testdata anew")

// TestShown holds what the commands show to the files of testdata.
func TestShown(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 14, 5, 6, 0, time.Local)
	for name, write := range map[string]func(io.Writer) error{
		"explained": func(w io.Writer) error { return Explanation(w, mail()) },
		"explained-refused": func(w io.Writer) error {
			for _, stage := range []string{"greeting", "mail", "message"} {
				e := &explained.Mail{Frontend: "standalone", Sender: "a@b.example", Refused: &explained.Refusal{Stage: stage, Reply: explained.Reply{Code: 550, Enhanced: "5.7.1", Text: "No"}}}
				if err := Explanation(w, e); err != nil {
					return err
				}
			}
			return Explanation(w, &explained.Mail{Frontend: "standalone", Message: &explained.Message{Jobs: []explained.Job{{Name: "00000001", Application: "sms", Recipient: "1@sms"}}}})
		},
		"explained-policy": func(w io.Writer) error {
			return Explanation(w, &explained.Mail{
				Frontend: "milter", Policy: true, Client: explained.Client{Address: "192.0.2.1", User: "jan"}, Sender: "a@b.example",
				Recipients: []explained.Recipient{
					{Given: "1@fax", Mailbox: "1@fax", Match: "1@fax", Outcome: explained.OutcomeAllowed, Application: "fax", Action: "DUNNO"},
					{Given: "x@y", Outcome: explained.OutcomeLeft},
				},
				Message: &explained.Message{Size: 12},
			})
		},
		"jobs": func(w io.Writer) error {
			return Jobs(w, []*joblist.Job{
				{ID: "00000001", App: "fax", State: "waiting", Since: time.Now().Add(-90 * time.Minute), Recipient: "1@fax\x1b[2J"},
				{ID: "00000002", App: "fax", State: "held", OnItsWay: true, By: "gw1\a", InDoubt: true, Since: time.Now().Add(-3 * time.Minute), Tries: 2, Recipient: "2@fax"},
				{ID: "00000003", App: "sms", State: "waiting", OnItsWay: true, Since: time.Now().Add(-3 * time.Minute), Recipient: "3@sms"},
				{ID: "00000004", App: "sms", State: "held", InDoubt: true, Since: time.Now().Add(-3 * time.Minute), Tries: 1, Recipient: "4@sms", Reason: "no answer\r\n"},
			})
		},
		"job": func(w io.Writer) error {
			Job(w, &joblist.Job{
				ID: "00000001", App: "fax", Consumer: "out", State: "held", OnItsWay: true, InDoubt: true, Since: at, Tries: 3, Next: at.Add(time.Hour), Reason: "busy\x1b",
				Recipient: "1@fax", Sender: "a@b.example", Path: "/fax/00000001.ctl", Files: []string{"00000001.ctl", "00000001.txt"}, Control: "[to]\r\nnumber=1\x1b\r\n",
				Reports: &joblist.Reports{Sender: "a@b.example", Told: []report.Action{report.Delayed}, Waits: []string{"", "refused"}},
			})
			Job(w, &joblist.Job{ID: "00000002", App: "fax", State: "waiting", Since: at, Path: "/fax/00000002.ctl"})
			return nil
		},
		"status": func(w io.Writer) error {
			started := time.Now().Add(-10 * time.Second)
			var out strings.Builder
			err := Status(&out, &status.Report{
				Service: status.Service{State: "up", Frontend: "milter", Version: "3.1", Started: started, Reloaded: at, Alive: true},
				Applications: []status.Application{
					{App: "fax", Waiting: 2, Held: 3, Failed: 4, Oldest: "00000007", AgeSeconds: 3720, FreeBytes: 3 << 30, Staged: 5, Bounded: true},
					{App: "sms", FreeBytes: 1 << 20},
				},
				State: status.State{Folder: "/state", FreeBytes: 2 << 30},
				Totals: &status.Totals{
					Messages: map[string]float64{"spooled": 2, "aborted": 0}, Jobs: map[string]float64{"sms": 1, "fax": 3}, Refusals: map[string]float64{"client": 4}, Connections: 6,
				},
				Errors:   []logging.Event{{Time: at, Level: "W", Line: "odd\x1b[0m"}},
				Problems: []string{"fax: odd\x1b", "sms: too"},
			})
			if err != nil {
				return err
			}
			err = Status(&out, &status.Report{Service: status.Service{State: "unknown", Started: time.Now().Add(-30 * time.Minute)}, Totals: &status.Totals{Jobs: map[string]float64{"fax": 3}}, Problems: []string{"one"}})
			_, _ = io.WriteString(w, strings.ReplaceAll(out.String(), started.Format(time.DateTime), "10 s ago"))
			return err
		},
		"status-down": func(w io.Writer) error {
			return Status(w, &status.Report{Service: status.Service{State: "down"}, State: status.State{Folder: "/state", FreeBytes: 1}})
		},
		"status-unknown": func(w io.Writer) error {
			return Status(w, &status.Report{Service: status.Service{State: "unknown"}, Queue: &status.Queue{Name: "faxes"}})
		},
		"status-queue": func(w io.Writer) error {
			return Status(w, &status.Report{
				Service: status.Service{State: "up", Version: "3.1", Started: at, Reloaded: at.Add(time.Hour), Alive: true, Ready: true},
				Queue: &status.Queue{
					Name: "faxes", UsedBytes: 1 << 20, MaxBytes: 10 << 30,
					Servers:   []queue.Node{{Name: "mq1", Leads: true, Up: true, Current: true}, {Name: "mq2", Up: true, Behind: 3}, {Name: "mq3\x1b"}},
					Consumers: []queue.Worker{{Name: "out", App: "fax", Host: "gw1\x1b", Held: 2, Begun: 1}, {Name: "sms", App: "sms", Host: "gw2", Down: true}},
				},
			})
		},
		"summary": func(w io.Writer) error { return Summary(w, parse(t, everything)) },
		"summary-queue": func(w io.Writer) error {
			return Summary(w, parse(t, "instance: gw1\nqueue: {servers: 'nats://mq1:4222', unsynced: accept, name: faxes}\nsenders: {backend: file, file: /people, unknown: allow}\nauthentication: {backend: file, users_file: /users, allow_plaintext: 1}\napplications: {fax: {ctl_type: fax, addresses: a}}\n"))
		},
	} {
		var got bytes.Buffer
		if err := write(&got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		file := filepath.Join("testdata", name+".txt")
		if *update {
			if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestCommandsNothing: no character does anything to the terminal; the others stay.
func TestCommandsNothing(t *testing.T) {
	t.Parallel()
	in := "\x00\t\n\x1f ~\x7f\u0080\u009f\u00a0\u200e\u2027\u2028\u2029\u202a\u202e\u202f\u2065\u2066\u2069\u206a\xff"
	if got, want := Printable(in), "     ~   \u00a0 \u2027    \u202f\u2065  \u206a\ufffd"; got != want {
		t.Errorf("printable %q, want %q", got, want)
	}
	if got, want := visible(in), "\u2400\t\u240a\u241f ~\u2421\ufffd\ufffd\u00a0\ufffd\u2027\ufffd\ufffd\ufffd\ufffd\u202f\u2065\ufffd\ufffd\u206a\ufffd"; got != want {
		t.Errorf("visible %q, want %q", got, want)
	}
}

func parse(t *testing.T, yaml string) *config.Settings {
	t.Helper()
	s, err := config.Parse("yaml", []byte(yaml), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// everything sets what the summary speaks of.
const everything = `
smtp_ip_address: 192.0.2.1
smtp_port: 2525
clients: ['192.0.2.7, 192.0.2.8', 10.0.0.0/8]
proxy_protocol_from: [192.0.2.9, 192.0.2.10]
forward_smtp_server: mx1.example, mx2.example
forward_tls: opportunistic
tls: {cert_file: /cert, key_file: /key, port: 465}
lmtp: {listen: 'unix:/run/lmtp', policy_listen: 'unix:/run/lmtp-policy'}
milter: {listen: 'unix:/run/milter', policy_listen: 'unix:/run/policy'}
authentication: {backend: file, users_file: /users}
senders: {backend: file, file: /people}
reports: {smtp_server: mail.example, from: fax@b.example, tls: none}
metrics: {listen: '127.0.0.1:9100'}
logging_file_name: /var/log/smtp.log
log_console: EW
applications:
  fax: {output_folder: /fax, ctl_type: fax, addresses: ['a@fax$', 'b@fax$'], clients: 192.0.2.20}
  sms: {output_folder: /sms, ctl_type: sms, addresses: 'a@sms$', max_parts: 3}
  off: {output_folder: /off, ctl_type: sms, addresses: 'a@off$', enabled: 0}
consume:
  out: {application: fax, target: command, command: [/bin/true, '{txt}']}
`

// mail is one of which explain has much to say.
func mail() *explained.Mail {
	first, text := 0, "[to]\r\nnumber=1\x1b\r\n"
	no := &explained.Reply{Code: 550, Enhanced: "5.7.1", Text: "Number not allowed", Cause: "applications.sms.numbers_denied[0]"}
	return &explained.Mail{
		Frontend: "standalone", Client: explained.Client{Address: "127.0.0.1", Local: true}, Sender: "a@b.example\x07",
		Recipients: []explained.Recipient{
			{
				Given: "1@FAX", Mailbox: "1@FAX", Match: "1@fax", Outcome: explained.OutcomeTaken, Application: "fax", Job: &first,
				Applications: []explained.Application{
					{Name: "a", Answer: explained.AnswerDisabled}, {Name: "b", Answer: explained.AnswerNoMatch}, {Name: "c", Answer: explained.AnswerAside, Reply: no},
					{
						Name: "fax", Answer: explained.AnswerTakes,
						Address: &explained.Match{Key: "applications.fax.addresses[0]", Expression: `(?P<number>\d+)@fax$`, Groups: []explained.Group{{Name: "number", Value: "1\x9b\u202e"}}},
						Rules:   []explained.Rule{{Passed: true, Key: "clients", Entry: "127.0.0.1", Detail: "on it"}, {Key: "from_enabled", Detail: "is empty"}},
						Limits:  []explained.Limit{{Key: "max_jobs_per_sender", Jobs: 5}},
					},
					{Name: "z", Answer: explained.AnswerNotAsked},
				},
			},
			{Given: "2@sms", Match: "2@sms", Outcome: explained.OutcomeRefused, Reply: no, Applications: []explained.Application{{Name: "sms", Answer: explained.AnswerRefuses, Reply: no}}},
			{Given: "x@y", Mailbox: "x@y", Outcome: explained.OutcomeForwarded, ForwardServers: []string{"mx1", "mx2"}},
		},
		Message: &explained.Message{
			Size: 99, Charsets: []string{"the text: windows-1250\x7f"},
			Jobs: []explained.Job{
				{Name: "00000001", Application: "fax", Recipient: "1@fax", Files: []explained.File{{Name: "00000001.ctl", Size: 20, Text: &text}, {Name: "00000001_1_a.pdf", Size: 7}, {Name: "00000001.txt", Size: 20, Text: &text}}},
				{Name: "00000002", Application: "sms", Recipient: "2@sms", Folder: "sms", SMS: &explained.SMS{Parts: 2, Whole: 2, Alphabet: "GSM"}},
				{Name: "00000003", Application: "sms", Recipient: "3@sms", Folder: "sms", SMS: &explained.SMS{Parts: 2, Whole: 3, Alphabet: "UCS-2"}},
				{Name: "00000004", Application: "sms", Recipient: "4@sms", Folder: "sms", SMS: &explained.SMS{Refused: "too long"}},
			},
		},
		Warnings: []string{"one", "two"},
	}
}
