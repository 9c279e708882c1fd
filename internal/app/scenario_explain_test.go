package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func explainExamples() map[string]example {
	const question = `"resource":{"type":"vessel","id":"mv-aurora"},"action":"read"`
	return map[string]example{
		"POST /permissions/explain": {
			path: "/permissions/explain", body: `{` + question + `}`, free: true,
			foreign: []call{{"/permissions/explain", `{"user_id":"$plain_b",` + question + `}`}},
		},
	}
}

func explainScenarios() []scenario {
	const (
		route    = "POST /permissions/explain"
		check    = "POST /permissions/check"
		denied   = "PERMISSION_DENIED"
		question = `"resource":{"type":"vessel","id":"mv-aurora"},"action":"read"`
	)
	return []scenario{
		{name: "why about oneself", as: "plain", route: route, body: `{` + question + `}`, status: 200, want: map[string]any{
			"data.answer.allowed": false, "data.answer.reason_code": "no_matching_permission", "data.answer.reason": nil, "data.trimmed": true,
			"data.missing_permissions.0": "api/decisions:execute", "data.missing_permissions.1": "api/permissions:read", "data.missing_permissions.2": nil,
			"data.summary": "Denied by the permissions of the account.", "data.steps.2.step": "permissions", "data.steps.2.outcome": "refused", "data.steps.2.detail": nil,
			"data.permissions.0": nil, "data.changes.0": nil, "data.complete": false,
		}},
		{name: "why about another", as: "plain", route: route, body: `{"user_id":"$admin",` + question + `}`, status: 403, code: denied, want: map[string]any{"error.details.required_permission": "api/decisions:execute"}},
		{name: "why about nobody, without the right", as: "plain", route: route, body: `{"user_id":"$absent",` + question + `}`, status: 403, code: denied},
		{name: "why about nobody", as: "admin", route: route, body: `{"user_id":"$absent",` + question + `}`, status: 404},
		{name: "why with a context", as: "plain", route: route, body: `{` + question + `,"context":{}}`, status: 403, code: denied},
		{name: "why of a strange question", as: "admin", route: route, body: `{"resource":{"type":"Vessel","id":"a/../b"},"action":"re ad","context":{"time":"noon"}}`, status: 400, fields: []string{"resource.type", "resource.id", "action", "context.time"}},
		{name: "why with a justification", as: "plain", route: route, body: `{` + question + `,"justification":"x"}`, status: 400, fields: []string{"justification"}},
		{name: "the whole", as: "admin", route: route, body: `{"user_id":"$plain",` + question + `}`, status: 200, want: map[string]any{
			"data.trimmed": false, "data.missing_permissions": nil, "data.answer.reason_code": "no_matching_permission", "data.subject_id": "$plain",
			"data.changes.0.together.0.kind": "assign_role", "data.changes.0.together.0.role_id": "$reader", "data.changes.0.verified": true,
			"data.changes.0.reason_code": "granted", "data.changes.0.summary": "Give the subject the role reader.", "data.complete": true,
		}},
		{name: "the whole of what is allowed", as: "admin", route: route, body: `{"user_id":"$sailing",` + question + `}`, status: 200, want: map[string]any{
			"data.answer.allowed": true, "data.roles.0.name": "reader", "data.roles.0.decided": true, "data.roles.0.paths.0.path": "user > group:ops > role:reader",
			"data.permissions.0.id": "$reads", "data.permissions.0.counts": true, "data.permissions.0.why": "counts",
			"data.changes.0.together.0.kind": "leave_group", "data.changes.0.together.0.group_id": "$ops", "data.changes.0.reason_code": "no_matching_permission",
		}},
		{name: "a check that explains itself", as: "admin", route: check, body: `{"user_id":"$sailing",` + question + `,"explain":true}`, status: 200, want: map[string]any{
			"data.allowed": true, "data.explanation.permissions.0.id": "$reads", "data.explanation.trimmed": false, "data.explanation.answer": nil,
		}},
		{name: "a check that does not", as: "admin", route: check, body: `{"user_id":"$sailing",` + question + `,"explain":false}`, status: 200, want: map[string]any{"data.explanation": nil}},
		{name: "a check that explains itself to an enforcement point", as: "gate", route: check, body: `{"user_id":"$sailing",` + question + `,"explain":true}`, status: 403, code: denied, want: map[string]any{"error.details.required_permission": "api/permissions:read"}},
		{name: "a check that explains itself to its subject", as: "plain", route: check, body: `{` + question + `,"explain":true}`, status: 403, code: denied, want: map[string]any{"error.details.required_permission": "api/decisions:execute"}},
		{name: "a check of nobody that explains itself", as: "admin", route: check, body: `{"user_id":"$absent",` + question + `,"explain":true}`, status: 404},
		{name: "why, to an enforcement point", as: "gate", route: route, body: `{"user_id":"$sailing",` + question + `}`, status: 200, want: map[string]any{
			"data.trimmed": true, "data.missing_permissions.0": "api/permissions:read", "data.missing_permissions.1": nil, "data.roles.0": nil, "data.permissions.0": nil,
			"data.answer.matched_roles.0.name": "reader", "data.answer.reason": "Allowed: read on vessel mv-aurora, by permission Read vessels of role reader.",
			"data.summary": "Allowed: read on vessel mv-aurora, by permission Read vessels of role reader.", "data.changes.0": nil,
		}},
	}
}

