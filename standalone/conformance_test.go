package standalone

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

// sessionStates are the states of a session by what leads to them, in the order
// of the columns of commandStates. %s is the greeting of the protocol.
var sessionStates = []struct{ name, send, want string }{
	{"start", "", ""},
	{"greeted", "%s c.test\r\n", "250"},
	{"MAIL", "%s c.test\r\nMAIL FROM:<a@x.test>\r\n", "250 250"},
	{"RCPT", "%s c.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\n", "250 250 250"},
	{"accepted", "%s c.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nDATA\r\na\r\n.\r\n", "250 250 250 354 250"},
	{"refused", "%s c.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nDATA\r\na\nb\r\n.\r\n", "250 250 250 354 550"},
	{"reset", "%s c.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<1@fax>\r\nRSET\r\n", "250 250 250 250"},
}

// commandStates is what each command is answered in each state. Sections are of
// RFC 5321 unless they say otherwise.
var commandStates = []struct {
	section, command string
	want             string // start, greeted, MAIL, RCPT, accepted, refused, reset
}{
	{"4.1.1.1", "{hello} c.test", "250 250 250 250 250 250 250"},
	{"4.1.1.1", "{hello}", "501 501 501 501 501 501 501"},
	{"4.1.1.1", "{HELO}", "250 250 250 250 250 250 250"},
	{"RFC 2033 4.1", "{foreign} c.test", "500 500 500 500 500 500 500"},
	{"4.1.1.2", "MAIL FROM:<b@x.test>", "503 250 503 503 250 250 250"},
	{"4.1.1.2", "MAIL FROM:<>", "503 250 503 503 250 250 250"},
	{"4.1.1.2", "MAIL", "503 501 503 503 501 501 501"},
	{"4.1.1.2", "MAIL FROM:<b@x.test> SIZE=x", "503 501 503 503 501 501 501"},
	{"4.1.1.3", "RCPT TO:<2@fax>", "503 503 250 250 503 503 503"},
	{"4.1.1.3", "RCPT TO:<2@nowhere>", "503 503 550 550 503 503 503"},
	{"4.1.1.3", "RCPT", "503 503 501 501 503 503 503"},
	{"4.1.1.4", "DATA", "503 503 503 354 503 503 503"},
	{"4.1.1.4", "DATA x", "503 503 503 501 503 503 503"},
	{"RFC 3030 2", "BDAT 3", "502 502 502 502 502 502 502"}, // not announced
	{"4.1.1.5", "RSET", "250 250 250 250 250 250 250"},
	{"4.1.1.5", "RSET x", "250 250 250 250 250 250 250"}, // 501 is a SHOULD of section 4.1.1.5; taken
	{"4.1.1.6", "VRFY 1@fax", "252 252 252 252 252 252 252"},
	{"4.1.1.6", "VRFY", "252 252 252 252 252 252 252"},
	{"4.1.1.7", "EXPN fax", "502 502 502 502 502 502 502"},
	{"4.1.1.8", "HELP", "502 502 502 502 502 502 502"},
	{"4.1.1.8", "HELP MAIL", "502 502 502 502 502 502 502"},
	{"4.1.1.9", "NOOP", "250 250 250 250 250 250 250"},
	{"4.1.1.9", "NOOP x y", "250 250 250 250 250 250 250"},
	{"4.1.1.10", "QUIT", "221 221 221 221 221 221 221"},
	{"4.1.1.10", "QUIT x", "221 221 221 221 221 221 221"},
	{"4.2.4", "XYZZ x", "500 500 500 500 500 500 500"},
	{"4.2.4", "TURN", "502 502 502 502 502 502 502"},
	{"4.2.4", "", "500 500 500 500 500 500 500"},
	{"RFC 3207 4", "STARTTLS", "50 50 50 50 50 50 50"},                                    // not announced
	{"RFC 4954 4", "AUTH PLAIN AGEAYg==", "503 502 503 503 502 502 502"},                  // not announced
	{"RFC 1985", "ETRN fax", "500 500 500 500 500 500 500"},                               // not announced
	{"RFC 3030 3", "MAIL FROM:<b@x.test> BODY=BINARYMIME", "503 504 503 503 504 504 504"}, // not announced
}

