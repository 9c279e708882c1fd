package app_test

import (
	"strings"
	"testing"
)

func groupScenarios() []scenario {
	return []scenario{
		{name: "list", as: "manager", route: "GET /groups", path: "/groups?sort=name", status: 200, want: map[string]any{"meta.pagination.total": 2, "data.0.id": "$east", "data.1.id": "$ops"}},
		{name: "read", as: "admin", route: "GET /groups/{id}", path: "/groups/$east", status: 200, want: map[string]any{"data.parent_group_id": "$ops", "data.tenant_id": "$alpha"}},
		{name: "create", as: "admin", route: "POST /groups", body: `{"name":"west","display_name":"West 🌊","parent_group_id":"$ops","metadata":{"n":12345678901234567890}}`, status: 201, save: "west", want: map[string]any{
			"data.parent_group_id": "$ops", "data.display_name": "West 🌊", "data.metadata.n": "12345678901234567890",
		}, audit: []string{"group.create success"}, writes: []string{"groups"}},
		{name: "create with a taken name", as: "admin", route: "POST /groups", body: `{"name":"west"}`, status: 409, code: "CONFLICT", fields: []string{"name"}},
		{name: "create with too long a name", as: "admin", route: "POST /groups", body: `{"name":"` + strings.Repeat("n", 101) + `"}`, status: 400, fields: []string{"name"}},
		{name: "update", as: "admin", route: "PATCH /groups/{id}", path: "/groups/$west", body: `{"name":"far west","display_name":null,"parent_group_id":null,"metadata":{}}`, status: 200, want: map[string]any{
			"data.name": "far west", "data.display_name": "", "data.parent_group_id": nil,
		}, audit: []string{"group.update success"}, writes: []string{"groups"}},
		{name: "update to a taken name", as: "admin", route: "PATCH /groups/{id}", path: "/groups/$west", body: `{"name":"ops"}`, status: 409, fields: []string{"name"}},
		{name: "a group becomes its own parent", as: "admin", route: "PATCH /groups/{id}", path: "/groups/$ops", body: `{"parent_group_id":"$ops"}`, status: 409, fields: []string{"parent_group_id"}},
		{name: "a group goes below one below it", as: "admin", route: "PATCH /groups/{id}", path: "/groups/$ops", body: `{"parent_group_id":"$east"}`, status: 409, fields: []string{"parent_group_id"}},

		{name: "add members", as: "admin", route: "POST /groups/{id}/users", path: "/groups/$east/users", body: `{"user_ids":["$plain","$author","$plain"]}`, status: 200, want: map[string]any{"data.added": 2}, audit: []string{"group.add_users success"}, writes: []string{"user_groups"}},
		{name: "members", as: "admin", route: "GET /groups/{id}/users", path: "/groups/$east/users?limit=1", status: 200, want: map[string]any{"meta.pagination.total": 2, "data.0.added_by": "$admin"}},
		{name: "add nobody", as: "admin", route: "POST /groups/{id}/users", path: "/groups/$east/users", body: `{"user_ids":[]}`, status: 400, fields: []string{"user_ids"}},
		{name: "add somebody who is not there", as: "admin", route: "POST /groups/{id}/users", path: "/groups/$west/users", body: `{"user_ids":["$plain","$absent"]}`, status: 404, fields: []string{"user_ids[1]"}},
		{name: "a manager joins a group", as: "manager", route: "POST /groups/{id}/users", path: "/groups/$ops/users", body: `{"user_ids":["$manager"]}`, status: 403, audit: []string{"group.add_users denied"}},
		{name: "a manager adds an administrator", as: "manager", route: "POST /groups/{id}/users", path: "/groups/$ops/users", body: `{"user_ids":["$admin"]}`, status: 403, audit: []string{"group.add_users denied"}},
		{name: "a manager adds another", as: "manager", route: "POST /groups/{id}/users", path: "/groups/$ops/users", body: `{"user_ids":["$plain"]}`, status: 200, audit: []string{"group.add_users success"}, writes: []string{"user_groups"}},
		{name: "remove a member", as: "admin", route: "DELETE /groups/{id}/users/{member_id}", path: "/groups/$east/users/$author", status: 204, audit: []string{"group.remove_user success"}, writes: []string{"user_groups"}},
		{name: "remove again", as: "admin", route: "DELETE /groups/{id}/users/{member_id}", path: "/groups/$east/users/$author", status: 404},

		{name: "give roles", as: "admin", route: "POST /groups/{id}/roles", path: "/groups/$east/roles", body: `{"role_ids":["$inspector","$auditor"]}`, status: 200, want: map[string]any{"data.added": 2}, audit: []string{"group.add_roles success"}, writes: []string{"group_roles"}},
		{name: "roles", as: "admin", route: "GET /groups/{id}/roles", path: "/groups/$east/roles", status: 200, want: map[string]any{"meta.pagination.total": 2, "data.0.granted_by": "$admin"}},
		{name: "roles by name", as: "admin", route: "GET /groups/{id}/roles", path: "/groups/$ops/roles", status: 200, want: map[string]any{"data.0.role_id": "$reader", "data.0.name": "reader", "data.1": nil}},
		{name: "give super_admin", as: "admin", route: "POST /groups/{id}/roles", path: "/groups/$east/roles", body: `{"role_ids":["$super_admin"]}`, status: 409, fields: []string{"role_ids"}},
		{name: "a manager gives a group an administrator's role", as: "manager", route: "POST /groups/{id}/roles", path: "/groups/$west/roles", body: `{"role_ids":["$tenant_admin"]}`, status: 403, audit: []string{"group.add_roles denied"}},
		{name: "a manager moves a group below a stronger one", as: "manager", route: "PATCH /groups/{id}", path: "/groups/$west", body: `{"parent_group_id":"$east"}`, status: 403, audit: []string{"group.update denied"}},
		{name: "take a role", as: "admin", route: "DELETE /groups/{id}/roles/{member_id}", path: "/groups/$east/roles/$auditor", status: 204, audit: []string{"group.remove_role success"}, writes: []string{"group_roles"}},
		{name: "take it again", as: "admin", route: "DELETE /groups/{id}/roles/{member_id}", path: "/groups/$east/roles/$auditor", status: 404},

		{name: "delete a parent", as: "admin", route: "DELETE /groups/{id}", path: "/groups/$ops", status: 409, code: "CONFLICT"},
		{name: "delete", as: "admin", route: "DELETE /groups/{id}", path: "/groups/$east", status: 204, audit: []string{"group.delete success"}, writes: []string{"groups", "user_groups", "group_roles"}},
		{name: "delete again", as: "admin", route: "DELETE /groups/{id}", path: "/groups/$east", status: 404},
	}
}

func TestScenarios_Groups(t *testing.T) {
	t.Parallel()
	newWorld(t).play(t, groupScenarios())
}

func resourceScenarios() []scenario {
	return []scenario{
		{name: "list", as: "admin", route: "GET /resources", path: "/resources?type=entity&search=VESS", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.id": "$vessel", "data.0.path": "fleet/vessel"}},
		{name: "read", as: "admin", route: "GET /resources/{id}", path: "/resources/$vessel", status: 200, want: map[string]any{"data.parent_id": "$fleet", "data.code": "vessel"}},
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
		{name: "delete", as: "admin", route: "DELETE /resources/{id}", path: "/resources/$page", status: 204, audit: []string{"resource.delete success"}, writes: []string{"resources"}},
		{name: "delete again", as: "admin", route: "DELETE /resources/{id}", path: "/resources/$page", status: 404},
	}
}

func TestScenarios_Resources(t *testing.T) {
	t.Parallel()
	newWorld(t).play(t, resourceScenarios())
}
