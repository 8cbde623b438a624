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
	const script = `mount -t tmpfs none /run && mkdir -p /run/systemd/journal && ln -s systemd/journal/syslog /run/log && mount --bind "$1" /run/systemd/journal && exec "$0" -test.run "^$2\$" -test.v`
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

// logSocket is journald's "socket" or syslog's "syslog", with nobody but the test behind it.
func logSocket(t *testing.T, dir, name string) *net.UnixConn {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, name), Net: "unixgram"})
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
		log.Error("names", "azAZ09", 1, strings.Repeat("n", 60), 2)
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		return
	}
	dir := t.TempDir()
	c := logSocket(t, dir, "socket")
	withJournal(t, dir, nil)
	fixed := map[string]string{"SYSLOG_IDENTIFIER": "smtpreceiver", "SYSLOG_FACILITY": "2"}
	for _, want := range []map[string]string{
		{"PRIORITY": "3", "MESSAGE": "msg=refused session=s1 g.in=group g.queue_id=Q1 g.took=1.5ms",
			"SMTPRECEIVER_SESSION": "s1", "SMTPRECEIVER_G_IN": "group", "SMTPRECEIVER_G_QUEUE_ID": "Q1", "SMTPRECEIVER_G_TOOK": "1.5ms"},
		{"PRIORITY": "4", "MESSAGE": `msg=odd text="a\nPRIORITY=0\nMESSAGE=forged" -x.ä=1 h.n=2`,
			"SMTPRECEIVER_TEXT": "a\nPRIORITY=0\nMESSAGE=forged", "SMTPRECEIVER__X__": "1", "SMTPRECEIVER_H_N": "2"},
		{"PRIORITY": "7", "MESSAGE": `msg=data data="` + long + `"`, "SMTPRECEIVER_DATA": long},
		{"PRIORITY": "3", "MESSAGE": "msg=names azAZ09=1 " + strings.Repeat("n", 60) + "=2",
			"SMTPRECEIVER_AZAZ09": "1", "SMTPRECEIVER_" + strings.Repeat("N", 51): "2"},
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
		var other bytes.Buffer
		if log, err = Open(Options{Console: "E"}, &other); err != nil {
			t.Fatal(err)
		}
		log.Error("other")
		if got := other.String(); !strings.HasPrefix(got, "time=") || !strings.HasSuffix(got, " level=E msg=other\n") {
			t.Errorf("another console: %q", got)
		}
		return
	}
	for name, test := range map[string]struct {
		socket bool
		want   string
	}{
		"journald": {true, "<6>msg=console n=1\n"},
		// Nor is there a /dev/log in the namespace.
		"no socket": {false, "<4>event log not reachable\n<3>msg=both\n<6>msg=console n=1\n"},
	} {
		dir := t.TempDir()
		var c *net.UnixConn
		if test.socket {
			c = logSocket(t, dir, "socket")
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
			if level, _, is := strings.Cut(line, `msg="event log not reachable:`); is {
				line = level + "event log not reachable\n"
			}
			lines.WriteString(line)
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

// TestSyslog: where there is no journal, events go to syslog, facility mail (2).
func TestSyslog(t *testing.T) {
	if os.Getenv(inNamespace) != "" {
		log, err := Open(Options{EventLog: "EWIT"}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		for _, level := range []slog.Level{slog.LevelError, slog.LevelWarn, slog.LevelInfo, LevelTrace} {
			log.Log(t.Context(), level, "event", "n", 1)
		}
		if n := len(log.closer.(closers)); n != 1 {
			t.Errorf("%d places to close, want the connection to syslog", n)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		return
	}
	dir := t.TempDir()
	c := logSocket(t, dir, "syslog")
	withJournal(t, dir, nil)
	for _, severity := range []int{3, 4, 6, 7} {
		c.SetReadDeadline(time.Now().Add(time.Minute))
		line := make([]byte, 1000)
		n, err := c.Read(line)
		got := string(line[:n])
		if want := fmt.Sprintf("<%d>", 2*8+severity); err != nil || !strings.HasPrefix(got, want) || !strings.Contains(got, " smtpreceiver[") || !strings.HasSuffix(got, "]: msg=event n=1\n") {
			t.Errorf("%q, %v, want %s", got, err, want)
		}
	}
}

func TestStderrIsNoJournal(t *testing.T) {
	t.Setenv("JOURNAL_STREAM", "")
	if isJournal(os.Stderr) {
		t.Error("stderr is the journal")
	}
}
