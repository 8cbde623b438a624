package status

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/queue"
	"smtpreceiver/core/queue/queuetest"
)

// TestQueue: what the servers say of the queue, its consumers and the jobs of each
// application that is switched on.
func TestQueue(t *testing.T) {
	t.Parallel()
	server := queuetest.Start(t)
	server.Leader = "one"
	dir, s := site(t, "consume: {smsd: {application: sms, target: command, command: ['true']}, modem: {application: fax, target: command, command: ['true']}}")
	failed := filepath.Join(dir, "work", "smsd", ".failed", "gw1-00000009")
	if err := errors.Join(os.MkdirAll(filepath.Dir(failed), 0o755), os.WriteFile(failed+".ctl", []byte("[system]\r\nid=9\r\n"), 0o644), os.WriteFile(failed+".err", []byte("no line"), 0o644)); err != nil {
		t.Fatal(err)
	}
	for name, c := range s.Consume {
		c.WorkDirectory = filepath.Join(dir, "work")
		s.Consume[name] = c
	}
	s.Queue.Servers, s.Queue.Name, s.Queue.MaxSize, s.Queue.Unsynced, s.Queue.CommitTimeout = []string{server.Addr}, "q", 1<<20, "accept", time.Second

	// Before the first gateway has made the queue there is nothing to see, and nothing amiss.
	r := Folders(t.Context(), s, time.Hour)
	const lost = "sms: jobs failed: 1, the last of them gw1-00000009:  (smtpreceiver jobs list --app sms --state failed; then retry or drop)"
	wantProblems(t, "not made yet", r.Problems, lost)
	if r.Queue == nil || len(r.Applications) != 3 {
		t.Fatalf("%+v", r)
	}

	c := queue.ConfigOf(s, slog.New(slog.DiscardHandler))
	c.Replicas, c.Instance, c.Owner = 1, "gw1", "me"
	c.NextID = func() (string, string, error) { return "1", "gw1-00000001", nil }
	q, err := queue.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	b := q.NewBatch()
	j, err := b.NewJob("sms")
	if err != nil {
		t.Fatal(err)
	}
	f, err := j.Create(j.Stem() + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "text")
	if err := errors.Join(f.Close(), j.Control([]byte("[system]\r\nid=1\r\n")), b.Stage(t.Context()), b.Commit(t.Context()),
		q.Announce(t.Context(), queue.Worker{By: "x", App: "sms", Name: "smsd", Host: "a", Down: true})); err != nil {
		t.Fatal(err)
	}

	server.Mu.Lock()
	server.Size, server.Offline = 1<<20, true
	server.Mu.Unlock()
	s.MinFreeSpace = 1 << 10
	r = Folders(t.Context(), s, time.Hour)
	wantProblems(t, "full", r.Problems, lost, "server other of the queue is down (one more that fails, and no jobs are taken): start it, or see its log", "sms: the target of consume.smsd on a is down",
		"the queue can take 0 B more, min_free_space asks for 1.0 KiB: have its jobs handed on, or raise queue.max_size")
	if u := r.Queue; u.Name != "q" || len(u.Servers) != 2 || len(u.Consumers) != 1 || u.MaxBytes == 0 || u.UsedBytes < 1<<20 {
		t.Errorf("%+v", u)
	}
	waiting := map[string]int{}
	for _, a := range r.Applications {
		waiting[a.App] = a.Waiting
		if (a.Failed == 1) != (a.App == "sms") {
			t.Errorf("%s: failed %d", a.App, a.Failed)
		}
		if a.Folder != "queue q" || (a.Oldest == "gw1-00000001.ctl") != (a.App == "sms") {
			t.Errorf("%+v", a)
		}
	}
	server.Mu.Lock()
	server.Leader = "none"
	server.Mu.Unlock()
	r = Folders(t.Context(), s, time.Hour)
	if len(r.Problems) < 2 || !strings.HasPrefix(r.Problems[1], "the queue takes no jobs: ") || len(r.Applications) != 3 {
		t.Errorf("without a leader: %+v", r)
	}
	if len(waiting) != 3 || waiting["sms"] != 1 || waiting["fax"]+waiting["text"] != 0 {
		t.Errorf("waiting %v", waiting)
	}
}
