package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTenancy_OfXTenantID lets act in another tenant whom the platform or the
// tree puts above it, and tells all others that it does not exist.
func TestTenancy_OfXTenantID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person("sub_admin", "admin", "$sub", "ALPHA-EU", `"$tenant_admin"`)
	w.make("sibling", "admin", "", "/tenants/$alpha/sub-tenants", `{"name":"Alpha Asia","code":"ALPHA-AP"}`)
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
		{"sub_admin", "$sibling"},
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

// TestTenancy_DeactivationReachesBelow ends the tokens of a tenant and of those
// below it at once. They stay dead when it comes back; a new login counts.
func TestTenancy_DeactivationReachesBelow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person("sub_admin", "admin", "$sub", "ALPHA-EU", `"$tenant_admin"`)
	me := func(as string) *response { return w.do(request{as: as, method: http.MethodGet, path: "/users/me"}) }
	turn := func(verb string) {
		got := w.do(request{as: "operator", method: http.MethodPost, path: "/tenants/$alpha/" + verb})
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	}
	dead := func() {
		for _, who := range []string{"admin", "plain", "sub_admin"} {
			got := me(who)
			require.Equal(t, http.StatusUnauthorized, got.status, "%s: %s", who, got.body)
			require.Equal(t, "TOKEN_REVOKED", got.at("error.code"))
		}
	}
	login := request{method: http.MethodPost, path: "/auth/login", body: jsonOf(map[string]string{"tenant_id": "ALPHA", "email": "plain@alpha.example", "password": password})}
	require.Equal(t, http.StatusOK, me("sub_admin").status)
	require.Equal(t, http.StatusOK, me("plain").status)
	require.Equal(t, http.StatusOK, me("admin").status)
	turn("deactivate")
	dead()
	require.Equal(t, http.StatusUnauthorized, w.do(login).status)
	require.Equal(t, http.StatusOK, me("admin_b").status, "other tenants go on")
	turn("activate")
	dead()
	// Tokens say the second of their issue: one of the same second is refused too.
	require.Eventually(t, func() bool {
		token := w.login("ALPHA", "plain@alpha.example", password)
		w.tokens["plain"] = token
		return me("plain").status == http.StatusOK
	}, 5*time.Second, 50*time.Millisecond)
	for _, who := range []string{"sub_admin", "admin"} {
		delete(w.tokens, who)
		require.Equal(t, http.StatusOK, me(who).status, who)
	}
	// Deleted, nothing of it is left.
	got := w.do(request{as: "admin", method: http.MethodDelete, path: "/tenants/$sub"})
	require.Equal(t, http.StatusNoContent, got.status, "%s", got.body)
	require.Equal(t, "TOKEN_REVOKED", me("sub_admin").at("error.code"))
}

// TestTenancy_FeaturesHoldFromTheNextCall switches features off and on from
// above, and finds that no tenant has more than its parent.
func TestTenancy_FeaturesHoldFromTheNextCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person("sub_admin", "admin", "$sub", "ALPHA-EU", `"$tenant_admin"`)
	w.person("sub_plain", "admin", "$sub", "ALPHA-EU", "")
	set := func(as, tenant, features string) {
		got := w.do(request{as: as, method: http.MethodPatch, path: "/tenants/" + tenant, body: `{"features":` + features + `}`})
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	}
	list := func(as, tenant string) *response {
		return w.do(request{as: as, method: http.MethodGet, path: "/service-accounts", header: map[string]string{"X-Tenant-ID": tenant}})
	}
	disabled := func(got *response, feature string) {
		require.Equal(t, http.StatusForbidden, got.status, "%s", got.body)
		require.Equal(t, "FEATURE_DISABLED", got.at("error.code"))
		require.Equal(t, feature, got.at("error.details.feature"))
	}
	has := func(got *response) { require.Equal(t, http.StatusOK, got.status, "%s", got.body) }

	has(list("sub_admin", "$sub"))
	set("admin", "$sub", `["policies"]`)
	disabled(list("sub_admin", "$sub"), "service_accounts")
	disabled(list("sub_plain", "$sub"), "service_accounts")
	disabled(list("admin", "$sub"), "service_accounts")
	disabled(list("operator", "$sub"), "service_accounts")
	has(list("admin", "$alpha"))
	require.Equal(t, http.StatusNotFound, list("admin_b", "$sub").status, "whose tenant it is not learns nothing")
	require.Equal(t, http.StatusUnauthorized, w.do(request{method: http.MethodGet, path: "/service-accounts"}).status)
	disabled(w.do(request{as: "sub_admin", method: http.MethodPost, path: "/tenants/$sub/sub-tenants", body: `{"name":"x","code":"X"}`}), "sub_tenants")
	disabled(w.do(request{as: "operator", method: http.MethodPost, path: "/tenants/$sub/sub-tenants", body: `{"name":"x","code":"X"}`}), "sub_tenants")

	set("admin", "$sub", `["service_accounts"]`)
	has(list("sub_admin", "$sub"))
	set("operator", "$alpha", `["policies","sub_tenants"]`)
	disabled(list("admin", "$alpha"), "service_accounts")
	disabled(list("sub_admin", "$sub"), "service_accounts")
	set("admin", "$sub", `[]`)
	disabled(list("sub_admin", "$sub"), "service_accounts")
	set("operator", "$alpha", `[]`)
	has(list("admin", "$alpha"))
	has(list("sub_admin", "$sub"))
}

