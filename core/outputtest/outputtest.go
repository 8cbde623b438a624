// Package outputtest holds every output.Output to what it promises.
package outputtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"smtpreceiver/core/incoming"
	"smtpreceiver/core/job"
	"smtpreceiver/core/output"
)

// Subject is an output to be tested.
type Subject struct {
	Output output.Output
	// First and Second are two of its destinations, in use and empty.
	First, Second string
	// Visible reads what a reader of a destination finds: the content of each
	// file by its name, the CTL of a job as Stem()+".ctl".
	Visible func(t *testing.T, destination string) map[string]string
	// Break makes a destination one that takes no job.
	Break func(t *testing.T, destination string)
}

// Run holds the outputs that open returns, each fresh, to the contract.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for name, test := range map[string]func(*testing.T, Subject){
		"AllOrNothing":     allOrNothing,
		"Abort":            abort,
		"Order":            order,
		"Unfinished":       unfinished,
		"Names":            names,
		"Link":             link,
		"EndedContext":     endedContext,
		"ManyAtOnce":       manyAtOnce,
		"Scratch":          scratch,
		"BrokenFromStart":  brokenFromStart,
		"BrokenOnceStaged": brokenOnceStaged,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// fill makes a job with a text file and its CTL.
func fill(t *testing.T, b output.Batch, destination, text string) job.Job {
	t.Helper()
	j, err := b.NewJob(destination)
	if err != nil {
		t.Fatal(err)
	}
	data(t, j, j.Stem()+".txt", text)
	if err := j.Control([]byte("[system]\r\nid=" + j.ID() + "\r\n")); err != nil {
		t.Fatal(err)
	}
	return j
}

func data(t *testing.T, j job.Job, name, content string) {
	t.Helper()
	f, err := j.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, content); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func (s Subject) wantNothing(t *testing.T, when string) {
	t.Helper()
	for _, d := range []string{s.First, s.Second} {
		if files := s.Visible(t, d); len(files) > 0 {
			t.Errorf("%s: visible in %s: %q", when, d, files)
		}
	}
}

// wantJob says what is wrong with a job of fill, and with what else is there.
func (s Subject) wantJob(t *testing.T, destination string, j job.Job, text string) {
	t.Helper()
	files := s.Visible(t, destination)
	if len(files) != 2 || files[j.Stem()+".txt"] != text || !strings.Contains(files[j.Stem()+".ctl"], "id="+j.ID()) {
		t.Errorf("in %s: %q, want the job %s with %q", destination, files, j.Stem(), text)
	}
}

// allOrNothing: no job is visible before Commit, every job after it.
func allOrNothing(t *testing.T, s Subject) {
	ctx := t.Context()
	b := s.Output.NewBatch()
	first := fill(t, b, s.First, "one")
	second := fill(t, b, s.Second, "two")
	s.wantNothing(t, "filled")
	if err := b.Stage(ctx); err != nil {
		t.Fatal(err)
	}
	s.wantNothing(t, "staged")
	if err := b.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	b.Abort()
	s.wantJob(t, s.First, first, "one")
	s.wantJob(t, s.Second, second, "two")
	if first.Stem() == second.Stem() || first.ID() == second.ID() {
		t.Errorf("two jobs of the name %s", first.Stem())
	}
}

