package app_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// example is a call of a route that would succeed, and what makes it fail.
type example struct {
	path string
	body string
	// foreign are calls that name an object of another tenant, each in one
	// place; ids in bodies as well as in paths.
	foreign []call
	// operator routes are called by the operator; default tenant alpha's admin.
	as string
	// open routes answer without a token.
	open bool
	// free routes need no permission.
	free bool
	// bodyless routes can be called without their body.
	bodyless bool
	// media is the type of a body that is a file, in which what is wrong with a
	// row is not wrong with the call.
	media string
	// bare routes say what is wrong in a text, without an envelope, and ignore
	// members that they do not know.
	bare bool
}

type call struct{ path, body string }

// examples has one entry for every route.
func examples() map[string]example {
	all := map[string]example{
		"POST /auth/login":                 {path: "/auth/login", body: `{"tenant_id":"ALPHA","email":"plain@alpha.example","password":"` + password + `"}`, open: true},
		"POST /auth/refresh":               {path: "/auth/refresh", body: `{"refresh_token":"snr_x"}`, open: true},
		"POST /auth/service-account/token": {path: "/auth/service-account/token", body: `{"api_key":"snt_x"}`, open: true},
		"POST /auth/logout":                {path: "/auth/logout", free: true},
		"POST /auth/revoke":                {path: "/auth/revoke", body: `{"token":"x"}`, free: true},
		"POST /auth/introspect":            {path: "/auth/introspect", body: `{"token":"x"}`, free: true},
		"GET /auth/sessions":               {path: "/auth/sessions", free: true},
		"DELETE /auth/sessions":            {path: "/auth/sessions", free: true},
		"DELETE /auth/sessions/{id}":       {path: "/auth/sessions/$session", free: true, foreign: []call{{"/auth/sessions/$session_b", ""}}},
		"GET /auth/validate":               {path: "/auth/validate", free: true},
		"GET //.well-known/jwks.json":      {path: "//.well-known/jwks.json", open: true},
		"GET //health":                     {path: "//health", open: true},
		"GET //health/live":                {path: "//health/live", open: true},
		"GET //health/ready":               {path: "//health/ready", open: true},
		"POST /auth/password/forgot":       {path: "/auth/password/forgot", body: `{"tenant_id":"ALPHA","email":"nobody@alpha.example"}`, open: true},
		"POST /auth/password/reset":        {path: "/auth/password/reset", body: `{"token":"x","new_password":"` + otherPassword + `"}`, open: true},
		"POST /auth/email/confirm":         {path: "/auth/email/confirm", body: `{"token":"x"}`, open: true},
		"POST /auth/mfa/totp":              {path: "/auth/mfa/totp", body: `{"password":"` + password + `"}`, free: true},
		"POST /auth/mfa/totp/verify":       {path: "/auth/mfa/totp/verify", body: `{"code":"123456"}`, free: true},
		"DELETE /auth/mfa/totp":            {path: "/auth/mfa/totp", body: `{"password":"` + password + `","code":"123456"}`, free: true},
		"GET //dev/mail":                   {path: "//dev/mail", open: true},

		"GET /tenants":                   {path: "/tenants"},
		"POST /tenants":                  {path: "/tenants", body: `{"name":"Gamma","code":"GAMMA"}`, as: "operator"},
		"GET /tenants/{id}":              {path: "/tenants/$alpha", foreign: []call{{"/tenants/$tenant_b", ""}, {"/tenants/$platform", ""}}},
		"PATCH /tenants/{id}":            {path: "/tenants/$alpha", body: `{"name":"Alpha"}`, foreign: []call{{"/tenants/$tenant_b", `{"name":"Beta"}`}}},
		"DELETE /tenants/{id}":           {path: "/tenants/$sub", foreign: []call{{"/tenants/$tenant_b", ""}}},
		"POST /tenants/{id}/sub-tenants": {path: "/tenants/$alpha/sub-tenants", body: `{"name":"Asia","code":"ALPHA-AP"}`, foreign: []call{{"/tenants/$tenant_b/sub-tenants", `{"name":"Asia","code":"BETA-AP"}`}}},

		"GET /tenants/code/{code}":      {path: "/tenants/code/ALPHA"},
		"GET /tenants/{id}/hierarchy":   {path: "/tenants/$alpha/hierarchy", foreign: []call{{"/tenants/$tenant_b/hierarchy", ""}, {"/tenants/$platform/hierarchy", ""}}},
		"POST /tenants/{id}/activate":   {path: "/tenants/$sub/activate", body: `{"reason":"x"}`, bodyless: true, foreign: []call{{"/tenants/$tenant_b/activate", `{}`}, {"/tenants/$platform/activate", `{}`}}},
		"POST /tenants/{id}/deactivate": {path: "/tenants/$sub/deactivate", body: `{"reason":"x"}`, bodyless: true, foreign: []call{{"/tenants/$tenant_b/deactivate", `{}`}, {"/tenants/$platform/deactivate", `{}`}}},
		"GET /tenants/{id}/terminology": {path: "/tenants/$alpha/terminology", free: true, foreign: []call{{"/tenants/$tenant_b/terminology", ""}, {"/tenants/$platform/terminology", ""}}},
		"PUT /tenants/{id}/terminology": {
			path: "/tenants/$alpha/terminology", body: `{"words":{"user":{"label":"Sailor"}}}`,
			foreign: []call{{"/tenants/$tenant_b/terminology", `{"words":{}}`}, {"/tenants/$platform/terminology", `{"words":{}}`}},
		},

		"GET /service-accounts": {path: "/service-accounts"},
		"POST /service-accounts": {path: "/service-accounts", body: `{"name":"new"}`, foreign: []call{
			{"/service-accounts", `{"name":"new","roles":["$reader_b"]}`}, {"/service-accounts", `{"name":"new","groups":["$ops_b"]}`}, {"/service-accounts", `{"name":"new","owner_id":"$plain_b"}`},
		}},
		"GET /service-accounts/{id}": {path: "/service-accounts/$robot", foreign: []call{{"/service-accounts/$robot_b", ""}}},
		"PATCH /service-accounts/{id}": {
			path: "/service-accounts/$robot", body: `{"description":"x"}`,
			foreign: []call{{"/service-accounts/$robot_b", `{"description":"x"}`}, {"/service-accounts/$robot", `{"owner_id":"$plain_b"}`}},
		},
		"DELETE /service-accounts/{id}": {path: "/service-accounts/$robot", foreign: []call{{"/service-accounts/$robot_b", ""}}},
		"POST /service-accounts/{id}/rotate-credentials": {
			path: "/service-accounts/$robot/rotate-credentials", body: `{"grace_period_minutes":5}`,
			foreign: []call{{"/service-accounts/$robot_b/rotate-credentials", `{"grace_period_minutes":5}`}},
		},
		"POST /service-accounts/me/rotate-credentials": {path: "/service-accounts/me/rotate-credentials", body: `{"api_key":"x"}`, free: true},
		"POST /service-accounts/{id}/validate": {
			path: "/service-accounts/$robot/validate", body: `{"api_key":"x"}`, foreign: []call{{"/service-accounts/$robot_b/validate", `{"api_key":"x"}`}},
		},

		"GET /users":              {path: "/users"},
		"POST /users":             {path: "/users", body: `{"email":"new@alpha.example"}`, foreign: []call{{"/users", `{"email":"new@alpha.example","roles":["$reader_b"]}`}, {"/users", `{"email":"new@alpha.example","groups":["$ops_b"]}`}}},
		"GET /users/me":           {path: "/users/me", free: true},
		"GET /users/{id}":         {path: "/users/$plain", foreign: []call{{"/users/$plain_b", ""}}},
		"PATCH /users/{id}":       {path: "/users/$plain", body: `{"display_name":"x"}`, foreign: []call{{"/users/$plain_b", `{"display_name":"x"}`}}},
		"DELETE /users/{id}":      {path: "/users/$plain", foreign: []call{{"/users/$plain_b", ""}}},
		"PATCH /users/me":         {path: "/users/me", body: `{"display_name":"x"}`, free: true},
		"POST /users/bulk":        {path: "/users/bulk", body: `{"operation":"add_to_group","user_ids":["$plain"],"data":{"group_id":"$ops"}}`, foreign: []call{{"/users/bulk", `{"operation":"add_to_group","user_ids":["$plain"],"data":{"group_id":"$ops_b"}}`}}},
		"POST /users/{id}/lock":   {path: "/users/$plain/lock", body: `{"reason":"x"}`, foreign: []call{{"/users/$plain_b/lock", `{"reason":"x"}`}}},
		"POST /users/{id}/unlock": {path: "/users/$plain/unlock", foreign: []call{{"/users/$plain_b/unlock", ""}}},
		"POST /users/{id}/change-password": {
			path: "/users/$admin/change-password", body: `{"current_password":"` + password + `","new_password":"` + otherPassword + `"}`, free: true,
			foreign: []call{{"/users/$plain_b/change-password", `{"current_password":"` + password + `","new_password":"` + otherPassword + `"}`}},
		},
		"POST /users/{id}/reset-password": {path: "/users/$plain/reset-password", body: `{"mode":"temporary"}`, foreign: []call{{"/users/$plain_b/reset-password", `{"mode":"temporary"}`}}},
		"GET /users/{id}/roles":           {path: "/users/$plain/roles", foreign: []call{{"/users/$plain_b/roles", ""}}},
		"POST /users/{id}/roles": {
			path: "/users/$plain/roles", body: `{"role_id":"$reader"}`,
			foreign: []call{{"/users/$plain_b/roles", `{"role_id":"$reader"}`}, {"/users/$plain/roles", `{"role_id":"$reader_b"}`}},
		},
		"DELETE /users/{id}/roles/{role_id}": {
			path: "/users/$manager/roles/$user_manager", foreign: []call{{"/users/$plain_b/roles/$reader", ""}, {"/users/$plain/roles/$reader_b", ""}},
		},
		"GET /users/{id}/permissions": {path: "/users/$manager/permissions", free: true, foreign: []call{{"/users/$plain_b/permissions", ""}}},

		"GET /roles":      {path: "/roles"},
		"POST /roles":     {path: "/roles", body: `{"name":"new"}`, foreign: []call{{"/roles", `{"name":"new","parent_role_id":"$reader_b"}`}}},
		"GET /roles/{id}": {path: "/roles/$reader", foreign: []call{{"/roles/$reader_b", ""}}},
		"PATCH /roles/{id}": {
			path: "/roles/$reader", body: `{"description":"x"}`,
			foreign: []call{{"/roles/$reader_b", `{"description":"x"}`}, {"/roles/$reader", `{"parent_role_id":"$reader_b"}`}},
		},
		"DELETE /roles/{id}":          {path: "/roles/$inspector", foreign: []call{{"/roles/$inspector_b", ""}}},
		"GET /roles/{id}/permissions": {path: "/roles/$reader/permissions", foreign: []call{{"/roles/$reader_b/permissions", ""}}},
		"POST /roles/{id}/permissions": {
			path: "/roles/$reader/permissions", body: `{"permission_ids":["$loose"]}`,
			foreign: []call{
				{"/roles/$reader_b/permissions", `{"permission_ids":["$loose"]}`},
				{"/roles/$reader/permissions", `{"permission_ids":["$loose_b"]}`},
				{"/roles/$reader/permissions", `{"permissions":[{"name":"x","resource_type":"app","resource_id":"$fleet_b","actions":["read"]}]}`},
			},
		},
		"DELETE /roles/{id}/permissions/{permission_id}": {
			path: "/roles/$reader/permissions/$reads", foreign: []call{{"/roles/$reader_b/permissions/$reads_b", ""}, {"/roles/$reader/permissions/$reads_b", ""}},
		},

		"GET /groups":      {path: "/groups"},
		"POST /groups":     {path: "/groups", body: `{"name":"new"}`, foreign: []call{{"/groups", `{"name":"new","parent_group_id":"$ops_b"}`}}},
		"GET /groups/{id}": {path: "/groups/$ops", foreign: []call{{"/groups/$ops_b", ""}}},
		"PATCH /groups/{id}": {
			path: "/groups/$ops", body: `{"description":"x"}`,
			foreign: []call{{"/groups/$ops_b", `{"description":"x"}`}, {"/groups/$ops", `{"parent_group_id":"$ops_b"}`}},
		},
		"DELETE /groups/{id}":    {path: "/groups/$east", foreign: []call{{"/groups/$east_b", ""}}},
		"GET /groups/{id}/users": {path: "/groups/$ops/users", foreign: []call{{"/groups/$ops_b/users", ""}}},
		"POST /groups/{id}/users": {
			path: "/groups/$ops/users", body: `{"user_ids":["$plain"]}`,
			foreign: []call{{"/groups/$ops_b/users", `{"user_ids":["$plain"]}`}, {"/groups/$ops/users", `{"user_ids":["$plain","$plain_b"]}`}},
		},
		"DELETE /groups/{id}/users/{member_id}": {
			path: "/groups/$ops/users/$plain", foreign: []call{{"/groups/$ops_b/users/$plain_b", ""}, {"/groups/$ops/users/$plain_b", ""}},
		},
		"GET /groups/{id}/roles": {path: "/groups/$ops/roles", foreign: []call{{"/groups/$ops_b/roles", ""}}},
		"POST /groups/{id}/roles": {
			path: "/groups/$ops/roles", body: `{"role_ids":["$inspector"]}`,
			foreign: []call{{"/groups/$ops_b/roles", `{"role_ids":["$reader"]}`}, {"/groups/$ops/roles", `{"role_ids":["$reader","$reader_b"]}`}},
		},
		"DELETE /groups/{id}/roles/{member_id}": {
			path: "/groups/$ops/roles/$reader", foreign: []call{{"/groups/$ops_b/roles/$reader_b", ""}, {"/groups/$ops/roles/$reader_b", ""}},
		},

		"GET /permissions": {path: "/permissions"},
		"POST /permissions": {
			path: "/permissions", body: `{"name":"x","resource_type":"vessel","resource_path":"vessel/*","actions":["read"]}`,
			foreign: []call{{"/permissions", `{"name":"x","resource_type":"app","resource_id":"$fleet_b","actions":["read"]}`}},
		},
		"GET /permissions/{id}": {path: "/permissions/$reads", foreign: []call{{"/permissions/$reads_b", ""}}},
		"PATCH /permissions/{id}": {
			path: "/permissions/$loose", body: `{"name":"y"}`,
			foreign: []call{
				{"/permissions/$reads_b", `{"name":"y"}`},
				{"/permissions/$loose", `{"resource_type":"app","resource_path":null,"resource_id":"$fleet_b"}`},
			},
		},
		"DELETE /permissions/{id}": {path: "/permissions/$loose", foreign: []call{{"/permissions/$loose_b", ""}}},

		"POST /permissions/check": {
			path: "/permissions/check", body: `{"resource":{"type":"vessel","id":"mv-aurora"},"action":"read"}`, free: true,
			foreign: []call{{"/permissions/check", `{"user_id":"$plain_b","resource":{"type":"vessel","id":"mv-aurora"},"action":"read"}`}},
		},
		"POST /permissions/batch-check": {
			path: "/permissions/batch-check", body: `{"checks":[{"resource":{"type":"vessel"},"action":"read"}]}`, free: true,
			foreign: []call{{"/permissions/batch-check", `{"user_id":"$plain_b","checks":[{"resource":{"type":"vessel"},"action":"read"}]}`}},
		},
	}
	for _, section := range []map[string]example{
		answerExamples(), authzenExamples(), bundleExamples(), chainExamples(), directoryExamples(), explainExamples(), fieldExamples(),
		filterExamples(), importExamples(), manifestExamples(), navigationExamples(), requestExamples(), resourceExamples(), searchExamples(),
		simulateExamples(), webhookExamples(),
	} {
		maps.Copy(all, section)
	}
	return all
}

