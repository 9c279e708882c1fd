package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/app"
)

const (
	evaluation     = "POST //access/v1/evaluation"
	evaluations    = "POST //access/v1/evaluations"
	searchSubject  = "POST //access/v1/search/subject"
	searchResource = "POST //access/v1/search/resource"
	searchAction   = "POST //access/v1/search/action"
	metadata       = "GET //.well-known/authzen-configuration"

	// readAurora is what is asked of a vessel.
	readAurora = `"action":{"name":"read"},"resource":{"type":"vessel","id":"mv-aurora"}`
)

// who is a subject.
func who(id string) string { return `"subject":{"type":"user","id":"` + id + `"}` }

func authzenExamples() map[string]example {
	return map[string]example{
		evaluation:     {path: "//access/v1/evaluation", body: `{"subject":{"type":"user","id":"nobody"},` + readAurora + `}`, free: true, bare: true},
		evaluations:    {path: "//access/v1/evaluations", body: `{"subject":{"type":"user","id":"nobody"},` + readAurora + `,"evaluations":[{},{"action":{"name":"scrap"}}]}`, free: true, bare: true},
		searchSubject:  {path: "//access/v1/search/subject", body: `{"subject":{"type":"user"},` + readAurora + `,"page":{"limit":5}}`, bare: true},
		searchResource: {path: "//access/v1/search/resource", body: `{"subject":{"type":"user","id":"nobody"},"action":{"name":"read"},"resource":{"type":"vessel"}}`, bare: true},
		searchAction:   {path: "//access/v1/search/action", body: `{"subject":{"type":"user","id":"nobody"},"resource":{"type":"vessel","id":"mv-aurora"}}`, bare: true},
		metadata:       {path: "//.well-known/authzen-configuration", open: true, bare: true},
	}
}

