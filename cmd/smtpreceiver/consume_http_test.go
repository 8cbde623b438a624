//go:build linux

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

// kannel is a private Kannel and the SMS centre behind it, which says what it got.
type kannel struct {
	sendsms int // port
	centre  *process
}

const fakesmsc = "/usr/lib/kannel/test/fakesmsc"

// newKannel has no way to numbers that begin with +999.
func newKannel(t *testing.T) kannel {
	t.Helper()
	bearerbox, smsbox := program(t, "bearerbox", "kannel"), program(t, "smsbox", "kannel")
	program(t, fakesmsc, "kannel-extras")
	dir := t.TempDir()
	admin, boxes, centre, sendsms := mtatest.FreePort(t), mtatest.FreePort(t), mtatest.FreePort(t), mtatest.FreePort(t)
	config := filepath.Join(dir, "kannel.conf")
	writeFile(t, config, fmt.Sprintf(`group = core
admin-port = %d
admin-interface = 127.0.0.1
admin-password = x
smsbox-port = %d
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1

group = smsc
smsc = fake
smsc-id = fake
port = %d
connect-allow-ip = 127.0.0.1
denied-prefix = +999

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = %d
sendsms-interface = 127.0.0.1
http-request-retry = 30
http-queue-delay = 1

group = sendsms-user
username = smtpreceiver
password = secret&more
concatenation = true
max-messages = 10
`, admin, boxes, centre, sendsms))
	await := func(p *process, words ...string) { p.awaitLine(t, words...) }
	box := exec.Command(bearerbox, "-v", "0", config)
	box.Dir = dir
	await(launch(t, box), "MAIN: Start-up done, entering mainloop")
	k := kannel{sendsms: sendsms, centre: launch(t, exec.Command(fakesmsc, "-H", "127.0.0.1", "-r", fmt.Sprint(centre), "-m", "0", "1 2 text nop"))}
	await(k.centre, "Connecting to")
	await(launch(t, exec.Command(smsbox, "-v", "0", config)), "Connected to bearerbox")
	return k
}

// got are the messages to a number, as the centre prints them: type and text.
func (k kannel) got(number string) (messages []string) {
	for _, m := range regexp.MustCompile(`(?s)Got message \d+: <\S+ (\S+) (.*?)>\n`).FindAllStringSubmatch(k.centre.out.String(), -1) {
		if m[1] == number {
			messages = append(messages, m[2])
		}
	}
	return messages
}

// TestMailToKannel: a mail comes in by SMTP, and Kannel hands it to an SMS centre,
// by the recipe as it is.
func TestMailToKannel(t *testing.T) {
	t.Parallel()
	k := newKannel(t)
	recipe := strings.Replace(readFile(t, "../../contrib/consumers/kannel.yaml"), ":13013/", fmt.Sprintf(":%d/", k.sendsms), 1)
	r := newReceiver(t, recipe)
	r.environ = append(r.environ, "KANNEL_PASSWORD=secret&more")
	r.start(t)
	consumer := r.launch(t, "consume")
	consumer.awaitLine(t, "msg=started")
	for _, tt := range []struct {
		number, text string
		want         []string
	}{
		{"+420603000001", "Grüße aus Köln: 5 € [x]", []string{"text Grüße aus Köln: 5 € [x]"}},
		{"+420603000002", "Čau ž", []string{"ucs-2 %01%0C%00a%00u%00+%01~"}},
		{"+420603000003", "a&to=900&text=x#b%00", []string{"text a&to=900&text=x#b%00"}},
		{"+420603000004", strings.Repeat("0123456789", 40), nil},
		{"+420603000005", strings.Repeat("Příliš ", 100), nil},
		{"+420603000006", strings.Repeat("a", 152) + "€" + strings.Repeat("b", 152), nil},
		{"+420603000007", strings.Repeat("long line of words. ", 200), nil},
	} {
		wantDelivery(t, r.addr, mail{"petr.novak@example.com", []string{tt.number + "@sms"}, "Content-Type: text/plain; charset=utf-8\r\n\r\n" + tt.text + "\r\n"}, "250 ")
		line := consumer.awaitLine(t, "msg=\"job handed on\"", "rcpt="+tt.number+"@sms")
		var parts int
		if _, err := fmt.Sscanf(line[strings.Index(line, "parts="):], "parts=%d", &parts); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		eventually(t, "the SMS centre to have "+tt.number, func() bool { return len(k.got(tt.number)) >= parts })
		got := k.got(tt.number)
		if len(got) != parts {
			t.Errorf("%s: %d messages went out, %d were counted: %q", tt.number, len(got), parts, got)
		}
		if tt.want != nil && strings.Join(got, "|") != strings.Join(tt.want, "|") {
			t.Errorf("%s: got %q, want %q", tt.number, got, tt.want)
		}
		if parts > 10 {
			t.Errorf("%s: %d parts", tt.number, parts)
		}
	}
	if strings.Contains(consumer.out.String()+r.out.String(), "secret") {
		t.Error("the password is in a log")
	}
	eventually(t, "all to be done", func() bool {
		left, _ := filepath.Glob(filepath.Join(r.sms, ".consume", "*"))
		return len(left) == 0
	})
	wantNothingLeft(t, r.sms)
}

