package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/app"
	"github.com/sentinel-access/sentinel/internal/platform/limit"
	"github.com/sentinel-access/sentinel/internal/platform/limit/limittest"
)

// keyed is a header with an idempotency key, and further names and values.
func keyed(key string, more ...string) map[string]string {
	h := map[string]string{"Idempotency-Key": key}
	for i := 0; i+1 < len(more); i += 2 {
		h[more[i]] = more[i+1]
	}
	return h
}

// edgeScenarios are of what all routes have in common.
func edgeScenarios() []scenario {
	const once, twice = `{"name":"once"}`, `{"name":"twice"}`
	made := []string{"role.create success"}
	rows := []string{"roles", "idempotency_keys"}
	return []scenario{
		{name: "create by key", as: "admin", route: "POST /roles", header: keyed("k1"), body: once, status: 201, save: "once", audit: made, writes: rows},
		{name: "again", as: "admin", route: "POST /roles", header: keyed("k1"), body: once, status: 201, want: map[string]any{"data.id": "$once", "data.name": "once"}},
		{name: "with another body", as: "admin", route: "POST /roles", header: keyed("k1"), body: twice, status: 409, code: "CONFLICT"},
		{name: "with a space more", as: "admin", route: "POST /roles", header: keyed("k1"), body: once + " ", status: 409, code: "CONFLICT"},
		{name: "by another key", as: "admin", route: "POST /roles", header: keyed("k2"), body: once, status: 409, fields: []string{"name"}},
		{name: "a refusal frees the key", as: "admin", route: "POST /roles", header: keyed("k2"), body: twice, status: 201, save: "twice", audit: made, writes: rows},
		{name: "by another's key", as: "author", route: "POST /roles", header: keyed("k1"), body: `{"name":"author's"}`, status: 201, save: "authors", audit: made, writes: rows},
		{name: "in another tenant by the same key", as: "admin_b", route: "POST /roles", header: keyed("k1"), body: once, status: 201, save: "once_b", want: map[string]any{"data.tenant_id": "$beta"}, audit: made, writes: rows},
		{name: "an operator in one tenant", as: "operator", route: "POST /roles", header: keyed("k1", "X-Tenant-ID", "$alpha"), body: `{"name":"operator's"}`, status: 201, save: "operators", audit: made, writes: rows},
		{name: "and in another by the same key", as: "operator", route: "POST /roles", header: keyed("k1", "X-Tenant-ID", "$beta"), body: `{"name":"operator's"}`, status: 201, want: map[string]any{"data.tenant_id": "$beta"}, audit: made, writes: rows},
		{name: "the same key on another route", as: "admin", route: "POST /groups", header: keyed("k1"), body: once, status: 201, save: "once_group", audit: []string{"group.create success"}, writes: []string{"groups", "idempotency_keys"}},
		{name: "and again", as: "admin", route: "POST /groups", header: keyed("k1"), body: once, status: 201, want: map[string]any{"data.id": "$once_group"}},
		{name: "an account by key", as: "admin", route: "POST /users", header: keyed("k1"), body: `{"email":"once@alpha.example","password":"` + password + `"}`, status: 201, save: "once_user", audit: []string{"user.create success"}, writes: []string{"users", "idempotency_keys"}},
		{name: "an account again", as: "admin", route: "POST /users", header: keyed("k1"), body: `{"email":"once@alpha.example","password":"` + password + `"}`, status: 201, want: map[string]any{"data.id": "$once_user", "data.password": nil}},
		{name: "what is deleted is answered all the same", as: "admin", route: "DELETE /roles/{id}", path: "/roles/$twice", status: 204, audit: []string{"role.delete success"}, writes: []string{"roles"}},
		{name: "and not made again", as: "admin", route: "POST /roles", header: keyed("k2"), body: twice, status: 201, want: map[string]any{"data.id": "$twice"}},

		{name: "a stranger sends a key", as: "plain", route: "POST /roles", header: keyed("k1"), body: once, status: 403, code: "PERMISSION_DENIED"},
		{name: "the author's permission is taken", as: "admin", route: "DELETE /users/{id}/roles/{role_id}", path: "/users/$author/roles/$editor", status: 204, audit: []string{"user.unassign_role success"}, writes: []string{"user_roles"}},
		{name: "and with it the answer", as: "author", route: "POST /roles", header: keyed("k1"), body: `{"name":"author's"}`, status: 403, code: "PERMISSION_DENIED", want: map[string]any{"data": nil}},
		{name: "the author's permission is given back", as: "admin", route: "POST /users/{id}/roles", path: "/users/$author/roles", body: `{"role_id":"$editor"}`, status: 200, audit: []string{"user.assign_role success"}, writes: []string{"user_roles"}},
		{name: "and with it the answer too", as: "author", route: "POST /roles", header: keyed("k1"), body: `{"name":"author's"}`, status: 201, want: map[string]any{"data.id": "$authors"}},

		{name: "a key with a space", as: "admin", route: "POST /roles", header: keyed("a b"), body: once, status: 400, fields: []string{"header.Idempotency-Key"}},
		{name: "an empty key", as: "admin", route: "POST /roles", header: keyed(""), body: once, status: 400, fields: []string{"header.Idempotency-Key"}},
		{name: "a key beyond ASCII", as: "admin", route: "POST /roles", header: keyed("é"), body: once, status: 400, fields: []string{"header.Idempotency-Key"}},
		{name: "a key of 256 characters", as: "admin", route: "POST /roles", header: keyed(strings.Repeat("k", 256)), body: once, status: 400, fields: []string{"header.Idempotency-Key"}},
		{name: "a key of 255", as: "admin", route: "POST /roles", header: keyed(strings.Repeat("~", 255)), body: `{"name":"long key"}`, status: 201, audit: made, writes: rows},
		{name: "a key on a question", as: "admin", route: "POST /permissions/check", header: keyed("k"), body: `{"resource":{"type":"vessel"},"action":"read"}`, status: 400, fields: []string{"header.Idempotency-Key"}},
		{name: "a key on an update", as: "admin", route: "PATCH /roles/{id}", path: "/roles/$once", header: keyed("k"), body: `{"name":"renamed"}`, status: 400, fields: []string{"header.Idempotency-Key"}},
		{name: "a key on a login", route: "POST /auth/login", header: keyed("k"), body: `{"tenant_id":"ALPHA","email":"plain@alpha.example","password":"` + password + `"}`, status: 400, fields: []string{"header.Idempotency-Key"}},
		{name: "a key on a read", as: "admin", route: "GET /roles/{id}", path: "/roles/$once", header: keyed("k"), status: 200},

		{name: "an id in braces in a path", as: "admin", route: "GET /roles/{id}", path: "/roles/%7B$once%7D", status: 400, fields: []string{"path.id"}},
		{name: "an id as a URN in a path", as: "admin", route: "GET /roles/{id}", path: "/roles/urn:uuid:$once", status: 400, fields: []string{"path.id"}},
		{name: "an id in braces in a query", as: "admin", route: "GET /users", path: "/users?role=%7B$once%7D", status: 400, fields: []string{"query.role"}},
		{name: "an id without dashes in a list", as: "admin", route: "POST /groups/{id}/roles", path: "/groups/$ops/roles", body: `{"role_ids":["$once","0189000000007000800000000000000a"]}`, status: 400, fields: []string{"role_ids[1]"}},
		{name: "an id in braces in an update", as: "admin", route: "PATCH /roles/{id}", path: "/roles/$once", body: `{"parent_role_id":"{$reader}"}`, status: 400, fields: []string{"parent_role_id"}},
		{name: "a tenant in braces in the header", as: "operator", route: "GET /roles", header: map[string]string{"X-Tenant-ID": "{$alpha}"}, status: 400, fields: []string{"header.X-Tenant-ID"}},
		{name: "an id in capitals", as: "admin", route: "GET /roles/{id}", path: "/roles/0189ABCD-0000-7000-8000-00000000000A", status: 404},
	}
}