// TestCommandsInEveryState: each command in each state, by SMTP, by SMTP under
// TLS and by LMTP. Whatever the answer is, it is one reply, well formed, and the
// session goes on.
func TestCommandsInEveryState(t *testing.T) {
	t.Parallel()
	_, _, cert, key := mtatest.Certificate(t, "gw.test")
	overTLS := startRaw(t, localClients+faxAndSMS+fmt.Sprintf("tls: {cert_file: '%s', key_file: '%s'}\n", cert, key))
	plain := startRaw(t, localClients+faxAndSMS)
	lmtp, unix := startLMTP(t, faxAndSMS)
	for _, protocol := range []struct {
		name   string
		g      *gateway
		names  *strings.Replacer
		greet  string
		arrive func(*testing.T) *mtatest.Dialog
	}{
		{"SMTP", plain, strings.NewReplacer("{hello}", "EHLO", "{HELO}", "HELO c.test", "{foreign}", "LHLO"), "EHLO",
			func(t *testing.T) *mtatest.Dialog { d := plain.dial(t); d.Want("220 "); return d }},
		{"TLS", overTLS, strings.NewReplacer("{hello}", "EHLO", "{HELO}", "HELO c.test", "{foreign}", "LHLO"), "EHLO",
			func(t *testing.T) *mtatest.Dialog { return overTLS.dial(t).StartTLS() }},
		{"LMTP", lmtp, strings.NewReplacer("{hello}", "LHLO", "{HELO}", "LHLO [127.0.0.1]", "{foreign}", "EHLO"), "LHLO",
			func(t *testing.T) *mtatest.Dialog {
				d := mtatest.NewDialog(t, dialUnix(t, unix))
				d.Want("220 ")
				return d
			}},
	} {
		for _, row := range commandStates {
			command := protocol.names.Replace(row.command)
			want := strings.Fields(row.want)
			t.Run(protocol.name+"/"+command, func(t *testing.T) {
				t.Parallel()
				for i, state := range sessionStates {
					d := protocol.arrive(t)
					d.Send(strings.ReplaceAll(state.send, "%s", protocol.greet))
					for _, code := range strings.Fields(state.want) {
						d.Want(code + " ")
					}
					d.Send(command + "\r\n")
					lines := d.Lines()
					checkReply(t, command, lines)
					if !strings.HasPrefix(lines[0], want[i]) {
						t.Errorf("section %s, state %s: %q, want %s", row.section, state.name, lines, want[i])
					}
					switch lines[0][:3] {
					case "221":
						d.Closed()
						continue
					case "354":
						d.Say(".", "250 ")
					}
					d.Say("NOOP", "250 2.0.0 ")
					d.Close()
				}
			})
		}
	}
}

var replyForm = regexp.MustCompile(`^([245][0-5][0-9])[ -](?:([245])\.\d{1,3}\.\d{1,3} )?[ -~\x80-\x{10FFFF}]*\r\n$`) // beyond ASCII only what the client said (RFC 6531 section 3.7.4.1)

// checkReply: the form of a reply (section 4.2), its length (4.5.3.1.5), and the
// enhanced code that belongs to each one except the greeting's and EHLO's (RFC
// 2034 section 4).
func checkReply(t *testing.T, command string, lines []string) {
	t.Helper()
	for _, line := range lines {
		m := replyForm.FindStringSubmatch(line)
		hello := strings.HasSuffix(strings.ToUpper(command[:min(len(command), 4)]), "LO") && strings.HasPrefix(line, "250")
		switch {
		case m == nil && !strings.HasPrefix(line, "354 "):
			t.Errorf("%q: no reply: %q", command, line)
		case len(line) > 512:
			t.Errorf("%.80q: reply of %d bytes", command, len(line))
		case m != nil && m[1] != lines[0][:3]:
			t.Errorf("%q: codes differ: %q", command, lines)
		case m != nil && !hello && m[2] != line[:1]:
			t.Errorf("%q: enhanced code: %q", command, line)
		}
	}
}