var metaOf = regexp.MustCompile(`"(request_id|timestamp|decision_id)":"[^"]*"`)

// plain is an answer without what differs from call to call.
func (r *response) plain() string {
	return http.StatusText(r.status) + " " + metaOf.ReplaceAllString(strings.TrimSpace(string(r.body)), `"$1":""`)
}

func (w *world) call(as, method string, c call) *response {
	w.t.Helper()
	return w.do(request{as: as, method: method, path: c.path, body: c.body})
}

// TestAccess_OfEveryRoute refuses, on every route, whoever may not call, what is
// another tenant's and what is malformed, and finds nothing written by it.
func TestAccess_OfEveryRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ids["tenant_b"] = w.ids["beta"]
	w.make("robot", "admin", "", "/service-accounts", `{"name":"robot"}`)
	w.make("robot_b", "admin_b", "", "/service-accounts", `{"name":"robot"}`)
	w.fields()
	w.chains()
	w.items()
	w.requests()
	w.webhooks()
	w.ids["import"] = w.imported("admin", "kind=users", jsonLines, `{"email":"one@alpha.example"}`).at("data.id").(string)
	w.ids["import_b"] = w.imported("admin_b", "kind=users", jsonLines, `{"email":"one@beta.example"}`).at("data.id").(string)
	w.session("session", "admin", "alpha")
	w.session("session_b", "plain_b", "beta")
	for _, who := range []string{"admin", "plain", "operator"} {
		w.token(who)
	}
	for route, e := range examples() {
		method, template, _ := strings.Cut(route, " ")
		as := e.as
		if as == "" {
			as = "admin"
		}
		t.Run(route, func(t *testing.T) {
			defer w.within(t)()
			w.media = e.media
			w.unchanged(t, func() {
				w.refusesStrangers(t, method, e)
				w.refusesForeign(t, as, method, e)
				if !e.open {
					w.refusesMalformed(t, as, method, template, e)
				}
			})
		})
	}
}

