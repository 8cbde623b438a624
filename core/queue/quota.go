package queue

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

const quotaWindow = time.Hour

// Ticket is one job that counts.
type Ticket struct {
	queue *Queue
	key   string
	at    int64
}

// Take counts one more job for key, for all gateways together, unless limit of
// them count already within the hour.
func (q *Queue) Take(ctx context.Context, key string, limit int) (*Ticket, bool, error) {
	if err := q.Ready(); err != nil {
		return nil, false, err
	}
	t := q.account(key)
	taken := false
	err := t.change(ctx, func(a account, now int64) account {
		if taken = a.total() < limit; !taken {
			return nil
		}
		t.at = now
		return a.with(now, 1)
	})
	if err != nil || !taken {
		return nil, false, err
	}
	return t, true, nil
}

// Full says whether limit jobs count for key already.
func (q *Queue) Full(ctx context.Context, key string, limit int) (full bool, err error) {
	if err := q.Ready(); err != nil {
		return false, err
	}
	err = q.account(key).change(ctx, func(a account, _ int64) account {
		full = a.total() >= limit
		return nil
	})
	return full, err
}

func (q *Queue) account(key string) *Ticket {
	sum := sha256.Sum256([]byte(key))
	return &Ticket{queue: q, key: "quota." + hex.EncodeToString(sum[:16])}
}

// Return makes the ticket count no longer, in the background: its job was not made.
func (t *Ticket) Return() {
	t.queue.running.Go(func() {
		err := t.change(t.queue.ctx, func(a account, _ int64) account { return a.with(t.at, -1) })
		if err != nil {
			t.queue.Log.Debug("a job that was not made counts for the quota all the same", "error", err.Error())
		}
	})
}

// change exchanges an account by revision; nil leaves it.
func (t *Ticket) change(ctx context.Context, how func(a account, now int64) account) error {
	ctx, cancel := context.WithTimeoutCause(ctx, askedFor, errors.New("no answer from the quotas in the queue"))
	defer cancel()
	for {
		value, revision, err := t.queue.state.get(ctx, t.key)
		if err != nil {
			return err
		}
		now := time.Now()
		a := how(parseAccount(value, now), now.Unix())
		if a == nil {
			return nil
		}
		_, err = t.queue.state.put(ctx, t.key, a.encode(), revision, 2*quotaWindow)
		if !errors.Is(err, errConflict) {
			return err
		}
	}
}

// account is the jobs of the last hour, by the second in which they were taken: at
// most 3,600 lines, whatever the limit is.
type account []second

type second struct {
	at   int64 // Unix time
	jobs int
}

// parseAccount reads what counts still. What cannot be read does not count.
func parseAccount(value []byte, now time.Time) account {
	a := account{}
	lines := bufio.NewScanner(bytes.NewReader(value))
	for lines.Scan() {
		var s second
		if n, _ := fmt.Sscanf(lines.Text(), "%d %d", &s.at, &s.jobs); n == 2 && s.jobs > 0 && now.Sub(time.Unix(s.at, 0)) < quotaWindow {
			a = append(a, s)
		}
	}
	return a
}

// encode ends with a random line, by which a writer knows what it wrote.
func (a account) encode() []byte {
	var b bytes.Buffer
	for _, s := range a {
		fmt.Fprintf(&b, "%d %d\n", s.at, s.jobs)
	}
	b.WriteString(rand.Text())
	return b.Bytes()
}

func (a account) total() int {
	n := 0
	for _, s := range a {
		n += s.jobs
	}
	return n
}

// with adds to the jobs of a second.
func (a account) with(at int64, jobs int) account {
	for i := range a {
		if a[i].at == at {
			a[i].jobs += jobs
			return a
		}
	}
	if jobs > 0 {
		a = append(a, second{at, jobs})
	}
	return a
}
