package app_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDirectory_ShowsNoMoreThanItsBounds: what one object has of another kind is
// shown up to a bound, and said to be cut off there.
func TestDirectory_ShowsNoMoreThanItsBounds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, sql := range []string{
		`INSERT INTO sentinel.permissions (id, tenant_id, name, resource_type, resource_path, actions) SELECT md5('p' || n)::uuid, $1, 'p' || n, 'vessel', 'vessel/*', '{read}' FROM generate_series(1, 1000) n`,
		`INSERT INTO sentinel.role_permissions (tenant_id, role_id, permission_id) SELECT $1, $2, md5('p' || n)::uuid FROM generate_series(1, 1000) n`,
		`INSERT INTO sentinel.roles (id, tenant_id, name) SELECT md5('r' || n)::uuid, $1, 'r' || n FROM generate_series(1, 100) n`,
		`INSERT INTO sentinel.role_permissions (tenant_id, role_id, permission_id) SELECT $1, md5('r' || n)::uuid, $3 FROM generate_series(1, 100) n`,
		`INSERT INTO sentinel.groups (id, tenant_id, name) SELECT md5('g' || n)::uuid, $1, 'g' || n FROM generate_series(1, 25) n`,
		`INSERT INTO sentinel.group_roles (tenant_id, group_id, role_id, role_tenant_id) SELECT $1, md5('g' || n)::uuid, $2, $1 FROM generate_series(1, 25) n`,
		`INSERT INTO sentinel.user_groups (tenant_id, user_id, group_id) SELECT $1, $4, md5('g' || n)::uuid FROM generate_series(1, 25) n`,
	} {
		w.database.Exec(t, `WITH ids AS (SELECT $1::uuid, $2::uuid, $3::uuid, $4::uuid) `+sql, w.ids["alpha"], w.ids["reader"], w.ids["reads"], w.ids["plain"])
	}
	get := func(path string) *response {
		t.Helper()
		got := w.do(request{as: "admin", method: http.MethodGet, path: path})
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
		return got
	}
	// This write brings the server up to what was written behind its back, and
	// makes of plain a holder by one way more, the nearest.
	require.Equal(t, http.StatusOK, w.do(request{as: "admin", method: http.MethodPost, path: "/roles/$reader/users", body: `{"user_ids":["$plain"]}`}).status)

	got := get("/roles/$reader/permissions")
	require.Len(t, got.at("data.direct_permissions"), 1000, "of 1,001")
	require.Equal(t, true, got.at("data.truncated"))
	got = get("/roles/$inspector")
	require.Len(t, got.at("data.inherited_permissions"), 1000)
	require.Equal(t, true, got.at("data.inherited_truncated"))
	require.Equal(t, true, get("/roles/$inspector/permissions").at("data.truncated"))
	got = get("/roles?include_permissions=true&search=reader")
	require.Len(t, got.at("data.0.permissions"), 100)
	require.Equal(t, "1001", fmt.Sprint(got.at("data.0.permissions_total")))
	got = get("/permissions/$reads")
	require.Len(t, got.at("data.roles"), 100)
	require.Equal(t, "101", fmt.Sprint(got.at("data.roles_total")))
	got = get("/roles/$reader/users?include_inherited=true")
	require.Equal(t, w.ids["plain"], got.at("data.0.user_id"))
	require.Len(t, got.at("data.0.ways"), 20, "of 26")
	require.Equal(t, true, got.at("data.0.ways.0.direct"), "the nearest first")
}
