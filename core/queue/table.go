package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// table is a stream of which the last message of each subject counts. It is
// written by revision only, so that of two writers one learns that the other was
// first. Reads go to the stream's leader.
type table struct {
	queue  *Queue
	stream string
	prefix string
}

// errConflict is a write to what another has written meanwhile.
var errConflict = errors.New("changed by another meanwhile")

// get reads the value of a key; revision 0: there is none.
func (t *table) get(ctx context.Context, key string) (value []byte, revision uint64, err error) {
	m, err := t.queue.read(ctx, func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
		stream, err := t.queue.handle(ctx, t.stream)
		if err != nil {
			return nil, err
		}
		return stream.GetLastMsgForSubject(ctx, t.prefix+key)
	})
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, 0, nil
	case err != nil:
		return nil, 0, err
	}
	return m.Data, m.Sequence, nil
}

// put writes the value if the key still has the revision, 0: if there is none. It
// stays for a time, 0: for ever. Values of two writers must differ: a try without
// an answer is known again by its value. errConflict: another was first.
func (t *table) put(ctx context.Context, key string, value []byte, revision uint64, stay time.Duration) (uint64, error) {
	options := []jetstream.PublishOpt{jetstream.WithExpectLastSequencePerSubject(revision), jetstream.WithExpectStream(t.stream)}
	if stay > 0 {
		options = append(options, jetstream.WithMsgTTL(stay))
	}
	for unclear := false; ; {
		one, cancel := context.WithTimeout(ctx, tryTimeout)
		ack, err := t.queue.js.Publish(one, t.prefix+key, value, options...)
		cancel()
		if err == nil {
			return ack.Sequence, nil
		}
		if conflict(err) {
			if !unclear {
				return 0, errConflict
			}
			there, now, readErr := t.get(ctx, key)
			switch {
			case readErr != nil:
				return 0, readErr
			case bytes.Equal(there, value):
				return now, nil
			case now != revision:
				return 0, errConflict
			}
			// A write is on its way, perhaps an earlier try of this one.
		}
		a := judge(err)
		unclear = unclear || a.unclear
		if a.over {
			return 0, a.err
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("%s%s: %w (the last try: %w)", t.prefix, key, context.Cause(ctx), err)
		case <-time.After(tryAgain):
		}
	}
}

// conflict tells the error of a revision that is no longer the last. Its code is
// another one where a stream has replicas.
func conflict(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
