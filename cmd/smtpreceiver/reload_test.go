//go:build linux

package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestReloadNextStart: a reload names the keys that were changed and count from the next
// start only, each time until then.
func TestReloadNextStart(t *testing.T) {
	t.Parallel()
	r := running(t, "thread_num: 2")
	for range 2 {
		r.configure(t, "thread_num: 3\nthread_priority: -1\nmetrics: {listen: 'inet:127.0.0.1:0'}\nlmtp: {policy_listen: 'unix:"+r.dir+"/policy.sock'}")
		if line := r.reload(t, "level=W", "next start"); !strings.Contains(line, `keys="thread_priority, lmtp.policy_listen, metrics.listen"`) {
			t.Error(line)
		}
		r.awaitLine(t, "msg=reloaded")
	}
	r.configure(t, "thread_num: 3")
	r.reload(t, "msg=reloaded")
	if n := len(r.out.lines("next start")); n != 2 {
		t.Errorf("%d warnings, want 2", n)
	}
}

// TestReloadAtTheEnd: a reload that works when the service ends has its end waited for.
func TestReloadAtTheEnd(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, "metrics: {listen: 'unix:"+t.TempDir()+"/m'}")
	settings, _, err := (&app{configFile: r.config}).load()
	if err != nil {
		t.Fatal(err)
	}
	open := strings.TrimPrefix(settings.Metrics.Listen, "unix:")
	log := new(lines)
	ctx, end := context.WithCancel(t.Context())
	defer end()
	hup := make(chan os.Signal, 1)
	m := unmanaged()
	m.reload = hup
	m.ready = func(status string) {
		if !strings.Contains(log.String(), "msg=reloading") {
			hup <- syscall.SIGHUP
		}
	}
	m.reloading = func() {
		end()
		for range 10_000 {
			if strings.Contains(log.String(), "msg=stopped") {
				break
			}
			time.Sleep(time.Millisecond)
		}
		for range 100 { // what would close it is on its way
			if _, err := os.Stat(open); err != nil {
				t.Error("closed while a reload works on it")
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	if err := (&app{configFile: r.config}).runService(ctx, standaloneKind, m, log); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(open); err == nil || !strings.Contains(log.String(), "msg=reloaded") {
		t.Errorf("%v, log:\n%s", err, log)
	}
}

// lines is a log that is read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
