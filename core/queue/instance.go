package queue

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// leaseTime is how long an instance name stays with a machine that is not heard
// of. It is renewed each proveEvery.
const leaseTime = 5 * time.Minute

// lease says who uses an instance name.
type lease struct {
	Owner string    `json:"owner"`
	Host  string    `json:"host"`
	Seen  time.Time `json:"seen"`
}

func (q *Queue) instanceKey() string { return "instance." + token(q.Instance) }

// takeInstance takes the name of this gateway, or keeps it. Processes of one
// machine share it; a second machine would give its jobs the same names.
func (q *Queue) takeInstance(ctx context.Context) error {
	for {
		value, revision, err := q.state.get(ctx, q.instanceKey())
		if err != nil {
			return err
		}
		var other lease
		if revision != 0 && json.Unmarshal(value, &other) == nil && other.Owner != q.Owner {
			err := q.taken(other)
			if q.health.named.Load() { // it was ours: jobs are told apart by more than their names
				q.Log.Error("instance name taken by another", "error", err.Error())
				return nil
			}
			return err
		}
		mine, err := json.Marshal(lease{q.Owner, q.Host, time.Now().UTC()})
		if err != nil {
			return err
		}
		_, err = q.state.put(ctx, q.instanceKey(), mine, revision, leaseTime)
		if !errors.Is(err, errConflict) {
			return err
		}
	}
}

func (q *Queue) taken(other lease) error {
	return refused("instance %s is that of the host %s too, which used it at %s: give each gateway a name of its own; one that is gone loses its name after %v", q.Instance, other.Host, other.Seen.Local().Format(time.DateTime), leaseTime)
}
