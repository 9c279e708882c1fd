// Package jobs does work behind the answers: once however many replicas there
// are, and not lost when a process dies. A job is inserted in the transaction of
// the write that makes it necessary, belongs to one tenant, and is short: what
// takes longer works in turns. The queue is River's, in the database's schema
// sentinel. The package knows nothing of what jobs do.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/sentinel-access/sentinel/internal/platform/db"
)

// schema is where the queue's tables are.
const schema = "sentinel"

const (
	defaultWorkers     = 4
	defaultRescueAfter = 90 * time.Second
	// pollInterval finds jobs of which no notification came: River sends none for
	// a job that follows another within fetchCooldown, or gets another turn.
	pollInterval  = time.Second
	fetchCooldown = 20 * time.Millisecond
	// mostAtOnce is how many jobs one statement adds.
	mostAtOnce = 1_000
	// maxAttempts is how often a job is tried that fails, within about six minutes.
	maxAttempts = 5
	// softStop is how long a running job may go on when the process ends, before
	// its context does.
	softStop = 5 * time.Second
	stopWait = 10 * time.Second
)

// ErrAgain is what a job returns that has more to do: it goes to the end of the
// queue, and its attempts are not counted up.
var ErrAgain = errors.New("the job has more to do")

// After is what a job returns that cannot be done yet: it is tried again when
// wait is over, and its attempts are not counted up.
func After(wait time.Duration) error { return &laterError{wait} }

type laterError struct{ wait time.Duration }

// Error implements error.
func (e *laterError) Error() string { return "the job cannot be done for another " + e.wait.String() }

// Args are a job's arguments, kept as JSON: ids only, since nothing erases them.
type Args interface {
	// Kind names what is to be done, for ever: jobs that wait outlive the program.
	Kind() string
	// TenantID is whose job it is.
	TenantID() uuid.UUID
}

// Config is what a [Queue] is made of.
type Config struct {
	// DB is nil where nothing is ever put into the queue or run: a server that is
	// only described.
	DB *db.DB
	// Workers bounds the jobs that this process does at once. Default 4.
	Workers int
	// Lanes are queues beside the common one, by name, each with workers of its
	// own: how many jobs of it this process does at once. See [Plan].
	Lanes map[string]int
	// RescueAfter is how long after its start a job counts as lost with its
	// process and is given to another. A job's own time ends after two thirds of
	// it. Default 90 s.
	RescueAfter time.Duration
	Registerer  prometheus.Registerer
	Logger      *slog.Logger
}

// Queue takes jobs and does them. Make it with [New], tell it with [Handle] what
// to do, then [Queue.Run] it.
type Queue struct {
	cfg      Config
	client   *river.Client[pgx.Tx]
	workers  *river.Workers
	plans    map[string]Plan
	timeout  time.Duration
	stopping atomic.Bool
	health   atomic.Pointer[Health]
	metrics  *metrics
}

// New makes a queue. It starts nothing.
func New(cfg Config) (*Queue, error) {
	if cfg.Workers <= 0 {
		cfg.Workers = defaultWorkers
	}
	if cfg.RescueAfter <= 0 {
		cfg.RescueAfter = defaultRescueAfter
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	q := &Queue{cfg: cfg, workers: river.NewWorkers(), plans: map[string]Plan{}, timeout: cfg.RescueAfter * 2 / 3, metrics: newMetrics(cfg.Registerer)}
	q.health.Store(&Health{})
	if cfg.DB == nil {
		return q, nil
	}
	queues := map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: cfg.Workers}}
	for lane, workers := range cfg.Lanes {
		queues[lane] = river.QueueConfig{MaxWorkers: workers}
	}
	var err error
	q.client, err = river.NewClient(riverpgxv5.New(cfg.DB.Pool()), &river.Config{
		Schema: schema, Workers: q.workers, Queues: queues,
		FetchPollInterval: pollInterval, FetchCooldown: fetchCooldown, JobTimeout: q.timeout, RescueStuckJobsAfter: cfg.RescueAfter, MaxAttempts: maxAttempts,
		SoftStopTimeout: softStop, Logger: slog.New(&quieter{cfg.Logger.Handler()}),
		CompletedJobRetentionPeriod: time.Hour,
		// Rebuilding indexes is for the schema's owner, whom the server is not.
		ReindexerIndexNames: []string{},
	})
	if err != nil {
		return nil, fmt.Errorf("make the queue of jobs: %w", err)
	}
	return q, nil
}

