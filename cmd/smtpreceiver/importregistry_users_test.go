//go:build linux

package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
)

// originalUsers is the user table of the original, with the columns that its
// manual names, as far as they touch the receiver.
const originalUsers = `CREATE TABLE users (
  email varchar(128) PRIMARY KEY, account_type integer, gateway varchar(32), password varchar(32), smtp_allowed integer, can_use integer,
  max_len decimal(3), nomodify integer, priority integer, allowed_numbers varchar(255), ugroup varchar(64), lang varchar(2));
INSERT INTO users VALUES
  ('$Gsales', 3, 's', NULL, 1, 1, 3, 0, 0, '420', NULL, 'cs'),
  ('$Gguests', 3, 's', NULL, -1, 0, -1, 0, 0, NULL, NULL, 'cs'),
  ('$R.*@old\.example', 4, 's', NULL, 1, 1, -1, 0, 0, NULL, NULL, 'cs'),
  ('$Afax', 2, 's', NULL, 1, 1, -1, 0, 0, NULL, NULL, 'cs'),
  ('Eva@petrol.org', 1, 's', 'eva''s word', 1, 1, 2, 0, 0, '(420|421)', NULL, 'cs'),
  ('petr@petrol.org', 1, 's', 'petr', -1, -1, -1, 0, 0, '', 'sales', 'cs'),
  ('jan@petrol.org', 1, 's', 'jan', 0, 1, -1, 0, 0, NULL, 'sales', 'cs'),
  ('host@petrol.org', 1, 's', 'host', -1, -1, -1, 0, 0, NULL, 'guests', 'cs'),
  ('empty@petrol.org', 1, 's', '', 1, 1, -1, 0, 0, NULL, NULL, 'cs');`

// uncommented is a part of the comment that import-registry writes in the place of
// authentication_lib.
func uncommented(t *testing.T, yaml, from, to string) string {
	t.Helper()
	_, rest, ok := strings.Cut(yaml, from+"\n")
	part, _, found := strings.Cut(rest, to)
	if !ok || !found {
		t.Fatalf("nothing between %q and %q in\n%s", from, to, yaml)
	}
	return regexp.MustCompile(`(?m)^#   `).ReplaceAllString(part, "")
}

