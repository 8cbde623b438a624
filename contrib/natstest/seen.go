package natstest

import (
	"context"
	"errors"

	"smtpreceiver/core/queue"
)

// Leader is the server that leads the stream, as far as q knows.
func Leader(servers []*Server, q *queue.Queue) *Server {
	name, _ := q.Leader()
	for _, s := range servers {
		if s.Name == name {
			return s
		}
	}
	return servers[0]
}

// Current says that all n servers are up and have all that the leader has.
func Current(n int, q *queue.Queue) bool {
	for _, node := range q.Nodes() {
		if node.Up && node.Current && node.Behind == 0 {
			n--
		}
	}
	return n == 0
}

// Emptied says that no job of the applications lies in the stream.
func Emptied(q *queue.Queue, apps ...string) bool {
	errFound := errors.New("a job")
	for _, app := range apps {
		if err := q.Each(context.Background(), app, func(*queue.Found) error { return errFound }); err != nil {
			return false
		}
	}
	return true
}
