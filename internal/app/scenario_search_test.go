package app_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	whoCan  = "POST /permissions/who-can"
	whatCan = "POST /permissions/what-can"
)

func searchExamples() map[string]example {
	return map[string]example{
		whoCan: {path: "/permissions/who-can", body: `{"resource":{"type":"vessel","id":"mv-aurora"},"action":"read","limit":10}`},
		whatCan: {
			path: "/permissions/what-can", body: `{"user_id":"$plain","resource_type":"vessel","action":"read","context":{"ip":"10.0.0.1"},"limit":10}`, free: true,
			foreign: []call{{"/permissions/what-can", `{"user_id":"$plain_b"}`}},
		},
	}
}

// searchScenarios are of two sailors who may read vessels, one of them by a group,
// of one who may ask about decisions, and of an enforcement point that may not
// read users.
func searchScenarios() []scenario {
	const (
		question = `"resource":{"type":"vessel","id":"mv-aurora"},"action":"read"`
		denied   = "PERMISSION_DENIED"
	)
	return []scenario{
		{name: "who", as: "admin", route: whoCan, body: `{` + question + `}`, status: 200, want: map[string]any{
			"data.subjects.0.user_id": "$admin", "data.subjects.0.matched_roles.0.path": "user > role:tenant_admin",
			"data.subjects.1.user_id": "$sailor", "data.subjects.1.email": "sailor@alpha.example", "data.subjects.1.display_name": "sailor",
			"data.subjects.1.is_service_account": false, "data.subjects.1.reason_code": "granted", "data.subjects.1.matched_permissions.0": "$reads",
			"data.subjects.1.matched_roles.0.path": "user > role:inspector > role:reader", "data.subjects.1.approval_chain_id": nil,
			"data.subjects.2.user_id": "$mate", "data.subjects.2.matched_roles.0.path": "user > group:east > group:ops > role:reader",
			"data.subjects.3": nil, "data.complete": true, "data.next_page_token": nil, "data.depends_on.0": nil,
		}},
		{name: "who, without the right to users", as: "point", route: whoCan, body: `{` + question + `}`, status: 403, code: denied, want: map[string]any{
			"error.details.required_permission": "api/users:read",
		}},
		{name: "who, without the right to decisions", as: "manager", route: whoCan, body: `{` + question + `}`, status: 403, code: denied, want: map[string]any{
			"error.details.required_permission": "api/decisions:execute",
		}},
		{name: "who may act on another tenant's node", as: "admin", route: whoCan, body: `{"resource":{"type":"app","id":"$fleet_b"},"action":"read"}`, status: 200, want: map[string]any{
			"data.subjects.0.user_id": "$admin", "data.subjects.1": nil, "data.complete": true,
		}},
		{name: "who, in a strange way", as: "admin", route: whoCan, body: `{"resource":{"type":"Vessel","id":"a/../b"},"action":"re ad","context":{"time":"noon"}}`, status: 400, fields: []string{"resource.type", "resource.id", "action", "context.time"}},
		{name: "who, too many at once", as: "admin", route: whoCan, body: `{` + question + `,"limit":1001}`, status: 400, fields: []string{"limit"}},
		{name: "who, none at once", as: "admin", route: whoCan, body: `{` + question + `,"limit":0}`, status: 400, fields: []string{"limit"}},
		{name: "who, with a token that nobody gave", as: "admin", route: whoCan, body: `{` + question + `,"page_token":"` + strings.Repeat("A", 40) + `"}`, status: 400, fields: []string{"page_token"}},
		{name: "who may with attributes", as: "admin", route: whoCan, body: `{"resource":{"type":"cargo","id":"c-1"},"action":"load"}`, status: 200, want: map[string]any{
			"data.subjects.0.user_id": "$admin", "data.subjects.1": nil, "data.depends_on.0": "context.shift", "data.depends_on.1": "resource.attributes.weight", "data.depends_on.2": nil,
		}},
		{name: "who may with the attributes", as: "admin", route: whoCan, body: `{"resource":{"type":"cargo","id":"c-1","attributes":{"weight":3}},"action":"load","context":{"shift":"night"}}`, status: 200, want: map[string]any{
			"data.subjects.1.user_id": "$sailor", "data.subjects.2.user_id": "$mate", "data.depends_on.0": nil,
		}},

		{name: "what", as: "sailor", route: whatCan, body: `{}`, status: 200, want: map[string]any{
			"data.nodes.0.id": "$aurora", "data.nodes.0.type": "vessel", "data.nodes.0.code": "mv-aurora", "data.nodes.0.path": "mv-aurora", "data.nodes.0.name": "Aurora",
			"data.nodes.0.actions.0": "read", "data.nodes.0.actions.1": nil, "data.nodes.1": nil, "data.complete": true, "data.next_page_token": nil,
			"data.patterns.0.resource_type": "cargo", "data.patterns.0.pattern": "*", "data.patterns.0.actions.0": "load", "data.patterns.0.conditional": true,
			"data.patterns.0.because.0": "conditions", "data.patterns.0.because.1": nil, "data.patterns.0.path": "user > role:inspector > role:reader",
			"data.patterns.1.resource_type": "vessel", "data.patterns.1.permission_id": "$reads", "data.patterns.1.because.0": "overlaps_nodes", "data.patterns.2": nil,
			"data.patterns_complete": true,
		}},
		{name: "what somebody may, by name", as: "point", route: whatCan, body: `{"user_id":"$mate","resource_type":"vessel","action":"read"}`, status: 200, want: map[string]any{
			"data.nodes.0.code": "mv-aurora", "data.patterns.0.resource_type": "vessel", "data.patterns.1": nil,
		}},
		{name: "what of the API", as: "point", route: whatCan, body: `{"resource_type":"api"}`, status: 200, want: map[string]any{
			"data.nodes.0.id": nil, "data.nodes.0.type": "api", "data.nodes.0.code": "decisions", "data.nodes.0.actions.0": "execute", "data.nodes.1": nil,
			"data.patterns.0.resource_type": "api", "data.patterns.0.pattern": "decisions", "data.patterns.0.conditional": false, "data.patterns.0.because.0": nil,
		}},
		{name: "what nobody may do", as: "sailor", route: whatCan, body: `{"action":"scrap"}`, status: 200, want: map[string]any{"data.nodes.0": nil, "data.patterns.0": nil}},
		{name: "what another may, without the right", as: "manager", route: whatCan, body: `{"user_id":"$sailor"}`, status: 403, code: denied, want: map[string]any{
			"error.details.required_permission": "api/decisions:execute",
		}},
		{name: "what with a context, without the right", as: "sailor", route: whatCan, body: `{"context":{}}`, status: 403, code: denied},
		{name: "what nobody there may", as: "point", route: whatCan, body: `{"user_id":"$absent"}`, status: 404},
		{name: "what, in a strange way", as: "point", route: whatCan, body: `{"resource_type":"Vessel","action":"re ad","context":{"time":"noon"}}`, status: 400, fields: []string{"resource_type", "action", "context.time"}},
		{name: "what, too much at once", as: "point", route: whatCan, body: `{"limit":1001}`, status: 400, fields: []string{"limit"}},
		{name: "what, with a token that nobody gave", as: "sailor", route: whatCan, body: `{"page_token":"x"}`, status: 400, fields: []string{"page_token"}},
	}
}

