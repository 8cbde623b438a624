package consume

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/consume/folder"
)

// flushing is a target of which nothing lasts until Flush.
type flushing struct {
	*fake
	flush func() error
}

func (f *flushing) Flush() error { return f.flush() }

// TestFlush: a job is not settled, nor its sender told, before the target has it for
// good; those that are done together need one Flush.
func TestFlush(t *testing.T) {
	t.Parallel()
	const count = 20
	var all sync.WaitGroup // at it at the same time
	all.Add(count + 1)
	target := &flushing{fake: &fake{submit: func(*Job) error { all.Done(); all.Wait(); return nil }}}
	o := options(t, target)
	o.Workers = count + 1
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	reporting(&o, sink.Addr)
	for i := range count {
		stem := fmt.Sprint(i)
		jobTo(t, o, stem, fmt.Sprint(100+i), "", 0)
	}
	addReported(t, o, "told", "SUCCESS")
	flushes := 0
	target.flush = func() error {
		if flushes++; flushes > 1 {
			return nil
		}
		done, _ := filepath.Glob(filepath.Join(o.Done, "*", "*.ctl"))
		letters, _ := filepath.Glob(filepath.Join(o.Folder, ".consume/reports/*.final"))
		if len(done)+len(letters) > 0 {
			t.Errorf("settled: %q %q", done, letters)
		}
		return errors.New("disk is lost")
	}
	log := logged(&o)
	runUntil(t, t.Context(), o, func() bool {
		done, _ := filepath.Glob(filepath.Join(o.Done, "*", "*.ctl"))
		return len(done) == count+1 && len(told(sink)) == 1
	})
	if log.count("level=ERROR", "disk is lost") == 0 {
		t.Errorf("%s", log.all())
	}
	if len(target.got) != count+1 {
		t.Errorf("%d submitted", len(target.got))
	}
	if flushes < 2 || flushes > count {
		t.Errorf("%d flushes for %d jobs", flushes, count+1)
	}
	wantTold(t, sink, "told@x.test relayed")
}

// judging is a Source that notes whether the target had the job for good.
type judging struct {
	Source
	flushed *bool
	judged  []string
}

func (s *judging) Open(*folder.Folder) error                              { return nil }
func (s *judging) Run(ctx context.Context, _ func(string), _ func() bool) { <-ctx.Done() }
func (s *judging) Begin(context.Context, string, *folder.Journal) error   { return nil }
func (s *judging) Settled(context.Context, string, string)                {}
func (s *judging) Close()                                                 {}
func (s *judging) Judge(_ context.Context, stem string, _ *folder.Journal) error {
	s.judged = append(s.judged, fmt.Sprint(stem, " ", *s.flushed))
	return nil
}

// TestFlushBeforeQueue: the queue forgets a job with its verdict, so the target has it
// for good by then.
func TestFlushBeforeQueue(t *testing.T) {
	t.Parallel()
	flushed := false
	target := &flushing{fake: new(fake), flush: func() error { flushed = true; return nil }}
	source := &judging{flushed: &flushed}
	o := options(t, target)
	o.Source = source
	addJob(t, o, "1")
	runUntil(t, t.Context(), o, func() bool {
		done, _ := filepath.Glob(filepath.Join(o.Done, "*", "*.ctl"))
		return len(done) == 1
	})
	if !slices.Equal(source.judged, []string{"1 true"}) {
		t.Errorf("%q", source.judged)
	}
}
