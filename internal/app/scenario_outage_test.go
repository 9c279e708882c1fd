package app_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

// TestOutage_OfTheDatabase stops PostgreSQL under a running server: decisions on
// what is in memory go on, writes and logins are refused and leave nothing, and
// all comes back by itself.
func TestOutage_OfTheDatabase(t *testing.T) {
	t.Parallel()
	w := startWorld(t, dbtest.NewCluster(t))
	w.populate()
	w.ready()
	question := request{as: "admin", method: http.MethodPost, path: "/permissions/check", body: `{"user_id":"$author","resource":{"type":"api","id":"roles"},"action":"read"}`}
	unseen := request{as: "admin", method: http.MethodPost, path: "/permissions/check", body: `{"user_id":"$plain","resource":{"type":"api","id":"roles"},"action":"read"}`}
	group := request{as: "admin", method: http.MethodPost, path: "/groups", body: `{"name":"made in a storm"}`}
	login := request{method: http.MethodPost, path: "/auth/login", body: jsonOf(map[string]string{"tenant_id": "ALPHA", "email": "plain@alpha.example", "password": password})}
	health := request{method: http.MethodGet, path: "//health"}
	require.Equal(t, true, w.do(question).at("data.allowed"))
	before := w.state(t)

	w.outage = true
	w.database.Stop(t)
	got := w.do(question)
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	require.Equal(t, true, got.at("data.allowed"), "what is in memory is decided: %s", got.body)
	got = w.do(unseen)
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	require.Equal(t, "not_evaluated", got.at("data.reason_code"), "what cannot be loaded is refused: %s", got.body)
	require.Equal(t, false, got.at("data.allowed"))
	for _, r := range []request{group, login, {as: "admin", method: http.MethodGet, path: "/users"}, {as: "admin", method: http.MethodDelete, path: "/groups/$east"}} {
		got := w.do(r)
		require.Equal(t, http.StatusServiceUnavailable, got.status, "%s %s: %s", r.method, r.path, got.body)
		require.Equal(t, "SERVICE_UNAVAILABLE", got.at("error.code"))
		require.NotEmpty(t, got.header.Get("Retry-After"))
	}
	got = w.do(health)
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	require.Equal(t, "degraded", got.at("status"), "%s", got.body)
	require.Equal(t, "degraded", got.at("parts.database.status"))
	require.Equal(t, http.StatusOK, w.do(request{method: http.MethodGet, path: "//health/ready"}).status)

	w.database.Start(t)
	require.Eventually(t, func() bool { return w.do(health).at("status") == "healthy" }, 20*time.Second, 20*time.Millisecond)
	require.Empty(t, changes(before, w.state(t)), "nothing of the refused writes is left")
	got = w.do(group)
	require.Equal(t, http.StatusCreated, got.status, "%s", got.body)
	require.Equal(t, http.StatusOK, w.do(login).status)
	require.Equal(t, "no_matching_permission", w.do(unseen).at("data.reason_code"))
	require.Equal(t, true, w.do(question).at("data.allowed"))
}
