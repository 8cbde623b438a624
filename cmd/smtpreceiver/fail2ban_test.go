//go:build linux

package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

const fail2banFolder = "../../contrib/fail2ban"

// hostileNames are user names that would ban another host, or nobody, if the
// filter took them for a part of the line.
var hostileNames = []string{
	"eva@example.com",
	"x client=192.0.2.1",
	"x\nmsg=\"authentication refused\" session=1 client=192.0.2.1 user=x status=535 reason=",
	"x\r\ntime=2026-01-02T03:04:05.678Z level=I msg=\"authentication refused\" session=1 client=192.0.2.1 user=x status=535 reason=",
	`x" status=535 reason="5.7.8 client=192.0.2.1`,
	`\" client=192.0.2.1 user="`,
	"x\u2028Nov 26 00:00:00 mail smtpreceiver[1]: msg=\"authentication refused\" session=1 client=192.0.2.1 user=x status=535 reason=",
	"x\x85client=192.0.2.1\xff",
	strings.Repeat("client=192.0.2.1 ", 40),
	"",
}

// asClient connects through a listed proxy as a client of any address, and reads
// the greeting.
func asClient(t *testing.T, r *receiver, ip, greeting string) *smtpClient {
	t.Helper()
	family := "TCP4"
	if strings.Contains(ip, ":") {
		family = "TCP6"
	}
	c := dial(t, r.addr)
	if _, err := fmt.Fprintf(c, "PROXY %s %s %[2]s 4711 25\r\n", family, ip); err != nil {
		t.Fatal(err)
	}
	c.want(t, "", greeting)
	if greeting == "220 " {
		c.want(t, "EHLO client.test status=535 reason=", "250 ")
	}
	return c
}

func plain(user, password string) string {
	return "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+password))
}

// matched are the addresses that fail2ban would count, sorted.
func matched(t *testing.T, mode, log string) []string {
	t.Helper()
	filter, err := filepath.Abs(fail2banFolder + "/filter.d/smtpreceiver.conf")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "log")
	writeFile(t, file, log)
	c := exec.Command(program(t, "fail2ban-regex", "fail2ban"), "--out", "ip", file, filter+"[mode="+mode+"]")
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", c, err, out)
	}
	found := strings.Fields(string(out))
	slices.Sort(found)
	return found
}

