package logging

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// inNamespace says to the test that it runs beside a journal of its own.
const inNamespace = "LOGGING_TEST_IN_NAMESPACE"

// withJournal runs the test again in a mount namespace where dir is journald's
// folder: the place of its socket is fixed.
func withJournal(t *testing.T, dir string, stderr io.Writer, environ ...string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("a mount namespace needs root")
	}
	const script = `mount -t tmpfs none /run && mkdir -p /run/systemd/journal && mount --bind "$1" /run/systemd/journal && exec "$0" -test.run "^$2\$" -test.v`
	c := exec.Command("unshare", "-m", "sh", "-c", script, os.Args[0], dir, t.Name())
	c.Env = append(append(os.Environ(), inNamespace+"=1"), environ...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, stderr
	if stderr == nil {
		c.Stderr = &out
	}
	if err := c.Run(); err != nil {
		t.Fatalf("%v: needs unshare(1) and CAP_SYS_ADMIN; %s", err, &out)
	}
}

// journalSocket is journald's, with nobody but the test behind it.
func journalSocket(t *testing.T, dir string) *net.UnixConn {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "socket"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// readEntry takes one entry, whose bytes may come in a file (systemd.io,
// JOURNAL_NATIVE_PROTOCOL).
func readEntry(t *testing.T, c *net.UnixConn) map[string]string {
	t.Helper()
	data, rights := make([]byte, 1<<20), make([]byte, 1024)
	c.SetReadDeadline(time.Now().Add(time.Minute))
	n, oobn, _, _, err := c.ReadMsgUnix(data, rights)
	if err != nil {
		t.Fatal(err)
	}
	data = data[:n]
	if oobn > 0 {
		messages, err := syscall.ParseSocketControlMessage(rights[:oobn])
		if err != nil {
			t.Fatal(err)
		}
		fds, err := syscall.ParseUnixRights(&messages[0])
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(fds[0]), "entry")
		defer f.Close()
		if data, err = io.ReadAll(io.NewSectionReader(f, 0, 1<<30)); err != nil {
			t.Fatal(err)
		}
	}
	entry, err := parseEntry(data)
	if err != nil {
		t.Fatalf("%v in %.500q", err, data)
	}
	return entry
}

func parseEntry(data []byte) (map[string]string, error) {
	entry := map[string]string{}
	for r := bufio.NewReader(bytes.NewReader(data)); ; {
		line, err := r.ReadString('\n')
		if err == io.EOF && line == "" {
			return entry, nil
		}
		if err != nil {
			return nil, err
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			var size uint64
			if err := binary.Read(r, binary.LittleEndian, &size); err != nil {
				return nil, err
			}
			raw := make([]byte, size+1)
			if _, err := io.ReadFull(r, raw); err != nil || raw[size] != '\n' {
				return nil, fmt.Errorf("value of %s: %w", name, err)
			}
			value = string(raw[:size])
		}
		if _, twice := entry[name]; twice {
			return nil, fmt.Errorf("%s comes twice", name)
		}
		entry[name] = value
	}
}

func TestJournal(t *testing.T) {
	long := strings.Repeat("long ", 1<<20)
	if os.Getenv(inNamespace) != "" {
		log, err := Open(Options{EventLog: "EWT"}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		sub := log.With("session", "s1").WithGroup("g").With("in", "group")
		sub.Error("refused", "queue_id", "Q1", "took", 1500*time.Microsecond)
		log.Info("not wanted")
		log.Warn("odd", "text", "a\nPRIORITY=0\nMESSAGE=forged", "-x.ä", 1, slog.Group("h", "n", 2))
		log.Log(context.Background(), LevelTrace, "data", "data", long)
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		return
	}
	dir := t.TempDir()
	c := journalSocket(t, dir)
	withJournal(t, dir, nil)
	fixed := map[string]string{"SYSLOG_IDENTIFIER": "smtpreceiver", "SYSLOG_FACILITY": "2"}
	for _, want := range []map[string]string{
		{"PRIORITY": "3", "MESSAGE": "msg=refused session=s1 g.in=group g.queue_id=Q1 g.took=1.5ms",
			"SMTPRECEIVER_SESSION": "s1", "SMTPRECEIVER_G_IN": "group", "SMTPRECEIVER_G_QUEUE_ID": "Q1", "SMTPRECEIVER_G_TOOK": "1.5ms"},
		{"PRIORITY": "4", "MESSAGE": `msg=odd text="a\nPRIORITY=0\nMESSAGE=forged" -x.ä=1 h.n=2`,
			"SMTPRECEIVER_TEXT": "a\nPRIORITY=0\nMESSAGE=forged", "SMTPRECEIVER__X__": "1", "SMTPRECEIVER_H_N": "2"},
		{"PRIORITY": "7", "MESSAGE": `msg=data data="` + long + `"`, "SMTPRECEIVER_DATA": long},
	} {
		entry := readEntry(t, c)
		for name, value := range fixed {
			want[name] = value
		}
		for name, value := range want {
			if entry[name] != value {
				t.Errorf("%s: %.200q, want %.200q", name, entry[name], value)
			}
		}
		if len(entry) != len(want) {
			t.Errorf("%d fields, want %d: %.1000q", len(entry), len(want), entry)
		}
	}
}

// TestConsoleInJournal: where stderr is the journal, an event is there once,
// with its priority, and rather with its fields.
func TestConsoleInJournal(t *testing.T) {
	if os.Getenv(inNamespace) != "" {
		log, err := Open(Options{Console: "EWI", EventLog: "EW"}, os.Stderr)
		if err != nil {
			t.Fatal(err)
		}
		log.Error("both")
		log.Info("console", "n", 1)
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		return
	}
	for name, test := range map[string]struct {
		socket bool
		want   string
	}{
		"journald": {true, "<6>msg=console n=1\n"},
		// Nor is there a /dev/log in the namespace, which is a warning.
		"no socket": {false, "<3>msg=both\n<6>msg=console n=1\n"},
	} {
		dir := t.TempDir()
		var c *net.UnixConn
		if test.socket {
			c = journalSocket(t, dir)
		}
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		info, err := w.Stat()
		if err != nil {
			t.Fatal(err)
		}
		stat := info.Sys().(*syscall.Stat_t)
		withJournal(t, dir, w, fmt.Sprintf("JOURNAL_STREAM=%d:%d", stat.Dev, stat.Ino))
		w.Close()
		out, err := io.ReadAll(r)
		r.Close()
		var lines strings.Builder
		for line := range strings.Lines(string(out)) {
			if !strings.Contains(line, "event log not reachable") {
				lines.WriteString(line)
			}
		}
		if err != nil || lines.String() != test.want {
			t.Errorf("%s: console %q, %v; want %q", name, out, err, test.want)
		}
		if test.socket {
			if entry := readEntry(t, c); entry["MESSAGE"] != "msg=both" {
				t.Errorf("%s: entry %q", name, entry)
			}
			c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
			if n, _, err := c.ReadFrom(make([]byte, 1)); err == nil {
				t.Errorf("%s: a second entry, %d bytes", name, n)
			}
		}
	}
}