// abort: at any time before Commit, twice, and with nothing in the batch.
func abort(t *testing.T, s Subject) {
	for name, until := range map[string]func(output.Batch) error{
		"empty":  func(output.Batch) error { return nil },
		"filled": func(b output.Batch) error { fill(t, b, s.First, "x"); return nil },
		"staged": func(b output.Batch) error { fill(t, b, s.First, "x"); return b.Stage(t.Context()) },
		"half": func(b output.Batch) error {
			j, err := b.NewJob(s.First)
			if err == nil {
				_, err = j.Create(j.Stem() + ".txt")
			}
			return err
		},
	} {
		b := s.Output.NewBatch()
		if err := until(b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		b.Abort()
		b.Abort()
		s.wantNothing(t, name)
		if err := b.Commit(t.Context()); err == nil {
			t.Errorf("%s: committed after Abort", name)
		}
		s.wantNothing(t, name)
	}
}

// order: what comes out of its order is an error, and spoils nothing.
func order(t *testing.T, s Subject) {
	ctx := t.Context()
	early := s.Output.NewBatch()
	fill(t, early, s.First, "x")
	if err := early.Commit(ctx); err == nil {
		t.Error("committed without Stage")
	}
	early.Abort()
	s.wantNothing(t, "committed without Stage")

	b := s.Output.NewBatch()
	j := fill(t, b, s.First, "one")
	if _, err := j.Create(j.Stem() + "_1_late.pdf"); err == nil {
		t.Error("a data file after the CTL")
	}
	if err := j.Control(nil); err == nil {
		t.Error("a second CTL")
	}
	if err := b.Stage(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := b.NewJob(s.First); err == nil {
		t.Error("a new job after Stage")
	}
	if err := b.Stage(ctx); err == nil {
		t.Error("staged twice")
	}
	if err := b.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(ctx); err == nil {
		t.Error("committed twice")
	}
	s.wantJob(t, s.First, j, "one")
}

// unfinished: a batch with a job that has no CTL, or a file that is not closed,
// is refused as a whole.
func unfinished(t *testing.T, s Subject) {
	for name, leave := range map[string]func(job.Job) error{
		"no CTL":    func(j job.Job) error { data(t, j, j.Stem()+".txt", "x"); return nil },
		"open file": func(j job.Job) error { _, err := j.Create(j.Stem() + ".txt"); return errors.Join(err, j.Control(nil)) },
	} {
		b := s.Output.NewBatch()
		fill(t, b, s.First, "whole")
		j, err := b.NewJob(s.Second)
		if err != nil {
			t.Fatal(err)
		}
		if err := leave(j); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := b.Stage(t.Context()); err == nil {
			t.Errorf("%s: staged", name)
		}
		s.wantNothing(t, name)
	}
}

// names: a file name that is none, or not of the job, is refused without harm.
func names(t *testing.T, s Subject) {
	b := s.Output.NewBatch()
	j, err := b.NewJob(s.First)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Trim(j.ID(), "0123456789") != "" || len(j.ID()) < 8 || !strings.HasSuffix(j.Stem(), j.ID()) {
		t.Errorf("ID %q, stem %q", j.ID(), j.Stem())
	}
	for _, name := range []string{"", "other.txt", "../" + j.Stem() + ".txt", j.Stem() + "/x.txt", j.Stem() + ".ctl", j.Stem() + "_1_x.CTL"} {
		if _, err := j.Create(name); err == nil {
			t.Errorf("file name %q was taken", name)
		}
	}
	const odd = "_1_Příloha č. 1 – návrh (final).pdf"
	data(t, j, j.Stem()+odd, "pdf")
	if err := errors.Join(j.Control([]byte("[system]\r\n")), b.Stage(t.Context()), b.Commit(t.Context())); err != nil {
		t.Fatal(err)
	}
	if files := s.Visible(t, s.First); len(files) != 2 || files[j.Stem()+odd] != "pdf" {
		t.Errorf("visible: %q", files)
	}
}

// link: a file of one job is that of another too, in both destinations.
func link(t *testing.T, s Subject) {
	large := strings.Repeat("0123456789abcdef", 200<<10/16)
	b := s.Output.NewBatch()
	var owner job.Job
	stems := map[string]string{}
	for _, d := range []string{s.First, s.First, s.Second} {
		j, err := b.NewJob(d)
		if err != nil {
			t.Fatal(err)
		}
		name := j.Stem() + "_1_scan.pdf"
		if owner == nil {
			owner = j
			f, err := j.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(f, strings.NewReader(large)); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		} else if err := j.Link(name, owner, owner.Stem()+"_1_scan.pdf"); err != nil {
			t.Fatal(err)
		}
		if err := j.Link(j.Stem()+"_2_none.pdf", owner, owner.Stem()+"_9_none.pdf"); err == nil {
			t.Error("linked a file that is not there")
		}
		if err := j.Control([]byte("[system]\r\n")); err != nil {
			t.Fatal(err)
		}
		stems[j.Stem()] = d
	}
	if err := errors.Join(b.Stage(t.Context()), b.Commit(t.Context())); err != nil {
		t.Fatal(err)
	}
	for stem, d := range stems {
		if files := s.Visible(t, d); files[stem+"_1_scan.pdf"] != large {
			t.Errorf("%s in %s: %d bytes of the file, want %d", stem, d, len(files[stem+"_1_scan.pdf"]), len(large))
		}
	}
}

// endedContext: a context that has ended before Stage or Commit ends the batch.
func endedContext(t *testing.T, s Subject) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	b := s.Output.NewBatch()
	fill(t, b, s.First, "x")
	if err := b.Stage(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Stage: %v", err)
	}
	s.wantNothing(t, "Stage with a context that has ended")
	b = s.Output.NewBatch()
	fill(t, b, s.First, "x")
	if err := b.Stage(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(ended); !errors.Is(err, context.Canceled) || errors.Is(err, output.ErrUnknown) {
		t.Errorf("Commit: %v", err)
	}
	s.wantNothing(t, "Commit with a context that has ended")
}

// manyAtOnce: batches do not disturb each other, and no name is given twice.
func manyAtOnce(t *testing.T, s Subject) {
	const workers, each = 8, 12
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for range each {
				b := s.Output.NewBatch()
				for _, d := range []string{s.First, s.Second} {
					j, err := b.NewJob(d)
					if err != nil {
						t.Error(err)
						return
					}
					f, err := j.Create(j.Stem() + ".txt")
					if err == nil {
						_, err = io.WriteString(f, j.Stem())
						err = errors.Join(err, f.Close(), j.Control([]byte(j.Stem())))
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
				if err := errors.Join(b.Stage(t.Context()), b.Commit(t.Context())); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	stems := map[string]bool{}
	for _, d := range []string{s.First, s.Second} {
		files := s.Visible(t, d)
		for name, content := range files {
			stem, isControl := strings.CutSuffix(name, ".ctl")
			if !isControl {
				continue
			}
			if content != stem || files[stem+".txt"] != stem || stems[stem] {
				t.Errorf("%s in %s: CTL %q, text %q, seen before: %t", stem, d, content, files[stem+".txt"], stems[stem])
			}
			stems[stem] = true
		}
	}
	if want := workers * each * 2; len(stems) != want {
		t.Errorf("%d jobs, want %d", len(stems), want)
	}
}

// scratch: temporary files can be made, and no reader sees them.
func scratch(t *testing.T, s Subject) {
	dir, err := s.Output.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "temporary")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.wantNothing(t, "a temporary file")
	buffer := incoming.NewBuffer(s.Output, s.First, 4)
	if _, err := buffer.Write([]byte("longer than memory")); err != nil {
		t.Fatal(err)
	}
	s.wantNothing(t, "a buffer")
	got, err := io.ReadAll(io.NewSectionReader(buffer, 0, buffer.Size()))
	if err != nil || !bytes.Equal(got, []byte("longer than memory")) {
		t.Errorf("buffer: %q, %v", got, err)
	}
	if err := errors.Join(buffer.Close(), os.Remove(file)); err != nil {
		t.Error(err)
	}
}

// brokenFromStart: Probe names a destination that takes no job, and a batch
// with a job for it leaves nothing in the other.
func brokenFromStart(t *testing.T, s Subject) {
	ctx := t.Context()
	for _, d := range []string{s.First, s.Second} {
		if err := s.Output.Probe(ctx, d); err != nil {
			t.Errorf("%s: %v", d, err)
		}
		if room, err := s.Output.Room(ctx, d); err != nil || room == 0 {
			t.Errorf("%s: room %d, %v", d, room, err)
		}
	}
	s.Break(t, s.Second)
	if err := s.Output.Probe(ctx, s.Second); err == nil {
		t.Error("Probe says nothing of it")
	}
	b := s.Output.NewBatch()
	fill(t, b, s.First, "x")
	j, err := b.NewJob(s.Second)
	if err == nil {
		err = j.Control([]byte("[system]\r\n"))
	}
	if err == nil {
		err = b.Stage(ctx)
	}
	if err == nil {
		err = b.Commit(ctx)
	}
	b.Abort()
	if err == nil || errors.Is(err, output.ErrUnknown) {
		t.Errorf("a job for it: %v", err)
	}
	if files := s.Visible(t, s.First); len(files) > 0 {
		t.Errorf("half of the batch is visible: %q", files)
	}
}

// brokenOnceStaged: a Commit that fails leaves nothing visible, unless it says
// that it does not know.
func brokenOnceStaged(t *testing.T, s Subject) {
	b := s.Output.NewBatch()
	fill(t, b, s.First, "x")
	fill(t, b, s.Second, "x")
	if err := b.Stage(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Break(t, s.Second)
	err := b.Commit(t.Context())
	if err == nil {
		t.Fatal("committed into a destination that takes no job")
	}
	if files := s.Visible(t, s.First); len(files) > 0 && !errors.Is(err, output.ErrUnknown) {
		t.Errorf("%v, but visible: %q", err, files)
	}
}
