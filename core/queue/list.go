package queue

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Found is a job as it lies in the queue.
type Found struct {
	*Job
	Since    time.Time // the queue has it
	Entry    Entry     // its journal; State "": new
	sequence uint64
}

// Each calls see for every job of an application, oldest first. One that was
// withdrawn is no job. What no gateway has written is in the error.
func (q *Queue) Each(ctx context.Context, app string, see func(*Found) error) error {
	stream, err := q.stream(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for next := uint64(1); ; {
		m, err := q.read(ctx, func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
			return stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(q.jobsOf(app)))
		})
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return errors.Join(errs...)
		}
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		next = m.Sequence + 1
		found, err := q.found(m)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if found.Entry, err = q.entryOf(ctx, found.Job); err != nil {
			return errors.Join(append(errs, err)...)
		}
		if found.Entry.State == Withdrawn {
			continue
		}
		if err := see(found); err != nil {
			return errors.Join(append(errs, err)...)
		}
	}
}

// read gets a message, and asks again where no answer comes: of a server that dies
// none ever does. jetstream.ErrMsgNotFound is an answer.
func (q *Queue) read(ctx context.Context, get func(context.Context) (*jetstream.RawStreamMsg, error)) (m *jetstream.RawStreamMsg, err error) {
	none := false
	_, err = q.persist(ctx, func(ctx context.Context) error {
		m, err = get(ctx)
		if none = errors.Is(err, jetstream.ErrMsgNotFound); none {
			return nil
		}
		return err
	})
	if err == nil && none {
		err = jetstream.ErrMsgNotFound
	}
	return m, err
}

// found is the job of a message.
func (q *Queue) found(m *jetstream.RawStreamMsg) (*Found, error) {
	job, err := decode(m.Data)
	if err != nil {
		return nil, fmt.Errorf("message %d of stream %s is no job of this program: %w", m.Sequence, q.streamName(""), err)
	}
	return &Found{Job: job, Since: m.Time, sequence: m.Sequence}, nil
}

// entryOf reads the journal of a job. Withdrawn is a message as a whole.
func (q *Queue) entryOf(ctx context.Context, j *Job) (e Entry, err error) {
	for _, index := range []int{0, j.Index} {
		if e, _, err = q.entry(ctx, j.Key, index); err != nil || e.State == Withdrawn {
			return e, err
		}
	}
	return e, nil
}

// errDamaged is a file that is not what its gateway wrote.
var errDamaged = errors.New("is not what its gateway wrote")

// CopyFile writes file i of a job, and returns an error unless every byte is as it
// was written: what is missing may only not be here yet.
func (q *Queue) CopyFile(ctx context.Context, j *Job, i int, to io.Writer) error {
	f := j.Files[i]
	if f.Pieces == 0 { // checked when it was decoded
		_, err := to.Write(j.contents[i])
		return err
	}
	stream, err := q.stream(ctx)
	if err != nil {
		return err
	}
	sum, size := sha256.New(), int64(0)
	for piece := range f.Pieces {
		m, err := q.read(ctx, func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
			return stream.GetLastMsgForSubject(ctx, q.pieceSubject(j.Key, f.Number, piece))
		})
		if err != nil {
			return fmt.Errorf("file %s: piece %d of %d: %w", f.Name, piece+1, f.Pieces, err)
		}
		size += int64(len(m.Data))
		sum.Write(m.Data)
		if _, err := to.Write(m.Data); err != nil {
			return err
		}
	}
	if size != f.Size || hex.EncodeToString(sum.Sum(nil)) != f.SHA256 {
		return fmt.Errorf("file %s %w: %d bytes, %d are right", f.Name, errDamaged, size, f.Size)
	}
	return nil
}

// maxControl bounds the CTL that is read here, in bytes.
const maxControl = 1 << 20

// Control reads the CTL of a job.
func (q *Queue) Control(ctx context.Context, j *Job) ([]byte, error) {
	for i, f := range j.Files {
		if f.Name != j.Stem+controlExt {
			continue
		}
		if f.Size > maxControl {
			return nil, fmt.Errorf("CTL of job %s: %d bytes", j.Stem, f.Size)
		}
		var b bytes.Buffer
		err := q.CopyFile(ctx, j, i, &b)
		return b.Bytes(), err
	}
	return nil, fmt.Errorf("job %s has no CTL", j.Stem) // which decode refuses
}

// dropped is the reason in the verdict on such a job.
const dropped = "dropped"

// Drop removes a job for good, unless a consumer has begun it or dealt with it.
func (q *Queue) Drop(ctx context.Context, f *Found) error {
	e, revision, err := q.entry(ctx, f.Key, f.Index)
	if err != nil {
		return err
	}
	switch {
	case e.State == Failed && e.Reason == dropped: // and its message may still be there
	case e.State.Over(), e.State == Withdrawn:
		return fmt.Errorf("job %s is no longer in the queue: it is %s since %s", f.Stem, e.State, e.Since.Local().Format(time.DateTime))
	case e.State == Begun:
		return fmt.Errorf("job %s is being handed over by %s since %s: try again when that has ended", f.Stem, e.Host, e.Since.Local().Format(time.DateTime))
	}
	e = Entry{State: Failed, By: rand.Text(), Host: q.Host, Since: time.Now().UTC(), Reason: dropped}
	if _, err := q.journal.put(ctx, journalKey(f.Key, f.Index), e.encode(), revision, withdrawnFor); err != nil {
		return fmt.Errorf("job %s: %w", f.Stem, err)
	}
	stream, err := q.stream(ctx)
	if err != nil {
		return err
	}
	err = stream.DeleteMsg(ctx, f.sequence)
	if errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) { // which does not say why
		_, there := stream.GetMsg(ctx, f.sequence)
		if errors.Is(there, jetstream.ErrMsgNotFound) {
			err = nil // its consumer was faster
		}
	}
	if err != nil {
		return fmt.Errorf("job %s is dropped, and its message stays until its consumer sees that: %w", f.Stem, err)
	}
	return nil
}
