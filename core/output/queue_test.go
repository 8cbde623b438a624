package output

import (
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/config"
	"smtpreceiver/core/queue"
	"smtpreceiver/core/queue/queuetest"
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

// TestThroughTheQueue: jobs of a message become visible in the queue, share a file, and
// count for all gateways; another gateway may not have the name of this one.
func TestThroughTheQueue(t *testing.T) {
	t.Parallel()
	s := &config.Settings{StateDirectory: t.TempDir(), Instance: "gw1", Queue: config.Queue{
		Servers: []string{queuetest.Start(t).Addr}, Replicas: 1, Name: "q", MaxSize: 1 << 20, CommitTimeout: time.Second, Unsynced: "accept",
	}}
	local, err := spool.Open(t.Context(), spool.Config{StateDirectory: s.StateDirectory, Instance: "gw1"})
	if err != nil {
		t.Fatal(err)
	}
	q, err := OpenQueue(t.Context(), s, local, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	b := q.NewBatch()
	defer b.Abort()
	first, err := b.NewJob("fax")
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.NewJob("fax")
	if err != nil {
		t.Fatal(err)
	}
	f, err := first.Create(first.Stem() + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write([]byte("text"))
	if err := errors.Join(err, f.Close(), second.Link(second.Stem()+".txt", first, first.Stem()+".txt"), first.Control([]byte("[system]\r\n")), second.Control([]byte("[system]\r\n")),
		b.Stage(t.Context()), b.Assure(t.Context()), b.Commit(t.Context())); err != nil {
		t.Fatal(err)
	}
	var names []string
	if err := q.Each(t.Context(), "fax", func(f *queue.Found) error {
		for _, file := range f.Job.Files {
			names = append(names, file.Name)
		}
		return nil
	}); err != nil || !slices.Equal(names, []string{"gw1-00000001.txt", "gw1-00000001.ctl", "gw1-00000002.txt", "gw1-00000002.ctl"}) {
		t.Errorf("%q, %v", names, err)
	}
	for i, want := range []bool{true, true, false} {
		place, ok, err := q.Take(t.Context(), "a@b.example", 2)
		if err != nil || ok != want || (place != nil) != want {
			t.Errorf("job %d: %v, %v, %v", i, place, ok, err)
		}
	}
	if errs := CheckQueue(t.Context(), s); errs != nil {
		t.Errorf("check: %v", errs)
	}
	other := *s
	other.StateDirectory = t.TempDir()
	if errs := CheckQueue(t.Context(), &other); errs != nil {
		t.Errorf("check of a gateway that was never started: %v", errs)
	}
	if _, err := queue.Owner(other.StateDirectory, ownerFile); err != nil {
		t.Fatal(err)
	}
	if errs := CheckQueue(t.Context(), &other); len(errs) != 1 || !strings.Contains(errs[0].Error(), "instance gw1 is that of the host") {
		t.Errorf("check of another gateway with its name: %v", errs)
	}
}

// TestMeaningOfErrors: each keeps its words, and gets its meaning for the client.
func TestMeaningOfErrors(t *testing.T) {
	t.Parallel()
	odd := errors.New("odd")
	for _, tt := range []struct {
		of        func(error) error
		err, want error
	}{
		{queueError, queue.ErrUnknown, ErrUnknown}, {queueError, queue.ErrTooLarge, ErrTooLarge}, {queueError, odd, odd}, {queueError, nil, nil},
		{folderError, spool.ErrTooLarge, ErrTooLarge}, {folderError, odd, odd}, {folderError, nil, nil},
	} {
		got := tt.of(tt.err)
		if !errors.Is(got, tt.err) || !errors.Is(got, tt.want) || errors.Is(got, ErrUnknown) != (tt.want == ErrUnknown) || errors.Is(got, ErrTooLarge) != (tt.want == ErrTooLarge) {
			t.Errorf("%v: %v", tt.err, got)
		}
	}
}

// TestNoTempFile: where none can be made there is an error, and no file around a nil one.
func TestNoTempFile(t *testing.T) {
	t.Parallel()
	s, err := spool.Open(t.Context(), spool.Config{StateDirectory: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if f, err := Folders(s).TempFile("/nonexistent"); f != nil || err == nil {
		t.Errorf("%v, %v", f, err)
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
