package app_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// assertScenarios are those of what an enforcement point says of subjects.
func assertScenarios() []scenario {
	const (
		check  = "POST /permissions/check"
		batch  = "POST /permissions/batch-check"
		asked  = `"resource":{"type":"log","id":"l-1"},"action":"read"`
		night  = asked + `,"subject_attributes":{"shift":"night"}`
		about  = `{"user_id":"$plain_ops",` + night + `}`
		logs   = `{"user_id":"$plain_ops","resource_type":"log","action":"read","subject_attributes":{"shift":"night"}}`
		denied = "PERMISSION_DENIED"
	)
	granted := map[string]any{"data.allowed": true, "data.matched_permissions.0": "$reads_log", `data.matched_conditions`: "map[subject.attributes.shift:night]"}
	failed := map[string]any{"data.allowed": false, "data.reason_code": "condition_failed"}
	return []scenario{
		{name: "the word of a caller who is nobody to trust", as: "plain", route: check, body: `{` + night + `}`, status: 403, code: denied, want: map[string]any{"error.details.required_permission": "api/decisions:execute"}},
		{name: "no word of a caller who is nobody to trust", as: "plain", route: check, body: `{` + asked + `,"subject_attributes":{}}`, status: 403, code: denied},
		{name: "the word of an account that may not say it", as: "pep", route: check, body: about, status: 403, code: denied, want: map[string]any{
			"error.message": "Supplying subject_attributes needs assert_subject on the account that asks. An administrator of the tenant sets it; ask without until then.",
		}},
		{name: "no word of an account that may not say it", as: "pep", route: check, body: `{"user_id":"$plain_ops",` + asked + `,"subject_attributes":{}}`, status: 403, code: denied},
		{name: "many words of an account that may not say them", as: "pep", route: batch, body: `{"user_id":"$plain_ops","checks":[{` + asked + `},{` + night + `}]}`, status: 403, code: denied, want: map[string]any{
			"error.message": "Supplying checks[1].subject_attributes needs assert_subject on the account that asks. An administrator of the tenant sets it; ask without until then.",
		}},
		{name: "the word of an administrator", as: "admin", route: check, body: about, status: 403, code: denied},
		{name: "a search with the word of a caller who is nobody to trust", as: "plain", route: whatCan, body: `{"subject_attributes":{"shift":"night"}}`, status: 403, code: denied, want: map[string]any{"error.details.required_permission": "api/decisions:execute"}},
		{name: "a search with the word of an account that may not say it", as: "pep", route: whatCan, body: logs, status: 403, code: denied},

		{name: "an account lets itself", as: "pep", route: "PATCH /users/{id}", path: "/users/$pep", body: `{"assert_subject":true}`, status: 403, code: denied},
		{name: "an account lets itself as its own", as: "pep", route: "PATCH /users/me", body: `{"assert_subject":true,"assert_override":["shift"]}`, status: 400, fields: []string{"assert_subject", "assert_override"}},
		{name: "a manager lets themselves", as: "manager", route: "PATCH /users/{id}", path: "/users/$manager", body: `{"assert_subject":true}`, status: 403, audit: []string{"user.update denied"}},
		{name: "an administrator lets the account", as: "admin", route: "PATCH /users/{id}", path: "/users/$pep", body: `{"assert_subject":true}`, status: 200, audit: []string{"user.update success"}, writes: []string{"users"}},

		{name: "without a word", as: "pep", route: check, body: `{"user_id":"$plain_ops",` + asked + `}`, status: 200, want: failed},
		{name: "the word fills a gap", as: "pep", route: check, body: about, status: 200, want: granted},
		{name: "a search without a word", as: "pep", route: whatCan, body: `{"user_id":"$plain_ops","resource_type":"log","action":"read"}`, status: 200, want: map[string]any{
			"data.nodes.0": nil, "data.patterns.0": nil,
		}},
		{name: "a search with the word", as: "pep", route: whatCan, body: logs, status: 200, want: map[string]any{
			"data.nodes.0.code": "l-0", "data.nodes.0.actions.0": "read", "data.patterns.0.pattern": "*", "data.patterns.0.because.0": "overlaps_nodes", "data.patterns.0.because.1": nil,
		}},
		{name: "the word about oneself", as: "pep", route: check, body: `{` + night + `}`, status: 200, want: map[string]any{"data.reason_code": "no_matching_permission"}},
		{name: "a word that is none", as: "pep", route: check, body: `{"user_id":"$plain_ops",` + asked + `,"subject_attributes":["night"]}`, status: 400, fields: []string{"subject_attributes"}},
		{name: "two words for one thing", as: "pep", route: check, body: `{"user_id":"$plain_ops",` + asked + `,"subject_attributes":{"shift":"night","shift":"day"}}`, status: 400},
		{name: "a word for Sentinel's own name of it", as: "pep", route: check, body: `{"user_id":"$plain_ops",` + asked + `,"subject_overrides":{"shift":"night"}}`, status: 400, fields: []string{"subject_overrides"}},
		{name: "the word about another tenant's", as: "pep", route: check, body: `{"user_id":"$plain_b",` + night + `}`, status: 404, code: "RESOURCE_NOT_FOUND"},

		{name: "something is stored", as: "admin", route: "PATCH /users/{id}", path: "/users/$plain_ops", body: `{"attributes":{"shift":"day"}}`, status: 200, audit: []string{"user.update success"}, writes: []string{"users"}},
		{name: "what is stored wins", as: "pep", route: check, body: about, status: 200, want: failed},
		{name: "an administrator lets the account replace something else", as: "admin", route: "PATCH /users/{id}", path: "/users/$pep", body: `{"assert_override":["Shift","level"]}`, status: 200, audit: []string{"user.update success"}, writes: []string{"users"}},
		{name: "what is stored wins still", as: "pep", route: check, body: about, status: 200, want: failed},
		{name: "an administrator lets the account replace it", as: "admin", route: "PATCH /users/{id}", path: "/users/$pep", body: `{"assert_override":["shift"]}`, status: 200, audit: []string{"user.update success"}, writes: []string{"users"}},
		{name: "the word replaces what is stored", as: "pep", route: check, body: about, status: 200, want: granted},
		{name: "the word replaces what is stored in a search", as: "pep", route: whatCan, body: logs, status: 200, want: map[string]any{"data.nodes.0.code": "l-0"}},
		{name: "every question of a batch has its own word", as: "pep", route: batch, body: `{"user_id":"$plain_ops","checks":[{` + night + `},{` + asked + `},{` + asked + `,"subject_attributes":{"shift":null}}]}`, status: 200, want: map[string]any{
			"data.results.0.allowed": true, "data.results.1.allowed": false, "data.results.2.allowed": false,
		}},
		{name: "an administrator of the platform has no word for it", as: "operator", route: check, body: about, header: map[string]string{"X-Tenant-ID": "$alpha"}, status: 403, code: denied},

		{name: "an administrator lets the account no more", as: "admin", route: "PATCH /users/{id}", path: "/users/$pep", body: `{"assert_subject":false}`, status: 200, audit: []string{"user.update success"}, writes: []string{"users"}},
		{name: "the word counts no more", as: "pep", route: check, body: about, status: 403, code: denied},
	}
}

