package cluster

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"smtpreceiver/contrib/natstest"
	"smtpreceiver/core/output"
	"smtpreceiver/core/queue"
	"smtpreceiver/core/reply"
	"smtpreceiver/core/spool"
)

// put brings a message with a job for each application into the queue, with an
// attachment of that many bytes if there are any.
func put(ctx context.Context, out output.Output, apps []string, text string, attachment []byte) error {
	b := out.NewBatch()
	defer b.Abort()
	for _, app := range apps {
		j, err := b.NewJob(app)
		if err != nil {
			return err
		}
		for name, content := range map[string][]byte{".txt": []byte(text), "_1_scan.pdf": attachment} {
			if content == nil {
				continue
			}
			f, err := j.Create(j.Stem() + name)
			if err != nil {
				return err
			}
			if _, err := io.Copy(f, bytes.NewReader(content)); err != nil {
				return err
			}
			if err := f.Close(); err != nil {
				return err
			}
		}
		control := fmt.Sprintf("[system]\r\ntype=sms\r\napp=%s\r\nid=%s\r\ntxt=%s.txt\r\nformat=txt\r\n[from]\r\nsmtp=a@example.com\r\n[to]\r\nnumber=%s\r\naddress=%s@%s\r\n", app, j.ID(), j.Stem(), j.ID(), j.ID(), app)
		if err := j.Control([]byte(control)); err != nil {
			return err
		}
	}
	if err := b.Stage(ctx); err != nil {
		return err
	}
	return b.Commit(ctx)
}

var quiet = slog.New(slog.DiscardHandler)

// TestLarge: an attachment of 50 MB arrives byte for byte, once for two jobs, and a
// message may have as many jobs as a batch holds.
func TestLarge(t *testing.T) {
	t.Parallel()
	servers := natstest.Start(t, 3, natstest.Options{})
	s := settings(t, servers)
	s.Queue.MaxSize = 300 << 20
	out, q := open(t, s, quiet), reader(t, s)
	large := make([]byte, 50<<20+7)
	rand.NewChaCha8([32]byte{}).Read(large)
	if err := put(t.Context(), out, []string{"fax", "sms"}, "text", large); err != nil {
		t.Fatal(err)
	}
	for _, app := range []string{"fax", "sms"} {
		n := 0
		for name, content := range visible(t, q, app) {
			if strings.HasSuffix(name, "_1_scan.pdf") {
				n++
				if sha256.Sum256([]byte(content)) != sha256.Sum256(large) {
					t.Errorf("%s: %d bytes, not those that were sent", name, len(content))
				}
			}
		}
		if n != 1 {
			t.Errorf("%s: %d attachments, want 1", app, n)
		}
	}
	if used := q.Used(); used > 120<<20 {
		t.Errorf("%d bytes for 50 MiB", used)
	}

	apps := make([]string, 1000)
	for i := range apps {
		apps[i] = "many"
	}
	if err := put(t.Context(), out, apps, strings.Repeat("a text of some length\r\n", 1000), nil); err != nil {
		t.Fatal(err)
	}
	if n := len(visible(t, q, "many")); n != 2000 {
		t.Errorf("%d files of 1000 jobs, want 2000", n)
	}
	err := put(t.Context(), out, append(apps, "many"), "x", nil)
	if !errors.Is(err, output.ErrTooLarge) {
		t.Errorf("1001 jobs: %v", err)
	}
}