func authzenScenarios() []scenario {
	no, yes := map[string]any{"decision": false, "context": nil}, map[string]any{"decision": true, "context": nil}
	others := strings.ReplaceAll(readAurora, "read", "scrap")
	return []scenario{
		{name: "about oneself", as: "plain", route: evaluation, body: `{` + who("$plain") + `,` + readAurora + `}`, status: 200, want: no},
		{name: "about oneself with a context", as: "plain", route: evaluation, body: `{` + who("$plain") + `,` + readAurora + `,"context":{}}`, status: 403},
		{name: "about oneself with properties", as: "plain", route: evaluation, body: `{"subject":{"type":"user","id":"$plain","properties":{}},` + readAurora + `}`, status: 403},
		{name: "about oneself, wanting to know why", as: "plain", route: evaluation, body: `{` + who("$plain") + `,` + readAurora + `,"options":{"sentinel":{"explain":true}}}`, status: 200, want: no},
		{name: "about another", as: "plain", route: evaluation, body: `{` + who("$admin") + `,` + readAurora + `}`, status: 403},
		{name: "about nobody", as: "plain", route: evaluation, body: `{` + who("nobody") + `,` + readAurora + `}`, status: 403},
		{name: "an enforcement point by external id", as: "admin", route: evaluation, body: `{` + who("badge-7") + `,` + readAurora + `}`, status: 200, want: yes},
		{name: "by verified e-mail address", as: "admin", route: evaluation, body: `{` + who("Sailor@ALPHA.example") + `,` + readAurora + `}`, status: 200, want: yes},
		{name: "by id", as: "admin", route: evaluation, body: `{` + who("$sailor") + `,` + readAurora + `}`, status: 200, want: yes},
		{name: "by the other type of subjects", as: "admin", route: evaluation, body: `{"subject":{"type":"identity","id":"badge-7"},` + readAurora + `}`, status: 200, want: yes},
		{name: "by a type that is none of subjects", as: "admin", route: evaluation, body: `{"subject":{"type":"robot","id":"badge-7"},` + readAurora + `}`, status: 200, want: no},
		{name: "by an address that nobody verified", as: "admin", route: evaluation, body: `{` + who("plain_ops@alpha.example") + `,` + readAurora + `}`, status: 200, want: no},
		{name: "by another form of the id", as: "admin", route: evaluation, body: `{` + who("urn:uuid:$sailor") + `,` + readAurora + `}`, status: 200, want: no},
		{name: "about another tenant's account", as: "admin", route: evaluation, body: `{` + who("$plain_b") + `,` + readAurora + `}`, status: 200, want: no},
		{name: "about a name longer than any", as: "admin", route: evaluation, body: `{` + who(strings.Repeat("x", 1000)) + `,` + readAurora + `}`, status: 200, want: no},
		{name: "with members that nobody knows", as: "admin", route: evaluation, body: `{"nonsense":[{}],"subject":{"id":"badge-7","mood":{},"type":"user"},"resource":{"id":"mv-aurora","type":"vessel","x":[1]},"action":{"name":"read","y":null}}`, status: 200, want: yes},
		{name: "with properties and a context", as: "admin", route: evaluation, body: `{` + who("badge-7") + `,"action":{"name":"scrap","properties":{"a":1}},"resource":{"type":"vessel","id":"x","properties":{"age":30.0}},"context":{"ip":"10.0.0.1"}}`, status: 200, want: yes},
		{name: "with a property that does not suffice", as: "admin", route: evaluation, body: `{` + who("badge-7") + `,"action":{"name":"scrap"},"resource":{"type":"vessel","id":"x","properties":{"age":29}}}`, status: 200, want: no},
		{name: "with properties of the subject", as: "admin", route: evaluation, body: `{"subject":{"type":"user","id":"badge-7","properties":{"a":1}},` + readAurora + `}`, status: 403},
		{name: "wanting to know why", as: "admin", route: evaluation, body: `{` + who("badge-7") + `,` + others + `,"options":{"sentinel":{"explain":true},"other":1}}`, status: 200, want: map[string]any{
			"decision": false, "context.reason_admin.condition_failed": "Denied: scrap on vessel mv-aurora, since the conditions of permission Scrap old vessels do not hold.", "context.approval": nil, "context.obligations": nil,
		}},
		{name: "while acting in another tenant", as: "admin", route: evaluation, header: map[string]string{"X-Tenant-ID": "$sub"}, body: `{` + who("badge-7") + `,` + readAurora + `}`, status: 400},
		{name: "in one's own tenant by name", as: "admin", route: evaluation, header: map[string]string{"X-Tenant-ID": "$alpha"}, body: `{` + who("badge-7") + `,` + readAurora + `}`, status: 400},

		{name: "many about one", as: "admin", route: evaluations, body: `{` + who("badge-7") + `,` + readAurora + `,"evaluations":[{},{"action":{"name":"scrap"}},{"resource":{"type":"vessel","id":"mv-borealis"}}]}`, status: 200, want: map[string]any{
			"evaluations.0.decision": true, "evaluations.1.decision": false, "evaluations.2.decision": true, "evaluations.3": nil, "decision": nil,
		}},
		{name: "many about many", as: "admin", route: evaluations, body: `{` + readAurora + `,"evaluations":[{` + who("badge-7") + `},{` + who("$plain") + `},{` + who("nobody") + `},{` + who("$sailor") + `},{"subject":{"type":"x","id":"badge-7"}}]}`, status: 200, want: map[string]any{
			"evaluations.0.decision": true, "evaluations.1.decision": false, "evaluations.2.decision": false, "evaluations.3.decision": true, "evaluations.4.decision": false,
		}},
		{name: "an entity overrides whole", as: "admin", route: evaluations, body: `{` + who("badge-7") + `,"action":{"name":"scrap"},"resource":{"type":"vessel","id":"x","properties":{"age":30}},"evaluations":[{},{"resource":{"type":"vessel","id":"x"}}]}`, status: 200, want: map[string]any{
			"evaluations.0.decision": true, "evaluations.1.decision": false,
		}},
		{name: "until the first that denies", as: "admin", route: evaluations, body: `{` + who("badge-7") + `,` + readAurora + `,"options":{"evaluations_semantic":"deny_on_first_deny"},"evaluations":[{},{"action":{"name":"scrap"}},{}]}`, status: 200, want: map[string]any{
			"evaluations": `[map[decision:true] map[context:map[code:200 reason:deny_on_first_deny] decision:false]]`,
		}},
		{name: "until the first that permits", as: "admin", route: evaluations, body: `{` + who("badge-7") + `,` + readAurora + `,"options":{"evaluations_semantic":"permit_on_first_permit"},"evaluations":[{"action":{"name":"scrap"}},{},{}]}`, status: 200, want: map[string]any{
			"evaluations": `[map[decision:false] map[decision:true]]`,
		}},
		{name: "until one that there is not", as: "admin", route: evaluations, body: `{` + who("badge-7") + `,` + readAurora + `,"options":{"evaluations_semantic":"deny_on_first_deny"},"evaluations":[{},{}]}`, status: 200, want: map[string]any{
			"evaluations": `[map[decision:true] map[decision:true]]`,
		}},
		{name: "all, said in words", as: "admin", route: evaluations, body: `{` + who("nobody") + `,` + readAurora + `,"options":{"evaluations_semantic":"execute_all"},"evaluations":[{},{}]}`, status: 200, want: map[string]any{
			"evaluations": `[map[decision:false] map[decision:false]]`,
		}},
		{name: "by a semantic that there is not", as: "admin", route: evaluations, body: `{` + who("badge-7") + `,` + readAurora + `,"options":{"evaluations_semantic":"any"},"evaluations":[{}]}`, status: 400},
		{name: "one of many cannot be asked", as: "admin", route: evaluations, body: `{` + who("badge-7") + `,` + readAurora + `,"evaluations":[{"action":{"name":"re ad"}},{},{"resource":{"type":"Vessel","id":"x"}}]}`, status: 200, want: map[string]any{
			"evaluations.0.decision": false, "evaluations.0.context.error.status": 400, "evaluations.1.decision": true, "evaluations.2.context.error.status": 400,
		}},
		{name: "none of none", as: "admin", route: evaluations, body: `{` + who("badge-7") + `,` + readAurora + `,"evaluations":[]}`, status: 200, want: yes},
		{name: "without a list", as: "plain", route: evaluations, body: `{` + who("$plain") + `,` + readAurora + `}`, status: 200, want: no},
		{name: "one that lacks its resource", as: "admin", route: evaluations, body: `{` + who("badge-7") + `,"action":{"name":"read"},"evaluations":[{"resource":{"type":"vessel","id":"x"}},{}]}`, status: 400},
		{name: "many about another", as: "plain", route: evaluations, body: `{` + readAurora + `,"evaluations":[{` + who("$plain") + `},{` + who("$admin") + `}]}`, status: 403},

		{name: "who may", as: "admin", route: searchSubject, body: `{"subject":{"type":"identity","id":7,"x":1},` + readAurora + `}`, status: 200, want: map[string]any{
			"results": `[map[id:admin@alpha.example type:identity] map[id:badge-7 type:identity] map[id:$plain_ops type:identity]]`, "page": "map[count:3 next_token:]", "context": nil,
		}},
		{name: "who may what depends on more", as: "admin", route: searchSubject, body: `{"subject":{"type":"user"},` + others + `}`, status: 200, want: map[string]any{
			"results": "[map[id:admin@alpha.example type:user]]", "context.depends_on": "[resource.attributes.age]",
		}},
		{name: "who may, with that", as: "admin", route: searchSubject, body: `{"subject":{"type":"user"},"action":{"name":"scrap"},"resource":{"type":"vessel","id":"x","properties":{"age":30}}}`, status: 200, want: map[string]any{
			"results": "[map[id:admin@alpha.example type:user] map[id:badge-7 type:user]]", "context": nil,
		}},
		{name: "which robots may", as: "admin", route: searchSubject, body: `{"subject":{"type":"robot"},` + readAurora + `}`, status: 200, want: map[string]any{"results": "[]", "page.next_token": ""}},
		{name: "who may, by one who may not know accounts", as: "asker", route: searchSubject, body: `{"subject":{"type":"user"},` + readAurora + `}`, status: 403},
		{name: "who may by a token that is none", as: "admin", route: searchSubject, body: `{"subject":{"type":"user"},` + readAurora + `,"page":{"token":"x"}}`, status: 400},
		{name: "what may be read", as: "asker", route: searchResource, body: `{` + who("badge-7") + `,"action":{"name":"read"},"resource":{"type":"vessel","id":["ignored"]}}`, status: 200, want: map[string]any{
			"results": "[map[id:mv-aurora type:vessel] map[id:mv-borealis type:vessel]]", "page": "map[count:2 next_token:]",
			"context.patterns.0.type": "vessel", "context.patterns.0.pattern": "*", "context.patterns.0.because": "[overlaps_nodes]", "context.patterns.1": nil,
		}},
		{name: "what nobody may", as: "asker", route: searchResource, body: `{` + who("nobody") + `,"action":{"name":"read"},"resource":{"type":"vessel"}}`, status: 200, want: map[string]any{"results": "[]"}},
		{name: "what of no type", as: "asker", route: searchResource, body: `{` + who("badge-7") + `,"action":{"name":"read"},"resource":{"type":"Vessel"}}`, status: 400},
		{name: "what may be done", as: "asker", route: searchAction, body: `{` + who("badge-7") + `,"action":{"name":"ignored"},"resource":{"type":"vessel","id":"x","properties":{"age":31}}}`, status: 200, want: map[string]any{
			"results": "[map[name:read] map[name:scrap]]", "page": "map[count:2 next_token:]",
		}},
		{name: "what may be done by nobody", as: "asker", route: searchAction, body: `{` + who("nobody") + `,"resource":{"type":"vessel","id":"x"}}`, status: 200, want: map[string]any{"results": "[]"}},
		{name: "what may be done elsewhere", as: "admin", route: searchAction, header: map[string]string{"X-Tenant-ID": "$sub"}, body: `{` + who("nobody") + `,"resource":{"type":"vessel","id":"x"}}`, status: 400},

		{name: "metadata", route: metadata, status: 200},
	}
}

