package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// chains makes an approval chain in each of the root tenants; and in alpha
// "keeper", who may write chains by the route's permission and is no
// administrator, "approver" of the system role, and the service account
// "errand".
func (w *world) chains() {
	w.t.Helper()
	w.ids["approving"] = "00000000-0000-0000-0000-000000000014"
	w.make("chain", "admin", "", "/approval-chains", `{"name":"Secrets","resource_type":"secret","approval_levels":[{"level":1,"approver_role":"$inspector"},{"level":2,"approvers":{"any_of":[{"user":"$admin"}]}}]}`)
	w.make("chain_b", "admin_b", "", "/approval-chains", `{"name":"Secrets","resource_type":"secret","approval_levels":[{"level":1,"approver_role":"$inspector_b"}]}`)
	w.make("keepers", "admin", "", "/roles", `{"name":"keeper","priority":50}`)
	w.make("", "admin", "", "/roles/$keepers/permissions", `{"permissions":[{"name":"Chains","resource_type":"api","resource_path":"api/approval-chains","actions":["*"]}]}`)
	w.person("keeper", "admin", "", "ALPHA", `"$keepers"`)
	w.person("approver", "admin", "", "ALPHA", `"$approving"`)
	w.make("errand", "admin", "", "/service-accounts", `{"name":"errand"}`)
}

// level is a list of one level with the approvers given.
func level(members string) string { return `"approval_levels":[{"level":1,` + members + `}]` }

func chainExamples() map[string]example {
	const one = `"approval_levels":[{"level":1,"approver_role":"$reader"}]`
	another := strings.Replace(one, "$reader", "$reader_b", 1)
	users := `"approval_levels":[{"level":1,"approvers":{"all_of":[{"user":"$plain_b"}]}}]`
	create := func(levels string) string { return `{"name":"new","resource_type":"invoice",` + levels + `}` }
	return map[string]example{
		"GET /approval-chains": {path: "/approval-chains"},
		"POST /approval-chains": {path: "/approval-chains", body: create(one), foreign: []call{
			{"/approval-chains", create(another)},
			{"/approval-chains", create(`"approval_levels":[{"level":1,"approvers":{"any_of":[{"role":"$reader"},{"role":"$reader_b"}]}}]`)},
			{"/approval-chains", create(users)},
		}},
		"GET /approval-chains/{id}": {path: "/approval-chains/$chain", foreign: []call{{"/approval-chains/$chain_b", ""}}},
		"PATCH /approval-chains/{id}": {path: "/approval-chains/$chain", body: `{"description":"x"}`, foreign: []call{
			{"/approval-chains/$chain_b", `{"description":"x"}`}, {"/approval-chains/$chain", `{` + another + `}`}, {"/approval-chains/$chain", `{` + users + `}`},
		}},
		"DELETE /approval-chains/{id}":     {path: "/approval-chains/$chain", foreign: []call{{"/approval-chains/$chain_b", ""}}},
		"GET /approval-chains/{id}/status": {path: "/approval-chains/$chain/status", foreign: []call{{"/approval-chains/$chain_b/status", ""}}},
	}
}