// TestFull: a queue without room refuses a message as a whole, and takes messages
// again when there is room.
func TestFull(t *testing.T) {
	t.Parallel()
	servers := natstest.Start(t, 1, natstest.Options{})
	s := settings(t, servers)
	s.Queue.MaxSize = 4 << 20
	out, q := open(t, s, quiet), reader(t, s)
	for _, size := range []int{8 << 20, 200 << 10} { // in staging, and at the commit
		var err error
		taken := 0
		for err == nil && taken < 100 {
			content := make([]byte, size)
			rand.NewChaCha8([32]byte{byte(taken)}).Read(content)
			if err = put(t.Context(), out, []string{"fax", "sms"}, "text", content); err == nil {
				taken++
			}
		}
		if r := reply.Of(err); r.Code != 452 || r.Enhanced != [3]int{4, 3, 1} {
			t.Errorf("%d bytes: %v, want 452 4.3.1", size, err)
		}
		time.Sleep(time.Second) // pieces of what was refused go in the background
		fax, sms := visible(t, q, "fax"), visible(t, q, "sms")
		if len(fax) != len(sms) || len(fax) != 3*taken {
			t.Errorf("%d bytes: %d and %d files of %d messages", size, len(fax), len(sms), taken)
		}
	}
}

// TestInstance: the processes of a machine share a name, two machines do not.
func TestInstance(t *testing.T) {
	t.Parallel()
	servers := natstest.Start(t, 1, natstest.Options{})
	s := settings(t, servers)
	open(t, s, quiet)
	again := *s // another process of the machine
	open(t, &again, quiet)
	other := *s
	other.StateDirectory = t.TempDir()
	local, err := spool.Open(t.Context(), spool.Config{StateDirectory: other.StateDirectory, Instance: other.Instance})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	_, err = output.OpenQueue(t.Context(), &other, local, quiet)
	var refused *queue.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "instance gw1") {
		t.Errorf("another machine of that name: %v", err)
	}
}

// TestQuota: the quotas of several gateways count together, and exactly.
func TestQuota(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprintf("R%d", n), func(t *testing.T) {
			t.Parallel()
			servers := natstest.Start(t, n, natstest.Options{})
			s := settings(t, servers)
			const gateways, each, limit = 6, 20, 50
			var taken atomic.Int64
			var all sync.WaitGroup
			tickets := make(chan *queue.Ticket, limit+1)
			for range gateways {
				q := reader(t, s)
				all.Go(func() {
					for range each {
						ticket, ok, err := q.Take(t.Context(), "sender", limit)
						if err != nil {
							t.Error(err)
						}
						if ok {
							taken.Add(1)
							tickets <- ticket
						}
					}
				})
			}
			all.Wait()
			if taken.Load() != limit {
				t.Errorf("%d jobs of %d", taken.Load(), limit)
			}
			(<-tickets).Return()
			q := reader(t, s)
			deadline := time.Now().Add(10 * time.Second)
			for ok := false; !ok; time.Sleep(50 * time.Millisecond) {
				var err error
				if _, ok, err = q.Take(t.Context(), "sender", limit); err != nil || time.Now().After(deadline) {
					t.Fatalf("a job that was given back counts still: %v", err)
				}
			}
		})
	}
}

