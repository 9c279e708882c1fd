package app_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func resourceExamples() map[string]example {
	return map[string]example{
		"GET /resources": {path: "/resources"},
		"POST /resources": {
			path: "/resources", body: `{"type":"app","name":"New","code":"new"}`,
			foreign: []call{
				{"/resources", `{"type":"app","name":"New","code":"new","parent_id":"$fleet_b"}`},
				{"/resources", `{"type":"app","name":"New","code":"new","workflow_config":{"states":["a"],"state_actions":{"a":{"read":["role:$reader_b"]}}}}`},
			},
		},
		"GET /resources/tree":             {path: "/resources/tree", foreign: []call{{"/resources/tree?root_id=$fleet_b", ""}}},
		"GET /resources/statistics":       {path: "/resources/statistics"},
		"GET /resources/{id}":             {path: "/resources/$fleet", foreign: []call{{"/resources/$fleet_b", ""}}},
		"GET /resources/{id}/children":    {path: "/resources/$fleet/children", foreign: []call{{"/resources/$fleet_b/children", ""}}},
		"GET /resources/{id}/permissions": {path: "/resources/$fleet/permissions", foreign: []call{{"/resources/$fleet_b/permissions", ""}}},
		"PATCH /resources/{id}": {
			path: "/resources/$vessel", body: `{"name":"y"}`,
			foreign: []call{
				{"/resources/$vessel_b", `{"name":"y"}`},
				{"/resources/$vessel", `{"parent_id":"$fleet_b"}`},
				{"/resources/$vessel", `{"workflow_config":{"states":["a"],"state_actions":{"a":{"read":["role:$reader_b"]}}}}`},
			},
		},
		"POST /resources/{id}/move": {
			path: "/resources/$vessel/move", body: `{"parent_id":null}`,
			foreign: []call{{"/resources/$vessel_b/move", `{"parent_id":null}`}, {"/resources/$vessel/move", `{"parent_id":"$fleet_b"}`}},
		},
		"DELETE /resources/{id}": {path: "/resources/$vessel", foreign: []call{{"/resources/$vessel_b", ""}}},
	}
}

func resourceScenarios() []scenario {
	return slices.Concat(nodeScenarios(), treeScenarios(), workflowScenarios())
}

