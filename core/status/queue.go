package status

import (
	"context"
	"log/slog"
	"maps"
	"slices"

	"github.com/dustin/go-humanize"

	"smtpreceiver/core/config"
	"smtpreceiver/core/queue"
)

// askQueue counts the jobs in the queue.
func (r *Report) askQueue(ctx context.Context, s *config.Settings) {
	q, err := queue.Connect(ctx, queue.ConfigOf(s, slog.New(slog.DiscardHandler)))
	if err != nil {
		r.problem("%v", err)
		return
	}
	defer q.Close()
	for _, name := range slices.Sorted(maps.Keys(s.Applications)) {
		if !s.Applications[name].Enabled {
			continue
		}
		jobs, oldest, err := q.Depth(ctx, name)
		if err != nil {
			r.problem("%s: %v", name, err)
		}
		line := Application{App: name, Folder: "queue " + s.Queue.Name, Waiting: jobs, FreeBytes: q.Free()}
		if oldest != nil {
			age := r.now.Sub(oldest.Since)
			line.Oldest, line.Since, line.AgeSeconds = oldest.Stem+".ctl", oldest.Since, int64(age.Seconds())
			if age > r.warn {
				r.problem("%s: %s has waited for %s, is a consumer of the queue running?", name, line.Oldest, Short(age))
			}
		}
		if err == nil && line.FreeBytes < s.MinFreeSpace && line.FreeBytes > 0 {
			r.problem("%s: the queue can take %s more, min_free_space asks for %s: have its jobs handed on, or raise queue.max_size", name, humanize.IBytes(line.FreeBytes), humanize.IBytes(s.MinFreeSpace))
		}
		r.Applications = append(r.Applications, line)
	}
}
