package app_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func serviceAccountScenarios() []scenario {
	const all, one = "POST /service-accounts", "PATCH /service-accounts/{id}"
	return []scenario{
		{name: "create", as: "admin", route: all, body: `{"name":"gateway Ω","description":"Asks for others","external_id":"gw-1","attributes":{"zone":"eu","allowed_ips":["192.0.2.7","198.51.100.9/24","::ffff:192.0.2.8","2001:db8::1/32"]},"roles":["$reader"],"groups":["$ops"]}`, status: 201, save: "gateway", want: map[string]any{
			"data.name": "gateway Ω", "data.description": "Asks for others", "data.owner_id": "$admin", "data.allowed_ips": "[192.0.2.7 198.51.100.0/24 192.0.2.8 2001:db8::/32]",
			"data.attributes": "map[zone:eu]", "data.roles.0": "$reader", "data.groups.0": "$ops", "data.is_active": true, "data.tenant_id": "$alpha", "data.previous_key_expires_at": nil,
		}, audit: []string{"service_account.create success"}, writes: []string{"users", "user_roles", "user_groups"}},
		{name: "create a second", as: "admin", route: all, body: `{"name":"batch","owner_id":"$plain","allowed_ips":[]}`, status: 201, save: "batch", want: map[string]any{"data.owner_id": "$plain", "data.allowed_ips": "[]"}, audit: []string{"service_account.create success"}, writes: []string{"users"}},
		{name: "a taken name", as: "admin", route: all, body: `{"name":"BATCH"}`, status: 409, fields: []string{"name"}},
		{name: "a taken external id", as: "admin", route: all, body: `{"name":"other","external_id":"gw-1"}`, status: 409, fields: []string{"external_id"}},
		{name: "all wrong", as: "admin", route: all, body: `{"name":" x","external_id":"$absent","allowed_ips":["10.0.0.0/33","host","fe80::1%eth0"]}`, status: 400, fields: []string{"name", "external_id", "allowed_ips[0]", "allowed_ips[1]", "allowed_ips[2]"}},
		{name: "addresses that are none", as: "admin", route: all, body: `{"name":"x","external_id":"ann@alpha.example","attributes":{"allowed_ips":"10.0.0.1"}}`, status: 400, fields: []string{"external_id", "attributes.allowed_ips"}},
		{name: "addresses twice", as: "admin", route: all, body: `{"name":"x","allowed_ips":[],"attributes":{"allowed_ips":[]}}`, status: 400, fields: []string{"attributes.allowed_ips"}},
		{name: "a service account owns none", as: "admin", route: all, body: `{"name":"x","owner_id":"$batch"}`, status: 404, fields: []string{"owner_id"}},
		{name: "a password is a person's", as: "admin", route: all, body: `{"name":"x","password":"x","email":"x@alpha.example"}`, status: 400, fields: []string{"password", "email"}},

		{name: "list", as: "admin", route: "GET /service-accounts", path: "/service-accounts?sort=name", status: 200, want: map[string]any{"meta.pagination.total": 4, "data.0.id": "$batch", "data.1.id": "$gateway", "data.1.roles.0": "$reader", "data.0.roles": "[]"}},
		{name: "list by owner", as: "admin", route: "GET /service-accounts", path: "/service-accounts?owner=$plain&is_active=true", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.id": "$batch"}},
		{name: "search", as: "admin", route: "GET /service-accounts", path: "/service-accounts?search=for+others", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.id": "$gateway"}},
		{name: "read", as: "admin", route: "GET /service-accounts/{id}", path: "/service-accounts/$gateway", status: 200, want: map[string]any{"data.client_id": "$gateway", "data.api_key": nil, "data.service_account_key_hash": nil}},
		{name: "a person is none", as: "admin", route: "GET /service-accounts/{id}", path: "/service-accounts/$plain", status: 404},

		{name: "update", as: "admin", route: one, path: "/service-accounts/$gateway", body: `{"name":"edge","description":null,"external_id":null,"owner_id":null,"attributes":{"zone":"us","allowed_ips":["203.0.113.1"]}}`, status: 200, want: map[string]any{
			"data.name": "edge", "data.description": "", "data.external_id": nil, "data.owner_id": nil, "data.allowed_ips": "[203.0.113.1]", "data.attributes": "map[zone:us]",
		}, audit: []string{"service_account.update success"}, writes: []string{"users"}},
		{name: "an external id that was another's", as: "admin", route: all, body: `{"name":"heir","external_id":"gw-1"}`, status: 409, code: "CONFLICT", fields: []string{"external_id"}},
		{name: "allow any address", as: "admin", route: one, path: "/service-accounts/$gateway", body: `{"allowed_ips":null,"name":"Edge"}`, status: 200, want: map[string]any{"data.allowed_ips": "[]", "data.attributes.zone": "us", "data.name": "Edge"}, audit: []string{"service_account.update success"}, writes: []string{"users"}},
		{name: "rename to a taken name", as: "admin", route: one, path: "/service-accounts/$gateway", body: `{"name":"Batch"}`, status: 409, fields: []string{"name"}},
		{name: "update to what cannot be", as: "admin", route: one, path: "/service-accounts/$gateway", body: `{"external_id":"$absent","allowed_ips":["x"]}`, status: 400, fields: []string{"external_id", "allowed_ips[0]"}},
		{name: "update of a person", as: "admin", route: one, path: "/service-accounts/$plain", body: `{"name":"x"}`, status: 404},
		{name: "deactivate", as: "admin", route: one, path: "/service-accounts/$batch", body: `{"is_active":false}`, status: 200, want: map[string]any{"data.is_active": false}, audit: []string{"service_account.update success"}, writes: []string{"users"}},

		{name: "rotate with too much grace", as: "admin", route: "POST /service-accounts/{id}/rotate-credentials", path: "/service-accounts/$gateway/rotate-credentials", body: `{"grace_period_minutes":1441}`, status: 400, fields: []string{"grace_period_minutes"}},
		{name: "rotate with grace", as: "admin", route: "POST /service-accounts/{id}/rotate-credentials", path: "/service-accounts/$gateway/rotate-credentials", body: `{"grace_period_minutes":60}`, status: 200, want: map[string]any{"data.client_id": "$gateway"}, audit: []string{"service_account.rotate success"}, writes: []string{"users"}},
		{name: "rotate", as: "admin", route: "POST /service-accounts/{id}/rotate-credentials", path: "/service-accounts/$gateway/rotate-credentials", body: `{}`, status: 200, want: map[string]any{"data.expires_at": nil}, audit: []string{"service_account.rotate success"}, writes: []string{"users"}},
		{name: "rotate a person", as: "admin", route: "POST /service-accounts/{id}/rotate-credentials", path: "/service-accounts/$plain/rotate-credentials", body: `{}`, status: 404},
		{name: "a person rotates the own key", as: "admin", route: "POST /service-accounts/me/rotate-credentials", body: `{"api_key":"snt_x"}`, status: 404},
		{name: "rotate the own key", as: "machine", route: "POST /service-accounts/me/rotate-credentials", body: `{"api_key":"$machinekey","grace_period_minutes":5}`, status: 200, want: map[string]any{"data.client_id": "$machine"}, audit: []string{"service_account.rotate success"}, writes: []string{"users"}},
		{name: "rotate it with the previous key", as: "machine", route: "POST /service-accounts/me/rotate-credentials", body: `{"api_key":"$machinekey"}`, status: 401, code: "SERVICE_ACCOUNT_INVALID", audit: []string{"service_account.rotate failure"}},
		{name: "rotate it as an administrator would", as: "machine_admin", route: "POST /service-accounts/{id}/rotate-credentials", path: "/service-accounts/$machine_admin/rotate-credentials", body: `{}`, status: 403, code: "PERMISSION_DENIED", audit: []string{"service_account.rotate denied"}},

		{name: "validate", as: "admin", route: "POST /service-accounts/{id}/validate", path: "/service-accounts/$machine/validate", body: `{"api_key":"$machinekey"}`, status: 200, want: map[string]any{"data.valid": true, "data.key": "previous"}},
		{name: "validate another's", as: "admin", route: "POST /service-accounts/{id}/validate", path: "/service-accounts/$gateway/validate", body: `{"api_key":"$machinekey"}`, status: 200, want: map[string]any{"data.valid": false, "data.key": "none", "data.expires_at": nil}},

		{name: "the keeper makes an administrator", as: "keeper", route: all, body: `{"name":"x","roles":["$tenant_admin"]}`, status: 403, code: "PERMISSION_DENIED", audit: []string{"service_account.create denied"}},
		{name: "the keeper makes a manager of users", as: "keeper", route: all, body: `{"name":"x","roles":["$user_manager"]}`, status: 403, audit: []string{"service_account.create denied"}},
		{name: "the keeper makes one of its like", as: "keeper", route: all, body: `{"name":"alike","roles":["$reader"]}`, status: 201, save: "alike", want: map[string]any{"data.owner_id": "$keeper"}, audit: []string{"service_account.create success"}, writes: []string{"users", "user_roles"}},
		{name: "the keeper takes over an administrator", as: "keeper", route: "POST /service-accounts/{id}/rotate-credentials", path: "/service-accounts/$machine_admin/rotate-credentials", body: `{}`, status: 403, code: "PERMISSION_DENIED", audit: []string{"service_account.rotate denied"}},
		{name: "the keeper frees an administrator of its addresses", as: "keeper", route: one, path: "/service-accounts/$machine_admin", body: `{"allowed_ips":null}`, status: 403, audit: []string{"service_account.update denied"}},
		{name: "the keeper describes an administrator", as: "keeper", route: one, path: "/service-accounts/$machine_admin", body: `{"description":"x"}`, status: 200, audit: []string{"service_account.update success"}, writes: []string{"users"}},
		{name: "the keeper deletes an administrator", as: "keeper", route: "DELETE /service-accounts/{id}", path: "/service-accounts/$machine_admin", status: 403, audit: []string{"service_account.delete denied"}},
		{name: "a manager of users may not", as: "manager", route: all, body: `{"name":"x"}`, status: 403, code: "PERMISSION_DENIED"},
		{name: "a service account makes one above itself", as: "machine", route: all, body: `{"name":"x","roles":["$tenant_admin"]}`, status: 403, audit: []string{"service_account.create denied"}},
		{name: "a service account makes another", as: "machine", route: all, body: `{"name":"spawn"}`, status: 201, want: map[string]any{"data.owner_id": "$keeper"}, audit: []string{"service_account.create success"}, writes: []string{"users"}},
		{name: "operators own nothing elsewhere", as: "operator", route: all, header: map[string]string{"X-Tenant-ID": "$alpha"}, body: `{"name":"from above"}`, status: 201, want: map[string]any{"data.owner_id": nil, "data.tenant_id": "$alpha"}, audit: []string{"service_account.create success"}, writes: []string{"users"}},

		{name: "delete", as: "admin", route: "DELETE /service-accounts/{id}", path: "/service-accounts/$gateway", status: 204, audit: []string{"service_account.delete success"}, writes: []string{"users", "user_roles", "user_groups"}},
		{name: "delete a person", as: "admin", route: "DELETE /service-accounts/{id}", path: "/service-accounts/$plain", status: 404},
	}
}

// machine makes a service account that can call, and returns its key.
func (w *world) machine(name, as, roles string) string {
	w.t.Helper()
	got := w.do(request{as: as, method: http.MethodPost, path: "/service-accounts", body: `{"name":"` + name + `","roles":[` + roles + `]}`})
	require.Equal(w.t, http.StatusCreated, got.status, "%s", got.body)
	w.ids[name] = got.at("data.id").(string)
	w.people[name] = [2]string{"ALPHA", ""}
	return got.at("data.api_key").(string)
}

// keeper makes somebody who keeps service accounts and may do nothing else.
func (w *world) keeper() {
	w.t.Helper()
	w.make("keeping", "admin", "", "/roles", `{"name":"keeping","priority":250}`)
	w.make("", "admin", "", "/roles/$keeping/permissions", `{"permissions":[{"name":"Keep service accounts","resource_type":"api","resource_path":"api/service-accounts","actions":["create","read","update","delete"]}]}`)
	w.person("keeper", "admin", "", "ALPHA", `"$keeping"`)
}

func TestScenarios_ServiceAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keeper()
	w.ids["machinekey"] = w.machine("machine", "keeper", `"$keeping"`)
	key := w.machine("machine_admin", "admin", `"$tenant_admin"`)
	w.play(t, serviceAccountScenarios())
	// No key is anywhere but in the answer that showed it.
	kept := w.log.String() + strings.Join(w.records(), "\n")
	for _, secret := range []string{key, w.ids["machinekey"]} {
		require.NotContains(t, kept, secret)
		require.NotContains(t, kept, secret[12:])
	}
	for _, hash := range w.column(t, "SELECT encode(service_account_key_hash, 'hex') FROM sentinel.users WHERE is_service_account") {
		require.NotContains(t, kept+w.bodies.String(), hash)
	}
}

// TestServiceAccounts_KeysAndTokensEnd follows one account's keys and tokens
// through rotations and deactivation.
func TestServiceAccounts_KeysAndTokensEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.machine("machine", "admin", "")
	worth := func(key string) string {
		got := w.do(request{as: "admin", method: http.MethodPost, path: "/service-accounts/$machine/validate", body: jsonOf(map[string]string{"api_key": key})})
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
		require.Equal(t, got.at("data.valid"), got.at("data.key") != "none")
		require.Equal(t, got.at("data.expires_at") != nil, got.at("data.key") == "previous")
		return got.at("data.key").(string)
	}
	rotate := func(grace string) string {
		got := w.do(request{as: "admin", method: http.MethodPost, path: "/service-accounts/$machine/rotate-credentials", body: `{"grace_period_minutes":` + grace + `}`})
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
		require.Equal(t, grace != "0", got.at("data.expires_at") != nil)
		return got.at("data.api_key").(string)
	}
	me := func() int { return w.do(request{as: "machine", method: http.MethodGet, path: "/users/me"}).status }
	require.Equal(t, "current", worth(first))
	require.Equal(t, http.StatusOK, me())
	second := rotate("60")
	require.Equal(t, []string{"previous", "current"}, []string{worth(first), worth(second)})
	require.Equal(t, http.StatusOK, me(), "with grace, tokens live on")
	third := rotate("60")
	require.Equal(t, []string{"none", "previous", "current"}, []string{worth(first), worth(second), worth(third)}, "the one before the previous is dead")
	w.database.Exec(t, "UPDATE sentinel.users SET previous_key_expires_at = now() - interval '1 second' WHERE id = $1", w.ids["machine"])
	require.Equal(t, "none", worth(second), "the grace is over")
	fourth := rotate("0")
	require.Equal(t, []string{"none", "current"}, []string{worth(third), worth(fourth)})
	require.Equal(t, http.StatusUnauthorized, me(), "without grace, tokens end at once")

	w.machine("other", "admin", "")
	other := func() int { return w.do(request{as: "other", method: http.MethodGet, path: "/users/me"}).status }
	require.Equal(t, http.StatusOK, other())
	for _, active := range []string{"false", "true"} {
		got := w.do(request{as: "admin", method: http.MethodPatch, path: "/service-accounts/$other", body: `{"is_active":` + active + `}`})
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
		require.Equal(t, http.StatusUnauthorized, other(), "and stay so")
	}
}

