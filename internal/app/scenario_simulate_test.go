package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// supposing is the body of a simulation of one change, with a check of plain.
func supposing(change string) string {
	return `{"changes":[` + change + `],"checks":[{"user_id":"$plain",` + aurora + `}]}`
}

const aurora = `"resource":{"type":"vessel","id":"mv-aurora"},"action":"read"`

func simulateExamples() map[string]example {
	const path = "/permissions/simulate-change"
	e := example{path: path, body: supposing(`{"op":"assign_role","user_id":"$plain","role_id":"$reader"}`)}
	for _, change := range []string{
		`{"op":"assign_role","user_id":"$plain_b","role_id":"$reader"}`,
		`{"op":"assign_role","user_id":"$plain","role_id":"$reader_b"}`,
		`{"op":"remove_role","user_id":"$plain_b","role_id":"$reader"}`,
		`{"op":"remove_role","user_id":"$manager","role_id":"$reader_b"}`,
		`{"op":"add_to_group","user_id":"$plain_b","group_id":"$ops"}`,
		`{"op":"add_to_group","user_id":"$plain","group_id":"$ops_b"}`,
		`{"op":"remove_from_group","user_id":"$plain_b","group_id":"$ops"}`,
		`{"op":"remove_from_group","user_id":"$plain","group_id":"$ops_b"}`,
		`{"op":"group_add_role","group_id":"$ops_b","role_id":"$reader"}`,
		`{"op":"group_add_role","group_id":"$ops","role_id":"$reader_b"}`,
		`{"op":"group_remove_role","group_id":"$ops_b","role_id":"$reader"}`,
		`{"op":"group_remove_role","group_id":"$ops","role_id":"$reader_b"}`,
		`{"op":"role_add_permission","role_id":"$reader_b","permission_id":"$loose"}`,
		`{"op":"role_add_permission","role_id":"$reader","permission_id":"$loose_b"}`,
		`{"op":"role_remove_permission","role_id":"$reader_b","permission_id":"$reads"}`,
		`{"op":"role_remove_permission","role_id":"$reader","permission_id":"$reads_b"}`,
		`{"op":"create_permission","role_ids":["$reader_b"],"permission":{"name":"x","resource_type":"vessel","resource_path":"vessel/*","actions":["read"]}}`,
		`{"op":"create_permission","role_ids":["$reader"],"permission":{"name":"x","resource_type":"app","resource_id":"$fleet_b","actions":["read"]}}`,
		`{"op":"update_permission","permission_id":"$reads_b","permission":{"effect":"deny"}}`,
		`{"op":"update_permission","permission_id":"$reads","permission":{"resource_type":"app","resource_path":null,"resource_id":"$fleet_b"}}`,
		`{"op":"delete_permission","permission_id":"$reads_b"}`,
		`{"op":"set_role","role_id":"$reader_b","is_active":false}`,
		`{"op":"set_role","role_id":"$reader","parent_role_id":"$reader_b"}`,
		`{"op":"set_group","group_id":"$ops_b","is_active":false}`,
		`{"op":"set_group","group_id":"$ops","parent_group_id":"$ops_b"}`,
		`{"op":"set_user","user_id":"$plain_b","is_active":false}`,
		`{"op":"set_resource","resource_id":"$fleet_b","is_active":false}`,
		`{"op":"set_resource","resource_id":"$vessel","parent_id":"$fleet_b"}`,
		`{"op":"set_chain","chain_id":"$chain_b","is_active":false}`,
		`{"op":"approve","user_id":"$plain_b","chain_id":"$chain","resource":{"type":"secret","id":"s"},"action":"read"}`,
		`{"op":"approve","user_id":"$plain","chain_id":"$chain_b","resource":{"type":"secret","id":"s"},"action":"read"}`,
		`{"op":"revoke_approval","request_id":"$request_b"}`,
	} {
		e.foreign = append(e.foreign, call{path, supposing(change)})
	}
	e.foreign = append(e.foreign, call{path, strings.Replace(e.body, `[{"user_id":"$plain"`, `[{"user_id":"$plain_b"`, 1)})
	return map[string]example{"POST " + path: e}
}

