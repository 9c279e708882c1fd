package engine_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// metric returns the sum of a counter's values.
func metric(t *testing.T, registry *prometheus.Registry, name string) (sum float64) {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			sum += m.GetCounter().GetValue()
		}
	}
	return sum
}

func TestDecide_UnknownTenantAndUser(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	nowhere := uuid.New()
	require.Equal(t, engine.SubjectUnknown, w.Ask(nowhere, w.ada, "vessel", "v-1", "read").Code)
	require.Equal(t, engine.SubjectUnknown, w.Ask(w.tenant, uuid.New(), "vessel", "v-1", "read").Code)
	other := w.Tenant()
	require.Equal(t, engine.SubjectUnknown, w.Ask(other, w.ada, "vessel", "v-1", "read").Code, "of another tenant")
	n, balanced := w.Engine.Slots()
	require.Equal(t, 2, n, "nothing is kept of a tenant that is not there")
	require.True(t, balanced)
}

func TestDecide_TenantThatIsDeleted(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	require.True(t, w.may(w.ada))
	w.SQL(`DELETE FROM sentinel.tenants WHERE id = $1`, w.tenant)
	require.NoError(t, w.Engine.Refresh(t.Context(), w.tenant))
	require.Equal(t, engine.SubjectUnknown, w.code(w.ada))
	n, balanced := w.Engine.Slots()
	require.Zero(t, n)
	require.True(t, balanced)
}

func TestDecide_EvictsTheLeastRecentlyUsedTenant(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	// Room for two of three tenants.
	w := setup(t, engine.Config{SnapshotBytes: 70_000, Registerer: registry})
	tenants := []uuid.UUID{w.tenant, w.Tenant(), w.Tenant()}
	users := []uuid.UUID{w.ada, w.User(tenants[1], "b"), w.User(tenants[2], "c")}
	ask := func(i int) bool { return w.Allowed(tenants[i], users[i], "vessel", "v-1", "read") }
	for _, i := range []int{0, 1, 0, 2} {
		require.Equal(t, i == 0, ask(i))
	}
	loaded := func(i int) bool { graph, _ := w.Engine.Loaded(tenants[i]); return graph != nil }
	require.True(t, loaded(0))
	require.False(t, loaded(1), "used before the others")
	require.True(t, loaded(2))
	_, balanced := w.Engine.Slots()
	require.True(t, balanced)
	require.False(t, ask(1), "loaded again")
	require.True(t, ask(0))
	require.InDelta(t, 3, metric(t, registry, "sentinel_snapshot_evictions_total"), 0)
	w.Engine.Forget(tenants[0])
	w.Engine.Forget(uuid.New())
	require.False(t, loaded(0))
	_, balanced = w.Engine.Slots()
	require.True(t, balanced)
}

// A role that was taken is never allowed by a decision that begins after the
// write has returned, whatever else is going on.
func TestDecide_NeverAllowsWhatWasRevoked(t *testing.T) {
	t.Parallel()
	const writers, rounds = 4, 25
	// Small, so that tenants are evicted all the time.
	w := setup(t, engine.Config{SnapshotBytes: 40_000, PollInterval: 5 * time.Millisecond})
	w.Run()
	other := w.Tenant()
	eve := w.User(other, "eve")
	users := make([]uuid.UUID, writers)
	for i := range users {
		users[i] = w.User(w.tenant, string(rune('m'+i)))
	}
	// revoked[i] is odd while users[i] certainly has no role.
	var revoked [writers]atomic.Int64
	var stop atomic.Bool
	var readers, group sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for !stop.Load() {
				w.Allowed(other, eve, "vessel", "v-1", "read")
				for i, user := range users {
					before := revoked[i].Load()
					allowed := w.may(user)
					if allowed && before%2 == 1 && revoked[i].Load() == before {
						t.Errorf("user %d is allowed after the role was taken", i)
						stop.Store(true)
					}
				}
			}
		})
	}
	for i, user := range users {
		revoked[i].Store(1)
		group.Go(func() {
			for range rounds {
				revoked[i].Add(1)
				if err := w.write(t.Context(), w.tenant, assign, w.tenant, user, w.role); err != nil || !w.may(user) {
					t.Error("not allowed after the role was given", err)
				}
				if err := w.write(t.Context(), w.tenant, unassign, w.tenant, user, w.role); err != nil {
					t.Error(err)
				}
				revoked[i].Add(1)
				if w.may(user) {
					t.Error("allowed after the role was taken")
				}
			}
		})
	}
	group.Go(func() {
		for range rounds {
			if err := w.write(t.Context(), w.tenant, `UPDATE sentinel.roles SET priority = priority + 1 WHERE id = $1`, w.role); err != nil {
				t.Error(err)
			}
		}
	})
	group.Wait()
	stop.Store(true)
	readers.Wait()
	_, balanced := w.Engine.Slots()
	require.True(t, balanced)
}

