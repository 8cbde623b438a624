package output_test

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"smtpreceiver/core/config"
	"smtpreceiver/core/output"
	"smtpreceiver/core/reply"
	"smtpreceiver/core/spool"
)

// place is an output of which only the state of its destinations is asked.
type place struct {
	output.Output
	free  uint64
	room  error
	probe map[string]error

	scratch    uint64
	scratchErr error
}

func (p place) ScratchRoom() (uint64, error) { return p.scratch, p.scratchErr }

func (p place) Room(context.Context, string) (uint64, error)      { return p.free, p.room }
func (p place) Probe(_ context.Context, destination string) error { return p.probe[destination] }

// TestStates: each destination says for itself why it takes no job now.
func TestStates(t *testing.T) {
	t.Parallel()
	folder := &config.Settings{MinFreeSpace: 100}
	queued := &config.Settings{MinFreeSpace: 100, Queue: config.Queue{Servers: []string{"nats://127.0.0.1"}}}
	gone := map[string]error{"/sms": &spool.FolderError{Folder: "/sms", Fault: spool.Missing}}
	for _, tt := range []struct {
		name     string
		s        *config.Settings
		out      place
		fax, sms string // "": takes jobs
	}{
		{"enough", folder, place{free: 100}, "", ""},
		{"too little", folder, place{free: 99}, "output folder /fax: 99 bytes free, min_free_space asks for 100: make room", "output folder /sms: 99 bytes free, min_free_space asks for 100: make room"},
		{"one gone", folder, place{free: 100, probe: gone}, "", "output folder /sms does not exist: create it, or mount the file system that holds it"},
		{"gone and too little", folder, place{free: 1, probe: gone}, "output folder /fax: 1 bytes free, min_free_space asks for 100: make room", "output folder /sms does not exist: create it, or mount the file system that holds it"},
		{"cannot be written", folder, place{free: 100, probe: map[string]error{"/fax": errors.New("odd")}}, "output folder /fax: odd", ""},
		{"room not known", folder, place{room: errors.New("odd")}, "output folder /fax: odd", "output folder /sms: odd"},
		{"queue", queued, place{free: 100}, "", ""},
		{"queue that is down", queued, place{free: 100, probe: map[string]error{"/fax": errors.New("no server")}}, "no server", ""},
		{"queue that is full", queued, place{free: 99}, "the queue can take 99 bytes more, min_free_space asks for 100: have its jobs handed on, or raise queue.max_size", "the queue can take 99 bytes more, min_free_space asks for 100: have its jobs handed on, or raise queue.max_size"},
		{"queue whose room is not known", queued, place{room: errors.New("no answer")}, "no answer", "no answer"},
	} {
		states, err := new(output.Probes).States(t.Context(), tt.out, tt.s, []output.Destination{{App: "fax", Name: "/fax"}, {App: "sms", Name: "/sms"}})
		if err != nil || len(states) != 2 || states[0].App != "fax" || states[1].App != "sms" || states[0].Free != tt.out.free {
			t.Errorf("%s: %+v, %v", tt.name, states, err)
			continue
		}
		// A folder of which nobody can say how much room it has counts as full; a queue has said nothing.
		if known := tt.out.room == nil || tt.s == folder; states[0].Known != known || states[1].Known != known {
			t.Errorf("%s: known %t, %t, want %t", tt.name, states[0].Known, states[1].Known, known)
		}
		for i, want := range []string{tt.fax, tt.sms} {
			if got := states[i].Err; got == nil && want != "" || got != nil && (got.Error() != want) {
				t.Errorf("%s, %s: %v, want %q", tt.name, states[i].App, got, want)
			}
		}
	}
}

// TestStatesAreRemembered: many that ask cost one probe.
func TestStatesAreRemembered(t *testing.T) {
	t.Parallel()
	var probes output.Probes // each for some seconds
	s := &config.Settings{}
	for i := range 3 {
		states, err := probes.States(t.Context(), place{free: uint64(i)}, s, []output.Destination{{App: "fax", Name: "/fax"}})
		if err != nil || len(states) != 1 || states[0].Free != 0 {
			t.Errorf("%d: %+v, %v", i, states, err)
		}
	}
}

// TestScratchSpace: where archives are unpacked, min_free_space holds for state_directory
// too; below it the client tries again.
func TestScratchSpace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		out     place
		scratch bool
		code    int
		reason  reply.Reason
		cause   string
	}{
		{"room", place{free: 100, scratch: 100}, true, 0, "", ""},
		{"not needed", place{free: 100, scratch: 99}, false, 0, "", ""},
		{"none in state_directory", place{free: 100, scratch: 99}, true, 452, reply.ReasonSpace, "state_directory: 99 bytes free"},
		{"none for jobs", place{free: 99, scratch: 100}, true, 452, reply.ReasonSpace, "output folder /fax: 99 bytes free"},
		{"gone", place{free: 100, scratchErr: syscall.ENOENT}, true, 451, reply.ReasonSpool, "state_directory: "},
	} {
		err := output.Space(t.Context(), tt.out, &config.Settings{MinFreeSpace: 100}, output.Destination{App: "fax", Name: "/fax", Scratch: tt.scratch})
		if tt.code == 0 {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		var r *reply.Reply
		if !errors.As(err, &r) || r.Code != tt.code || r.Reason != tt.reason || !strings.Contains(r.Cause.Error(), tt.cause) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestAdvice: an error of the system comes with what to do.
func TestAdvice(t *testing.T) {
	t.Parallel()
	for _, err := range []error{syscall.EACCES, &spool.FolderError{Folder: "/fax", Fault: spool.Unwritable, Err: syscall.EACCES}} {
		states, _ := new(output.Probes).States(t.Context(), place{probe: map[string]error{"/fax": err}}, &config.Settings{}, []output.Destination{{App: "fax", Name: "/fax"}})
		if got := states[0].Err; !errors.Is(got, syscall.EACCES) || got.Error() == "output folder "+err.Error() || !strings.HasPrefix(got.Error(), "output folder /fax") {
			t.Errorf("%v", got)
		}
	}
}

// hanging is an output whose file system does not answer.
type hanging struct{ output.Output }

func (hanging) Room(ctx context.Context, _ string) (uint64, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

func (hanging) Probe(ctx context.Context, _ string) error { return ctx.Err() }

// TestHangingFileSystem: who asks is not held up by it.
func TestHangingFileSystem(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	states, err := new(output.Probes).States(ctx, hanging{}, &config.Settings{}, []output.Destination{{App: "fax", Name: "/fax"}})
	if err == nil || !strings.Contains(err.Error(), "the file system does not answer") {
		t.Errorf("%+v, %v", states, err)
	}
}
