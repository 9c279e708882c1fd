package app_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// in is a moment so long from now, for a body.
func in(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }

// levels makes an active approval chain in a tenant, past the route that would
// judge who writes it.
func (w *world) levels(name, tenant, typ, pattern, mode, levels string) {
	w.t.Helper()
	var id string
	err := w.owner.QueryRow(w.t.Context(), `INSERT INTO sentinel.approval_chains (tenant_id, name, resource_type, resource_pattern, mode, approval_levels, max_duration_hours)
VALUES ($1, $2, $3, $4, $5, $6, 48) RETURNING id::text`, w.ids[tenant], name, typ, pattern, mode, w.expand(levels)).Scan(&id)
	require.NoError(w.t, err)
	w.ids[name] = id
}

// askFor is the body of a request for one action on a vessel.
func askFor(id, action, more string) string {
	return `{"request_type":"permission","request_details":{"resource_type":"vessel","resource_id":"` + id + `","action":"` + action + `"},"justification":"to look after her"` + more + `}`
}

// requests makes chains, people who decide, and requests in both root tenants:
// two leads and then a head decide on vessels, a lead alone on roles.
func (w *world) requests() {
	w.t.Helper()
	w.make("leads", "admin", "", "/roles", `{"name":"lead","priority":60}`)
	w.make("heads", "admin", "", "/roles", `{"name":"head","priority":70}`)
	w.make("reading", "admin", "", "/roles", `{"name":"request_reader","priority":40}`)
	w.make("", "admin", "", "/roles/$reading/permissions", `{"permissions":[{"name":"Read requests","resource_type":"api","resource_path":"api/access-requests","actions":["read"]}]}`)
	for _, p := range [][2]string{{"asker", ""}, {"lead", `"$leads"`}, {"second", `"$leads"`}, {"head", `"$heads"`}, {"deputy", ""}, {"onlooker", `"$reading"`}} {
		w.person(p[0], "admin", "", "ALPHA", p[1])
	}
	w.levels("vessels", "alpha", "vessel", "vessel:*", "gate", `[
		{"level":1,"approvers":{"all_of":[{"role":"$leads","min":2}]},"timeout_hours":24,"escalate_to_level":2},
		{"level":2,"approvers":{"any_of":[{"role":"$heads","min":1},{"user":"$admin","min":1}]},"timeout_hours":24}]`)
	w.levels("roles", "alpha", "role", "role:*", "gate", `[{"level":1,"approvers":{"any_of":[{"role":"$leads","min":1}]},"timeout_hours":24}]`)
	w.levels("vessels_b", "beta", "vessel", "vessel:*", "gate", `[{"level":1,"approvers":{"any_of":[{"role":"$reader_b","min":1}]},"timeout_hours":24}]`)
	w.make("request", "asker", "", "/access-requests", askFor("mv-aurora", "scrap", ""))
	w.make("request_b", "admin_b", "", "/access-requests", askFor("mv-aurora", "scrap", ""))
	w.make("delegation", "head", "", "/access-requests/delegations", `{"delegate":"$deputy","to":"`+in(time.Hour)+`"}`)
	w.make("delegation_b", "plain_b", "", "/access-requests/delegations", `{"delegate":"$admin_b","to":"`+in(time.Hour)+`"}`)
}