func chainScenarios() []scenario {
	const (
		list = "GET /approval-chains"
		add  = "POST /approval-chains"
		read = "GET /approval-chains/{id}"
		one  = "PATCH /approval-chains/{id}"
		gone = "DELETE /approval-chains/{id}"
	)
	written := []string{"approval_chains"}
	plain := level(`"approver_role":"$reader"`)
	named := func(name, members string) string {
		return `{"name":"` + name + `","resource_type":"invoice",` + members + `}`
	}
	return []scenario{
		{name: "list", as: "keeper", route: list, path: "/approval-chains?sort=name", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.id": "$chain"}},
		{name: "list by what they are", as: "admin", route: list, path: "/approval-chains?resource_type=secret&mode=gate&is_active=true&search=SECR", status: 200, want: map[string]any{"meta.pagination.total": 1}},
		{name: "list none", as: "admin", route: list, path: "/approval-chains?mode=escalation", status: 200, want: map[string]any{"meta.pagination.total": 0}},
		{name: "read", as: "approver", route: read, path: "/approval-chains/$chain", status: 200, want: map[string]any{
			"data.resource_pattern": "*", "data.mode": "gate", "data.is_active": true, "data.max_duration_hours": nil, "data.auto_approve_conditions": "map[]", "data.created_by": "$admin",
			"data.approval_levels.0.approvers.any_of.0.role": "$inspector", "data.approval_levels.0.approvers.any_of.0.min": 1, "data.approval_levels.0.timeout_hours": 48,
			"data.approval_levels.0.approver_role": nil, "data.approval_levels.1.approvers.any_of.0.user": "$admin", "data.approval_levels.1.final": true,
		}},

		{name: "status", as: "keeper", route: "GET /approval-chains/{id}/status", path: "/approval-chains/$chain/status", status: 200, want: map[string]any{"data.is_active": true, "data.requests.pending": 0, "data.waiting": "[]", "data.levels.1.level": 2}},

		{name: "create", as: "admin", route: add, body: `{"name":"Invoices","description":"Above a limit","resource_type":"invoice","resource_pattern":"invoice:eu/*","mode":"escalation","max_duration_hours":24,
			"auto_approve_conditions":{"resource.attributes.amount":{"lt":100},"subject.attributes.level":{"gte":{"ref":"resource.attributes.level"}},"context.time":{"weekday":["mon"]},"tenant.code":"ALPHA","action.name":["read"]},
			"approval_levels":[{"level":1,"approver_role":"$reader","min_approvals":2,"timeout_hours":1,"escalate_to_level":2},{"level":2,"approvers":{"all_of":[{"role":"$inspector","min":3},{"user":"$plain"},{"role":"$approving"}]}}]}`, status: 201, save: "invoices", want: map[string]any{
			"data.mode": "escalation", "data.max_duration_hours": 24, "data.approval_levels.0.escalate_to_level": 2, "data.approval_levels.0.approvers.any_of.0.min": 2,
			"data.approval_levels.1.approvers.all_of.0.min": 3, "data.approval_levels.1.approvers.all_of.1.user": "$plain", "data.auto_approve_conditions.tenant.code": nil,
		}, audit: []string{"approval_chain.create success"}, writes: written},
		{name: "create for roles", as: "admin", route: add, body: `{"name":"Inspectors","resource_type":"role","resource_pattern":"role:inspector",` + plain + `}`, status: 201, save: "for_roles", audit: []string{"approval_chain.create success"}, writes: written},
		{name: "create for everything", as: "admin", route: add, body: `{"name":"Everything","resource_type":"*","is_active":false,` + plain + `}`, status: 201, save: "everything", want: map[string]any{"data.is_active": false}, audit: []string{"approval_chain.create success"}, writes: written},
		{name: "create in a sub-tenant", as: "admin", header: map[string]string{"X-Tenant-ID": "$sub"}, route: add, body: `{"name":"Secrets","resource_type":"secret",` + level(`"approver_role":"$approving"`) + `}`, status: 201, audit: []string{"approval_chain.create success"}, writes: written},
		{name: "create in a sub-tenant that inherits nothing", as: "admin", header: map[string]string{"X-Tenant-ID": "$sub"}, route: add, body: `{"name":"Others","resource_type":"secret",` + plain + `}`, status: 404, fields: []string{"approval_levels[0].approver_role"}},
		{name: "create again", as: "admin", route: add, body: named("Invoices", plain), status: 409, code: "CONFLICT", fields: []string{"name"}},
		{name: "create for the platform's sections", as: "admin", route: add, body: `{"name":"x","resource_type":"api",` + plain + `}`, status: 400, fields: []string{"resource_type"}},
		{name: "create with strange members", as: "admin", route: add, body: `{"name":"x","resource_type":"Invoice","resource_pattern":"a\\b","mode":"maybe","max_duration_hours":0,` + plain + `}`, status: 400, fields: []string{"max_duration_hours", "mode"}},
		{name: "create with a strange type", as: "admin", route: add, body: `{"name":"x","resource_type":"In-voice",` + plain + `}`, status: 400, fields: []string{"resource_type"}},
		{name: "create with another type's pattern", as: "admin", route: add, body: `{"name":"x","resource_type":"invoice","resource_pattern":"vessel:*",` + plain + `}`, status: 400, fields: []string{"resource_pattern"}},
		{name: "create with a strange pattern", as: "admin", route: add, body: `{"name":"x","resource_type":"invoice","resource_pattern":"a\\b",` + plain + `}`, status: 400, fields: []string{"resource_pattern"}},
		{name: "create with levels that cannot be", as: "admin", route: add, body: named("x", `"approval_levels":[{"level":2,"approver_role":"$reader"},{"level":2},{"level":3,"approver_role":"$reader","escalate_to_level":2},{"level":4,"approvers":{"any_of":[{"user":"$plain","min":2},{}]}}]`), status: 400, fields: []string{
			"approval_levels[0].level", "approval_levels[1].approvers", "approval_levels[2].escalate_to_level", "approval_levels[3].approvers.any_of[0].min", "approval_levels[3].approvers.any_of[1]",
		}},
		{name: "create with no levels", as: "admin", route: add, body: named("x", `"approval_levels":[]`), status: 400, fields: []string{"approval_levels"}},
		{name: "create with conditions on what the caller says", as: "admin", route: add, body: named("x", plain+`,"auto_approve_conditions":{"context.ip":"10.0.0.1","action.amount":1,"all_of":[{"amount":{"lt":{"ref":"context.limit"}}}],"not":{"context.workflow_state":"draft"},"subject.id":{"like":"x"}}`), status: 400, fields: []string{
			"auto_approve_conditions.context.ip", "auto_approve_conditions.action.amount", "auto_approve_conditions.all_of[0].amount.lt.ref", "auto_approve_conditions.not.context.workflow_state", "auto_approve_conditions.subject.id.like",
		}},
		{name: "create for roles with conditions", as: "admin", route: add, body: `{"name":"x","resource_type":"role","auto_approve_conditions":{"subject.id":{"exists":true}},` + plain + `}`, status: 400, fields: []string{"auto_approve_conditions"}},
		{name: "create with a service account", as: "admin", route: add, body: named("x", level(`"approvers":{"any_of":[{"user":"$errand"}]}`)), status: 404, fields: []string{"approval_levels[0].approvers.any_of[0].user"}},
		{name: "create with what nobody has", as: "admin", route: add, body: named("x", `"approval_levels":[{"level":1,"approver_role":"$absent"},{"level":2,"approvers":{"all_of":[{"role":"$super_admin"},{"role":"$reader"}]}}]`), status: 404, fields: []string{
			"approval_levels[0].approver_role", "approval_levels[1].approvers.all_of[0].role",
		}},

		{name: "a keeper creates", as: "keeper", route: add, body: named("x", plain), status: 403, code: "PERMISSION_DENIED", audit: []string{"approval_chain.create denied"}},
		{name: "a keeper names another tenant's role", as: "keeper", route: add, body: named("x", level(`"approver_role":"$reader_b"`)), status: 403, audit: []string{"approval_chain.create denied"}},
		{name: "a keeper changes", as: "keeper", route: one, path: "/approval-chains/$chain", body: `{"description":"mine"}`, status: 403, audit: []string{"approval_chain.update denied"}},
		{name: "a keeper switches off", as: "keeper", route: one, path: "/approval-chains/$chain", body: `{"is_active":false}`, status: 403, audit: []string{"approval_chain.update denied"}},
		{name: "a keeper deletes", as: "keeper", route: gone, path: "/approval-chains/$chain", status: 403, audit: []string{"approval_chain.delete denied"}},
		{name: "a user manager creates", as: "manager", route: add, body: named("x", plain), status: 403, code: "PERMISSION_DENIED"},
		{name: "an approver creates", as: "approver", route: add, body: named("x", plain), status: 403, code: "PERMISSION_DENIED"},
		{name: "an approver deletes", as: "approver", route: gone, path: "/approval-chains/$chain", status: 403},

		{name: "update", as: "admin", route: one, path: "/approval-chains/$invoices", body: `{"name":"Bills","description":null,"resource_type":"bill","resource_pattern":null,"mode":"gate","max_duration_hours":null,"auto_approve_conditions":null,"approval_levels":[{"level":1,"approver_role":"$inspector"}]}`, status: 200, want: map[string]any{
			"data.name": "Bills", "data.description": "", "data.resource_type": "bill", "data.resource_pattern": "*", "data.mode": "gate", "data.max_duration_hours": nil,
			"data.auto_approve_conditions": "map[]", "data.approval_levels.0.approvers.any_of.0.role": "$inspector", "data.approval_levels.1": nil,
		}, audit: []string{"approval_chain.update success"}, writes: written},
		{name: "update what the type no longer fits", as: "admin", route: one, path: "/approval-chains/$for_roles", body: `{"resource_type":"invoice"}`, status: 400, fields: []string{"resource_pattern"}},
		{name: "update to a taken name", as: "admin", route: one, path: "/approval-chains/$invoices", body: `{"name":"Secrets"}`, status: 409, fields: []string{"name"}},
		{name: "update to levels that cannot be", as: "admin", route: one, path: "/approval-chains/$invoices", body: `{"approval_levels":[{"level":1}]}`, status: 400, fields: []string{"approval_levels[0].approvers"}},
		{name: "update to conditions on what the caller says", as: "admin", route: one, path: "/approval-chains/$invoices", body: `{"auto_approve_conditions":{"context.ip":"10.0.0.1"}}`, status: 400, fields: []string{"auto_approve_conditions.context.ip"}},
		{name: "switch off", as: "admin", route: one, path: "/approval-chains/$chain", body: `{"is_active":false}`, status: 200, want: map[string]any{"data.is_active": false}, audit: []string{"approval_chain.update success"}, writes: written},
		{name: "delete", as: "admin", route: gone, path: "/approval-chains/$invoices", status: 204, audit: []string{"approval_chain.delete success"}, writes: written},
		{name: "delete again", as: "admin", route: gone, path: "/approval-chains/$invoices", status: 404},
	}
}

func TestScenarios_Chains(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.chains()
	w.play(t, chainScenarios())

	// What was switched off or deleted says what it guarded.
	details := strings.Join(w.column(t, "SELECT error_details::text FROM sentinel.audit_logs WHERE action IN ('approval_chain.update', 'approval_chain.delete') AND result = 'success' ORDER BY created_at, id"), "\n")
	require.Contains(t, details, `"resource_type": "secret"`)
	require.Contains(t, details, `"resource_type": "bill"`)
	require.Contains(t, details, `"pending_requests": 0`)
}

// requested stores an access request through a chain, behind the server's back.
func (w *world) requested(chain, status string, level int, took string) string {
	w.t.Helper()
	var id string
	err := w.owner.QueryRow(w.t.Context(), `
INSERT INTO sentinel.access_requests (tenant_id, requester_id, beneficiary_id, request_type, request_details, chain_id, current_level, status, created_at, decided_at)
VALUES ($1, $2, $2, 'permission', jsonb_build_object('resource_type', 'secret', 'resource_id', gen_random_uuid()), $3, $4, $5, now() - interval '1 day', now() - interval '1 day' + $6::interval)
RETURNING id::text`, w.ids["alpha"], w.ids["plain"], w.ids[chain], level, status, took).Scan(&id)
	require.NoError(w.t, err)
	return id
}

func TestChainStatus_ShowsWhatWaitsAndWhetherItCanBeDecided(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.chains()
	status := func(name string) *response {
		got := w.do(request{as: "keeper", method: http.MethodGet, path: "/approval-chains/$" + name + "/status"})
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
		return got
	}
	first := status("chain")
	require.Equal(t, "0", fmt.Sprint(first.at("data.requests.pending")))
	require.Nil(t, first.at("data.median_decision_seconds"))
	require.Equal(t, false, first.at("data.levels.0.enough_approvers"), "nobody is an inspector")
	require.Equal(t, true, first.at("data.levels.1.enough_approvers"))

	w.make("", "admin", "", "/groups/$ops/roles", `{"role_ids":["$inspector"]}`)
	w.make("", "admin", "", "/groups/$east/users", `{"user_ids":["$plain"]}`)
	w.make("", "admin", "", "/users/$errand/roles", `{"role_id":"$inspector"}`)
	waits := w.requested("chain", "pending", 2, "1 hour")
	for _, seconds := range []string{"60", "120", "600"} {
		w.requested("chain", "approved", 2, seconds+" seconds")
	}
	w.requested("chain", "expired", 1, "20 hours")
	second := status("chain")
	for path, want := range map[string]any{
		"data.requests.pending": 1, "data.requests.approved": 3, "data.requests.expired": 1, "data.requests.denied": 0, "data.median_decision_seconds": 120,
		"data.waiting.0.id": waits, "data.waiting.0.current_level": 2, "data.levels.0.pending": 0, "data.levels.1.pending": 1,
		"data.levels.0.enough_approvers": true, "data.levels.0.approvers.0.eligible": 1, "data.levels.0.approvers.0.role": w.ids["inspector"],
		"data.levels.1.approvers.0.user": w.ids["admin"], "data.levels.1.approvers.0.eligible": 1,
	} {
		require.Equal(t, fmt.Sprint(want), fmt.Sprint(second.at(path)), "%s in %s", path, second.body)
	}
	w.make("", "admin", "", "/users/$plain/lock", `{"reason":"away"}`)
	require.Equal(t, false, status("chain").at("data.levels.0.enough_approvers"), "a locked account decides nothing")
	require.Equal(t, http.StatusNotFound, w.do(request{as: "admin_b", method: http.MethodGet, path: "/approval-chains/$chain/status"}).status)

	// Nobody could decide what waits without the chain.
	refused := w.do(request{as: "admin", method: http.MethodDelete, path: "/approval-chains/$chain"})
	require.Equal(t, http.StatusConflict, refused.status, "%s", refused.body)
	off := w.do(request{as: "admin", method: http.MethodPatch, path: "/approval-chains/$chain", body: `{"is_active":false}`})
	require.Equal(t, http.StatusOK, off.status, "%s", off.body)
	details := strings.Join(w.column(t, "SELECT error_details::text FROM sentinel.audit_logs WHERE action = 'approval_chain.update'"), "\n")
	require.Contains(t, details, `"pending_requests": 1`)
	require.Contains(t, details, `"approved_requests": 3`)
	_, err := w.owner.Exec(t.Context(), "UPDATE sentinel.access_requests SET status = 'cancelled' WHERE id = $1", waits)
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, w.do(request{as: "admin", method: http.MethodDelete, path: "/approval-chains/$chain"}).status)
}

