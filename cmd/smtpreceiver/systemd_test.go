//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/logging"
)

// TestNotify plays systemd: what the service says at its start, while it lives,
// around a reload and at its end.
func TestNotify(t *testing.T) {
	t.Parallel()
	for service, settings := range map[string]string{"standalone": "", "milter": "milter: {listen: 'inet:127.0.0.1:0'}"} {
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			socket := filepath.Join(mtatest.Dir(t), "notify")
			systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
			if err != nil {
				t.Fatal(err)
			}
			defer systemd.Close()
			// said is the next message that is not about the watchdog, and how many
			// of those came before it.
			said := func() (message string, alive int) {
				t.Helper()
				systemd.SetReadDeadline(time.Now().Add(patience))
				for b := make([]byte, 4096); ; alive++ {
					n, err := systemd.Read(b)
					if err != nil {
						t.Fatal(err)
					}
					if message = string(b[:n]); message != "WATCHDOG=1" {
						return message, alive
					}
				}
			}
			want := func(pattern string) {
				t.Helper()
				if got, _ := said(); !regexp.MustCompile("(?s)^(?:" + pattern + ")$").MatchString(got) {
					t.Errorf("systemd is told %q, want %s", got, pattern)
				}
			}
			r := newReceiver(t, settings)
			r.environ = []string{"NOTIFY_SOCKET=" + socket, "WATCHDOG_USEC=200000"}
			r.process = r.launch(t, service)
			running := `READY=1\nSTATUS=` + service + ` on 127\.0\.0\.1:\d+`
			want(running)
			// At least half the time it promises; a busy machine makes it late, not silent.
			for range 3 {
				systemd.SetReadDeadline(time.Now().Add(patience))
				b := make([]byte, 100)
				if n, err := systemd.Read(b); err != nil || string(b[:n]) != "WATCHDOG=1" {
					t.Errorf("%q, %v instead of a sign of life", b[:n], err)
				}
			}
			var before, after unix.Timespec
			unix.ClockGettime(unix.CLOCK_MONOTONIC, &before)
			r.signal(syscall.SIGHUP)
			got, _ := said()
			unix.ClockGettime(unix.CLOCK_MONOTONIC, &after)
			var at int64
			if _, err := fmt.Sscanf(got, "RELOADING=1\nMONOTONIC_USEC=%d", &at); err != nil || at < before.Nano()/1000 || at > after.Nano()/1000 {
				t.Errorf("%q, %v, want a time from %d to %d", got, err, before.Nano()/1000, after.Nano()/1000)
			}
			want(running)
			r.configure(t, settings, "thread_num: 0\nREADY: 1")
			r.signal(syscall.SIGHUP)
			want(`RELOADING=1\nMONOTONIC_USEC=\d+\n?`)
			want(`READY=1\nSTATUS=configuration not reloaded, the old settings stay: [^\n]*thread_num[^\n]*`)
			r.stop(t)
			want("STOPPING=1")
		})
	}
}