// newSearched is a world with whom and what the scenarios find.
func newSearched(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.make("asks", "admin", "", "/roles", `{"name":"asks"}`)
	w.make("", "admin", "", "/roles/$asks/permissions", `{"permissions":[{"name":"Ask","resource_type":"api","resource_path":"api/decisions","actions":["execute"]}]}`)
	w.make("", "admin", "", "/roles/$reader/permissions", `{"permissions":[{"name":"Load","resource_type":"cargo","resource_path":"cargo/*","actions":["load"],"conditions":{"weight":{"lt":10},"context.shift":"night"}}]}`)
	w.make("aurora", "admin", "", "/resources", `{"type":"vessel","name":"Aurora","code":"mv-aurora"}`)
	w.person("sailor", "admin", "", "ALPHA", `"$inspector"`)
	w.person("mate", "admin", "", "ALPHA", "")
	w.make("", "admin", "", "/groups/$east/users", `{"user_ids":["$mate"]}`)
	w.person("point", "admin", "", "ALPHA", `"$asks"`)
	return w
}

func TestScenarios_Searches(t *testing.T) {
	t.Parallel()
	w := newSearched(t)
	w.play(t, searchScenarios())
	// Records are written in their order: what comes before the last one is there.
	last := w.do(request{as: "sailor", method: http.MethodPost, path: "/permissions/check", body: `{"resource":{"type":"vessel","id":"mv-aurora"},"action":"read"}`})
	records := func() []string {
		return w.column(t, "SELECT id::text FROM sentinel.decision_logs WHERE question #>> '{resource,type}' IN ('vessel', 'cargo')")
	}
	require.Eventually(t, func() bool { return slices.Contains(records(), last.at("data.decision_id").(string)) }, 20*time.Second, 20*time.Millisecond)
	require.Len(t, records(), 1, "searches leave none")
}

