package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func directoryExamples() map[string]example {
	return map[string]example{
		"GET /roles/{id}/hierarchy": {path: "/roles/$reader/hierarchy", foreign: []call{{"/roles/$reader_b/hierarchy", ""}}},
		"GET /roles/{id}/users":     {path: "/roles/$reader/users", foreign: []call{{"/roles/$reader_b/users", ""}}},
		"POST /roles/{id}/users": {
			path: "/roles/$reader/users", body: `{"user_ids":["$plain"]}`,
			foreign: []call{{"/roles/$reader_b/users", `{"user_ids":["$plain"]}`}, {"/roles/$reader/users", `{"user_ids":["$plain","$plain_b"]}`}},
		},
		"DELETE /roles/{id}/users/{user_id}": {
			path: "/roles/$user_manager/users/$manager", foreign: []call{{"/roles/$reader_b/users/$plain", ""}, {"/roles/$user_manager/users/$plain_b", ""}},
		},
		"GET /roles/templates": {path: "/roles/templates"},
		"POST /roles/templates/{name}": {
			path: "/roles/templates/viewer", body: `{"resource_type":"invoice"}`,
			foreign: []call{{"/roles/templates/viewer", `{"resource_type":"invoice","parent_role_id":"$reader_b"}`}},
		},
		"GET /groups/{id}/hierarchy": {path: "/groups/$ops/hierarchy", foreign: []call{{"/groups/$ops_b/hierarchy", ""}}},
	}
}

func directoryScenarios() []scenario {
	return slices.Concat(holderScenarios(), hierarchyScenarios(), templateScenarios(), fieldPermissionScenarios())
}

