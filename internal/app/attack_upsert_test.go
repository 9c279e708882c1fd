package app_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// A file names accounts by what they are known by. Whoever may only manage users
// takes over nobody by it, and switches nobody off who is stronger.
func TestImport_TakesOverNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tenant := range []struct{ name, as, in, code string }{{"clerk", "admin", "", "ALPHA"}, {"clerk_p", "operator", "", "PLATFORM"}} {
		w.make("files_"+tenant.name, tenant.as, tenant.in, "/roles", `{"name":"files","priority":1}`)
		w.make("", tenant.as, tenant.in, "/roles/$files_"+tenant.name+"/permissions", `{"permissions":[{"name":"Files","resource_type":"api","resource_path":"api/imports","actions":["*"]}]}`)
		w.person(tenant.name, tenant.as, tenant.in, tenant.code, `"$user_manager","$files_`+tenant.name+`"`)
	}
	standing := func() []string {
		return w.column(t, `
SELECT concat_ws(' ', u.email, u.external_id, u.username, u.is_active, u.token_epoch, u.attributes::text, (SELECT string_agg(role_id::text, ',' ORDER BY role_id) FROM sentinel.user_roles r WHERE r.user_id = u.id))
FROM sentinel.users u ORDER BY id`)
	}
	before := standing()
	for name, c := range map[string]struct{ as, row string }{
		"another address by the external id that one gives oneself": {"clerk", `{"kind":"user","email":"admin@alpha.example","external_id":"mine"}`},
		"a user name":                           {"clerk", `{"kind":"user","email":"admin@alpha.example","username":"mine"}`},
		"attributes":                            {"clerk", `{"kind":"user","email":"admin@alpha.example","attributes":{"level":9}}`},
		"switched off":                          {"clerk", `{"kind":"user","email":"ADMIN@alpha.example","is_active":false}`},
		"one's own attributes":                  {"clerk", `{"kind":"user","email":"clerk@alpha.example","attributes":{"level":9}}`},
		"one's own roles":                       {"clerk", `{"kind":"assignment","user":"clerk@alpha.example","role":"inspector"}`},
		"tenant_admin":                          {"clerk", `{"kind":"user","email":"plain@alpha.example","roles":["tenant_admin"]}`},
		"tenant_admin that begins later":        {"clerk", `{"kind":"assignment","user":"plain@alpha.example","role":"tenant_admin","valid_from":"2090-01-01T00:00:00Z"}`},
		"super_admin":                           {"admin", `{"kind":"assignment","user":"plain@alpha.example","role":"super_admin"}`},
		"the end of an administrator's time":    {"clerk", `{"kind":"assignment","user":"admin@alpha.example","role":"tenant_admin","expires_at":"2000-01-01T00:00:00Z"}`},
		"the last administrator's by their own": {"admin", `{"kind":"assignment","user":"admin@alpha.example","role":"tenant_admin","expires_at":"2099-01-01T00:00:00Z"}`},
		"the last administrator switched off":   {"admin", `{"kind":"user","email":"admin@alpha.example","is_active":false}`},
		"another tenant's account by its id":    {"admin", `{"kind":"assignment","user":"$plain_b","role":"reader"}`},
		"another tenant's account by address":   {"admin", `{"kind":"assignment","user":"plain_b@beta.example","role":"reader"}`},
		"an operator's address":                 {"clerk_p", `{"kind":"user","email":"operator@example.com","external_id":"mine"}`},
		"an operator switched off":              {"clerk_p", `{"kind":"user","email":"operator@example.com","is_active":false}`},
		"super_admin in the platform's tenant":  {"clerk_p", `{"kind":"assignment","user":"clerk_p@platform.example","role":"super_admin"}`},
		"super_admin for another":               {"clerk_p", `{"kind":"user","email":"new@platform.example","roles":["super_admin"]}`},
		"a system role's name":                  {"admin", `{"kind":"role","name":"auditor","permissions":["Read vessels"]}`},
		"a system role as a parent":             {"admin", `{"kind":"role","name":"mine","parent":"tenant_admin"}`},
	} {
		answer := w.upload(c.as, "", jsonLines, w.expand(c.row))
		if answer.status == http.StatusForbidden {
			continue
		}
		require.Equal(t, http.StatusAccepted, answer.status, "%s: %s", name, answer.body)
		got := w.finished(c.as, answer.at("data.id").(string))
		require.Equal(t, "0 0 0 1", counts(got), "%s: %s", name, got.body)
		require.Equal(t, before, standing(), name)
	}
	require.Equal(t, before, standing())
}

// An administrator of a tenant above acts below with their own rights, and one of
// a tenant below does not reach up.
func TestFiles_StayWithinTheTenantInWhichTheyAct(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person("admin_s", "admin", "$sub", "ALPHA-EU", `"$tenant_admin"`)
	send := func(as, tenant, path, media, body string) *response {
		return w.do(request{as: as, method: http.MethodPost, path: path, body: body, header: map[string]string{"X-Tenant-ID": tenant, "Content-Type": media}})
	}
	const row, manifest = `{"kind":"group","name":"planted"}`, `{"manifest":{"version":1,"groups":[{"name":"planted"}]}}`
	for _, c := range [][2]string{{"admin_s", "$alpha"}, {"admin_b", "$alpha"}, {"admin", "$beta"}, {"admin", "$platform"}, {"admin_s", "$beta"}, {"admin", absent}} {
		for _, got := range []*response{send(c[0], c[1], "/imports", jsonLines, row), send(c[0], c[1], "/manifest/apply", "application/json", manifest), send(c[0], c[1], "/manifest/plan", "application/json", manifest)} {
			require.Equal(t, http.StatusNotFound, got.status, "%v: %s", c, got.body)
		}
	}
	// The same codes, ids and names of another tenant are as if there were none.
	for _, body := range []string{
		`{"manifest":{"version":1,"roles":[{"name":"x","permissions":["$reads_b"]}]}}`, `{"manifest":{"version":1,"roles":[{"name":"x","permissions":["$absent"]}]}}`,
		`{"manifest":{"version":1,"groups":[{"name":"x","roles":["$reader_b"]}]}}`, `{"manifest":{"version":1,"groups":[{"name":"x","roles":["BETA:reader"]}]}}`,
		`{"manifest":{"version":1,"groups":[{"name":"x","roles":["ALPHA:reader"]}]}}`,
	} {
		got := send("admin", "$sub", "/manifest/apply", "application/json", body)
		require.Equal(t, http.StatusBadRequest, got.status, "%s: %s", body, got.body)
	}
	require.Equal(t, []string{}, w.column(t, `SELECT name FROM sentinel.groups WHERE name = 'planted'`))
	got := send("admin", "$sub", "/manifest/apply", "application/json", manifest)
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	require.Equal(t, []string{w.ids["sub"]}, w.column(t, `SELECT tenant_id::text FROM sentinel.groups WHERE name = 'planted'`))
}