// sailor makes an account that is known by three names and may read vessels, two of
// which are registered, and scrap old ones; and one that may ask.
func (w *world) sailor() {
	w.t.Helper()
	w.make("scrapper", "admin", "", "/roles", `{"name":"scrapper"}`)
	w.make("", "admin", "", "/roles/$scrapper/permissions", `{"permissions":[{"name":"Scrap old vessels","resource_type":"vessel","resource_path":"vessel/*","actions":["scrap"],"conditions":{"resource.attributes.age":{"gte":30}}}]}`)
	w.make("sailor", "admin", "", "/users", `{"email":"sailor@alpha.example","external_id":"badge-7","roles":["$reader","$scrapper"]}`)
	w.database.Exec(w.t, "UPDATE sentinel.users SET email_verified_at = now() WHERE id = $1", w.ids["sailor"])
	w.person("plain_ops", "admin", "", "ALPHA", `"$reader"`)
	w.make("", "admin", "", "/resources", `{"type":"vessel","name":"Aurora","code":"mv-aurora","parent_id":"$vessel"}`)
	w.make("", "admin", "", "/resources", `{"type":"vessel","name":"Borealis","code":"mv-borealis","parent_id":"$vessel"}`)
	w.make("asking", "admin", "", "/roles", `{"name":"asking"}`)
	w.make("", "admin", "", "/roles/$asking/permissions", `{"permissions":[{"name":"Ask","resource_type":"api","resource_path":"api/decisions","actions":["execute"]}]}`)
	w.person("asker", "admin", "", "ALPHA", `"$asking"`)
	w.database.Exec(w.t, "UPDATE sentinel.users SET email_verified_at = NULL WHERE id = $1", w.ids["plain_ops"])
}

