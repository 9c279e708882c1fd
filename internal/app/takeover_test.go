package app_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

func TestTokens_EndWithTheCredentialsTheyWereMailedUnder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	later := time.Now().Add(time.Hour)
	self := func(name string) string {
		return w.login("ALPHA", name+"@alpha.example", password)
	}
	for name, replace := range map[string]func() *response{
		"by_admin": func() *response {
			return w.do(request{as: "admin", method: http.MethodPatch, path: "/users/$by_admin", body: `{"password":"` + otherPassword + `"}`})
		},
		"temporary": func() *response {
			return w.do(request{as: "admin", method: http.MethodPost, path: "/users/$temporary/reset-password", body: `{"mode":"temporary"}`})
		},
		"by_self": func() *response {
			return w.send(request{method: http.MethodPost, path: "/users/$by_self/change-password", body: `{"current_password":"` + password + `","new_password":"` + otherPassword + `"}`}, self("by_self"))
		},
		"moved": func() *response {
			return w.do(request{as: "admin", method: http.MethodPatch, path: "/users/$moved", body: `{"email":"elsewhere@alpha.example"}`})
		},
	} {
		email := name + "@alpha.example"
		w.make(name, "admin", "", "/users", `{"email":"`+email+`","password":"`+password+`"}`)
		reset := w.mailed(name, "alpha", "password_reset", email, later)
		invitation := w.mailed(name, "alpha", "invitation", email, later)
		change := w.mailed(name, "alpha", "email_change", "thief@elsewhere.example", later)
		got := replace()
		require.Equal(t, http.StatusOK, got.status, "%s: %s", name, got.body)
		for kind, token := range map[string]string{"reset": reset, "invitation": invitation} {
			require.Equal(t, http.StatusBadRequest, w.resets(token, "the thief's own password").status, "%s: %s", name, kind)
		}
		confirmed := w.do(request{method: http.MethodPost, path: "/auth/email/confirm", body: `{"token":"` + change + `"}`})
		require.Equal(t, http.StatusBadRequest, confirmed.status, "%s: change of address", name)
	}
}

func TestLogin_OfAnAccountWithManyRolesGivesATokenThatIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.make("busy", "admin", "", "/users", `{"email":"busy@alpha.example","password":"`+password+`"}`)
	w.database.Exec(t, `
WITH r AS (
  INSERT INTO sentinel.roles (tenant_id, name, display_name)
  SELECT $1, 'role_' || n || repeat('x', 80), 'R' FROM generate_series(1, 300) n
  RETURNING id
)
INSERT INTO sentinel.user_roles (tenant_id, user_id, role_id, role_tenant_id)
SELECT $1, $2, id, $1 FROM r`, w.ids["alpha"], w.ids["busy"])
	token := w.login("ALPHA", "busy@alpha.example", password)
	require.Equal(t, http.StatusOK, w.send(request{method: http.MethodGet, path: "/auth/validate"}, token).status)
}

