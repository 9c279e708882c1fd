package audit_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

func count(t *testing.T, registry *prometheus.Registry, what string) float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == "sentinel_decision_records_"+what+"_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return -1
}

func aRecord(tenant uuid.UUID) audit.Record {
	return audit.Record{
		ID: uuid.New(), TenantID: tenant, DecidedAt: time.Date(2026, 3, 1, 12, 0, 0, 1000, time.UTC), Revision: "r", SubjectID: uuid.New(),
		Question: func() []byte { return []byte(`{"q": 1}`) }, Answer: func() []byte { return []byte(`{"a": 1}`) },
		Allowed: true, Code: "granted", Latency: 1500 * time.Nanosecond, CacheHit: true, RequestID: "req",
	}
}

// run starts the writer; stop ends it and waits for the drain.
func run(t *testing.T, d *audit.Decisions) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	return func() { cancel(); require.NoError(t, <-done) }
}

func TestDecisions_WritesEveryColumn(t *testing.T) {
	t.Parallel()
	base, registry := dbtest.New(t), prometheus.NewRegistry()
	d := audit.NewDecisions(audit.DecisionsConfig{DB: base.DB, Registerer: registry, Batch: 2, Interval: time.Millisecond})
	stop := run(t, d)
	a, b := uuid.New(), uuid.New()
	r := aRecord(a)
	d.Add(r)
	d.Add(aRecord(b))
	d.Add(aRecord(a))
	require.Eventually(t, func() bool { return count(t, registry, "written") == 3 }, 10*time.Second, time.Millisecond)
	stop()
	var row struct {
		ID, TenantID, SubjectID                                   uuid.UUID
		DecidedAt                                                 time.Time
		Revision, Question, Answer, ReasonCode, Origin, RequestID string
		Allowed, CacheHit                                         bool
		LatencyUs                                                 int
	}
	require.NoError(t, base.DB.InReadTx(identity.WithTenant(t.Context(), a), func(tx *db.Tx) error {
		return tx.Raw(`SELECT * FROM sentinel.decision_logs WHERE id = ?`, r.ID).Scan(&row).Error
	}))
	require.Equal(t, r.TenantID, row.TenantID)
	require.Equal(t, r.SubjectID, row.SubjectID)
	require.True(t, r.DecidedAt.Equal(row.DecidedAt))
	require.Equal(t, []string{"r", `{"q": 1}`, `{"a": 1}`, "granted", "server", "req"},
		[]string{row.Revision, row.Question, row.Answer, row.ReasonCode, row.Origin, row.RequestID})
	require.True(t, row.Allowed && row.CacheHit)
	require.Equal(t, 1, row.LatencyUs)
}

func TestDecisions_DropsAndCountsWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	base, registry := dbtest.New(t), prometheus.NewRegistry()
	d := audit.NewDecisions(audit.DecisionsConfig{DB: base.DB, Registerer: registry, Queue: 5, Batch: 2})
	tenant := uuid.New()
	for range 8 {
		d.Add(aRecord(tenant)) // nobody writes yet, and it does not wait
	}
	require.InDelta(t, 3, count(t, registry, "dropped"), 0)
	run(t, d)()
	require.InDelta(t, 5, count(t, registry, "written"), 0, "the shutdown writes what is queued")
}

func TestDecisions_CountsWhatTheDatabaseRefuses(t *testing.T) {
	t.Parallel()
	base, registry := dbtest.New(t), prometheus.NewRegistry()
	d := audit.NewDecisions(audit.DecisionsConfig{DB: base.DB, Registerer: registry})
	bad, good := aRecord(uuid.New()), aRecord(uuid.New())
	bad.Question = func() []byte { return []byte(`not JSON`) }
	d.Add(bad)
	d.Add(good)
	run(t, d)()
	require.InDelta(t, 1, count(t, registry, "dropped"), 0)
	require.InDelta(t, 1, count(t, registry, "written"), 0, "another tenant's is written all the same")
}
