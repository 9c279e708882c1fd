package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func decisionScenarios() []scenario {
	const question = `"resource":{"type":"vessel","id":"mv-aurora"},"action":"read"`
	denied := "PERMISSION_DENIED"
	return []scenario{
		{name: "about oneself", as: "plain", route: "POST /permissions/check", body: `{` + question + `}`, status: 200, want: map[string]any{
			"data.allowed": false, "data.reason_code": "no_matching_permission", "data.reason": nil, "data.revision": nil, "data.ttl": nil, "data.matched_roles": nil,
		}},
		{name: "about oneself by name", as: "plain", route: "POST /permissions/check", body: `{"user_id":"$plain",` + question + `}`, status: 200, want: map[string]any{"data.allowed": false}},
		{name: "about another", as: "plain", route: "POST /permissions/check", body: `{"user_id":"$admin",` + question + `}`, status: 403, code: denied, want: map[string]any{"error.details.required_permission": "api/decisions:execute"}},
		{name: "about nobody", as: "plain", route: "POST /permissions/check", body: `{"user_id":"$absent",` + question + `}`, status: 403, code: denied},
		{name: "with a context", as: "plain", route: "POST /permissions/check", body: `{` + question + `,"context":{}}`, status: 403, code: denied},
		{name: "with attributes", as: "plain", route: "POST /permissions/check", body: `{"resource":{"type":"vessel","attributes":{"a":1}},"action":"read"}`, status: 403, code: denied},
		{name: "with properties of the action", as: "plain", route: "POST /permissions/check", body: `{` + question + `,"action_properties":{"a":1}}`, status: 403, code: denied},
		{name: "an enforcement point asks about another", as: "admin", route: "POST /permissions/check", body: `{"user_id":"$plain_ops",` + question + `,"context":{"ip":"10.0.0.1","time":"2026-01-31T09:00:00Z"}}`, status: 200, want: map[string]any{
			"data.allowed": true, "data.reason_code": "granted", "data.matched_permissions.0": "$reads", "data.matched_roles.0.path": "user > group:ops > role:reader",
		}},
		{name: "with a strange question", as: "admin", route: "POST /permissions/check", body: `{"resource":{"type":"Vessel","id":"a/../b"},"action":"re ad","context":{"time":"noon"}}`, status: 400, fields: []string{"resource.type", "resource.id", "action", "context.time"}},
		{name: "about a pattern", as: "admin", route: "POST /permissions/check", body: `{"resource":{"type":"vessel","id":"*"},"action":"read"}`, status: 400, fields: []string{"resource.id"}},
		{name: "batch", as: "admin", route: "POST /permissions/batch-check", body: `{"user_id":"$plain_ops","checks":[{` + question + `},{"resource":{"type":"vessel"},"action":"scrap"}]}`, status: 200, want: map[string]any{
			"data.results.0.allowed": true, "data.results.1.allowed": false, "data.results.2": nil,
		}},
		{name: "batch with strange questions", as: "admin", route: "POST /permissions/batch-check", body: `{"checks":[{` + question + `},{"resource":{"type":"V"},"action":"read"},{"resource":{"type":"v","id":"\\"},"action":"read"}]}`, status: 400, fields: []string{"checks[1].resource.type", "checks[2].resource.id"}},
		{name: "batch about another", as: "plain", route: "POST /permissions/batch-check", body: `{"user_id":"$admin","checks":[{` + question + `}]}`, status: 403, code: denied},
		{name: "batch of nothing", as: "admin", route: "POST /permissions/batch-check", body: `{"checks":[]}`, status: 400, fields: []string{"checks"}},
		{name: "own permissions", as: "manager", route: "GET /users/{id}/permissions", path: "/users/$manager/permissions", status: 200, want: map[string]any{"meta.pagination.total": 4, "data.0.role": "user_manager", "data.0.path": "user > role:user_manager"}},
		{name: "another's permissions", as: "manager", route: "GET /users/{id}/permissions", path: "/users/$plain_ops/permissions?resource_type=vessel", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.id": "$reads", "data.0.inherited": true, "data.0.field_permissions": nil}},
		{name: "with what they say of fields", as: "manager", route: "GET /users/{id}/permissions", path: "/users/$plain_ops/permissions?resource_type=vessel&include_field_permissions=true", status: 200, want: map[string]any{"data.0.id": "$reads", "data.0.field_permissions.tonnage": "read"}},
		{name: "about fields in a strange way", as: "manager", route: "GET /users/{id}/permissions", path: "/users/$plain_ops/permissions?include_field_permissions=perhaps", status: 400, fields: []string{"query.include_field_permissions"}},
		{name: "one that says nothing of fields", as: "manager", route: "GET /users/{id}/permissions", path: "/users/$manager/permissions?include_field_permissions=true", status: 200, want: map[string]any{"data.0.field_permissions": "map[]"}},
		{name: "another's own permissions", as: "manager", route: "GET /users/{id}/permissions", path: "/users/$plain_ops/permissions?include_inherited=false", status: 200, want: map[string]any{"meta.pagination.total": 0}},
		{name: "another's permissions without the right", as: "plain", route: "GET /users/{id}/permissions", path: "/users/$admin/permissions", status: 403, code: denied},
		{name: "nobody's permissions without the right", as: "plain", route: "GET /users/{id}/permissions", path: "/users/$absent/permissions", status: 403, code: denied},
	}
}

func TestScenarios_Decisions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person("plain_ops", "admin", "", "ALPHA", "")
	w.make("", "admin", "", "/groups/$ops/users", `{"user_ids":["$plain_ops"]}`)
	w.database.Exec(t, `UPDATE sentinel.permissions SET field_permissions = '{"tonnage": "read"}' WHERE id = $1`, w.ids["reads"])
	w.play(t, decisionScenarios())
}

