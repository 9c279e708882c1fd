package app_test

import "testing"

// userWriteScenarios are those of bulk calls, locks and passwords.
func userWriteScenarios() []scenario {
	bulk := "POST /users/bulk"
	return []scenario{
		{name: "bulk with all wrong", as: "admin", route: bulk, body: `{"operation":"activate","user_ids":["$plain","$author","$plain"],"data":{"role_id":"$reader","expires_at":"2999-01-01T00:00:00Z"}}`, status: 400, fields: []string{"user_ids[2]", "data.role_id", "data.expires_at"}},
		{name: "bulk without data", as: "admin", route: bulk, body: `{"operation":"assign_role","user_ids":["$plain"]}`, status: 400, fields: []string{"data.role_id"}},
		{name: "bulk for no time", as: "admin", route: bulk, body: `{"operation":"assign_role","user_ids":["$plain"],"data":{"role_id":"$reader","valid_from":"2026-01-01T00:00:00Z","expires_at":"2026-01-01T00:00:00Z"}}`, status: 400, fields: []string{"data.expires_at"}},
		{name: "bulk with another tenant's role", as: "admin", route: bulk, body: `{"operation":"assign_role","user_ids":["$plain"],"data":{"role_id":"$reader_b"}}`, status: 404, fields: []string{"data.role_id[0]"}},
		{name: "bulk of nobody", as: "admin", route: bulk, body: `{"operation":"activate","user_ids":[]}`, status: 400, fields: []string{"user_ids"}},
		{name: "bulk with super_admin", as: "admin", route: bulk, body: `{"operation":"assign_role","user_ids":["$plain"],"data":{"role_id":"$super_admin"}}`, status: 200, want: map[string]any{"data.results.0.code": "PERMISSION_DENIED"}, audit: []string{"user.assign_role denied"}},
		{name: "assign to many", as: "manager", route: bulk, body: `{"operation":"assign_role","user_ids":["$plain","$plain_b","$admin","$absent","$manager","$other"],"data":{"role_id":"$reader","expires_at":"2999-01-01T00:00:00Z"}}`, status: 200, want: map[string]any{
			"data.total": 6, "data.succeeded": 2, "data.failed": 4, "data.skipped": 0,
			"data.results.0.status": "success", "data.results.0.user_id": "$plain", "data.results.1.code": "RESOURCE_NOT_FOUND", "data.results.2.code": "PERMISSION_DENIED",
			"data.results.3.code": "RESOURCE_NOT_FOUND", "data.results.4.code": "PERMISSION_DENIED", "data.results.5.status": "success",
		}, audit: []string{"user.assign_role success", "user.assign_role success", "user.assign_role denied", "user.assign_role denied"}, writes: []string{"user_roles"}},
		{name: "add many to a group", as: "manager", route: bulk, body: `{"operation":"add_to_group","user_ids":["$plain","$robot","$admin"],"exclude_service_accounts":true,"data":{"group_id":"$ops"}}`, status: 200, want: map[string]any{
			"data.results.0.status": "success", "data.results.1.status": "skipped", "data.results.2.code": "PERMISSION_DENIED",
		}, audit: []string{"user.add_to_group success", "user.add_to_group denied"}, writes: []string{"user_groups"}},
		{name: "detail", as: "manager", route: "GET /users/{id}", path: "/users/$plain", status: 200, want: map[string]any{
			"data.roles.0.name": "reader", "data.roles.0.expires_at": "2999-01-01T00:00:00Z", "data.roles.1": nil, "data.groups.0.name": "ops", "data.groups.0.id": "$ops",
			"data.mfa_enabled": false, "data.must_change_password": false, "data.failed_login_count": 0, "data.allowed_ips": "[]", "data.assert_subject": false,
		}},
		{name: "detail with a system role", as: "admin", route: "GET /users/{id}", path: "/users/$manager", status: 200, want: map[string]any{"data.roles.0.name": "user_manager", "data.roles.0.id": "$user_manager"}},
		{name: "add many again", as: "admin", route: bulk, body: `{"operation":"add_to_group","user_ids":["$plain"],"data":{"group_id":"$ops"}}`, status: 200, want: map[string]any{"data.skipped": 1}},
		{name: "take from many", as: "manager", route: bulk, body: `{"operation":"remove_role","user_ids":["$plain","$author","$admin"],"data":{"role_id":"$reader"}}`, status: 200, want: map[string]any{
			"data.results.0.status": "success", "data.results.1.status": "skipped", "data.results.2.status": "skipped",
		}, audit: []string{"user.unassign_role success"}, writes: []string{"user_roles"}},
		{name: "a manager takes an administrator's role in bulk", as: "manager", route: bulk, body: `{"operation":"remove_role","user_ids":["$admin","$second"],"data":{"role_id":"$tenant_admin"}}`, status: 200, want: map[string]any{"data.failed": 2, "data.results.0.code": "PERMISSION_DENIED"}, audit: []string{"user.unassign_role denied", "user.unassign_role denied"}},
		{name: "one of two administrators stays", as: "admin", route: bulk, body: `{"operation":"deactivate","user_ids":["$plain","$second","$admin"]}`, status: 200, want: map[string]any{
			"data.results.0.status": "success", "data.results.1.status": "success", "data.results.2.code": "CONFLICT",
		}, audit: []string{"user.deactivate success", "user.deactivate success"}, writes: []string{"users"}},
		{name: "the last administrator, an expiry in bulk", as: "admin", route: bulk, body: `{"operation":"assign_role","user_ids":["$admin"],"data":{"role_id":"$tenant_admin","expires_at":"2999-01-01T00:00:00Z"}}`, status: 200, want: map[string]any{"data.results.0.code": "CONFLICT"}},
		{name: "activate many", as: "admin", route: bulk, body: `{"operation":"activate","user_ids":["$plain","$second","$admin"]}`, status: 200, want: map[string]any{"data.succeeded": 2, "data.skipped": 1}, audit: []string{"user.activate success", "user.activate success"}, writes: []string{"users"}},
		{name: "deactivate whom a manager may", as: "manager", route: bulk, body: `{"operation":"deactivate","user_ids":["$admin","$manager","$plain"]}`, status: 200, want: map[string]any{
			"data.results.0.code": "PERMISSION_DENIED", "data.results.1.code": "PERMISSION_DENIED", "data.results.2.status": "success",
		}, audit: []string{"user.deactivate denied", "user.deactivate denied", "user.deactivate success"}, writes: []string{"users"}},
		{name: "activate whom a manager may", as: "manager", route: bulk, body: `{"operation":"activate","user_ids":["$plain"]}`, status: 200, want: map[string]any{"data.succeeded": 1}, audit: []string{"user.activate success"}, writes: []string{"users"}},
		{name: "delete many", as: "manager", route: bulk, body: `{"operation":"delete","user_ids":["$other","$admin","$plain_b"]}`, status: 200, want: map[string]any{
			"data.results.0.status": "success", "data.results.1.code": "PERMISSION_DENIED", "data.results.2.code": "RESOURCE_NOT_FOUND",
		}, audit: []string{"user.delete success", "user.delete denied"}, writes: []string{"users", "user_roles"}},
		{name: "the address of a deleted account", as: "admin", route: "POST /users", body: `{"email":"Other@alpha.example"}`, status: 409, code: "CONFLICT", fields: []string{"email"}},
		{name: "an address that was given up", as: "admin", route: "PATCH /users/{id}", path: "/users/$spare", body: `{"email":"spare2@alpha.example","external_id":"e-2"}`, status: 200, audit: []string{"user.update success"}, writes: []string{"users"}},
		{name: "is not another's", as: "admin", route: "POST /users", body: `{"email":"spare@alpha.example"}`, status: 409, fields: []string{"email"}},
		{name: "nor is an external id", as: "admin", route: "POST /users", body: `{"email":"spare3@alpha.example","external_id":"e-1"}`, status: 409, fields: []string{"external_id"}},
		{name: "but the same account's again", as: "admin", route: "PATCH /users/{id}", path: "/users/$spare", body: `{"email":"spare@alpha.example","external_id":"e-1"}`, status: 200, audit: []string{"user.update success"}, writes: []string{"users"}},
		{name: "a service account among users", as: "admin", route: "POST /users", body: `{"email":"sa@alpha.example","is_service_account":true}`, status: 400, fields: []string{"is_service_account"}},

		{name: "lock", as: "manager", route: "POST /users/{id}/lock", path: "/users/$plain/lock", body: `{"until":"2999-01-01T00:00:00Z","reason":"lost his telephone"}`, status: 200, want: map[string]any{"data.locked_until": "2999-01-01T00:00:00Z"}, audit: []string{"user.lock success"}, writes: []string{"users"}},
		{name: "a locked account is out", as: "plain", route: "GET /users/me", status: 401, code: "TOKEN_REVOKED"},
		{name: "lock for good", as: "manager", route: "POST /users/{id}/lock", path: "/users/$plain/lock", body: `{"reason":"x"}`, status: 200, want: map[string]any{"data.locked_until": "9999-12-31T00:00:00Z"}, audit: []string{"user.lock success"}, writes: []string{"users"}},
		{name: "unlock", as: "manager", route: "POST /users/{id}/unlock", path: "/users/$plain/unlock", status: 200, want: map[string]any{"data.locked_until": nil}, audit: []string{"user.unlock success"}, writes: []string{"users", "login_failures"}},
		{name: "a token from before the lock", as: "plain", route: "GET /users/me", status: 401, code: "TOKEN_REVOKED"},
		{name: "lock in the past", as: "admin", route: "POST /users/{id}/lock", path: "/users/$plain/lock", body: `{"until":"2020-01-01T00:00:00Z"}`, status: 400, fields: []string{"until"}},
		{name: "lock beyond what can be written", as: "admin", route: "POST /users/{id}/lock", path: "/users/$plain/lock", body: `{"until":"9999-12-31T23:59:59-12:00"}`, status: 400, fields: []string{"until"}},
		{name: "assign beyond what can be written", as: "admin", route: "POST /users/{id}/roles", path: "/users/$plain/roles", body: `{"role_id":"$reader","valid_from":"0000-01-01T00:00:00+12:00","expires_at":"9999-12-31T23:59:59-12:00"}`, status: 400, fields: []string{"valid_from", "expires_at"}},
		{name: "assign to many beyond what can be written", as: "admin", route: bulk, body: `{"operation":"assign_role","user_ids":["$plain"],"data":{"role_id":"$reader","expires_at":"9999-12-31T23:59:59-12:00"}}`, status: 400, fields: []string{"data.expires_at"}},
		{name: "lock oneself", as: "admin", route: "POST /users/{id}/lock", path: "/users/$admin/lock", body: `{"reason":"x"}`, status: 400, fields: []string{"path.id"}},
		{name: "a manager locks an administrator", as: "manager", route: "POST /users/{id}/lock", path: "/users/$admin/lock", body: `{"reason":"x"}`, status: 403, audit: []string{"user.lock denied"}},
		{name: "a manager unlocks an administrator", as: "manager", route: "POST /users/{id}/unlock", path: "/users/$admin/unlock", status: 403, audit: []string{"user.unlock denied"}},
		{name: "a manager resets an administrator", as: "manager", route: "POST /users/{id}/reset-password", path: "/users/$admin/reset-password", body: `{"mode":"temporary"}`, status: 403, audit: []string{"user.reset_password denied"}},
		{name: "a temporary password", as: "manager", route: "POST /users/{id}/reset-password", path: "/users/$spare/reset-password", body: `{"mode":"temporary"}`, status: 200, want: map[string]any{"data.sessions_ended": true}, audit: []string{"user.reset_password success"}, writes: []string{"users"}},
		{name: "has to be changed", as: "admin", route: "GET /users/{id}", path: "/users/$spare", status: 200, want: map[string]any{"data.must_change_password": true}},
		{name: "a service account has none", as: "admin", route: "POST /users/{id}/reset-password", path: "/users/$robot/reset-password", body: `{"mode":"temporary"}`, status: 409},

		{name: "addresses of an account", as: "admin", route: "PATCH /users/{id}", path: "/users/$robot", body: `{"allowed_ips":["10.0.0.0/8","2001:DB8::1"],"assert_subject":true,"assert_override":["level"]}`, status: 200, want: map[string]any{
			"data.allowed_ips.1": "2001:db8::1", "data.assert_subject": true, "data.assert_override.0": "level",
		}, audit: []string{"user.update success"}, writes: []string{"users"}},
		{name: "addresses that are none", as: "admin", route: "PATCH /users/{id}", path: "/users/$robot", body: `{"allowed_ips":["10.0.0.1/8","fe80::1%eth0","here"]}`, status: 400, fields: []string{"allowed_ips[0]", "allowed_ips[1]", "allowed_ips[2]"}},
		{name: "a manager lets an account state properties", as: "manager", route: "PATCH /users/{id}", path: "/users/$robot", body: `{"assert_subject":true}`, status: 403, audit: []string{"user.update denied"}},

		{name: "list another tenant", as: "operator", route: "GET /users", path: "/users?tenant_id=$beta&sort=email&role=$reader_b", status: 200, want: map[string]any{"data.0.id": "$plain_b", "data.1": nil}},
		{name: "list the same tenant twice named", as: "operator", route: "GET /users", path: "/users?tenant_id=$beta", header: map[string]string{"X-Tenant-ID": "$beta"}, status: 200},
		{name: "list two tenants", as: "operator", route: "GET /users", path: "/users?tenant_id=$beta", header: map[string]string{"X-Tenant-ID": "$alpha"}, status: 400, fields: []string{"query.tenant_id"}},
		{name: "list a tenant that is not one's", as: "admin", route: "GET /users", path: "/users?tenant_id=$beta", status: 404},
		{name: "list a tenant that is none", as: "admin", route: "GET /users", path: "/users?tenant_id=alpha", status: 400, fields: []string{"query.tenant_id"}},

		{name: "own name and preferences", as: "manager", route: "PATCH /users/me", body: `{"display_name":"Max","preferences":{"theme":"dark"}}`, status: 200, want: map[string]any{"data.display_name": "Max", "data.preferences.theme": "dark", "data.pending_email": nil}, audit: []string{"user.update_me success"}, writes: []string{"users"}},
		{name: "own attributes", as: "manager", route: "PATCH /users/me", body: `{"attributes":{"level":9}}`, status: 400, fields: []string{"attributes"}},
		{name: "own password without the current one", as: "manager", route: "PATCH /users/me", body: `{"password":"` + otherPassword + `"}`, status: 400, fields: []string{"current_password"}},
		{name: "own password with a wrong one", as: "manager", route: "PATCH /users/me", body: `{"password":"` + otherPassword + `","current_password":"wrong"}`, status: 400, fields: []string{"current_password"}},
		{name: "own password, too short", as: "manager", route: "POST /users/{id}/change-password", path: "/users/$manager/change-password", body: `{"current_password":"` + password + `","new_password":"short"}`, status: 400, fields: []string{"new_password"}},
		{name: "own password, the same", as: "manager", route: "POST /users/{id}/change-password", path: "/users/$manager/change-password", body: `{"current_password":"` + password + `","new_password":"` + password + `"}`, status: 400, fields: []string{"new_password"}},
		{name: "another's password", as: "admin", route: "POST /users/{id}/change-password", path: "/users/$manager/change-password", body: `{"current_password":"` + password + `","new_password":"` + otherPassword + `"}`, status: 404},
		{name: "own password of an account without", as: "admin", route: "POST /users/{id}/change-password", path: "/users/$admin/change-password", body: `{"current_password":"` + password + `","new_password":"` + otherPassword + `"}`, status: 409},
		{name: "own password", as: "manager", route: "POST /users/{id}/change-password", path: "/users/$manager/change-password", body: `{"current_password":"` + password + `","new_password":"` + otherPassword + `"}`, status: 200, want: map[string]any{"data.sessions_ended": true}, audit: []string{"user.change_password success"}, writes: []string{"users"}},
		{name: "the session is over", as: "manager", route: "GET /users/me", status: 401, code: "TOKEN_REVOKED"},
	}
}

func TestScenarios_UserWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person("other", "admin", "", "ALPHA", "")
	w.person("second", "admin", "", "ALPHA", `"$tenant_admin"`)
	w.make("spare", "admin", "", "/users", `{"email":"spare@alpha.example","external_id":"e-1"}`)
	w.make("robot", "admin_b", "", "/users", `{"email":"robot@beta.example"}`)
	w.database.Exec(t, "UPDATE sentinel.users SET tenant_id = $1, email = '', email_verified_at = NULL, is_service_account = true, service_account_key_id = 'robot', service_account_key_hash = '\\x00' WHERE id = $2", w.ids["alpha"], w.ids["robot"])
	w.database.Exec(t, "INSERT INTO sentinel.login_failures (tenant_id, user_id, network, failed_count) VALUES ($1, $2, '10.0.0.0/24', 3)", w.ids["alpha"], w.ids["plain"])
	// A key of retired identifiers is made once for a tenant.
	w.make("gone", "admin", "", "/users", `{"email":"gone@alpha.example"}`)
	w.do(request{as: "admin", method: "DELETE", path: "/users/$gone"})
	w.play(t, userWriteScenarios())
}
