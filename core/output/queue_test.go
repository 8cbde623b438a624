package output

import (
	"log/slog"
	"strconv"
	"strings"
	"testing"

	"smtpreceiver/core/config"
	"smtpreceiver/core/queue"
	"smtpreceiver/core/spool"
)

// TestNoJobOfTheQueue: a batch that takes no job gives an error, and no job around a nil
// one.
func TestNoJobOfTheQueue(t *testing.T) {
	t.Parallel()
	if j, err := (queueBatch{new(queue.Batch)}).NewJob("fax"); err == nil || j != nil {
		t.Errorf("%v, %v", j, err)
	}
	if err := (queueBatch{new(queue.Batch)}).Commit(t.Context()); err == nil {
		t.Error("jobs that were not staged are visible")
	}
}

// TestQueueOutOfReach: no job is taken until its servers are reached, and what is
// needed of this machine is there.
func TestQueueOutOfReach(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	local, err := spool.Open(t.Context(), spool.Config{StateDirectory: dir, Instance: "gw1"})
	if err != nil {
		t.Fatal(err)
	}
	s := &config.Settings{StateDirectory: dir, Instance: "gw1", Queue: config.Queue{Servers: []string{"nats://127.0.0.1:1"}, Replicas: 1, Name: "faxes", Unsynced: "accept"}}
	if q, err := OpenQueue(t.Context(), &config.Settings{StateDirectory: dir + "/gone", Queue: s.Queue}, local, slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), "state_directory: ") {
		t.Errorf("no state_directory: %v, %v", q, err)
	}
	q, err := OpenQueue(t.Context(), s, local, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Probe(t.Context(), "fax"); err == nil {
		t.Error("ready")
	}
	if free, err := q.Room(t.Context(), "fax"); err == nil {
		t.Errorf("room for %d bytes", free)
	}
	if place, ok, err := q.Take(t.Context(), "a@b.example", 5); place != nil || ok || err == nil {
		t.Errorf("a place for one more job: %v, %v, %v", place, ok, err)
	}
	b := q.NewBatch()
	defer b.Abort()
	if err := b.Assure(t.Context()); err == nil {
		t.Error("it would take a commit")
	}
	file, err := q.TempFile("fax")
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	if errs := CheckQueue(t.Context(), s); len(errs) == 0 {
		t.Error("check finds nothing")
	}
	first, _, err := local.NextID()
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
	again, err := spool.Open(t.Context(), spool.Config{StateDirectory: dir, Instance: "gw1"})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if second, _, err := again.NextID(); err != nil || number(t, second) != number(t, first)+1 {
		t.Errorf("%s behind %s, %v: numbers that were reserved are not given back", second, first, err)
	}
}

func number(t *testing.T, id string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
