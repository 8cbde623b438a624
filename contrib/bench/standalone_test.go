package bench

import (
	"crypto/tls"
	"errors"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"smtpreceiver/contrib/mtatest"
)

// BenchmarkStandalone compares what a mail costs until it is safe: smtpreceiver
// making a job of it, Postfix taking it into its queue, aiosmtpd with a script
// that writes two fsynced files, and the bare files. smtp-sink keeps nothing
// safe; it shows what can be sent at all.
func BenchmarkStandalone(b *testing.B) {
	dir := mtatest.Dir(b)
	postfix := mtatest.Postfix(b, mtatest.PostfixOptions{ExtraMain: []string{
		"default_process_limit = 200",
		"in_flow_delay = 0", // or it slows down a client that is faster than its delivery
	}})
	queue := filepath.Join(postfix.Dir, "queue")
	master, err := os.ReadFile(filepath.Join(queue, "pid", "master.pid"))
	must(b, err)
	masterPID, err := strconv.Atoi(strings.TrimSpace(string(master)))
	must(b, err)
	ours := startStandalone(b, dir, program(b, dir), faxApplication)
	script := startScript(b, subfolder(b, dir, "aiosmtpd"))
	dump := filepath.Join(dir, "dump")
	sink := startSink(b, "-D", dump)
	diverting := func(name string, s server) *target {
		return &target{
			name: name, send: by(s.addr, "61388454@fax"), pids: just(s.pid),
			settle: func(b *testing.B) { emptyFolder(b, s.folder) },
		}
	}
	targets := []*target{
		diverting("smtpreceiver", ours),
		{
			name: "Postfix, into its queue", send: by(postfix.Addr, "petr@example.com"),
			pids:   func() []int { return tree(masterPID) },
			settle: func(b *testing.B) { drain(b, queue) },
		},
		{
			name: "aiosmtpd and a script", send: by(script.addr, "61388454@fax"), pids: just(script.pid),
			settle: func(b *testing.B) { emptyFolder(b, script.folder) },
		},
		{
			name: "smtp-sink -D, not durable", send: by(sink.addr, "petr@example.com"), pids: just(sink.pid),
			settle: func(b *testing.B) { must(b, os.Truncate(dump, 0)) },
		},
		disk(staged(b, dir, "files"), "bare loop: 2 files fsynced, renamed", false),
		disk(staged(b, dir, "folders"), "bare loop: and the folder fsynced", true),
	}
	if *before != "" {
		targets = append(targets, diverting("the earlier build", startStandalone(b, dir, *before, faxApplication)))
	}
	loads := loads(b)
	for range b.N {
		compare(b, targets, loads)
	}
	report("Diverted mail, standalone", targets, loads)
	b.ReportMetric(0, "ns/op")
}

// BenchmarkForward compares mail through smtpreceiver to a server that throws
// it away with mail straight to that server, through HAProxy in TCP mode, and with
// smtprelay (github.com/decke/smtprelay) where PATH has it.
func BenchmarkForward(b *testing.B) {
	dir := mtatest.Dir(b)
	sink := startSink(b)
	ours := startStandalone(b, dir, program(b, dir), faxApplication+"forward_smtp_server: '"+sink.addr+"'\n")
	targets := []*target{
		{name: "smtpreceiver, forwarding", send: by(ours.addr, "eva@example.com"), pids: just(ours.pid)},
		{name: "straight to smtp-sink", send: by(sink.addr, "eva@example.com"), pids: just(sink.pid)},
	}
	if peer, err := exec.LookPath("smtprelay"); err == nil {
		relay := startSmtprelay(b, peer, sink.addr)
		targets = append(targets, &target{name: "smtprelay", send: by(relay.addr, "eva@example.com"), pids: just(relay.pid)})
	}
	if peer, err := exec.LookPath("haproxy"); err == nil {
		proxy := startHAProxy(b, dir, peer, sink.addr)
		targets = append(targets, &target{name: "HAProxy in TCP mode", send: by(proxy.addr, "eva@example.com"), pids: just(proxy.pid)})
	}
	if *before != "" {
		earlier := startStandalone(b, dir, *before, faxApplication+"forward_smtp_server: '"+sink.addr+"'\n")
		targets = append(targets, &target{name: "the earlier build", send: by(earlier.addr, "eva@example.com"), pids: just(earlier.pid)})
	}
	loads := loads(b)
	for range b.N {
		compare(b, targets, loads)
	}
	report("Forwarded mail, standalone", targets, loads)
	b.ReportMetric(0, "ns/op")
}

// BenchmarkSTARTTLS compares mail over STARTTLS, diverted and forwarded, with that
// of the earlier build of the flag before.
func BenchmarkSTARTTLS(b *testing.B) {
	if *before == "" {
		b.Skip("no -before: there is nothing to compare with")
	}
	dir := mtatest.Dir(b)
	sink := startSink(b)
	_, _, cert, key := mtatest.Certificate(b, "gw.test", "127.0.0.1")
	settings := faxApplication + "forward_smtp_server: '" + sink.addr + "'\ntls: {cert_file: '" + cert + "', key_file: '" + key + "'}\n"
	ours := startStandalone(b, dir, program(b, dir), settings)
	earlier := startStandalone(b, dir, *before, settings)
	loads := loads(b)
	for _, way := range []struct{ what, to string }{{"Diverted", "61388454@fax"}, {"Forwarded", "eva@example.com"}} {
		var targets []*target
		for _, s := range []struct {
			name string
			server
		}{{"smtpreceiver", ours}, {"the earlier build", earlier}} {
			targets = append(targets, &target{
				name: s.name, send: byTLS(s.addr, way.to), pids: just(s.pid),
				settle: func(b *testing.B) { emptyFolder(b, s.folder) },
			})
		}
		for range b.N {
			compare(b, targets, loads)
		}
		report(way.what+" mail over STARTTLS, standalone", targets, loads)
	}
	b.ReportMetric(0, "ns/op")
}

// byTLS sends over STARTTLS, which smtp-source cannot, in one connection for each
// session.
func byTLS(addr, to string) func(*testing.B, load, int) {
	return func(b *testing.B, l load, mails int) {
		text := []byte("Subject: x\r\n\r\n" + strings.Repeat(strings.Repeat("x", 62)+"\r\n", l.size/64))
		var all errgroup.Group
		for n := range l.sessions {
			all.Go(func() error {
				c, err := smtp.Dial(addr)
				if err != nil {
					return err
				}
				defer c.Close()
				if err := c.StartTLS(&tls.Config{InsecureSkipVerify: true}); err != nil {
					return err
				}
				for i := n; i < mails; i += l.sessions {
					if err := errors.Join(c.Mail("petr@example.com"), c.Rcpt(to)); err != nil {
						return err
					}
					w, err := c.Data()
					if err != nil {
						return err
					}
					if _, err := w.Write(text); err != nil {
						return err
					}
					if err := w.Close(); err != nil {
						return err
					}
				}
				return c.Quit()
			})
		}
		must(b, all.Wait())
	}
}

func subfolder(b *testing.B, dir, name string) string {
	dir = filepath.Join(dir, name)
	must(b, os.Mkdir(dir, 0o755))
	return dir
}

func staged(b *testing.B, dir, name string) string {
	dir = subfolder(b, dir, name)
	subfolder(b, dir, "stage")
	return dir
}
