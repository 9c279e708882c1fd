package change_test

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func setup(t *testing.T) (w *tenanttest.World, tenant, manager, ada uuid.UUID) {
	t.Helper()
	t.Parallel()
	w = tenanttest.New(t, dbtest.New(t), engine.Config{})
	tenant = w.Tenant()
	manager, ada = w.User(tenant, "manager"), w.User(tenant, "ada")
	w.Assign(tenant, manager, tenanttest.UserManager)
	return w, tenant, manager, ada
}

func give(w *change.Write, tenant, user, role uuid.UUID) (granting.Change, error) {
	err := w.Exec(`INSERT INTO sentinel.user_roles (tenant_id, user_id, role_id, role_tenant_id) VALUES (?, ?, ?, ?)`,
		tenant, user, role, identity.PlatformTenant).Error
	if err != nil {
		return granting.Change{}, err
	}
	return granting.Change{Accounts: []uuid.UUID{user}, Handed: []string{rbac.Role(role)}},
		w.Record(audit.Event{Action: "user.assign_role", ResourceID: user})
}

func TestWriter_CommitsTheWriteWithItsEvent(t *testing.T) {
	w, tenant, manager, ada := setup(t)
	ctx := w.As(tenant, manager)
	require.False(t, w.Allowed(tenant, ada, "api", "users", "read"))
	require.NoError(t, w.Writer.Granting(ctx, "user.assign_role", func(tx *change.Write) (granting.Change, error) {
		return give(tx, tenant, ada, tenanttest.UserManager)
	}))
	require.True(t, w.Allowed(tenant, ada, "api", "users", "read"), "the next decision sees it")
	require.Equal(t, 1, w.Count(`SELECT count(*) FROM sentinel.audit_logs WHERE tenant_id = $1 AND result = 'success' AND actor_id = $2`, tenant, manager))
}

func TestWriter_LeavesOnlyTheRecordOfARefusal(t *testing.T) {
	w, tenant, manager, ada := setup(t)
	err := w.Writer.Granting(w.As(tenant, manager), "user.assign_role", func(tx *change.Write) (granting.Change, error) {
		return give(tx, tenant, ada, tenanttest.TenantAdmin)
	})
	require.True(t, fault.Is(err, fault.Denied), "%v", err)
	require.Zero(t, w.Count(`SELECT count(*) FROM sentinel.user_roles WHERE user_id = $1`, ada))
	require.Equal(t, 1, w.Count(`SELECT count(*) FROM sentinel.audit_logs WHERE tenant_id = $1`, tenant))
	require.Equal(t, 1, w.Count(`SELECT count(*) FROM sentinel.audit_logs
WHERE action = 'user.assign_role' AND result = 'denied' AND actor_id = $1 AND error_details -> 'missing' ? 'api/*:*' AND error_details ? 'message'`, manager))
}

func TestWriter_LeavesNothingOfAFailure(t *testing.T) {
	w, tenant, manager, ada := setup(t)
	failure := errors.New("failure")
	require.ErrorIs(t, w.Writer.Granting(w.As(tenant, manager), "x.y", func(tx *change.Write) (granting.Change, error) {
		_, err := give(tx, tenant, ada, tenanttest.UserManager)
		return granting.Change{}, errors.Join(err, failure)
	}), failure)
	require.ErrorIs(t, w.Writer.Plain(w.As(tenant, manager), func(tx *change.Write) error {
		require.NoError(t, tx.Record(audit.Event{Action: "x.y"}))
		return failure
	}), failure)
	require.ErrorIs(t, w.Writer.Plain(t.Context(), func(*change.Write) error { return nil }), db.ErrNoTenant)
	require.Zero(t, w.Count(`SELECT count(*) FROM sentinel.user_roles WHERE user_id = $1`, ada))
	require.Zero(t, w.Count(`SELECT count(*) FROM sentinel.audit_logs`))
}

// What comes after the commit, or after the refusal, is logged and no more.
func TestWriter_LogsWhatFailsAfterwards(t *testing.T) {
	w, tenant, manager, ada := setup(t)
	var log bytes.Buffer
	w.Writer.Logger = slog.New(slog.NewTextHandler(&log, nil))
	require.False(t, w.Allowed(tenant, ada, "api", "users", "read"))
	require.NoError(t, w.Writer.Plain(w.As(tenant, manager), func(tx *change.Write) error {
		w.SQL(`REVOKE SELECT ON sentinel.policy_revision FROM sentinel_app`)
		return tx.Exec(`SELECT 1`).Error
	}))
	require.Contains(t, log.String(), "refresh after a write")
	require.Equal(t, engine.NotEvaluated, w.Ask(tenant, ada, "api", "users", "read").Code)
	w.SQL(`GRANT SELECT ON sentinel.policy_revision TO sentinel_app`)

	w.SQL(`REVOKE INSERT ON sentinel.audit_logs FROM sentinel_app`)
	err := w.Writer.Granting(w.As(tenant, manager), "x.y", func(*change.Write) (granting.Change, error) {
		return granting.Change{}, fault.New(fault.Denied, "No.")
	})
	require.True(t, fault.Is(err, fault.Denied), "%v", err)
	require.Contains(t, log.String(), "audit a refused write")
}