func (w *world) refusesStrangers(t *testing.T, method string, e example) {
	t.Helper()
	c := call{e.path, e.body}
	if e.open {
		return
	}
	got := w.call("", method, c)
	require.Equal(t, http.StatusUnauthorized, got.status, "anonymous: %s", got.body)
	if e.bare {
		require.IsType(t, "", got.json)
	} else {
		require.Equal(t, "AUTHENTICATION_REQUIRED", got.at("error.code"))
	}
	require.Contains(t, got.header.Get("WWW-Authenticate"), "Bearer")
	if e.free {
		return
	}
	got = w.call("plain", method, c)
	require.Equal(t, http.StatusForbidden, got.status, "without permission: %s", got.body)
	if e.bare {
		require.IsType(t, "", got.json)
	} else {
		require.Equal(t, "PERMISSION_DENIED", got.at("error.code"))
		require.NotEmpty(t, got.at("error.details.required_permission"))
	}
	// Whoever may not call learns nothing of what a valid call would look like.
	require.Equal(t, got.plain(), w.call("plain", method, call{e.path, strings.Replace(e.body, "{", `{"nonsense":1,`, 1)}).plain())
}

var foreignName = regexp.MustCompile(`\$([a-z_]+_b|platform)\b`)

// refusesForeign compares the answer to another tenant's id with that to one
// that nothing has: existence is not revealed.
func (w *world) refusesForeign(t *testing.T, as, method string, e example) {
	t.Helper()
	for _, c := range e.foreign {
		got := w.call(as, method, c)
		require.Equal(t, http.StatusNotFound, got.status, "%v: %s", c, got.body)
		require.Equal(t, "RESOURCE_NOT_FOUND", got.at("error.code"))
		none := call{foreignName.ReplaceAllString(c.path, "$$absent"), foreignName.ReplaceAllString(c.body, "$$absent")}
		require.NotEqual(t, c, none)
		require.Equal(t, w.call(as, method, none).plain(), got.plain(), "%v", c)
	}
	if strings.Contains(e.path, "$") {
		require.NotEmpty(t, e.foreign, "the route takes ids: say what it does with another tenant's")
	}
}

