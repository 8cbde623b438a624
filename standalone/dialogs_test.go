package standalone

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

// TestDialogs plays testdata/dialogs in plain text, behind STARTTLS and in
// implicit TLS; those of LMTP at a port and at a Unix socket. "C" is a line of the client; lines that follow each other go
// out at once. "S" is how a reply begins. "end" is the end of the connection,
// "jobs" how many jobs were made.
func TestDialogs(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/dialogs/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		ways := []string{"plain", "STARTTLS", "implicit TLS"}
		if strings.HasPrefix(filepath.Base(file), "lmtp-") {
			ways = []string{"LMTP", "LMTP at a socket"}
		}
		for _, way := range ways {
			t.Run(filepath.Base(file)+"/"+way, func(t *testing.T) {
				t.Parallel()
				if strings.HasPrefix(way, "LMTP") {
					g, unix := startLMTP(t, localClients+faxAndSMS)
					d := g.dial(t)
					if way != "LMTP" {
						d = mtatest.NewDialog(t, dialUnix(t, unix))
					}
					g.play(t, d, string(text), false)
					return
				}
				g := startRaw(t, localClients+withCertificate(t)+faxAndSMS)
				d := g.dial(t)
				switch way {
				case "STARTTLS":
					d = d.StartTLS()
				case "implicit TLS":
					l, err := ListenTLS("127.0.0.1", 0)
					d = mtatest.Dial(t, g.serve(t, l, err)).Secure()
				}
				g.play(t, d, string(text), way == "STARTTLS")
			})
		}
	}
}

// play holds a dialog. greeted: the greeting was read already.
func (g *gateway) play(t *testing.T, d *mtatest.Dialog, text string, greeted bool) {
	var send strings.Builder
	flush := func() {
		if send.Len() > 0 {
			d.Send(send.String())
			send.Reset()
		}
	}
	for line := range strings.Lines(text) {
		kind, rest, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		switch kind {
		case "C":
			send.WriteString(rest + "\r\n")
		case "S":
			if greeted {
				greeted = false
				continue
			}
			flush()
			if got := d.Reply(); !strings.HasPrefix(got, rest) {
				t.Fatalf("reply %q, want %q", got, rest)
			}
		case "end":
			d.Closed()
		case "jobs":
			want, _ := strconv.Atoi(rest)
			if got := g.jobs(t, "fax") + g.jobs(t, "sms"); got != want {
				t.Errorf("%d jobs, want %d", got, want)
			}
		case "#", "":
		default:
			t.Fatalf("neither C, S, end nor jobs: %q", line)
		}
	}
}