func simulateScenarios() []scenario {
	const route = "POST /permissions/simulate-change"
	supposed := func(name, change string, want map[string]any) scenario {
		return scenario{name: name, as: "admin", route: route, body: supposing(change), status: 200, want: want}
	}
	refused := func(name, change string, status int, fields ...string) scenario {
		return scenario{name: name, as: "admin", route: route, body: supposing(change), status: status, fields: fields}
	}
	circle := refused("a circle", `{"op":"set_role","role_id":"$reader","parent_role_id":"$inspector"}`, 409, "changes[0].parent_role_id")
	circle.want = map[string]any{"error.message": "The role would be above itself: reader > inspector > reader. Choose another parent."}
	return []scenario{
		{name: "without execute on decisions", as: "author", route: route, body: supposing(`{"op":"delete_permission","permission_id":"$reads"}`), status: 403, code: "PERMISSION_DENIED", want: map[string]any{"error.details.required_permission": "api/decisions:execute"}},
		{name: "without read on permissions", as: "plain", route: route, body: supposing(`{"op":"delete_permission","permission_id":"$reads"}`), status: 403, code: "PERMISSION_DENIED", want: map[string]any{"error.details.required_permission": "api/permissions:read"}},
		supposed("one who would gain a role", `{"op":"assign_role","user_id":"$plain","role_id":"$reader"}`, map[string]any{
			"data.summary.checks": 1, "data.summary.changed": 1, "data.summary.newly_allowed": 1, "data.summary.newly_denied": 0,
			"data.results.0.changed": true, "data.results.0.before.allowed": false, "data.results.0.before.reason_code": "no_matching_permission",
			"data.results.0.after.allowed": true, "data.results.0.after.matched_permissions.0": "$reads", "data.results.0.after.matched_roles.0.path": "user > role:reader",
			"data.results.0.after.reason": "Allowed: read on vessel mv-aurora, by permission Read vessels of role reader.", "data.results.0.after.decision_id": nil,
		}),
		supposed("what changes nothing", `{"op":"set_role","role_id":"$reader","priority":7}`, map[string]any{
			"data.summary.changed": 0, "data.results.0.changed": false, "data.created_permission_ids": "[]",
		}),
		{name: "one change after the other", as: "admin", route: route, body: `{"changes":[
				{"op":"add_to_group","user_id":"$plain","group_id":"$east"},{"op":"set_group","group_id":"$east","parent_group_id":null},
				{"op":"create_permission","role_ids":["$reader"],"permission":{"name":"Sink","resource_type":"vessel","resource_path":"vessel/*","actions":["sink"]}}],
			"checks":[{"user_id":"$plain",` + aurora + `},{"user_id":"$plain_ops",` + aurora + `},{"user_id":"$plain_ops","resource":{"type":"vessel","id":"a"},"action":"sink","context":{"ip":"10.0.0.1"}}]}`, status: 200, want: map[string]any{
			"data.summary.checks": 3, "data.summary.changed": 1, "data.results.0.after.allowed": false, "data.results.1.after.allowed": true, "data.results.2.after.allowed": true,
		}},
		refused("a change that there is not", `{"op":"paint"}`, 400, "changes[0].op"),
		refused("members of other changes", `{"op":"remove_role","user_id":"$plain","role_id":"$reader","state":"open"}`, 400, "changes[0].state"),
		refused("without its members", `{"op":"approve","user_id":"$plain"}`, 400, "changes[0].chain_id", "changes[0].resource", "changes[0].action"),
		refused("a condition that cannot be", `{"op":"update_permission","permission_id":"$reads","permission":{"conditions":{"a":{"like":"x"}}}}`, 400, "changes[0].permission.conditions.a.like"),
		circle,
		{name: "a strange check", as: "admin", route: route, body: `{"changes":[{"op":"set_role"}],"checks":[{"user_id":"$plain",` + aurora + `},{"user_id":"$plain","resource":{"type":"V"},"action":"read"}]}`, status: 400, fields: []string{"changes[0].role_id", "changes[0].op", "checks[1].resource.type"}},
		{name: "no check", as: "admin", route: route, body: `{"changes":[{"op":"set_role","role_id":"$reader","priority":1}],"checks":[]}`, status: 400, fields: []string{"checks"}},
		{name: "no change", as: "admin", route: route, body: `{"changes":[],"checks":[{"user_id":"$plain",` + aurora + `}]}`, status: 400, fields: []string{"changes"}},
		{name: "what a check may not say", as: "admin", route: route, body: `{"changes":[{"op":"set_role","role_id":"$reader","priority":1}],"checks":[{"user_id":"$plain",` + aurora + `,"subject_attributes":{"a":1}}]}`, status: 403, code: "PERMISSION_DENIED"},
	}
}

