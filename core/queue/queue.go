package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	tryTimeout  = 5 * time.Second        // of one request to the cluster
	askedFor    = 10 * time.Second       // of all tries; Postfix waits 30 s for an answer of a milter
	askTimeout  = time.Second            // until a question without an answer is asked again
	tryAgain    = 200 * time.Millisecond // between two tries
	startWait   = 5 * time.Second        // for the cluster, when a service starts
	window      = 10 * time.Minute       // within which the cluster knows a message again
	maxCommit   = window / 2
	pieceSize   = 512 << 10
	inlineJob   = 256 << 10 // bytes of files in one job's message
	inlineBatch = 8 << 20   // bytes of files in all of a batch's
	piecesAhead = 4         // of one message, on their way at once
	maxJobs     = 1000      // in a batch, as servers have it
)

// Config says where the cluster is and what is expected of it.
type Config struct {
	Servers                   []string // nats:// or tls:// addresses
	CredentialsFile           string   // with a user's JWT and key
	Username, Password        string
	CAFile, CertFile, KeyFile string
	Name                      string // begins all names in the cluster
	Replicas                  int
	MaxSize                   int64 // bytes that jobs and files may take
	CommitTimeout             time.Duration
	Monitor                   []string // http:// addresses where the servers say how they are set
	AcceptUnsynced            bool     // servers that acknowledge before fsync
	Instance                  string   // name of this gateway; empty for one that only consumes
	Owner                     string   // who uses the name: another for each machine
	Host                      string   // the machine, for messages
	Log                       *slog.Logger
	// NextID gives the number of a job and the name its files begin with.
	NextID func() (id, stem string, err error)
}

// Queue is a connection to the cluster. It is safe for concurrent use.
type Queue struct {
	Config
	conn    *nats.Conn
	js      jetstream.JetStream
	journal *table
	state   *table
	cancel  context.CancelFunc
	ctx     context.Context // ends with Close
	running sync.WaitGroup
	handles sync.Map // streams and consumers, by name
	health  health
}

// RefusedError says that the cluster must not be used as it is. Waiting does not
// mend it.
type RefusedError struct{ Err error }

func (e *RefusedError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *RefusedError) Unwrap() error { return e.Err }

func refused(format string, args ...any) error { return &RefusedError{fmt.Errorf(format, args...)} }

// The errors of a batch.
var (
	ErrTooLarge = errors.New("too many or too large files in one message for the queue")
	// errFull is a full disk, as syscall.ENOSPC is.
	errFull error = fullError{}
	// ErrUnknown: the jobs may be in the queue and may not, since no answer came.
	ErrUnknown = errors.New("no answer from the queue")
)

// Open connects to the cluster and makes what is missing there. A *RefusedError
// says that the cluster must not be used as it is. One that cannot be reached is
// waited for in the background: jobs are refused until then (Ready).
func Open(ctx context.Context, c Config) (*Queue, error) {
	q, err := dial(c)
	if err != nil {
		return nil, err
	}
	ready := make(chan struct{})
	q.running.Go(func() { q.watch(ready) })
	select {
	case <-ready:
	case <-time.After(startWait):
	case <-ctx.Done():
	}
	err = q.Ready()
	if _, refused := errors.AsType[*RefusedError](err); refused {
		q.Close()
		return nil, err
	}
	if err != nil {
		q.Log.Error("the queue cannot be used yet; jobs are refused for now until it can", "servers", strings.Join(q.Servers, ", "), "error", err.Error())
	}
	return q, nil
}

// dial makes the connection, which need not succeed yet.
func dial(c Config) (*Queue, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	q := &Queue{Config: c}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	options := []nats.Option{
		nats.Name("smtpreceiver " + c.Instance), nats.Timeout(2 * time.Second),
		nats.MaxReconnects(-1), nats.ReconnectWait(tryAgain), nats.RetryOnFailedConnect(true),
		// Nothing is kept for later: whoever waits for an answer must hear that
		// there is no connection.
		nats.ReconnectBufSize(-1),
		// Servers tell clients of each other, by addresses that may be none here.
		nats.IgnoreDiscoveredServers(),
		nats.PingInterval(2 * time.Second), nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(q.disconnected), nats.ReconnectHandler(q.connected),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			q.Log.Warn("queue", "error", err.Error())
		}),
	}
	if c.CredentialsFile != "" {
		options = append(options, nats.UserCredentials(c.CredentialsFile))
	}
	if c.Username != "" {
		options = append(options, nats.UserInfo(c.Username, c.Password))
	}
	if c.CAFile != "" {
		options = append(options, nats.RootCAs(c.CAFile))
	}
	if c.CertFile != "" {
		options = append(options, nats.ClientCert(c.CertFile, c.KeyFile))
	}
	var err error
	if q.conn, err = nats.Connect(strings.Join(c.Servers, ","), options...); err != nil {
		q.cancel()
		return nil, fmt.Errorf("queue.servers: %w", err)
	}
	if q.js, err = jetstream.New(q.conn, jetstream.WithDefaultTimeout(tryTimeout)); err != nil {
		q.conn.Close()
		q.cancel()
		return nil, err
	}
	q.journal = &table{q, q.streamName("_JOURNAL"), c.Name + ".journal."}
	q.state = &table{q, q.streamName("_STATE"), c.Name + ".state."}
	q.health.lost = time.Now()
	return q, nil
}

// Close ends the connection. No batch may be in use.
func (q *Queue) Close() error {
	q.cancel()
	q.running.Wait()
	q.conn.Close()
	return nil
}

func (q *Queue) streamName(suffix string) string {
	return strings.ToUpper(q.Name) + suffix
}

func (q *Queue) jobSubject(app, key string, n int) string {
	return fmt.Sprintf("%s.job.%s.%s.%d", q.Name, token(app), key, n)
}

// jobsOf names the jobs of an application.
func (q *Queue) jobsOf(app string) string { return q.Name + ".job." + token(app) + ".>" }

func (q *Queue) pieceSubject(key string, file, piece int) string {
	return fmt.Sprintf("%s.file.%s.%d.%d", q.Name, key, file, piece)
}

type fullError struct{}

func (fullError) Error() string { return "the queue is full" }

// Is makes it one of the errors of a full disk.
func (fullError) Is(target error) bool { return target == syscall.ENOSPC }