func (w *world) refusesMalformed(t *testing.T, as, method, template string, e example) {
	t.Helper()
	refused := func(c call, fields ...string) {
		t.Helper()
		got := w.call(as, method, c)
		require.Equal(t, http.StatusBadRequest, got.status, "%v: %s", c, got.body)
		if e.bare {
			for _, field := range fields {
				require.Contains(t, got.json, field+" ", "%v", c)
			}
			require.IsType(t, "", got.json, "%v", c)
			return
		}
		require.Equal(t, "VALIDATION_ERROR", got.at("error.code"), "%v", c)
		if fields != nil {
			require.ElementsMatch(t, fields, got.fields(), "%v: %s", c, got.body)
		}
	}
	segments, names := strings.Split(e.path, "/"), strings.Split(template, "/")
	for i, name := range names {
		if !strings.HasSuffix(name, "id}") { // other names are texts of any form
			continue
		}
		for _, bad := range []string{"not-a-uuid", "$absent$absent", "%00", "0", "%F0%9F%9A%A2"} {
			changed := append([]string(nil), segments...)
			changed[i] = bad
			fields := []string{"path." + strings.Trim(name, "{}")}
			if bad == "%00" {
				fields = nil // two things are wrong with it
			}
			refused(call{strings.Join(changed, "/"), e.body}, fields...)
		}
	}
	and := "?"
	if strings.Contains(e.path, "?") {
		and = "&"
	}
	refused(call{e.path + and + "nonsense=1", e.body}, "query.nonsense")
	if method == http.MethodGet {
		return
	}
	if e.body == "" {
		refused(call{e.path, `{"nonsense":1}`}, "body")
		return
	}
	if e.media != "" {
		refused(call{e.path, ""})
		w.media = "application/json"
		refused(call{e.path, e.body}, "header.Content-Type")
		return
	}
	if nonsense := (call{e.path, strings.Replace(e.body, "{", `{"nonsense":1,`, 1)}); e.bare {
		require.Equal(t, http.StatusOK, w.call(as, method, nonsense).status)
	} else {
		refused(nonsense, "nonsense")
	}
	for _, bad := range []string{`[]`, `"text"`, `7`, `null`, `not json`, `{`, `{}{}`, ``} {
		if e.bodyless && bad == "" {
			continue
		}
		refused(call{e.path, bad})
	}
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(w.expand(e.body)), &members))
	for name := range members {
		wrong := map[string]any{}
		for n, value := range members {
			wrong[n] = value
		}
		wrong[name] = []any{map[string]any{"a": 1}}
		if e.bare { // which fits a list whose items have no required members
			wrong[name] = 7
		}
		refused(call{e.path, jsonOf(wrong)})
	}
}