func TestScenarios_SimulatedChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person("plain_ops", "admin", "", "ALPHA", "")
	w.make("", "admin", "", "/groups/$ops/users", `{"user_ids":["$plain_ops"]}`)
	w.play(t, simulateScenarios())
}

// TestSimulate_GivesWhatTheCallsGive supposes changes, makes them by the calls that
// there are, and asks again: each answer is the one that was supposed.
func TestSimulate_GivesWhatTheCallsGive(t *testing.T) {
	t.Parallel()
	w := newGated(t)
	w.make("ship", "admin", "", "/resources", `{"type":"vessel","name":"Ship","code":"ship","attributes":{"flag":"GR"},
		"workflow_enabled":true,"workflow_config":{"states":["open","shut"],"initial":"open","state_actions":{"shut":{"read":["role:$reader"]}}}}`)
	w.make("denies", "admin", "", "/permissions", `{"name":"No scrapping","resource_type":"vessel","resource_path":"vessel/ship","actions":["*"],"effect":"deny","conditions":{"flag":"LR"}}`)
	w.make("", "admin", "", "/roles/$reader/permissions", `{"permission_ids":["$denies"]}`)
	checks := w.simulatedChecks()
	for _, step := range []struct{ change, method, path, body string }{
		{`{"op":"assign_role","user_id":"$plain","role_id":"$inspector","expires_at":"2990-01-01T00:00:00Z"}`, "POST", "/users/$plain/roles", `{"role_id":"$inspector","expires_at":"2990-01-01T00:00:00Z"}`},
		{`{"op":"set_role","role_id":"$inspector","parent_role_id":null}`, "PATCH", "/roles/$inspector", `{"parent_role_id":null}`},
		{`{"op":"role_add_permission","role_id":"$inspector","permission_id":"$loose"}`, "POST", "/roles/$inspector/permissions", `{"permission_ids":["$loose"]}`},
		{`{"op":"group_add_role","group_id":"$east","role_id":"$auditor"}`, "POST", "/groups/$east/roles", `{"role_ids":["$auditor"]}`},
		{`{"op":"add_to_group","user_id":"$plain","group_id":"$east"}`, "POST", "/groups/$east/users", `{"user_ids":["$plain"]}`},
		{`{"op":"group_remove_role","group_id":"$east","role_id":"$auditor"}`, "DELETE", "/groups/$east/roles/$auditor", ""},
		{`{"op":"set_group","group_id":"$ops","is_active":false}`, "PATCH", "/groups/$ops", `{"is_active":false}`},
		{`{"op":"set_group","group_id":"$ops","is_active":true}`, "PATCH", "/groups/$ops", `{"is_active":true}`},
		{`{"op":"set_resource","resource_id":"$ship","attributes":{"flag":"LR"}}`, "PATCH", "/resources/$ship", `{"attributes":{"flag":"LR"}}`},
		{`{"op":"set_resource","resource_id":"$ship","attributes":{"flag":null}}`, "PATCH", "/resources/$ship", `{"attributes":{}}`},
		{`{"op":"set_resource","resource_id":"$ship","attributes":{"flag":"GR"},"state":"shut"}`, "PATCH", "/resources/$ship", `{"attributes":{"flag":"GR"},"workflow_config":{"state":"shut"}}`},
		{`{"op":"set_resource","resource_id":"$ship","parent_id":"$vessel"}`, "POST", "/resources/$ship/move", `{"parent_id":"$vessel"}`},
		{`{"op":"update_permission","permission_id":"$reads","permission":{"conditions":{"subject.attributes.level":{"gte":3}}}}`, "PATCH", "/permissions/$reads", `{"conditions":{"subject.attributes.level":{"gte":3}}}`},
		{`{"op":"set_user","user_id":"$plain","attributes":{"level":3}}`, "PATCH", "/users/$plain", `{"attributes":{"level":3}}`},
		{`{"op":"set_user","user_id":"$sailor","is_active":false}`, "PATCH", "/users/$sailor", `{"is_active":false}`},
		{`{"op":"set_user","user_id":"$sailor","is_active":true,"attributes":{"level":4}}`, "PATCH", "/users/$sailor", `{"is_active":true,"attributes":{"level":4}}`},
		{`{"op":"set_setting","conflict_resolution":"most_specific"}`, "PATCH", "/tenants/$alpha", `{"settings":{"conflict_resolution":"most_specific"}}`},
		{`{"op":"set_chain","chain_id":"$chain","is_active":false}`, "PATCH", "/approval-chains/$chain", `{"is_active":false}`},
		{`{"op":"set_chain","chain_id":"$chain","is_active":true}`, "PATCH", "/approval-chains/$chain", `{"is_active":true}`},
		{`{"op":"remove_from_group","user_id":"$plain","group_id":"$east"}`, "DELETE", "/groups/$east/users/$plain", ""},
		{`{"op":"role_remove_permission","role_id":"$inspector","permission_id":"$loose"}`, "DELETE", "/roles/$inspector/permissions/$loose", ""},
		{`{"op":"remove_role","user_id":"$plain","role_id":"$inspector"}`, "DELETE", "/users/$plain/roles/$inspector", ""},
		{`{"op":"delete_permission","permission_id":"$reads"}`, "DELETE", "/permissions/$reads", ""},
	} {
		var supposed *response
		w.unchanged(t, func() { supposed = w.supposed(step.change, checks) })
		made := w.do(request{as: "admin", method: step.method, path: step.path, body: step.body})
		require.Less(t, made.status, 300, "%s: %s", step.change, made.body)
		now := w.supposed(`{"op":"set_role","role_id":"$reader","priority":100}`, checks)
		for i := range checks {
			require.Equal(t, supposed.at(fmt.Sprintf("data.results.%d.after", i)), now.at(fmt.Sprintf("data.results.%d.before", i)), "%s: %s", step.change, checks[i])
			require.Equal(t, w.checked(checks[i]), now.at(fmt.Sprintf("data.results.%d.before", i)), "what is supposed to be so is so: %s", checks[i])
		}
	}
}

