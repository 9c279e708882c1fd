package app_test

import "testing"

func sessionScenarios() []scenario {
	body := func(tenant, email, secret string) string {
		return jsonOf(map[string]string{"tenant_id": tenant, "email": email, "password": secret})
	}
	return []scenario{
		{name: "log in", route: "POST /auth/login", body: body("alpha", " PLAIN@alpha.example ", password), status: 200, want: map[string]any{
			"data.token_type": "Bearer", "data.expires_in": 1800, "data.user.id": "$plain", "data.user.tenant.code": "ALPHA", "data.user.roles": "[]",
		}, audit: []string{"session.login success"}, writes: []string{"users"}},
		{name: "log in by the tenant's id", route: "POST /auth/login", body: body("$alpha", "manager@alpha.example", password), status: 200, want: map[string]any{"data.user.roles.0": "user_manager"}, audit: []string{"session.login success"}, writes: []string{"users"}},
		{name: "log in with another's password", route: "POST /auth/login", body: body("ALPHA", "plain@alpha.example", otherPassword), status: 401, code: "INVALID_CREDENTIALS"},
		{name: "log in at another tenant", route: "POST /auth/login", body: body("BETA", "plain@alpha.example", password), status: 401, code: "INVALID_CREDENTIALS"},
		{name: "log in without anything", route: "POST /auth/login", body: `{}`, status: 400, fields: []string{"email", "password", "tenant_id"}},
		{name: "validate", as: "manager", route: "GET /auth/validate", status: 200, want: map[string]any{"data.user_id": "$manager", "data.tenant_id": "$alpha", "data.acting_tenant_id": "$alpha", "data.roles.0": "user_manager"}},
		{name: "validate elsewhere", as: "operator", route: "GET /auth/validate", header: map[string]string{"X-Tenant-ID": "$beta"}, status: 200, want: map[string]any{"data.tenant_id": "$platform", "data.acting_tenant_id": "$beta"}},
		{name: "keys", route: "GET //.well-known/jwks.json", status: 200, want: map[string]any{"keys.0.kty": "OKP", "keys.0.d": nil, "keys.1": nil}},
		{name: "health", route: "GET //health", status: 200, want: map[string]any{"status": "healthy", "parts.database.status": "healthy"}},
		{name: "live", route: "GET //health/live", status: 200, want: map[string]any{"status": "healthy"}},
		{name: "ready", route: "GET //health/ready", status: 200, want: map[string]any{"status": "healthy"}},
	}
}

func TestScenarios_Session(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ready()
	w.play(t, sessionScenarios())
}
