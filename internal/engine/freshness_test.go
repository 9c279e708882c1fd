package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/models"
)

const (
	// bound is what the freshness of other replicas is promised to be.
	bound = time.Second
	tick  = 5 * time.Millisecond
)

// world is a tenant in which ada may read vessels by a role, and bob may not.
type world struct {
	*tenanttest.World
	tenant, role, ada, bob uuid.UUID
}

func setup(t *testing.T, cfg engine.Config) *world {
	t.Helper()
	return setupOn(t, dbtest.New(t), cfg)
}

func setupOn(t *testing.T, d *dbtest.Database, cfg engine.Config) *world {
	t.Helper()
	w := &world{World: tenanttest.New(t, d, cfg)}
	w.tenant = w.Tenant()
	w.role = w.Role(w.tenant, "reader", 10, uuid.UUID{})
	w.Permission(w.tenant, w.role, "vessel/*", "allow", "", "read")
	w.ada, w.bob = w.User(w.tenant, "ada"), w.User(w.tenant, "bob")
	w.Assign(w.tenant, w.ada, w.role)
	return w
}

func (w *world) may(user uuid.UUID) bool { return w.Allowed(w.tenant, user, "vessel", "v-1", "read") }

func (w *world) code(user uuid.UUID) engine.Code {
	return w.Ask(w.tenant, user, "vessel", "v-1", "read").Code
}

// plain makes a write as a feature does, in the given tenant.
func (w *world) plain(t *testing.T, tenant uuid.UUID, sql string, args ...any) {
	t.Helper()
	require.NoError(t, w.write(t.Context(), tenant, sql, args...))
}

func (w *world) write(ctx context.Context, tenant uuid.UUID, sql string, args ...any) error {
	return w.Writer.Plain(identity.WithTenant(ctx, tenant), func(tx *change.Write) error {
		_, err := tx.Pgx.Exec(ctx, sql, args...)
		return err
	})
}

const (
	assign   = `INSERT INTO sentinel.user_roles (tenant_id, user_id, role_id, role_tenant_id) VALUES ($1, $2, $3, $1)`
	unassign = `DELETE FROM sentinel.user_roles WHERE tenant_id = $1 AND user_id = $2 AND role_id = $3`
)

func TestWriter_IsSeenByTheNextDecision(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	require.False(t, w.may(w.bob))
	for range 5 {
		w.plain(t, w.tenant, assign, w.tenant, w.bob, w.role)
		require.True(t, w.may(w.bob))
		w.plain(t, w.tenant, unassign, w.tenant, w.bob, w.role)
		require.False(t, w.may(w.bob))
	}
	before := w.Ask(w.tenant, w.bob, "vessel", "v-1", "read").Revision
	w.plain(t, w.tenant, `UPDATE sentinel.roles SET is_active = false WHERE id = $1`, w.role)
	require.False(t, w.may(w.ada))
	require.NotEqual(t, before, w.Ask(w.tenant, w.bob, "vessel", "v-1", "read").Revision)
}

func TestRun_SeesWritesOfOthersByNotification(t *testing.T) {
	t.Parallel()
	// It polls once an hour: what arrives sooner was notified.
	w := setup(t, engine.Config{PollInterval: time.Hour})
	w.Run()
	require.False(t, w.may(w.bob))
	require.Eventually(t, func() bool { listening, _, _ := w.Engine.Status(); return listening }, 10*time.Second, tick)
	w.SQL(`NOTIFY sentinel_revision, 'not a tenant'`)

	other := &change.Writer{DB: w.DB, Engine: engine.New(engine.Config{DB: w.DB}), Audit: w.Writer.Audit, Logger: w.Writer.Logger}
	ctx := identity.WithTenant(t.Context(), w.tenant)
	require.NoError(t, other.Plain(ctx, func(tx *change.Write) error {
		return tx.Create(&models.UserRole{ID: uuid.New(), TenantID: w.tenant, UserID: w.bob, RoleID: w.role, RoleTenantID: w.tenant, IsActive: true}).Error
	}))
	require.Eventually(t, func() bool { return w.may(w.bob) }, bound, tick)
}

