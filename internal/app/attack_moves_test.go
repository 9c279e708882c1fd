package app_test

import (
	"fmt"
	"slices"
	"strings"
)

// moves says for each granting route how it is attacked.
func (a *attack) moves() map[string]func() (path, body string) {
	both := func(path, body string) func() (string, string) {
		return func() (string, string) { return a.fill(path), a.fill(body) }
	}
	one := func(list ...func() (string, string)) func() (string, string) {
		return func() (string, string) { return pick(a, list)() }
	}
	permission := func() string {
		typ, fields := pick(a, []string{"vessel", "cargo", "api"}), "{}"
		if typ != "api" {
			fields = pick(a, []string{"{}", "{}", `{"cost":"read"}`, `{"cost":"hidden"}`})
		}
		return fmt.Sprintf(`{"name":"p","resource_type":"%[1]s","resource_path":"%[1]s/%[2]s","actions":["%[3]s"],"effect":"%[4]s","conditions":%[5]s,"field_permissions":%[6]s}`,
			typ, pick(a, []string{"*", "one", "users"}), pick(a, []string{"read", "write", "*"}),
			"allow", pick(a, []string{"{}", `{"context.ip":"10.0.0.1"}`}), fields)
	}
	return map[string]func() (string, string){
		"POST /users": one(both("/users", `{"email":"<name>@alpha.example","roles":["<roles>"],"groups":["<groups>"]}`), both("/users", `{"email":"<name>@alpha.example"}`)),
		"PATCH /users/{id}": one(both("/users/<users>", `{"email":"<name>@alpha.example"}`), both("/users/<users>", `{"attributes":{"level":9}}`),
			both("/users/<users>", `{"is_active":true}`), both("/users/<users>", `{"external_id":"<name>"}`), both("/users/<users>", `{"password":"`+otherPassword+`"}`)),
		"DELETE /users/{id}":                 both("/users/<users>", ""),
		"POST /users/{id}/roles":             both("/users/<users>/roles", `{"role_id":"<roles>"}`),
		"DELETE /users/{id}/roles/{role_id}": both("/users/<users>/roles/<roles>", ""),
		"POST /roles":                        one(both("/roles", `{"name":"<name>","priority":1}`), both("/roles", `{"name":"<name>","parent_role_id":"<own roles>","priority":1}`)),
		"PATCH /roles/{id}": one(both("/roles/<own roles>", `{"parent_role_id":"<own roles>"}`), both("/roles/<own roles>", `{"priority":899}`),
			both("/roles/<own roles>", `{"is_assignable":true,"priority":0}`), both("/roles/<own roles>", `{"is_active":false}`), both("/roles/<own roles>", `{"is_active":true}`), both("/roles/<own roles>", `{"parent_role_id":null}`)),
		"DELETE /roles/{id}": both("/roles/<own roles>", ""),
		"POST /roles/{id}/permissions": one(both("/roles/<own roles>/permissions", `{"permission_ids":["<permissions>"]}`), func() (string, string) {
			return a.fill("/roles/<own roles>/permissions"), `{"permissions":[` + permission() + `]}`
		}),
		"DELETE /roles/{id}/permissions/{permission_id}": both("/roles/<own roles>/permissions/<permissions>", ""),
		"POST /roles/{id}/users":                         one(both("/roles/<roles>/users", `{"user_ids":["<users>"]}`), both("/roles/<roles>/users", `{"user_ids":["<users>","<services>"]}`)),
		"DELETE /roles/{id}/users/{user_id}":             both("/roles/<roles>/users/<users>", ""),
		"POST /roles/templates/{name}": one(both("/roles/templates/viewer", `{"resource_type":"vessel","role_name":"<name>"}`), both("/roles/templates/approver", `{"resource_type":"cargo","role_name":"<name>"}`),
			both("/roles/templates/admin", `{"resource_type":"vessel","role_name":"<name>","parent_role_id":"<own roles>"}`)),
		"POST /groups": one(both("/groups", `{"name":"<name>"}`), both("/groups", `{"name":"<name>","parent_group_id":"<groups>"}`)),
		"PATCH /groups/{id}": one(both("/groups/<groups>", `{"parent_group_id":"<groups>"}`), both("/groups/<groups>", `{"is_active":false}`),
			both("/groups/<groups>", `{"is_active":true}`), both("/groups/<groups>", `{"parent_group_id":null}`)),
		"DELETE /groups/{id}":                   both("/groups/<groups>", ""),
		"POST /groups/{id}/users":               both("/groups/<groups>/users", `{"user_ids":["<users>"]}`),
		"DELETE /groups/{id}/users/{member_id}": both("/groups/<groups>/users/<users>", ""),
		"POST /groups/{id}/roles":               both("/groups/<groups>/roles", `{"role_ids":["<roles>"]}`),
		"DELETE /groups/{id}/roles/{member_id}": both("/groups/<groups>/roles/<roles>", ""),
		"POST /permissions":                     func() (string, string) { return "/permissions", permission() },
		"PATCH /permissions/{id}": one(both("/permissions/<permissions>", `{"actions":["*"]}`), both("/permissions/<permissions>", `{"effect":"allow"}`), both("/permissions/<permissions>", `{"conditions":{}}`),
			both("/permissions/<permissions>", `{"field_permissions":null}`), both("/permissions/<permissions>", `{"is_active":false}`), both("/permissions/<permissions>", `{"is_active":true}`)),
		"DELETE /permissions/{id}":  both("/permissions/<permissions>", ""),
		"POST /resources":           both("/resources", `{"type":"vessel","name":"One","code":"<name>","parent_id":"<resources>"}`),
		"PATCH /resources/{id}":     one(both("/resources/<resources>", `{"name":"y"}`), both("/resources/<resources>", `{"attributes":{"level":9}}`)),
		"POST /resources/{id}/move": one(both("/resources/<resources>/move", `{"parent_id":"<resources>"}`), both("/resources/<resources>/move", `{"parent_id":null}`)),
		"DELETE /resources/{id}":    one(both("/resources/<resources>", ""), both("/resources/<resources>?recursive=true", "")),
		"POST /users/bulk": one(both("/users/bulk", `{"operation":"assign_role","user_ids":["<users>"],"data":{"role_id":"<roles>"}}`),
			both("/users/bulk", `{"operation":"remove_role","user_ids":["<users>"],"data":{"role_id":"<roles>"}}`),
			both("/users/bulk", `{"operation":"add_to_group","user_ids":["<users>"],"data":{"group_id":"<groups>"}}`),
			both("/users/bulk", `{"operation":"deactivate","user_ids":["<users>"]}`), both("/users/bulk", `{"operation":"activate","user_ids":["<users>"]}`)),
		"POST /field-definitions": one(both("/field-definitions", `{"entity_type":"vessel","field_name":"<name>","field_type":"tenant_specific"}`),
			both("/field-definitions", `{"entity_type":"vessel","field_name":"<name>","field_type":"tenant_specific","default_visibility":"hidden"}`)),
		"POST /field-definitions/bulk": both("/field-definitions/bulk", `{"definitions":[{"entity_type":"vessel","field_name":"<name>","field_type":"tenant_specific","default_visibility":"hidden"}]}`),
		"PATCH /field-definitions/{id}": one(both("/field-definitions/<field_definitions>", `{"default_visibility":"write"}`), both("/field-definitions/<field_definitions>", `{"is_pii":false}`),
			both("/field-definitions/<field_definitions>", `{"default_visibility":"hidden"}`), both("/field-definitions/<field_definitions>", `{"is_active":false}`)),
		"DELETE /field-definitions/{id}": both("/field-definitions/<field_definitions>", ""),
		"POST /approval-chains": one(both("/approval-chains", `{"name":"<name>","resource_type":"vessel","mode":"escalation","approval_levels":[{"level":1,"approver_role":"<roles>"}]}`),
			both("/approval-chains", `{"name":"<name>","resource_type":"role","approval_levels":[{"level":1,"approvers":{"any_of":[{"user":"<users>"}]}}]}`)),
		"PATCH /approval-chains/{id}": one(both("/approval-chains/<approval_chains>", `{"approval_levels":[{"level":1,"approver_role":"<roles>"}]}`), both("/approval-chains/<approval_chains>", `{"mode":"escalation"}`),
			both("/approval-chains/<approval_chains>", `{"is_active":false}`), both("/approval-chains/<approval_chains>", `{"auto_approve_conditions":{"subject.id":{"exists":true}}}`)),
		"DELETE /approval-chains/{id}":    both("/approval-chains/<approval_chains>", ""),
		"POST /imports":                   a.importMove,
		"POST /users/{id}/lock":           both("/users/<users>/lock", `{"reason":"x"}`),
		"POST /users/{id}/unlock":         both("/users/<users>/unlock", ""),
		"POST /users/{id}/reset-password": both("/users/<users>/reset-password", `{"mode":"temporary"}`),
		"POST /service-accounts": one(both("/service-accounts", `{"name":"<name>","roles":["<roles>"],"groups":["<groups>"]}`), both("/service-accounts", `{"name":"<name>"}`),
			both("/service-accounts", `{"name":"<name>","owner_id":"<users>"}`)),
		"PATCH /service-accounts/{id}":                   one(both("/service-accounts/<services>", `{"allowed_ips":["10.0.0.0/8"]}`), both("/service-accounts/<services>", `{"attributes":{"level":9}}`), both("/service-accounts/<services>", `{"is_active":true}`)),
		"DELETE /service-accounts/{id}":                  both("/service-accounts/<services>", ""),
		"POST /service-accounts/{id}/rotate-credentials": both("/service-accounts/<services>/rotate-credentials", `{"grace_period_minutes":5}`),
		"POST /tenants/{id}/activate":                    both("/tenants/$sub/activate", `{}`),
		"POST /tenants/{id}/deactivate":                  one(both("/tenants/$alpha/deactivate", `{}`), both("/tenants/$sub/deactivate", `{}`), both("/tenants/$beta/deactivate", `{}`)),
		"POST /tenants":                                  both("/tenants", `{"name":"Mine","code":"<code>"}`),
		"PATCH /tenants/{id}":                            one(both("/tenants/$alpha", `{"settings":{"inherit_permissions":true}}`), both("/tenants/$beta", `{"is_active":false}`)),
		"DELETE /tenants/{id}":                           one(both("/tenants/$beta", ""), both("/tenants/$sub", "")),
		"POST /manifest/apply":                           a.manifest,
		"POST /tenants/{id}/sub-tenants":                 both("/tenants/$alpha/sub-tenants", `{"name":"Mine","code":"<code>"}`),
	}
}

