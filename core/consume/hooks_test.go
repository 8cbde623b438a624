package consume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestOnFailedAfterKill: on_failed hears of a job also where the consumer was killed
// between moving the job and the end of on_failed, and not of one that was retried.
func TestOnFailedAfterKill(t *testing.T) {
	t.Parallel()
	const journal = `{"state":"failed","key":"K","reason":"no such number"}`
	for name, tt := range map[string]struct {
		meanwhile func(t *testing.T, o Options)
		told      []string
		at        string
	}{
		"killed": {func(*testing.T, Options) {}, []string{"1 1 no such number"}, ".failed/1.ctl"},
		"retried": {func(t *testing.T, o Options) {
			retry(t, o, "1")
		}, nil, ".done/today/1.ctl"},
		"dropped": {func(t *testing.T, o Options) {
			if err := os.Remove(filepath.Join(o.Failed, "1.ctl")); err != nil {
				t.Fatal(err)
			}
		}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := &fake{submit: refuse}
			o := options(t, target)
			addJob(t, o, "1")
			drain(t, o)
			target.submit = nil
			tt.meanwhile(t, o)
			write(t, filepath.Join(o.Folder, ".consume", "1.json"), journal)
			var told []string
			o.OnFailed = func(_ context.Context, j *Job, reason string) error {
				text, err := j.ReadFile(j.Text)
				if err != nil || text != "text of 1" {
					t.Errorf("%q, %v", text, err)
				}
				told = append(told, j.Stem+" "+j.Number+" "+reason)
				return nil
			}
			drain(t, o)
			drain(t, o)
			if !slices.Equal(told, tt.told) {
				t.Errorf("told %q, want %q", told, tt.told)
			}
			if tt.at != "" {
				if _, err := os.Stat(filepath.Join(o.Folder, strings.ReplaceAll(tt.at, "today", time.Now().Format(time.DateOnly)))); err != nil {
					t.Error(err)
				}
			}
			if left, err := os.ReadDir(filepath.Join(o.Folder, ".consume")); err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
}

// TestManyHooks: where thousands of jobs fail, not all of them wait for on_failed at once,
// each with open files.
func TestManyHooks(t *testing.T) {
	t.Parallel()
	o := options(t, &fake{submit: refuse})
	o.Workers = 8
	const n = maxHooksWaiting + 2*maxSettled + 100
	for i := range n {
		addJob(t, o, fmt.Sprintf("%08d", i))
	}
	begun := make(chan struct{}, n)
	goOn := make(chan struct{})
	var told atomic.Int32
	o.OnFailed = func(context.Context, *Job, string) error {
		begun <- struct{}{}
		<-goOn
		told.Add(1)
		return nil
	}
	done := make(chan int)
	go func() {
		left, err := New(o).Drain(t.Context())
		if err != nil {
			t.Error(err)
		}
		done <- left
	}()
	locked := func() int {
		locks, _ := filepath.Glob(filepath.Join(o.Folder, ".consume", "0*.lock"))
		return len(locks)
	}
	for range maxHooks {
		<-begun
	}
	for last, until := -1, time.Now().Add(time.Minute); last != locked() && time.Now().Before(until); time.Sleep(500 * time.Millisecond) {
		last = locked()
	}
	if got := locked(); got >= n {
		t.Errorf("%d jobs are held, of %d", got, n)
	}
	close(goOn)
	if left := <-done; left != n || told.Load() != n {
		t.Errorf("%d failed, %d told, want %d", left, told.Load(), n)
	}
}

// TestOnFailed: the hook gets the job, its files and the reason, once.
func TestOnFailed(t *testing.T) {
	t.Parallel()
	target := &fake{submit: func(j *Job) error {
		if j.Stem == "2" {
			return nil
		}
		return Permanent(errors.New("no such number"))
	}}
	o := options(t, target)
	var mu sync.Mutex
	var told []string
	o.OnFailed = func(_ context.Context, j *Job, reason string) error {
		mu.Lock()
		defer mu.Unlock()
		path, err := j.CopyFile(j.Text)
		text, _ := os.ReadFile(path)
		told = append(told, fmt.Sprintf("%s %s %s %s %v", j.Stem, j.Number, reason, text, err))
		return errors.New("hook failed")
	}
	log := logged(&o)
	for _, stem := range []string{"1", "2"} {
		jobTo(t, o, stem, stem, "", 0)
	}
	if left := drain(t, o); left != 1 {
		t.Errorf("%d left", left)
	}
	if want := []string{"1 1 no such number text of 1 <nil>"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	if log.count("level=WARN", "on_failed", "hook failed") != 1 {
		t.Error(log.buf.String())
	}
	if left, err := os.ReadDir(filepath.Join(o.Folder, ".consume")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
