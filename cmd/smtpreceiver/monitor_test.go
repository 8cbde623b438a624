//go:build linux

package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/d--j/go-milter"
	"golang.org/x/crypto/bcrypt"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/logging"
)

// TestMetricsStandalone sends mail of every outcome and compares what is
// counted. Nothing a client says becomes part of the metrics.
func TestMetricsStandalone(t *testing.T) {
	t.Parallel()
	script := mtatest.NewScript(t, mtatest.ScriptOptions{Replies: []mtatest.Reply{
		{On: mtatest.OnRCPT, Match: "bad@example.com", Text: "550 5.1.1 no such user"},
		{On: mtatest.OnDot, Match: "Subject: later", Text: "451 4.7.1 greylisted"},
	}})
	r := newReceiver(t)
	lmtp := filepath.Join(mtatest.Dir(t), "lmtp")
	r.configure(t, forwardingTo(script.Addr), withMetrics, "lmtp: {listen: 'unix:"+lmtp+"'}",
		"authentication: {backend: file, users_file: '"+filepath.Join(r.dir, "users")+"', allow_plaintext: 1}")
	writeFile(t, r.config, readFile(t, r.config)+"    numbers_denied: ['9']\n    transform: {user/x: '<%int(subject)%>'}\n") // of sms, the last
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(r.dir, "users"), "jana@example.com:"+string(hash)+"\n")
	r.start(t)

	text := func(subject, body string, rcpts ...string) mail {
		return mail{"a@example.com", rcpts, "Subject: " + subject + "\r\n\r\n" + body + "\r\n"}
	}
	size := float64(len(text("1", "x").text))
	for _, m := range []struct {
		mail
		reply string
	}{
		{text("1", "x", "1@fax", "2@sms"), "250 "},
		{text("2", "x", "eva@example.com"), "250 "},
		{text("3", "x", "1@fax", "eva@example.com"), "250 "},
		{text("4", "x", "bad@example.com"), "550 5.1.1 "},
		{text("later", "x", "1@fax", "eva@example.com"), "451 4.7.1 "},
		{text("6", "x", "99@sms"), "550 5.7.1 "},
		{text("7", "bare\nnewline", "1@fax"), "550 5.5.2 "},
		{text("x", "x", "2@sms"), "250 "}, // the template fails
		{mail{`"evil-marker\"}"@example.com`, []string{`"{evil-marker=\""@example.com`}, "Subject: evil-marker\r\n\r\n\"} 1\r\n"}, "250 "},
	} {
		wantDelivery(t, r.addr, m.mail, m.reply)
	}
	c := hello(t, r.addr)
	login := func(user, password string) string {
		return "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+password))
	}
	c.want(t, login("evil-marker", "x"), "535 ")
	c.want(t, login("jana@example.com", "secret"), "235 ")
	unixClient, err := net.Dial("unix", lmtp)
	if err != nil {
		t.Fatal(err)
	}
	l := newSMTPClient(unixClient)
	t.Cleanup(func() { l.Close() })
	l.want(t, "", "220 ")
	l.want(t, "LHLO evil-marker.test", "250 ")
	l.want(t, "MAIL FROM:<a@example.com>", "250 ")
	l.want(t, "RCPT TO:<x@evil-marker>", "550 5.1.1 ")
	l.want(t, "RCPT TO:<1@fax>", "250 ")
	l.want(t, "DATA", "354 ")
	l.want(t, "Subject: 8\r\n\r\nx\r\n.", "250 ")
	l.want(t, "MAIL FROM:<a@example.com>", "250 ")
	l.want(t, "RCPT TO:<x@evil-marker>", "550 5.1.1 ")
	l.want(t, "QUIT", "221 ")

	eventually(t, "the connections to be over", func() bool { return r.samples(t)[`connections{frontend="smtp"}`] == 1 })
	r.samples(t).want(t, metricSamples{
		`messages_total{frontend="smtp",outcome="spooled"}`:               2,
		`messages_total{frontend="smtp",outcome="forwarded"}`:             2,
		`messages_total{frontend="smtp",outcome="spooled_and_forwarded"}`: 1,
		`messages_total{frontend="smtp",outcome="refused"}`:               3,
		`messages_total{frontend="smtp",outcome="failed"}`:                1,
		`messages_total{frontend="lmtp",outcome="spooled"}`:               1,
		`messages_total{frontend="lmtp",outcome="refused"}`:               1,
		`jobs_total{app="fax"}`:                                           3,
		`jobs_total{app="sms"}`:                                           2,
		`job_bytes_total{app="fax"}`:                                      3 * size,
		`job_bytes_total{app="sms"}`:                                      2 * size,
		`refusals_total{reason="forward"}`:                                2,
		`refusals_total{reason="number"}`:                                 1,
		`refusals_total{reason="newlines"}`:                               1,
		`refusals_total{reason="relay"}`:                                  2,
		`refusals_total{reason="auth"}`:                                   1,
		`logins_total{result="ok"}`:                                       1,
		`logins_total{result="bad"}`:                                      1,
		`template_errors_total{app="sms"}`:                                1,
		`forward_duration_seconds`:                                        4,
		`commit_duration_seconds`:                                         4,
		`connections_total{frontend="smtp"}`:                              10,
		`connections_total{frontend="lmtp"}`:                              1,
		`connections{frontend="smtp"}`:                                    1,
		`spool_writable{app="fax"}`:                                       1,
		`spool_writable{app="sms"}`:                                       1,
		`log_messages_total{level="warning"}`:                             float64(len(r.out.lines("level=W"))),
		`config_last_reload_success`:                                      1,
	}, "messages_", "jobs_", "job_", "refusals_", "logins_", "template_", "forward_", "commit_", "connections", "spool_writable", "log_", "config_last_reload_success")
	for _, reason := range []string{"forward", "number", "newlines", "relay", "auth"} {
		if n := len(r.out.lines("refusal=" + reason)); float64(n) != r.samples(t)[`refusals_total{reason="`+reason+`"}`] {
			t.Errorf("the log has %d refusals for %s", n, reason)
		}
	}
	if _, all := r.get(t, "/metrics"); strings.Contains(all, "evil") || strings.Contains(all, "127.0.0") || !strings.Contains(all, `smtpreceiver_spool_free_bytes{app="fax"}`) ||
		!strings.Contains(all, `smtpreceiver_build_info{frontend="standalone",go_version="go`) {
		t.Errorf("metrics:\n%s", all)
	}
	r.lint(t)
	r.stop(t)
}

