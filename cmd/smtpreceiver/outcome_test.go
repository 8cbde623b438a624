//go:build linux

package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/report"
)

// reported is a receiver whose consumer of sms tells senders to the sink, by what an
// event handler says.
func reported(t *testing.T, target string) (*receiver, *mtatest.Sink) {
	t.Helper()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	r := newReceiver(t, reportsTo(t, sink.Addr)+"consume: {sms: {"+target+", outcomes: handler, poll_interval: 100ms}}")
	return r, sink
}

// requestJob writes a job whose sender asked for everything.
func requestJob(t testing.TB, r *receiver, stem, number string) {
	t.Helper()
	q := report.Request{Sender: stem + "@x.test", Recipient: number + "@sms", Arrived: time.Now(), Notify: "SUCCESS,FAILURE", Header: []byte("Subject: x\r\n")}
	data, err := q.Encode()
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(r.sms, stem+".report"), string(data))
	spoolJob(t, r.sms, stem, number, "text of "+stem, [3]string{"system", "dr", "1"})
}

// handlerOf is an event handler of contrib, and what it needs to find the program.
func handlerOf(t testing.TB, r *receiver, name string) (path string, environ []string) {
	t.Helper()
	path, err := filepath.Abs("../../contrib/consumers/handlers/" + name)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(r.dir, "smtpreceiver")
	writeFile(t, program, "#!/bin/sh\ngroup=$1 command=$2\nshift 2\nexec "+r.binary+" $group $command -c "+r.config+" \"$@\"\n")
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	return path, append(os.Environ(), "SMTPRECEIVER="+program)
}

func wantToldTo(t *testing.T, sink *mtatest.Sink, want ...string) {
	t.Helper()
	eventually(t, "reports", func() bool {
		got := toldHow(sink.All())
		for _, w := range want {
			if got[w] == 0 {
				return false
			}
		}
		return true
	})
	if got := toldHow(sink.All()); len(got) != len(want) {
		t.Errorf("told %v, want %q", got, want)
	}
}

// TestOutcome: what a target says of a job that is done is told once, and not at its
// hand-over; only to who asked for it.
func TestOutcome(t *testing.T) {
	t.Parallel()
	r, sink := reported(t, "target: command, command: [/bin/true]")
	outcome := func(args ...string) (int, string) {
		t.Helper()
		status, out, stderr := runCommand(t, r.dir, nil, append([]string{"jobs", "outcome", "-c", r.config}, args...)...)
		return status, out + stderr
	}
	for _, stem := range []string{"00000001", "00000002"} {
		requestJob(t, r, stem, "1")
	}
	spoolJob(t, r.sms, "00000003", "1", "x") // of the null sender
	runCommand(t, r.dir, nil, "consume", "--once", "-c", r.config)
	if len(sink.All()) != 0 {
		t.Errorf("told at the hand-over: %v", toldHow(sink.All()))
	}
	for _, tt := range []struct {
		args []string
		said string
	}{
		{[]string{"1", "sent"}, "job 00000001: the sender is told: relayed\n"},
		{[]string{"1", "sent"}, ""},
		{[]string{"/var/spool/sms/sent/smtpreceiver-00000001-ABCDEFGH", "delivered"}, "job 00000001: the sender is told: delivered\n"},
		{[]string{"OUTC20261128_100000_00_+1_smtpreceiver-00000002-ABCDEFGH.txtd", "failed", "no", "network"}, "job 00000002: the sender is told: failed\n"},
		{[]string{"3", "failed"}, ""},
	} {
		if status, said := outcome(tt.args...); status != 0 || said != tt.said {
			t.Errorf("%q: %d %q", tt.args, status, said)
		}
	}
	for args, want := range map[string]int{"1 lost": 2, "1": 2, "77 sent": 1} {
		if status, said := outcome(strings.Fields(args)...); status != want {
			t.Errorf("%s: %d %q", args, status, said)
		}
	}
	if _, shown, _ := runCommand(t, r.dir, nil, "jobs", "show", "-c", r.config, "2"); !strings.Contains(shown, "report waits  to be sent\n") {
		t.Errorf("shown %s", shown)
	}
	requestJob(t, r, "00000004", "not dialled")
	failing := strings.Replace(readFile(t, r.config), "/bin/true", "/bin/false", 1)
	writeFile(t, r.config+".false.yaml", failing)
	runCommand(t, r.dir, nil, "consume", "--once", "-c", r.config+".false.yaml")
	if status, said := outcome("4", "failed", "refused"); status != 0 || said != "" { // told at the hand-over
		t.Errorf("%d %q", status, said)
	}
	if status, said := outcome("4", "sent"); status != 1 {
		t.Errorf("%d %q", status, said)
	}
	wantToldTo(t, sink, "00000001@x.test relayed", "00000001@x.test delivered", "00000002@x.test failed", "00000004@x.test failed")
	if _, shown, _ := runCommand(t, r.dir, nil, "jobs", "show", "-c", r.config, "1"); !strings.Contains(shown, "00000001@x.test that it is relayed\n") || !strings.Contains(shown, "that it is delivered\n") {
		t.Errorf("shown %s", shown)
	}
	for _, m := range sink.All() {
		if strings.Contains(string(m.Data), "Action: failed") && m.Recipients()[0] == "00000002@x.test" && !strings.Contains(string(m.Data), "no network") {
			t.Errorf("no reason in\n%s", m.Data)
		}
	}
}