func holderScenarios() []scenario {
	return []scenario{
		{name: "holders", as: "manager", route: "GET /roles/{id}/users", path: "/roles/$user_manager/users", status: 200, want: map[string]any{
			"meta.pagination.total": 1, "data.0.user_id": "$manager", "data.0.ways.0.direct": true, "data.0.ways.0.path": "user > role:user_manager", "data.0.ways.0.valid": true, "data.0.ways.0.given_by": "$admin",
		}},
		{name: "holders without the right", as: "author", route: "GET /roles/{id}/users", path: "/roles/$reader/users", status: 403, want: map[string]any{"error.details.required_permission": "api/users:read"}},
		{name: "assign to many", as: "admin", route: "POST /roles/{id}/users", path: "/roles/$inspector/users", body: `{"user_ids":["$plain","$author","$plain"],"valid_from":"2020-01-01T00:00:00Z","expires_at":"2020-02-01T00:00:00Z"}`, status: 200, want: map[string]any{"data.assigned": 2}, audit: []string{"role.assign_users success"}, writes: []string{"user_roles"}},
		{name: "those whose time is over are listed as such", as: "admin", route: "GET /roles/{id}/users", path: "/roles/$inspector/users?limit=1", status: 200, want: map[string]any{
			"meta.pagination.total": 2, "data.0.ways.0.valid": false, "data.0.ways.0.expires_at": "2020-02-01T00:00:00Z", "data.1": nil,
		}},
		{name: "assign again", as: "admin", route: "POST /roles/{id}/users", path: "/roles/$inspector/users", body: `{"user_ids":["$plain"]}`, status: 200, want: map[string]any{"data.assigned": 1}, audit: []string{"role.assign_users success"}, writes: []string{"user_roles"}},
		{name: "join", as: "admin", route: "POST /groups/{id}/users", path: "/groups/$east/users", body: `{"user_ids":["$plain","$manager"]}`, status: 200, audit: []string{"group.add_users success"}, writes: []string{"user_groups"}},
		{name: "no direct holder", as: "admin", route: "GET /roles/{id}/users", path: "/roles/$reader/users", status: 200, want: map[string]any{"meta.pagination.total": 0}},
		{name: "with those that inherit", as: "admin", route: "GET /roles/{id}/users", path: "/roles/$reader/users?include_inherited=true", status: 200, want: map[string]any{
			"meta.pagination.total": 3, "data.0.user_id": "$plain",
			"data.0.ways.0.path": "user > role:inspector > role:reader", "data.0.ways.0.role_id": "$inspector", "data.0.ways.0.direct": false, "data.0.ways.0.valid": true,
			"data.0.ways.1.path": "user > group:east > group:ops > role:reader", "data.0.ways.1.group_id": "$east", "data.0.ways.1.role_id": nil, "data.0.ways.2": nil,
			"data.1.user_id": "$manager", "data.2.user_id": "$author", "data.2.ways.0.valid": false,
		}},
		{name: "the last page of those", as: "admin", route: "GET /roles/{id}/users", path: "/roles/$reader/users?include_inherited=true&limit=2&page=2", status: 200, want: map[string]any{"meta.pagination.total": 3, "data.0.user_id": "$author", "data.1": nil}},
		{name: "assign in the wrong order of time", as: "admin", route: "POST /roles/{id}/users", path: "/roles/$inspector/users", body: `{"user_ids":["$plain"],"valid_from":"2030-01-01T00:00:00Z","expires_at":"2029-01-01T00:00:00Z"}`, status: 400, fields: []string{"expires_at"}},
		{name: "assign to nobody", as: "admin", route: "POST /roles/{id}/users", path: "/roles/$inspector/users", body: `{"user_ids":[]}`, status: 400, fields: []string{"user_ids"}},
		{name: "assign to somebody who is not there", as: "admin", route: "POST /roles/{id}/users", path: "/roles/$inspector/users", body: `{"user_ids":["$plain","$absent"]}`, status: 404, fields: []string{"user_ids[1]"}},
		{name: "assign super_admin", as: "admin", route: "POST /roles/{id}/users", path: "/roles/$super_admin/users", body: `{"user_ids":["$plain"]}`, status: 409, code: "CONFLICT", fields: []string{"role_id"}},
		{name: "a manager makes an administrator", as: "manager", route: "POST /roles/{id}/users", path: "/roles/$tenant_admin/users", body: `{"user_ids":["$plain"]}`, status: 403, audit: []string{"role.assign_users denied"}},
		{name: "a manager assigns to himself", as: "manager", route: "POST /roles/{id}/users", path: "/roles/$reader/users", body: `{"user_ids":["$plain","$manager"]}`, status: 403, audit: []string{"role.assign_users denied"}},
		{name: "a manager assigns a lower role", as: "manager", route: "POST /roles/{id}/users", path: "/roles/$reader/users", body: `{"user_ids":["$plain"]}`, status: 200, audit: []string{"role.assign_users success"}, writes: []string{"user_roles"}},
		{name: "a role is switched off", as: "admin", route: "PATCH /roles/{id}", path: "/roles/$inspector", body: `{"is_active":false}`, status: 200, audit: []string{"role.update success"}, writes: []string{"roles"}},
		{name: "its holders are those it is assigned to", as: "admin", route: "GET /roles/{id}/users", path: "/roles/$inspector/users?include_inherited=true", status: 200, want: map[string]any{"meta.pagination.total": 2, "data.0.ways.0.path": "user > role:inspector", "data.0.ways.0.valid": false}},
		{name: "it is not assigned", as: "admin", route: "POST /roles/{id}/users", path: "/roles/$inspector/users", body: `{"user_ids":["$plain"]}`, status: 409, code: "CONFLICT"},
		{name: "and leads nobody to another", as: "admin", route: "GET /roles/{id}/users", path: "/roles/$reader/users?include_inherited=true", status: 200, want: map[string]any{"meta.pagination.total": 2}},
		{name: "take a role from a holder", as: "admin", route: "DELETE /roles/{id}/users/{user_id}", path: "/roles/$reader/users/$plain", status: 204, audit: []string{"role.unassign_user success"}, writes: []string{"user_roles"}},
		{name: "take it again", as: "admin", route: "DELETE /roles/{id}/users/{user_id}", path: "/roles/$reader/users/$plain", status: 404},
		{name: "the last administrator stays", as: "operator", route: "DELETE /roles/{id}/users/{user_id}", path: "/roles/$tenant_admin/users/$admin", header: map[string]string{"X-Tenant-ID": "$alpha"}, status: 409, code: "CONFLICT"},
	}
}

