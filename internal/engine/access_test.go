package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

func TestAccount_FailsForWhoeverMayNotActAnyMore(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	subject, err := w.Engine.Account(t.Context(), w.tenant, w.ada)
	require.NoError(t, err)
	require.Equal(t, "ada", subject.Username)
	revoked := func(tenant, user uuid.UUID) {
		t.Helper()
		_, err := w.Engine.Account(t.Context(), tenant, user)
		require.True(t, fault.Is(err, fault.TokenRevoked), "%v", err)
	}
	revoked(w.tenant, uuid.New())
	revoked(uuid.New(), w.ada)
	w.plain(t, w.tenant, `UPDATE sentinel.users SET is_active = false WHERE id = $1`, w.ada)
	revoked(w.tenant, w.ada)
	w.plain(t, w.tenant, `UPDATE sentinel.tenants SET is_active = false WHERE id = $1`, w.tenant)
	revoked(w.tenant, w.bob)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = engine.New(engine.Config{DB: w.DB}).Account(ended, w.tenant, w.ada)
	require.Error(t, err)
	require.False(t, fault.Is(err, fault.TokenRevoked))
}

func TestPermits_RecordsRefusalsOnly(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	decisions := audit.NewDecisions(audit.DecisionsConfig{DB: w.DB})
	e := engine.New(engine.Config{DB: w.DB, Decisions: decisions})
	admin := w.User(w.tenant, "admin")
	w.Assign(w.tenant, admin, tenanttest.TenantAdmin)
	require.True(t, e.Permits(t.Context(), w.tenant, admin, "users", "create"))
	require.False(t, e.Permits(t.Context(), w.tenant, w.ada, "users", "create"))
	require.False(t, e.Permits(t.Context(), uuid.New(), w.ada, "users", "create"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, decisions.Run(ctx))
	require.Equal(t, 1, w.Count(`SELECT count(*) FROM sentinel.decision_logs WHERE tenant_id = $1`, w.tenant))
	require.Equal(t, 1, w.Count(`SELECT count(*) FROM sentinel.decision_logs
WHERE subject_id = $1 AND NOT allowed AND reason_code = 'no_matching_permission' AND origin = 'server' AND revision <> ''
AND question = '{"action": "create", "resource": {"type": "api", "id": "users"}}' AND answer ->> 'allowed' = 'false'`, w.ada))
}

func TestEnterTenant(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	child := w.Child(w.tenant, false)
	unrelated := w.Tenant()
	admin, operator, staff := w.User(w.tenant, "admin"), w.User(identity.PlatformTenant, "operator"), w.User(identity.PlatformTenant, "staff")
	w.Assign(w.tenant, admin, tenanttest.TenantAdmin)
	w.Assign(identity.PlatformTenant, operator, tenanttest.SuperAdmin)
	w.Assign(identity.PlatformTenant, staff, tenanttest.TenantAdmin)
	principal := func(home, user uuid.UUID) *identity.Principal {
		return &identity.Principal{UserID: user, HomeTenantID: home}
	}
	for name, c := range map[string]struct {
		caller *identity.Principal
		target uuid.UUID
		may    bool
	}{
		"home":                         {principal(w.tenant, w.ada), w.tenant, true},
		"tenant_admin below":           {principal(w.tenant, admin), child, true},
		"tenant_admin elsewhere":       {principal(w.tenant, admin), unrelated, false},
		"no tenant_admin":              {principal(w.tenant, w.ada), child, false},
		"super_admin":                  {principal(identity.PlatformTenant, operator), unrelated, true},
		"tenant_admin of the platform": {principal(identity.PlatformTenant, staff), unrelated, false},
		"a tenant that is not there":   {principal(identity.PlatformTenant, operator), uuid.New(), false},
		"an account that is not there": {principal(w.tenant, uuid.New()), child, false},
	} {
		ctx, err := w.Engine.EnterTenant(identity.WithTenant(t.Context(), c.caller.HomeTenantID), c.caller, c.target)
		if !c.may {
			require.True(t, fault.Is(err, fault.NotFoundKind), "%s: %v", name, err)
			continue
		}
		require.NoError(t, err, name)
		tenant, _ := identity.TenantFrom(ctx)
		require.Equal(t, c.target, tenant, name)
	}
	is, err := w.Engine.IsOperator(t.Context(), principal(identity.PlatformTenant, operator))
	require.NoError(t, err)
	require.True(t, is)
	is, err = w.Engine.IsOperator(t.Context(), principal(w.tenant, admin))
	require.NoError(t, err)
	require.False(t, is)
	is, err = w.Engine.Administers(t.Context(), principal(w.tenant, admin), w.tenant, false)
	require.NoError(t, err)
	require.True(t, is)
	is, err = w.Engine.Administers(t.Context(), principal(w.tenant, admin), w.tenant, true)
	require.NoError(t, err)
	require.False(t, is, "its own is not above it")

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	broken := engine.New(engine.Config{DB: w.DB})
	_, err = broken.EnterTenant(ended, principal(w.tenant, admin), child)
	require.Error(t, err)
	_, err = broken.Administers(ended, principal(w.tenant, admin), child, true)
	require.Error(t, err)
	_, err = broken.IsSystemRole(ended, w.tenant, tenanttest.Viewer)
	require.Error(t, err)
	_, _, err = broken.Effective(ended, w.tenant, w.ada)
	require.Error(t, err)
}

func TestEffective(t *testing.T) {
	t.Parallel()
	w, ids := harbour(t, engine.Config{})
	list, ok, err := w.Engine.Effective(t.Context(), w.tenant, w.ada)
	require.NoError(t, err)
	require.True(t, ok)
	paths := map[uuid.UUID]string{}
	for _, p := range list {
		paths[p.Grant.ID] = p.Path
		require.Equal(t, p.Role == "chief", p.Inherited)
	}
	require.Len(t, list, 6)
	require.Equal(t, "user > group:crew > group:fleet > role:chief", paths[ids["update"]])
	require.Equal(t, "user > role:reader", paths[ids["deny"]])
	_, ok, err = w.Engine.Effective(t.Context(), w.tenant, uuid.New())
	require.NoError(t, err)
	require.False(t, ok)

	names, err := w.Engine.RoleNames(t.Context(), w.tenant, w.ada)
	require.NoError(t, err)
	require.Equal(t, []string{"chief", "reader"}, names)
	system, err := w.Engine.IsSystemRole(t.Context(), w.tenant, tenanttest.Viewer)
	require.NoError(t, err)
	require.True(t, system)
	system, err = w.Engine.IsSystemRole(t.Context(), w.tenant, w.role)
	require.NoError(t, err)
	require.False(t, system)

	s, _ := w.Engine.Loaded(w.tenant)
	entry := s.EntryRoles([]string{rbac.Group(ids["crew"])})
	require.Len(t, entry, 1, "what the group above gives, not what that inherits")
	require.Equal(t, "chief", entry[0].Name)
	require.True(t, s.Reaches([]string{rbac.Role(tenanttest.Viewer)}, "viewer"))
	require.ElementsMatch(t, []string{rbac.Role(w.role), rbac.Role(ids["chief"])}, roleKeys(s.HolderNodes([]string{rbac.Role(w.role)})))
	require.NoError(t, w.Engine.Ready(t.Context()))
}

func roleKeys(keys []string) (out []string) {
	for _, k := range keys {
		if kind, _ := rbac.Parse(k); kind == rbac.RoleKind {
			out = append(out, k)
		}
	}
	return out
}

func TestAccount_VoidsWhatEndedBeforeItsTime(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	account := func() engine.Account {
		t.Helper()
		a, err := w.Engine.Account(t.Context(), w.tenant, w.ada)
		require.NoError(t, err)
		return a
	}
	issued := time.Now()
	require.False(t, account().Voids(0, issued, "jti", "sid"))
	require.True(t, account().Voids(1, issued, "jti", "sid"), "another epoch")
	w.plain(t, w.tenant, `INSERT INTO sentinel.token_blacklist (tenant_id, user_id, jti, expires_at) VALUES ($1, $2, 'sid', now() + interval '1 hour')`, w.tenant, w.ada)
	require.True(t, account().Voids(0, issued, "jti", "sid"), "its session was revoked")
	require.False(t, account().Voids(0, issued, "jti", "another"))
	w.plain(t, w.tenant, `UPDATE sentinel.tenants SET is_active = false WHERE id = $1`, w.tenant)
	w.plain(t, w.tenant, `UPDATE sentinel.tenants SET is_active = true WHERE id = $1`, w.tenant)
	require.True(t, account().Voids(0, issued, "jti", "another"), "the tenant was off meanwhile")
	require.False(t, account().Voids(0, time.Now().Add(time.Second), "jti", "another"))
}

func TestPermits_NoMoreThanTheScope(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	narrowed := func(scope ...string) context.Context {
		return identity.WithPrincipal(t.Context(), &identity.Principal{UserID: w.ada, HomeTenantID: w.tenant, Scope: scope})
	}
	w.plain(t, w.tenant, `INSERT INTO sentinel.user_roles (tenant_id, user_id, role_id, role_tenant_id)
		VALUES ($1, $2, '00000000-0000-0000-0000-000000000011', '00000000-0000-0000-0000-000000000000')`, w.tenant, w.ada)
	for _, ask := range []func(context.Context, uuid.UUID, uuid.UUID, string, string) bool{w.Engine.Permits, w.Engine.Trusts} {
		require.True(t, ask(narrowed(), w.tenant, w.ada, "users", "read"), "an unnarrowed token")
		require.True(t, ask(narrowed("users:read"), w.tenant, w.ada, "users", "read"))
		require.True(t, ask(narrowed("users:*"), w.tenant, w.ada, "users", "read"))
		require.False(t, ask(narrowed("users:read"), w.tenant, w.ada, "users", "update"))
		require.False(t, ask(narrowed("roles:*"), w.tenant, w.ada, "users", "read"))
		require.False(t, ask(narrowed("users:read"), w.tenant, w.bob, "users", "read"), "a scope gives nothing")
	}
	may, err := w.Engine.Administers(t.Context(), &identity.Principal{UserID: w.ada, HomeTenantID: w.tenant}, w.tenant, false)
	require.NoError(t, err)
	require.True(t, may)
	may, err = w.Engine.Administers(t.Context(), &identity.Principal{UserID: w.ada, HomeTenantID: w.tenant, Scope: []string{"users:*"}}, w.tenant, false)
	require.NoError(t, err)
	require.False(t, may, "a narrowed token administers nothing")
}
