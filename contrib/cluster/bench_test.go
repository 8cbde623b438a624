package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"smtpreceiver/contrib/natstest"
	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/feed"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/queue"
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
			shared, disk := 0.0, 0.0
			for b.Loop() {
				for range 3 {
					disk += rate(b, publishers, spooled) / 3
					shared += rate(b, publishers, queued) / 3
				}
			}
			b.ReportMetric(shared/float64(b.N), "queue/s")
			b.ReportMetric(disk/float64(b.N), "spool/s")
			b.ReportMetric(shared/disk, "ratio")
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
				total += drain(b, q, workers, jobs)
			}
			b.ReportMetric(total/float64(b.N), "jobs/s")
		})
	}
}

// BenchmarkCost measures what one message costs each server, to be taken and to be
// handed on: bytes to its disk, and bytes through its network.
func BenchmarkCost(b *testing.B) {
	for name, attachment := range map[string]int{"text": 0, "200KiB": 200 << 10} {
		b.Run(name, func(b *testing.B) {
			servers := natstest.Start(b, 3, natstest.Options{})
			s := settings(b, servers)
			s.Queue.MaxSize = 1 << 30
			output, q := open(b, s, quiet), reader(b, s)
			const n = 400
			sum := func() (disk, network float64) {
				for _, server := range servers {
					d, w := usage(b, server)
					disk, network = disk+d, network+w
				}
				return disk, network
			}
			for b.Loop() {
				disk, network := sum()
				var all sync.WaitGroup
				for i := range 8 {
					all.Go(func() {
						for k := range n / 8 {
							var content []byte
							if attachment > 0 {
								content = make([]byte, attachment)
								rand.NewChaCha8([32]byte{byte(i), byte(k)}).Read(content)
							}
							if err := put(context.Background(), output, []string{"fax"}, benchText, content); err != nil {
								b.Error(err)
							}
						}
					})
				}
				all.Wait()
				time.Sleep(2 * time.Second) // what is written behind
				takenDisk, takenNetwork := sum()
				drain(b, q, 4, n)
				time.Sleep(2 * time.Second)
				doneDisk, doneNetwork := sum()
				per := func(from, to float64) float64 { return (to - from) / n / 3 / 1024 }
				b.ReportMetric(per(disk, takenDisk), "disk-KiB/taken")
				b.ReportMetric(per(network, takenNetwork), "net-KiB/taken")
				b.ReportMetric(per(takenDisk, doneDisk), "disk-KiB/handed")
				b.ReportMetric(per(takenNetwork, doneNetwork), "net-KiB/handed")
			}
		})
	}
}

// usage is what a server has written to its disk, and sent and received.
func usage(b *testing.B, server *natstest.Server) (disk, network float64) {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", server.Pid()))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "write_bytes: ")
	fmt.Sscan(rest, &disk)
	response, err := http.Get(server.Monitor + "/varz")
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	var v struct {
		In  float64 `json:"in_bytes"`
		Out float64 `json:"out_bytes"`
	}
	if err := json.NewDecoder(response.Body).Decode(&v); err != nil {
		b.Fatal(err)
	}
	return disk, v.In + v.Out
}

// drain hands on n jobs, and says how many a second.
func drain(b *testing.B, q *queue.Queue, workers, n int) float64 {
	b.Helper()
	target, dir := new(willing), b.TempDir()
	c := consume.New(consume.Options{
		Name: "fax", App: "fax", Folder: dir, Done: filepath.Join(dir, "done"), Failed: filepath.Join(dir, "failed"), Layout: ctl.Layout{},
		Decode: func(b []byte) string { return string(b) }, Encode: func(s string) []byte { return []byte(s) }, Target: target, Workers: workers,
		PollInterval: time.Second, RetryDelay: time.Second, RetryDelayMax: time.Second, GiveUpAfter: time.Hour, Timeout: time.Minute, Log: quiet,
	})
	c.Source = feed.New(feed.Options{Queue: q, App: "fax", Name: "fax", Me: "bench", Host: "bench", Takeover: time.Hour, Ahead: max(4*workers, 16), Log: quiet})
	begun := time.Now()
	left, err := c.Drain(context.Background())
	if err != nil || left > 0 || int(target.taken.Load()) != n {
		b.Fatalf("%d of %d jobs, %d left, %v", target.taken.Load(), n, left, err)
	}
	return float64(n) / (time.Since(begun) - time.Second).Seconds() // the last second it waits for more
}