// TestMovingUsers does what an administrator of the original does whose users log
// in and have rights: the export, the user table in PostgreSQL, the one query and
// the lines of configuration that import-registry gives.
func TestMovingUsers(t *testing.T) {
	t.Parallel()
	database := mtatest.PostgreSQL(t)
	if _, err := database.DB.Exec(originalUsers); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	folders := []string{"--map", `D:\FaxChange=` + filepath.Join(dir, "faxchange"), "--map", `%Ums%\MobilChange=` + filepath.Join(dir, "mobilchange")}
	status, yaml, warnings := runCommand(t, "", nil, append([]string{"import-registry", exported}, folders...)...)
	if status != 0 {
		t.Fatalf("exit status %d, %s", status, warnings)
	}
	if _, err := database.DB.Exec(uncommented(t, yaml, "move by one query:", "#   and the configuration")); err != nil {
		t.Fatalf("the query: %v", err)
	}
	_, roots, cert, key := mtatest.Certificate(t, "127.0.0.1")
	moved := uncommented(t, yaml, "and senders.file):", "\n\n")
	for from, to := range map[string]string{
		"postgres://smtpreceiver@db.example.com/people?sslmode=verify-full": database.DSN,
		"/etc/smtpreceiver/cert.pem":                                        cert, "/etc/smtpreceiver/key.pem": key,
	} {
		if !strings.Contains(moved, from) {
			t.Fatalf("no %s in\n%s", from, moved)
		}
		moved = strings.ReplaceAll(moved, from, to)
	}
	r := &receiver{
		dir: dir, config: filepath.Join(dir, "smtpreceiver.yaml"), binary: binary,
		fax: filepath.Join(dir, "faxchange/mail/in"), sms: filepath.Join(dir, "mobilchange/Mail/In"),
		environ: []string{"SMTPRECEIVER_STATE_DIRECTORY=" + dir, "SMTPRECEIVER_SMTP_PORT=0", "SMTPRECEIVER_MIN_FREE_SPACE=0", "SMTPRECEIVER_LOG_EVENT_LOG=", "SMTPRECEIVER_NUMBER_REGION=CZ"},
	}
	writeFile(t, r.config, yaml+"\n"+moved+"\n")
	for _, folder := range []string{r.fax, r.sms, filepath.Join(dir, "faxchange/log")} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if status, problems, _ := runCommand(t, "", r.environ, "check", "--config", r.config); status != 0 || !strings.Contains(problems, "rights of each from the backend sql") {
		t.Fatalf("exit status %d, %s", status, problems)
	}
	r.start(t)
	for _, tt := range []struct {
		name, client, user, password string
		from, to, want               string
	}{
		{"logs in with the old password", "127.0.0.2", "eva@petrol.org", "eva's word", "eva@petrol.org", "+420603123456@sms", "250"},
		{"another country that she may", "127.0.0.2", "EVA@petrol.org", "eva's word", "eva@petrol.org", "00421603123456@sms", "250"},
		{"a country that she may not", "127.0.0.2", "eva@petrol.org", "eva's word", "eva@petrol.org", "+49171123456@sms", "550 5.7.1 sms: number not allowed"},
		{"a wrong password", "127.0.0.2", "eva@petrol.org", "Eva's word", "", "", "535"},
		{"no password", "127.0.0.2", "empty@petrol.org", "", "", "", "535"},
		{"no login, on no list", "127.0.0.2", "", "", "eva@petrol.org", "1@fax", "530"},
		{"rights of the group", "127.0.0.2", "petr@petrol.org", "petr", "petr@petrol.org", "603123457@sms", "250"},
		{"and its numbers", "127.0.0.2", "petr@petrol.org", "petr", "petr@petrol.org", "+421603123457@sms", "550 5.7.1 sms: number not allowed"},
		{"may not log in", "127.0.0.2", "jan@petrol.org", "jan", "", "", "535"},
		{"but send from a listed client", "127.0.0.1", "", "", "Jan@petrol.org", "+420603123458@sms", "250"},
		{"a guest may not", "127.0.0.1", "", "", "host@petrol.org", "+420603123458@sms", "550 5.7.1 sms: sender may not use it"},
		{"a stranger may not", "127.0.0.1", "", "", "who@petrol.org", "+420603123458@sms", "550 5.7.1 sms: sender is not known"},
	} {
		got := strings.ReplaceAll(submit(t, r.addr, roots, tt.client, tt.user, tt.password, tt.from, tt.to), `"`, "") // the library quotes the text
		if !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	parts := map[string]string{"+420603123456": "1", "+421603123456": "1", "+420603123457": "1", "+420603123458": "1"} // ctl_settings of the export: maxlen = 1
	r.wantMaxlen(t, parts)
	// Without that line the rights are what bounds a text.
	writeFile(t, r.config, strings.Replace(readFile(t, r.config), "system|maxlen = 1", "system|maxlen = 9", 1))
	r.reload(t, "msg=reloaded")
	for from, number := range map[string]string{"eva@petrol.org": "+420603123460", "petr@petrol.org": "+420603123461"} {
		if got := submit(t, r.addr, roots, "127.0.0.1", "", "", from, number+"@sms"); got != "250" {
			t.Errorf("%s: %q", from, got)
		}
	}
	parts["+420603123460"], parts["+420603123461"] = "2", "3"
	r.wantMaxlen(t, parts)
	status, said, _ := runCommand(t, "", r.environ, "explain", "--config", r.config, "--client", "127.0.0.1", "--from", "EVA@petrol.org", "--rcpt", "+49171123456@sms")
	if status == 0 || !strings.Contains(said, `"EVA@petrol.org" is "eva@petrol.org", who may use it`) || !strings.Contains(said, `number "+49171123456" is none that "eva@petrol.org" may use`) {
		t.Errorf("explain: exit status %d\n%s", status, said)
	}
	database.Stop()
	if got := submit(t, r.addr, roots, "127.0.0.1", "", "", "petr2@petrol.org", "+420603123458@sms"); !strings.HasPrefix(got, "451 \"4.3.0 sms: the rights of the sender cannot be looked up now") {
		t.Errorf("without the database: %q", got)
	}
	r.stop(t)
}

// wantMaxlen compares the CTL files of sms: number to maxlen.
func (r *receiver) wantMaxlen(t *testing.T, want map[string]string) {
	t.Helper()
	ctls, err := filepath.Glob(filepath.Join(r.sms, "*.ctl"))
	if err != nil || len(ctls) != len(want) {
		t.Errorf("%d jobs, want %d, %v", len(ctls), len(want), err)
	}
	for _, path := range ctls {
		ctl := readFile(t, path)
		number, maxlen := regexp.MustCompile(`(?m)^number=(.*)\r$`).FindStringSubmatch(ctl), regexp.MustCompile(`(?m)^maxlen=(.*)\r$`).FindStringSubmatch(ctl)
		if number == nil || maxlen == nil || want[number[1]] != maxlen[1] {
			t.Errorf("maxlen %q of %q, want %q in\n%s", maxlen, number, want, ctl)
		}
	}
}

// submit sends a mail from a client of that address, which logs in under TLS if
// there is a user, and returns the reply that refuses, or "250".
func submit(t *testing.T, addr string, roots *x509.CertPool, client, user, password, from, to string) string {
	t.Helper()
	d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * patience))
	c, err := smtp.NewClient(conn, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.StartTLS(&tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	if user != "" {
		if err := c.Auth(smtp.PlainAuth("", user, password, "127.0.0.1")); err != nil {
			return err.Error()
		}
	}
	if from == "" {
		return "250"
	}
	for _, step := range []func() error{func() error { return c.Mail(from) }, func() error { return c.Rcpt(to) }} {
		if err := step(); err != nil {
			return err.Error()
		}
	}
	w, err := c.Data()
	if err != nil {
		return err.Error()
	}
	_, err = fmt.Fprintf(w, "From: %s\r\nSubject: moved\r\n\r\ntext\r\n", from)
	if err = errors.Join(err, w.Close()); err != nil {
		return err.Error()
	}
	return "250"
}