type turnKey struct{}

// turn is one attempt at a job.
type turn struct {
	queue *Queue
	until time.Time
	last  bool
	wait  time.Duration
}

// MayGoOn reports whether a job that works in steps may begin another. When it
// may not it returns [ErrAgain], so that others get their turn, or the process
// can end.
func MayGoOn(ctx context.Context) bool {
	t, ok := ctx.Value(turnKey{}).(*turn)
	return !ok || time.Now().Before(t.until) && !t.queue.stopping.Load()
}

// IsLastAttempt reports whether a job that fails now is not tried again.
func IsLastAttempt(ctx context.Context) bool {
	t, ok := ctx.Value(turnKey{}).(*turn)
	return ok && t.last && !t.queue.stopping.Load()
}

// RetryWait returns how long after a failure a job is tried again. known is false
// where its [Plan] does not say, and for the last attempt.
func RetryWait(ctx context.Context) (wait time.Duration, known bool) {
	t, ok := ctx.Value(turnKey{}).(*turn)
	if !ok || t.last || t.wait == 0 {
		return 0, false
	}
	return t.wait, true
}

// Options say when a job is done. The zero value is at once.
type Options struct {
	// At is a moment before which the job is not done. Zero is now.
	At time.Time
}

// Insert adds a job to a transaction. It is done after the commit, or not at all.
func (q *Queue) Insert(ctx context.Context, tx *db.Tx, args Args, o Options) error {
	if _, err := q.client.InsertTx(ctx, tx.Pgx, args, q.options(args, o)); err != nil {
		return fmt.Errorf("add a job %s: %w", args.Kind(), err)
	}
	return nil
}

// InsertAll is [Queue.Insert] for many jobs, to be done at once: a statement for
// each thousand.
func (q *Queue) InsertAll(ctx context.Context, tx *db.Tx, all []Args) error {
	for part := range slices.Chunk(all, mostAtOnce) {
		params := make([]river.InsertManyParams, len(part))
		for i, args := range part {
			params[i] = river.InsertManyParams{Args: args, InsertOpts: q.options(args, Options{})}
		}
		if _, err := q.client.InsertManyTx(ctx, tx.Pgx, params); err != nil {
			return fmt.Errorf("add %d jobs: %w", len(part), err)
		}
	}
	return nil
}

func (q *Queue) options(args Args, o Options) *river.InsertOpts {
	plan := q.plans[args.Kind()]
	return &river.InsertOpts{ScheduledAt: o.At, Queue: plan.Lane, MaxAttempts: plan.attempts()}
}

// Run does jobs until ctx ends. Those that run then get a few seconds to finish;
// what is left another process takes up, or this one when it starts again.
func (q *Queue) Run(ctx context.Context) error {
	if err := q.client.Start(context.WithoutCancel(ctx)); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("start the queue of jobs: %w", err)
	}
	q.watch(ctx)
	q.stopping.Store(true)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWait)
	defer cancel()
	if err := q.client.Stop(stop); err != nil {
		q.cfg.Logger.WarnContext(stop, "jobs did not end in time; another process takes them up", "error", err)
		hard, cancelHard := context.WithTimeout(context.WithoutCancel(ctx), softStop)
		defer cancelHard()
		if err := q.client.StopAndCancel(hard); err != nil {
			return fmt.Errorf("stop the queue of jobs: %w", err)
		}
	}
	return nil
}
