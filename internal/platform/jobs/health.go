package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// watchEvery is how often the queue is looked at.
	watchEvery = 15 * time.Second
	// lookTimeout bounds one look, when the database hangs.
	lookTimeout = 5 * time.Second
	// behindAfter is how long a job may wait that could be done.
	behindAfter = 5 * time.Minute
)

// Health is how the queue was when it was last looked at.
type Health struct {
	// Seen is when that was; zero before the first time.
	Seen time.Time
	// Waiting are the jobs that could be done now, Running those under way on
	// some replica, Failing those that failed and are tried again.
	Waiting, Running, Failing int64
	// Oldest is how long a job has waited that could be done.
	Oldest time.Duration
	// Problem says what is wrong, empty if nothing is.
	Problem string
}

// Health returns how the queue was when it was last looked at.
func (q *Queue) Health() Health { return *q.health.Load() }

// watch looks at the queue from time to time, until ctx ends.
func (q *Queue) watch(ctx context.Context) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		q.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (q *Queue) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	h := Health{Seen: time.Now()}
	var oldest float64
	err := q.cfg.DB.Pool().QueryRow(ctx, `
SELECT count(*) FILTER (WHERE state = 'available'), count(*) FILTER (WHERE state = 'running'), count(*) FILTER (WHERE state = 'retryable'),
  COALESCE(EXTRACT(EPOCH FROM now() - min(scheduled_at) FILTER (WHERE state = 'available')), 0)::float8
FROM sentinel.river_job
WHERE state IN ('available', 'running', 'retryable')`).Scan(&h.Waiting, &h.Running, &h.Failing, &oldest)
	switch {
	case ctx.Err() != nil && err != nil:
		return
	case err != nil:
		h.Problem = "the queue cannot be read: jobs wait"
		q.cfg.Logger.WarnContext(ctx, "look at the queue of jobs", "error", err)
	default:
		h.Oldest = time.Duration(oldest * float64(time.Second))
		if h.Oldest > behindAfter {
			h.Problem = fmt.Sprintf("%d jobs wait, the first since %s", h.Waiting, h.Oldest.Round(time.Second))
		}
		q.metrics.depth.WithLabelValues("waiting").Set(float64(h.Waiting))
		q.metrics.depth.WithLabelValues("running").Set(float64(h.Running))
		q.metrics.depth.WithLabelValues("failing").Set(float64(h.Failing))
	}
	q.health.Store(&h)
}

type metrics struct {
	turns    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	depth    *prometheus.GaugeVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		turns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sentinel_jobs_total", Help: "Turns of background jobs, by what came of them: done, again, failed.",
		}, []string{"kind", "result"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sentinel_job_duration_seconds", Help: "How long a turn of a background job took.", Buckets: []float64{0.01, 0.1, 0.5, 1, 5, 15, 60},
		}, []string{"kind"}),
		depth: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sentinel_jobs_queued", Help: "Background jobs of all replicas that wait, run, or failed and are tried again.",
		}, []string{"state"}),
	}
	if r != nil {
		r.MustRegister(m.turns, m.duration, m.depth)
	}
	return m
}

func (m *metrics) observe(kind, result string, took time.Duration) {
	m.turns.WithLabelValues(kind, result).Inc()
	m.duration.WithLabelValues(kind).Observe(took.Seconds())
}