func TestTemporaryPassword_IsGoodForChangingItOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.make("fresh", "admin", "", "/users", `{"email":"fresh@alpha.example","password":"`+password+`","roles":["$tenant_admin"]}`)
	reset := w.do(request{as: "operator", method: http.MethodPost, path: "/users/$fresh/reset-password", header: map[string]string{"X-Tenant-ID": "$alpha"}, body: `{"mode":"temporary"}`})
	require.Equal(t, http.StatusOK, reset.status, "%s", reset.body)
	temporary := reset.at("data.temporary_password").(string)
	answer := w.send(request{method: http.MethodPost, path: "/auth/login", body: jsonOf(map[string]any{"tenant_id": "ALPHA", "email": "fresh@alpha.example", "password": temporary})}, "")
	require.Equal(t, true, answer.at("data.must_change_password"), "%s", answer.body)
	pair := w.send(request{method: http.MethodPost, path: "/auth/refresh", body: jsonOf(map[string]any{"refresh_token": answer.at("data.refresh_token")})}, "")
	require.Equal(t, http.StatusOK, pair.status)
	tokens := []string{answer.at("data.access_token").(string), pair.at("data.access_token").(string)}
	own := []string{"GET /auth/validate", "POST /auth/logout", "POST /users/{id}/change-password"}
	w.refusedOutside(t, func(name string, _ httpapi.Route) bool { return slices.Contains(own, name) }, tokens...)
	change := func(id string) *response {
		return w.send(request{method: http.MethodPost, path: "/users/" + id + "/change-password", body: jsonOf(map[string]any{"current_password": temporary, "new_password": otherPassword})}, tokens[0])
	}
	require.Equal(t, http.StatusNotFound, change("$plain").status)
	require.Equal(t, http.StatusOK, change("$fresh").status)
	for _, token := range tokens {
		require.Equal(t, http.StatusUnauthorized, w.send(request{method: http.MethodGet, path: "/auth/validate"}, token).status)
	}
	w.login("ALPHA", "fresh@alpha.example", otherPassword)
}

func TestErase_LeavesNothingAfterARichLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.make("ludwig", "admin", "", "/users", `{"email":"ludwig@alpha.example","display_name":"Ludwig Probe","password":"`+password+`","roles":["$tenant_admin"]}`)
	enter := func(device string) *response {
		got := w.send(request{method: http.MethodPost, path: "/auth/login", body: jsonOf(map[string]any{
			"tenant_id": "ALPHA", "email": "ludwig@alpha.example", "password": password, "device": map[string]string{"name": device},
		})}, "")
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
		return got
	}
	first, second := enter("Ludwigs phone"), enter("Ludwigs tablet")
	require.Equal(t, http.StatusOK, w.send(request{method: http.MethodPost, path: "/auth/refresh", body: jsonOf(map[string]any{"refresh_token": second.at("data.refresh_token")})}, "").status)
	w.tokens["ludwig"] = first.at("data.access_token").(string)
	w.send(request{method: http.MethodPost, path: "/auth/login", body: `{"tenant_id":"ALPHA","email":"ludwig@alpha.example","password":"wrong","device":{"name":"Ludwigs laptop"}}`}, "")
	key := func(s string) map[string]string { return map[string]string{"Idempotency-Key": s} }
	for _, r := range []request{
		{method: http.MethodPost, path: "/users", header: key("a"), body: `{"email":"friend@alpha.example","display_name":"Friend of Ludwig"}`},
		{method: http.MethodPost, path: "/service-accounts", header: key("b"), body: `{"name":"Ludwigs robot","description":"Runs for Ludwig"}`},
		{method: http.MethodPatch, path: "/users/me", body: `{"display_name":"Ludwig P."}`},
		{method: http.MethodPatch, path: "/users/me", body: `{"email":"ludwig@private.example","current_password":"` + password + `"}`},
		{method: http.MethodPost, path: "/auth/mfa/totp", body: `{"password":"` + password + `"}`},
		{method: http.MethodPost, path: "/users/bulk", body: `{"operation":"deactivate","user_ids":["$plain"]}`},
	} {
		r.as = "ludwig"
		got := w.do(r)
		require.Less(t, got.status, 300, "%s: %s", r.path, got.body)
	}
	for _, r := range []request{
		{method: http.MethodPost, path: "/users/$ludwig/lock", body: `{"reason":"Ludwig is on leave"}`},
		{method: http.MethodPost, path: "/users/$ludwig/unlock"},
		{method: http.MethodPost, path: "/users/bulk", body: `{"operation":"deactivate","user_ids":["$ludwig"]}`},
		{method: http.MethodPost, path: "/users/bulk", body: `{"operation":"activate","user_ids":["$ludwig"]}`},
		{method: http.MethodPost, path: "/users/$ludwig/reset-password", body: `{"mode":"mail"}`},
		{method: http.MethodPatch, path: "/users/$ludwig", body: `{"email":"ludwig2@alpha.example","allowed_ips":["203.0.113.77"]}`},
	} {
		r.as = "operator"
		if r.header == nil {
			r.header = map[string]string{"X-Tenant-ID": w.ids["alpha"]}
		}
		got := w.do(r)
		require.Less(t, got.status, 300, "%s: %s", r.path, got.body)
	}
	require.NotEmpty(t, w.everywhere("Ludwigs tablet"))
	got := w.do(request{as: "operator", method: http.MethodDelete, path: "/users/$ludwig?erase=true", header: map[string]string{"X-Tenant-ID": w.ids["alpha"]}})
	require.Equal(t, http.StatusNoContent, got.status, "%s", got.body)
	for _, text := range []string{"ludwig@alpha.example", "ludwig2@alpha.example", "ludwig@private.example", "Probe", "Ludwigs phone", "Ludwigs tablet", "Ludwigs laptop", "203.0.113.77", "Ludwig is on leave"} {
		require.Empty(t, w.everywhere(text), text)
	}
	var left []string
	for _, table := range []string{"refresh_tokens", "token_blacklist", "one_time_tokens", "login_failures", "mfa_recovery_codes", "personal_keys"} {
		left = append(left, w.column(t, fmt.Sprintf("SELECT '%s' FROM sentinel.%[1]s WHERE user_id = $1", table), w.ids["ludwig"])...)
	}
	require.Empty(t, left)
	require.Empty(t, w.column(t, "SELECT key FROM sentinel.idempotency_keys WHERE principal_id = $1", w.ids["ludwig"]))
	w.verified(w.master(), "alpha")
}