func requestExamples() map[string]example {
	role := func(id string) string {
		return `{"request_type":"role","request_details":{"role_id":"` + id + `"},"justification":"x"}`
	}
	all := map[string]example{
		"POST /access-requests": {path: "/access-requests", body: askFor("mv-other", "read", ""), free: true, foreign: []call{
			{"/access-requests", askFor("mv-other", "read", `,"beneficiary_id":"$plain_b"`)},
			{"/access-requests", role("$reader_b")},
			{"/access-requests", `{"request_type":"resource_access","request_details":{"resource_type":"app","resource_id":"$fleet_b"},"justification":"x"}`},
		}},
		"GET /access-requests":         {path: "/access-requests", free: true},
		"GET /access-requests/pending": {path: "/access-requests/pending", free: true},
		"GET /access-requests/{id}":    {path: "/access-requests/$request", free: true, foreign: []call{{"/access-requests/$request_b", ""}}},

		"POST /access-requests/delegations": {path: "/access-requests/delegations", body: `{"delegate":"$plain","to":"` + in(time.Hour) + `"}`, free: true, foreign: []call{
			{"/access-requests/delegations", `{"delegate":"$plain_b","to":"` + in(time.Hour) + `"}`},
		}},
		"GET /access-requests/delegations":         {path: "/access-requests/delegations", free: true},
		"DELETE /access-requests/delegations/{id}": {path: "/access-requests/delegations/$delegation", free: true, foreign: []call{{"/access-requests/delegations/$delegation_b", ""}}},
	}
	for _, verb := range []string{"approve", "deny"} {
		all["POST /access-requests/{id}/"+verb] = example{
			path: "/access-requests/$request/" + verb, body: `{"comments":"x"}`, bodyless: true, free: true,
			foreign: []call{{"/access-requests/$request_b/" + verb, `{"comments":"x"}`}},
		}
	}
	for _, verb := range []string{"escalate", "cancel", "revoke"} {
		all["POST /access-requests/{id}/"+verb] = example{
			path: "/access-requests/$request/" + verb, free: true, foreign: []call{{"/access-requests/$request_b/" + verb, ""}},
		}
	}
	return all
}

