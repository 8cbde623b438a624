package cluster

import (
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/natstest"
	"smtpreceiver/core/queue"
)

// TestMembers: a server that lost its disk comes back empty under its name, has all
// again, and the others may fail then; a fourth joins, and is refused by gateways that
// do not know where to ask it.
func TestMembers(t *testing.T) {
	t.Parallel()
	servers := natstest.Start(t, 3, natstest.Options{})
	s := settings(t, servers)
	fourth := natstest.Another(t, servers, "mq4")
	knowing := *s
	knowing.Instance, knowing.StateDirectory = "gw2", t.TempDir()
	knowing.Queue.Monitor = append(natstest.Monitors(servers), fourth.Monitor) // which does not run yet
	first, second, q := open(t, s, quiet), open(t, &knowing, quiet), reader(t, &knowing)
	const n = 40
	for range n {
		if err := put(t.Context(), first, []string{"fax"}, "text", make([]byte, 300<<10)); err != nil {
			t.Fatal(err)
		}
	}
	lost := servers[0]
	if lost == natstest.Leader(servers, q) {
		lost = servers[1]
	}
	lost.Kill()
	lost.Wipe()
	lost.Start()
	lost.WaitReady()
	wait := func(what string, until func() bool) {
		t.Helper()
		for deadline := time.Now().Add(40 * time.Second); !until(); time.Sleep(200 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: not within forty seconds: %+v, %v", what, q.Nodes(), q.Ready())
			}
		}
	}
	current := func() bool { return natstest.Current(3, q) }
	wait("the empty server has all again", current)
	other := natstest.Leader(servers, q)
	other.Kill() // what it knew the other two have
	wait("another leader", func() bool { return natstest.Leader(servers, q) != other && q.Ready() == nil })
	if found := jobs(t, q, "fax"); len(found) != n { // which reads the files
		t.Errorf("%d jobs, want %d", len(found), n)
	}
	other.Start()
	wait("all are up", current)

	fourth.Start()
	fourth.WaitReady()
	unknowing := *s
	unknowing.Queue.Monitor = natstest.Monitors(servers)
	wait("the fourth has joined", func() bool {
		errs := queue.Check(t.Context(), queue.ConfigOf(&unknowing, quiet))
		return len(errs) > 0 && strings.Contains(errs[0].Error(), "the cluster has 4 servers, and 3 addresses are given: name each")
	})
	if errs := queue.Check(t.Context(), queue.ConfigOf(&knowing, quiet)); len(errs) > 0 {
		t.Errorf("check: %v", errs)
	}
	if err := put(t.Context(), second, []string{"fax"}, "text", nil); err != nil {
		t.Error(err)
	}
}
