package app_test

import (
	"strings"
	"testing"
)

func tenantScenarios() []scenario {
	return []scenario{
		{name: "list the own and those below", as: "admin", route: "GET /tenants", path: "/tenants?sort=code", status: 200, want: map[string]any{"meta.pagination.total": 2, "data.0.id": "$alpha", "data.1.id": "$sub"}},
		{name: "operators list all", as: "operator", route: "GET /tenants", path: "/tenants?sort=code", status: 200, want: map[string]any{"meta.pagination.total": 4, "data.3.code": "PLATFORM"}},
		{name: "operators list one", as: "operator", route: "GET /tenants", header: map[string]string{"X-Tenant-ID": "$alpha"}, status: 200, want: map[string]any{"meta.pagination.total": 2}},
		{name: "read", as: "admin", route: "GET /tenants/{id}", path: "/tenants/$sub", status: 200, want: map[string]any{"data.type": "sub_tenant", "data.parent_tenant_id": "$alpha", "data.time_zone": "UTC"}},
		{name: "read from below", as: "admin", route: "GET /tenants/{id}", path: "/tenants/$alpha", header: map[string]string{"X-Tenant-ID": "$sub"}, status: 200, want: map[string]any{"data.code": "ALPHA"}},

		{name: "create", as: "operator", route: "POST /tenants", body: `{"name":"Gamma Ω","code":"gamma-1","settings":{"inherit_permissions":false},"features":["webhooks"],"metadata":{"k":"v"},"time_zone":"Asia/Singapore"}`, status: 201, save: "gamma", want: map[string]any{
			"data.code": "GAMMA-1", "data.type": "root", "data.time_zone": "Asia/Singapore", "data.features.0": "webhooks", "data.isolation_mode": "shared", "data.is_active": true,
		}, audit: []string{"tenant.create success", "tenant.create success"}, writes: []string{"tenants"}},
		{name: "create with a taken code", as: "operator", route: "POST /tenants", body: `{"name":"x","code":"Gamma-1"}`, status: 409, fields: []string{"code"}},
		{name: "create with all wrong", as: "operator", route: "POST /tenants", body: `{"name":"","code":"-x_","isolation_mode":"own"}`, status: 400, fields: []string{"name", "code", "isolation_mode"}},
		{name: "create with a long code", as: "operator", route: "POST /tenants", body: `{"name":"x","code":"` + strings.Repeat("C", 51) + `"}`, status: 400, fields: []string{"code"}},
		{name: "create with strange settings", as: "operator", route: "POST /tenants", body: `{"name":"x","code":"X","settings":{"conflict_resolution":"first","inherit_permissions":"yes","inherit_permission":true,"max_users":0},"features":["approvals","everything"],"isolation_mode":"dedicated","time_zone":"../../etc/passwd"}`, status: 400, fields: []string{"settings.conflict_resolution", "settings.inherit_permissions", "settings.inherit_permission", "settings.max_users", "features[1]", "isolation_mode", "time_zone"}},
		{name: "create with a type", as: "operator", route: "POST /tenants", body: `{"name":"x","code":"X","type":"root","is_active":false}`, status: 400, fields: []string{"type", "is_active"}},
		{name: "create with a feature twice", as: "operator", route: "POST /tenants", body: `{"name":"x","code":"X","features":["ai","ai"]}`, status: 400, fields: []string{"features"}},
		{name: "a tenant's administrator makes a root", as: "admin", route: "POST /tenants", body: `{"name":"x","code":"X"}`, status: 403, code: "PERMISSION_DENIED", audit: []string{"tenant.create denied"}},
		{name: "create below", as: "admin", route: "POST /tenants/{id}/sub-tenants", path: "/tenants/$sub/sub-tenants", body: `{"name":"Athens","code":"ALPHA-EU-ATH","settings":{"inherit_permissions":true}}`, status: 201, save: "athens", want: map[string]any{
			"data.type": "sub_tenant", "data.parent_tenant_id": "$sub",
		}, audit: []string{"tenant.create success", "tenant.create success"}, writes: []string{"tenants", "tenant_ancestors"}},
		{name: "create below with a taken code", as: "admin", route: "POST /tenants/{id}/sub-tenants", path: "/tenants/$sub/sub-tenants", body: `{"name":"x","code":"BETA"}`, status: 409, fields: []string{"code"}},

		{name: "update", as: "admin", route: "PATCH /tenants/{id}", path: "/tenants/$alpha", body: `{"name":"Alpha Shipping","time_zone":"Europe/London","settings":{"authzen_subject_types":["user"]},"metadata":null}`, status: 200, want: map[string]any{"data.name": "Alpha Shipping", "data.time_zone": "Europe/London", "data.settings.authzen_subject_types.0": "user"}, audit: []string{"tenant.update success"}, writes: []string{"tenants"}},
		{name: "update to no time zone", as: "admin", route: "PATCH /tenants/{id}", path: "/tenants/$alpha", body: `{"time_zone":""}`, status: 400, fields: []string{"time_zone"}},
		{name: "update to the machine's time zone", as: "admin", route: "PATCH /tenants/{id}", path: "/tenants/$alpha", body: `{"time_zone":"Local"}`, status: 400, fields: []string{"time_zone"}},
		{name: "update of the code and parent", as: "admin", route: "PATCH /tenants/{id}", path: "/tenants/$sub", body: `{"code":"X","parent_tenant_id":"$beta"}`, status: 400, fields: []string{"code", "parent_tenant_id"}},
		{name: "a tenant raises its own limits", as: "admin", route: "PATCH /tenants/{id}", path: "/tenants/$alpha", body: `{"features":["ai"]}`, status: 403, code: "PERMISSION_DENIED", audit: []string{"tenant.update denied"}},
		{name: "a tenant deactivates itself", as: "admin", route: "PATCH /tenants/{id}", path: "/tenants/$alpha", body: `{"is_active":false}`, status: 403, audit: []string{"tenant.update denied"}},
		{name: "its parent may", as: "admin", route: "PATCH /tenants/{id}", path: "/tenants/$sub", body: `{"features":["ai","sub_tenants"],"settings":{"inherit_permissions":true,"max_users":10}}`, status: 200, want: map[string]any{"data.features.0": "ai", "data.settings.max_users": 10}, audit: []string{"tenant.update success"}, writes: []string{"tenants", "tenant_ancestors"}},
		{name: "a parent lets policies allow", as: "admin", route: "PATCH /tenants/{id}", path: "/tenants/$sub", body: `{"settings":{"inherit_permissions":true,"allow_rules":true}}`, status: 403, code: "PERMISSION_DENIED", audit: []string{"tenant.update denied"}},
		{name: "a parent makes a tenant whose policies allow", as: "admin", route: "POST /tenants/{id}/sub-tenants", path: "/tenants/$sub/sub-tenants", body: `{"name":"x","code":"X","settings":{"allow_rules":true}}`, status: 403, audit: []string{"tenant.create denied"}},
		{name: "update of the platform", as: "operator", route: "PATCH /tenants/{id}", path: "/tenants/$platform", body: `{"name":"x"}`, status: 409, code: "CONFLICT"},

		{name: "a tenant raises its limit of users", as: "admin", route: "PATCH /tenants/{id}", path: "/tenants/$alpha", body: `{"settings":{"max_users":10000000}}`, status: 403, audit: []string{"tenant.update denied"}},
		{name: "update to a setting there is not", as: "admin", route: "PATCH /tenants/{id}", path: "/tenants/$alpha", body: `{"settings":{"locale":"el"}}`, status: 400, fields: []string{"settings.locale"}},
		{name: "update to a database of its own", as: "admin", route: "PATCH /tenants/{id}", path: "/tenants/$alpha", body: `{"isolation_mode":"dedicated"}`, status: 400, fields: []string{"isolation_mode"}},
		{name: "update of the type", as: "operator", route: "PATCH /tenants/{id}", path: "/tenants/$alpha", body: `{"type":"sub_tenant"}`, status: 400, fields: []string{"type"}},

		{name: "list by parent", as: "admin", route: "GET /tenants", path: "/tenants?parent=$sub", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.id": "$athens"}},
		{name: "list by type", as: "admin", route: "GET /tenants", path: "/tenants?type=sub_tenant&sort=code&is_active=true&search=alpha", status: 200, want: map[string]any{"meta.pagination.total": 2, "data.1.id": "$athens"}},
		{name: "list by a parent elsewhere", as: "admin", route: "GET /tenants", path: "/tenants?parent=$beta", status: 200, want: map[string]any{"meta.pagination.total": 0}},

		{name: "read by code", as: "admin", route: "GET /tenants/code/{code}", path: "/tenants/code/aLpHa-eu", status: 200, want: map[string]any{"data.id": "$sub"}},
		{name: "read the own by code", as: "admin", route: "GET /tenants/code/{code}", path: "/tenants/code/ALPHA", status: 200, want: map[string]any{"data.id": "$alpha"}},
		{name: "read another's by code", as: "admin", route: "GET /tenants/code/{code}", path: "/tenants/code/BETA", status: 404},
		{name: "read nobody's by code", as: "admin", route: "GET /tenants/code/{code}", path: "/tenants/code/NOBODY", status: 404},
		{name: "the platform's by code", as: "admin", route: "GET /tenants/code/{code}", path: "/tenants/code/PLATFORM", status: 404},
		{name: "a parent's by code, from below", as: "sub_admin", route: "GET /tenants/code/{code}", path: "/tenants/code/ALPHA", status: 404},
		{name: "operators read any by code", as: "operator", route: "GET /tenants/code/{code}", path: "/tenants/code/beta", status: 200, want: map[string]any{"data.id": "$beta"}},

		{name: "hierarchy", as: "admin", route: "GET /tenants/{id}/hierarchy", path: "/tenants/$alpha/hierarchy", status: 200, want: map[string]any{
			"data.ancestors": "[]", "data.tenant.id": "$alpha", "data.tenant.sub_tenants.0.id": "$sub", "data.tenant.sub_tenants.0.sub_tenants.0.code": "ALPHA-EU-ATH", "data.truncated": false,
		}},
		{name: "hierarchy of one level", as: "admin", route: "GET /tenants/{id}/hierarchy", path: "/tenants/$alpha/hierarchy?depth=1", status: 200, want: map[string]any{"data.tenant.sub_tenants.0.sub_tenants": "[]", "data.truncated": true}},
		{name: "hierarchy from the middle", as: "sub_admin", route: "GET /tenants/{id}/hierarchy", path: "/tenants/$sub/hierarchy", status: 200, want: map[string]any{
			"data.ancestors.0.id": "$alpha", "data.ancestors.0.settings": nil, "data.ancestors.0.features": nil, "data.ancestors.0.metadata": nil, "data.ancestors.1": nil, "data.tenant.sub_tenants.0.id": "$athens",
		}},
		{name: "hierarchy of the parent", as: "sub_admin", route: "GET /tenants/{id}/hierarchy", path: "/tenants/$alpha/hierarchy", status: 404},

		{name: "labels", as: "plain", route: "GET /tenants/{id}/terminology", path: "/tenants/$alpha/terminology", status: 200, want: map[string]any{"data.words.user.label": "User", "data.words.user.plural": "Users", "data.words.user.source": "default", "data.words.user.from": nil}},
		{name: "call users otherwise", as: "admin", route: "PUT /tenants/{id}/terminology", path: "/tenants/$alpha/terminology", body: `{"words":{"user":{"label":"Seafarer"},"role":{"label":"Rank","plural":"Ranks"},"tenant":null}}`, status: 200, want: map[string]any{
			"data.words.user.label": "Seafarer", "data.words.user.plural": nil, "data.words.user.source": "own", "data.words.user.from": "ALPHA", "data.words.tenant.source": "default",
		}, audit: []string{"tenant.terminology success"}, writes: []string{"tenants"}},
		{name: "labels from above", as: "sub_admin", route: "GET /tenants/{id}/terminology", path: "/tenants/$sub/terminology", status: 200, want: map[string]any{"data.words.user.label": "Seafarer", "data.words.user.source": "inherited", "data.words.user.from": "ALPHA", "data.settings": nil}},
		{name: "call users otherwise below", as: "admin", route: "PUT /tenants/{id}/terminology", path: "/tenants/$sub/terminology", body: `{"words":{"user":{"label":"Ναύτης","plural":"Ναύτες"}}}`, status: 200, want: map[string]any{"data.words.user.source": "own", "data.words.role.label": "Rank", "data.words.role.source": "inherited"}, audit: []string{"tenant.terminology success"}, writes: []string{"tenants"}},
		{name: "labels two below", as: "admin", route: "GET /tenants/{id}/terminology", path: "/tenants/$athens/terminology", status: 200, want: map[string]any{"data.words.user.plural": "Ναύτες", "data.words.user.from": "ALPHA-EU", "data.words.role.from": "ALPHA"}},
		{name: "take it back", as: "admin", route: "PUT /tenants/{id}/terminology", path: "/tenants/$sub/terminology", body: `{"words":{"user":null}}`, status: 200, want: map[string]any{"data.words.user.label": "Seafarer", "data.words.user.source": "inherited"}, audit: []string{"tenant.terminology success"}, writes: []string{"tenants"}},
		{name: "labels that were changed meanwhile", as: "admin", route: "PUT /tenants/{id}/terminology", path: "/tenants/$sub/terminology", header: map[string]string{"If-Match": `"stale"`}, body: `{"words":{"user":null}}`, status: 412},
		{name: "words and labels that are none", as: "admin", route: "PUT /tenants/{id}/terminology", path: "/tenants/$alpha/terminology", body: `{"words":{"ship":{"label":"Ship"},"user":{"label":" x"},"role":{"label":"x","plural":"a\u202eb"}}}`, status: 400, fields: []string{"words.ship", "words.user.label", "words.role.plural"}},
		{name: "labels that are too long", as: "admin", route: "PUT /tenants/{id}/terminology", path: "/tenants/$alpha/terminology", body: `{"words":{"user":{"label":"` + strings.Repeat("x", 61) + `"}}}`, status: 400, fields: []string{"words.user.label"}},
		{name: "labels of the platform", as: "operator", route: "PUT /tenants/{id}/terminology", path: "/tenants/$platform/terminology", body: `{"words":{}}`, status: 409},
		{name: "labels of the parent", as: "sub_admin", route: "PUT /tenants/{id}/terminology", path: "/tenants/$alpha/terminology", body: `{"words":{}}`, status: 404},
		{name: "labels by one who is no administrator", as: "clerk", route: "PUT /tenants/{id}/terminology", path: "/tenants/$alpha/terminology", body: `{"words":{}}`, status: 403, audit: []string{"tenant.terminology denied"}},

		{name: "deactivate", as: "admin", route: "POST /tenants/{id}/deactivate", path: "/tenants/$athens/deactivate", body: `{"reason":"laid up"}`, status: 200, want: map[string]any{"data.is_active": false}, audit: []string{"tenant.deactivate success"}, writes: []string{"tenants"}},
		{name: "deactivate again", as: "admin", route: "POST /tenants/{id}/deactivate", path: "/tenants/$athens/deactivate", status: 200, want: map[string]any{"data.is_active": false}},
		{name: "activate", as: "admin", route: "POST /tenants/{id}/activate", path: "/tenants/$athens/activate", status: 200, want: map[string]any{"data.is_active": true}, audit: []string{"tenant.activate success"}, writes: []string{"tenants"}},
		{name: "activate again", as: "admin", route: "POST /tenants/{id}/activate", path: "/tenants/$athens/activate", body: `{}`, status: 200, want: map[string]any{"data.is_active": true}},
		{name: "a tenant deactivates the one it acts from", as: "admin", route: "POST /tenants/{id}/deactivate", path: "/tenants/$alpha/deactivate", status: 403, audit: []string{"tenant.deactivate denied"}},
		{name: "a tenant deactivates its parent", as: "sub_admin", route: "POST /tenants/{id}/deactivate", path: "/tenants/$alpha/deactivate", status: 404},
		{name: "deactivate the platform", as: "operator", route: "POST /tenants/{id}/deactivate", path: "/tenants/$platform/deactivate", status: 409, code: "CONFLICT"},

		{name: "delete of the platform", as: "operator", route: "DELETE /tenants/{id}", path: "/tenants/$platform", status: 409, code: "CONFLICT"},
		{name: "delete a parent", as: "admin", route: "DELETE /tenants/{id}", path: "/tenants/$sub", status: 409, code: "CONFLICT"},
		{name: "a tenant deletes itself", as: "admin", route: "DELETE /tenants/{id}", path: "/tenants/$alpha", status: 403, code: "PERMISSION_DENIED", audit: []string{"tenant.delete denied"}},
		{name: "delete", as: "admin", route: "DELETE /tenants/{id}", path: "/tenants/$athens", status: 204, audit: []string{"tenant.delete success"}, writes: []string{"tenants", "tenant_ancestors"}},
		{name: "delete again", as: "admin", route: "DELETE /tenants/{id}", path: "/tenants/$athens", status: 404},
		{name: "operators delete a tenant with people in it", as: "operator", route: "DELETE /tenants/{id}", path: "/tenants/$beta", status: 204, audit: []string{"tenant.delete success"}, writes: []string{
			"tenants", "users", "roles", "groups", "permissions", "resources", "role_permissions", "user_roles", "user_groups", "group_roles",
		}},
	}
}

func TestScenarios_Tenants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person("sub_admin", "admin", "$sub", "ALPHA-EU", `"$tenant_admin"`)
	w.make("clerking", "admin", "", "/roles", `{"name":"clerking"}`)
	w.make("", "admin", "", "/roles/$clerking/permissions", `{"permissions":[{"name":"Change tenants","resource_type":"api","resource_path":"api/tenants","actions":["read","update"]}]}`)
	w.person("clerk", "admin", "", "ALPHA", `"$clerking"`)
	w.play(t, tenantScenarios())
}