func TestScenarios_WordsOfSubjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.make("enforcer", "admin", "", "/roles", `{"name":"enforcer"}`)
	w.make("", "admin", "", "/roles/$enforcer/permissions", `{"permissions":[{"name":"Ask","resource_type":"api","resource_path":"api/decisions","actions":["execute"]}]}`)
	w.person("pep", "admin", "", "ALPHA", `"$enforcer"`)
	w.person("plain_ops", "admin", "", "ALPHA", `"$reader"`)
	w.make("", "admin", "", "/resources", `{"type":"log","name":"Log 0","code":"l-0"}`)
	w.make("reads_log", "admin", "", "/permissions", `{"name":"Read logs","resource_type":"log","resource_path":"log/*","actions":["read"],"conditions":{"subject.attributes.shift":"night"}}`)
	w.make("", "admin", "", "/roles/$reader/permissions", `{"permission_ids":["$reads_log"]}`)
	w.play(t, assertScenarios())

	w.make("", "admin", "", "/resources", `{"type":"log","name":"Log 1","code":"l-1"}`)
	require.Equal(t, http.StatusOK, w.do(request{as: "admin", method: http.MethodPatch, path: "/users/$pep", body: `{"assert_subject":true}`}).status)
	ask := func(shift, token string) *response {
		return w.do(request{as: "pep", method: http.MethodPost, path: "/permissions/what-can", body: fmt.Sprintf(`{"user_id":"$plain_ops","resource_type":"log","limit":1,"subject_attributes":{"shift":%q},"page_token":%q}`, shift, token)})
	}
	token, _ := ask("night", "").at("data.next_page_token").(string)
	require.NotEmpty(t, token)
	require.Equal(t, "l-1", ask("night", token).at("data.nodes.0.code"))
	require.Equal(t, []string{"page_token"}, ask("evening", token).fields(), "with another word")
}
