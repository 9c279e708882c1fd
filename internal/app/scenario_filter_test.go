package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

const filterRoute = "POST /permissions/filter"

func filterExamples() map[string]example {
	return map[string]example{
		filterRoute: {
			path: "/permissions/filter", body: `{"resource_type":"vessel","action":"read"}`, free: true,
			foreign: []call{{"/permissions/filter", `{"user_id":"$plain_b","resource_type":"vessel","action":"read"}`}},
		},
	}
}

// watch makes watcher, who may read the vessels of their own port, and scan those
// of which a filter cannot tell.
func (w *world) watch() {
	w.t.Helper()
	w.make("watchers", "admin", "", "/roles", `{"name":"watchers","priority":50}`)
	w.make("own_port", "admin", "", "/permissions", `{"name":"Own port","resource_type":"vessel","resource_path":"vessel/*","actions":["read","show"],"conditions":{"port":{"ref":"subject.attributes.port"}}}`)
	w.make("marked", "admin", "", "/permissions", `{"name":"Marked","resource_type":"vessel","resource_path":"vessel/*","actions":["scan"],"conditions":{"mark":{"matches":"^x"}}}`)
	w.make("", "admin", "", "/roles/$watchers/permissions", `{"permission_ids":["$own_port","$marked"]}`)
	w.person("watcher", "admin", "", "ALPHA", `"$watchers"`)
	w.lives("oslo")
}

// lives makes a port the watcher's own.
func (w *world) lives(port string) {
	w.t.Helper()
	got := w.do(request{as: "admin", method: http.MethodPatch, path: "/users/$watcher", body: jsonOf(map[string]any{"attributes": map[string]any{"port": port}}), header: map[string]string{"If-Match": "*"}})
	require.Equal(w.t, http.StatusOK, got.status, "%s", got.body)
}

func filterScenarios() []scenario {
	const (
		denied   = "PERMISSION_DENIED"
		question = `"resource_type":"vessel","action":"read"`
		needed   = "error.details.required_permission"
	)
	return []scenario{
		{name: "nothing to select", as: "plain", route: filterRoute, body: `{` + question + `}`, status: 200, want: map[string]any{
			"data.kind": "none", "data.sql": nil, "data.params": nil, "data.reason_code": nil,
		}},
		{name: "one's own", as: "watcher", route: filterRoute, body: `{` + question + `}`, status: 200, want: map[string]any{"data.kind": "condition", "data.ucast": nil}},
		{name: "another's", as: "admin", route: filterRoute, body: `{"user_id":"$watcher",` + question + `,"context":{"ip":"10.0.0.1"}}`, status: 200, want: map[string]any{"data.kind": "condition"}},
		{name: "every row", as: "admin", route: filterRoute, body: `{"user_id":"$plain_ops",` + question + `}`, status: 200, want: map[string]any{"data.kind": "all", "data.sql": nil}},
		{name: "one who may do nothing", as: "admin", route: filterRoute, body: `{"user_id":"$away",` + question + `}`, status: 200, want: map[string]any{"data.kind": "none", "data.reason_code": "subject_inactive"}},
		{name: "as a tree", as: "watcher", route: filterRoute, body: `{` + question + `,"dialect":"ucast"}`, status: 200, want: map[string]any{
			"data.kind": "condition", "data.sql": nil, "data.ucast.operator": "eq", "data.ucast.field": "resource.attributes.port", "data.ucast.value": "oslo",
		}},
		{name: "another's without the right", as: "watcher", route: filterRoute, body: `{"user_id":"$admin",` + question + `}`, status: 403, code: denied, want: map[string]any{needed: "api/decisions:execute"}},
		{name: "nobody's without the right", as: "watcher", route: filterRoute, body: `{"user_id":"$absent",` + question + `}`, status: 403, code: denied},
		{name: "with a context", as: "watcher", route: filterRoute, body: `{` + question + `,"context":{}}`, status: 403, code: denied, want: map[string]any{needed: "api/decisions:execute"}},
		{name: "with properties of the action", as: "watcher", route: filterRoute, body: `{` + question + `,"action_properties":{"a":1}}`, status: 403, code: denied},
		{name: "nobody's", as: "admin", route: filterRoute, body: `{"user_id":"$absent",` + question + `}`, status: 404},
		{name: "what cannot be stated", as: "admin", route: filterRoute, body: `{"user_id":"$watcher","resource_type":"vessel","action":"scan"}`, status: 422, code: "NOT_TRANSLATABLE", want: map[string]any{
			"error.details.permission_id": "$marked", "error.details.permission": "Marked", "error.details.path": "resource.attributes.mark",
		}},
		{name: "what cannot be stated, to its subject", as: "watcher", route: filterRoute, body: `{"resource_type":"vessel","action":"scan"}`, status: 422, code: "NOT_TRANSLATABLE", want: map[string]any{
			"error.details.permission_id": nil, "error.details.path": nil,
		}},
		{name: "strange words", as: "admin", route: filterRoute, body: `{"resource_type":"Vessel","action":"re ad","context":{"time":"noon"},"columns":{"id":"id; --","attributes":"A","table":"\"v\""}}`, status: 400, fields: []string{
			"resource_type", "action", "context.time", "columns.id", "columns.attributes", "columns.table",
		}},
		{name: "the sections of the API", as: "admin", route: filterRoute, body: `{"resource_type":"api","action":"read"}`, status: 400, fields: []string{"resource_type"}},
		{name: "another dialect", as: "admin", route: filterRoute, body: `{` + question + `,"dialect":"mysql"}`, status: 400, fields: []string{"dialect"}},
		{name: "the rows' own attributes", as: "admin", route: filterRoute, body: `{` + question + `,"resource":{"attributes":{}}}`, status: 400, fields: []string{"resource"}},
	}
}

