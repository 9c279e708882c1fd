package app_test

import "testing"

func manifestExamples() map[string]example {
	const body = `{"manifest":{"version":1,"roles":[{"name":"new"}]}}`
	return map[string]example{
		"GET /manifest":        {path: "/manifest"},
		"POST /manifest/plan":  {path: "/manifest/plan", body: body},
		"POST /manifest/apply": {path: "/manifest/apply", body: body, foreign: []call{}},
	}
}

func manifestScenarios() []scenario {
	const apply, plan = "POST /manifest/apply", "POST /manifest/plan"
	return []scenario{
		{name: "export", as: "admin", route: "GET /manifest", status: 200, want: map[string]any{"data.version": 1, "data.roles.0.name": "inspector", "data.roles.0.parent": "reader", "data.roles.3": nil, "data.resources.0.code": "fleet"}},
		{name: "export without the permission", as: "plain", route: "GET /manifest", status: 403},
		{name: "plan", as: "admin", route: plan, body: `{"manifest":{"version":1,"roles":[{"name":"stoker","permissions":[]}]}}`, status: 200, want: map[string]any{
			"data.summary.create": 1, "data.changes.0.kind": "role", "data.changes.0.action": "create", "data.changes.0.after.name": "stoker", "data.changes.1": nil,
		}},
		{name: "plan of a deletion", as: "admin", route: plan, body: `{"prune":true,"manifest":{"version":1,"groups":[]}}`, status: 200, want: map[string]any{"data.summary.create": 0, "data.changes.0.action": "delete", "data.changes.0.kind": "group"}},
		{name: "plan of another version", as: "admin", route: plan, body: `{"manifest":{"version":2}}`, status: 400, fields: []string{"manifest.version"}},
		{name: "plan with an unknown member", as: "admin", route: plan, body: `{"manifest":{"version":1,"roles":[{"name":"a"},{"name":"b","nam":"c"}]}}`, status: 400, fields: []string{"manifest.roles[1].nam"}},
		{name: "plan with an unknown section", as: "admin", route: plan, body: `{"manifest":{"version":1,"users":[]}}`, status: 400, fields: []string{"manifest.users"}},
		{
			name: "apply", as: "admin", route: apply, body: `{"manifest":{"version":1,
			"resources":[{"type":"engine_room","code":"er-1"}],
			"permissions":[{"name":"Stoke","node":"engine_room:er-1","actions":["stoke"]}],
			"roles":[{"name":"stoker","permissions":["Stoke"]}],"groups":[{"name":"below deck","roles":["stoker"]}],
			"fields":[{"entity_type":"engine_room","field_name":"heat","field_type":"tenant_specific"}],"menus":[{"name":"engines","node":"engine_room:er-1"}],
			"settings":{"conflict_resolution":"deny_overrides"}}}`, status: 200, want: map[string]any{"data.summary.create": 7},
			audit: []string{
				"tenant.update success", "resource.create success", "permission.create success", "role.create success", "group.create success",
				"field_definition.create success", "menu_item.create success",
			},
			writes: []string{"tenants", "resources", "permissions", "roles", "role_permissions", "groups", "group_roles", "field_definitions", "menu_items"},
		},
		{name: "apply what there is", as: "admin", route: apply, body: `{"prune":false,"manifest":{"version":1,"groups":[{"name":"below deck","roles":["stoker"]}]}}`, status: 200, want: map[string]any{"data.changes.0": nil}},
		{name: "apply what was not shown", as: "admin", route: apply, body: `{"digest":"x","manifest":{"version":1,"groups":[{"name":"below deck","roles":[]}]}}`, status: 409, code: "CONFLICT", fields: []string{"digest"}},
		{name: "apply a reserved name", as: "admin", route: apply, body: `{"manifest":{"version":1,"roles":[{"name":"Tenant_Admin"}]}}`, status: 409, code: "CONFLICT"},
		{name: "apply without the permission", as: "author", route: apply, body: `{"manifest":{"version":1,"roles":[{"name":"x"}]}}`, status: 403, code: "PERMISSION_DENIED"},
		{
			name: "apply a change and prune", as: "admin", route: apply, body: `{"prune":true,"manifest":{"version":1,"menus":[],"fields":[]}}`, status: 200, want: map[string]any{"data.summary.delete": 2},
			audit: []string{"menu_item.delete success", "field_definition.delete success"}, writes: []string{"field_definitions", "menu_items"},
		},
	}
}

func TestScenarios_Manifest(t *testing.T) {
	t.Parallel()
	newWorld(t).play(t, manifestScenarios())
}
