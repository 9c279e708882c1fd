package app_test

import (
	"encoding/base64"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/crypto"
)

// session opens a session of somebody behind the server's back: its id has the
// name, its refresh token the name with "_token".
func (w *world) session(name, who, tenant string) {
	w.t.Helper()
	id, token := uuid.NewString(), crypto.NewOpaque("snr_", uuid.MustParse(w.ids[tenant]))
	w.database.Exec(w.t, `
INSERT INTO sentinel.refresh_tokens (tenant_id, user_id, family_id, family_expires_at, token_hash, expires_at, token_epoch, last_used_at, device_info)
SELECT tenant_id, id, $3, now() + interval '30 days', $4, now() + interval '14 days', token_epoch, now(), '{"name":"Laptop"}'
FROM sentinel.users
WHERE tenant_id = $1
AND id = $2`, w.ids[tenant], w.ids[who], id, token.Hash)
	w.ids[name], w.ids[name+"_token"] = id, token.Text
	_, _ = w.given.Write([]byte(token.Text + "\n"))
}

// robot makes a service account behind the server's back: its key has the name
// with "_key".
func (w *world) robot(name, tenant, allowed string) {
	w.t.Helper()
	id, key := uuid.NewString(), crypto.NewAPIKey()
	w.database.Exec(w.t, `
INSERT INTO sentinel.users (id, tenant_id, display_name, is_service_account, service_account_key_id, service_account_key_hash, allowed_ips)
VALUES ($1, $2, $3, true, $4, $5, CAST($6 AS text[]))`, id, w.ids[tenant], name, key.ID, key.Hash, allowed)
	w.ids[name], w.ids[name+"_key"], w.ids[name+"_kid"] = id, key.Text, key.ID
	_, _ = w.given.Write([]byte(key.Text + "\n"))
}

// asSession makes a token of a session that was opened.
func (w *world) asSession(name, who, tenant string, change func(*crypto.Claims)) {
	w.t.Helper()
	c := w.claims(who, tenant)
	c.SessionID = w.ids[name]
	if change != nil {
		change(&c)
	}
	token, err := crypto.Signer{Issuer: "sentinel", Audience: "sentinel"}.Sign(c, w.signingKeyOf())
	require.NoError(w.t, err)
	w.people[name], w.tokens[name] = w.people[who], token
}