// TestServersDie: gateways that try on lose nothing and double nothing while the
// leader is killed, frozen, and all servers are killed.
func TestServersDie(t *testing.T) {
	t.Parallel()
	servers := natstest.Start(t, 3, natstest.Options{})
	s := settings(t, servers)
	s.Queue.CommitTimeout = time.Minute
	q := reader(t, s)
	var acked, refused, unknown atomic.Int64
	stop := make(chan struct{})
	var all sync.WaitGroup
	for i := range 4 {
		gateway := *s
		gateway.Instance, gateway.StateDirectory = fmt.Sprintf("gw%d", i+1), t.TempDir()
		out := open(t, &gateway, quiet)
		all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				var attachment []byte
				if n%50 == 0 {
					attachment = bytes.Repeat([]byte(fmt.Sprint(i, n)), 300<<10)
				}
				switch err := put(context.Background(), out, []string{"fax", "sms"}, "text", attachment); {
				case err == nil:
					acked.Add(1)
				case errors.Is(err, output.ErrUnknown):
					unknown.Add(1)
				default:
					refused.Add(1)
					time.Sleep(100 * time.Millisecond)
				}
			}
		})
	}
	time.Sleep(2 * time.Second)
	killed := natstest.Leader(servers, q)
	killed.Kill()
	time.Sleep(2 * time.Second)
	killed.Start()
	killed.WaitReady()
	time.Sleep(2 * time.Second)
	frozen := natstest.Leader(servers, q)
	natstest.Signal(t, frozen.Pid(), "STOP")
	time.Sleep(12 * time.Second)
	natstest.Signal(t, frozen.Pid(), "CONT")
	time.Sleep(3 * time.Second)
	for _, server := range servers {
		server.Kill()
	}
	for _, server := range servers {
		server.Start()
	}
	for _, server := range servers {
		server.WaitReady()
	}
	time.Sleep(3 * time.Second)
	close(stop)
	all.Wait()
	fax, sms := jobs(t, q, "fax"), jobs(t, q, "sms")
	t.Logf("%d messages acknowledged, %d refused, %d unknown; leader changed %v", acked.Load(), refused.Load(), unknown.Load(), changes(q))
	if acked.Load() < 100 || unknown.Load() > 0 {
		t.Errorf("%d messages acknowledged, %d unknown", acked.Load(), unknown.Load())
	}
	for app, found := range map[string]map[string]int{"fax": fax, "sms": sms} {
		if int64(len(found)) != acked.Load() {
			t.Errorf("%s: %d jobs, want %d", app, len(found), acked.Load())
		}
		for identity, n := range found {
			if n != 1 {
				t.Errorf("%s: job %s is there %d times", app, identity, n)
			}
		}
	}
}

func changes(q *queue.Queue) int64 {
	_, n := q.Leader()
	return n
}

// jobs counts the jobs of an application by message, and reads all their files.
func jobs(t *testing.T, q *queue.Queue, app string) map[string]int {
	t.Helper()
	found := map[string]int{}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	err := q.Each(ctx, app, func(j *queue.Found) error {
		found[j.Key]++
		for i := range j.Files {
			if err := q.CopyFile(ctx, j.Job, i, io.Discard); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return found
}

// TestNoAnswer: where the acknowledgement never comes the jobs are withdrawn, and
// no consumer ever sees them, whether they had arrived or not.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	servers := natstest.Start(t, 3, natstest.Options{})
	s := settings(t, servers)
	q := reader(t, s)
	s.Queue.CommitTimeout = 5 * time.Second
	out := open(t, s, quiet)
	stop := make(chan struct{})
	var all sync.WaitGroup
	var acked, refused atomic.Int64
	for range 8 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				switch err := put(context.Background(), out, []string{"fax", "sms"}, "text", nil); {
				case err == nil:
					acked.Add(1)
				case errors.Is(err, output.ErrUnknown):
					refused.Add(1)
				default:
					refused.Add(1)
					time.Sleep(200 * time.Millisecond)
				}
			}
		})
	}
	time.Sleep(time.Second)
	for _, server := range servers[:2] { // no quorum
		natstest.Signal(t, server.Pid(), "STOP")
	}
	time.Sleep(20 * time.Second)
	for _, server := range servers[:2] {
		natstest.Signal(t, server.Pid(), "CONT")
	}
	time.Sleep(10 * time.Second)
	close(stop)
	all.Wait()
	if refused.Load() == 0 || acked.Load() == 0 {
		t.Errorf("%d acknowledged, %d refused", acked.Load(), refused.Load())
	}
	// What could not be withdrawn then, is now; and servers that were frozen catch up.
	for _, app := range []string{"fax", "sms"} {
		var n int
		for deadline := time.Now().Add(time.Minute); ; {
			time.Sleep(3 * time.Second)
			if n = len(jobs(t, q, app)); int64(n) == acked.Load() || time.Now().After(deadline) {
				break
			}
			t.Logf("%s: %d jobs so far", app, n)
		}
		if int64(n) != acked.Load() {
			t.Errorf("%s: %d jobs, want %d (%d refused)", app, n, acked.Load(), refused.Load())
		}
	}
}