func nodeScenarios() []scenario {
	return []scenario{
		{name: "list", as: "admin", route: "GET /resources", path: "/resources?type=entity&search=VESS", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.id": "$vessel", "data.0.path": "fleet/vessel"}},
		{name: "read", as: "admin", route: "GET /resources/{id}", path: "/resources/$vessel", status: 200, want: map[string]any{"data.parent_id": "$fleet", "data.code": "vessel"}},
		{name: "list by all filters", as: "admin", route: "GET /resources", path: "/resources?type=entity&parent_id=$fleet&below=$fleet&is_active=true&workflow_enabled=false&search=vess&sort=type&order=desc", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.id": "$vessel"}},
		{name: "list a subtree", as: "admin", route: "GET /resources", path: "/resources?below=$fleet", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.id": "$vessel"}},
		{name: "list below a leaf", as: "admin", route: "GET /resources", path: "/resources?below=$vessel", status: 200, want: map[string]any{"meta.pagination.total": 0}},
		{name: "list below another tenant's node", as: "admin", route: "GET /resources", path: "/resources?below=$fleet_b", status: 200, want: map[string]any{"meta.pagination.total": 0}},
		{name: "list what is inactive", as: "admin", route: "GET /resources", path: "/resources?is_active=false", status: 200, want: map[string]any{"meta.pagination.total": 0}},
		{name: "list by what is no filter", as: "admin", route: "GET /resources", path: "/resources?below=x&parent_id=&is_active=maybe&sort=path", status: 400, fields: []string{"query.below", "query.parent_id", "query.is_active", "query.sort"}},
		{name: "children", as: "admin", route: "GET /resources/{id}/children", path: "/resources/$fleet/children", status: 200, want: map[string]any{"data.0.id": "$vessel", "data.1": nil}},
		{name: "create", as: "admin", route: "POST /resources", body: `{"type":"page","name":"Página ⚓","code":"reports/{year}:é","parent_id":"$fleet","attributes":{"x":0.1000}}`, status: 201, save: "page", want: map[string]any{
			"data.path": "fleet/reports/{year}:é", "data.attributes.x": "0.1000", "data.is_active": true,
		}, audit: []string{"resource.create success"}, writes: []string{"resources"}},
		{name: "create with a taken code", as: "admin", route: "POST /resources", body: `{"type":"entity","name":"x","code":"vessel"}`, status: 409, fields: []string{"code"}},
		{name: "the same code in another type", as: "admin", route: "POST /resources", body: `{"type":"service","name":"x","code":"vessel"}`, status: 201, audit: []string{"resource.create success"}, writes: []string{"resources"}},
		{name: "create with a code that looks like an id", as: "admin", route: "POST /resources", body: `{"type":"app","name":"x","code":"$absent"}`, status: 409, fields: []string{"code"}},
		{name: "create a section of the platform", as: "admin", route: "POST /resources", body: `{"type":"api","name":"x","code":"users"}`, status: 400, fields: []string{"type"}},
		{name: "create with a strange type and code", as: "admin", route: "POST /resources", body: `{"type":"App","name":"x","code":"a/../b"}`, status: 400, fields: []string{"type", "code"}},
		{name: "create with a star", as: "admin", route: "POST /resources", body: `{"type":"app","name":"x","code":"a*"}`, status: 400, fields: []string{"code"}},
		{name: "create with a code not in NFC", as: "admin", route: "POST /resources", body: "{\"type\":\"app\",\"name\":\"x\",\"code\":\"e\u0301\"}", status: 400, fields: []string{"code"}},

		{name: "update", as: "admin", route: "PATCH /resources/{id}", path: "/resources/$page", body: `{"name":"Pages","code":"pages","parent_id":"$vessel","attributes":null,"is_active":false}`, status: 200, want: map[string]any{
			"data.path": "fleet/vessel/pages", "data.is_active": false, "data.parent_id": "$vessel",
		}, audit: []string{"resource.update success"}, writes: []string{"resources"}},
		{name: "the subtree moves with its root", as: "admin", route: "PATCH /resources/{id}", path: "/resources/$fleet", body: `{"code":"navy"}`, status: 200, want: map[string]any{"data.path": "navy"}, audit: []string{"resource.update success"}, writes: []string{"resources"}},
		{name: "and its paths", as: "admin", route: "GET /resources/{id}", path: "/resources/$page", status: 200, want: map[string]any{"data.path": "navy/vessel/pages"}},
		{name: "a node below itself", as: "admin", route: "PATCH /resources/{id}", path: "/resources/$fleet", body: `{"parent_id":"$page"}`, status: 409, fields: []string{"parent_id"}},
		{name: "a node its own parent", as: "admin", route: "PATCH /resources/{id}", path: "/resources/$fleet", body: `{"parent_id":"$fleet"}`, status: 409, fields: []string{"parent_id"}},
		{name: "update to a taken code", as: "admin", route: "PATCH /resources/{id}", path: "/resources/$page", body: `{"code":"$absent"}`, status: 409, fields: []string{"code"}},
		{name: "update of the type", as: "admin", route: "PATCH /resources/{id}", path: "/resources/$page", body: `{"type":"app"}`, status: 400, fields: []string{"type"}},
		{name: "delete a parent", as: "admin", route: "DELETE /resources/{id}", path: "/resources/$fleet", status: 409, code: "CONFLICT"},
		{name: "delete a parent, and not what is below it", as: "admin", route: "DELETE /resources/{id}", path: "/resources/$fleet?recursive=false", status: 409, code: "CONFLICT"},
		{name: "delete", as: "admin", route: "DELETE /resources/{id}", path: "/resources/$page", status: 204, audit: []string{"resource.delete success"}, writes: []string{"resources"}},
		{name: "delete again", as: "admin", route: "DELETE /resources/{id}", path: "/resources/$page", status: 404},
	}
}

// treeScenarios go on where nodeScenarios end: navy > vessel, and a service.
func treeScenarios() []scenario {
	node := func(name, typ, parent string) scenario {
		return scenario{name: "make " + name, as: "admin", route: "POST /resources", body: `{"type":"` + typ + `","name":"` + name + `","code":"` + name + `","parent_id":"$` + parent + `"}`, status: 201, save: name, audit: []string{"resource.create success"}, writes: []string{"resources"}}
	}
	return []scenario{
		node("ops", "capability", "fleet"), node("plans", "page", "ops"), node("routes", "page", "plans"),
		{name: "the tree", as: "admin", route: "GET /resources/tree", status: 200, want: map[string]any{
			"data.root": nil, "data.children_total": 2, "data.nodes": 4, "data.has_more": false, "data.children.0.id": "$fleet", "data.children.0.children_total": 2, "data.children.0.has_more": false,
			"data.children.0.children.0.id": "$ops", "data.children.0.children.0.has_more": true, "data.children.0.children.0.children_total": 1, "data.children.0.children.0.children.0": nil,
			"data.children.0.children.1.id": "$vessel", "data.children.0.children.1.has_more": false, "data.children.1.code": "vessel",
		}},
		{name: "the tree below a node", as: "admin", route: "GET /resources/tree", path: "/resources/tree?root_id=$ops&depth=10", status: 200, want: map[string]any{
			"data.root.id": "$ops", "data.children.0.id": "$plans", "data.children.0.children.0.id": "$routes", "data.children.0.children.0.has_more": false, "data.nodes": 2,
		}},
		{name: "the tree below a leaf", as: "admin", route: "GET /resources/tree", path: "/resources/tree?root_id=$routes", status: 200, want: map[string]any{"data.children_total": 0, "data.children": "[]", "data.has_more": false}},
		{name: "the tree of a type leads down to it", as: "admin", route: "GET /resources/tree", path: "/resources/tree?type=page&depth=3", status: 200, want: map[string]any{
			"data.nodes": 3, "data.children_total": 2, "data.children.0.id": "$fleet", "data.children.0.children_total": 2, "data.children.0.has_more": false, "data.children.0.children.0.id": "$ops", "data.children.0.children.1": nil,
			"data.children.0.children.0.children.0.id": "$plans", "data.children.0.children.0.children.0.has_more": true, "data.children.1": nil,
		}},
		{name: "a page of the tree", as: "admin", route: "GET /resources/tree", path: "/resources/tree?limit=1&depth=1", status: 200, want: map[string]any{"data.has_more": true, "data.children_total": 2, "data.children.0.id": "$fleet", "data.children.0.has_more": true, "data.children.1": nil}},
		{name: "the next page of the tree", as: "admin", route: "GET /resources/tree", path: "/resources/tree?limit=1&depth=1&page=2", status: 200, want: map[string]any{"data.has_more": false, "data.children.0.code": "vessel"}},
		{name: "the tree too deep", as: "admin", route: "GET /resources/tree", path: "/resources/tree?depth=11&root_id=x", status: 400, fields: []string{"query.depth", "query.root_id"}},
		{name: "statistics", as: "admin", route: "GET /resources/statistics", status: 200, want: map[string]any{
			"data.total": 6, "data.roots": 2, "data.inactive": 0, "data.workflow_enabled": 0, "data.types": 5, "data.by_depth": "[2 2 1 1]", "data.by_type.0.type": "page", "data.by_type.0.count": 2, "data.by_type.1.type": "app",
		}},

		{name: "permissions by pattern", as: "admin", route: "POST /permissions", body: `{"name":"Read plans","resource_type":"page","resource_path":"page/plan*","actions":["read"]}`, status: 201, save: "by_pattern", audit: []string{"permission.create success"}, writes: []string{"permissions"}},
		{name: "permission on the node", as: "admin", route: "POST /permissions", body: `{"name":"Edit plans","resource_type":"page","resource_id":"$plans","actions":["update"],"effect":"deny"}`, status: 201, save: "on_node", audit: []string{"permission.create success"}, writes: []string{"permissions"}},
		{name: "permission above the node", as: "admin", route: "POST /permissions", body: `{"name":"Run ops","resource_type":"capability","resource_id":"$ops","actions":["*"]}`, status: 201, save: "above", audit: []string{"permission.create success"}, writes: []string{"permissions"}},
		{name: "permission that no role has", as: "admin", route: "POST /permissions", body: `{"name":"Loose","resource_type":"page","resource_id":"$plans","actions":["read"]}`, status: 201, save: "nobodys", audit: []string{"permission.create success"}, writes: []string{"permissions"}},
		{name: "a role has them", as: "admin", route: "POST /roles/{id}/permissions", path: "/roles/$inspector/permissions", body: `{"permission_ids":["$by_pattern","$on_node","$above"]}`, status: 200, audit: []string{"role.add_permissions success"}, writes: []string{"role_permissions"}},
		{name: "permissions that reach a node", as: "admin", route: "GET /resources/{id}/permissions", path: "/resources/$plans/permissions", status: 200, want: map[string]any{
			"meta.pagination.total": 4, "data.0.id": "$on_node", "data.0.via": "node", "data.0.effect": "deny", "data.0.roles.0.id": "$inspector", "data.0.roles.0.name": "inspector", "data.0.roles_total": 1,
			"data.1.id": "$above", "data.1.via": "ancestor", "data.1.node.id": "$ops", "data.1.node.code": "ops",
			"data.2.roles.0.name": "tenant_admin", "data.2.resource_path": "*/*", "data.3.id": "$by_pattern", "data.3.via": "pattern", "data.3.node": nil,
		}},
		{name: "a page of them", as: "admin", route: "GET /resources/{id}/permissions", path: "/resources/$plans/permissions?limit=3&page=2", status: 200, want: map[string]any{"meta.pagination.total": 4, "data.0.id": "$by_pattern", "data.1": nil}},
		{name: "no page of them", as: "admin", route: "GET /resources/{id}/permissions", path: "/resources/$plans/permissions?limit=2&page=9", status: 200, want: map[string]any{"meta.pagination.total": 4, "data.0": nil}},

		{name: "move", as: "admin", route: "POST /resources/{id}/move", path: "/resources/$plans/move", body: `{"parent_id":"$vessel"}`, status: 200, want: map[string]any{"data.path": "navy/vessel/plans", "data.parent_id": "$vessel"}, audit: []string{"resource.move success"}, writes: []string{"resources"}},
		{name: "what was below has moved", as: "admin", route: "GET /resources", path: "/resources?below=$vessel&sort=code", status: 200, want: map[string]any{"data.0.path": "navy/vessel/plans", "data.1.path": "navy/vessel/plans/routes", "data.2": nil}},
		{name: "move below itself", as: "admin", route: "POST /resources/{id}/move", path: "/resources/$vessel/move", body: `{"parent_id":"$routes"}`, status: 409, fields: []string{"parent_id"}, want: map[string]any{
			"error.message": "The resource would be its own ancestor: vessel > plans > routes > vessel. Choose a parent that is not below it.", "error.details.cycle": "[$vessel $plans $routes $vessel]",
		}},
		{name: "move onto itself", as: "admin", route: "POST /resources/{id}/move", path: "/resources/$vessel/move", body: `{"parent_id":"$vessel"}`, status: 409, fields: []string{"parent_id"}},
		{name: "move nowhere", as: "admin", route: "POST /resources/{id}/move", path: "/resources/$plans/move", body: `{}`, status: 400, fields: []string{"parent_id"}},
		{name: "move of what has changed", as: "admin", route: "POST /resources/{id}/move", path: "/resources/$plans/move", header: map[string]string{"If-Match": `"old"`}, body: `{"parent_id":null}`, status: 412, code: "PRECONDITION_FAILED"},
		{name: "move to the top", as: "admin", route: "POST /resources/{id}/move", path: "/resources/$plans/move", body: `{"parent_id":null}`, status: 200, want: map[string]any{"data.path": "plans", "data.parent_id": nil}, audit: []string{"resource.move success"}, writes: []string{"resources"}},

		{name: "a menu item shows a page", as: "admin", route: "POST /resources/{id}/move", path: "/resources/$plans/move", body: `{"parent_id":"$ops"}`, status: 200, audit: []string{"resource.move success"}, writes: []string{"resources"}},
		{name: "delete a subtree", as: "admin", route: "DELETE /resources/{id}", path: "/resources/$ops?recursive=true", status: 204, audit: []string{"resource.delete success"}, writes: []string{"resources", "permissions", "role_permissions"}},
		{name: "and what was below it", as: "admin", route: "GET /resources/{id}", path: "/resources/$routes", status: 404},
	}
}

func workflowScenarios() []scenario {
	config := `{"states":["draft","in_review","done"],"initial":"draft","state_actions":{"in_review":{"update":["role:$inspector","role:$auditor"],"read":["*"]},"done":{"*":[]}}}`
	return []scenario{
		{name: "create with a workflow", as: "admin", route: "POST /resources", body: `{"type":"page","name":"Log","code":"log","workflow_enabled":true,"workflow_config":` + config + `}`, status: 201, save: "log", want: map[string]any{
			"data.workflow_enabled": true, "data.workflow_config.state": "draft", "data.workflow_config.state_actions.in_review.update.0": "role:$inspector",
		}, audit: []string{"resource.create success"}, writes: []string{"resources"}},
		{name: "find it", as: "admin", route: "GET /resources", path: "/resources?workflow_enabled=true", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.id": "$log"}},
		{name: "count it", as: "admin", route: "GET /resources/statistics", status: 200, want: map[string]any{"data.workflow_enabled": 1}},
		{name: "another state", as: "admin", route: "PATCH /resources/{id}", path: "/resources/$log", body: `{"workflow_config":{"state":"in_review"}}`, status: 200, want: map[string]any{
			"data.workflow_config.state": "in_review", "data.workflow_config.states.2": "done", "data.workflow_config.initial": "draft",
		}, audit: []string{"resource.update success"}, writes: []string{"resources"}},
		{name: "a state that there is not", as: "admin", route: "PATCH /resources/{id}", path: "/resources/$log", body: `{"workflow_config":{"state":"gone"}}`, status: 400, fields: []string{"workflow_config.state"}},
		{name: "back to the first", as: "admin", route: "PATCH /resources/{id}", path: "/resources/$log", body: `{"workflow_config":{"state":null}}`, status: 200, want: map[string]any{"data.workflow_config.state": "draft"}, audit: []string{"resource.update success"}, writes: []string{"resources"}},
		{name: "no workflow while it is enabled", as: "admin", route: "PATCH /resources/{id}", path: "/resources/$log", body: `{"workflow_config":null}`, status: 400, fields: []string{"workflow_config.state"}},
		{name: "a state less than its rules name", as: "admin", route: "PATCH /resources/{id}", path: "/resources/$log", body: `{"workflow_config":{"states":["draft"]}}`, status: 400, fields: []string{"workflow_config.state_actions.done", "workflow_config.state_actions.in_review"}},
		{name: "no workflow", as: "admin", route: "PATCH /resources/{id}", path: "/resources/$log", body: `{"workflow_enabled":false,"workflow_config":null}`, status: 200, want: map[string]any{"data.workflow_enabled": false, "data.workflow_config": "map[]"}, audit: []string{"resource.update success"}, writes: []string{"resources"}},
		{name: "a workflow without a state", as: "admin", route: "PATCH /resources/{id}", path: "/resources/$log", body: `{"workflow_enabled":true}`, status: 400, fields: []string{"workflow_config.state"}},
		{name: "a workflow of roles by name", as: "admin", route: "PATCH /resources/{id}", path: "/resources/$log", body: `{"workflow_config":{"states":["a","a",7,"b c"],"state":"x","initial":7,"begin":"a","state_actions":{"a":{"read":["engineer","group:$ops","*","*"],"re ad":"*"},"c":{}}}}`, status: 400, fields: []string{
			"workflow_config.states[1]", "workflow_config.states[2]", "workflow_config.states[3]", "workflow_config.state", "workflow_config.initial", "workflow_config.begin",
			"workflow_config.state_actions.a.re ad", "workflow_config.state_actions.a.re ad", "workflow_config.state_actions.a.read[0]", "workflow_config.state_actions.a.read[1]", "workflow_config.state_actions.a.read[3]", "workflow_config.state_actions.c",
		}},
		{name: "a workflow of roles that are not there", as: "admin", route: "PATCH /resources/{id}", path: "/resources/$log", body: `{"workflow_config":{"states":["a"],"state":"a","state_actions":{"a":{"read":["role:$reader","role:$absent","role:$reader_b"]}}}}`, status: 404, fields: []string{
			"workflow_config.state_actions.a.read[1]", "workflow_config.state_actions.a.read[2]",
		}},
	}
}

func TestScenarios_Resources(t *testing.T) {
	t.Parallel()
	newWorld(t).play(t, resourceScenarios())
}

// TestRace_TwoAdministratorsEditOneNode: what one writes the other does not
// overwrite unseen.
func TestRace_TwoAdministratorsEditOneNode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person("second", "admin", "", "ALPHA", `"$tenant_admin"`)
	patch := func(as, tag, body string) request {
		r := request{as: as, method: http.MethodPatch, path: "/resources/$vessel", body: body}
		if tag != "" {
			r.header = map[string]string{"If-Match": tag}
		}
		return r
	}
	read := func() *response {
		return w.do(request{as: "admin", method: http.MethodGet, path: "/resources/$vessel"})
	}
	for i := range 4 {
		n := strconv.Itoa(i)
		require.Equal(t, []int{200, 200, 200}, w.race(
			patch("admin", "", `{"name":"Name `+n+`"}`),
			patch("second", "", `{"attributes":{"n":`+n+`}}`),
			patch("admin", "", `{"workflow_config":{"states":["s`+n+`"]}}`),
		))
		now := read()
		require.Equal(t, "Name "+n, now.at("data.name"))
		require.Equal(t, n, fmt.Sprint(now.at("data.attributes.n")))
		require.Equal(t, "s"+n, now.at("data.workflow_config.states.0"))

		tag := now.header.Get("ETag")
		statuses := w.race(
			patch("admin", tag, `{"name":"First `+n+`"}`), patch("second", tag, `{"name":"Second `+n+`"}`),
			request{as: "second", method: http.MethodPost, path: "/resources/$vessel/move", body: `{"parent_id":"$fleet"}`, header: map[string]string{"If-Match": tag}},
		)
		require.ElementsMatch(t, []int{200, 412, 412}, statuses)
	}
}

// TestRace_MovesMakeNoCycle: of two moves that close a cycle together, one is
// refused.
func TestRace_MovesMakeNoCycle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 4 {
		a, b := fmt.Sprintf("a%c", 'a'+i), fmt.Sprintf("b%c", 'a'+i)
		w.make(a, "admin", "", "/resources", `{"type":"app","name":"A","code":"`+a+`"}`)
		w.make(b, "admin", "", "/resources", `{"type":"app","name":"B","code":"`+b+`"}`)
		require.ElementsMatch(t, []int{200, 409}, w.race(
			request{as: "admin", method: http.MethodPost, path: "/resources/$" + a + "/move", body: `{"parent_id":"$` + b + `"}`},
			request{as: "admin", method: http.MethodPost, path: "/resources/$" + b + "/move", body: `{"parent_id":"$` + a + `"}`},
		))
	}
}