func TestScenarios_AuthZEN(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sailor()
	w.play(t, authzenScenarios())
}

// evaluate asks one question by AuthZEN.
func (w *world) evaluate(as, body string, header map[string]string) *response {
	w.t.Helper()
	return w.do(request{as: as, method: http.MethodPost, path: "//access/v1/evaluation", body: body, header: header})
}

func TestAuthZEN_BehavesAsItsTextSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sailor()
	for _, step := range []struct {
		name string
		run  func(*testing.T, *world)
	}{
		{"says what is wrong in a text", authzenSaysWhatIsWrongInAText},
		{"answers a thousand and no more", authzenAnswersAThousandAndNoMore},
		{"knows the tenant's names for subjects", authzenKnowsTheTenantsNamesForSubjects},
		{"tells obligations and approvals", authzenTellsObligationsAndApprovals},
		{"is a feature", authzenIsAFeature},
		{"records what it answers", authzenRecordsWhatItAnswers},
	} {
		t.Run(step.name, func(t *testing.T) {
			defer w.within(t)()
			step.run(t, w)
		})
	}
}

func authzenSaysWhatIsWrongInAText(t *testing.T, w *world) {
	t.Helper()
	nested := strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat(`}`, 40)
	for body, want := range map[string]string{
		`{` + readAurora + `}`:                                                                         "subject is required",
		`{"subject":{"type":"user"},` + readAurora + `}`:                                               "subject.id is required",
		`{"subject":{"type":"user","id":7},` + readAurora + `}`:                                        "subject.id must be a string",
		`{"subject":{"type":"user","id":""},` + readAurora + `}`:                                       "subject.id ",
		`{"subject":null,` + readAurora + `}`:                                                          "subject ",
		`{` + who("x") + `,"action":{"name":"read"}}`:                                                  "resource is required",
		`{` + who("x") + `,` + readAurora + `,"context":[]}`:                                           "context ",
		`{` + who("x") + `,` + readAurora + `,"Context":{}}`:                                           "Context is not a member that is known here: it is written context",
		`{` + who("x") + `,"subject":{},` + readAurora + `}`:                                           "subject occurs twice",
		`{` + who("x") + `,"x":{"a":1,"a":2},` + readAurora + `}`:                                      "x.a occurs twice",
		`{` + who("x") + `,"x":"` + "\xff" + `",` + readAurora + `}`:                                   "x is not valid UTF-8",
		`{` + who("x") + `,` + readAurora + `,"context":` + nested + `}`:                               "nests deeper",
		`{` + who("x") + `,"action":{"name":"re ad"},"resource":{"type":"V","id":"*"}}`:                "action.name must start with a letter",
		`{` + who("x") + `,` + readAurora + `,"context":{"time":"noon"}}`:                              "context.time must be",
		`{` + who("x") + `,"action":{"name":"read","properties":[]},"resource":{"type":"v","id":"x"}}`: "action.properties ",
	} {
		got := w.evaluate("admin", body, map[string]string{"X-Request-ID": "try 1/{x}"})
		require.Equal(t, http.StatusBadRequest, got.status, "%s: %s", body, got.body)
		require.Contains(t, got.json, want, body)
		require.Equal(t, "application/json", got.header.Get("Content-Type"))
		require.Equal(t, "try 1/{x}", got.header.Get("X-Request-ID"))
	}
	got := w.evaluate("admin", `{`+who("x")+`,`+readAurora+`,"context":{"a":"`+strings.Repeat("x", 2<<20)+`"}}`, nil)
	require.Equal(t, http.StatusRequestEntityTooLarge, got.status)
	require.Contains(t, got.json, "larger than this server accepts")
	w.media = "text/plain"
	defer func() { w.media = "" }()
	got = w.evaluate("admin", `{`+who("x")+`,`+readAurora+`}`, nil)
	require.Equal(t, http.StatusBadRequest, got.status)
	require.Contains(t, got.json, "header.Content-Type")
}