func TestEngine_OutlivesTheDatabase(t *testing.T) {
	w := setupOn(t, dbtest.NewCluster(t), engine.Config{PollInterval: 20 * time.Millisecond, MaxStaleness: 30 * time.Second})
	// Time passes by itself only a little: staleness is what the test makes it.
	var ahead atomic.Int64
	began := time.Now()
	w.Engine.SetClock(func() time.Duration { return time.Since(began) + time.Duration(ahead.Load()) })
	w.Run()
	require.True(t, w.may(w.ada))
	w.Assign(w.tenant, w.bob, w.role)
	admin := w.User(w.tenant, "admin")
	w.SQL(`INSERT INTO sentinel.user_roles (tenant_id, user_id, role_id, role_tenant_id) SELECT $1, $2, id, tenant_id FROM sentinel.roles WHERE name = 'tenant_admin'`, w.tenant, admin)

	// Under load, through the outage: nothing but true while the data is fresh.
	ctx, cancel := context.WithCancel(t.Context())
	var asked atomic.Int64
	var load sync.WaitGroup
	load.Go(func() {
		for ctx.Err() == nil {
			if !w.may(w.ada) {
				t.Error("a loaded subject was not answered")
				return
			}
			asked.Add(1)
		}
	})
	w.Stop(t)
	after := asked.Load() + 1_000
	require.Eventually(t, func() bool { return asked.Load() > after }, 10*time.Second, tick)
	cancel()
	load.Wait()

	require.Equal(t, engine.NotEvaluated, w.code(w.bob), "not in memory")
	_, err := w.Engine.RoleNames(t.Context(), w.tenant, w.bob)
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	write := func(ctx context.Context) error {
		return w.Writer.Granting(ctx, "role.create", func(tx *change.Write) (granting.Change, error) {
			_, err := tx.Pgx.Exec(ctx, `INSERT INTO sentinel.roles (tenant_id, name) VALUES ($1, 'half done')`, w.tenant)
			return granting.Change{}, err
		})
	}
	err = write(w.As(w.tenant, admin))
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.True(t, w.may(w.ada), "a write that failed changes no answer")

	ahead.Store(int64(31 * time.Second))
	for _, user := range []uuid.UUID{w.ada, w.bob} {
		require.Equal(t, engine.NotEvaluated, w.code(user))
	}
	_, tenants, oldest := w.Engine.Status()
	require.Equal(t, 1, tenants)
	require.Greater(t, oldest, 30*time.Second)

	w.Start(t)
	require.Eventually(t, func() bool { return w.may(w.ada) && w.may(w.bob) }, 30*time.Second, tick)
	require.Zero(t, w.Count(`SELECT count(*) FROM sentinel.roles WHERE name = 'half done'`))
	require.Eventually(t, func() bool { return write(w.As(w.tenant, admin)) == nil }, 30*time.Second, tick)
	require.Equal(t, 1, w.Count(`SELECT count(*) FROM sentinel.roles WHERE name = 'half done'`))
	require.Eventually(t, func() bool { listening, _, _ := w.Engine.Status(); return listening }, 30*time.Second, tick)
	w.SQL(`DELETE FROM sentinel.user_roles WHERE user_id = $1`, w.bob)
	require.Eventually(t, func() bool { return !w.may(w.bob) }, bound, tick)
}

func TestRun_EndsWithoutADatabase(t *testing.T) {
	d := dbtest.New(t)
	e := engine.New(engine.Config{DB: d.DB, PollInterval: time.Millisecond})
	d.DB.Close()
	ctx, cancel := context.WithCancel(identity.WithTenant(t.Context(), uuid.New()))
	done := make(chan error)
	go func() { done <- e.Run(ctx) }()
	require.Error(t, e.Ready(ctx))
	cancel()
	require.NoError(t, <-done)
}