// sights makes accounts that may see ever more of explanations.
func (w *world) sights() {
	w.t.Helper()
	execute := `{"name":"Ask","resource_type":"api","resource_path":"api/decisions","actions":["execute"]}`
	read := func(section string) string {
		return fmt.Sprintf(`{"name":"Read %s","resource_type":"api","resource_path":"api/%s","actions":["read"]}`, section, section)
	}
	for _, p := range []struct {
		name  string
		reads []string
	}{
		{"gate", nil},
		{"narrow", []string{"permissions"}},
		{"wide", []string{"permissions", "users", "resources", "roles", "policies"}},
	} {
		w.make(p.name+"_role", "admin", "", "/roles", `{"name":"`+p.name+`","priority":30}`)
		all := []string{execute}
		for _, section := range p.reads {
			all = append(all, read(section))
		}
		w.make("", "admin", "", "/roles/$"+p.name+"_role/permissions", `{"permissions":[`+strings.Join(all, ",")+`]}`)
		w.person(p.name, "admin", "", "ALPHA", `"$`+p.name+`_role"`)
	}
}

func TestScenarios_Explanations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person("sailing", "admin", "", "ALPHA", "")
	w.make("", "admin", "", "/groups/$ops/users", `{"user_ids":["$sailing"]}`)
	w.sights()
	w.play(t, explainScenarios())
}

// why explains a question about the sailor.
func (w *world) why(as, question string) *response {
	w.t.Helper()
	got := w.do(request{as: as, method: http.MethodPost, path: "/permissions/explain", body: `{"user_id":"$sailor",` + question + `}`})
	require.Equal(w.t, http.StatusOK, got.status, "%s", got.body)
	return got
}