// TestTenancy_RolesReachThroughTheWholeLine assigns a role of the top tenant ten
// levels below, which holds as long as every tenant between them inherits.
func TestTenancy_RolesReachThroughTheWholeLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	level := []string{"$alpha"}
	for len(level) <= 10 {
		name := "level_" + string(rune('a'+len(level)))
		w.make(name, "admin", "", "/tenants/"+level[len(level)-1]+"/sub-tenants", `{"name":"x","code":"`+strings.ReplaceAll(strings.ToUpper(name), "_", "-")+`","settings":{"inherit_permissions":true}}`)
		level = append(level, "$"+name)
	}
	deep := map[string]string{"X-Tenant-ID": level[10]}
	w.make("sailor", "admin", level[10], "/users", `{"email":"sailor@alpha.example","roles":["$reader"]}`)
	allowed := func() any {
		got := w.do(request{
			as: "admin", method: http.MethodPost, path: "/permissions/check", header: deep,
			body: `{"user_id":"$sailor","resource":{"type":"vessel","id":"mv-aurora"},"action":"read"}`,
		})
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
		return got.at("data.allowed")
	}
	inherit := func(tenant, settings string) {
		got := w.do(request{as: "admin", method: http.MethodPatch, path: "/tenants/" + tenant, body: `{"settings":` + settings + `}`})
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	}
	require.Equal(t, true, allowed())
	inherit(level[5], `{}`)
	require.Equal(t, false, allowed(), "a break in the middle")
	inherit(level[5], `{"inherit_permissions":true}`)
	require.Equal(t, true, allowed())
	got := w.do(request{as: "admin", method: http.MethodGet, path: "/tenants/" + level[10] + "/hierarchy"})
	require.Equal(t, w.ids["alpha"], got.at("data.ancestors.0.id"))
	require.Len(t, got.at("data.ancestors"), 10)
	require.Equal(t, false, got.at("data.truncated"))
}

func TestTenancy_ALineHasAnEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.database.Exec(t, fmt.Sprintf(`
DO $$
DECLARE
  above uuid := '%s';
BEGIN
  FOR i IN 1..64 LOOP
    INSERT INTO sentinel.tenants (name, code, type, parent_tenant_id) VALUES ('x', 'LINE-' || i, 'sub_tenant', above) RETURNING id INTO above;
  END LOOP;
END
$$`, w.ids["alpha"]))
	for code, status := range map[string]int{"LINE-63": http.StatusCreated, "LINE-64": http.StatusConflict} {
		id := w.column(t, "SELECT id::text FROM sentinel.tenants WHERE code = $1", code)[0]
		got := w.do(request{as: "admin", method: http.MethodPost, path: "/tenants/" + id + "/sub-tenants", body: `{"name":"x","code":"BELOW-` + code + `"}`})
		require.Equal(t, status, got.status, "%s", got.body)
	}
}

// TestTenancy_ReadersSeeTheirOwnTenantOnly: what is below is its administrator's.
func TestTenancy_ReadersSeeTheirOwnTenantOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person("reviewer", "admin", "", "ALPHA", `"$auditor"`)
	got := w.do(request{as: "reviewer", method: http.MethodGet, path: "/tenants"})
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	require.Equal(t, w.ids["alpha"], got.at("data.0.id"))
	require.Nil(t, got.at("data.1"), "%s", got.body)
	require.Equal(t, http.StatusNotFound, w.do(request{as: "reviewer", method: http.MethodGet, path: "/tenants/$sub"}).status)
	got = w.do(request{as: "admin", method: http.MethodGet, path: "/tenants"})
	require.NotNil(t, got.at("data.1"), "%s", got.body)
}