func TestScenarios_Filters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.watch()
	w.person("plain_ops", "admin", "", "ALPHA", "")
	w.make("", "admin", "", "/groups/$ops/users", `{"user_ids":["$plain_ops"]}`)
	w.make("away", "admin", "", "/users", `{"email":"away@alpha.example","roles":["$reader"]}`)
	w.database.Exec(t, `UPDATE sentinel.users SET is_active = false WHERE id = $1`, w.ids["away"])
	w.settle()
	w.play(t, filterScenarios())
}

// vessels makes a table of an application's own, and returns what selects the ids
// of its rows by a condition.
func (w *world) vessels() func(got *response) []string {
	w.t.Helper()
	w.database.Exec(w.t, `CREATE TABLE vessels (id text PRIMARY KEY, imo_number text, attributes jsonb NOT NULL DEFAULT '{}')`)
	w.database.Exec(w.t, `INSERT INTO vessels VALUES
('mv-aurora', '9074729', '{"port": "oslo"}'), ('mv-borealis', NULL, '{"port": "bergen"}'), ('mv-calypso', NULL, '{"port": null}'),
('mv-daphne', '1', '{}'), ('mv-echo', '9999999', '{"port": "oslo''; DROP TABLE vessels; --"}')`)
	return func(got *response) []string {
		w.t.Helper()
		require.Equal(w.t, http.StatusOK, got.status, "%s", got.body)
		where := map[any]string{"none": "false", "all": "true", "condition": ""}[got.at("data.kind")]
		var params []any
		if where == "" {
			where = got.at("data.sql").(string)
			params, _ = got.at("data.params").([]any)
		}
		rows, err := w.owner.Query(w.t.Context(), "SELECT id FROM vessels WHERE "+where+" ORDER BY id", params...)
		require.NoError(w.t, err)
		ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(w.t, err)
		return ids
	}
}

func (w *world) filter(as, body string) *response {
	w.t.Helper()
	return w.do(request{as: as, method: http.MethodPost, path: "/permissions/filter", body: body})
}