// TestMetricsConnections: each way of not being served is counted.
func TestMetricsConnections(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, withMetrics, "thread_num: 2", "max_waiting: 0", "max_connections_per_client: 1", "proxy_protocol_from: 127.0.0.8")
	writeFile(t, r.config, strings.Replace(readFile(t, r.config), "clients: 127.0.0.1\n", "clients: 127.0.0.1-127.0.0.3\n", 1))
	r.start(t)
	from := func(ip string) *smtpClient {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
		c, err := d.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return newSMTPClient(c)
	}
	one := from("127.0.0.1")
	one.want(t, "", "220 ")
	from("127.0.0.9").want(t, "", "554 5.7.1 ")
	from("127.0.0.1").want(t, "", "421 4.7.0 ")
	two := from("127.0.0.2")
	two.want(t, "", "220 ")
	from("127.0.0.3").want(t, "", "421 4.3.2 ")
	if reply, err := from("127.0.0.8").command("EHLO x"); err == nil {
		t.Errorf("a proxy without a header: %q", reply)
	}
	one.want(t, "QUIT", "221 ")
	eventually(t, "the end of one connection", func() bool { return r.samples(t)[`connections{frontend="smtp"}`] == 1 })
	r.samples(t).want(t, metricSamples{
		`connections{frontend="smtp"}`:                   1,
		`connections_total{frontend="smtp"}`:             2,
		`connections_refused_total{reason="unlisted"}`:   1,
		`connections_refused_total{reason="per_client"}`: 1,
		`connections_refused_total{reason="thread_num"}`: 1,
		`connections_refused_total{reason="proxy"}`:      1,
		`refusals_total{reason="client"}`:                1,
	}, "connections", "refusals")
}