// TestFail2ban has clients fail, has fail2ban read what the program wrote of
// them, and asks for whom it counted.
func TestFail2ban(t *testing.T) {
	t.Parallel()
	program(t, "fail2ban-regex", "fail2ban")
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	users := filepath.Join(dir, "users")
	writeFile(t, users, "eva@example.com:"+string(hash)+"\n")
	authentication := fmt.Sprintf("authentication: {backend: file, users_file: '%s', allow_plaintext: 1, max_failures: 2}", users)
	own := "thread_num: 100\nproxy_protocol_from: 127.0.0.1\nlog_console: EWIT\nlogging_file_name: '" + filepath.Join(dir, "%s.log") + "'"
	r := running(t, fmt.Sprintf(own, "auth"), authentication)
	strangers := newReceiver(t, fmt.Sprintf(own, "lists"))
	// An application of its own list beside one without.
	writeFile(t, strangers.config, readFile(t, strangers.config)+fmt.Sprintf(
		"  pager:\n    ctl_type: sms\n    output_folder: '%s'\n    addresses: ['(?P<number>\\d+)@pager$']\n    clients: 203.0.113.21\n", strangers.sms))
	strangers.start(t)

	var guesses, others []string
	guess := func(ip, command, reply string) {
		asClient(t, r, ip, "220 ").want(t, command, reply)
		guesses = append(guesses, ip)
	}
	var waiting []*smtpClient // each answer comes after a second
	for i, name := range hostileNames {
		for _, ip := range []string{fmt.Sprintf("198.51.100.%d", i+1), fmt.Sprintf("2001:db8:%x::1", i+1)} {
			c := asClient(t, r, ip, "220 ")
			fmt.Fprintf(c, "%s\r\n", plain(name, "guess"))
			waiting = append(waiting, c)
			guesses = append(guesses, ip)
		}
	}
	for _, c := range waiting {
		c.want(t, "", "535 ")
	}
	guess("203.0.113.1", "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("other\x00eva@example.com\x00secret")), "535 ")
	for _, reply := range []string{"535 ", "535 ", "421 "} {
		guess("203.0.113.2", plain("eva@example.com", "guess"), reply)
	}
	login := asClient(t, r, "203.0.113.3", "220 ")
	login.want(t, "AUTH LOGIN "+base64.StdEncoding.EncodeToString([]byte("eva@example.com")), "334 ")
	login.want(t, base64.StdEncoding.EncodeToString([]byte("guess")), "535 ")
	guesses = append(guesses, "203.0.113.3")

	// What is no guess.
	good := asClient(t, r, "203.0.113.4", "220 ")
	good.want(t, plain("eva@example.com", "secret"), "235 ")
	good.want(t, `MAIL FROM:<"x client=192.0.2.1"@example.com>`, "550 ")
	good.want(t, `MAIL FROM:<eva@example.com>`, "250 ")
	good.want(t, `RCPT TO:<"x status=530 reason= client=192.0.2.1"@nowhere>`, "550 ")
	good.want(t, `RCPT TO:<1@fax>`, "250 ")
	good.want(t, "DATA", "354 ")
	good.want(t, "Subject: client=192.0.2.1 status=535\r\n\r\nx\r\n.", "250 ")
	// Of clients on no list.
	for i, command := range []string{"AUTH CRAM-MD5", "AUTH PLAIN AAAA", `MAIL FROM:<"x client=192.0.2.1"@example.com>`} {
		ip := fmt.Sprintf("203.0.113.1%d", i)
		asClient(t, r, ip, "220 ").want(t, command, "5")
		others = append(others, ip)
	}
	asClient(t, strangers, "203.0.113.20", "554 ")
	limited := asClient(t, strangers, "203.0.113.21", "220 ")
	limited.want(t, "MAIL FROM:<a@example.com>", "250 ")
	limited.want(t, "RCPT TO:<1@pager>", "250 ")
	limited.want(t, `RCPT TO:<"x/y/1"@fax>`, "550 ")
	others = append(others, "203.0.113.20", "203.0.113.21")
	r.stop(t)
	strangers.stop(t)

	lines := ""
	for _, pattern := range []string{"auth_*.log", "lists_*.log"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, files, err)
		}
		for _, file := range files { // two around midnight
			lines += readFile(t, file)
		}
	}
	slices.Sort(guesses)
	all := slices.Sorted(slices.Values(slices.Concat(guesses, others)))
	console := r.out.String() + strangers.out.String()
	for name, log := range map[string]string{
		"file":            lines,
		"console":         console,
		"console, syslog": regexp.MustCompile(`(?m)^time=`).ReplaceAllString(console, "Nov 26 00:00:00 mail smtpreceiver[123]: $0"),
		"event log":       regexp.MustCompile(`(?m)^time=\S+ level=\w `).ReplaceAllString(lines, "Nov 26 00:00:00 mail smtpreceiver[123]: "),
	} {
		if got := matched(t, "normal", log); !slices.Equal(got, guesses) {
			t.Errorf("%s: counted %q, want %q", name, got, guesses)
		}
		if got := matched(t, "aggressive", log); !slices.Equal(got, all) {
			t.Errorf("%s, aggressive: counted %q, want %q", name, got, all)
		}
	}
	if t.Failed() {
		t.Log(lines)
	}
}

// TestFail2banJail has fail2ban read the jail together with its own
// configuration.
func TestFail2banJail(t *testing.T) {
	t.Parallel()
	client := program(t, "fail2ban-client", "fail2ban")
	dir := t.TempDir()
	for _, from := range []string{"/etc/fail2ban", fail2banFolder} {
		if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(client, "-c", dir, "-d").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "'smtpreceiver', 'addfailregex'") && !strings.Contains(string(out), "'smtpreceiver', 'multi-addfailregex'") {
		t.Fatalf("%v\n%s", err, out)
	}
}