func requestScenarios() []scenario {
	const (
		ask     = "POST /access-requests"
		list    = "GET /access-requests"
		one     = "GET /access-requests/{id}"
		pending = "GET /access-requests/pending"
		approve = "POST /access-requests/{id}/approve"
		deny    = "POST /access-requests/{id}/deny"
		pass    = "POST /access-requests/{id}/escalate"
		cancel  = "POST /access-requests/{id}/cancel"
		revoke  = "POST /access-requests/{id}/revoke"
		lend    = "POST /access-requests/delegations"
		lent    = "GET /access-requests/delegations"
		unlend  = "DELETE /access-requests/delegations/{id}"
	)
	asked, said := []string{"access_requests"}, []string{"access_requests", "approvals"}
	role := func(id, more string) string {
		return `{"request_type":"role","request_details":{"role_id":"` + id + `"},"justification":"for the audit"` + more + `}`
	}
	return []scenario{
		{name: "one's own list", as: "asker", route: list, status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.id": "$request"}},
		{name: "another's list", as: "lead", route: list, status: 200, want: map[string]any{"meta.pagination.total": 0}},
		{name: "list of all", as: "onlooker", route: list, path: "/access-requests?status=pending&requester=$asker&beneficiary=$asker&chain=$vessels&order=desc", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.status": "pending", "data.0.levels": 2}},
		{name: "list of the expired", as: "onlooker", route: list, path: "/access-requests?status=expired", status: 200, want: map[string]any{"meta.pagination.total": 0}},
		{name: "list of the denied", as: "onlooker", route: list, path: "/access-requests?status=denied", status: 200, want: map[string]any{"meta.pagination.total": 0}},
		{name: "read one's own", as: "asker", route: one, path: "/access-requests/$request", status: 200, want: map[string]any{
			"data.request_type": "permission", "data.request_details.resource_id": "mv-aurora", "data.request_details.action": "scrap", "data.status": "pending", "data.current_level": 1,
			"data.chain_id": "$vessels", "data.chain_name": "vessels", "data.justification": "to look after her", "data.beneficiary_id": "$asker", "data.approval_levels.0.timeout_hours": 24, "data.deciders.0.user_id": "$lead", "data.deciders.1.user_id": "$second", "data.deciders.2": nil, "data.approvals.0": nil,
		}},
		{name: "read as an approver", as: "lead", route: one, path: "/access-requests/$request", status: 200},
		{name: "read another's", as: "plain", route: one, path: "/access-requests/$request", status: 404},
		{name: "read another's by permission", as: "onlooker", route: one, path: "/access-requests/$request", status: 200},
		{name: "what waits for a lead", as: "lead", route: pending, status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.id": "$request"}},
		{name: "what waits for the head", as: "head", route: pending, status: 200, want: map[string]any{"meta.pagination.total": 0}},
		{name: "what waits for whoever asked", as: "asker", route: pending, status: 200, want: map[string]any{"meta.pagination.total": 0}},
		{name: "what waits for another", as: "onlooker", route: pending, path: "/access-requests/pending?approver_id=$second", status: 200, want: map[string]any{"meta.pagination.total": 1}},
		{name: "what waits for another, without the right to know", as: "asker", route: pending, path: "/access-requests/pending?approver_id=$second", status: 403, code: "PERMISSION_DENIED", want: map[string]any{"error.details.required_permission": "api/access-requests:read"}},

		{name: "ask twice", as: "asker", route: ask, body: askFor("mv-aurora", "scrap", ""), status: 409, code: "CONFLICT", want: map[string]any{"error.details.access_request_id": "$request"}},
		{name: "ask for a node by its id", as: "asker", route: ask, body: askFor("$vessel", "read", ""), status: 201, want: map[string]any{"data.node_id": nil, "data.request_details.resource_id": "$vessel"}, audit: []string{"access_request.create success"}, writes: asked},
		{name: "ask for what no chain guards", as: "asker", route: ask, body: `{"request_type":"permission","request_details":{"resource_type":"crane","action":"lift"},"justification":"x"}`, status: 409, code: "CONFLICT"},
		{name: "ask for a section of this API", as: "asker", route: ask, body: `{"request_type":"permission","request_details":{"resource_type":"api","resource_id":"users","action":"read"},"justification":"x"}`, status: 409, code: "CONFLICT"},
		{name: "ask for everything", as: "asker", route: ask, body: askFor("*", "*", ""), status: 400, fields: []string{"request_details.resource_id", "request_details.action"}},
		{name: "ask without a reason", as: "asker", route: ask, body: `{"request_type":"role","request_details":{"role_id":"$reader"},"justification":""}`, status: 400, fields: []string{"justification"}},
		{name: "ask for a role and an action", as: "asker", route: ask, body: `{"request_type":"role","request_details":{"resource_type":"vessel","resource_id":"x","action":"read"},"justification":"x","expires_at":"2020-01-01T00:00:00Z"}`, status: 400, fields: []string{"request_details.role_id", "request_details.resource_type", "request_details.resource_id", "request_details.action", "expires_at"}},
		{name: "ask for longer than the chain gives", as: "asker", route: ask, body: `{"request_type":"permission","request_details":{"resource_type":"vessel","action":"read","duration_hours":49},"justification":"x"}`, status: 400, fields: []string{"request_details.duration_hours"}},
		{name: "ask for another", as: "asker", route: ask, body: askFor("mv-aurora", "read", `,"beneficiary_id":"$plain"`), status: 403, code: "PERMISSION_DENIED", want: map[string]any{"error.details.required_permission": "api/access-requests:create"}},
		{name: "ask for another by permission", as: "admin", route: ask, body: askFor("mv-aurora", "paint", `,"beneficiary_id":"$plain"`), status: 201, save: "painting", want: map[string]any{"data.requester_id": "$admin", "data.beneficiary_id": "$plain"}, audit: []string{"access_request.create success"}, writes: asked},
		{name: "ask in another tenant", as: "operator", header: map[string]string{"X-Tenant-ID": "$alpha"}, route: ask, body: askFor("mv-aurora", "paint", ""), status: 409, code: "CONFLICT"},
		{name: "ask for a role that reaches beyond the tenant", as: "asker", route: ask, body: role("$super_admin", ""), status: 404, fields: []string{"request_details.role_id"}},
		{name: "ask to administer by a chain for every role", as: "asker", route: ask, body: role("$tenant_admin", ""), status: 409, code: "CONFLICT"},

		{name: "nobody approves their own", as: "asker", route: approve, path: "/access-requests/$request/approve", status: 403, code: "PERMISSION_DENIED", audit: []string{"access_request.approve denied"}},
		{name: "no permission makes an approver", as: "admin", route: approve, path: "/access-requests/$request/approve", status: 403, audit: []string{"access_request.approve denied"}},
		{name: "whoever may only read does not decide", as: "onlooker", route: deny, path: "/access-requests/$request/deny", status: 403, audit: []string{"access_request.deny denied"}},
		{name: "a stranger is told nothing", as: "plain", route: approve, path: "/access-requests/$request/approve", status: 404},
		{name: "an approver of a later level", as: "head", route: approve, path: "/access-requests/$request/approve", status: 404},
		{name: "approve what was another", as: "lead", route: approve, path: "/access-requests/$request/approve", header: map[string]string{"If-Match": `"stale"`}, status: 412},
		{name: "first approval", as: "lead", route: approve, path: "/access-requests/$request/approve", body: `{"comments":"knows her well"}`, status: 200, want: map[string]any{"data.status": "pending", "data.current_level": 1, "data.approvals.0.approver_id": "$lead", "data.approvals.0.comments": "knows her well", "data.deciders.0.user_id": "$second", "data.deciders.1": nil}, audit: []string{"access_request.approve success"}, writes: said},
		{name: "the same again", as: "lead", route: approve, path: "/access-requests/$request/approve", status: 409, code: "CONFLICT"},
		{name: "the first denies after all", as: "lead", route: deny, path: "/access-requests/$request/deny", status: 409, code: "CONFLICT"},
		{name: "second approval", as: "second", route: approve, path: "/access-requests/$request/approve", status: 200, want: map[string]any{"data.status": "pending", "data.current_level": 2, "data.deciders.0.user_id": "$admin", "data.deciders.1.user_id": "$head", "data.deciders.2.user_id": "$deputy", "data.deciders.2.for": "$head"}, audit: []string{"access_request.approve success"}, writes: said},
		{name: "an approver of an earlier level", as: "second", route: approve, path: "/access-requests/$request/approve", status: 403, audit: []string{"access_request.approve denied"}},
		{name: "what waits for the delegate", as: "deputy", route: pending, status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.id": "$request"}},
		{name: "revoke what is not approved", as: "asker", route: revoke, path: "/access-requests/$request/revoke", status: 409, code: "CONFLICT"},
		{name: "last approval by a delegate", as: "deputy", route: approve, path: "/access-requests/$request/approve", status: 200, want: map[string]any{"data.status": "approved", "data.approvals.2.approver_id": "$deputy", "data.approvals.2.delegated_from": "$head", "data.deciders.0": nil, "data.level_due_at": nil}, audit: []string{"access_request.approve success"}, writes: said},
		{name: "approve what is decided", as: "head", route: approve, path: "/access-requests/$request/approve", status: 409, code: "CONFLICT"},
		{name: "cancel what is decided", as: "asker", route: cancel, path: "/access-requests/$request/cancel", status: 409, code: "CONFLICT"},
		{name: "a stranger revokes", as: "plain", route: revoke, path: "/access-requests/$request/revoke", status: 404},
		{name: "a reader revokes", as: "onlooker", route: revoke, path: "/access-requests/$request/revoke", status: 403, audit: []string{"access_request.revoke denied"}},
		{name: "an approver revokes", as: "lead", route: revoke, path: "/access-requests/$request/revoke", status: 200, want: map[string]any{"data.status": "revoked"}, audit: []string{"access_request.revoke success"}, writes: asked},
		{name: "revoke again", as: "asker", route: revoke, path: "/access-requests/$request/revoke", status: 409, code: "CONFLICT"},
		{name: "ask again", as: "asker", route: ask, body: askFor("mv-aurora", "scrap", ""), status: 201, save: "again", audit: []string{"access_request.create success"}, writes: asked},

		{name: "whoever asked passes on", as: "asker", route: pass, path: "/access-requests/$again/escalate", status: 403, audit: []string{"access_request.escalate denied"}},
		{name: "a reader passes on", as: "onlooker", route: pass, path: "/access-requests/$again/escalate", status: 403, audit: []string{"access_request.escalate denied"}},
		{name: "an approver passes on", as: "lead", route: pass, path: "/access-requests/$again/escalate", status: 200, want: map[string]any{"data.current_level": 2, "data.approvals.0.decision": "escalated"}, audit: []string{"access_request.escalate success"}, writes: said},
		{name: "there is nowhere to pass on to", as: "head", route: pass, path: "/access-requests/$again/escalate", status: 409, code: "CONFLICT"},
		{name: "deny", as: "head", route: deny, path: "/access-requests/$again/deny", body: `{"comments":"not today"}`, status: 200, want: map[string]any{"data.status": "denied"}, audit: []string{"access_request.deny success"}, writes: said},
		{name: "pass on by permission", as: "admin", route: pass, path: "/access-requests/$painting/escalate", status: 403, audit: []string{"access_request.escalate denied"}},
		{name: "an administrator asks for nobody's decision", as: "admin", route: pass, path: "/access-requests/$absent/escalate", status: 404},
		{name: "ask for a lighter one", as: "asker", route: ask, body: askFor("mv-light", "paint", ""), status: 201, save: "light", audit: []string{"access_request.create success"}, writes: asked},
		{name: "pass on another's by permission", as: "admin", route: pass, path: "/access-requests/$light/escalate", status: 200, want: map[string]any{"data.current_level": 2, "data.approvals.0.approver_id": "$admin"}, audit: []string{"access_request.escalate success"}, writes: said},
		{name: "whoever passed on has had their say", as: "admin", route: approve, path: "/access-requests/$light/approve", status: 409, code: "CONFLICT"},
		{name: "cancel by permission", as: "admin", route: cancel, path: "/access-requests/$light/cancel", status: 200, audit: []string{"access_request.cancel success"}, writes: asked},
		{name: "whoever would gain takes it back", as: "plain", route: cancel, path: "/access-requests/$painting/cancel", status: 200, want: map[string]any{"data.status": "cancelled"}, audit: []string{"access_request.cancel success"}, writes: asked},

		{name: "ask for a role", as: "asker", route: ask, body: role("$inspector", `,"expires_at":"`+in(time.Hour)+`"`), status: 201, save: "role_request", want: map[string]any{"data.request_type": "role", "data.request_details.role_id": "$inspector", "data.chain_id": "$roles"}, audit: []string{"access_request.create success"}, writes: asked},
		{name: "a reader cancels", as: "onlooker", route: cancel, path: "/access-requests/$role_request/cancel", status: 403, audit: []string{"access_request.cancel denied"}},
		{name: "the role is given", as: "lead", route: approve, path: "/access-requests/$role_request/approve", status: 200, want: map[string]any{"data.status": "approved"}, audit: []string{"access_request.approve success"}, writes: []string{"access_requests", "approvals", "user_roles"}},
		{name: "the role is had", as: "admin", route: "GET /users/{id}/roles", path: "/users/$asker/roles", status: 200, want: map[string]any{"data.0.role_id": "$inspector", "data.0.granted_by": "$lead", "data.1": nil}},
		{name: "the role is given up", as: "asker", route: revoke, path: "/access-requests/$role_request/revoke", status: 200, want: map[string]any{"data.status": "revoked"}, audit: []string{"access_request.revoke success"}, writes: []string{"access_requests", "user_roles"}},
		{name: "the role is gone", as: "admin", route: "GET /users/{id}/roles", path: "/users/$asker/roles", status: 200, want: map[string]any{"data.0": nil}},

		{name: "lend one's word", as: "lead", route: lend, body: `{"delegate":"$plain","to":"` + in(time.Hour) + `"}`, status: 201, save: "loan", want: map[string]any{"data.delegator": "$lead", "data.delegate": "$plain"}, audit: []string{"approval_delegation.create success"}, writes: []string{"approval_delegations"}},
		{name: "lend it to oneself", as: "lead", route: lend, body: `{"delegate":"$lead","to":"` + in(time.Hour) + `"}`, status: 400, fields: []string{"delegate"}},
		{name: "lend it for long", as: "lead", route: lend, body: `{"delegate":"$plain","to":"` + in(91*24*time.Hour) + `"}`, status: 400, fields: []string{"to"}},
		{name: "lend it in years", as: "lead", route: lend, body: `{"delegate":"$plain","from":"` + in(400*24*time.Hour) + `","to":"` + in(401*24*time.Hour) + `"}`, status: 400, fields: []string{"from"}},
		{name: "lend it backwards", as: "lead", route: lend, body: `{"delegate":"$plain","from":"` + in(2*time.Hour) + `","to":"` + in(time.Hour) + `"}`, status: 400, fields: []string{"to"}},
		{name: "lend it until yesterday", as: "lead", route: lend, body: `{"delegate":"$plain","to":"` + in(-time.Hour) + `"}`, status: 400, fields: []string{"to"}},
		{name: "an operator has no word to lend in a tenant", as: "operator", header: map[string]string{"X-Tenant-ID": "$alpha"}, route: lend, body: `{"delegate":"$plain","to":"` + in(time.Hour) + `"}`, status: 409},
		{name: "one's delegations", as: "plain", route: lent, path: "/access-requests/delegations?active=true", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.id": "$loan"}},
		{name: "all delegations", as: "onlooker", route: lent, path: "/access-requests/delegations?order=desc", status: 200, want: map[string]any{"meta.pagination.total": 2, "data.0.id": "$loan"}},
		{name: "delegations that are not under way", as: "onlooker", route: lent, path: "/access-requests/delegations?active=false", status: 200, want: map[string]any{"meta.pagination.total": 0}},
		{name: "a stranger ends a delegation", as: "asker", route: unlend, path: "/access-requests/delegations/$loan", status: 404},
		{name: "a reader ends a delegation", as: "onlooker", route: unlend, path: "/access-requests/delegations/$loan", status: 403, audit: []string{"approval_delegation.delete denied"}},
		{name: "the delegate gives it back, as it was", as: "plain", route: unlend, path: "/access-requests/delegations/$loan", header: map[string]string{"If-Match": `"stale"`}, status: 412},
		{name: "the delegate gives it back", as: "plain", route: unlend, path: "/access-requests/delegations/$loan", status: 204, audit: []string{"approval_delegation.delete success"}, writes: []string{"approval_delegations"}},
		{name: "by permission", as: "admin", route: unlend, path: "/access-requests/delegations/$delegation", status: 204, audit: []string{"approval_delegation.delete success"}, writes: []string{"approval_delegations"}},
	}
}

func TestScenarios_Requests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.requests()
	w.play(t, requestScenarios())
	for _, secret := range []string{"look after her", "knows her well", "not today"} {
		require.Empty(t, w.column(t, "SELECT action FROM sentinel.audit_logs WHERE changes::text || error_details::text LIKE '%' || $1 || '%'", secret), "people's own words go with the request")
	}
}

// decide approves, denies or does what else the verb says, and returns the answer.
func (w *world) decide(as, verb, id string) *response {
	w.t.Helper()
	return w.do(request{as: as, method: http.MethodPost, path: "/access-requests/" + id + "/" + verb})
}

func (w *world) ask(as, body string) string {
	w.t.Helper()
	answer := w.do(request{as: as, method: http.MethodPost, path: "/access-requests", body: body})
	require.Equal(w.t, http.StatusCreated, answer.status, "%s", answer.body)
	return answer.at("data.id").(string)
}

func TestRequests_AreFewForOnePerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.requests()
	for i := range 19 {
		w.ask("asker", askFor("mv-"+strings.Repeat("x", i+1), "read", ""))
	}
	got := w.do(request{as: "asker", method: http.MethodPost, path: "/access-requests", body: askFor("mv-last", "read", "")})
	require.Equal(t, http.StatusConflict, got.status, "%s", got.body)
	require.Contains(t, got.at("error.message"), "20 requests wait")
	require.Equal(t, http.StatusOK, w.decide("asker", "cancel", "$request").status)
	w.ask("asker", askFor("mv-last", "read", ""))
}

// Without the feature every call of the section is refused, to administrators
// too.
func TestRequests_AreAFeature(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.requests()
	got := w.do(request{as: "operator", method: http.MethodPatch, path: "/tenants/$alpha", body: `{"features":["navigation"]}`})
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	for route, e := range requestExamples() {
		method, _, _ := strings.Cut(route, " ")
		w.unchanged(t, func() {
			got := w.do(request{as: "admin", method: method, path: e.path, body: e.body})
			require.Equal(t, http.StatusForbidden, got.status, "%s: %s", route, got.body)
			require.Equal(t, "FEATURE_DISABLED", got.at("error.code"), route)
		})
	}
}

// TestRequests_WriteToWhoIsToDecide follows the mails of one request: to those
// who may decide it at each level, then to whoever asked.
func TestRequests_WriteToWhoIsToDecide(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.requests()
	sent := func(subject string, to ...string) {
		t.Helper()
		var got []letter
		require.Eventually(t, func() bool {
			got = slices.DeleteFunc(w.letters(), func(l letter) bool { return l.Subject != subject || !strings.HasSuffix(l.To, "@alpha.example") })
			return len(got) == len(to)
		}, 10*time.Second, 20*time.Millisecond, "%s: %v", subject, w.letters())
		for i := range to {
			to[i] += "@alpha.example"
		}
		var addresses []string
		for _, l := range got {
			addresses = append(addresses, l.To)
			require.Contains(t, l.Text, "scrap on vessel mv-aurora")
			require.Contains(t, l.Text, "GET /api/v1/access-requests/{id}:\n"+w.ids["request"]+"\n")
			require.NotContains(t, l.Text, "look after her", "what people write is for those who log in")
		}
		require.ElementsMatch(t, to, addresses)
	}
	const waits = "A request waits for your decision"
	sent(waits, "lead", "second")
	w.approves(t, "lead", "$request")
	w.approves(t, "second", "$request")
	sent(waits, "lead", "second", "admin", "head", "deputy")
	w.approves(t, "head", "$request")
	sent("Your request was approved", "asker")
	require.Equal(t, http.StatusOK, w.decide("asker", "revoke", "$request").status)
	sent("Your access was revoked", "asker")
}

// A role that was asked for is not lost by whoever gives it up, where the tenant
// would be without an administrator.
func TestRequests_LeaveAnAdministrator(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.requests()
	w.levels("administration", "alpha", "role", "role:tenant_admin", "gate", `[{"level":1,"approvers":{"any_of":[{"user":"$lead","min":1}]},"timeout_hours":1}]`)
	w.exec("UPDATE sentinel.approval_chains SET max_duration_hours = NULL WHERE id = $1", w.ids["administration"])
	role := `{"request_type":"role","request_details":{"role_id":"$tenant_admin"},"justification":"x"}`
	w.ids["administers"] = w.ask("asker", role)
	w.approves(t, "lead", "$administers")
	got := w.do(request{as: "asker", method: http.MethodPost, path: "/access-requests", body: role})
	require.Equal(t, http.StatusConflict, got.status, "they have it: %s", got.body)
	require.Equal(t, http.StatusNoContent, w.do(request{as: "asker", method: http.MethodDelete, path: "/users/$admin/roles/$tenant_admin"}).status)
	for _, who := range []string{"asker", "lead"} {
		got := w.decide(who, "revoke", "$administers")
		require.Equal(t, http.StatusConflict, got.status, "%s: %s", who, got.body)
	}
	require.Equal(t, []string{"approved"}, w.column(t, "SELECT status FROM sentinel.access_requests WHERE id = $1", w.ids["administers"]))
	w.make("", "asker", "", "/users/$admin/roles", `{"role_id":"$tenant_admin"}`)
	require.Equal(t, http.StatusOK, w.decide("lead", "revoke", "$administers").status)
}

// An assignment that lasts longer than what was approved stays, one that ends
// before is replaced, and a role that cannot be given any more is not.
func TestRequests_GiveARoleForItsTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.requests()
	ask := func(name, until string) {
		w.ids[name] = w.ask("asker", `{"request_type":"role","request_details":{"role_id":"$reader"},"justification":"x","expires_at":"`+until+`"}`)
	}
	assigned := func() []string {
		return w.column(t, "SELECT to_char(expires_at - now(), 'HH24') || ' ' || (source_request_id IS NOT NULL) FROM sentinel.user_roles WHERE user_id = $1", w.ids["asker"])
	}
	w.make("", "admin", "", "/users/$asker/roles", `{"role_id":"$reader","expires_at":"`+in(10*time.Hour+time.Minute)+`"}`)
	ask("shorter", in(2*time.Hour))
	w.approves(t, "lead", "$shorter")
	require.Equal(t, []string{"10 false"}, assigned())
	require.Equal(t, http.StatusOK, w.decide("asker", "revoke", "$shorter").status)
	require.Equal(t, []string{"10 false"}, assigned(), "what was not given by the request is not taken with it")

	ask("longer", in(20*time.Hour+time.Minute))
	w.approves(t, "lead", "$longer")
	require.Equal(t, []string{"20 true"}, assigned())
	require.Equal(t, http.StatusOK, w.decide("admin", "revoke", "$longer").status)
	require.Empty(t, assigned())

	ask("late", in(time.Hour))
	require.Equal(t, http.StatusOK, w.do(request{as: "admin", method: http.MethodPatch, path: "/roles/$reader", body: `{"is_assignable":false}`}).status)
	require.Equal(t, http.StatusConflict, w.decide("lead", "approve", "$late").status)
	require.Empty(t, assigned())
	got := w.do(request{as: "plain", method: http.MethodPost, path: "/access-requests", body: `{"request_type":"role","request_details":{"role_id":"$reader"},"justification":"x"}`})
	require.Equal(t, http.StatusConflict, got.status, "%s", got.body)
}
