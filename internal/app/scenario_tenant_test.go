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

		{name: "create", as: "operator", route: "POST /tenants", body: `{"name":"Gamma Ω","code":"gamma-1","settings":{"inherit_permissions":false},"features":["f"],"metadata":{"k":"v"},"time_zone":"Asia/Singapore"}`, status: 201, save: "gamma", want: map[string]any{
			"data.code": "GAMMA-1", "data.type": "root", "data.time_zone": "Asia/Singapore", "data.features.0": "f", "data.isolation_mode": "shared", "data.is_active": true,
		}, audit: []string{"tenant.create success", "tenant.create success"}, writes: []string{"tenants"}},
		{name: "create with a taken code", as: "operator", route: "POST /tenants", body: `{"name":"x","code":"Gamma-1"}`, status: 409, fields: []string{"code"}},
		{name: "create with all wrong", as: "operator", route: "POST /tenants", body: `{"name":"","code":"-x_","isolation_mode":"dedicated"}`, status: 400, fields: []string{"name", "code", "isolation_mode"}},
		{name: "create with a long code", as: "operator", route: "POST /tenants", body: `{"name":"x","code":"` + strings.Repeat("C", 51) + `"}`, status: 400, fields: []string{"code"}},
		{name: "create with strange settings", as: "operator", route: "POST /tenants", body: `{"name":"x","code":"X","settings":{"conflict_resolution":"first","inherit_permissions":"yes"},"time_zone":"../../etc/passwd"}`, status: 400, fields: []string{"settings.conflict_resolution", "settings.inherit_permissions", "time_zone"}},
		{name: "a tenant's administrator makes a root", as: "admin", route: "POST /tenants", body: `{"name":"x","code":"X"}`, status: 403, code: "PERMISSION_DENIED", audit: []string{"tenant.create denied"}},
		{name: "create below", as: "admin", route: "POST /tenants/{id}/sub-tenants", path: "/tenants/$sub/sub-tenants", body: `{"name":"Athens","code":"ALPHA-EU-ATH","settings":{"inherit_permissions":true}}`, status: 201, save: "athens", want: map[string]any{
			"data.type": "sub_tenant", "data.parent_tenant_id": "$sub",
		}, audit: []string{"tenant.create success", "tenant.create success"}, writes: []string{"tenants", "tenant_ancestors"}},
		{name: "create below with a taken code", as: "admin", route: "POST /tenants/{id}/sub-tenants", path: "/tenants/$sub/sub-tenants", body: `{"name":"x","code":"BETA"}`, status: 409, fields: []string{"code"}},

		{name: "update", as: "admin", route: "PATCH /tenants/{id}", path: "/tenants/$alpha", body: `{"name":"Alpha Shipping","time_zone":"Europe/London","settings":{"locale":"el"},"metadata":null}`, status: 200, want: map[string]any{"data.name": "Alpha Shipping", "data.time_zone": "Europe/London", "data.settings.locale": "el"}, audit: []string{"tenant.update success"}, writes: []string{"tenants"}},
		{name: "update to no time zone", as: "admin", route: "PATCH /tenants/{id}", path: "/tenants/$alpha", body: `{"time_zone":""}`, status: 400, fields: []string{"time_zone"}},
		{name: "update to the machine's time zone", as: "admin", route: "PATCH /tenants/{id}", path: "/tenants/$alpha", body: `{"time_zone":"Local"}`, status: 400, fields: []string{"time_zone"}},
		{name: "update of the code and parent", as: "admin", route: "PATCH /tenants/{id}", path: "/tenants/$sub", body: `{"code":"X","parent_tenant_id":"$beta"}`, status: 400, fields: []string{"code", "parent_tenant_id"}},
		{name: "a tenant raises its own limits", as: "admin", route: "PATCH /tenants/{id}", path: "/tenants/$alpha", body: `{"features":["everything"]}`, status: 403, code: "PERMISSION_DENIED", audit: []string{"tenant.update denied"}},
		{name: "a tenant deactivates itself", as: "admin", route: "PATCH /tenants/{id}", path: "/tenants/$alpha", body: `{"is_active":false}`, status: 403, audit: []string{"tenant.update denied"}},
		{name: "its parent may", as: "admin", route: "PATCH /tenants/{id}", path: "/tenants/$sub", body: `{"features":["everything"],"settings":{"inherit_permissions":true}}`, status: 200, want: map[string]any{"data.features.0": "everything"}, audit: []string{"tenant.update success"}, writes: []string{"tenants", "tenant_ancestors"}},
		{name: "a parent lets policies allow", as: "admin", route: "PATCH /tenants/{id}", path: "/tenants/$sub", body: `{"settings":{"inherit_permissions":true,"allow_rules":true}}`, status: 403, code: "PERMISSION_DENIED", audit: []string{"tenant.update denied"}},
		{name: "a parent makes a tenant whose policies allow", as: "admin", route: "POST /tenants/{id}/sub-tenants", path: "/tenants/$sub/sub-tenants", body: `{"name":"x","code":"X","settings":{"allow_rules":true}}`, status: 403, audit: []string{"tenant.create denied"}},
		{name: "update of the platform", as: "operator", route: "PATCH /tenants/{id}", path: "/tenants/$platform", body: `{"name":"x"}`, status: 409, code: "CONFLICT"},

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
	newWorld(t).play(t, tenantScenarios())
}
