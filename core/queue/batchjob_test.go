package queue

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"

	"smtpreceiver/core/queue/queuetest"
)

// emptyBatch has jobs, but no cluster: nothing in it may be long.
func emptyBatch(stems ...string) (*Batch, []*BatchJob) {
	b := (&Queue{ctx: context.Background()}).NewBatch()
	for i, stem := range stems {
		b.jobs = append(b.jobs, &BatchJob{batch: b, job: Job{Version: version, Stem: stem, ID: stem, App: "fax", Key: testKey, Index: i, Jobs: len(stems)}})
	}
	return b, b.jobs
}

func put(t *testing.T, j *BatchJob, name, content string) {
	t.Helper()
	f, err := j.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, content); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a second call does nothing
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.WriteString(f, "more"); err == nil {
		t.Errorf("%s can be written to when it is closed", name)
	}
}

// TestJobInAMessage: what a job is given is what its message says, and a name that
// could lead anywhere is refused without harm.
func TestJobInAMessage(t *testing.T) {
	t.Parallel()
	_, jobs := emptyBatch("gw1-1", "gw1-2")
	first, second := jobs[0], jobs[1]
	put(t, first, "gw1-1.txt", "text")
	put(t, first, "gw1-1_1_a.pdf", "pdf")
	if err := checkName("gw1-1", "gw1-1"+strings.Repeat("x", maxNameLength-len("gw1-1"))); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"", "gw1-1", "gw1-1.ctl", "gw1-1_x.CTL", "gw1-1/../x", `gw1-1\x`, "gw1-2.txt", "gw1-1.txt", "gw1-1" + strings.Repeat("x", maxNameLength), "gw1-1\x00"} {
		if _, err := first.Create(name); err == nil {
			t.Errorf("%q is taken", name)
		}
		if err := first.Link(name, first, "gw1-1.txt"); err == nil {
			t.Errorf("a link %q is taken", name)
		}
	}
	if err := second.Link("gw1-2_1_a.pdf", first, "gw1-1_1_a.pdf"); err != nil {
		t.Fatal(err)
	}
	if err := second.Link("gw1-2_2_b.pdf", first, "gw1-1_2_b.pdf"); err == nil {
		t.Error("a file that is not there was linked")
	}
	open, err := second.Create("gw1-2.txt")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := second.Create("gw1-2.txt"); err == nil {
		t.Error("a name is given twice while its file is written")
	}
	if err := second.Link("gw1-2_3.pdf", second, "gw1-2.txt"); err == nil {
		t.Error("a file that is not finished was linked")
	}
	open.Close()
	for _, j := range jobs {
		if err := j.Control([]byte("[system]\r\ntxt=" + j.Stem() + ".txt\r\n")); err != nil {
			t.Fatal(err)
		}
		if err := j.Control(nil); err == nil {
			t.Error("a second CTL was taken")
		}
		if _, err := j.Create(j.Stem() + ".late"); err == nil {
			t.Error("a file behind the CTL was taken")
		}
		data, err := j.job.encode()
		if err != nil {
			t.Fatal(err)
		}
		read, err := decode(data)
		if err != nil {
			t.Fatal(err)
		}
		contents := map[string]string{}
		for i, f := range read.Files {
			contents[strings.TrimPrefix(f.Name, j.Stem())] = string(read.contents[i])
		}
		want := map[string]string{".txt": "text", "_1_a.pdf": "pdf"}
		if j == second {
			want[".txt"] = ""
		}
		want[".ctl"] = "[system]\r\ntxt=" + j.Stem() + ".txt\r\n"
		if len(contents) != len(want) {
			t.Errorf("job %s has %q", j.ID(), contents)
		}
		for name, content := range want {
			if contents[name] != content {
				t.Errorf("job %s: %s is %q, want %q", j.ID(), name, contents[name], content)
			}
		}
	}
}