func authzenAnswersAThousandAndNoMore(t *testing.T, w *world) {
	t.Helper()
	many := func(n int, semantic string) *response {
		return w.do(request{as: "admin", method: http.MethodPost, path: "//access/v1/evaluations", body: `{` + who("badge-7") + `,` + readAurora +
			`,"options":{"evaluations_semantic":"` + semantic + `"},"evaluations":[` + strings.TrimSuffix(strings.Repeat(`{},`, n), ",") + `]}`})
	}
	for _, semantic := range []string{"execute_all", "deny_on_first_deny"} {
		got := many(1000, semantic)
		require.Equal(t, http.StatusOK, got.status)
		require.Len(t, got.at("evaluations"), 1000)
	}
	got := many(1001, "execute_all")
	require.Equal(t, http.StatusBadRequest, got.status)
	require.Contains(t, got.json, "evaluations ")
}

// authzenRecordsWhatItAnswers finds a record of every answer, and none of
// evaluations that were left out.
func authzenRecordsWhatItAnswers(t *testing.T, w *world) {
	t.Helper()
	w.do(request{as: "admin", method: http.MethodPost, path: "//access/v1/evaluations", body: `{` + who("badge-7") +
		`,"action":{"name":"read"},"resource":{"type":"vessel","id":"recorded"},"options":{"evaluations_semantic":"deny_on_first_deny"},"evaluations":[{},{"action":{"name":"scrap"}},{"action":{"name":"paint"}}]}`})
	w.evaluate("admin", `{`+who("nobody")+`,`+strings.ReplaceAll(readAurora, "mv-aurora", "recorded")+`}`, nil)
	require.NoError(t, w.stop())
	require.Equal(t, []string{"read true granted", "scrap false condition_failed", "read false subject_unknown"}, w.column(t, `
SELECT question ->> 'action' || ' ' || allowed || ' ' || reason_code
FROM sentinel.decision_logs
WHERE question -> 'resource' ->> 'id' = 'recorded'
ORDER BY id`))
}

