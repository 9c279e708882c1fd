package app_test

import (
	"strings"
	"testing"
)

func roleScenarios() []scenario {
	return []scenario{
		{name: "list", as: "admin", route: "GET /roles", path: "/roles?sort=priority&order=desc", status: 200, want: map[string]any{"meta.pagination.total": 3, "data.0.id": "$editor", "data.1.id": "$inspector", "data.2.id": "$reader"}},
		{name: "list the platform's", as: "admin", route: "GET /roles", path: "/roles?type=system&sort=priority&order=desc", status: 200, want: map[string]any{"meta.pagination.total": 7, "data.0.name": "super_admin", "data.0.tenant_id": "$platform"}},
		{name: "read", as: "author", route: "GET /roles/{id}", path: "/roles/$inspector", status: 200, want: map[string]any{"data.parent_role_id": "$reader", "data.priority": 200, "data.type": "custom", "data.is_assignable": true}},
		{name: "read the platform's", as: "manager", route: "GET /roles/{id}", path: "/roles/$tenant_admin", status: 200, want: map[string]any{"data.name": "tenant_admin", "data.type": "system"}},
		{name: "permissions with inherited ones", as: "admin", route: "GET /roles/{id}/permissions", path: "/roles/$inspector/permissions", status: 200, want: map[string]any{
			"data.direct_permissions.0": nil, "data.inherited_permissions.0.id": "$reads", "data.inherited_permissions.0.path": "role:inspector > role:reader", "data.effective_permissions.0": "$reads",
		}},
		{name: "permissions of the platform's", as: "admin", route: "GET /roles/{id}/permissions", path: "/roles/$tenant_admin/permissions", status: 200, want: map[string]any{"data.direct_permissions.0.resource_path": "api/*"}},

		{name: "create", as: "admin", route: "POST /roles", body: `{"name":"pilot","display_name":"Pilot","description":"d","parent_role_id":"$reader","priority":899,"is_assignable":false,"metadata":{"a":1}}`, status: 201, save: "pilot", want: map[string]any{
			"data.name": "pilot", "data.parent_role_id": "$reader", "data.priority": 899, "data.is_assignable": false, "data.metadata.a": 1, "data.type": "custom", "data.is_active": true,
		}, audit: []string{"role.create success"}, writes: []string{"roles"}},
		{name: "create with the longest name", as: "admin", route: "POST /roles", body: `{"name":"` + strings.Repeat("é", 100) + `"}`, status: 201, audit: []string{"role.create success"}, writes: []string{"roles"}},
		{name: "create with a longer one", as: "admin", route: "POST /roles", body: `{"name":"` + strings.Repeat("e", 256) + `"}`, status: 400, fields: []string{"name"}},
		{name: "create with a taken name", as: "admin", route: "POST /roles", body: `{"name":"pilot"}`, status: 409, code: "CONFLICT", fields: []string{"name"}},
		{name: "create with a system role's name", as: "admin", route: "POST /roles", body: `{"name":"Tenant_Admin"}`, status: 409, code: "CONFLICT", fields: []string{"name"}},
		{name: "create as strong as an administrator", as: "admin", route: "POST /roles", body: `{"name":"x","priority":900,"type":"system"}`, status: 400, fields: []string{"priority", "type"}},
		{name: "create below a system role", as: "admin", route: "POST /roles", body: `{"name":"x","parent_role_id":"$auditor"}`, status: 404},
		{name: "an author inherits what he does not hold", as: "author", route: "POST /roles", body: `{"name":"x","parent_role_id":"$reader"}`, status: 403, want: map[string]any{"error.details.missing.0": "vessel/*:read"}, audit: []string{"role.create denied"}},
		{name: "an author creates", as: "author", route: "POST /roles", body: `{"name":"draft","parent_role_id":"$editor"}`, status: 201, save: "draft", audit: []string{"role.create success"}, writes: []string{"roles"}},

		{name: "update", as: "admin", route: "PATCH /roles/{id}", path: "/roles/$pilot", body: `{"display_name":null,"parent_role_id":null,"priority":5,"is_assignable":true,"metadata":null}`, status: 200, want: map[string]any{
			"data.display_name": "", "data.parent_role_id": nil, "data.priority": 5, "data.is_assignable": true, "data.name": "pilot",
		}, audit: []string{"role.update success"}, writes: []string{"roles"}},
		{name: "update to a taken name", as: "admin", route: "PATCH /roles/{id}", path: "/roles/$pilot", body: `{"name":"reader"}`, status: 409, fields: []string{"name"}},
		{name: "update to a reserved name", as: "admin", route: "PATCH /roles/{id}", path: "/roles/$pilot", body: `{"name":"super_admin"}`, status: 409, fields: []string{"name"}},
		{name: "update to an empty name", as: "admin", route: "PATCH /roles/{id}", path: "/roles/$pilot", body: `{"name":""}`, status: 400, fields: []string{"name"}},
		{name: "a role becomes its own parent", as: "admin", route: "PATCH /roles/{id}", path: "/roles/$reader", body: `{"parent_role_id":"$reader"}`, status: 409, fields: []string{"parent_role_id"}},
		{name: "a role inherits from one below it", as: "admin", route: "PATCH /roles/{id}", path: "/roles/$reader", body: `{"parent_role_id":"$inspector"}`, status: 409, code: "CONFLICT", fields: []string{"parent_role_id"}},
		{name: "update of a system role", as: "operator", route: "PATCH /roles/{id}", path: "/roles/$auditor", body: `{"display_name":"x"}`, status: 409, code: "CONFLICT"},
		{name: "update of a system role from a tenant", as: "admin", route: "PATCH /roles/{id}", path: "/roles/$auditor", body: `{"display_name":"x"}`, status: 409, code: "CONFLICT"},
		{name: "an author strengthens the own role", as: "author", route: "PATCH /roles/{id}", path: "/roles/$editor", body: `{"priority":899}`, status: 403, audit: []string{"role.update denied"}},

		{name: "give permissions", as: "admin", route: "POST /roles/{id}/permissions", path: "/roles/$pilot/permissions", body: `{"permission_ids":["$reads","$reads"],"permissions":[{"name":"Steer","resource_type":"vessel","resource_path":"vessel/*","actions":["steer"],"conditions":{"resource.attributes.class":["a","b"]}}]}`, status: 200, want: map[string]any{
			"data.direct_permissions.0.id": "$reads", "data.direct_permissions.1.name": "Steer", "data.direct_permissions.2": nil,
		}, audit: []string{"role.add_permissions success"}, writes: []string{"permissions", "role_permissions"}},
		{name: "give all or none", as: "admin", route: "POST /roles/{id}/permissions", path: "/roles/$pilot/permissions", body: `{"permissions":[{"name":"ok","resource_type":"vessel","resource_path":"vessel/*","actions":["a"]},{"name":"no","resource_type":"vessel","resource_path":"vessel/*","actions":["a"],"conditions":{"a":{"frobnicate":1}}}]}`, status: 400, fields: []string{"permissions[1].conditions.a.frobnicate"}},
		{name: "give nothing", as: "admin", route: "POST /roles/{id}/permissions", path: "/roles/$pilot/permissions", body: `{}`, status: 400, fields: []string{"permission_ids"}},
		{name: "give to a system role", as: "operator", route: "POST /roles/{id}/permissions", path: "/roles/$auditor/permissions", body: `{"permissions":[{"name":"x","resource_type":"vessel","resource_path":"vessel/*","actions":["a"]}]}`, status: 409, code: "CONFLICT"},
		{name: "an author gives the own role every section", as: "author", route: "POST /roles/{id}/permissions", path: "/roles/$editor/permissions", body: `{"permissions":[{"name":"all","resource_type":"api","resource_path":"api/*","actions":["*"]}]}`, status: 403, code: "PERMISSION_DENIED", want: map[string]any{"error.details.missing.0": "api/*:*"}, audit: []string{"role.add_permissions denied"}},
		{name: "an author gives a role what he holds not", as: "author", route: "POST /roles/{id}/permissions", path: "/roles/$draft/permissions", body: `{"permission_ids":["$reads"]}`, status: 403, audit: []string{"role.add_permissions denied"}},
		{name: "an author gives a role what he holds", as: "author", route: "POST /roles/{id}/permissions", path: "/roles/$draft/permissions", body: `{"permissions":[{"name":"Read roles","resource_type":"api","resource_path":"api/roles","actions":["read"]}]}`, status: 200, audit: []string{"role.add_permissions success"}, writes: []string{"permissions", "role_permissions"}},
		{name: "take a permission", as: "admin", route: "DELETE /roles/{id}/permissions/{permission_id}", path: "/roles/$pilot/permissions/$reads", status: 204, audit: []string{"role.remove_permission success"}, writes: []string{"role_permissions"}},
		{name: "take it again", as: "admin", route: "DELETE /roles/{id}/permissions/{permission_id}", path: "/roles/$pilot/permissions/$reads", status: 404},
		{name: "take from a system role", as: "operator", route: "DELETE /roles/{id}/permissions/{permission_id}", path: "/roles/$tenant_admin/permissions/$system_permission", status: 409, code: "CONFLICT"},

		{name: "delete a parent", as: "admin", route: "DELETE /roles/{id}", path: "/roles/$reader", status: 409, code: "CONFLICT"},
		{name: "delete a system role", as: "operator", route: "DELETE /roles/{id}", path: "/roles/$auditor", status: 409, code: "CONFLICT"},
		{name: "an author deletes what he holds not", as: "author", route: "DELETE /roles/{id}", path: "/roles/$inspector", status: 403, audit: []string{"role.delete denied"}},
		{name: "delete", as: "admin", route: "DELETE /roles/{id}", path: "/roles/$pilot", status: 204, audit: []string{"role.delete success"}, writes: []string{"roles", "role_permissions"}},
		{name: "delete again", as: "admin", route: "DELETE /roles/{id}", path: "/roles/$pilot", status: 404},
	}
}

