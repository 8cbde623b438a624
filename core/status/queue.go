package status

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"smtpreceiver/core/config"
	"smtpreceiver/core/consume/joblist"
	"smtpreceiver/core/queue"
)

// Queue is the queue and its consumers.
type Queue struct {
	Name      string         `json:"name"`
	Servers   []queue.Node   `json:"servers"`
	UsedBytes uint64         `json:"used_bytes"`
	MaxBytes  uint64         `json:"max_bytes"`
	Consumers []queue.Worker `json:"consumers"`
}

// queueLimit bounds what is asked of the queue.
const queueLimit = 15 * time.Second

// askQueue looks at the queue, its servers and its consumers, and counts the jobs.
func (r *Report) askQueue(ctx context.Context, s *config.Settings) {
	here := map[string][]*joblist.Count{} // what the consumers of this machine have, by application
	counts := joblist.CountFolders(s)
	for _, folder := range slices.Sorted(maps.Keys(counts)) {
		c := counts[folder]
		app := s.Consume[c.Consumer].ApplicationOf(c.Consumer)
		here[app] = append(here[app], c)
		r.judgeConsumer(app, c)
	}
	ctx, cancel := context.WithTimeout(ctx, queueLimit)
	defer cancel()
	q, err := queue.Connect(ctx, queue.ConfigOf(s, slog.New(slog.DiscardHandler)))
	if err != nil {
		r.problem("%v", err)
		return
	}
	defer q.Close()
	if err := q.See(ctx); err != nil {
		r.problem("the queue takes no jobs: %v", err)
	}
	r.Queue = &Queue{Name: s.Queue.Name, Servers: q.Nodes(), UsedBytes: q.Used(), MaxBytes: q.Most()}
	r.judgeServers()
	if r.Queue.Consumers, err = q.Workers(ctx); err != nil {
		r.problem("the consumers of the queue are not known: %v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Applications)) {
		if s.Applications[name].Enabled {
			depth, err := q.Depth(ctx, name)
			r.addQueued(name, depth, q.Free(), err, here[name])
		}
	}
	r.judgeRoom(q.Free(), s.MinFreeSpace)
}

// judgeRoom says whether the queue has the room that is asked for.
func (r *Report) judgeRoom(free, minFree uint64) {
	if r.Queue.MaxBytes > 0 && free < minFree {
		r.problem("the queue can take %s more, min_free_space asks for %s: have its jobs handed on, or raise queue.max_size", humanize.IBytes(free), humanize.IBytes(minFree))
	}
}

// judgeServers says which servers of the queue need somebody.
func (r *Report) judgeServers() {
	up := 0
	for _, n := range r.Queue.Servers {
		if n.Up {
			up++
		}
	}
	for _, n := range r.Queue.Servers {
		spare := "one more that fails, and no jobs are taken"
		if 2*(up-1) > len(r.Queue.Servers) {
			spare = "jobs are taken"
		}
		switch {
		case !n.Up:
			r.problem("server %s of the queue is down (%s): start it, or see its log", n.Name, spare)
		case !n.Current:
			r.problem("server %s of the queue is behind the others by %d records: restart no other before it has them", n.Name, n.Behind)
		}
	}
}

// addQueued adds an application's jobs; err is why they are not known. Those that failed or
// are held lie with a consumer, and are known here of those of this machine.
func (r *Report) addQueued(name string, depth queue.Depth, free uint64, err error, here []*joblist.Count) {
	if err != nil {
		r.problem("%s: %v", name, err)
	}
	line := Application{App: name, Folder: "queue " + r.Queue.Name, Waiting: depth.Jobs(), FreeBytes: free}
	for _, c := range here {
		line.Held, line.Failed, line.Reports = line.Held+c.Held, line.Failed+c.Failed, line.Reports+c.Reports.Waiting
	}
	var known []string
	for _, w := range r.Queue.Consumers {
		if w.App != name {
			continue
		}
		known = append(known, w.Name+" on "+w.Host)
		line.Consumer = w.Name
		if w.Down {
			r.problem("%s: the target of consume.%s on %s is down", name, w.Name, w.Host)
		}
	}
	if oldest := depth.Oldest; oldest != nil {
		age := r.now.Sub(oldest.Since)
		line.Oldest, line.Since, line.AgeSeconds = oldest.Stem+".ctl", oldest.Since, int64(age.Seconds())
		if age > r.warn {
			r.problem("%s: %s has waited for %s, %s", name, line.Oldest, Short(age), stuck(known))
		}
	}
	r.Applications = append(r.Applications, line)
}

// stuck says where to look when a job waits for long.
func stuck(consumers []string) string {
	if len(consumers) == 0 {
		return "and no consumer of the queue was heard of within a minute: is smtpreceiver consume running?"
	}
	return fmt.Sprintf("see the log of consume.%s; smtpreceiver jobs list shows who has it", strings.Join(consumers, ", consume."))
}
