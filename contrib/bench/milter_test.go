package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
)

const (
	milterSessions = 10
	milterMails    = 1000
	// The script takes a process for each mail; fewer of them tell as much.
	pipeMails  = 100
	milterSize = 4096
)

// way is one way a mail goes through Postfix.
type way struct {
	name  string
	to    string
	mails int
	port  int
	rates []float64 // mails per second, one for each round
}

// BenchmarkMilter puts mail through one Postfix with discard transport:
// without a milter, with a do-nothing filter on the C libmilter, with
// smtpreceiver for ordinary and for diverted mail, with a C filter that takes the
// same events for diverted mail and writes nothing, and with pipe(8) into a
// script that writes two files, which is what people use without us. A run
// ends when the queue is empty; each job is in its folder by then.
func BenchmarkMilter(b *testing.B) {
	dir := mtatest.Dir(b)
	noop := buildNoop(b, dir)
	plain, lean, take := "unix:"+startNoop(b, noop), "unix:"+startNoop(b, noop, "lean"), "unix:"+startNoop(b, noop, "take")
	ours := "unix:" + startReceiver(b, dir)
	startAsked(b, dir)
	ways := []*way{
		{name: "no milter", to: "eva@example.com", mails: milterMails},
		{name: "recipe lmtp, ordinary mail", to: "eva@example.com", mails: milterMails},
		{name: "libmilter, does nothing", to: "eva@example.com", mails: milterMails},
		{name: "libmilter, answers as we do", to: "eva@example.com", mails: milterMails},
		{name: "smtpreceiver, ordinary mail", to: "eva@example.com", mails: milterMails},
		{name: "smtpreceiver, diverted mail", to: "61388454@fax", mails: milterMails},
		{name: "pipe(8) into a script", to: "61388454@pipe", mails: pipeMails},
		{name: "recipe lmtp, fax", to: "61388454@lmtp.fax", mails: milterMails},
		{name: "libmilter, takes the mail, writes nothing", to: "61388454@fax", mails: milterMails},
	}
	script := filepath.Join(dir, "spool.sh")
	must(b, os.WriteFile(script, []byte(pipeScript), 0o755))
	must(b, os.Mkdir(filepath.Join(dir, "pipe"), 0o777))
	must(b, os.Chmod(filepath.Join(dir, "pipe"), 0o777))
	asks := "smtpd_recipient_restrictions=check_recipient_access,regexp:$config_directory/fax_and_sms"
	options := []string{"", asks, "smtpd_milters=" + plain, "smtpd_milters=" + lean, "smtpd_milters=" + ours, "smtpd_milters=" + ours, "", asks, "smtpd_milters=" + take}
	var master []string
	for i, w := range ways {
		w.port = mtatest.FreePort(b)
		entry := fmt.Sprintf("127.0.0.1:%d inet n - n - - smtpd", w.port)
		if options[i] != "" {
			entry += "\n  -o " + options[i]
		}
		master = append(master, entry)
	}
	// One at a time, as HylaFAX's instructions for Postfix have it: modems are few.
	master = append(master, fmt.Sprintf("script unix - n n - 1 pipe\n  flags=q user=nobody argv=%s %s ${recipient}", script, filepath.Join(dir, "pipe")))
	postfix := mtatest.Postfix(b, mtatest.PostfixOptions{
		ExtraMaster: master,
		Maps:        map[string]string{"transport": "pipe script:\nlmtp.fax lmtp:unix:" + filepath.Join(dir, "lmtp.sock") + "\n"},
		Files:       map[string]string{"fax_and_sms": strings.Join(mtatest.Recipe(b, "../postfix/ask/fax_and_sms"), "\n") + "\n"},
		ExtraMain: append([]string{"transport_maps = hash:$config_directory/transport", "script_destination_recipient_limit = 1"},
			slices.DeleteFunc(mtatest.Recipe(b, "../postfix/ask/main.cf", "unix:smtpreceiver/policy.sock", "unix:"+filepath.Join(dir, "policy.sock")),
				func(line string) bool { return strings.HasPrefix(line, "smtpd_recipient_restrictions") })...),
	})
	for range b.N {
		for round := range *rounds {
			order := slices.Clone(ways)
			if round%2 == 1 {
				slices.Reverse(order)
			}
			for _, w := range order {
				w.run(b, postfix)
			}
		}
	}
	base := median(ways[0].rates)
	fmt.Printf("\n%d rounds, %d sessions, %d bytes a mail\n%-42s %10s %18s\n", *rounds, milterSessions, milterSize, "", "mails/s", "of no milter")
	for _, w := range ways {
		fmt.Printf("%-42s %10.0f %18.2f\n", w.name, median(w.rates), median(w.rates)/base)
	}
	ordinary, diverted := median(ways[4].rates), median(ways[5].rates)
	taken := median(ways[8].rates)
	fmt.Printf("ordinary mail through us / through the C filter: %.2f, one that answers as we do: %.2f\ndiverted mail / pipe(8): %.1f, a filter that takes it and writes nothing: %.2f\n\n",
		ordinary/median(ways[2].rates), ordinary/median(ways[3].rates), diverted/median(ways[6].rates), diverted/taken)
	b.ReportMetric(ordinary/base, "ordinary/none")
	b.ReportMetric(ordinary/median(ways[2].rates), "ordinary/libmilter")
	b.ReportMetric(diverted/median(ways[6].rates), "diverted/pipe")
	b.ReportMetric(diverted/taken, "diverted/taken")
	b.ReportMetric(median(ways[1].rates)/base, "ordinary-lmtp/none")
	b.ReportMetric(0, "ns/op")
}

