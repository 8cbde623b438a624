//go:build linux

package soak

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"smtpreceiver/contrib/natstest"
	"smtpreceiver/core/config"
	"smtpreceiver/core/queue"
)

// nodes are the servers of the queue. One of them fails at a time, the leader as often
// as another, and the next only when all are up and have what the leader has.
type nodes struct {
	servers []*natstest.Server
	seen    *queue.Queue

	failing sync.Mutex
	turn    int
	failed  map[string]int
}

// see connects to the queue of a configuration.
func (n *nodes) see(t *testing.T, file string) {
	t.Helper()
	s, _, err := config.Load(config.Source{File: file})
	must(t, err)
	c := queue.ConfigOf(s, slog.New(slog.DiscardHandler))
	n.seen, err = queue.Open(context.Background(), c)
	must(t, err)
	t.Cleanup(func() {
		n.failing.Lock() // a failure is the test's as long as that runs
		n.seen.Close()
	})
}

// failures are what can become of a server.
var failures = []struct {
	name    string
	happens func(*testing.T, *natstest.Server)
}{
	{"killed", func(_ *testing.T, s *natstest.Server) {
		s.Kill()
		time.Sleep(rand.N(5 * time.Second))
		s.Start()
	}},
	{"frozen", func(t *testing.T, s *natstest.Server) {
		natstest.Signal(t, s.Pid(), "STOP")
		time.Sleep(rand.N(12 * time.Second))
		natstest.Signal(t, s.Pid(), "CONT")
	}},
	{"disk full", func(t *testing.T, s *natstest.Server) {
		fill(t, s.Store, 3*time.Second)
		s.Kill() // it takes nothing more by itself
		s.Start()
	}},
	{"disk lost", func(_ *testing.T, s *natstest.Server) {
		s.Kill()
		s.Wipe()
		time.Sleep(rand.N(5 * time.Second))
		s.Start()
	}},
}

// fail has a server fail, unless one still does, and returns at once.
func (n *nodes) fail(t *testing.T) {
	if !n.failing.TryLock() {
		return
	}
	go func() {
		defer n.failing.Unlock()
		s, which := natstest.Leader(n.servers, n.seen), "leader"
		if rand.IntN(2) == 0 {
			s, which = n.servers[rand.IntN(len(n.servers))], "any"
		}
		f := failures[n.turn%len(failures)]
		n.turn++
		n.failed[f.name+", "+which]++
		f.happens(t, s)
		s.WaitReady()
		n.heal(t)
	}()
}

// heal waits until all servers are up and have all.
func (n *nodes) heal(t *testing.T) {
	for end := time.Now().Add(2 * patience); !natstest.Current(len(n.servers), n.seen); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("the servers of the queue: %+v, %v", n.seen.Nodes(), n.seen.Ready())
			return
		}
	}
	for _, s := range n.servers { // with all that it has, the journal too
		s.WaitReady()
	}
}
