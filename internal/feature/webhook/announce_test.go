package webhook

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/jobs"
	"github.com/sentinel-access/sentinel/internal/platform/outbound"
)

// setup is a section whose queue nobody works on.
func setup(t testing.TB) (*tenanttest.World, *Service) {
	t.Helper()
	w := tenanttest.New(t, dbtest.New(t), engine.Config{})
	queue, err := jobs.New(jobs.Config{DB: w.DB, Lanes: map[string]int{Lane: 1}})
	require.NoError(t, err)
	master, err := crypto.ParseMasterKey(strings.Repeat("7", 64))
	require.NoError(t, err)
	s := New(Config{Write: w.Writer, Queue: queue, Master: master, Client: outbound.New(outbound.Config{})})
	w.Writer.Audit.Follow(s.Announce)
	return w, s
}

func hook(w *tenanttest.World, tenant uuid.UUID, name string, active bool, events string) {
	w.SQL("INSERT INTO sentinel.webhooks (tenant_id, name, url, events, secret, is_active) VALUES ($1, $2, 'https://hooks.example', $3::text[], '\\x01', $4)", tenant, name, events, active)
}

// record writes events in a transaction that ends with fail.
func record(w *tenanttest.World, tenant uuid.UUID, fail error, events ...audit.Event) error {
	ctx := identity.WithTenant(context.Background(), tenant)
	return w.DB.InTx(ctx, func(tx *db.Tx) error {
		record := func() error { return w.Writer.Audit.RecordAll(ctx, tx, events) }
		if len(events) == 1 {
			record = func() error { return w.Writer.Audit.Record(ctx, tx, events[0]) }
		}
		if err := record(); err != nil {
			return err
		}
		return fail
	})
}

func TestAnnounce_WritesADeliveryAndAJobForEachThatWantsIt(t *testing.T) {
	t.Parallel()
	w, _ := setup(t)
	tenant, other := w.Tenant(), w.Tenant()
	hook(w, tenant, "all", true, "{*}")
	hook(w, tenant, "roles", true, "{role.*,group.created}")
	hook(w, tenant, "off", false, "{*}")
	hook(w, other, "foreign", true, "{*}")
	id := uuid.New()
	require.NoError(t, record(w, tenant, nil, audit.Event{Action: "role.create", ResourceID: id}))
	require.NoError(t, record(w, tenant, nil, audit.Event{Action: "user.create", ResourceID: id}, audit.Event{Action: "group.create", ResourceID: id}))
	require.NoError(t, record(w, tenant, nil, audit.Event{Action: testEvent, ResourceID: id}))
	rolledBack := errors.New("rolled back")
	require.ErrorIs(t, record(w, tenant, rolledBack, audit.Event{Action: "role.delete"}), rolledBack)

	var got string
	w.Scan([]any{&got}, `
SELECT string_agg(w.name || ' ' || d.event || ' ' || d.status, ', ' ORDER BY w.name, d.event)
FROM sentinel.webhook_deliveries d JOIN sentinel.webhooks w ON w.id = d.webhook_id`)
	require.Equal(t, "all group.created pending, all role.created pending, all user.created pending, roles group.created pending, roles role.created pending", got)
	require.Equal(t, 5, w.Count(`
SELECT count(*)::int FROM sentinel.river_job j JOIN sentinel.webhook_deliveries d ON d.id = (j.args->>'delivery_id')::uuid AND d.tenant_id = (j.args->>'tenant_id')::uuid
WHERE j.kind = 'webhook_delivery' AND j.queue = 'webhooks' AND j.max_attempts = 8`))
	require.Equal(t, 1, w.Count(`SELECT count(DISTINCT d.payload->>'id')::int FROM sentinel.webhook_deliveries d JOIN sentinel.audit_logs a ON a.id = (d.payload->>'id')::uuid WHERE a.action = 'role.create'`))
	require.Zero(t, w.Count("SELECT count(*)::int FROM sentinel.webhook_deliveries WHERE tenant_id = $1", other))
}

// TestAnnounce_OfNobodyCostsNothing writes nothing where there is no webhook.
func TestAnnounce_OfNobodyCostsNothing(t *testing.T) {
	t.Parallel()
	w, s := setup(t)
	tenant := w.Tenant()
	hook(w, tenant, "off", false, "{*}")
	require.NoError(t, record(w, tenant, nil, audit.Event{Action: "role.create"}))
	require.Zero(t, w.Count("SELECT count(*)::int FROM sentinel.river_job"))
	require.NoError(t, s.Announce(t.Context(), nil, nil), "without events nobody is asked")
}

// TestListening_IsALookUpByAnIndex among the webhooks of many tenants.
func TestListening_IsALookUpByAnIndex(t *testing.T) {
	t.Parallel()
	w, _ := setup(t)
	var tenant uuid.UUID
	for range 50 {
		tenant = w.Tenant()
		w.SQL("INSERT INTO sentinel.webhooks (tenant_id, name, url, secret) SELECT $1, n, 'https://hooks.example', '\\x01' FROM generate_series(1, 20) n", tenant)
	}
	w.SQL("ANALYZE sentinel.webhooks")
	var plan string
	w.Scan([]any{&plan}, "EXPLAIN (FORMAT json) "+strings.Replace(listeningSQL, "$1", "'"+tenant.String()+"'", 1))
	require.Contains(t, plan, "Index")
	require.NotContains(t, plan, "Seq Scan")
}

func TestDeliver_KeepsOneTenantFromAllWorkers(t *testing.T) {
	t.Parallel()
	_, s := setup(t)
	one, two := uuid.New(), uuid.New()
	for range mostOfOne {
		require.True(t, s.enter(one))
	}
	require.False(t, s.enter(one))
	require.True(t, s.enter(two))
	err := s.deliver(t.Context(), Job{Tenant: one, Delivery: uuid.New()})
	require.ErrorContains(t, err, "cannot be done for another 5s")
	s.leave(one)
	require.True(t, s.enter(one))
	for range mostOfOne {
		s.leave(one)
	}
	s.leave(two)
	require.Empty(t, s.busy)
	require.NoError(t, s.deliver(identity.WithTenant(t.Context(), identity.PlatformTenant), Job{Tenant: identity.PlatformTenant, Delivery: uuid.New()}), "a delivery that is gone is done")
}

func BenchmarkAnnounce(b *testing.B) {
	for _, hooks := range []int{-1, 0, 1, most} {
		for _, events := range []int{1, 1_000} {
			name := map[int]string{-1: "unfollowed", 0: "none"}[hooks]
			if name == "" {
				name = fmt.Sprintf("%d", hooks)
			}
			b.Run(fmt.Sprintf("%s/%d", name, events), func(b *testing.B) {
				w, _ := setup(b)
				tenant := w.Tenant()
				if hooks < 0 {
					w.Writer.Audit.Follow(nil)
				}
				for i := range hooks {
					hook(w, tenant, fmt.Sprint(i), true, "{*}")
				}
				list := make([]audit.Event, events)
				for i := range list {
					list[i] = audit.Event{Action: "role.create", ResourceID: uuid.New()}
				}
				for b.Loop() {
					require.NoError(b, record(w, tenant, nil, list...))
				}
			})
		}
	}
}