func TestDecisions_BatchHasALimit(t *testing.T) {
	t.Parallel()
	w := startWorld(t, newDatabase(t))
	batch := func(n int) string {
		one := `{"resource":{"type":"vessel","id":"mv-aurora"},"action":"read"}`
		return `{"checks":[` + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + `]}`
	}
	got := w.do(request{as: "operator", method: http.MethodPost, path: "/permissions/batch-check", body: batch(1000)})
	require.Equal(t, http.StatusOK, got.status)
	require.Len(t, got.at("data.results"), 1000)
	require.NotEmpty(t, got.header.Get("X-Sentinel-Revision"))
	got = w.do(request{as: "operator", method: http.MethodPost, path: "/permissions/batch-check", body: batch(1001)})
	require.Equal(t, http.StatusBadRequest, got.status)
	require.Equal(t, []string{"checks"}, got.fields())
}

func TestDecisions_SeeTheWriteBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	check := func() *response {
		got := w.do(request{as: "plain", method: http.MethodPost, path: "/permissions/check", body: `{"resource":{"type":"vessel","id":"mv-aurora"},"action":"read"}`})
		require.Equal(t, http.StatusOK, got.status)
		require.NotEmpty(t, got.header.Get("X-Sentinel-Revision"))
		return got
	}
	write := func(method, path, body string) {
		got := w.do(request{as: "admin", method: method, path: path, body: body})
		require.Less(t, got.status, 300, "%s", got.body)
	}
	for _, step := range []struct {
		method, path, body string
		allowed            bool
	}{
		{http.MethodPost, "/users/$plain/roles", `{"role_id":"$reader"}`, true},
		{http.MethodDelete, "/users/$plain/roles/$reader", "", false},
		{http.MethodPost, "/groups/$east/users", `{"user_ids":["$plain"]}`, true},
		{http.MethodPatch, "/groups/$ops", `{"is_active":false}`, false},
		{http.MethodPatch, "/groups/$ops", `{"is_active":true}`, true},
		{http.MethodPatch, "/roles/$reader", `{"is_active":false}`, false},
		{http.MethodPatch, "/roles/$reader", `{"is_active":true}`, true},
		{http.MethodPatch, "/permissions/$reads", `{"actions":["write"]}`, false},
		{http.MethodPatch, "/permissions/$reads", `{"actions":["read"]}`, true},
		{http.MethodPatch, "/permissions/$reads", `{"conditions":{"subject.attributes.level":{"gte":3}}}`, false},
		{http.MethodPatch, "/users/$plain", `{"attributes":{"level":3.0}}`, true},
		{http.MethodDelete, "/roles/$reader/permissions/$reads", "", false},
	} {
		before := check().header.Get("X-Sentinel-Revision")
		write(step.method, step.path, step.body)
		got := check()
		require.Equal(t, step.allowed, got.at("data.allowed"), "after %s %s %s: %s", step.method, step.path, step.body, got.body)
		require.NotEqual(t, before, got.header.Get("X-Sentinel-Revision"))
	}
}