// authzenIsAFeature finds it switched off where the tenant is without it.
func authzenIsAFeature(t *testing.T, w *world) {
	t.Helper()
	got := w.do(request{as: "operator", method: http.MethodPatch, path: "/tenants/$alpha", body: `{"features":["webhooks"]}`})
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	for route, e := range authzenExamples() {
		if e.open {
			continue
		}
		got := w.call("admin", http.MethodPost, call{e.path, e.body})
		require.Equal(t, http.StatusForbidden, got.status, route)
		require.Contains(t, got.json, "does not have the feature authzen", route)
	}
	got = w.do(request{as: "operator", method: http.MethodPatch, path: "/tenants/$alpha", body: `{"features":[]}`})
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
}

// authzenKnowsTheTenantsNamesForSubjects changes what accounts are called.
func authzenKnowsTheTenantsNamesForSubjects(t *testing.T, w *world) {
	t.Helper()
	got := w.do(request{as: "admin", method: http.MethodPatch, path: "/tenants/$alpha", body: `{"settings":{"authzen_subject_types":["crew"]}}`})
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	for kind, want := range map[string]bool{"crew": true, "user": false, "identity": false} {
		got := w.evaluate("admin", `{"subject":{"type":"`+kind+`","id":"badge-7"},`+readAurora+`}`, nil)
		require.Equal(t, want, got.at("decision"), kind)
	}
	got = w.do(request{as: "admin", method: http.MethodPatch, path: "/tenants/$alpha", body: `{"settings":{}}`})
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
}

// authzenTellsObligationsAndApprovals publishes a policy that obliges, and a
// chain that guards.
func authzenTellsObligationsAndApprovals(t *testing.T, w *world) {
	t.Helper()
	w.publish("alpha", "watch", `obligations contains {"type": "log"} if input.action == "read"`)
	w.make("", "admin", "", "/approval-chains", `{"name":"scrapping","resource_type":"vessel","resource_pattern":"vessel:old-*","mode":"escalation","approval_levels":[{"level":1,"approvers":{"any_of":[{"role":"$tenant_admin"}]}}]}`)
	got := w.evaluate("admin", `{`+who("badge-7")+`,`+readAurora+`}`, nil)
	require.JSONEq(t, `{"context":{"obligations":[{"policy":"tenant.watch","type":"log"}]},"decision":true}`, string(got.body))
	w.people["sailor"] = [2]string{"ALPHA", "sailor@alpha.example"}
	got = w.evaluate("sailor", `{`+who("badge-7")+`,`+readAurora+`}`, nil)
	require.JSONEq(t, `{"context":{"obligations":[{"type":"log"}]},"decision":true}`, string(got.body), "who is not trusted is not told whose")
	got = w.evaluate("sailor", `{`+who("badge-7")+`,"action":{"name":"scrap"},"resource":{"type":"vessel","id":"old-one"}}`, nil)
	require.Equal(t, false, got.at("decision"))
	require.NotEmpty(t, got.at("context.approval.chain"), "%s", got.body)
}

// TestAuthZEN_NamesItself reads the metadata of a server that knows its address and
// of one that does not.
func TestAuthZEN_NamesItself(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ public, base, keep string }{
		"told":     {"https://pdp.alpha.example/", "https://pdp.alpha.example", "public, max-age=3600"},
		"not told": {"", "", "no-store"},
	} {
		w := startWorld(t, newDatabase(t), func(cfg *app.Config) { cfg.PublicURL = c.public })
		if c.base == "" {
			c.base = w.url
		}
		got := w.do(request{method: http.MethodGet, path: "//.well-known/authzen-configuration", header: map[string]string{"X-Request-ID": "a b"}})
		require.Equal(t, http.StatusOK, got.status, name)
		require.Equal(t, c.keep, got.header.Get("Cache-Control"), name)
		require.Equal(t, "a b", got.header.Get("X-Request-ID"), name)
		require.JSONEq(t, fmt.Sprintf(`{"policy_decision_point":%[1]q,"access_evaluation_endpoint":"%[2]s/access/v1/evaluation","access_evaluations_endpoint":"%[2]s/access/v1/evaluations",
			"search_subject_endpoint":"%[2]s/access/v1/search/subject","search_resource_endpoint":"%[2]s/access/v1/search/resource","search_action_endpoint":"%[2]s/access/v1/search/action"}`, c.base, c.base), string(got.body), name)
	}
}
