package app_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// A request that ends in a year that no answer can write would be shown to
// nobody, nor any list that it is in.
func TestRequests_EndInAYearThatCanBeWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.requests()
	for _, end := range []string{"9999-12-31T23:59:59-14:00", "0000-01-01T00:00:00+14:00"} {
		got := w.do(request{as: "asker", method: http.MethodPost, path: "/access-requests", body: askFor("far", "read", `,"expires_at":"`+end+`"`)})
		require.Equal(t, http.StatusBadRequest, got.status, "%s", got.body)
		require.Equal(t, []string{"expires_at"}, got.fields())
	}
	w.ids["far"] = w.ask("asker", askFor("far", "read", `,"expires_at":"9999-12-31T23:59:59Z"`))
	require.Equal(t, http.StatusOK, w.do(request{as: "onlooker", method: http.MethodGet, path: "/access-requests"}).status)
}

// What was given anew since is not taken with what a request gave.
func TestRequests_RevokedTakeOnlyWhatTheyGave(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.requests()
	again := map[string]func(){
		"one by one": func() { w.make("", "admin", "", "/users/$asker/roles", `{"role_id":"$reader"}`) },
		"many at once": func() {
			w.make("", "admin", "", "/users/bulk", `{"operation":"assign_role","user_ids":["$asker"],"data":{"role_id":"$reader"}}`)
		},
		"by a file": func() {
			got := w.imported("admin", "kind=assignments", csvFile, "user,role,expires_at\nasker@alpha.example,reader,2099-01-01T00:00:00Z\n")
			require.Equal(t, "0 1 0 0", counts(got), "%s", got.body)
		},
	}
	for name, give := range again {
		w.ids["own"] = w.ask("asker", `{"request_type":"role","request_details":{"role_id":"$reader","duration_hours":1},"justification":"x"}`)
		require.Equal(t, "approved", w.approves(t, "lead", "$own").at("data.status"))
		give()
		require.Equal(t, http.StatusOK, w.decide("lead", "revoke", "$own").status)
		require.Len(t, w.column(t, "SELECT id::text FROM sentinel.user_roles WHERE user_id = $1", w.ids["asker"]), 1, name)
		require.Equal(t, http.StatusNoContent, w.do(request{as: "admin", method: http.MethodDelete, path: "/users/$asker/roles/$reader"}).status)
	}
}

// A chain for a role of the tenant's own does not give the role of that name
// which a tenant above has.
func TestRequests_AreNotForTheRoleOfTheSameNameAbove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Equal(t, http.StatusOK, w.do(request{as: "admin", method: http.MethodPatch, path: "/tenants/$sub", body: `{"settings":{"inherit_permissions":true}}`}).status)
	w.person("sub_admin", "admin", "$sub", "ALPHA-EU", `"$tenant_admin"`)
	w.make("sub_leads", "sub_admin", "", "/roles", `{"name":"lead"}`)
	w.make("sub_reader", "sub_admin", "", "/roles", `{"name":"reader"}`)
	w.person("sub_lead", "sub_admin", "", "ALPHA-EU", `"$sub_leads"`)
	w.person("sub_asker", "sub_admin", "", "ALPHA-EU", "")
	w.levels("sub_roles", "sub", "role", "role:reader", "gate", `[{"level":1,"approvers":{"any_of":[{"role":"$sub_leads","min":1}]},"timeout_hours":24}]`)
	w.levels("sub_inspectors", "sub", "role", "role:inspector", "gate", `[{"level":1,"approvers":{"any_of":[{"role":"$sub_leads","min":1}]},"timeout_hours":24}]`)
	ask := func(role string) *response {
		return w.do(request{as: "sub_asker", method: http.MethodPost, path: "/access-requests", body: `{"request_type":"role","request_details":{"role_id":"` + role + `"},"justification":"x"}`})
	}
	got := ask("$reader")
	require.Equal(t, http.StatusConflict, got.status, "%s", got.body)
	require.Equal(t, []string{"request_details.role_id"}, got.fields())
	require.Equal(t, http.StatusCreated, ask("$sub_reader").status)
	// One that came to be hidden while it was asked for is no longer given.
	got = ask("$inspector")
	require.Equal(t, http.StatusCreated, got.status, "%s", got.body)
	w.ids["own"] = got.at("data.id").(string)
	w.make("", "sub_admin", "", "/roles", `{"name":"inspector"}`)
	require.Equal(t, http.StatusConflict, w.decide("sub_lead", "approve", "$own").status)
	require.Equal(t, http.StatusOK, w.decide("sub_lead", "deny", "$own").status)
}

