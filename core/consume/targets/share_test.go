package targets

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/config"
	"smtpreceiver/core/consume"
	"smtpreceiver/core/queue"
	"smtpreceiver/core/queue/queuetest"
)

// TestNoWorkDirectory: a consumer that cannot make its folder for the jobs of a queue, as on
// a full disk, says so and waits until it can.
func TestNoWorkDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	work := filepath.Join(dir, "work")
	settings, problems := config.Parse("yaml", fmt.Appendf(nil, `
instance: gw1
queue: {servers: ['%s'], monitor: ['http://127.0.0.1:1'], unsynced: accept, replicas: 1}
applications:
  fax: {ctl_type: fax, addresses: x}
consume:
  fax: {target: folder, target_folder: '%s', work_directory: '%s'}
`, queuetest.Start(t).Addr, dir, work), nil)
	if problems != nil {
		t.Fatal(problems)
	}
	if err := os.WriteFile(work, nil, 0o600); err != nil { // where the folder is to be
		t.Fatal(err)
	}
	log := new(mtatest.Log)
	q, err := queue.Open(t.Context(), queue.ConfigOf(settings, slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	open := func() *consume.Consumer {
		c, err := Open(settings, "fax", slog.New(slog.NewTextHandler(log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		c.PollInterval = 20 * time.Millisecond
		Share(c, settings, q, slog.New(slog.DiscardHandler))
		return c
	}
	if _, err := open().Drain(t.Context()); err == nil || !strings.Contains(err.Error(), "consume.fax.work_directory") {
		t.Errorf("once: %v", err)
	}

	c := open()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	eventually := func(what string, is func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("waited in vain for %s; log:\n%s", what, log)
			}
		}
	}
	eventually("a word on it", func() bool { return strings.Contains(log.String(), "consume.fax.work_directory") })
	if err := c.Ready(ctx); err == nil {
		t.Error("ready")
	}
	if err := os.Remove(work); err != nil {
		t.Fatal(err)
	}
	eventually("the folder", func() bool { return c.Ready(ctx) == nil })
	eventually("the consumer in the queue", func() bool {
		workers, err := q.Workers(ctx)
		return err == nil && len(workers) == 1 && workers[0].Name == "fax"
	})
	stop()
	if err := mtatest.Receive(t, "the consumer to end", ended); err != nil {
		t.Error(err)
	}
	owner, err := queue.Owner(c.Folder, ".owner")
	if err != nil || owner == "" || c.Identity != "folder of "+owner {
		t.Errorf("identity %q of owner %q, %v", c.Identity, owner, err)
	}
	if info, err := os.Stat(c.Folder); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if n := strings.Count(log.String(), "consume.fax.work_directory"); n != 1 {
		t.Errorf("said %d times:\n%s", n, log)
	}
}
