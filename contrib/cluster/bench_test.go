package cluster

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"smtpreceiver/contrib/cluster/natstest"
	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/feed"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/spool"
)

// benchText and benchControl are about what a fax or an SMS without attachments is.
var (
	benchText    = strings.Repeat("a line of some thirty letters\r\n", 2048/31)
	benchControl = "[system]\r\ntype=sms\r\napp=fax\r\nid=1\r\ntxt=%s.txt\r\nformat=txt\r\n[from]\r\nsmtp=a@example.com\r\n[to]\r\nnumber=%[1]s\r\naddress=%[1]s@fax\r\n" + strings.Repeat("x", 120)
)

// rate is how many jobs a second several publishers bring out, each one by one.
func rate(b *testing.B, publishers int, publish func() error) float64 {
	b.Helper()
	var n atomic.Int64
	var all sync.WaitGroup
	begun := time.Now()
	end := begun.Add(2 * time.Second)
	for range publishers {
		all.Go(func() {
			for time.Now().Before(end) {
				if err := publish(); err != nil {
					b.Error(err)
					return
				}
				n.Add(1)
			}
		})
	}
	all.Wait()
	return float64(n.Load()) / time.Since(begun).Seconds()
}

// BenchmarkPublish compares durable publishing of one job with three servers, which
// are all on this disk, and with the spool. go test -bench Publish -benchtime 1x
func BenchmarkPublish(b *testing.B) {
	servers := natstest.Start(b, 3, natstest.Options{})
	for _, publishers := range []int{1, 10, 50} {
		b.Run(fmt.Sprint(publishers), func(b *testing.B) {
			s := settings(b, servers)
			s.Queue.MaxSize = 1 << 30
			output := open(b, s, quiet)
			dir := b.TempDir()
			local, err := spool.Open(b.Context(), spool.Config{StateDirectory: filepath.Join(dir, "state")})
			if err != nil {
				b.Fatal(err)
			}
			defer local.Close()
			folder := filepath.Join(dir, "out")
			if err := os.Mkdir(folder, 0o700); err != nil {
				b.Fatal(err)
			}
			if err := local.Use([]string{folder}); err != nil {
				b.Fatal(err)
			}
			ctx := context.Background()
			queued := func() error {
				batch := output.NewBatch()
				defer batch.Abort()
				j, err := batch.NewJob("fax")
				if err == nil {
					err = write(j.Create, j.Control, j.Stem())
				}
				if err == nil {
					err = batch.Stage(ctx)
				}
				if err == nil {
					err = batch.Commit(ctx)
				}
				return err
			}
			spooled := func() error {
				batch := local.NewBatch()
				defer batch.Abort()
				j, err := batch.NewJob(folder)
				if err == nil {
					err = write(j.Create, j.Control, j.Stem())
				}
				if err == nil {
					err = batch.Stage(ctx)
				}
				if err == nil {
					err = batch.Commit(ctx)
				}
				return err
			}
			queue, disk := 0.0, 0.0
			for b.Loop() {
				for range 3 {
					disk += rate(b, publishers, spooled) / 3
					queue += rate(b, publishers, queued) / 3
				}
			}
			b.ReportMetric(queue/float64(b.N), "queue/s")
			b.ReportMetric(disk/float64(b.N), "spool/s")
			b.ReportMetric(queue/disk, "ratio")
		})
	}
}

func write(create func(string) (io.WriteCloser, error), control func([]byte) error, stem string) error {
	f, err := create(stem + ".txt")
	if err != nil {
		return err
	}
	if _, err := io.WriteString(f, benchText); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return control(fmt.Appendf(nil, benchControl, stem))
}

// willing is a target that takes every job at once.
type willing struct {
	taken atomic.Int64
}

func (w *willing) Prepare(context.Context, *consume.Job) (string, error) { return "", nil }

func (w *willing) Submit(context.Context, *consume.Job) error { w.taken.Add(1); return nil }

func (w *willing) Has(context.Context, *consume.Job) (consume.Answer, error) {
	return consume.Yes, nil
}

// BenchmarkHandOver measures how many jobs a second one consumer hands on.
func BenchmarkHandOver(b *testing.B) {
	servers := natstest.Start(b, 3, natstest.Options{})
	for _, workers := range []int{1, 4, 16} {
		b.Run(fmt.Sprint(workers), func(b *testing.B) {
			s := settings(b, servers)
			output, q := open(b, s, quiet), reader(b, s)
			jobs := 400 * min(workers, 8)
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					for range jobs / 20 {
						if err := put(context.Background(), output, []string{"fax"}, benchText, nil); err != nil {
							b.Error(err)
						}
					}
				})
			}
			all.Wait()
			total := 0.0
			for b.Loop() {
				target, dir := new(willing), b.TempDir()
				c := consume.New(consume.Options{
					Name: "fax", App: "fax", Folder: dir, Done: filepath.Join(dir, "done"), Failed: filepath.Join(dir, "failed"), Layout: ctl.Layout{},
					Decode: func(b []byte) string { return string(b) }, Encode: func(s string) []byte { return []byte(s) }, Target: target, Workers: workers,
					PollInterval: time.Second, RetryDelay: time.Second, RetryDelayMax: time.Second, GiveUpAfter: time.Hour, Timeout: time.Minute, Log: quiet,
				})
				c.Source = feed.New(feed.Options{Queue: q, App: "fax", Name: "fax", Me: "bench", Host: "bench", Takeover: time.Hour, Ahead: max(4*workers, 16), Log: quiet})
				begun := time.Now()
				left, err := c.Drain(context.Background())
				if err != nil || left > 0 || int(target.taken.Load()) != jobs {
					b.Fatalf("%d of %d jobs, %d left, %v", target.taken.Load(), jobs, left, err)
				}
				total += float64(jobs) / (time.Since(begun) - time.Second).Seconds() // the last second it waits for more
			}
			b.ReportMetric(total/float64(b.N), "jobs/s")
		})
	}
}
