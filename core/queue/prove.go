package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// leastVersion of the servers: earlier ones lose messages (nats-server issues
// 6888, 7556) or have no atomic batch.
var leastVersion = [2]int{2, 14}

// prove refuses servers that are too old, or acknowledge before fsync. A server
// that does not answer is no reason while most do: it may be the one that is down.
// It is asked again, and refused then.
func (q *Queue) prove(ctx context.Context) error {
	if err := checkVersion(q.conn.ConnectedServerName(), q.conn.ConnectedServerVersion()); err != nil {
		return err
	}
	if q.AcceptUnsynced {
		return nil
	}
	return q.proveSettings(ctx)
}

// proveSettings asks each server how it is set.
func (q *Queue) proveSettings(ctx context.Context) error {
	if len(q.Monitor) == 0 {
		return refused("queue.monitor: missing, so the servers cannot be asked whether they acknowledge after fsync: name the monitoring address of each, such as http://mq1:8222, or set queue.unsynced to accept")
	}
	servers := make([]*serverSettings, len(q.Monitor))
	errs := make([]error, len(q.Monitor))
	var asking sync.WaitGroup
	for i, address := range q.Monitor {
		asking.Go(func() { servers[i], errs[i] = ask(ctx, address) })
	}
	asking.Wait()
	names := map[string]bool{}
	size := 1
	down := ""
	for i, s := range servers {
		if errs[i] != nil {
			down += q.Monitor[i] + " "
			continue
		}
		if err := checkVersion(s.Name, s.Version); err != nil {
			return err
		}
		if !s.Config.SyncAlways {
			return refused("server %s (%s) acknowledges before fsync, and mail answered 250 could be lost in a power cut: set sync_interval: always in its jetstream section, or queue.unsynced to accept", s.Name, q.Monitor[i])
		}
		names[s.Name] = true
		size = max(size, s.Meta.Size)
	}
	silent := errors.Join(errs...)
	switch {
	case 2*len(names) <= size:
		return fmt.Errorf("queue.monitor: %d of %d servers say how they are set, which is not most of them: %w", len(names), size, orElse(silent))
	case size < q.Replicas:
		return refused("queue.replicas is %d, and the cluster has %d servers", q.Replicas, size)
	case size > len(q.Monitor):
		return refused("queue.monitor: the cluster has %d servers, and %d addresses are given: name each", size, len(q.Monitor))
	case silent != nil && down != q.health.silent:
		q.Log.Warn("a server of the queue does not say how it is set; it is asked again", "error", silent.Error())
	}
	q.health.silent = down
	return nil
}

func orElse(err error) error {
	if err == nil {
		return errors.New("two addresses are of one server")
	}
	return err
}

// serverSettings is what a server says of itself.
type serverSettings struct {
	Name    string `json:"server_name"`
	Version string `json:"version"`
	Cluster struct {
		URLs []string `json:"urls"`
	} `json:"cluster"`
	Disabled bool `json:"disabled"` // JetStream: it is off, or starts
	Config   struct {
		SyncAlways bool `json:"sync_always"`
	} `json:"config"`
	Meta struct {
		Size int `json:"cluster_size"`
	} `json:"meta_cluster"`
}

const maxAnswer = 1 << 20 // bytes

// ask reads what a server serves at its monitoring address.
func ask(ctx context.Context, address string) (*serverSettings, error) {
	s := new(serverSettings)
	for _, page := range []string{"/varz", "/jsz?config=1"} {
		if err := askPage(ctx, strings.TrimSuffix(address, "/")+page, s); err != nil {
			return nil, err
		}
	}
	switch {
	case s.Disabled:
		return nil, fmt.Errorf("%s: JetStream is off there, or starts", address)
	case s.Meta.Size == 0 && len(s.Cluster.URLs) > 0:
		return nil, fmt.Errorf("%s: its cluster has not formed yet", address)
	}
	return s, nil
}

func askPage(ctx context.Context, page string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", page, response.Status)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	return nil
}

// checkVersion refuses servers that are too old.
func checkVersion(name, version string) error {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 {
		return fmt.Errorf("server %s: version %q", name, version)
	}
	major, err := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	if err != nil || err2 != nil {
		return fmt.Errorf("server %s: version %q", name, version)
	}
	if major < leastVersion[0] || major == leastVersion[0] && minor < leastVersion[1] {
		return refused("server %s is nats-server %s, which is too old: use %d.%d or newer", name, version, leastVersion[0], leastVersion[1])
	}
	return nil
}
