package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// searchBudget is what the first page of who-can may take, however large the
// tenant.
const searchBudget = 200 * time.Millisecond

// searchedSQL gives tenant LARGE what is searched for: voyages, which everybody may
// read by one role; wrecks, which one in 10,000 may; cargo, which every one of its
// roles allows; papers, of which only the holders of a role that nobody has may
// read; and secrets, which everybody's role allows to one in a hundred.
const searchedSQL = `
SELECT set_config('sentinel.scope', 'system', false);
CREATE TEMP TABLE large AS
SELECT id AS tenant
FROM sentinel.tenants
WHERE code = 'LARGE';
INSERT INTO sentinel.roles (id, tenant_id, name)
SELECT md5(tenant || name)::uuid, tenant, name
FROM large, unnest(ARRAY['diver', 'nobody']) name;
INSERT INTO sentinel.user_roles (tenant_id, user_id, role_id, role_tenant_id)
SELECT tenant, id, md5(tenant || 'diver')::uuid, tenant
FROM large
JOIN sentinel.users ON tenant_id = tenant
WHERE username ~ '^u[0-9]*7777$';
INSERT INTO sentinel.permissions (id, tenant_id, name, resource_type, resource_path, actions, conditions)
SELECT md5(tenant || typ)::uuid, tenant, typ, typ, typ || '/*', '{read}',
  CASE typ WHEN 'secret' THEN '{"subject.username": {"suffix": "77"}}'::jsonb ELSE '{}' END
FROM large, unnest(ARRAY['voyage', 'wreck', 'cargo', 'paper', 'secret']) typ;
INSERT INTO sentinel.role_permissions (tenant_id, role_id, permission_id)
SELECT tenant, md5(tenant || role)::uuid, md5(tenant || typ)::uuid
FROM large, (VALUES ('role0', 'voyage'), ('diver', 'wreck'), ('nobody', 'paper'), ('role0', 'secret')) owned (role, typ)
UNION ALL
SELECT tenant, r.id, md5(tenant || 'cargo')::uuid
FROM large
JOIN sentinel.roles r ON r.tenant_id = tenant AND r.name LIKE 'role-%';
ANALYZE sentinel.user_roles, sentinel.role_permissions, sentinel.permissions;
DROP TABLE large`

// BenchmarkWhoCan measures the first page over HTTP, with 10,000 users or as many
// as SENTINEL_BENCH_USERS says. It fails where one takes more than 200 ms in the
// middle of its calls.
func BenchmarkWhoCan(b *testing.B) {
	users := benchUsers(b)
	w := startWorld(b, newDatabase(b))
	w.fillLarge(users)
	w.database.Exec(b, searchedSQL)
	token := w.tokenIn("boss", "large")
	for _, typ := range []string{"voyage", "wreck", "cargo", "paper", "secret"} {
		for _, limit := range []int{50, 1000} {
			b.Run(fmt.Sprintf("%s, %d", typ, limit), func(b *testing.B) {
				body := fmt.Sprintf(`{"resource":{"type":%q,"id":"x"},"action":"read","limit":%d}`, typ, limit)
				var took []time.Duration
				found := w.found(b, body, token) // the first loads the tenant's graph
				for b.Loop() {
					began := time.Now()
					w.found(b, body, token)
					took = append(took, time.Since(began))
				}
				slices.Sort(took)
				middle := took[len(took)/2]
				b.ReportMetric(float64(middle.Microseconds())/1000, "p50-ms")
				b.ReportMetric(float64(found), "found")
				if middle > searchBudget {
					b.Errorf("%s took %s, more than %s", typ, middle, searchBudget)
				}
			})
		}
	}
}

// found asks who can, and returns how many are in the page.
func (w *world) found(b *testing.B, body, token string) int {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, w.url+"/api/v1/permissions/who-can", bytes.NewReader([]byte(body)))
	require.NoError(b, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(req)
	require.NoError(b, err)
	raw, err := io.ReadAll(answer.Body)
	require.NoError(b, err)
	require.NoError(b, answer.Body.Close())
	require.Equal(b, http.StatusOK, answer.StatusCode, "%s", raw)
	var page struct {
		Data struct{ Subjects []json.RawMessage }
	}
	require.NoError(b, json.Unmarshal(raw, &page))
	return len(page.Data.Subjects)
}
