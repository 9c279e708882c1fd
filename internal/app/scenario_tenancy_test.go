package app_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTenancy_OfXTenantID lets act in another tenant whom the platform or the
// tree puts above it, and tells all others that it does not exist.
func TestTenancy_OfXTenantID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person("sub_admin", "admin", "$sub", "ALPHA-EU", `"$tenant_admin"`)
	w.make("gateway_role", "admin", "", "/roles", `{"name":"gateway"}`)
	w.make("", "admin", "", "/roles/$gateway_role/permissions", `{"permissions":[{"name":"all","resource_type":"api","resource_path":"api/*","actions":["*"]}]}`)
	w.person("gateway", "admin", "", "ALPHA", `"$gateway_role"`)
	in := func(as, tenant string) *response {
		return w.do(request{as: as, method: http.MethodGet, path: "/users", header: map[string]string{"X-Tenant-ID": tenant}})
	}
	for _, allowed := range []struct{ as, tenant, first string }{
		{"operator", "$alpha", "$admin"},
		{"operator", "$sub", "$sub_admin"},
		{"admin", "$sub", "$sub_admin"},
		{"admin", "$alpha", "$admin"},
		{"sub_admin", "$sub", "$sub_admin"},
	} {
		got := in(allowed.as, allowed.tenant)
		require.Equal(t, http.StatusOK, got.status, "%+v: %s", allowed, got.body)
		require.Equal(t, w.expand(allowed.first), got.at("data.0.id"), "%+v", allowed)
	}
	for _, refused := range []struct{ as, tenant string }{
		{"admin", "$beta"},
		{"admin", "$platform"},
		{"sub_admin", "$alpha"},
		{"plain", "$sub"},
		{"plain", "$beta"},
		{"manager", "$sub"},
		{"gateway", "$sub"},
		{"gateway", "$platform"},
	} {
		got, none := in(refused.as, refused.tenant), in(refused.as, "$absent")
		require.Equal(t, http.StatusNotFound, got.status, "%+v: %s", refused, got.body)
		require.Equal(t, none.plain(), got.plain(), "%+v", refused)
	}
	for _, bad := range []string{"ALPHA", "not-a-uuid", "0", "$alpha,$beta", "*"} {
		got := in("operator", bad)
		require.Equal(t, http.StatusBadRequest, got.status, "%q: %s", bad, got.body)
		require.Equal(t, []string{"header.X-Tenant-ID"}, got.fields())
	}
	// The operator's own permissions are judged at home, the write is audited
	// where it happens.
	got := w.do(request{as: "admin", method: http.MethodPost, path: "/groups", header: map[string]string{"X-Tenant-ID": "$sub"}, body: `{"name":"crew"}`})
	require.Equal(t, http.StatusCreated, got.status, "%s", got.body)
	require.Equal(t, w.ids["sub"], got.at("data.tenant_id"))
	require.Contains(t, w.column(t, "SELECT action FROM sentinel.audit_logs WHERE tenant_id = $1 AND actor_id = $2", w.ids["sub"], w.ids["admin"]), "group.create")
	// A sub-tenant that does not inherit cannot hand out its parent's roles.
	got = w.do(request{as: "sub_admin", method: http.MethodPost, path: "/users/$sub_admin/roles", body: `{"role_id":"$reader"}`})
	require.Equal(t, http.StatusNotFound, got.status, "%s", got.body)
	got = w.do(request{as: "admin", method: http.MethodPatch, path: "/tenants/$sub", body: `{"settings":{"inherit_permissions":true}}`})
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	got = w.do(request{as: "sub_admin", method: http.MethodPost, path: "/users/$sub_admin/roles", body: `{"role_id":"$reader"}`})
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
}

// TestTenancy_DeactivationReachesBelow stops the tokens of a tenant and of those
// below it at once, and lets them go on when it comes back.
func TestTenancy_DeactivationReachesBelow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person("sub_admin", "admin", "$sub", "ALPHA-EU", `"$tenant_admin"`)
	me := func(as string) *response { return w.do(request{as: as, method: http.MethodGet, path: "/users/me"}) }
	active := func(value string) {
		got := w.do(request{as: "operator", method: http.MethodPatch, path: "/tenants/$alpha", body: `{"is_active":` + value + `}`})
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	}
	require.Equal(t, http.StatusOK, me("sub_admin").status)
	require.Equal(t, http.StatusOK, me("plain").status)
	active("false")
	for _, who := range []string{"admin", "plain", "sub_admin"} {
		got := me(who)
		require.Equal(t, http.StatusUnauthorized, got.status, "%s: %s", who, got.body)
		require.Equal(t, "TOKEN_REVOKED", got.at("error.code"))
	}
	require.Equal(t, http.StatusUnauthorized, w.do(request{
		method: http.MethodPost, path: "/auth/login", body: jsonOf(map[string]string{"tenant_id": "ALPHA", "email": "plain@alpha.example", "password": password}),
	}).status)
	require.Equal(t, http.StatusOK, me("admin_b").status, "other tenants go on")
	active("true")
	require.Equal(t, http.StatusOK, me("sub_admin").status)
	// Deleted, nothing of it is left.
	got := w.do(request{as: "admin", method: http.MethodDelete, path: "/tenants/$sub"})
	require.Equal(t, http.StatusNoContent, got.status, "%s", got.body)
	require.Equal(t, "TOKEN_REVOKED", me("sub_admin").at("error.code"))
}