// TestSmstoolsOutcome: smsd sends one SMS and cannot send another; its event handler
// has the senders told. A delivery report of the network is told too.
func TestSmstoolsOutcome(t *testing.T) {
	t.Parallel()
	smsd, device, dir := program(t, "smsd", "smstools"), mtatest.NewModem(t), t.TempDir()
	device.Refuse("999")
	r, sink := reported(t, "target: smstools, target_folder: '"+filepath.Join(dir, "outgoing")+"'")
	handler, environ := handlerOf(t, r, "smsd-outcome")
	environ = append(environ, "SMSD_SENT="+filepath.Join(dir, "sent"))
	var config strings.Builder
	for _, name := range []string{"outgoing", "checked", "sent", "failed", "incoming", "report", "stats"} {
		mkdir(t, filepath.Join(dir, name))
		fmt.Fprintf(&config, "%s = %s\n", name, filepath.Join(dir, name))
	}
	for _, name := range []string{"infofile", "pidfile", "logfile"} {
		fmt.Fprintf(&config, "%s = %s\n", name, filepath.Join(dir, name))
	}
	fmt.Fprintf(&config, "devices = GSM1\ndelaytime = 1\nerrorsleeptime = 1\nloglevel = 7\neventhandler = %s\n[GSM1]\ndevice = %s\ninit =\nincoming = no\nreport = no\nsend_retries = 1\n", handler, device.Device)
	writeFile(t, filepath.Join(dir, "smsd.conf"), config.String())
	server := exec.Command(smsd, "-t", "-c"+filepath.Join(dir, "smsd.conf"))
	server.Env = environ
	launch(t, server)
	requestJob(t, r, "00000001", "+420603123456")
	requestJob(t, r, "00000002", "+999123456")
	consumer := r.launch(t, "consume")
	consumer.awaitLine(t, "msg=started")
	wantToldTo(t, sink, "00000001@x.test relayed", "00000002@x.test failed")
	// The network's report on the first, as smsd calls the handler with it.
	sent, err := filepath.Glob(filepath.Join(dir, "sent", "smtpreceiver-00000001-*"))
	if err != nil || len(sent) != 1 {
		t.Fatalf("sent %q, %v; log:\n%s", sent, err, readFile(t, filepath.Join(dir, "logfile")))
	}
	id := ""
	for line := range strings.Lines(readFile(t, sent[0])) {
		if v, ok := strings.CutPrefix(line, "Message_id: "); ok {
			id = strings.TrimSpace(v)
		}
	}
	if id == "" {
		t.Fatalf("no message ID in\n%s\n%s", readFile(t, sent[0]), readFile(t, filepath.Join(dir, "logfile")))
	}
	arrived := filepath.Join(dir, "report", "GSM1.x")
	for _, status := range []string{"48,Error,SC still tries", "0,Ok,short message received by the SME"} {
		writeFile(t, arrived, "From: 420603123456\nSent: 26-11-28 10:00:00\nSubject: GSM1\n\nSMS STATUS REPORT\nMessage_id: "+id+"\nStatus: "+status+"\n")
		c := exec.Command(handler, "REPORT", arrived)
		c.Env = environ
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	wantToldTo(t, sink, "00000001@x.test relayed", "00000002@x.test failed", "00000001@x.test delivered")
	// What others send by the same smsd is none of ours.
	c := exec.Command(handler, "FAILED", filepath.Join(dir, "failed", "other.abc"))
	writeFile(t, filepath.Join(dir, "failed", "other.abc"), "To: 1\nFail_reason: x\n\ny\n")
	c.Env = environ
	if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}

// TestGammuOutcome: the same by gammu-smsd.
func TestGammuOutcome(t *testing.T) {
	t.Parallel()
	config, dir := gammu(t)
	r, sink := reported(t, "target: gammu, target_folder: '"+filepath.Join(dir, "outbox")+"'")
	handler, environ := handlerOf(t, r, "gammu-outcome")
	text := strings.Replace(readFile(t, config), "runonsent = "+dir+"/sent.sh\n", "runonsent = "+handler+" sent\nrunonfailure = "+handler+" failed\n", 1)
	writeFile(t, config, text)
	requestJob(t, r, "00000001", "+420603123456")
	r.launch(t, "consume").awaitLine(t, "msg=started")
	server := exec.Command(program(t, "gammu-smsd", "gammu-smsd"), "-c", config)
	server.Env = append(environ, "LC_ALL=C.UTF-8")
	launch(t, server)
	wantToldTo(t, sink, "00000001@x.test relayed")
	requestJob(t, r, "00000002", "+420603123457")
	eventually(t, "the second", func() bool { return len(settled(t, r.sms, ".done")) == 2 })
	c := exec.Command(handler, "failed", "OUTC20261128_100000_00_+420603123457_smtpreceiver-00000002-ABCDEFGH.txt")
	c.Env = environ
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	eventually(t, "the failure", func() bool { return toldHow(sink.All())["00000002@x.test failed"] == 1 })
	c = exec.Command(handler, "failed", "INIT")
	if c.Env = environ; c.Run() != nil {
		t.Error("INIT is no failure of a job")
	}
}

// TestKannelOutcome: Kannel's delivery reports by HTTP.
func TestKannelOutcome(t *testing.T) {
	t.Parallel()
	r, sink := reported(t, "target: command, command: [/bin/true]")
	handler, environ := handlerOf(t, r, "kannel-outcome")
	for _, stem := range []string{"00000001", "00000002"} {
		requestJob(t, r, stem, "1")
	}
	r.launch(t, "consume").awaitLine(t, "msg=started")
	port := mtatest.FreePort(t)
	server := exec.Command(program(t, "python3", "python3"), handler, fmt.Sprint(port))
	server.Env = environ
	launch(t, server)
	ask := func(query string) int {
		answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/?%s", port, query))
		if err != nil {
			return 0
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	eventually(t, "the handler to listen", func() bool { return ask("") == http.StatusBadRequest })
	for query, want := range map[string]int{
		"job=00000001&type=4": 200, "job=smtpreceiver-00000001-ABCDEFGH&type=8&answer=ACK": 200, "job=00000002&type=16&answer=NACK/0x0b/Invalid+Destination": 200,
		"job=99999999&type=1": 500, "job=..%2Fx&type=1": 400, "job=--app&type=1": 400,
	} {
		if got := ask(query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
	wantToldTo(t, sink, "00000001@x.test relayed", "00000002@x.test failed")
}

// TestKannelReports: mails go through a real Kannel, whose delivery reports come by
// the handler as contrib sets it up: one SMS is sent, to another number there is no
// way. Senders that asked for nothing hear of the failure alone.
func TestKannelReports(t *testing.T) {
	t.Parallel()
	k, port := newKannel(t), mtatest.FreePort(t)
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	recipe := strings.Replace(readFile(t, "../../contrib/consumers/kannel.yaml"), ":13013/", fmt.Sprintf(":%d/", k.sendsms), 1)
	recipe = strings.Replace(recipe, "dlr-mask: '{report:31|0}'\n", fmt.Sprintf("dlr-mask: '31'\n      dlr-url: 'http://127.0.0.1:%d/?job={key}&type=%%d&answer=%%A'\n", port), 1)
	recipe = strings.Replace(recipe, "    target: http\n", "    target: http\n    outcomes: handler\n", 1)
	r := newReceiver(t, reportsTo(t, sink.Addr)+recipe)
	handler, environ := handlerOf(t, r, "kannel-outcome")
	flaky := filepath.Join(r.dir, "flaky") // cannot tell each at the first time
	writeFile(t, flaky, "#!/bin/sh\n[ -e "+r.dir+"/$4.$5 ] || { touch "+r.dir+"/$4.$5; exit 1; }\nexec "+filepath.Join(r.dir, "smtpreceiver")+" \"$@\"\n")
	if err := os.Chmod(flaky, 0o755); err != nil {
		t.Fatal(err)
	}
	r.environ = append(r.environ, "KANNEL_PASSWORD=secret&more")
	requestJob(t, r, "00000001", "+420603000001")
	requestJob(t, r, "00000002", "+999603000002")
	for _, quiet := range []struct{ stem, number string }{{"00000003", "+420603000003"}, {"00000004", "+999603000004"}} {
		q := report.Request{Sender: quiet.stem + "@x.test", Recipient: quiet.number + "@sms", Arrived: time.Now(), Header: []byte("Subject: x\r\n")}
		data, err := q.Encode()
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(r.sms, quiet.stem+".report"), string(data))
		spoolJob(t, r.sms, quiet.stem, quiet.number, "text of "+quiet.stem)
	}
	r.launch(t, "consume").awaitLine(t, "msg=started")
	eventually(t, "the SMS centre to have both", func() bool { return len(k.got("+420603000001")) == 1 && len(k.got("+420603000003")) == 1 })
	wantToldTo(t, sink, "00000002@x.test failed", "00000004@x.test failed") // by the answer to the request
	for _, m := range sink.All() {
		if !strings.Contains(reportField(string(m.Data), "Diagnostic-Code"), "Not routable") {
			t.Errorf("no reason in\n%s", m.Data)
		}
	}
	// Kannel has not reached the handler so far, and tries again.
	server := exec.Command(program(t, "python3", "python3"), handler, fmt.Sprint(port))
	server.Env = append(environ, "SMTPRECEIVER="+flaky)
	answers := launch(t, server)
	eventually(t, "all delivery reports", func() bool { return strings.Count(answers.out.String(), `HTTP/1.1" 200`) == 6 })
	if n := strings.Count(answers.out.String(), `HTTP/1.1" 500`); n != 6 {
		t.Errorf("%d were not told at the first time", n)
	}
	wantToldTo(t, sink, "00000001@x.test relayed", "00000001@x.test delivered", "00000002@x.test failed", "00000004@x.test failed")
}