// fill puts ids in the place of "<table>", and new names in that of "<name>".
func (a *attack) fill(text string) string {
	for _, table := range []string{"users", "roles", "groups", "permissions", "resources", "services", "field_definitions", "approval_chains"} {
		for strings.Contains(text, "<"+table+">") {
			text = strings.Replace(text, "<"+table+">", a.any(table), 1)
		}
	}
	for strings.Contains(text, "<own roles>") {
		text = strings.Replace(text, "<own roles>", pick(a, slices.DeleteFunc(slices.Clone(a.pool["roles"]), func(id string) bool { return strings.HasPrefix(id, "00000000") })), 1)
	}
	name := a.name()
	return strings.NewReplacer("<name>", name, "<code>", strings.ToUpper(strings.ReplaceAll(name, "_", "-"))).Replace(text)
}

// manifest applies one that somebody could gain by: it names what there is, so
// that it is refused for nothing but what it would give.
func (a *attack) manifest() (path, body string) {
	own := func(table, what string) string {
		return pick(a, a.column(a.t, "SELECT to_json("+what+")::text FROM sentinel."+table+" WHERE tenant_id = $1 ORDER BY 1", a.ids["alpha"]))
	}
	permission := func() string { return own("permissions", "id") }
	role := func() string {
		return pick(a, []string{own("roles", "id"), own("roles", "id"), jsonOf(a.ids["tenant_admin"]), jsonOf(a.ids["user_manager"])})
	}
	name := jsonOf(a.name())
	return "/manifest/apply", pick(a, []func() string{
		func() string {
			return `{"manifest":{"version":1,"roles":[{"name":` + own("roles", "name") + `,"priority":` + pick(a, []string{"1", "899"}) + `,"permissions":[` + permission() + `]}]}}`
		},
		func() string {
			return `{"manifest":{"version":1,"roles":[{"name":` + name + `,"parent":` + own("roles", "name") + `,"permissions":[` + permission() + `]}]}}`
		},
		func() string {
			return `{"manifest":{"version":1,"roles":[{"name":` + own("roles", "name") + `,"is_active":` + pick(a, []string{"true", "false"}) + `}]}}`
		},
		func() string {
			return `{"manifest":{"version":1,"groups":[{"name":` + own("groups", "name") + `,"roles":[` + role() + `]}]}}`
		},
		func() string {
			return `{"manifest":{"version":1,"groups":[{"name":` + name + `,"roles":[` + role() + `]}]},"prune":` + pick(a, []string{"false", "false", "true"}) + `}`
		},
		func() string {
			return `{"manifest":{"version":1,"permissions":[{"id":` + permission() + `,"name":"p","resource_path":"` + pick(a, []string{"vessel/*", "cargo/one", "api/*", "*"}) + `","actions":["*"]}]}}`
		},
		func() string {
			return `{"manifest":{"version":1,"permissions":[{"name":` + name + `,"resource_path":"` + pick(a, []string{"vessel/*", "api/users"}) + `","actions":["read"]}],"roles":[{"name":` + own("roles", "name") + `,"permissions":[` + name + `]}]}}`
		},
		func() string {
			return `{"manifest":{"version":1,"resources":[{"type":"vessel","code":` + name + `,"attributes":{"level":9}}]}}`
		},
	})()
}