func hierarchyScenarios() []scenario {
	return []scenario{
		{name: "a lower role", as: "admin", route: "POST /roles", body: `{"name":"surveyor","parent_role_id":"$inspector"}`, status: 201, save: "surveyor", want: map[string]any{"data.parent_role_name": "inspector"}, audit: []string{"role.create success"}, writes: []string{"roles"}},
		{name: "hierarchy of a role", as: "author", route: "GET /roles/{id}/hierarchy", path: "/roles/$inspector/hierarchy", status: 200, want: map[string]any{
			"data.ancestors.0.id": "$reader", "data.ancestors.0.depth": 1, "data.ancestors.0.path": "role:inspector > role:reader", "data.ancestors.1": nil,
			"data.descendants.0.id": "$surveyor", "data.descendants.0.path": "role:surveyor > role:inspector", "data.descendants.0.parent_id": "$inspector", "data.descendants.1": nil, "data.truncated": false,
		}},
		{name: "two steps down", as: "admin", route: "GET /roles/{id}/hierarchy", path: "/roles/$reader/hierarchy", status: 200, want: map[string]any{"data.descendants.1.id": "$surveyor", "data.descendants.1.depth": 2, "data.descendants.1.path": "role:surveyor > role:inspector > role:reader"}},
		{name: "one step down", as: "admin", route: "GET /roles/{id}/hierarchy", path: "/roles/$reader/hierarchy?depth=1", status: 200, want: map[string]any{"data.descendants.0.id": "$inspector", "data.descendants.1": nil, "data.truncated": true}},
		{name: "no steps", as: "admin", route: "GET /roles/{id}/hierarchy", path: "/roles/$reader/hierarchy?depth=0", status: 400, fields: []string{"query.depth"}},
		{name: "hierarchy of the platform's", as: "admin", route: "GET /roles/{id}/hierarchy", path: "/roles/$auditor/hierarchy", status: 200, want: map[string]any{"data.ancestors.0": nil, "data.descendants.0": nil}},
		{name: "a circle is named", as: "admin", route: "PATCH /roles/{id}", path: "/roles/$reader", body: `{"parent_role_id":"$surveyor"}`, status: 409, fields: []string{"parent_role_id"}, want: map[string]any{
			"error.message": "The role would be above itself: reader > surveyor > inspector > reader. Choose another parent.",
		}},
		{name: "the smallest, too", as: "admin", route: "PATCH /roles/{id}", path: "/roles/$reader", body: `{"parent_role_id":"$reader"}`, status: 409, fields: []string{"parent_role_id"}, want: map[string]any{
			"error.message": "The role would be above itself: reader > reader. Choose another parent.",
		}},
		{name: "read with what is inherited", as: "admin", route: "GET /roles/{id}", path: "/roles/$inspector", status: 200, want: map[string]any{
			"data.parent_role_name": "reader", "data.inherited_permissions.0.id": "$reads", "data.inherited_permissions.0.role": "reader", "data.inherited_permissions.0.role_id": "$reader",
			"data.inherited_permissions.0.path": "role:inspector > role:reader", "data.inherited_truncated": false,
		}},
		{name: "list with permissions", as: "admin", route: "GET /roles", path: "/roles?include_permissions=true&sort=name", status: 200, want: map[string]any{
			"data.0.id": "$inspector", "data.0.permissions": "[]", "data.0.permissions_total": 0, "data.1.id": "$reader", "data.1.permissions.0.id": "$reads", "data.1.permissions.1": nil, "data.1.permissions_total": 1,
		}},
		{name: "list without", as: "admin", route: "GET /roles", path: "/roles?sort=name", status: 200, want: map[string]any{"data.1.permissions": nil, "data.1.permissions_total": nil}},
		{name: "list the platform's with permissions", as: "admin", route: "GET /roles", path: "/roles?type=system&include_permissions=true&search=tenant_admin", status: 200, want: map[string]any{"data.0.permissions_total": 2}},
		{name: "list too many with permissions", as: "admin", route: "GET /roles", path: "/roles?include_permissions=true&limit=101", status: 400, fields: []string{"query.limit"}},

		{name: "a lower group", as: "admin", route: "POST /groups", body: `{"name":"dock","parent_group_id":"$east"}`, status: 201, save: "dock", audit: []string{"group.create success"}, writes: []string{"groups"}},
		{name: "hierarchy of a group", as: "manager", route: "GET /groups/{id}/hierarchy", path: "/groups/$east/hierarchy", status: 200, want: map[string]any{
			"data.ancestors.0.path": "group:east > group:ops", "data.descendants.0.id": "$dock", "data.descendants.0.path": "group:dock > group:east", "data.truncated": false,
		}},
		{name: "a circle of groups is named", as: "admin", route: "PATCH /groups/{id}", path: "/groups/$ops", body: `{"parent_group_id":"$dock"}`, status: 409, fields: []string{"parent_group_id"}, want: map[string]any{
			"error.message": "The group would be above itself: ops > dock > east > ops. Choose another parent.",
		}},
		{name: "groups below one", as: "admin", route: "GET /groups", path: "/groups?parent_group_id=$ops&is_active=true", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.id": "$east"}},
		{name: "inactive groups", as: "admin", route: "GET /groups", path: "/groups?is_active=false", status: 200, want: map[string]any{"meta.pagination.total": 0}},
	}
}

func templateScenarios() []scenario {
	return []scenario{
		{name: "templates", as: "author", route: "GET /roles/templates", status: 200, want: map[string]any{"meta.pagination.total": 4, "data.0.name": "viewer", "data.0.permissions.0.resource_path": "{type}/*", "data.3.name": "approver"}},
		{name: "make a viewer", as: "admin", route: "POST /roles/templates/{name}", path: "/roles/templates/viewer", body: `{"resource_type":"invoice"}`, status: 201, save: "invoices", want: map[string]any{
			"data.name": "invoice_viewer", "data.display_name": "Invoice viewer", "data.priority": 100, "data.is_assignable": true, "data.metadata": "map[]",
		}, audit: []string{"role.create success"}, writes: []string{"roles", "permissions", "role_permissions"}},
		{name: "what it grants", as: "admin", route: "GET /roles/{id}/permissions", path: "/roles/$invoices/permissions", status: 200, want: map[string]any{"data.direct_permissions.0.name": "invoice viewer", "data.direct_permissions.0.resource_path": "invoice/*", "data.direct_permissions.0.actions": "[read]", "data.direct_permissions.1": nil}},
		{name: "make it again", as: "admin", route: "POST /roles/templates/{name}", path: "/roles/templates/viewer", body: `{"resource_type":"invoice"}`, status: 409, code: "CONFLICT", fields: []string{"role_name"}},
		{name: "make it of another name", as: "admin", route: "POST /roles/templates/{name}", path: "/roles/templates/approver", body: `{"resource_type":"invoice","role_name":"payers","display_name":"Payers","description":"d","parent_role_id":"$invoices","priority":7,"is_assignable":false}`, status: 201, want: map[string]any{
			"data.name": "payers", "data.display_name": "Payers", "data.description": "d", "data.parent_role_name": "invoice_viewer", "data.priority": 7, "data.is_assignable": false, "data.inherited_permissions.0.role": "invoice_viewer",
		}, audit: []string{"role.create success"}, writes: []string{"roles", "permissions", "role_permissions"}},
		{name: "make one of no template", as: "admin", route: "POST /roles/templates/{name}", path: "/roles/templates/owner", body: `{"resource_type":"invoice"}`, status: 404},
		{name: "make one for the platform's sections", as: "admin", route: "POST /roles/templates/{name}", path: "/roles/templates/admin", body: `{"resource_type":"api"}`, status: 400, fields: []string{"resource_type"}},
		{name: "make a system role", as: "admin", route: "POST /roles/templates/{name}", path: "/roles/templates/viewer", body: `{"resource_type":"invoice","role_name":"Auditor"}`, status: 409, fields: []string{"role_name"}},
		{name: "an author makes what he does not hold", as: "author", route: "POST /roles/templates/{name}", path: "/roles/templates/editor", body: `{"resource_type":"vessel"}`, status: 403, want: map[string]any{"error.details.missing.0": "vessel/*:create"}, audit: []string{"role.create denied"}},
	}
}

func fieldPermissionScenarios() []scenario {
	const vessel = `"resource_type":"vessel","resource_path":"vessel/*","actions":["read"]`
	return []scenario{
		{name: "create with fields", as: "admin", route: "POST /permissions", body: `{"name":"f",` + vessel + `,"field_permissions":{"vessel_name":"read","hazardousMaterialCode":"hidden"}}`, status: 201, save: "fielded", want: map[string]any{
			"data.field_permissions.vessel_name": "read", "data.field_permissions.hazardousMaterialCode": "hidden", "data.roles_total": 0,
		}, audit: []string{"permission.create success"}, writes: []string{"permissions"}},
		{name: "create with strange fields", as: "admin", route: "POST /permissions", body: `{"name":"f",` + vessel + `,"field_permissions":{"a b":"read","c":"see","d":"write"}}`, status: 400, fields: []string{"field_permissions.a b", "field_permissions.c"}},
		{name: "create with fields of another kind", as: "admin", route: "POST /permissions", body: `{"name":"f",` + vessel + `,"field_permissions":{"c":["read"]}}`, status: 400, fields: []string{"field_permissions.c"}},
		{name: "give inline with strange fields", as: "admin", route: "POST /roles/{id}/permissions", path: "/roles/$reader/permissions", body: `{"permissions":[{"name":"f",` + vessel + `},{"name":"f",` + vessel + `,"field_permissions":{"c":""}}]}`, status: 400, fields: []string{"permissions[1].field_permissions.c"}},
		{name: "give inline with fields", as: "admin", route: "POST /roles/{id}/permissions", path: "/roles/$reader/permissions", body: `{"permissions":[{"name":"Zoned",` + vessel + `,"field_permissions":{"c":"write"}}]}`, status: 200, want: map[string]any{"data.direct_permissions.1.field_permissions.c": "write"}, audit: []string{"role.add_permissions success"}, writes: []string{"permissions", "role_permissions"}},
		{name: "update of fields", as: "admin", route: "PATCH /permissions/{id}", path: "/permissions/$fielded", body: `{"field_permissions":{"c":"read"}}`, status: 200, want: map[string]any{"data.field_permissions": "map[c:read]", "data.actions": "[read]"}, audit: []string{"permission.update success"}, writes: []string{"permissions"}},
		{name: "update to a deny with fields", as: "admin", route: "PATCH /permissions/{id}", path: "/permissions/$fielded", body: `{"effect":"deny"}`, status: 400, fields: []string{"field_permissions"}},
		{name: "update to a deny without", as: "admin", route: "PATCH /permissions/{id}", path: "/permissions/$fielded", body: `{"effect":"deny","field_permissions":null}`, status: 200, want: map[string]any{"data.field_permissions": "map[]"}, audit: []string{"permission.update success"}, writes: []string{"permissions"}},
		{name: "read with owners", as: "author", route: "GET /permissions/{id}", path: "/permissions/$reads", status: 200, want: map[string]any{"data.roles.0.id": "$reader", "data.roles.0.name": "reader", "data.roles_total": 1}},
		{name: "list of a role", as: "admin", route: "GET /permissions", path: "/permissions?role_id=$reader&sort=name", status: 200, want: map[string]any{"meta.pagination.total": 2, "data.0.id": "$reads", "data.1.name": "Zoned"}},
		{name: "list for an action", as: "admin", route: "GET /permissions", path: "/permissions?action=scrap&is_active=true", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.id": "$loose"}},
		{name: "list on a node", as: "admin", route: "GET /permissions", path: "/permissions?resource_id=$fleet", status: 200, want: map[string]any{"meta.pagination.total": 0}},
		{name: "a user's permissions on the sections", as: "admin", route: "GET /users/{id}/permissions", path: "/users/$admin/permissions?resource_type=api", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.resource_path": "api/*"}},
		{name: "and on a type", as: "admin", route: "GET /users/{id}/permissions", path: "/users/$admin/permissions?resource_type=vessel&include_conditions=false", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.resource_path": "*/*", "data.0.conditions": nil}},
		{name: "an account is locked", as: "admin", route: "POST /users/{id}/lock", path: "/users/$manager/lock", body: `{"reason":"x"}`, status: 200, audit: []string{"user.lock success"}, writes: []string{"users"}},
		{name: "and may do nothing", as: "admin", route: "GET /users/{id}/permissions", path: "/users/$manager/permissions", status: 200, want: map[string]any{"meta.pagination.total": 0}},
		{name: "list of inactive ones", as: "admin", route: "GET /permissions", path: "/permissions?is_active=false", status: 200, want: map[string]any{"meta.pagination.total": 0}},
	}
}

func TestScenarios_Directory(t *testing.T) {
	t.Parallel()
	for name, rows := range map[string][]scenario{
		"holders": holderScenarios(), "hierarchies": hierarchyScenarios(), "templates": templateScenarios(), "fields": fieldPermissionScenarios(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newWorld(t).play(t, rows)
		})
	}
}

// What a deletion takes with it stands in its audit event, and is gone for the
// next question.
func TestDeletions_SayWhatGoesWithThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person("other", "admin", "", "ALPHA", `"$reader"`)
	do := func(method, path, body string) {
		t.Helper()
		got := w.do(request{as: "admin", method: method, path: path, body: body})
		require.Less(t, got.status, 300, "%s", got.body)
	}
	allowed := func(user string) bool {
		t.Helper()
		got := w.do(request{as: "admin", method: http.MethodPost, path: "/permissions/check", body: `{"user_id":"$` + user + `","resource":{"type":"vessel","id":"mv-aurora"},"action":"read"}`})
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
		return got.at("data.allowed").(bool)
	}
	type some struct {
		Total int
		IDs   []string
	}
	went := func(action string) map[string]some {
		t.Helper()
		rows := w.column(t, "SELECT changes->'before'->>'went_with_it' FROM sentinel.audit_logs WHERE action = $1 AND result = 'success'", action)
		require.Len(t, rows, 1)
		var out map[string]some
		require.NoError(t, json.Unmarshal([]byte(rows[0]), &out))
		return out
	}
	id := func(name string) some { return some{1, []string{w.ids[name]}} }
	none := some{0, []string{}}

	do(http.MethodPost, "/groups/$east/users", `{"user_ids":["$plain"]}`)
	do(http.MethodPost, "/groups/$east/roles", `{"role_ids":["$inspector"]}`)
	do(http.MethodPatch, "/groups/$east", `{"parent_group_id":null}`)
	require.True(t, allowed("plain"))
	do(http.MethodDelete, "/groups/$east", "")
	require.Equal(t, map[string]some{"members": id("plain"), "roles": id("inspector")}, went("group.delete"))
	require.False(t, allowed("plain"))

	require.True(t, allowed("other"))
	do(http.MethodPost, "/roles/$inspector/permissions", `{"permission_ids":["$reads"]}`)
	do(http.MethodDelete, "/permissions/$loose", "")
	require.Equal(t, map[string]some{"roles": none}, went("permission.delete"))
	do(http.MethodPatch, "/roles/$inspector", `{"parent_role_id":null}`)
	do(http.MethodPost, "/roles/$reader/permissions", `{"permissions":[{"name":"own","resource_type":"vessel","resource_path":"vessel/*","actions":["sail"]}]}`)
	own := some{1, w.column(t, "SELECT id::text FROM sentinel.permissions WHERE name = 'own'")}
	do(http.MethodDelete, "/roles/$reader", "")
	lost := went("role.delete")
	require.Equal(t, 2, lost["permissions"].Total)
	delete(lost, "permissions")
	require.Equal(t, map[string]some{"holders": id("other"), "groups": id("ops"), "unowned_permissions": own}, lost)
	require.False(t, allowed("other"))

	do(http.MethodPost, "/roles/$inspector/users", `{"user_ids":["$plain"]}`)
	require.True(t, allowed("plain"))
	do(http.MethodDelete, "/permissions/$reads", "")
	rows := w.column(t, "SELECT changes->'before'->'went_with_it'->'roles'->>'ids' FROM sentinel.audit_logs WHERE action = 'permission.delete' AND resource_id = $1", w.ids["reads"])
	require.Equal(t, []string{fmt.Sprintf("[%q]", w.ids["inspector"])}, rows)
	require.False(t, allowed("plain"))
}

// An event names a hundred of each and counts the rest.
func TestDeletions_NameNoMoreThanAHundred(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	permissions := make([]string, 120)
	for i := range permissions {
		permissions[i] = fmt.Sprintf(`{"name":"p%d","resource_type":"vessel","resource_path":"vessel/*","actions":["read"]}`, i)
	}
	got := w.do(request{as: "admin", method: http.MethodPost, path: "/roles/$inspector/permissions", body: `{"permissions":[` + strings.Join(permissions, ",") + `]}`})
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	require.Equal(t, http.StatusNoContent, w.do(request{as: "admin", method: http.MethodDelete, path: "/roles/$inspector"}).status)
	require.Equal(t, []string{"120 100"}, w.column(t, `
SELECT (lost->>'total') || ' ' || jsonb_array_length(lost->'ids')
FROM (SELECT changes->'before'->'went_with_it'->'unowned_permissions' AS lost FROM sentinel.audit_logs WHERE action = 'role.delete') x`))
}
