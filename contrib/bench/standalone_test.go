package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

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
	targets := []*target{
		{
			name: "smtpreceiver", send: by(ours.addr, "61388454@fax"), pids: just(ours.pid),
			settle: func(b *testing.B) { emptyFolder(b, ours.folder) },
		},
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
	loads := loads(b)
	for range b.N {
		compare(b, targets, loads)
	}
	report("Diverted mail, standalone", targets, loads)
	b.ReportMetric(0, "ns/op")
}

// BenchmarkForward compares mail through smtpreceiver to a server that throws
// it away with mail straight to that server, and with smtprelay
// (github.com/decke/smtprelay) where PATH has it.
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
	loads := loads(b)
	for range b.N {
		compare(b, targets, loads)
	}
	report("Forwarded mail, standalone", targets, loads)
	b.ReportMetric(0, "ns/op")
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