func TestScenarios_Roles(t *testing.T) {
	t.Parallel()
	newWorld(t).play(t, roleScenarios())
}

func permissionScenarios() []scenario {
	const vessel = `"resource_type":"vessel","resource_path":"vessel/*"`
	return []scenario{
		{name: "list", as: "admin", route: "GET /permissions", path: "/permissions?resource_type=vessel&sort=name&search=read", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.id": "$reads"}},
		{name: "read", as: "author", route: "GET /permissions/{id}", path: "/permissions/$reads", status: 200, want: map[string]any{"data.resource_path": "vessel/*", "data.effect": "allow", "data.actions.0": "read"}},
		{name: "read a system role's", as: "admin", route: "GET /permissions/{id}", path: "/permissions/$system_permission", status: 404},
		{name: "create on a node", as: "admin", route: "POST /permissions", body: `{"name":"Fleet","resource_type":"app","resource_id":"$fleet","actions":["*"],"effect":"deny","conditions":{"any_of":[{"context.ip":{"cidr":["10.0.0.0/8"]}},{"not":{"subject.attributes.level":{"gte":1.50}}}]}}`, status: 201, save: "fleets", want: map[string]any{
			"data.resource_id": "$fleet", "data.resource_path": nil, "data.effect": "deny", "data.conditions.any_of.0.context\u002eip": nil, "data.is_active": true,
		}, audit: []string{"permission.create success"}, writes: []string{"permissions"}},
		{name: "create of everything", as: "admin", route: "POST /permissions", body: `{"name":"All","resource_type":"*","resource_path":"*/*","actions":["read"]}`, status: 201, audit: []string{"permission.create success"}, writes: []string{"permissions"}},
		{name: "create with an unknown operator", as: "admin", route: "POST /permissions", body: `{"name":"x",` + vessel + `,"actions":["read"],"conditions":{"all_of":[{"a":{"regexp":"x"}}]}}`, status: 400, fields: []string{"conditions.all_of[0].a.regexp"}},
		{name: "create with broken operands", as: "admin", route: "POST /permissions", body: `{"name":"x",` + vessel + `,"actions":["read"],"conditions":{"a":{"matches":"("},"b":{"cidr":["10.0.0.0/99"]},"c":{"between":[1]}}}`, status: 400},
		{name: "create with a number no float can hold", as: "admin", route: "POST /permissions", body: `{"name":"x",` + vessel + `,"actions":["read"],"conditions":{"a":{"gt":1e400}}}`, status: 400, fields: []string{"conditions.a.gt"}},
		{name: "create on nothing", as: "admin", route: "POST /permissions", body: `{"name":"x","resource_type":"vessel","actions":["read"]}`, status: 400, fields: []string{"resource_path"}},
		{name: "create on two things", as: "admin", route: "POST /permissions", body: `{"name":"x","resource_type":"app","resource_path":"app/*","resource_id":"$fleet","actions":["read"]}`, status: 400, fields: []string{"resource_path"}},
		{name: "create with another type than the node's", as: "admin", route: "POST /permissions", body: `{"name":"x","resource_type":"page","resource_id":"$fleet","actions":["read"]}`, status: 400, fields: []string{"resource_type"}},
		{name: "create with another type than the path's", as: "admin", route: "POST /permissions", body: `{"name":"x","resource_type":"page","resource_path":"vessel/*","actions":["read"]}`, status: 400, fields: []string{"resource_path"}},
		{name: "create a deny of the platform's sections", as: "admin", route: "POST /permissions", body: `{"name":"x","resource_type":"api","resource_path":"api/users","actions":["read"],"effect":"deny"}`, status: 400, fields: []string{"effect"}},
		{name: "create with strange actions", as: "admin", route: "POST /permissions", body: `{"name":"x",` + vessel + `,"actions":["read","re ad","","*x"]}`, status: 400, fields: []string{"actions[1]", "actions[2]", "actions[3]"}},
		{name: "an author creates what grants nothing yet", as: "author", route: "POST /permissions", body: `{"name":"x",` + vessel + `,"actions":["read"]}`, status: 201, save: "mine", audit: []string{"permission.create success"}, writes: []string{"permissions"}},

		{name: "update", as: "admin", route: "PATCH /permissions/{id}", path: "/permissions/$fleets", body: `{"resource_id":null,"resource_path":"app/fleet","effect":"allow","conditions":null,"actions":["read"],"is_active":false}`, status: 200, want: map[string]any{
			"data.resource_id": nil, "data.resource_path": "app/fleet", "data.effect": "allow", "data.conditions": "map[]", "data.is_active": false,
		}, audit: []string{"permission.update success"}, writes: []string{"permissions"}},
		{name: "update to nothing", as: "admin", route: "PATCH /permissions/{id}", path: "/permissions/$fleets", body: `{"resource_path":null}`, status: 400, fields: []string{"resource_path"}},
		{name: "update to another type", as: "admin", route: "PATCH /permissions/{id}", path: "/permissions/$fleets", body: `{"resource_type":"page"}`, status: 400, fields: []string{"resource_path"}},
		{name: "update with an unknown operator", as: "admin", route: "PATCH /permissions/{id}", path: "/permissions/$fleets", body: `{"conditions":{"a":{"nope":1}}}`, status: 400, fields: []string{"conditions.a.nope"}},
		{name: "an author widens a permission that a role owns", as: "author", route: "PATCH /permissions/{id}", path: "/permissions/$reads", body: `{"actions":["*"]}`, status: 403, audit: []string{"permission.update denied"}},
		{name: "an author changes one that nobody owns", as: "author", route: "PATCH /permissions/{id}", path: "/permissions/$mine", body: `{"actions":["*"]}`, status: 200, audit: []string{"permission.update success"}, writes: []string{"permissions"}},
		{name: "update of a system role's", as: "operator", route: "PATCH /permissions/{id}", path: "/permissions/$system_permission", body: `{"name":"x"}`, status: 409, code: "CONFLICT"},
		{name: "an author deletes a permission that a role owns", as: "author", route: "DELETE /permissions/{id}", path: "/permissions/$reads", status: 403, audit: []string{"permission.delete denied"}},
		{name: "delete of a system role's", as: "operator", route: "DELETE /permissions/{id}", path: "/permissions/$system_permission", status: 409, code: "CONFLICT"},
		{name: "delete", as: "admin", route: "DELETE /permissions/{id}", path: "/permissions/$reads", status: 204, audit: []string{"permission.delete success"}, writes: []string{"permissions", "role_permissions"}},
		{name: "delete again", as: "admin", route: "DELETE /permissions/{id}", path: "/permissions/$reads", status: 404},
	}
}

func TestScenarios_Permissions(t *testing.T) {
	t.Parallel()
	newWorld(t).play(t, permissionScenarios())
}
