// Package engine answers who may do what: Casbin resolves roles, an index finds
// permissions, conditions are judged, and every answer says why and at which
// revision it holds. It owns the semantics of decisions and keeps each tenant's
// graph in memory; it knows neither HTTP nor the features that write the data.
//
// A question is answered in decide.go by the steps of inquiry.go, conflict.go,
// workflow.go, policies.go, gate.go and fields.go. What asks in another way has a
// prefix: explain_ says why and what would change it, rows filters, whocan and
// whatcan search. simulate.go and state.go answer under a change that is not made.
// load.go, freshness.go and store.go keep the graph.
package engine

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
	"github.com/sentinel-access/sentinel/internal/platform/db"
)

// Config sets up an [Engine].
type Config struct {
	DB *db.DB
	// Decisions receives the record of every decision. Default: none is kept.
	Decisions *audit.Decisions
	// Prove writes down what the conditions of approval chains opened, all for one
	// subject, before the answers are given. If it fails they are not_evaluated.
	// Default: nothing is written.
	Prove func(ctx context.Context, opened []AutoApproval) error
	// MaxStaleness is how long decisions go on when the database does not answer;
	// after it every answer is not_evaluated. Default 30 s.
	MaxStaleness time.Duration
	// PollInterval is how often the revisions of loaded tenants are compared with
	// the database's; a quarter of it while notifications do not arrive. Default 1 s.
	PollInterval time.Duration
	// AnswerTTL is the longest time for which an answer may be kept by the one who
	// asked. Default 30 s.
	AnswerTTL time.Duration
	// SnapshotBytes is the budget of all tenants in memory. Default 256 MiB.
	SnapshotBytes int64
	// Now is the moment at which questions are judged, taken as it is: tests and
	// simulations set it. Default: this machine's clock, corrected by its offset
	// to the database's.
	Now func() time.Time
	// Library holds the platform's policies, and is what tenants' are compiled
	// with. Default: none, so that a tenant with policies is not decided about.
	Library *policy.Library
	// AutoApprove lets the conditions of approval chains approve by themselves.
	// Default false.
	AutoApprove bool
	// Registerer receives the engine's metrics. Default: none.
	Registerer prometheus.Registerer
	Logger     *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.MaxStaleness == 0 {
		c.MaxStaleness = 30 * time.Second
	}
	if c.PollInterval == 0 {
		c.PollInterval = time.Second
	}
	if c.AnswerTTL == 0 {
		c.AnswerTTL = 30 * time.Second
	}
	if c.SnapshotBytes == 0 {
		c.SnapshotBytes = 256 << 20
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Engine decides. It is safe for concurrent use.
type Engine struct {
	cfg     Config
	db      *db.DB
	log     *slog.Logger
	metrics *metrics
	// clock is monotonic; it starts anywhere.
	clock func() time.Duration
	// slots maps a tenant's id to its *slot.
	slots   sync.Map
	weight  atomic.Int64
	evictMu sync.Mutex
	// offset is how far the database's clock is ahead of this machine's, in
	// nanoseconds.
	offset atomic.Int64
	// platform are the policies of tenants that published none.
	platform  atomic.Pointer[policySet]
	listening atomic.Bool
	bounds    searchBounds
	// simulations has room for those that may run at a time: each holds a connection
	// and a whole tenant twice.
	simulations chan struct{}
}

// mostSimulations is how many simulations run at a time; others wait.
const mostSimulations = 2

// New makes an engine. It starts nothing: [Engine.Run] keeps it fresh.
func New(cfg Config) *Engine {
	cfg = cfg.withDefaults()
	started := time.Now()
	return &Engine{
		cfg: cfg, db: cfg.DB, log: cfg.Logger, metrics: newMetrics(cfg.Registerer), bounds: defaultBounds(),
		simulations: make(chan struct{}, mostSimulations),
		clock:       func() time.Duration { return time.Since(started) },
	}
}

// loadOptions are those with which decisions are made. known are policies that
// need not be compiled again if they are still live.
func (e *Engine) loadOptions(known *policySet) LoadOptions {
	return LoadOptions{AutoApprove: e.cfg.AutoApprove, known: []*policySet{known, e.platform.Load()}}
}

// Now is the moment at which questions are judged: this machine's clock,
// corrected by its offset to the database's, unless [Config.Now] is set.
func (e *Engine) Now() time.Time {
	if e.cfg.Now != nil {
		return e.cfg.Now()
	}
	return time.Now().Add(time.Duration(e.offset.Load()))
}

type metrics struct {
	Decisions    *prometheus.CounterVec
	byCode       map[Code]prometheus.Counter
	Latency      prometheus.Histogram
	Loads        prometheus.Counter
	Evictions    prometheus.Counter
	PollFailures prometheus.Counter
	// PolicyFailures are by kind.
	PolicyFailures *prometheus.CounterVec
}

// decided counts a decision.
func (m *metrics) decided(code Code) {
	if c, ok := m.byCode[code]; ok {
		c.Inc()
		return
	}
	m.Decisions.WithLabelValues(string(code)).Inc()
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		Decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sentinel_decisions_total", Help: "Decisions by reason code.",
		}, []string{"reason_code"}),
		Latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sentinel_decision_seconds", Help: "Time to decide, loads included.",
			Buckets: []float64{1e-6, 5e-6, 1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 1e-1, 1},
		}),
		Loads: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sentinel_snapshot_loads_total", Help: "Views of tenants made from the database.",
		}),
		Evictions: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sentinel_snapshot_evictions_total", Help: "Tenants dropped from memory for want of room.",
		}),
		PollFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sentinel_revision_poll_failures_total", Help: "Polls of the revisions that the database did not answer.",
		}),
		PolicyFailures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sentinel_policy_failures_total", Help: "Policies that could not be evaluated, by kind: timeout, conflict, builtin, malformed, compile, other.",
		}, []string{"kind"}),
	}
	// Looked up once: by label it costs as much as a decision.
	m.byCode = map[Code]prometheus.Counter{}
	for _, c := range codes {
		m.byCode[c] = m.Decisions.WithLabelValues(string(c))
	}
	if r != nil {
		r.MustRegister(m.Decisions, m.Latency, m.Loads, m.Evictions, m.PollFailures, m.PolicyFailures)
	}
	return m
}