func TestExplain_HidesWhatItsReaderMayNotSee(t *testing.T) {
	t.Parallel()
	w := newGated(t)
	w.sights()
	w.make("captains", "admin", "", "/roles", `{"name":"captain","priority":20}`)
	w.make("", "admin", "", "/roles/$captains/permissions", `{"permissions":[
		{"name":"Steer","resource_type":"page","resource_path":"page/*","actions":["steer"],"conditions":{"subject.attributes.rank":{"gte":70},"berth":{"ref":"subject.attributes.home"},"depth":{"lt":5}}}]}`)
	w.make("", "admin", "", "/users/$sailor/roles", `{"role_id":"$captains"}`)
	got := w.do(request{as: "admin", method: http.MethodPatch, path: "/users/$sailor", body: `{"attributes":{"rank":41,"home":"quay-of-ann"}}`})
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	w.make("", "admin", "", "/resources", `{"type":"page","name":"Bridge","code":"bridge","attributes":{"berth":"quay-of-bob","depth":987654}}`)
	const question = `"resource":{"type":"page","id":"bridge"},"action":"steer"`

	wide := string(w.why("wide", question).body)
	for _, shown := range []string{"quay-of-ann", "quay-of-bob", "987654", `"value":41`, "is 41, wanted at least 70"} {
		require.Contains(t, wide, shown)
	}
	narrow := w.why("narrow", question)
	for _, hidden := range []string{"quay-of-ann", "quay-of-bob", "987654", `"value":41`, "is 41"} {
		require.NotContains(t, string(narrow.body), hidden)
	}
	require.Equal(t, false, narrow.at("data.trimmed"))
	missing, err := json.Marshal(narrow.at("data.missing_permissions"))
	require.NoError(t, err)
	require.JSONEq(t, `["api/resources:read","api/users:read"]`, sortedJSON(t, missing))
	require.Contains(t, narrow.at("data.permissions.0.detail"), "subject.attributes.rank has a value that you may not see, wanted at least 70")
	require.Equal(t, true, narrow.at("data.permissions.0.conditions.parts.0.found.hidden"))

	for as, own := range map[string]string{"gate": "", "sailor": "role:captain"} {
		trimmed := w.why(as, question)
		require.Equal(t, true, trimmed.at("data.trimmed"))
		for _, hidden := range []string{"quay-of", "987654", "rank", "depth", "berth", w.ids["reads"]} {
			require.NotContains(t, string(trimmed.body), hidden)
		}
		if own == "" {
			require.Nil(t, trimmed.at("data.roles.0"))
			continue
		}
		require.Contains(t, string(trimmed.body), own)
		require.NotContains(t, string(trimmed.body), "Steer")
	}

	// Changes of roles are for those who may read roles.
	const scrap = `"resource":{"type":"vessel","id":"mv-new"},"action":"write"`
	w.make("", "admin", "", "/roles/$captains/permissions", `{"permissions":[{"name":"No writing","resource_type":"vessel","resource_path":"vessel/*","actions":["write"],"effect":"deny"}]}`)
	require.Equal(t, "explicit_deny", w.why("wide", scrap).at("data.answer.reason_code"))
	narrow = w.why("narrow", scrap)
	require.Nil(t, narrow.at("data.changes.0"))
	require.Equal(t, false, narrow.at("data.complete"))
}

func sortedJSON(t *testing.T, raw []byte) string {
	t.Helper()
	var list []string
	require.NoError(t, json.Unmarshal(raw, &list))
	slices.Sort(list)
	return jsonOf(list)
}

func TestExplain_TellsOfPoliciesToThoseWhoMayReadThem(t *testing.T) {
	t.Parallel()
	w := newGated(t)
	w.sights()
	w.publish("alpha", "harbour", `
deny contains {"reason": "The harbour is closed."} if input.resource.id == "mv-closed"

obligations contains "not an object" if input.resource.id == "mv-broken"`)
	closed := `"resource":{"type":"vessel","id":"mv-closed"},"action":"read"`
	got := w.why("wide", closed)
	require.Equal(t, "tenant.harbour", got.at("data.policies.0.policy"), "%s", got.body)
	require.Equal(t, "The harbour is closed.", got.at("data.policies.0.denials.0.reason"))
	require.Equal(t, "policy", got.at("data.changes.0.together.0.kind"))
	require.Equal(t, false, got.at("data.changes.0.verified"))
	w.outage = true // the failure of the policy is logged
	broken := `"resource":{"type":"vessel","id":"mv-broken"},"action":"read"`
	got = w.why("wide", broken)
	require.Equal(t, "not_evaluated", got.at("data.answer.reason_code"), "%s", got.body)
	require.Equal(t, true, got.at("data.policies.0.failed"))
	require.Contains(t, got.at("data.policies.0.error"), "must hold objects")
	got = w.why("narrow", broken)
	require.Equal(t, true, got.at("data.policies.0.failed"), "%s", got.body)
	require.Nil(t, got.at("data.policies.0.error"))
	require.Equal(t, "api/policies:read", got.at("data.missing_permissions.0"))
	got = w.why("sailor", closed)
	require.NotContains(t, string(got.body), "harbour")
}

