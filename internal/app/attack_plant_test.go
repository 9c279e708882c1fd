package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// planters is a tenant in which a planter may write groups, roles and files and
// holds nothing else, beside roles and groups that give more than that.
func planters(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.make("strong", "admin", "", "/roles", `{"name":"strong","priority":600}`)
	w.make("", "admin", "", "/roles/$strong/permissions", `{"permissions":[{"name":"Scrap","resource_type":"vessel","resource_path":"vessel/*","actions":["scrap"]}]}`)
	w.make("chiefs", "admin", "", "/groups", `{"name":"chiefs"}`)
	w.make("", "admin", "", "/groups/$chiefs/roles", `{"role_ids":["$strong"]}`)
	w.make("idle", "admin", "", "/groups", `{"name":"idle"}`)
	w.make("watch", "admin", "", "/groups", `{"name":"watch"}`)
	w.person("sleepy", "admin", "", "ALPHA", "")
	w.make("", "admin", "", "/groups/$idle/users", `{"user_ids":["$sleepy"]}`)
	w.make("", "admin", "", "/groups/$watch/users", `{"user_ids":["$plain"]}`)
	w.make("sleeper", "admin", "", "/roles", `{"name":"sleeper","priority":500,"is_assignable":false}`)
	w.make("", "admin", "", "/roles/$sleeper/permissions", `{"permissions":[{"name":"Sink","resource_type":"vessel","resource_path":"vessel/*","actions":["sink"]}]}`)
	for path, body := range map[string]string{"/groups/$idle": `{"is_active":false}`, "/roles/$sleeper": `{"is_active":false}`} {
		got := w.do(request{as: "admin", method: http.MethodPatch, path: path, body: body})
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	}
	w.make("gardener", "admin", "", "/roles", `{"name":"gardener","priority":400}`)
	w.make("", "admin", "", "/roles/$gardener/permissions", `{"permissions":[
		{"name":"Edit groups","resource_type":"api","resource_path":"api/groups","actions":["*"]},
		{"name":"Edit roles","resource_type":"api","resource_path":"api/roles","actions":["*"]},
		{"name":"Edit nodes","resource_type":"api","resource_path":"api/resources","actions":["*"]},
		{"name":"Send files","resource_type":"api","resource_path":"api/imports","actions":["*"]}]}`)
	w.person("planter", "admin", "", "ALPHA", `"$gardener"`)
	return w
}

// What an inactive role or group will give once it is active again is for an
// administrator to say: nobody sees it, and the administrator who switches it on
// would be the one who gives it.
func TestGranting_NobodyPlantsInWhatIsSwitchedOff(t *testing.T) {
	t.Parallel()
	w := planters(t)
	for name, c := range map[string]struct{ path, body string }{
		"an inactive group below a stronger one":         {"/groups/$idle", `{"parent_group_id":"$chiefs"}`},
		"a group below a stronger one as it is put away": {"/groups/$watch", `{"is_active":false,"parent_group_id":"$chiefs"}`},
		"an inactive role that could be handed out":      {"/roles/$sleeper", `{"is_assignable":true,"priority":0}`},
		"an inactive role with a lower priority":         {"/roles/$sleeper", `{"priority":0}`},
		"an inactive role that is switched on":           {"/roles/$sleeper", `{"is_active":true}`},
		"an inactive role that is switched on and lower": {"/roles/$sleeper", `{"is_active":true,"priority":0,"is_assignable":true}`},
	} {
		got := w.do(request{as: "planter", method: http.MethodPatch, path: c.path, body: c.body})
		require.Equal(t, http.StatusForbidden, got.status, "%s: %s", name, got.body)
	}
	for name, row := range map[string]string{
		"an inactive group below a stronger one":         `{"kind":"group","name":"idle","parent":"chiefs"}`,
		"a group below a stronger one as it is put away": `{"kind":"group","name":"watch","parent":"chiefs","is_active":false}`,
		"a new inactive group":                           `{"kind":"group","name":"new","parent":"chiefs","is_active":false,"roles":["gardener"]}`,
		"an inactive role that could be handed out":      `{"kind":"role","name":"sleeper","is_assignable":true,"priority":0}`,
		"a new inactive role":                            `{"kind":"role","name":"new","parent":"strong","is_active":false,"permissions":["Edit roles"]}`,
	} {
		got := w.imported("planter", "", jsonLines, row)
		require.Equal(t, "0 0 0 1", counts(got), "%s: %s", name, got.body)
	}
	// What they hold they switch off and on as before.
	for _, body := range []string{`{"is_active":false}`, `{"is_active":true}`, `{"parent_group_id":null}`} {
		got := w.do(request{as: "planter", method: http.MethodPatch, path: "/groups/$watch", body: body})
		require.Equal(t, http.StatusOK, got.status, "%s: %s", body, got.body)
	}
}

// A workflow in a file is held to what POST /resources holds it to.
func TestImport_RefusesAWorkflowThatNoCallTakes(t *testing.T) {
	t.Parallel()
	w := planters(t)
	for name, config := range map[string]string{
		"no state":              `{"states":["a"]}`,
		"a state of no list":    `{"states":["a"],"state":"b"}`,
		"an unknown member":     `{"states":["a"],"state":"a","x":1}`,
		"a role by its name":    `{"states":["a"],"state":"a","state_actions":{"a":{"read":["role:strong"]}}}`,
		"another tenant's role": `{"states":["a"],"state":"a","state_actions":{"a":{"read":["role:$reader_b"]}}}`,
	} {
		row := w.expand(`{"kind":"resource","type":"dock","code":"d","workflow_enabled":true,"workflow_config":` + config + `}`)
		got := w.imported("admin", "", jsonLines, row)
		require.Equal(t, "0 0 0 1", counts(got), "%s: %s", name, got.body)
		applied := w.do(request{as: "admin", method: http.MethodPost, path: "/manifest/apply", body: `{"manifest":{"version":1,"resources":[` + strings.Replace(row, `"kind":"resource",`, "", 1) + `]}}`})
		require.Contains(t, []int{http.StatusBadRequest, http.StatusNotFound}, applied.status, "%s: %s", name, applied.body)
	}
}
