package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/riverqueue/river"

	"github.com/sentinel-access/sentinel/internal/identity"
)

// Plan says how jobs of one kind are done, where it differs from what is usual.
type Plan struct {
	// Lane is one of [Config.Lanes], so that these jobs and others do not wait for
	// each other. Default: the common queue.
	Lane string
	// Retries are the waits before a job that failed is tried again, at most ten.
	// Default: four, within about six minutes.
	Retries []time.Duration
}

// attempts is how often a job is tried.
func (p *Plan) attempts() int {
	if len(p.Retries) == 0 {
		return maxAttempts
	}
	return len(p.Retries) + 1
}

// wait is how long after its attempt number n, from 1, a job is tried again.
// known is false where that is the queue's own to say.
func (p *Plan) wait(n int) (wait time.Duration, known bool) {
	if n < 1 || n > len(p.Retries) {
		return 0, false
	}
	return p.Retries[n-1], true
}

// Handle tells the queue what to do with jobs of one kind. fn runs with the
// job's tenant in its context, perhaps on several replicas one after the other:
// what it does and that it is done belong into one transaction. It returns nil
// when the job is done, [ErrAgain] for another turn, [After] for one later, or an
// error, after which it is tried again. It is called before the queue runs, and
// before such jobs are inserted.
func Handle[T Args](q *Queue, fn func(ctx context.Context, args T) error) {
	HandleAs(q, Plan{}, fn)
}

// HandleAs is [Handle] by a plan of the kind's own.
func HandleAs[T Args](q *Queue, plan Plan, fn func(ctx context.Context, args T) error) {
	var kind T
	q.plans[kind.Kind()] = plan
	river.AddWorker(q.workers, &worker[T]{queue: q, plan: plan, fn: fn})
}

// worker does the jobs of one kind.
type worker[T Args] struct {
	river.WorkerDefaults[T]
	queue *Queue
	plan  Plan
	fn    func(ctx context.Context, args T) error
}

// Work implements [river.Worker].
func (w *worker[T]) Work(ctx context.Context, job *river.Job[T]) error {
	q, begun := w.queue, time.Now()
	ctx = identity.WithTenant(ctx, job.Args.TenantID())
	t := &turn{queue: q, until: begun.Add(q.timeout / 6), last: job.Attempt >= job.MaxAttempts}
	t.wait, _ = w.plan.wait(job.Attempt)
	err := w.fn(context.WithValue(ctx, turnKey{}, t), job.Args)
	var later *laterError
	switch {
	case err == nil:
		q.metrics.observe(job.Kind, "done", time.Since(begun))
		return nil
	case errors.As(err, &later):
		q.metrics.observe(job.Kind, "again", time.Since(begun))
		return river.JobSnooze(later.wait)
	case errors.Is(err, ErrAgain), q.stopping.Load():
		q.metrics.observe(job.Kind, "again", time.Since(begun))
		return river.JobSnooze(0)
	default:
		q.metrics.observe(job.Kind, "failed", time.Since(begun))
		return err
	}
}

// NextRetry implements [river.Worker]. Zero leaves it to the queue.
func (w *worker[T]) NextRetry(job *river.Job[T]) time.Time {
	if wait, known := w.plan.wait(job.Attempt); known {
		return time.Now().Add(wait)
	}
	return time.Time{}
}