// silently makes a change and moves the counters as the triggers would, but
// tells nobody: the notification is lost.
func (w *world) silently(user uuid.UUID, sql string, args ...any) {
	w.SQL(`SET session_replication_role = replica`)
	w.SQL(sql, args...)
	w.SQL(`UPDATE sentinel.policy_revision SET revision = revision + 1 WHERE tenant_id = $1`, w.tenant)
	w.SQL(`INSERT INTO sentinel.subject_changes (tenant_id, revision, user_id)
SELECT tenant_id, revision, $2 FROM sentinel.policy_revision WHERE tenant_id = $1`, w.tenant, user)
	w.SQL(`SET session_replication_role = origin`)
}

func TestRun_SeesWritesWhoseNotificationIsLost(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{PollInterval: 50 * time.Millisecond})
	w.Run()
	require.False(t, w.may(w.bob))
	w.silently(w.bob, assign, w.tenant, w.bob, w.role)
	require.Eventually(t, func() bool { return w.may(w.bob) }, bound, tick)
}

func TestRun_ListensAgainAfterTheConnectionIsLost(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{PollInterval: 200 * time.Millisecond})
	w.Run()
	require.False(t, w.may(w.bob))
	listening := func() bool { listening, _, _ := w.Engine.Status(); return listening }
	require.Eventually(t, listening, 10*time.Second, tick)
	w.SQL(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`)
	require.Eventually(t, func() bool { return !listening() }, 10*time.Second, time.Millisecond)
	w.Assign(w.tenant, w.bob, w.role)
	require.Eventually(t, func() bool { return w.may(w.bob) }, bound, tick)
	require.Eventually(t, listening, 10*time.Second, tick)
}

func TestRefresh_DropsOnlyTheSubjectThatChanged(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	require.True(t, w.may(w.ada))
	require.False(t, w.may(w.bob))
	graph, _ := w.Engine.Loaded(w.tenant)
	w.plain(t, w.tenant, assign, w.tenant, w.bob, w.role)
	after, subjects := w.Engine.Loaded(w.tenant)
	require.Same(t, graph, after, "the graph did not change")
	require.Equal(t, []uuid.UUID{w.ada}, subjects)

	w.plain(t, w.tenant, `UPDATE sentinel.users SET login_count = login_count + 1 WHERE id = $1`, w.ada)
	_, subjects = w.Engine.Loaded(w.tenant)
	require.Equal(t, []uuid.UUID{w.ada}, subjects, "a login changes no decision")
}

func TestRefresh_RebuildsAGraphThatChanged(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	require.True(t, w.may(w.ada))
	graph, _ := w.Engine.Loaded(w.tenant)
	w.plain(t, w.tenant, `DELETE FROM sentinel.role_permissions WHERE tenant_id = $1`, w.tenant)
	after, subjects := w.Engine.Loaded(w.tenant)
	require.NotSame(t, graph, after)
	require.Equal(t, []uuid.UUID{w.ada}, subjects, "no subject changed")
	require.False(t, w.may(w.ada))
}

func TestRefresh_DropsAllSubjectsAfterAGap(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"of subjects": `UPDATE sentinel.users SET attributes = '{"a": 1}' WHERE id = $1`,
		"of graph":    `UPDATE sentinel.roles SET priority = 11 WHERE tenant_id = (SELECT tenant_id FROM sentinel.users WHERE id = $1)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, engine.Config{})
			require.True(t, w.may(w.ada))
			require.False(t, w.may(w.bob))
			// Ada's change is lost from the record.
			w.Assign(w.tenant, w.bob, w.role)
			w.SQL(`UPDATE sentinel.users SET is_active = false WHERE id = $1`, w.ada)
			w.SQL(`SELECT sentinel.prune_subject_changes('-1 minute')`)
			w.plain(t, w.tenant, change, w.bob)
			_, subjects := w.Engine.Loaded(w.tenant)
			require.Empty(t, subjects)
			require.Equal(t, engine.SubjectInactive, w.code(w.ada))
			require.True(t, w.may(w.bob))
		})
	}
}

