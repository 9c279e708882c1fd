package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// Record is one decision as it is kept in decision_logs.
type Record struct {
	ID        uuid.UUID
	TenantID  uuid.UUID
	DecidedAt time.Time
	Revision  string
	SubjectID uuid.UUID
	// Question and Answer are JSON documents, made when the record is written
	// and not while somebody waits for the decision.
	Question func() []byte
	Answer   func() []byte
	Allowed  bool
	Code     string
	Latency  time.Duration
	CacheHit bool
	// RequestID is that of the request that asked.
	RequestID string
}

// DecisionsConfig sets up a [Decisions].
type DecisionsConfig struct {
	DB *db.DB
	// Queue is how many records may wait for the writer. Default 65,536, about
	// a second at the highest rate measured.
	Queue int
	// Batch is how many records are written at once. Default 2,000.
	Batch int
	// Interval is how long a record waits for company. Default 200 ms.
	Interval time.Duration
	// Registerer receives the counters. Default: none.
	Registerer prometheus.Registerer
	Logger     *slog.Logger
}

func (c DecisionsConfig) withDefaults() DecisionsConfig {
	if c.Queue == 0 {
		c.Queue = 65_536
	}
	if c.Batch == 0 {
		c.Batch = 2_000
	}
	if c.Interval == 0 {
		c.Interval = 200 * time.Millisecond
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Decisions writes decision records behind the answers. Its queue is bounded;
// when it is full a record is dropped and counted, so that the log never slows
// or stops decisions, and loss is never silent.
type Decisions struct {
	cfg     DecisionsConfig
	queue   chan Record
	written prometheus.Counter
	dropped prometheus.Counter
}

// NewDecisions makes a writer. It starts nothing: [Decisions.Run] writes.
func NewDecisions(cfg DecisionsConfig) *Decisions {
	cfg = cfg.withDefaults()
	d := &Decisions{
		cfg:   cfg,
		queue: make(chan Record, cfg.Queue),
		written: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sentinel_decision_records_written_total", Help: "Decision records written to the database.",
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sentinel_decision_records_dropped_total", Help: "Decision records lost: the queue was full, or the database refused them.",
		}),
	}
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(d.written, d.dropped)
	}
	return d
}

// Add queues a record. It never waits.
func (d *Decisions) Add(r Record) {
	select {
	case d.queue <- r:
	default:
		d.dropped.Inc()
	}
}

// Run writes records until ctx ends, then whatever is still queued, within
// drainTimeout.
func (d *Decisions) Run(ctx context.Context) error {
	ticker := time.NewTicker(d.cfg.Interval)
	defer ticker.Stop()
	batch := make([]Record, 0, d.cfg.Batch)
	for {
		select {
		case <-ctx.Done():
			return d.drain(context.WithoutCancel(ctx), batch)
		case r := <-d.queue:
			if batch = append(batch, r); len(batch) < d.cfg.Batch {
				continue
			}
		case <-ticker.C:
		}
		// A batch under way is written whole, even if ctx ends meanwhile.
		batch = d.flush(context.WithoutCancel(ctx), batch)
	}
}

// drainTimeout bounds how long a shutdown waits for the last records.
const drainTimeout = 10 * time.Second

func (d *Decisions) drain(ctx context.Context, batch []Record) error {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	for {
		select {
		case r := <-d.queue:
			if batch = append(batch, r); len(batch) == d.cfg.Batch {
				batch = d.flush(ctx, batch)
			}
		default:
			d.flush(ctx, batch)
			return nil
		}
	}
}

// flush writes the batch and returns it empty.
func (d *Decisions) flush(ctx context.Context, batch []Record) []Record {
	byTenant := map[uuid.UUID][]Record{}
	for _, r := range batch {
		byTenant[r.TenantID] = append(byTenant[r.TenantID], r)
	}
	for tenant, records := range byTenant {
		if err := d.save(ctx, tenant, records, true); err != nil {
			d.cfg.Logger.ErrorContext(ctx, "write decision records", "error", err)
		}
	}
	clear(batch)
	return batch[:0]
}

// save writes records, again if they are refused, and then by halves, so that
// one that the database will never take does not carry the others with it. What
// is refused for good is dropped and counted: keeping it would hold up all that
// follows.
func (d *Decisions) save(ctx context.Context, tenant uuid.UUID, records []Record, again bool) error {
	err := d.write(ctx, tenant, records)
	switch {
	case err == nil:
		d.written.Add(float64(len(records)))
		return nil
	case again:
		return d.save(ctx, tenant, records, false)
	case len(records) == 1 || fault.Is(err, fault.Unavailable) || ctx.Err() != nil:
		d.dropped.Add(float64(len(records)))
		return fmt.Errorf("%d dropped: %w", len(records), err)
	}
	half := len(records) / 2
	return errors.Join(d.save(ctx, tenant, records[:half], false), d.save(ctx, tenant, records[half:], false))
}

// origin marks records of this server, apart from those that OPA agents send.
const origin = "server"

// COPY does not work on tables under row-level security, hence arrays.
const insertDecisions = `
INSERT INTO sentinel.decision_logs
  (id, tenant_id, decided_at, revision, subject_id, question, answer, allowed, reason_code, latency_us, cache_hit, origin, request_id)
SELECT r.id, $1, r.decided_at, r.revision, r.subject_id, r.question::jsonb, r.answer::jsonb, r.allowed, r.reason_code, r.latency_us, r.cache_hit, $2, r.request_id
FROM unnest($3::uuid[], $4::timestamptz[], $5::text[], $6::uuid[], $7::text[], $8::text[], $9::bool[], $10::text[], $11::int[], $12::bool[], $13::text[])
  AS r (id, decided_at, revision, subject_id, question, answer, allowed, reason_code, latency_us, cache_hit, request_id)`

func (d *Decisions) write(ctx context.Context, tenant uuid.UUID, records []Record) error {
	n := len(records)
	var (
		ids, subjects                            = make([]uuid.UUID, n), make([]uuid.UUID, n)
		times                                    = make([]time.Time, n)
		revisions, questions, answers, codes, by = make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		allowed, hits                            = make([]bool, n), make([]bool, n)
		latencies                                = make([]int32, n)
	)
	for i := range records {
		r := &records[i]
		ids[i], subjects[i], times[i], revisions[i] = r.ID, r.SubjectID, r.DecidedAt, r.Revision
		questions[i], answers[i], codes[i], by[i] = string(r.Question()), string(r.Answer()), r.Code, r.RequestID
		allowed[i], hits[i] = r.Allowed, r.CacheHit
		latencies[i] = int32(min(r.Latency.Microseconds(), 1<<30)) //nolint:gosec // bounded
	}
	return d.cfg.DB.InTx(identity.WithTenant(ctx, tenant), func(tx *db.Tx) error {
		_, err := tx.Pgx.Exec(ctx, insertDecisions, tenant, origin,
			ids, times, revisions, subjects, questions, answers, allowed, codes, latencies, hits, by)
		if err != nil {
			return fmt.Errorf("insert decision records: %w", err)
		}
		return nil
	})
}