func TestScenarios_Edge(t *testing.T) {
	t.Parallel()
	newWorld(t).play(t, edgeScenarios())
}

func TestEdge_AReplayIsMarkedAndHasItsOwnRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	create := request{as: "admin", method: http.MethodPost, path: "/roles", body: `{"name":"once"}`, header: keyed("k")}
	first, again := w.do(create), w.do(create)
	require.Equal(t, http.StatusCreated, first.status)
	require.Empty(t, first.header.Get("Idempotent-Replayed"))
	require.Equal(t, "true", again.header.Get("Idempotent-Replayed"))
	require.Equal(t, first.at("data"), again.at("data"))
	for _, name := range []string{"Location", "ETag", "Content-Type"} {
		require.Equal(t, first.header.Get(name), again.header.Get(name), name)
	}
	require.NotEqual(t, first.at("meta.request_id"), again.at("meta.request_id"), "do checks that it is the header's")
}

func TestEdge_OfEqualCreationsOneIsMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	create := request{as: "admin", method: http.MethodPost, path: "/roles", body: `{"name":"raced"}`, header: keyed("k")}
	for _, status := range w.race(create, create, create, create, create, create) {
		require.Contains(t, []int{http.StatusCreated, http.StatusConflict}, status)
	}
	require.Len(t, w.column(t, "SELECT id::text FROM sentinel.roles WHERE name = 'raced'"), 1)
	require.Equal(t, http.StatusCreated, w.do(create).status)
	require.Equal(t, []string{"201"}, w.column(t, "SELECT status_code::text FROM sentinel.idempotency_keys"))
}