func TestSearches_AreReadPageByPageWithOneQuestion(t *testing.T) {
	t.Parallel()
	w := newSearched(t)
	w.make("borealis", "admin", "", "/resources", `{"type":"vessel","name":"Borealis","code":"mv-borealis"}`)
	for _, c := range []struct {
		path, question, other, list, id string
		want                            []string
	}{
		{"/permissions/who-can", `"resource":{"type":"vessel","id":"mv-aurora"},"action":"read"`, `"resource":{"type":"vessel","id":"mv-aurora"},"action":"write"`, "data.subjects", "user_id", []string{w.ids["admin"], w.ids["sailor"]}},
		{"/permissions/what-can", `"user_id":"$sailor"`, `"user_id":"$mate"`, "data.nodes", "id", []string{w.ids["aurora"], w.ids["borealis"]}},
	} {
		ask := func(as, question, token string, limit int) *response {
			return w.do(request{as: as, method: http.MethodPost, path: c.path, body: fmt.Sprintf(`{%s,"limit":%d,"page_token":%q}`, question, limit, token)})
		}
		first := ask("admin", c.question, "", 1)
		require.Equal(t, http.StatusOK, first.status, "%s", first.body)
		require.Equal(t, c.want[0], first.at(c.list+".0."+c.id))
		require.Equal(t, false, first.at("data.complete"))
		token, _ := first.at("data.next_page_token").(string)
		require.NotEmpty(t, token)
		second := ask("admin", c.question, token, 2)
		require.Equal(t, c.want[1], second.at(c.list+".0."+c.id), "%s", second.body)
		require.Equal(t, true, second.at("data.complete"))
		require.Nil(t, second.at("data.next_page_token"))
		require.Nil(t, second.at("data.patterns.0"), "patterns come with the first page")
		require.NotEmpty(t, second.header.Get("X-Sentinel-Revision"))

		require.Equal(t, []string{"page_token"}, ask("admin", c.other, token, 1).fields(), "another question's")
		require.Equal(t, []string{"page_token"}, ask("admin", c.question, token[:len(token)-1], 1).fields(), "a part of one")
		if c.id == "user_id" {
			require.Equal(t, []string{"page_token"}, ask("admin_b", c.question, token, 1).fields(), "another tenant's")
		}
	}
}

// Whoever was approved for what a permission would be enough for is found, though
// they hold nothing.
func TestWhoCan_FindsWhoWasApproved(t *testing.T) {
	t.Parallel()
	w := newSearched(t)
	w.make("chain", "admin", "", "/approval-chains", `{"name":"papers","resource_type":"paper","mode":"escalation","approval_levels":[{"level":1,"approvers":{"any_of":[{"user":"$admin"}]}}]}`)
	paper := `"resource":{"type":"paper","id":"p-1"},"action":"sign"`
	w.make("request", "plain", "", "/access-requests", `{"request_type":"permission","request_details":{"resource_type":"paper","resource_id":"p-1","action":"sign"},"justification":"x"}`)
	who := func() *response {
		return w.do(request{as: "admin", method: http.MethodPost, path: "/permissions/who-can", body: `{` + paper + `}`})
	}
	require.Nil(t, who().at("data.subjects.1"), "one that waits gives nothing")
	got := w.do(request{as: "admin", method: http.MethodPost, path: "/access-requests/$request/approve", body: `{"comments":"Aye."}`})
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	found := who()
	for path, want := range map[string]any{
		"user_id": w.ids["plain"], "reason_code": "granted_by_approval", "approval_chain_id": w.ids["chain"], "approval_request_id": w.ids["request"], "matched_roles": nil,
	} {
		require.Equal(t, want, found.at("data.subjects.1."+path), "%s: %s", path, found.body)
	}
	require.Nil(t, found.at("data.subjects.2"))
	what := w.do(request{as: "plain", method: http.MethodPost, path: "/permissions/what-can", body: `{"resource_type":"paper"}`})
	for path, want := range map[string]any{
		"pattern": "p-1", "actions.0": "sign", "conditional": false, "approval_chain_id": w.ids["chain"], "approval_request_id": w.ids["request"], "permission_id": nil,
	} {
		require.Equal(t, want, what.at("data.patterns.0."+path), "%s: %s", path, what.body)
	}
}