// refusedOutside calls every route that is not open to everybody, but for those
// within a token's reach, with each of the tokens.
func (w *world) refusedOutside(t *testing.T, within func(name string, r httpapi.Route) bool, tokens ...string) {
	t.Helper()
	examples := examples()
	for _, route := range w.app.Routes() {
		name := routeName(route)
		if route.Access.IsPublic() || within(name, route) {
			continue
		}
		e, ok := examples[name]
		require.True(t, ok, name)
		for _, placeholder := range placeholder.FindAllString(e.path+e.body, -1) {
			if w.ids[placeholder[1:]] == "" {
				w.ids[placeholder[1:]] = absent // refused before it is looked for
			}
		}
		for _, token := range tokens {
			for _, header := range []map[string]string{nil, {"X-Tenant-ID": w.ids["alpha"]}} {
				got := w.send(request{method: route.Method, path: e.path, body: e.body, header: header}, token)
				require.Equal(t, http.StatusForbidden, got.status, "%s %v: %s", name, header, got.body)
			}
		}
	}
}

func TestScope_OpensNothingButWhatItNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ids["narrow"] = absent
	w.asSession("narrow", "admin", "alpha", func(c *crypto.Claims) { c.Scope = "groups:read" })
	// Of these the answers are no more than the token's own, or are narrowed themselves.
	open := []string{"GET /auth/validate", "POST /auth/logout", "POST /auth/revoke", "POST /permissions/check", "POST /permissions/batch-check", "GET /field-permissions", evaluation, evaluations}
	w.refusedOutside(t, func(name string, r httpapi.Route) bool {
		p, _ := r.Access.Permission()
		return p.Section == "groups" && p.Action == "read" || slices.Contains(open, name)
	}, w.token("narrow"))
	other := `{"user_id":"$plain","action":"read","resource":{"type":"doc"}}`
	require.Equal(t, http.StatusForbidden, w.do(request{as: "narrow", method: http.MethodPost, path: "/permissions/check", body: other}).status)
	require.Equal(t, http.StatusForbidden, w.evaluate("narrow", `{`+who("$plain")+`,`+readAurora+`}`, nil).status)
}