// TestFileNotClosed: a job is staged with all of its files, or not at all.
func TestFileNotClosed(t *testing.T) {
	t.Parallel()
	b, jobs := emptyBatch("gw1-1")
	if _, err := jobs[0].Create("gw1-1.txt"); err != nil {
		t.Fatal(err)
	}
	if err := jobs[0].Control(nil); err != nil {
		t.Fatal(err)
	}
	if err := b.Stage(t.Context()); err == nil {
		t.Error("it is staged")
	}
}

// TestNoNumber: without a number there is no job.
func TestNoNumber(t *testing.T) {
	t.Parallel()
	b, _ := emptyBatch()
	b.queue.NextID = func() (string, string, error) { return "", "", io.ErrShortWrite }
	if j, err := b.NewJob("fax"); j != nil || !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("%v, %v", j, err)
	}
}

// TestBatchIsOver: a batch that has ended takes nothing more.
func TestBatchIsOver(t *testing.T) {
	t.Parallel()
	b, jobs := emptyBatch("gw1-1")
	if err := b.Assure(t.Context()); err == nil {
		t.Error("assured before it is staged")
	}
	b.Abort()
	if _, err := jobs[0].Create("gw1-1.txt"); err == nil {
		t.Error("a file")
	}
	if err := jobs[0].Control(nil); err == nil {
		t.Error("a CTL")
	}
	if _, err := b.NewJob("fax"); err == nil {
		t.Error("a job")
	}
	if err := b.Stage(t.Context()); err == nil {
		t.Error("a stage")
	}
}

// TestTakenFrom: whose a job is by its entry.
func TestTakenFrom(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		state State
		by    string
		taken bool
	}{
		{"", "", false}, {Waiting, "other", false}, {Waiting, "me", false}, {Begun, "me", false}, {Begun, "other", true},
		{Done, "me", false}, {Done, "other", true}, {Failed, "other", true}, {Withdrawn, "me", true}, {Withdrawn, "other", true},
	} {
		if got := (Entry{State: tt.state, By: tt.by}).takenFrom("me"); got != tt.taken {
			t.Errorf("%s by %s: taken %v", tt.state, tt.by, got)
		}
	}
}

// TestAccountOfAnHour: jobs of one second are one entry, and none makes none.
func TestAccountOfAnHour(t *testing.T) {
	t.Parallel()
	var a account
	a = a.with(10, 1).with(11, 0).with(10, 2).with(12, 1).with(12, -1)
	if len(a) != 2 || a.total() != 3 {
		t.Errorf("%+v", a)
	}

}

// TestParseName: what no queue has written names no job.
func TestParseName(t *testing.T) {
	t.Parallel()
	key := rand.Text()
	for name, want := range map[string]int{key + "0": 0, key + "12": 12, key: -1, key + "-1": -1, key + "x": -1, key[1:] + "12": -1, "../" + key[3:] + "1": -1, "": -1} {
		got, index, err := parseName(name)
		if want < 0 && err == nil || want >= 0 && (err != nil || got != key || index != want) {
			t.Errorf("%q: %q, %d, %v", name, got, index, err)
		}
	}
}

// TestLongestMessage: a job's message leaves room for its headers in what the servers take.
func TestLongestMessage(t *testing.T) {
	t.Parallel()
	q := open(t, queuetest.Start(t), nil)
	most := int(q.conn.MaxPayload()) - headerRoom
	b := &Batch{queue: q, key: testKey}
	message := func(size int) (int, error) {
		j := Job{Version: version, Stem: "gw1-1", ID: "1", App: "fax", Key: testKey, Jobs: 1, Files: []File{{Name: "gw1-1.ctl", Size: int64(size)}}, contents: [][]byte{make([]byte, size)}}
		b.jobs = []*BatchJob{{batch: b, job: j}}
		all, err := b.messages()
		if err != nil {
			return 0, err
		}
		return len(all[0].Data), nil
	}
	size := most - 4<<10 // with as many digits as that which is looked for
	got, err := message(size)
	if err != nil {
		t.Fatal(err)
	}
	size += most - got
	if got, err := message(size); got != most || err != nil {
		t.Errorf("%d bytes, %v, want %d", got, err, most)
	}
	if _, err := message(size + 1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("one more: %v", err)
	}
}
