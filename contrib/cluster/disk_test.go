package cluster

import (
	"math/rand/v2"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/contrib/natstest"
	"smtpreceiver/core/reply"
)

// TestDiskFull: while the servers' disks are full a message is refused for now and as
// a whole, and what was taken before stays. When there is room, and the servers have
// been started again, messages are taken.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	mtatest.RequireRoot(t)
	servers := natstest.Start(t, 1, natstest.Options{Disk: "24m"})
	s := settings(t, servers)
	s.Queue.CommitTimeout = 5 * time.Second
	output, q := open(t, s, quiet), reader(t, s)
	taken := 0
	refused := func() error {
		for range 200 {
			content := make([]byte, 600<<10)
			rand.NewChaCha8([32]byte{byte(taken)}).Read(content)
			if err := put(t.Context(), output, []string{"fax", "sms"}, "text", content); err != nil {
				return err
			}
			taken++
		}
		return nil
	}
	err := refused()
	if r := reply.Of(err); err == nil || r.Code != 451 && r.Code != 452 {
		t.Fatalf("after %d messages: %v, want 451 or 452", taken, err)
	}
	t.Logf("after %d messages: %v", taken, err)
	servers[0].Kill()
	servers[0].Grow("64m")
	servers[0].Start()
	servers[0].WaitReady()
	deadline := time.Now().Add(30 * time.Second)
	for err = put(t.Context(), output, []string{"fax", "sms"}, "text", nil); err != nil && time.Now().Before(deadline); err = put(t.Context(), output, []string{"fax", "sms"}, "text", nil) {
		time.Sleep(200 * time.Millisecond)
	}
	if err != nil {
		t.Fatalf("there is room again: %v", err)
	}
	taken++
	for _, app := range []string{"fax", "sms"} {
		if n := len(jobs(t, q, app)); n != taken { // which reads their files
			t.Errorf("%s: %d jobs, %d messages were taken", app, n, taken)
		}
	}
}