func TestExplain_LinksWork(t *testing.T) {
	t.Parallel()
	w := newGated(t)
	w.sights()
	w.levels("role_chain", "alpha", "role", "role:*", "gate", `[{"level":1,"approvers":{"any_of":[{"role":"$bosses","min":1}]},"timeout_hours":24}]`)
	w.settle()
	follow := func(as string, got *response, at string) *response {
		body, err := json.Marshal(got.at(at + ".body"))
		require.NoError(t, err)
		path, ok := strings.CutPrefix(fmt.Sprint(got.at(at+".path")), "/api/v1")
		require.True(t, ok, "%s", got.body)
		return w.do(request{as: as, method: fmt.Sprint(got.at(at + ".method")), path: path, body: string(body)})
	}
	got := w.why("sailor", secretVessel)
	require.Equal(t, "approval", got.at("data.changes.0.together.0.kind"), "%s", got.body)
	require.Nil(t, got.at("data.changes.0.together.0.chain_name"), "the sailor is not told its name")
	opened := follow("sailor", got, "data.changes.0.together.0.request")
	require.Equal(t, http.StatusCreated, opened.status, "%s", opened.body)
	got = w.why("sailor", secretVessel)
	require.Equal(t, opened.at("data.id"), got.at("data.changes.0.together.0.request_id"), "the request that waits is named")
	require.Nil(t, got.at("data.changes.0.together.0.request"))

	w.person("newcomer", "admin", "", "ALPHA", "")
	got = w.do(request{as: "admin", method: http.MethodPost, path: "/permissions/explain", body: `{"user_id":"$newcomer","resource":{"type":"vessel","id":"mv-aurora"},"action":"read"}`})
	require.Equal(t, "reader", got.at("data.changes.0.together.0.role_name"), "%s", got.body)
	opened = follow("admin", got, "data.changes.0.together.0.request")
	require.Equal(t, http.StatusCreated, opened.status, "%s", opened.body)
	require.Equal(t, w.ids["newcomer"], opened.at("data.beneficiary_id"))

	// A chain that only a policy requires is asked for by the question itself.
	w.publish("alpha", "look", `require_approval contains {"chain": "chain"} if input.resource.id == "mv-aurora"`)
	got = w.why("sailor", `"resource":{"type":"vessel","id":"mv-aurora"},"action":"read"`)
	require.Equal(t, "/api/v1/permissions/check", got.at("data.changes.0.together.0.request.path"), "%s", got.body)
	opened = follow("sailor", got, "data.changes.0.together.0.request")
	require.NotNil(t, opened.at("data.approval_request_id"), "%s", opened.body)
}

func TestExplain_IsRecordedAsACheckAndNamesWhatIsInactive(t *testing.T) {
	t.Parallel()
	w := newGated(t)
	w.make("idle", "admin", "", "/roles", `{"name":"idler"}`)
	w.make("idlers", "admin", "", "/groups", `{"name":"idlers"}`)
	w.make("", "admin", "", "/users/$sailor/roles", `{"role_id":"$idle"}`)
	w.make("", "admin", "", "/groups/$idlers/users", `{"user_ids":["$sailor"]}`)
	for _, path := range []string{"/roles/$idle", "/groups/$idlers"} {
		got := w.do(request{as: "admin", method: http.MethodPatch, path: path, body: `{"is_active":false}`})
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	}
	got := w.why("admin", secretVessel)
	require.Contains(t, string(got.body), "The role idler is inactive")
	require.Contains(t, string(got.body), "The group idlers is inactive")
	id := fmt.Sprint(got.at("data.answer.decision_id"))
	require.Eventually(t, func() bool {
		return len(w.column(t, "SELECT id::text FROM sentinel.decision_logs WHERE id = $1", id)) == 1
	}, 20*time.Second, 20*time.Millisecond)
}