// Whoever may write nodes, and has nothing of what they are guarded for, neither
// renames one out of a chain nor writes what a chain opens by.
func TestChains_AreNotWalkedAroundByTheirNodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.make("gardeners", "admin", "", "/roles", `{"name":"gardener"}`)
	w.make("", "admin", "", "/roles/$gardeners/permissions", `{"permissions":[{"name":"Nodes","resource_type":"api","resource_path":"api/resources","actions":["*"]}]}`)
	w.person("gardener", "admin", "", "ALPHA", `"$gardeners"`)
	w.make("sealed", "admin", "", "/resources", `{"type":"vessel","name":"Sealed","code":"sealed-one"}`)
	w.make("open", "admin", "", "/resources", `{"type":"vessel","name":"Open","code":"open-one"}`)
	call := func(method, path, body string) int {
		return w.do(request{as: "gardener", method: method, path: path, body: body}).status
	}
	require.Equal(t, http.StatusOK, call(http.MethodPatch, "/resources/$sealed", `{"name":"Sealed still"}`))
	w.make("guard", "admin", "", "/approval-chains", `{"name":"Sealed","resource_type":"vessel","resource_pattern":"sealed-*",`+level(`"approver_role":"$inspector"`)+`}`)
	require.Equal(t, http.StatusForbidden, call(http.MethodPatch, "/resources/$sealed", `{"code":"loose-one"}`))
	require.Equal(t, http.StatusForbidden, call(http.MethodPatch, "/resources/$open", `{"code":"sealed-two"}`))
	require.Equal(t, http.StatusForbidden, call(http.MethodDelete, "/resources/$sealed", ""))
	require.Equal(t, http.StatusOK, call(http.MethodPatch, "/resources/$open", `{"code":"open-two"}`))

	w.make("opener", "admin", "", "/approval-chains", `{"name":"Small","resource_type":"vessel","mode":"escalation","auto_approve_conditions":{"size":{"lt":10}},`+level(`"approver_role":"$inspector"`)+`}`)
	got := w.do(request{as: "gardener", method: http.MethodPatch, path: "/resources/$open", body: `{"attributes":{"size":1}}`})
	require.Equal(t, http.StatusForbidden, got.status, "%s", got.body)
	require.Contains(t, got.at("error.message"), "Small")
	require.Equal(t, http.StatusForbidden, call(http.MethodPost, "/resources", `{"type":"vessel","name":"Small","code":"small","attributes":{"size":1}}`))
	require.Equal(t, http.StatusCreated, call(http.MethodPost, "/resources", `{"type":"berth","name":"Small","code":"small","attributes":{"size":1}}`))
	require.Equal(t, http.StatusOK, w.do(request{as: "admin", method: http.MethodPatch, path: "/resources/$open", body: `{"attributes":{"size":1}}`}).status)
}