// simulatedChecks are questions about something of everything.
func (w *world) simulatedChecks() (list []string) {
	for _, user := range []string{"plain", "sailor"} {
		for _, about := range []string{`"type":"vessel","id":"mv-aurora"`, `"type":"vessel","id":"secret-1"`, `"type":"vessel","id":"ship"`} {
			for _, action := range []string{"read", "scrap"} {
				list = append(list, `{"user_id":"$`+user+`","resource":{`+about+`},"action":"`+action+`"}`)
			}
		}
	}
	return append(list, `{"user_id":"$plain","resource":{"type":"api","id":"users"},"action":"read"}`)
}

func (w *world) supposed(change string, checks []string) *response {
	w.t.Helper()
	got := w.do(request{as: "admin", method: http.MethodPost, path: "/permissions/simulate-change", body: `{"changes":[` + change + `],"checks":[` + strings.Join(checks, ",") + `]}`})
	require.Equal(w.t, http.StatusOK, got.status, "%s: %s", change, got.body)
	return got
}

// checked is the answer of a check without what a supposed one lacks.
func (w *world) checked(check string) any {
	w.t.Helper()
	got := w.do(request{as: "admin", method: http.MethodPost, path: "/permissions/check", body: check})
	require.Equal(w.t, http.StatusOK, got.status, "%s", got.body)
	answer := got.at("data").(map[string]any)
	for _, name := range []string{"decision_id", "revision", "ttl", "stale"} {
		delete(answer, name)
	}
	return answer
}

func TestSimulate_LeavesNeitherRecordsNorProofs(t *testing.T) {
	t.Parallel()
	w := newGated(t, automatic)
	w.database.Exec(t, `UPDATE sentinel.approval_chains SET auto_approve_conditions = '{"subject.attributes.level": 9}' WHERE id = $1`, w.ids["chain"])
	w.settle()
	check := `{"user_id":"$sailor","resource":{"type":"vessel","id":"secret-1"},"action":"read","context":{"ip":"10.0.0.1"}}`
	w.unchanged(t, func() {
		got := w.supposed(`{"op":"set_user","user_id":"$sailor","attributes":{"level":9}}`, []string{check})
		require.Equal(t, "approval_required", got.at("data.results.0.before.reason_code"))
		require.Equal(t, "granted_by_approval", got.at("data.results.0.after.reason_code"))
		require.Equal(t, true, got.at("data.results.0.after.auto_approved"))
	})
	// Records are written in the order of the answers, so that after this one any
	// other would be there.
	own := w.asks("sailor", "").at("data.decision_id")
	require.Eventually(t, func() bool {
		return len(w.column(t, "SELECT id::text FROM sentinel.decision_logs WHERE id = $1", own)) == 1
	}, 20*time.Second, 20*time.Millisecond)
	require.Equal(t, []string{"1"}, w.column(t, "SELECT count(*)::text FROM sentinel.decision_logs WHERE question -> 'resource' ->> 'id' = 'secret-1'"))
}
