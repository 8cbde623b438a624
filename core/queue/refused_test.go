package queue

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// TestTooOld: a server of the version that Debian 12 has is refused when the
// service starts.
func TestTooOld(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go greet(c, "2.9.10")
		}
	}()
	c := Config{Servers: []string{"nats://" + l.Addr().String()}, Name: "smtpreceiver", Replicas: 1, AcceptUnsynced: true, CommitTimeout: time.Second}
	q, err := Open(t.Context(), c)
	if err == nil {
		q.Close()
	}
	var refused *RefusedError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "2.9.10, which is too old: use 2.14") {
		t.Errorf("opened with %v", err)
	}
	if errs := Check(t.Context(), c); len(errs) == 0 || !errors.As(errs[0], &refused) {
		t.Errorf("check says %v", errs)
	}
}

// greet is as much of a server as a client needs to feel connected.
func greet(c net.Conn, version string) {
	defer c.Close()
	fmt.Fprintf(c, "INFO {\"server_id\":\"X\",\"server_name\":\"old\",\"version\":%q,\"max_payload\":1048576,\"headers\":true,\"jetstream\":true}\r\n", version)
	for lines := bufio.NewScanner(c); lines.Scan(); {
		if lines.Text() == "PING" {
			fmt.Fprint(c, "PONG\r\n")
		}
	}
}

// TestDown: a queue that nobody serves keeps no service from starting, says at
// once that it takes nothing, and gives no room and no quota.
func TestDown(t *testing.T) {
	t.Parallel()
	c := Config{Servers: []string{"nats://127.0.0.1:1"}, Name: "smtpreceiver", Replicas: 1, AcceptUnsynced: true, CommitTimeout: time.Second, Instance: "gw1"}
	q, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	begun := time.Now()
	for what, err := range map[string]error{
		"Ready": q.Ready(),
		"Room":  of(q.Room()),
		"Full":  of(q.Full(t.Context(), "sender", 1)),
		"Take":  third(q.Take(t.Context(), "sender", 1)),
	} {
		if err == nil || !strings.Contains(err.Error(), "no connection to the queue at nats://127.0.0.1:1") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, taken, _ := q.Take(t.Context(), "sender", 1); taken {
		t.Error("a quota that nobody can ask has room")
	}
	if took := time.Since(begun); took > time.Second {
		t.Errorf("it took %v to say so", took)
	}
	if errs := Check(t.Context(), c); len(errs) != 1 || !strings.Contains(errs[0].Error(), "queue.servers: no connection") {
		t.Errorf("check says %v", errs)
	}
}

// TestNoSuchServer: what can never be reached is said at once.
func TestNoSuchServer(t *testing.T) {
	t.Parallel()
	c := Config{Servers: []string{"nats://[::bad"}, Name: "q", Replicas: 1, AcceptUnsynced: true, CommitTimeout: time.Second, Instance: "gw1"}
	if q, err := Open(t.Context(), c); q != nil || err == nil {
		t.Errorf("%v, %v", q, err)
	}
	if errs := Check(t.Context(), c); len(errs) != 1 {
		t.Errorf("check says %v", errs)
	}
}

// TestReady: a leader may be away for a moment; what is refused is refused at once.
func TestReady(t *testing.T) {
	t.Parallel()
	fault := errors.New("no leader")
	q := &Queue{conn: new(nats.Conn)}
	says := func(when string, want error) {
		t.Helper()
		if err := q.Ready(); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%s: %v", when, err)
		}
	}
	q.note(fault)
	says("never seen", fault)
	q.note(nil)
	says("seen", nil)
	q.note(fault)
	says("away for a moment", nil)
	q.health.seen = time.Now().Add(-electing)
	q.note(fault)
	says("away for longer", fault)
	q.note(nil)
	q.note(refused("%w", fault))
	says("refused", fault)
	q.note(nil)
	q.health.lost = time.Now()
	says("lost for a moment", nil)
	q.health.lost = time.Now().Add(-2 * reconnecting)
	if err := q.Ready(); err == nil || strings.Contains(err.Error(), "%!") {
		t.Errorf("without a connection, of which nothing is known: %v", err)
	}
	q.health.seen, q.health.lost = time.Time{}, time.Now()
	if err := q.Ready(); err == nil {
		t.Error("ready before the first connection")
	}
}

// TestLostSince: without a connection the time of the first loss counts.
func TestLostSince(t *testing.T) {
	t.Parallel()
	q := &Queue{Config: Config{Log: slog.New(slog.DiscardHandler)}}
	q.ctx = t.Context()
	q.disconnected(nil, errors.New("x"))
	first := q.health.lost
	time.Sleep(2 * time.Millisecond)
	if q.disconnected(nil, nil); first.IsZero() || q.health.lost != first {
		t.Errorf("lost since %v, then since %v", first, q.health.lost)
	}
}

func of[T any](_ T, err error) error { return err }

func third[T any](_ T, _ bool, err error) error { return err }