func TestServiceAccounts_KeysAreNotFoundByAsking(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.machine("machine", "admin", "")
	w.machine("other", "admin", "")
	var statuses []int
	for range 21 {
		got := w.do(request{as: "admin", method: http.MethodPost, path: "/service-accounts/$machine/validate", body: `{"api_key":"snt_guess"}`})
		statuses = append(statuses, got.status)
		if got.status == http.StatusTooManyRequests {
			require.Equal(t, "RATE_LIMIT_EXCEEDED", got.at("error.code"))
			require.NotEmpty(t, got.header.Get("Retry-After"))
		}
	}
	require.Equal(t, append(slices.Repeat([]int{http.StatusOK}, 20), http.StatusTooManyRequests), statuses)
	got := w.do(request{as: "admin", method: http.MethodPost, path: "/service-accounts/$other/validate", body: `{"api_key":"snt_guess"}`})
	require.Equal(t, http.StatusOK, got.status, "another account has its own count")
}

// TestServiceAccounts_LastAdministratorStays keeps the rule for programs too.
func TestServiceAccounts_LastAdministratorStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.machine("machine_admin", "admin", `"$tenant_admin"`)
	got := w.do(request{as: "machine_admin", method: http.MethodDelete, path: "/users/$admin"})
	require.Equal(t, http.StatusNoContent, got.status, "%s", got.body)
	for _, r := range []request{
		{method: http.MethodDelete, path: "/service-accounts/$machine_admin"},
		{method: http.MethodPatch, path: "/service-accounts/$machine_admin", body: `{"is_active":false}`},
	} {
		r.as = "machine_admin"
		got := w.do(r)
		require.Equal(t, http.StatusConflict, got.status, "%s", got.body)
	}
}

// TestServiceAccounts_AtOnce makes one of two who want the same thing.
func TestServiceAccounts_AtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	create := request{as: "admin", method: http.MethodPost, path: "/service-accounts", body: `{"name":"wanted"}`}
	statuses := w.race(create, create, create)
	slices.Sort(statuses)
	require.Equal(t, []int{http.StatusCreated, http.StatusConflict, http.StatusConflict}, statuses)

	key := w.machine("machine", "admin", "")
	rotate := request{as: "machine", method: http.MethodPost, path: "/service-accounts/me/rotate-credentials", body: `{"grace_period_minutes":5,"api_key":"` + key + `"}`}
	statuses = w.race(rotate, rotate, rotate)
	slices.Sort(statuses)
	require.Equal(t, []int{http.StatusOK, http.StatusUnauthorized, http.StatusUnauthorized}, statuses, "a key rotates once")
}