func TestRefresh_ReachesDescendants(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	child := w.Child(w.tenant, true)
	grandchild := w.Child(child, true)
	apart := w.Child(child, false)
	for _, tenant := range []uuid.UUID{grandchild, apart} {
		w.User(tenant, "eve")
	}
	var eve, other uuid.UUID
	w.Scan([]any{&eve}, `SELECT id FROM sentinel.users WHERE tenant_id = $1`, grandchild)
	w.Scan([]any{&other}, `SELECT id FROM sentinel.users WHERE tenant_id = $1`, apart)
	w.Assign(grandchild, eve, w.role)
	ask := func() bool { return w.Allowed(grandchild, eve, "vessel", "v-1", "read") }
	require.True(t, ask())
	require.False(t, w.Allowed(apart, other, "vessel", "v-1", "read"))

	w.plain(t, w.tenant, `UPDATE sentinel.permissions SET actions = '{update}' WHERE tenant_id = $1`, w.tenant)
	require.False(t, ask())
	w.plain(t, w.tenant, `UPDATE sentinel.permissions SET actions = '{read}' WHERE tenant_id = $1`, w.tenant)
	require.True(t, ask())

	w.plain(t, w.tenant, `UPDATE sentinel.tenants SET is_active = false WHERE id = $1`, w.tenant)
	for tenant, user := range map[uuid.UUID]uuid.UUID{grandchild: eve, apart: other, w.tenant: w.ada} {
		require.Equal(t, engine.TenantInactive, w.Ask(tenant, user, "vessel", "v-1", "read").Code)
	}
	w.plain(t, w.tenant, `UPDATE sentinel.tenants SET is_active = true WHERE id = $1`, w.tenant)
	require.True(t, ask())

	w.plain(t, w.tenant, `UPDATE sentinel.tenants SET settings = '{}' WHERE id = $1`, child)
	require.False(t, ask(), "a tenant between them inherits no more")
}

func TestRun_DropsEverythingOfAnotherEpoch(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{PollInterval: 20 * time.Millisecond})
	require.True(t, w.may(w.ada))
	old := w.Ask(w.tenant, w.ada, "vessel", "v-1", "read").Revision
	// A backup is restored: counters as they were, other rows.
	w.SQL(`SET session_replication_role = replica`)
	w.SQL(unassign, w.tenant, w.ada, w.role)
	w.SQL(`UPDATE sentinel.installation SET epoch = gen_random_uuid()`)
	w.Run()
	require.Eventually(t, func() bool { return !w.may(w.ada) }, bound, tick)
	require.NotEqual(t, old, w.Ask(w.tenant, w.ada, "vessel", "v-1", "read").Revision)
}

func TestRefresh_MarksAsStaleWhatItCannotLoad(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	require.True(t, w.may(w.ada))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, w.Engine.Refresh(ended, w.tenant))
	require.Equal(t, engine.NotEvaluated, w.code(w.ada))
	require.NoError(t, w.Engine.Refresh(t.Context(), w.tenant))
	require.True(t, w.may(w.ada))
}

// A first load that began before a write must not put an older view in place
// after the write has returned.
func TestWriter_WaitsForAFirstLoadUnderWay(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	blocker, err := pgx.Connect(t.Context(), w.OwnerURL)
	require.NoError(t, err)
	defer func() { _ = blocker.Close(context.WithoutCancel(t.Context())) }()
	tx, err := blocker.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `LOCK TABLE sentinel.users IN ACCESS EXCLUSIVE MODE`)
	require.NoError(t, err)

	read := make(chan bool, 1)
	go func() { read <- w.may(w.ada) }()
	require.Eventually(t, func() bool {
		return w.Count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 1
	}, 10*time.Second, tick)
	written := make(chan error, 1)
	go func() { written <- w.write(t.Context(), w.tenant, unassign, w.tenant, w.ada, w.role) }()
	require.Eventually(t, func() bool { return w.Count(`SELECT count(*) FROM sentinel.user_roles`) == 0 }, 10*time.Second, tick)
	require.NoError(t, tx.Commit(t.Context()))
	require.NoError(t, <-written)
	require.False(t, w.may(w.ada))
	<-read
}

func TestRun_LeavesNoGoroutines(t *testing.T) {
	w := setup(t, engine.Config{PollInterval: 10 * time.Millisecond})
	require.True(t, w.may(w.ada))
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.Engine.Run(ctx) }()
	require.Eventually(t, func() bool { listening, _, _ := w.Engine.Status(); return listening }, 10*time.Second, tick)
	cancel()
	require.NoError(t, <-done)
	goleak.VerifyNone(t, before)
}
