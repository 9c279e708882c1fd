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
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/sentinel-access/sentinel/internal/identity"
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
	q := &Queue{cfg: cfg, workers: river.NewWorkers(), timeout: cfg.RescueAfter * 2 / 3, metrics: newMetrics(cfg.Registerer)}
	q.health.Store(&Health{})
	if cfg.DB == nil {
		return q, nil
	}
	var err error
	q.client, err = river.NewClient(riverpgxv5.New(cfg.DB.Pool()), &river.Config{
		Schema: schema, Workers: q.workers, Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: cfg.Workers}},
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

// Handle tells the queue what to do with jobs of one kind. fn runs with the
// job's tenant in its context, perhaps on several replicas one after the other:
// what it does and that it is done belong into one transaction. It returns nil
// when the job is done, [ErrAgain] for another turn, or an error, after which it
// is tried again later. It is called before the queue runs.
func Handle[T Args](q *Queue, fn func(ctx context.Context, args T) error) {
	river.AddWorker(q.workers, river.WorkFunc(func(ctx context.Context, job *river.Job[T]) error {
		begun := time.Now()
		ctx = identity.WithTenant(ctx, job.Args.TenantID())
		ctx = context.WithValue(ctx, turnKey{}, &turn{queue: q, until: begun.Add(q.timeout / 6), last: job.Attempt >= job.MaxAttempts})
		err := fn(ctx, job.Args)
		switch {
		case err == nil:
			q.metrics.observe(job.Kind, "done", time.Since(begun))
			return nil
		case errors.Is(err, ErrAgain), q.stopping.Load():
			q.metrics.observe(job.Kind, "again", time.Since(begun))
			return river.JobSnooze(0)
		default:
			q.metrics.observe(job.Kind, "failed", time.Since(begun))
			return err
		}
	}))
}

type turnKey struct{}

// turn is one attempt at a job.
type turn struct {
	queue *Queue
	until time.Time
	last  bool
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

// Options say when a job is done. The zero value is at once.
type Options struct {
	// At is a moment before which the job is not done. Zero is now.
	At time.Time
}

// Insert adds a job to a transaction. It is done after the commit, or not at all.
func (q *Queue) Insert(ctx context.Context, tx *db.Tx, args Args, o Options) error {
	if _, err := q.client.InsertTx(ctx, tx.Pgx, args, &river.InsertOpts{ScheduledAt: o.At}); err != nil {
		return fmt.Errorf("add a job %s: %w", args.Kind(), err)
	}
	return nil
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