const pipeScript = `#!/bin/sh
# Spools one mail as a text and a control file, as such scripts do.
set -e
id=$(date +%s%N)$$
cat > "$1/$id.txt"
printf '[system]\ntxt=%s.txt\n[to]\naddress=%s\n' "$id" "$2" > "$1/$id.tmp"
mv "$1/$id.tmp" "$1/$id.ctl"
`

// run sends the mails and waits until Postfix has none left.
func (w *way) run(b *testing.B, postfix *mtatest.MTA) {
	begun := time.Now()
	out, err := exec.Command("smtp-source", "-d", "-s", fmt.Sprint(milterSessions), "-m", fmt.Sprint(w.mails), "-l", fmt.Sprint(milterSize),
		"-f", "petr@example.com", "-t", w.to, fmt.Sprintf("127.0.0.1:%d", w.port)).CombinedOutput()
	if err != nil {
		b.Fatalf("%s: %v\n%s", w.name, err, out)
	}
	drain(b, filepath.Join(postfix.Dir, "queue"))
	w.rates = append(w.rates, float64(w.mails)/time.Since(begun).Seconds())
}

// drain waits until a Postfix queue is empty.
func drain(b *testing.B, queue string) {
	for !empty(b, queue) {
		time.Sleep(2 * time.Millisecond)
	}
}

// empty looks into the queue itself: asking showq(8) would load the server.
func empty(b *testing.B, queue string) bool {
	for _, sub := range []string{"incoming", "active", "maildrop", "deferred"} {
		entries, err := os.ReadDir(filepath.Join(queue, sub))
		if err != nil && !os.IsNotExist(err) {
			b.Fatal(err)
		}
		for _, e := range entries {
			if !e.IsDir() {
				return false
			}
		}
	}
	return true
}

// buildNoop builds the C filter.
func buildNoop(b *testing.B, dir string) (program string) {
	program = filepath.Join(dir, "libmilter-noop")
	if out, err := exec.Command("cc", "-O2", "-o", program, filepath.Join("libmilter", "noop.c"), "-lmilter", "-lpthread").CombinedOutput(); err != nil {
		b.Skipf("no C compiler or no libmilter (apt-get install gcc libmilter-dev): %v\n%s", err, out)
	}
	return program
}

// startNoop starts the C filter at a socket of the kind that ours has.
func startNoop(b *testing.B, program string, args ...string) (socket string) {
	socket = strings.Join(append([]string{program}, args...), "-") + ".sock"
	start(b, exec.Command(program, append([]string{"unix:" + socket}, args...)...))
	waitFor(b, "unix", socket)
	must(b, os.Chmod(socket, 0o666))
	return socket
}

// startReceiver builds and starts smtpreceiver milter and returns its socket.
func startReceiver(b *testing.B, dir string) string {
	socket := filepath.Join(dir, "milter.sock")
	for _, sub := range []string{"fax", "state"} {
		must(b, os.Mkdir(filepath.Join(dir, sub), 0o755))
	}
	conf := filepath.Join(dir, "smtpreceiver.yaml")
	must(b, os.WriteFile(conf, []byte(strings.ReplaceAll(`
clients: localhost
state_directory: '{dir}/state'
log_console: EW
log_event_log: ""
milter: {listen: 'unix:{dir}/milter.sock', socket_mode: "0666"}
applications:
  fax:
    ctl_type: fax
    output_folder: '{dir}/fax'
    addresses: '(?P<number>\+?\d+)@fax$'
`, "{dir}", dir)), 0o644))
	start(b, exec.Command(program(b, dir), "milter", "--config", conf))
	waitFor(b, "unix", socket)
	return socket
}

// startAsked starts smtpreceiver standalone, which gets fax by LMTP and is asked
// about it.
func startAsked(b *testing.B, dir string) {
	must(b, os.MkdirAll(filepath.Join(dir, "asked"), 0o755))
	conf := filepath.Join(dir, "asked.yaml")
	must(b, os.WriteFile(conf, []byte(strings.ReplaceAll(`
clients: localhost
smtp_ip_address: 127.0.0.1
smtp_port: 0
thread_num: 20
instance: asked
state_directory: '{dir}/asked'
log_console: EW
log_event_log: ""
lmtp: {listen: 'unix:{dir}/lmtp.sock', policy_listen: 'unix:{dir}/policy.sock', socket_mode: "0666"}
applications:
  fax:
    ctl_type: fax
    output_folder: '{dir}/fax'
    addresses: '(?P<number>\+?\d+)@lmtp.fax$'
`, "{dir}", dir)), 0o644))
	start(b, exec.Command(filepath.Join(dir, "smtpreceiver"), "standalone", "--config", conf))
	waitFor(b, "unix", filepath.Join(dir, "policy.sock"))
}