func TestFilter_SelectsTheRowsThatChecksAllow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.watch()
	selected := w.vessels()
	const read = `{"user_id":"$watcher","resource_type":"vessel","action":"read"}`
	require.Equal(t, []string{"mv-aurora"}, selected(w.filter("admin", read)))

	w.make("aurora", "admin", "", "/resources", `{"type":"vessel","name":"Aurora","code":"mv-aurora","attributes":{"port":"bergen"}}`)
	w.make("borealis", "admin", "", "/resources", `{"type":"vessel","name":"Borealis","code":"mv-borealis","attributes":{"port":"oslo"}}`)
	require.Equal(t, []string{"mv-borealis"}, selected(w.filter("admin", read)), "what is stored with a node wins")
	named := w.filter("watcher", `{"resource_type":"vessel","action":"read"}`)
	require.Equal(t, http.StatusForbidden, named.status, "the names of other nodes are nobody's to read")
	require.NotContains(t, string(named.body), "mv-aurora")

	w.make("", "admin", "", "/roles/$watchers/permissions", `{"permissions":[{"name":"Numbered","resource_type":"vessel","resource_path":"vessel/*","actions":["read"],"conditions":{"imo_number":{"prefix":"9"}}}]}`)
	require.Equal(t, []string{"mv-borealis"}, selected(w.filter("admin", read)), "no attribute is called so")
	w.make("", "operator", "", "/field-definitions", `{"tenant_id":null,"entity_type":"vessel","field_name":"imo_number","field_type":"core"}`)
	w.settle()
	require.Equal(t, []string{"mv-aurora", "mv-borealis", "mv-echo"}, selected(w.filter("admin", read)), "a field that is defined has a column")

	w.publish("alpha", "harbour", `deny contains {"reason": "Closed."} if input.context.closed

obligations contains {"type": "log"} if input.context`)
	open := w.filter("admin", strings.Replace(read, "{", `{"context":{},`, 1))
	require.Len(t, selected(open), 3)
	require.Equal(t, "log", open.at("data.obligations.0.type"))
	closed := w.filter("admin", strings.Replace(read, "{", `{"context":{"closed":true},`, 1))
	require.Empty(t, selected(closed))
	require.Equal(t, "policy_deny", closed.at("data.reason_code"))
	require.Nil(t, closed.at("data.obligations"))
	w.publish("alpha", "manifest", `deny contains 1 if data.sentinel.lib.resource.attributes.sealed`)
	got := w.filter("admin", read)
	require.Equal(t, http.StatusUnprocessableEntity, got.status, "%s", got.body)
	require.Equal(t, "tenant.manifest", got.at("error.details.policy"))
	require.NotContains(t, string(w.filter("watcher", `{"resource_type":"vessel","action":"read"}`).body), "manifest")
}

func TestFilter_HostileValuesStayInParameters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.watch()
	selected := w.vessels()
	const read = `{"user_id":"$watcher","resource_type":"vessel","action":"read"}`
	plain := w.filter("admin", read).at("data.sql")
	for _, port := range []string{`oslo'; DROP TABLE vessels; --`, `' OR '1'='1`, `$1`, `\`, `"`, `%`, `{"a":1}`, uuid.NewString()} {
		w.lives(port)
		got := w.filter("admin", read)
		require.Equal(t, plain, got.at("data.sql"), port)
		want := []string{}
		if strings.Contains(port, "DROP") {
			want = []string{"mv-echo"}
		}
		require.Equal(t, want, selected(got), port)
	}
}

func TestFilter_LeavesNoRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.watch()
	w.settle()
	var before, after int
	count := `SELECT count(*) FROM sentinel.decision_logs`
	require.NoError(t, w.owner.QueryRow(t.Context(), count).Scan(&before))
	require.Equal(t, http.StatusOK, w.filter("watcher", `{"resource_type":"vessel","action":"read"}`).status)
	w.settle()
	require.NoError(t, w.owner.QueryRow(t.Context(), count).Scan(&after))
	require.Equal(t, before, after)
}