// TestWatchdogOfAnother: systemd's variables may have come down from a parent.
func TestWatchdogOfAnother(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(mtatest.Dir(t), "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	r := newReceiver(t)
	r.environ = []string{"NOTIFY_SOCKET=" + socket, "WATCHDOG_USEC=100000", "WATCHDOG_PID=1"}
	r.start(t)
	b := make([]byte, 4096)
	if n, err := systemd.Read(b); err != nil || !strings.HasPrefix(string(b[:n]), "READY=1") {
		t.Fatalf("%q, %v", b[:n], err)
	}
	systemd.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	if n, err := systemd.Read(b); err == nil {
		t.Errorf("%q although the watchdog is not ours", b[:n])
	}
}

// deaf is a frontend whose accept loop may stand still.
type deaf struct {
	frontend
	hears atomic.Bool
}

func (d *deaf) Ping(ctx context.Context) error {
	if d.hears.Load() {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

// TestWatchdogSilent: while an accept loop stands still there is no sign of
// life, and an error in the log.
func TestWatchdogSilent(t *testing.T) {
	socket := filepath.Join(mtatest.Dir(t), "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "100000")
	log, err := logging.Open(logging.Options{}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	d := new(deaf)
	v := &service{frontend: d, log: log}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go v.watchdog(ctx)
	b := make([]byte, 100)
	systemd.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	if n, err := systemd.Read(b); err == nil {
		t.Errorf("%q although nothing is accepted", b[:n])
	}
	if log.Count("E") == 0 {
		t.Error("no error is logged")
	}
	d.hears.Store(true)
	systemd.SetReadDeadline(time.Now().Add(patience))
	if n, err := systemd.Read(b); err != nil || string(b[:n]) != "WATCHDOG=1" {
		t.Errorf("%q, %v when it goes on", b[:n], err)
	}
}

// TestJournald has a journald of its own, in a namespace: an event is there
// once, with its priority, and those of log_event_log with their fields.
func TestJournald(t *testing.T) {
	t.Parallel()
	mtatest.RequireRoot(t)
	const journald = "/lib/systemd/systemd-journald"
	if _, err := os.Stat(journald); err != nil {
		t.Skip("no journald here: apt-get install -y --no-install-recommends systemd")
	}
	journalctl := program(t, "journalctl", "systemd")
	port := mtatest.FreePort(t)
	r := newReceiver(t)
	r.environ = []string{
		fmt.Sprintf("SMTPRECEIVER_SMTP_PORT=%d", port), "SMTPRECEIVER_LOG_EVENT_LOG=EW",
		"SMTPRECEIVER_APPLICATIONS_SMS_MAX_JOBS_PER_SENDER=1",
	}
	store := filepath.Join(r.dir, "journal")
	mkdir(t, store)
	// What systemd does: stderr is a stream of journald, which JOURNAL_STREAM names.
	const script = `mount -t tmpfs none /run && mkdir -p /run/log/journal /run/systemd/journal && mount --bind "$0" /run/log/journal || exit 3
setpriv --pdeathsig KILL ` + journald + ` </dev/null >/dev/null 2>&1 &
n=0
until [ -S /run/systemd/journal/stdout ]; do n=$((n+1)); [ $n -lt 1000 ] || exit 4; sleep 0.05; done
exec systemd-cat -t smtpreceiver sh -c 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$@"' sh "$@"`
	r.tracer = []string{"unshare", "-m", "sh", "-c", script, store}
	r.process = r.launch(t, "standalone")
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	eventually(t, "the listener", func() bool {
		select {
		case <-r.ended:
			t.Fatalf("ended: %v; needs CAP_SYS_ADMIN", r.cmd.ProcessState)
		default:
		}
		c, err := connect(addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	wantDelivery(t, addr, to("1@sms"), "250 ") // I: on the console alone
	wantDelivery(t, addr, to("1@sms"), "450 ") // W: in both, but once
	var found []map[string]any
	entries := func() []map[string]any {
		c := exec.Command(journalctl, "--directory", store, "--output", "json", "--identifier", "smtpreceiver")
		out, err := c.Output()
		if err != nil {
			return nil // not written yet
		}
		var all []map[string]any
		for d := json.NewDecoder(bytes.NewReader(out)); ; {
			var e map[string]any
			if d.Decode(&e) != nil {
				return all
			}
			all = append(all, e)
		}
	}
	with := func(text string) (of []map[string]any) {
		for _, e := range found {
			if m, _ := e["MESSAGE"].(string); strings.Contains(m, text) {
				of = append(of, e)
			}
		}
		return of
	}
	eventually(t, "both lines", func() bool {
		found = entries()
		return len(with("msg=job")) > 0 && len(with("msg=refused")) > 0
	})
	for text, want := range map[string]map[string]string{
		"msg=job": {"_TRANSPORT": "stdout", "PRIORITY": "6"},
		"msg=refused": {
			"_TRANSPORT": "journal", "PRIORITY": "4", "SYSLOG_FACILITY": "2", "SMTPRECEIVER_STATUS": "450", "SMTPRECEIVER_REFUSAL": "quota",
			"SMTPRECEIVER_RCPT": "1@sms", "SMTPRECEIVER_CLIENT": "127.0.0.1", "SMTPRECEIVER_FROM": "<petr.novak@example.com>",
		},
	} {
		of := with(text)
		if len(of) != 1 {
			t.Errorf("%s is there %d times: %v", text, len(of), of)
			continue
		}
		for field, value := range want {
			if of[0][field] != value {
				t.Errorf("%s: %s is %v, want %s", text, field, of[0][field], value)
			}
		}
	}
	r.stop(t)
}
