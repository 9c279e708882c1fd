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