func TestEdge_BudgetsRefuseAndSayUntilWhen(t *testing.T) {
	t.Parallel()
	clock := limittest.NewClock()
	w := startWorld(t, newDatabase(t), func(cfg *app.Config) {
		cfg.CallsPerMinute, cfg.ChecksPerMinute, cfg.LoginsPerAddress, cfg.LoginsPerAccount = 3, 10, 8, 2
		cfg.LimitClock = clock.Now
	})
	me := request{as: "operator", method: http.MethodGet, path: "/users/me"}
	for _, left := range []string{"2", "1", "0"} {
		got := w.do(me)
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
		require.Equal(t, "3", got.header.Get("X-RateLimit-Limit"))
		require.Equal(t, left, got.header.Get("X-RateLimit-Remaining"))
		require.Equal(t, w.ids["platform"], got.header.Get("X-RateLimit-Tenant"))
		require.NotEmpty(t, got.header.Get("X-RateLimit-Reset"))
	}
	refused := func(got *response) {
		t.Helper()
		require.Equal(t, http.StatusTooManyRequests, got.status, "%s", got.body)
		require.Equal(t, "RATE_LIMIT_EXCEEDED", got.at("error.code"))
		require.NotEmpty(t, got.header.Get("Retry-After"))
		require.NotNil(t, got.at("error.details.retry_after"))
		require.Equal(t, "0", got.header.Get("X-RateLimit-Remaining"))
	}
	refused(w.do(me))

	batch := func(n int) request {
		one := `{"resource":{"type":"vessel"},"action":"read"}`
		return request{as: "operator", method: http.MethodPost, path: "/permissions/batch-check", body: `{"checks":[` + strings.Repeat(one+",", n-1) + one + `]}`}
	}
	require.Equal(t, http.StatusOK, w.do(batch(9)).status, "questions have a budget of their own")
	got := w.do(batch(2))
	require.Equal(t, http.StatusTooManyRequests, got.status, "a batch counts by its items: %s", got.body)

	login := func(email string) *response {
		return w.send(request{method: http.MethodPost, path: "/auth/login", body: jsonOf(map[string]string{"tenant_id": "PLATFORM", "email": email, "password": "wrong"})}, "")
	}
	// The operator has logged in once.
	require.Equal(t, http.StatusUnauthorized, login("operator@example.com").status)
	refused(login(" Ｏperator@EXAMPLE.com"))
	for range 2 {
		require.Equal(t, http.StatusUnauthorized, login("nobody@example.com").status)
	}
	refused(login("nobody@example.com"))
	require.Equal(t, http.StatusUnauthorized, login("a@example.com").status)
	require.Equal(t, http.StatusUnauthorized, login("b@example.com").status)
	refused(login("c@example.com"))

	clock.Advance(2 * limit.Window)
	require.Equal(t, http.StatusOK, w.do(me).status)
	require.Equal(t, http.StatusUnauthorized, login("c@example.com").status)
}

func TestEdge_WhatIsPastItsTimeIsDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alpha, plain := w.ids["alpha"], w.ids["plain"]
	insert := func(sql string, args ...any) {
		t.Helper()
		_, err := w.owner.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}
	// One row of each table is past its time, one is not.
	for name, ages := range map[string][2]string{
		"idempotency_keys": {"1 second", "-1 hour"}, "token_blacklist": {"61 minutes", "30 minutes"},
		"one_time_tokens": {"25 hours", "59 minutes"}, "refresh_tokens": {"31 days", "29 days"},
	} {
		for i, age := range ages {
			mark := []string{"past", "kept"}[i]
			switch name {
			case "idempotency_keys":
				insert(`INSERT INTO sentinel.idempotency_keys (tenant_id, principal_id, principal_tenant_id, route, key, request_hash, expires_at)
VALUES ($1, $2, $1, 'r', $3, '', now() - CAST($4 AS text)::interval)`, alpha, plain, mark, age)
			case "token_blacklist":
				insert("INSERT INTO sentinel.token_blacklist (tenant_id, user_id, jti, expires_at) VALUES ($1, $2, $3, now() - CAST($4 AS text)::interval)", alpha, plain, mark, age)
			case "one_time_tokens":
				insert(`INSERT INTO sentinel.one_time_tokens (tenant_id, user_id, purpose, token_hash, expires_at)
VALUES ($1, $2, 'invitation', convert_to($3, 'UTF8'), now() - CAST($4 AS text)::interval)`, alpha, plain, mark, age)
			case "refresh_tokens":
				insert(`INSERT INTO sentinel.refresh_tokens (tenant_id, user_id, family_id, family_expires_at, token_hash, expires_at)
VALUES ($1, $2, gen_random_uuid(), now(), convert_to($3, 'UTF8'), now() - CAST($4 AS text)::interval)`, alpha, plain, mark, age)
			}
		}
	}
	insert(`INSERT INTO sentinel.login_failures (tenant_id, user_id, network, updated_at, locked_until) VALUES
($1, $2, 'past', now() - interval '31 days', NULL), ($1, $2, 'locked', now() - interval '31 days', now() + interval '1 hour'), ($1, $2, 'kept', now() - interval '29 days', NULL)`, alpha, plain)

	require.NoError(t, w.app.Maintain(t.Context()))

	for sql, want := range map[string][]string{
		"SELECT key FROM sentinel.idempotency_keys":                                                            {"kept"},
		"SELECT jti FROM sentinel.token_blacklist":                                                             {"kept"},
		"SELECT convert_from(token_hash, 'UTF8') FROM sentinel.one_time_tokens":                                {"kept"},
		"SELECT encode(token_hash, 'escape') FROM sentinel.refresh_tokens WHERE octet_length(token_hash) < 32": {"kept"},
		"SELECT network FROM sentinel.login_failures":                                                          {"locked", "kept"},
	} {
		require.ElementsMatch(t, want, w.column(t, sql), sql)
	}
}