func sessionScenarios() []scenario {
	body := func(tenant, email, secret string) string {
		return jsonOf(map[string]string{"tenant_id": tenant, "email": email, "password": secret})
	}
	form := map[string]string{"Content-Type": formType}
	const client = "POST /auth/service-account/token"
	return []scenario{
		{name: "log in", route: "POST /auth/login", body: body("alpha", " PLAIN@alpha.example ", password), status: 200, want: map[string]any{
			"data.token_type": "Bearer", "data.expires_in": 1800, "data.user.id": "$plain", "data.user.tenant.code": "ALPHA", "data.user.roles": "[]",
			"data.must_change_password": false,
		}, audit: []string{"session.login success"}, writes: []string{"users", "refresh_tokens"}},
		{name: "log in by the tenant's id", route: "POST /auth/login", body: body("$alpha", "manager@alpha.example", password), status: 200, want: map[string]any{"data.user.roles.0": "user_manager"}, audit: []string{"session.login success"}, writes: []string{"users", "refresh_tokens"}},
		{name: "log in with another's password", route: "POST /auth/login", body: body("ALPHA", "plain@alpha.example", otherPassword), status: 401, code: "INVALID_CREDENTIALS", audit: []string{"session.login failure"}, writes: []string{"users", "login_failures"}},
		{name: "log in at another tenant", route: "POST /auth/login", body: body("BETA", "plain@alpha.example", password), status: 401, code: "INVALID_CREDENTIALS"},
		{name: "log in without anything", route: "POST /auth/login", body: `{}`, status: 400, fields: []string{"email", "password", "tenant_id"}},
		{name: "log in after a failure", route: "POST /auth/login", body: body("ALPHA", "plain@alpha.example", password), status: 200, audit: []string{"session.login success"}, writes: []string{"users", "refresh_tokens", "login_failures"}},

		{name: "refresh", route: "POST /auth/refresh", body: `{"refresh_token":"$live_token"}`, status: 200, want: map[string]any{"data.expires_in": 1800}, audit: []string{"session.refresh success"}, writes: []string{"refresh_tokens"}},
		{name: "refresh with nonsense", route: "POST /auth/refresh", body: `{"refresh_token":"nonsense"}`, status: 401, code: "TOKEN_REVOKED"},
		{name: "refresh with a token of nobody", route: "POST /auth/refresh", body: `{"refresh_token":"snr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`, status: 401, code: "TOKEN_REVOKED"},

		{name: "key", route: client, body: `{"api_key":"$robot_key"}`, status: 200, want: map[string]any{
			"data.service_account.id": "$robot", "data.service_account.tenant.code": "ALPHA", "data.scope": nil, "data.refresh_token": nil,
		}, audit: []string{"session.token success"}, writes: []string{"users"}},
		{name: "client and secret", route: client, body: `{"client_id":"$robot","client_secret":"$robot_key","tenant_id":"alpha","scope":"users:read decisions:execute users:read"}`, status: 200, want: map[string]any{
			"data.scope": "decisions:execute users:read",
		}, audit: []string{"session.token success"}, writes: []string{"users"}},
		{name: "form", route: client, header: form, body: "grant_type=client_credentials&client_id=$robot_kid&client_secret=$robot_key", status: 200, want: map[string]any{"token_type": "Bearer", "data": nil}, audit: []string{"session.token success"}, writes: []string{"users"}},
		{name: "form without a grant", route: client, header: form, body: "client_id=$robot_kid&client_secret=$robot_key", status: 400, want: map[string]any{"error": "unsupported_grant_type"}},
		{name: "form without a client", route: client, header: form, body: "grant_type=client_credentials", status: 400, want: map[string]any{"error": "invalid_request"}},
		{name: "form with a scope of nothing", route: client, header: form, body: "grant_type=client_credentials&client_id=$robot_kid&client_secret=$robot_key&scope=self:password", status: 400, want: map[string]any{"error": "invalid_scope"}},
		{name: "form with a wrong secret", route: client, header: form, body: "grant_type=client_credentials&client_id=$robot_kid&client_secret=nonsense", status: 401, want: map[string]any{"error": "invalid_client"}},
		{name: "scope of nothing", route: client, body: `{"api_key":"$robot_key","scope":"users:read ships:sail"}`, status: 400, code: "VALIDATION_ERROR", fields: []string{"scope"}},
		{name: "nonsense for a key", route: client, body: `{"api_key":"nonsense"}`, status: 401, code: "SERVICE_ACCOUNT_INVALID"},
		{name: "another's client", route: client, body: `{"client_id":"$plain","client_secret":"$robot_key"}`, status: 401, code: "SERVICE_ACCOUNT_INVALID", audit: []string{"session.token failure"}, writes: []string{"users"}},
		{name: "key at another tenant", route: client, body: `{"api_key":"$robot_key","tenant_id":"BETA"}`, status: 401, code: "SERVICE_ACCOUNT_INVALID", audit: []string{"session.token failure"}, writes: []string{"users"}},
		{name: "key from another address", route: client, body: `{"api_key":"$far_robot_key"}`, status: 401, code: "SERVICE_ACCOUNT_INVALID", audit: []string{"session.token failure"}, writes: []string{"users"}},
		{name: "key and client", route: client, body: `{"api_key":"$robot_key","client_id":"$robot"}`, status: 400, fields: []string{"api_key"}},

		{name: "validate", as: "manager", route: "GET /auth/validate", status: 200, want: map[string]any{"data.user_id": "$manager", "data.tenant_id": "$alpha", "data.acting_tenant_id": "$alpha", "data.roles.0": "user_manager", "data.scope": ""}},
		{name: "validate elsewhere", as: "operator", route: "GET /auth/validate", header: map[string]string{"X-Tenant-ID": "$beta"}, status: 200, want: map[string]any{"data.tenant_id": "$platform", "data.acting_tenant_id": "$beta"}},

		{name: "introspect another's", as: "admin", route: "POST /auth/introspect", body: `{"token":"$spare_token"}`, status: 200, want: map[string]any{"active": true, "token_type": "refresh_token", "sub": "$plain", "tenant_id": "$alpha", "sid": "$spare"}},
		{name: "introspect one's own", as: "plain", route: "POST /auth/introspect", body: `{"token":"$spare_token","token_type_hint":"refresh_token"}`, status: 200, want: map[string]any{"active": true}},
		{name: "introspect another's without permission", as: "manager", route: "POST /auth/introspect", body: `{"token":"$spare_token"}`, status: 403, code: "PERMISSION_DENIED", want: map[string]any{"error.details.required_permission": "api/sessions:read"}},
		{name: "introspect nothing without permission", as: "manager", route: "POST /auth/introspect", body: `{"token":"nothing"}`, status: 403, code: "PERMISSION_DENIED"},
		{name: "introspect another tenant's", as: "admin_b", route: "POST /auth/introspect", body: `{"token":"$spare_token"}`, status: 200, want: map[string]any{"active": false, "sub": nil}},
		{name: "introspect a dead one", as: "admin", route: "POST /auth/introspect", body: `{"token":"$live_token"}`, status: 200, want: map[string]any{"active": false}},
		{name: "introspect a form", as: "admin", route: "POST /auth/introspect", header: form, body: "token=$spare_token", status: 200, want: map[string]any{"active": true}},
		{name: "introspect an empty form", as: "admin", route: "POST /auth/introspect", header: form, body: "token_type_hint=x", status: 400, want: map[string]any{"error": "invalid_request"}},

		{name: "sessions", as: "own", route: "GET /auth/sessions", path: "/auth/sessions?limit=1&page=4", status: 200, want: map[string]any{"meta.pagination.total": 8, "data.0.device.name": "Laptop", "data.1": nil}},
		{name: "sessions of another", as: "admin_b", route: "GET /auth/sessions", status: 200, want: map[string]any{"data": "[]"}},
		{name: "end another's session", as: "manager", route: "DELETE /auth/sessions/{id}", path: "/auth/sessions/$spare", status: 404},
		{name: "end a session", as: "own", route: "DELETE /auth/sessions/{id}", path: "/auth/sessions/$other", status: 204, audit: []string{"session.end success"}, writes: []string{"refresh_tokens", "token_blacklist"}},
		{name: "end it again", as: "own", route: "DELETE /auth/sessions/{id}", path: "/auth/sessions/$other", status: 404},

		{name: "revoke what nobody knows", as: "plain", route: "POST /auth/revoke", body: `{"token":"nothing"}`, status: 200},
		{name: "revoke nothing", as: "plain", route: "POST /auth/revoke", body: `{}`, status: 400, fields: []string{"token"}},
		{name: "revoke another's without permission", as: "manager", route: "POST /auth/revoke", body: `{"token":"$spare_token"}`, status: 200},
		{name: "revoke another's session without permission", as: "manager", route: "POST /auth/revoke", body: `{"jti":"$spare"}`, status: 200},
		{name: "revoke another tenant's", as: "admin_b", route: "POST /auth/revoke", body: `{"token":"$spare_token"}`, status: 200},
		{name: "revoke another tenant's session", as: "admin_b", route: "POST /auth/revoke", body: `{"jti":"$spare"}`, status: 200},
		{name: "revoke another's", as: "admin", route: "POST /auth/revoke", body: `{"token":"$spare_token"}`, status: 200, audit: []string{"session.revoke success"}, writes: []string{"refresh_tokens", "token_blacklist"}},
		{name: "revoke by the session's id", as: "admin", route: "POST /auth/revoke", body: `{"jti":"$third"}`, status: 200, audit: []string{"session.revoke success"}, writes: []string{"refresh_tokens", "token_blacklist"}},
		{name: "revoke one's own in a form", as: "own", route: "POST /auth/revoke", header: form, body: "token=$fourth_token&token_type_hint=refresh_token", status: 200, audit: []string{"session.revoke success"}, writes: []string{"refresh_tokens", "token_blacklist"}},
		{name: "revoke an empty form", as: "own", route: "POST /auth/revoke", header: form, body: "token_type_hint=refresh_token", status: 400, want: map[string]any{"error": "invalid_request"}},
		{name: "log out", as: "own", route: "POST /auth/logout", status: 200, audit: []string{"session.logout success"}, writes: []string{"refresh_tokens", "token_blacklist"}},
		{name: "log out again", as: "own", route: "POST /auth/logout", status: 401, code: "TOKEN_REVOKED"},
		{name: "end all sessions", as: "plain", route: "DELETE /auth/sessions", status: 204, audit: []string{"session.end_all success"}, writes: []string{"refresh_tokens", "token_blacklist"}},
		{name: "end all sessions again", as: "plain", route: "DELETE /auth/sessions", status: 401, code: "TOKEN_REVOKED"},

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
	for _, name := range []string{"live", "spare", "other", "third", "fourth", "own"} {
		w.session(name, "plain", "alpha")
	}
	w.asSession("own", "plain", "alpha", nil)
	w.robot("robot", "alpha", "{127.0.0.0/8}")
	w.robot("far_robot", "alpha", "{192.0.2.7,2001:db8::/32}")
	w.play(t, sessionScenarios())
}

// TestClient_MayUseBasic asks as OAuth clients do by default.
func TestClient_MayUseBasic(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.robot("robot", "alpha", "{}")
	ask := func(secret string) *response {
		basic := base64.StdEncoding.EncodeToString([]byte(w.ids["robot_kid"] + ":" + secret))
		return w.do(request{
			method: http.MethodPost, path: "/auth/service-account/token", body: "grant_type=client_credentials&scope=users:read",
			header: map[string]string{"Content-Type": formType, "Authorization": "Basic " + basic},
		})
	}
	got := ask("wrong")
	require.Equal(t, http.StatusUnauthorized, got.status, "%s", got.body)
	require.Equal(t, "invalid_client", got.at("error"))
	require.Contains(t, got.header.Get("WWW-Authenticate"), "Basic")
	got = ask(w.ids["robot_key"])
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	require.Equal(t, "no-store", got.header.Get("Cache-Control"))
	require.Equal(t, "users:read", got.at("scope"))
	token := got.at("access_token").(string)
	got = w.send(request{method: http.MethodGet, path: "/auth/validate"}, token)
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	require.Equal(t, "users:read", got.at("data.scope"))
	require.Equal(t, true, got.at("data.is_service_account"))
	got = w.send(request{method: http.MethodGet, path: "/users"}, token)
	require.Equal(t, http.StatusForbidden, got.status, "a scope gives nothing that the account lacks: %s", got.body)
}

// TestToken_OfAScopeDoesNoMore lets a narrowed token do what its scope covers, a
// few things that need no permission, and nothing else.
func TestToken_OfAScopeDoesNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ids["narrow"], w.ids["password_only"] = uuid.NewString(), uuid.NewString()
	w.asSession("narrow", "admin", "alpha", func(c *crypto.Claims) { c.Scope = "users:read decisions:execute" })
	w.asSession("password_only", "admin", "alpha", func(c *crypto.Claims) { c.Scope = "self:password" })
	check := `{"resource":{"type":"vessel"},"action":"read"}`
	for _, row := range []struct {
		method, path, body string
		narrow, password   int
	}{
		{http.MethodGet, "/users", "", 200, 403},
		{http.MethodPost, "/users", `{"email":"x@alpha.example"}`, 403, 403},
		{http.MethodGet, "/roles", "", 403, 403},
		{http.MethodGet, "/users/me", "", 403, 403},
		{http.MethodGet, "/auth/sessions", "", 403, 403},
		{http.MethodDelete, "/auth/sessions", "", 403, 403},
		{http.MethodPost, "/auth/introspect", `{"token":"x"}`, 403, 403},
		{http.MethodPost, "/auth/revoke", `{"token":"x"}`, 200, 403},
		{http.MethodPost, "/permissions/check", check, 200, 403},
		{http.MethodGet, "/field-permissions?entity_type=vessel", "", 200, 403},
		{http.MethodGet, "/auth/validate", "", 200, 200},
		{http.MethodPost, "/auth/logout", "", 200, 200},
	} {
		for as, want := range map[string]int{"narrow": row.narrow, "password_only": row.password} {
			got := w.do(request{as: as, method: row.method, path: row.path, body: row.body})
			require.Equal(t, want, got.status, "%s %s as %s: %s", row.method, row.path, as, got.body)
			if want == http.StatusForbidden {
				require.Equal(t, "PERMISSION_DENIED", got.at("error.code"))
			}
		}
	}
	w.ids["narrow"] = uuid.NewString()
	w.asSession("narrow", "admin", "alpha", func(c *crypto.Claims) { c.Scope = "users:*" })
	got := w.do(request{as: "narrow", method: http.MethodGet, path: "/users", header: map[string]string{"X-Tenant-ID": "$sub"}})
	require.Equal(t, http.StatusNotFound, got.status, "a narrowed token stays at home: %s", got.body)
}
