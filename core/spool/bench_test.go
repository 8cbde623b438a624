package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
)

// BenchmarkDeliver is one job of a 2 KiB text and its CTL, from NewJob to the
// end of Commit, by so many writers into one folder.
func BenchmarkDeliver(b *testing.B) {
	text, ctl := bytes.Repeat([]byte("x"), 2<<10), bytes.Repeat([]byte("y"), 300)
	for _, writers := range []int{1, 5, 20, 100} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			var fsyncs atomic.Int64
			s := openSpool(b, Config{}, disk{faultForTesting: func(op, _ string) error {
				if strings.HasPrefix(op, "sync") {
					fsyncs.Add(1)
				}
				return nil
			}})
			folder := tempFolders(b, 1)[0]
			if err := s.Use([]string{folder}); err != nil {
				b.Fatal(err)
			}
			fsyncs.Store(0)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(min(writers, runtime.NumCPU()))) // RunParallel starts a multiple of it
			b.SetParallelism(max(writers/runtime.GOMAXPROCS(0), 1))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := deliverText(s, folder, text, ctl); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(fsyncs.Load())/float64(b.N), "fsyncs/op")
		})
	}
}

// BenchmarkCommit is the part between the last word of the forward server and
// our reply: Commit of a staged job.
func BenchmarkCommit(b *testing.B) {
	s := openSpool(b, Config{}, disk{})
	folder := tempFolders(b, 1)[0]
	ctx := context.Background()
	for b.Loop() {
		b.StopTimer()
		batch, err := stageText(s, folder, []byte("text"), []byte("ctl"))
		b.StartTimer()
		if err = errors.Join(err, batch.Commit(ctx)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkID(b *testing.B) {
	a, err := newIDAllocator(disk{}, b.TempDir(), 0)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := a.next(); err != nil {
			b.Fatal(err)
		}
	}
}

func deliverText(s *Spool, folder string, text, ctl []byte) error {
	batch, err := stageText(s, folder, text, ctl)
	return errors.Join(err, batch.Commit(context.Background()))
}

func stageText(s *Spool, folder string, text, ctl []byte) (*Batch, error) {
	batch := s.NewBatch()
	j, err := batch.NewJob(folder)
	if err != nil {
		return batch, err
	}
	w, err := j.Create(j.Stem() + ".txt")
	if err != nil {
		return batch, err
	}
	_, err = w.Write(text)
	return batch, errors.Join(err, w.Close(), j.Control(ctl), batch.Stage(context.Background()))
}