// Whoever may write nodes does not open what a chain opens by the path, neither
// of a node below nor of one that is moved with it.
func TestChains_AreNotOpenedByWhatIsAboveTheirNodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.make("gardeners", "admin", "", "/roles", `{"name":"gardener"}`)
	w.make("", "admin", "", "/roles/$gardeners/permissions", `{"permissions":[{"name":"Nodes","resource_type":"api","resource_path":"api/resources","actions":["*"]}]}`)
	w.person("gardener", "admin", "", "ALPHA", `"$gardeners"`)
	w.make("open", "admin", "", "/resources", `{"type":"folder","name":"Open","code":"open"}`)
	w.make("box", "admin", "", "/resources", `{"type":"folder","name":"Box","code":"box"}`)
	w.make("middle", "admin", "", "/resources", `{"type":"shelf","name":"Middle","code":"middle","parent_id":"$box"}`)
	w.make("deep", "admin", "", "/resources", `{"type":"secret","name":"Deep","code":"deep","parent_id":"$middle"}`)
	w.make("", "admin", "", "/approval-chains", `{"name":"Opens","resource_type":"secret","mode":"escalation","auto_approve_conditions":{"resource.path":{"prefix":"open/"}},`+level(`"approvers":{"any_of":[{"user":"$admin"}]}`)+`}`)
	answer := func() string {
		got := w.do(request{as: "gardener", method: http.MethodPost, path: "/permissions/check", body: `{"resource":{"type":"secret","id":"deep"},"action":"read"}`})
		return got.at("data.reason_code").(string)
	}
	for _, c := range [][2]string{
		{"/resources/$box", `{"parent_id":"$open"}`},
		{"/resources/$middle", `{"parent_id":"$open"}`},
		{"/resources/$deep", `{"parent_id":"$open"}`},
		{"/resources/$box", `{"code":"open"}`},
	} {
		got := w.do(request{as: "gardener", method: http.MethodPatch, path: c[0], body: c[1]})
		require.Contains(t, []int{http.StatusForbidden, http.StatusConflict}, got.status, "%s %s: %s", c[0], c[1], got.body)
		require.Equal(t, "approval_required", answer())
	}
	got := w.do(request{as: "gardener", method: http.MethodPost, path: "/resources/$box/move", body: `{"parent_id":"$open"}`})
	require.Equal(t, http.StatusForbidden, got.status, "%s", got.body)
	got = w.do(request{as: "gardener", method: http.MethodPatch, path: "/resources/$box", body: `{"name":"Box still"}`})
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	got = w.do(request{as: "admin", method: http.MethodPost, path: "/resources/$box/move", body: `{"parent_id":"$open"}`})
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
}

// A role that decides in a chain has no permission by which handing it out would
// be judged. It is judged as if deciding were one: another account of one's own
// must not approve what one asks for.
func TestRequests_AreNotDecidedByWhomAnybodyMakesAnApprover(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.requests()
	w.make("board", "admin", "", "/roles", `{"name":"board","is_assignable":false}`)
	w.make("seniors", "admin", "", "/roles", `{"name":"senior","parent_role_id":"$board","priority":899}`)
	w.make("members", "admin", "", "/groups", `{"name":"members"}`)
	w.make("", "admin", "", "/groups/$members/roles", `{"role_ids":["$board"]}`)
	w.levels("wrecks", "alpha", "wreck", "wreck:*", "escalation", `[{"level":1,"approvers":{"any_of":[{"role":"$board","min":1}]},"timeout_hours":24}]`)
	w.make("staffing", "admin", "", "/roles", `{"name":"staffing","priority":500}`)
	w.make("", "admin", "", "/roles/$staffing/permissions", `{"permissions":[{"name":"People","resource_type":"api","resource_path":"api/users","actions":["*"]},{"name":"Groups","resource_type":"api","resource_path":"api/groups","actions":["*"]},{"name":"Roles","resource_type":"api","resource_path":"api/roles","actions":["*"]}]}`)
	w.person("staff", "admin", "", "ALPHA", `"$staffing"`)
	w.make("puppets", "admin", "", "/roles", `{"name":"puppet"}`)
	for _, c := range []request{
		{method: http.MethodPost, path: "/users/$plain/roles", body: `{"role_id":"$board"}`},
		{method: http.MethodPost, path: "/users/$plain/roles", body: `{"role_id":"$seniors"}`},
		{method: http.MethodPost, path: "/users", body: `{"email":"puppet@alpha.example","roles":["$board"]}`},
		{method: http.MethodPost, path: "/groups/$members/users", body: `{"user_ids":["$plain"]}`},
		{method: http.MethodPost, path: "/groups/$east/roles", body: `{"role_ids":["$board"]}`},
		{method: http.MethodPatch, path: "/groups/$east", body: `{"parent_group_id":"$members"}`},
		{method: http.MethodPatch, path: "/roles/$puppets", body: `{"parent_role_id":"$board"}`},
		{method: http.MethodPatch, path: "/roles/$board", body: `{"is_assignable":true}`},
		{method: http.MethodPost, path: "/roles", body: `{"name":"strings","parent_role_id":"$board"}`},
	} {
		c.as = "staff"
		got := w.do(c)
		require.Equal(t, http.StatusForbidden, got.status, "%s %s %s: %s", c.method, c.path, c.body, got.body)
		require.Contains(t, string(got.body), "decisions on requests as board")
	}
	got := w.do(request{as: "staff", method: http.MethodPost, path: "/users/bulk", body: `{"operation":"assign_role","user_ids":["$plain"],"data":{"role_id":"$board"}}`})
	require.NotEqual(t, "1", fmt.Sprint(got.at("data.succeeded")), "%s", got.body)
	require.Empty(t, w.column(t, "SELECT user_id::text FROM sentinel.user_roles WHERE role_id = $1", w.ids["board"]))
	w.make("", "staff", "", "/users/$plain/roles", `{"role_id":"$leads"}`) // assignable, and of a lower priority
	w.make("", "admin", "", "/users/$plain/roles", `{"role_id":"$board"}`)
}
