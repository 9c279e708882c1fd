package app_test

import "testing"

func userScenarios() []scenario {
	return []scenario{
		{name: "list", as: "admin", route: "GET /users", status: 200, want: map[string]any{"meta.pagination.total": 6, "data.0.email": "admin@alpha.example"}},
		{name: "list page two", as: "admin", route: "GET /users", path: "/users?sort=email&order=desc&limit=2&page=3&is_service_account=false", status: 200, want: map[string]any{
			"meta.pagination.total": 5, "meta.pagination.pages": 3, "meta.pagination.page": 3, "data.0.email": "admin@alpha.example", "data.1": nil,
		}},
		{name: "list holders of a role", as: "admin", route: "GET /users", path: "/users?role=$user_manager", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.id": "$manager"}},
		{name: "list by another tenant's role", as: "admin", route: "GET /users", path: "/users?role=$reader_b", status: 200, want: map[string]any{"meta.pagination.total": 0}},
		{name: "search takes a percent sign as such", as: "admin", route: "GET /users", path: "/users?search=%25", status: 200, want: map[string]any{"meta.pagination.total": 0}},
		{name: "list with what is not allowed", as: "admin", route: "GET /users", path: "/users?sort=password_hash&order=up&limit=1001&page=0&is_active=maybe", status: 400, fields: []string{
			"query.sort", "query.order", "query.limit", "query.page", "query.is_active",
		}},
		{name: "a manager reads", as: "manager", route: "GET /users/{id}", path: "/users/$plain", status: 200, want: map[string]any{"data.id": "$plain", "data.tenant_id": "$alpha", "data.password_hash": nil}},
		{name: "me", as: "plain", route: "GET /users/me", status: 200, want: map[string]any{"data.id": "$plain", "data.email": "plain@alpha.example"}},
		{name: "roles of a user", as: "admin", route: "GET /users/{id}/roles", path: "/users/$manager/roles", status: 200, want: map[string]any{"data.0.role_id": "$user_manager", "data.0.granted_by": "$admin", "data.1": nil}},

		{name: "create", as: "admin", route: "POST /users", body: `{"email":" ＡＮＮ@Alpha.EXAMPLE","username":"ann","display_name":"Ann ⛴","external_id":"hr-7","password":"` + otherPassword + `","attributes":{"region":"apac","level":3},"roles":["$reader"],"groups":["$east"]}`, status: 201, save: "ann", want: map[string]any{
			"data.email": "ann@alpha.example", "data.email_verified": true, "data.display_name": "Ann ⛴", "data.external_id": "hr-7", "data.attributes.level": 3,
			"data.is_active": true, "data.is_service_account": false, "data.password": nil, "data.tenant_id": "$alpha",
		}, audit: []string{"user.create success"}, writes: []string{"users", "user_roles", "user_groups"}},
		{name: "create with a taken address", as: "admin", route: "POST /users", body: `{"email":"Ann@alpha.example"}`, status: 409, code: "CONFLICT", fields: []string{"email"}},
		{name: "create with a taken external id", as: "admin", route: "POST /users", body: `{"email":"bob@alpha.example","external_id":"hr-7"}`, status: 409, code: "CONFLICT", fields: []string{"external_id"}},
		{name: "create with all wrong", as: "admin", route: "POST /users", body: `{"email":"nobody","password":"short","external_id":"$absent"}`, status: 400, fields: []string{"email"}},
		{name: "create with what the schema cannot see", as: "admin", route: "POST /users", body: `{"email":"bob@alpha.example","password":"short","external_id":"$absent"}`, status: 400, fields: []string{"password", "external_id"}},
		{name: "create with another's address as id", as: "admin", route: "POST /users", body: `{"email":"bob@alpha.example","external_id":"ann@alpha.example"}`, status: 400, fields: []string{"external_id"}},
		{name: "create with an empty user name", as: "admin", route: "POST /users", body: `{"email":"bob@alpha.example","username":""}`, status: 400, fields: []string{"username"}},
		{name: "create with a role that is not there", as: "admin", route: "POST /users", body: `{"email":"bob@alpha.example","roles":["$reader","$absent"]}`, status: 404, fields: []string{"roles[1]"}},
		{name: "create a super_admin in a tenant", as: "admin", route: "POST /users", body: `{"email":"bob@alpha.example","roles":["$super_admin"]}`, status: 409, code: "CONFLICT"},
		{name: "a manager makes an administrator", as: "manager", route: "POST /users", body: `{"email":"bob@alpha.example","roles":["$tenant_admin"]}`, status: 403, code: "PERMISSION_DENIED", want: map[string]any{"error.details.missing.1": "api/*:*"}, audit: []string{"user.create denied"}},
		{name: "a manager creates with an assignable role", as: "manager", route: "POST /users", body: `{"email":"bob@alpha.example","roles":["$reader"]}`, status: 201, save: "bob", audit: []string{"user.create success"}, writes: []string{"users", "user_roles"}},

		{name: "update", as: "admin", route: "PATCH /users/{id}", path: "/users/$ann", body: `{"display_name":null,"username":null,"external_id":"hr-8","attributes":{"region":"emea"},"preferences":{"theme":"dark"}}`, status: 200, want: map[string]any{
			"data.display_name": "", "data.username": nil, "data.external_id": "hr-8", "data.attributes.region": "emea", "data.attributes.level": nil, "data.preferences.theme": "dark", "data.email": "ann@alpha.example",
		}, audit: []string{"user.update success"}, writes: []string{"users"}},
		{name: "update with an empty user name", as: "admin", route: "PATCH /users/{id}", path: "/users/$ann", body: `{"username":""}`, status: 400, fields: []string{"username"}},
		{name: "update with an empty external id", as: "admin", route: "PATCH /users/{id}", path: "/users/$ann", body: `{"external_id":""}`, status: 400, fields: []string{"external_id"}},
		{name: "update to a taken address", as: "admin", route: "PATCH /users/{id}", path: "/users/$ann", body: `{"email":"bob@alpha.example"}`, status: 409, fields: []string{"email"}},
		{name: "update clears what cannot be cleared", as: "admin", route: "PATCH /users/{id}", path: "/users/$ann", body: `{"email":null,"is_active":null,"password":null}`, status: 400, fields: []string{"email", "is_active", "password"}},
		{name: "update to a short password", as: "admin", route: "PATCH /users/{id}", path: "/users/$ann", body: `{"password":"short"}`, status: 400, fields: []string{"password"}},
		{name: "update of the tenant", as: "admin", route: "PATCH /users/{id}", path: "/users/$ann", body: `{"tenant_id":"$beta"}`, status: 400, fields: []string{"tenant_id"}},
		{name: "a manager resets an administrator's password", as: "manager", route: "PATCH /users/{id}", path: "/users/$admin", body: `{"password":"` + otherPassword + `"}`, status: 403, code: "PERMISSION_DENIED", audit: []string{"user.update denied"}},
		{name: "a manager changes an administrator's address", as: "manager", route: "PATCH /users/{id}", path: "/users/$admin", body: `{"email":"mine@alpha.example"}`, status: 403, audit: []string{"user.update denied"}},
		{name: "a manager deactivates an administrator", as: "manager", route: "PATCH /users/{id}", path: "/users/$admin", body: `{"is_active":false}`, status: 403, audit: []string{"user.update denied"}},
		{name: "a manager changes an own attribute", as: "manager", route: "PATCH /users/{id}", path: "/users/$manager", body: `{"attributes":{"clearance":9}}`, status: 403, audit: []string{"user.update denied"}},
		{name: "a manager changes the own name to show", as: "manager", route: "PATCH /users/{id}", path: "/users/$manager", body: `{"display_name":"Max","preferences":{"theme":"dark"}}`, status: 200, audit: []string{"user.update success"}, writes: []string{"users"}},
		{name: "an administrator's word verifies an address", as: "admin", route: "PATCH /users/{id}", path: "/users/$unverified", body: `{"email":"Verified@alpha.example"}`, status: 200, want: map[string]any{"data.email": "verified@alpha.example", "data.email_verified": true}, audit: []string{"user.update success"}, writes: []string{"users"}},
		{name: "rename of a service account", as: "admin", route: "PATCH /users/{id}", path: "/users/$robot", body: `{"username":"x","password":"` + otherPassword + `"}`, status: 400, fields: []string{"username", "password"}},
		{name: "update of a service account", as: "admin", route: "PATCH /users/{id}", path: "/users/$robot", body: `{"attributes":{"zone":1},"is_active":false}`, status: 200, want: map[string]any{"data.is_service_account": true, "data.email": "", "data.attributes.zone": 1, "data.is_active": false}, audit: []string{"user.update success"}, writes: []string{"users"}},
		{name: "a service account gets what people have", as: "admin", route: "PATCH /users/{id}", path: "/users/$robot", body: `{"email":"robot@alpha.example","password":"` + otherPassword + `"}`, status: 400, fields: []string{"email", "password"}},
		{name: "a service account looks like an id", as: "admin", route: "PATCH /users/{id}", path: "/users/$robot", body: `{"external_id":"$absent"}`, status: 400, fields: []string{"external_id"}},
		{name: "a manager updates a plain account", as: "manager", route: "PATCH /users/{id}", path: "/users/$ann", body: `{"display_name":"Ann"}`, status: 200, audit: []string{"user.update success"}, writes: []string{"users"}},
		{name: "the last administrator is deactivated", as: "admin", route: "PATCH /users/{id}", path: "/users/$admin", body: `{"is_active":false}`, status: 409, code: "CONFLICT"},

		{name: "assign", as: "admin", route: "POST /users/{id}/roles", path: "/users/$bob/roles", body: `{"role_id":"$inspector","valid_from":"2026-01-01T00:00:00Z","expires_at":"2999-01-01T00:00:00+02:00"}`, status: 200, want: map[string]any{
			"data.role_id": "$inspector", "data.valid_from": "2026-01-01T00:00:00Z", "data.granted_by": "$admin",
		}, audit: []string{"user.assign_role success"}, writes: []string{"user_roles"}},
		{name: "assign again", as: "admin", route: "POST /users/{id}/roles", path: "/users/$bob/roles", body: `{"role_id":"$inspector"}`, status: 200, want: map[string]any{"data.expires_at": nil}, audit: []string{"user.assign_role success"}, writes: []string{"user_roles"}},
		{name: "assign for no time", as: "admin", route: "POST /users/{id}/roles", path: "/users/$bob/roles", body: `{"role_id":"$reader","valid_from":"2026-01-01T00:00:00Z","expires_at":"2026-01-01T00:00:00Z"}`, status: 400, fields: []string{"expires_at"}},
		{name: "assign for less than the database can tell", as: "admin", route: "POST /users/{id}/roles", path: "/users/$bob/roles", body: `{"role_id":"$reader","valid_from":"2026-01-01T00:00:00.0000001Z","expires_at":"2026-01-01T00:00:00.0000002Z"}`, status: 409, fields: []string{"expires_at"}},
		{name: "assign in the year nought", as: "admin", route: "POST /users/{id}/roles", path: "/users/$bob/roles", body: `{"role_id":"$reader","valid_from":"0000-01-01T00:00:00Z","expires_at":"9999-12-31T23:59:59Z"}`, status: 200, audit: []string{"user.assign_role success"}, writes: []string{"user_roles"}},
		{name: "assign super_admin in a tenant", as: "admin", route: "POST /users/{id}/roles", path: "/users/$bob/roles", body: `{"role_id":"$super_admin"}`, status: 409, fields: []string{"role_id"}},
		{name: "assign what is not there", as: "admin", route: "POST /users/{id}/roles", path: "/users/$bob/roles", body: `{"role_id":"$absent"}`, status: 404},
		{name: "a manager makes an administrator of another", as: "manager", route: "POST /users/{id}/roles", path: "/users/$bob/roles", body: `{"role_id":"$tenant_admin"}`, status: 403, code: "PERMISSION_DENIED", audit: []string{"user.assign_role denied"}},
		{name: "a manager gives himself a role", as: "manager", route: "POST /users/{id}/roles", path: "/users/$manager/roles", body: `{"role_id":"$reader"}`, status: 403, code: "PERMISSION_DENIED", audit: []string{"user.assign_role denied"}},
		{name: "take", as: "admin", route: "DELETE /users/{id}/roles/{role_id}", path: "/users/$bob/roles/$inspector", status: 204, audit: []string{"user.unassign_role success"}, writes: []string{"user_roles"}},
		{name: "take again", as: "admin", route: "DELETE /users/{id}/roles/{role_id}", path: "/users/$bob/roles/$inspector", status: 404},
		{name: "a manager takes the administrator's role", as: "manager", route: "DELETE /users/{id}/roles/{role_id}", path: "/users/$admin/roles/$tenant_admin", status: 403, audit: []string{"user.unassign_role denied"}},
		{name: "the last administrator gives up", as: "admin", route: "DELETE /users/{id}/roles/{role_id}", path: "/users/$admin/roles/$tenant_admin", status: 409, code: "CONFLICT"},

		{name: "a manager deletes the administrator", as: "manager", route: "DELETE /users/{id}", path: "/users/$admin", status: 403, audit: []string{"user.delete denied"}},
		{name: "the last administrator is deleted", as: "admin", route: "DELETE /users/{id}", path: "/users/$admin", status: 409, code: "CONFLICT"},
		{name: "delete", as: "admin", route: "DELETE /users/{id}", path: "/users/$ann", status: 204, audit: []string{"user.delete success"}, writes: []string{"users", "user_roles", "user_groups"}},
		{name: "delete again", as: "admin", route: "DELETE /users/{id}", path: "/users/$ann", status: 404},
		{name: "operators act in a tenant and are audited there", as: "operator", route: "POST /users", header: map[string]string{"X-Tenant-ID": "$beta"}, body: `{"email":"second@beta.example"}`, status: 201, want: map[string]any{"data.tenant_id": "$beta"}, audit: []string{"user.create success"}, writes: []string{"users"}},
	}
}

func TestScenarios_Users(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.make("unverified", "admin_b", "", "/users", `{"email":"moves@beta.example"}`)
	w.make("robot", "admin", "", "/service-accounts", `{"name":"robot"}`)
	w.database.Exec(t, "UPDATE sentinel.users SET tenant_id = $1, email = 'moves@alpha.example', email_verified_at = NULL WHERE id = $2", w.ids["alpha"], w.ids["unverified"])
	w.play(t, userScenarios())
}