// TestMetricsMilter is TestMetricsStandalone for the other frontend, with the
// MTA's part played by the library's client.
func TestMetricsMilter(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, withMetrics, "milter: {listen: 'inet:127.0.0.1:0'}", "max_message_size: 2KiB")
	writeFile(t, r.config, readFile(t, r.config)+"    max_jobs_per_sender: 1\n") // of sms, the last
	r.process = r.launch(t, "milter")
	addr := listening.FindStringSubmatch(r.awaitLine(t, "msg=started", "service=milter"))[1]
	client := milter.NewClient("tcp", addr, milter.WithActions(milter.OptRemoveRcpt), milter.WithProtocols(milter.OptHeaderLeadingSpace|milter.OptNoConnReply|milter.OptNoMailReply|milter.OptNoHeaderReply|milter.OptNoEOHReply|milter.OptNoBodyReply|milter.OptNoHelo|milter.OptNoUnknown))
	send := func(session *milter.ClientSession, body string, rcpts ...string) (last *milter.Action) {
		t.Helper()
		must := func(a *milter.Action, err error) *milter.Action {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		must(session.Helo("client.test")) // not sent, but the client asks for it
		must(session.Mail("<evil-marker@example.com>", ""))
		taken := false
		for _, rcpt := range rcpts {
			last = must(session.Rcpt("<"+rcpt+">", ""))
			taken = taken || last.Type == milter.ActionContinue
		}
		if taken {
			if last = must(session.DataStart()); last.Type == milter.ActionContinue {
				must(session.HeaderField("Subject", " x", nil))
				must(session.HeaderEnd())
				_, action, err := session.BodyReadFrom(strings.NewReader(body))
				last = must(action, err)
			}
		}
		if err := session.Abort(nil); err != nil {
			t.Fatal(err)
		}
		return last
	}
	session, err := client.Session(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.Conn("client.test", milter.FamilyInet, 1, "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	for i, m := range []struct {
		body  string
		rcpts []string
		want  milter.ActionType
	}{
		{"x", []string{"1@fax", "eva@example.com", "2@sms"}, milter.ActionAccept},
		{"x", []string{"eva@example.com"}, milter.ActionAccept},
		{"x", []string{"2@sms"}, milter.ActionRejectWithCode},
		{"x", []string{"2@sms", "1@fax"}, milter.ActionAccept},
		{strings.Repeat("long\r\n", 1000), []string{"1@fax"}, milter.ActionRejectWithCode},
		{"x", []string{"bad\x01@fax"}, milter.ActionRejectWithCode},
	} {
		if got := send(session, m.body, m.rcpts...); got.Type != m.want {
			t.Errorf("message %d: %+v", i, got)
		}
	}
	// What the sendmail command hands in is refused as a whole, at its end.
	local, err := client.Session(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := local.Conn("localhost", milter.FamilyInet, 0, "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	if got := send(local, "x", "bad\x01@fax", "eva@example.com"); got.Type != milter.ActionRejectWithCode {
		t.Errorf("local mail: %+v", got)
	}
	local.Close()
	eventually(t, "the end of a connection", func() bool { return r.samples(t)[`connections{frontend="milter"}`] == 1 })
	r.samples(t).want(t, metricSamples{
		`messages_total{frontend="milter",outcome="spooled"}`: 2,
		`messages_total{frontend="milter",outcome="passed"}`:  1,
		`messages_total{frontend="milter",outcome="failed"}`:  1,
		`messages_total{frontend="milter",outcome="refused"}`: 3,
		`jobs_total{app="fax"}`:                               2,
		`jobs_total{app="sms"}`:                               1,
		`refusals_total{reason="quota"}`:                      2,
		`refusals_total{reason="size"}`:                       1,
		`refusals_total{reason="syntax"}`:                     2,
		`connections{frontend="milter"}`:                      1,
		`connections_total{frontend="milter"}`:                2,
	}, "messages_", "jobs_", "refusals_", "connections")
	if _, all := r.get(t, "/metrics"); strings.Contains(all, "evil") {
		t.Error("the metrics have a sender")
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if code, body := r.get(t, path); code != http.StatusOK || body != "ok\n" {
			t.Errorf("%s: %d %q", path, code, body)
		}
	}
	r.lint(t)
	session.Close()
	r.stop(t)
}

// TestReadiness: what would make mail fail makes the service not ready, by name,
// and its end makes it ready again. It stays alive.
func TestReadiness(t *testing.T) {
	t.Parallel()
	forward, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := forward.Addr().String()
	r := newReceiver(t, forwardingTo(at), withMetrics)
	tmpfs(t, r, "1m")
	r.environ = []string{"SMTPRECEIVER_MIN_FREE_SPACE=512KiB"}
	r.start(t)
	ready := func(reasons ...string) {
		t.Helper()
		eventually(t, fmt.Sprintf("readiness %q", reasons), func() bool {
			code, body := r.get(t, "/readyz")
			if len(reasons) == 0 {
				return code == http.StatusOK && body == "ok\n"
			}
			return code == http.StatusServiceUnavailable && containsAll(body, reasons)
		})
		if code, body := r.get(t, "/healthz"); code != http.StatusOK {
			t.Errorf("/healthz: %d %s", code, body)
		}
	}
	ready()
	forward.Close()
	ready("forward server "+at+": ", "connection refused")
	rename(t, r.sms, r.sms+".away")
	ready("forward server", "application sms: ", r.sms, "does not exist")
	if forward, err = net.Listen("tcp", at); err != nil {
		t.Fatal(err)
	}
	defer forward.Close()
	ready("application sms: ")
	rename(t, r.sms+".away", r.sms)
	ready()
	ballast := filepath.Join(r.fax, ".staging", "ballast")
	fill(t, ballast)
	ready("application fax: ")
	if v := r.samples(t); v[`spool_writable{app="fax"}`] != 0 || v[`spool_writable{app="sms"}`] != 1 || v[`spool_free_bytes{app="fax"}`] > 512<<10 {
		t.Errorf("fax writable %v, sms writable %v, fax free %v", v[`spool_writable{app="fax"}`], v[`spool_writable{app="sms"}`], v[`spool_free_bytes{app="fax"}`])
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	ready()
	readOnly(t, r.fax)
	ready("application fax: ", "read-only file system")
	writableAgain(t, r.fax)
	ready()

	c := hello(t, r.addr) // its transaction keeps the stopping service up
	c.want(t, "MAIL FROM:<a@example.com>", "250 ")
	r.signal(os.Interrupt)
	ready("stopping")
	c.Close()
	if status := r.exit(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// TestErrorsPage: the last errors and warnings are there, also those that are
// logged nowhere else.
func TestErrorsPage(t *testing.T) {
	t.Parallel()
	r := running(t, withMetrics, "log_console: I")
	r.configure(t, withMetrics, "log_console: I", "thread_num: 0")
	r.signal(syscall.SIGHUP)
	var events []logging.Event
	eventually(t, "the error", func() bool {
		_, body := r.get(t, "/errors")
		if err := json.Unmarshal([]byte(body), &events); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		return len(events) > 0
	})
	if e := events[len(events)-1]; e.Level != "E" || !strings.Contains(e.Line, "thread_num") || time.Since(e.Time) > time.Hour {
		t.Errorf("%+v", e)
	}
	if v := r.samples(t); v["config_last_reload_success"] != 0 || v[`log_messages_total{level="error"}`] != 1 {
		t.Errorf("last reload %v, errors %v", v["config_last_reload_success"], v[`log_messages_total{level="error"}`])
	}
	if r.out.lines("level=E") != nil {
		t.Error("log_console: I logs errors")
	}
}