// TestKannelRefuses: what Kannel says to a wrong password is in the .err file, the
// password is not.
func TestKannelRefuses(t *testing.T) {
	t.Parallel()
	k := newKannel(t)
	r := newReceiver(t, strings.Replace(readFile(t, "../../contrib/consumers/kannel.yaml"), ":13013/", fmt.Sprintf(":%d/", k.sendsms), 1))
	spoolJob(t, r.sms, "00000001", "+420603123456", "x")
	if status, _, stderr := runCommand(t, r.dir, []string{"KANNEL_PASSWORD=wr0ng"}, "consume", "--once", "-c", r.config); status != 1 {
		t.Errorf("status %d, %s", status, stderr)
	}
	if said := readFile(t, filepath.Join(r.sms, ".failed", "00000001.err")); !strings.Contains(said, "403 Forbidden: it says: Authorization failed") || strings.Contains(said, "wr0ng") {
		t.Error(said)
	}
}

// TestKilledRequest: a consumer that is killed between the request and its journal
// sends a job once and leaves it in doubt; to a service that knows jobs by their
// key it sends it again.
func TestKilledRequest(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{false, true} {
		var mu sync.Mutex
		var keys []string
		kill := make(chan struct{})
		service := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
			mu.Lock()
			keys = append(keys, req.Header.Get("Idempotency-Key"))
			first := len(keys) == 1
			mu.Unlock()
			io.Copy(io.Discard, req.Body) // before that nobody sees that the client has gone
			if first {
				close(kill)
				<-req.Context().Done() // the answer does not get there any more
			}
		}))
		t.Cleanup(service.Close)
		more := ""
		if known {
			more = ", idempotency_header: Idempotency-Key"
		}
		r := consuming(t, "", "target: http, url: '"+service.URL+"', form: {to: '{number}', text: '{text}'}"+more)
		spoolJob(t, r.sms, "00000001", "+420603123456", "x")
		p := r.launch(t, "consume")
		<-kill
		p.kill()
		status, _, stderr := runCommand(t, r.dir, nil, "consume", "--once", "-c", r.config)
		mu.Lock()
		got := keys
		mu.Unlock()
		if known {
			if status != 0 || len(got) != 2 || got[0] != got[1] || got[0] == "" || len(settled(t, r.sms, ".done")) != 1 {
				t.Errorf("known: status %d, keys %q, %s", status, got, stderr)
			}
			continue
		}
		if status != 1 || len(got) != 1 {
			t.Errorf("status %d, %d requests, %s", status, len(got), stderr)
		}
		if said := readFile(t, filepath.Join(r.sms, ".failed", "00000001.err")); !strings.Contains(said, "in_doubt is fail") {
			t.Error(said)
		}
	}
}

// TestKilledFolder: however often the consumer is killed, each job is once in the
// other folder.
func TestKilledFolder(t *testing.T) {
	t.Parallel()
	to := t.TempDir()
	r := consuming(t, "", "target: folder, target_folder: '"+to+"'")
	const count = 300
	for i := range count {
		spoolJob(t, r.sms, fmt.Sprintf("%08d", i+1), fmt.Sprintf("+420603%06d", i), strings.Repeat("x", i))
	}
	hits := killUntilDone(t, r, r.sms, count)
	if failed := settled(t, r.sms, ".failed"); len(failed) > 0 {
		t.Errorf("failed: %q\n%s", failed, readFile(t, filepath.Join(r.sms, ".failed", failed[0]+".err")))
	}
	files, err := filepath.Glob(filepath.Join(to, "[^.]*"))
	if err != nil || len(files) != 2*count {
		t.Errorf("%d files, %v", len(files), err)
	}
	for i := range count {
		if got := readFile(t, filepath.Join(to, fmt.Sprintf("%08d.txt", i+1))); len(got) != i {
			t.Errorf("job %d has %d bytes", i+1, len(got))
		}
	}
	t.Logf("%d jobs were hit", hits)
	wantNothingLeft(t, r.sms)
}
