package app_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// definedSQL fills a database with the fields and menus of 300 tenants, and of
// alpha, which has 2,000 fields and 1,000 items, some in an order of
// each account's own. $alpha is its id.
const definedSQL = `
SELECT set_config('sentinel.scope', 'system', false);
INSERT INTO sentinel.tenants (id, name, code)
SELECT md5('tenant' || n)::uuid, 'Line ' || n, 'LINE-' || n FROM generate_series(1, 300) n;
CREATE TEMP TABLE sizes AS
SELECT md5('tenant' || n)::uuid AS tenant, 50 AS fields, 20 AS items FROM generate_series(1, 300) n
UNION ALL SELECT '$alpha', 2000, 1000;
INSERT INTO sentinel.field_definitions (entity_type, field_name, field_type)
SELECT 'entity0', 'platform' || n, 'platform_dynamic' FROM generate_series(1, 50) n;
INSERT INTO sentinel.field_definitions (tenant_id, entity_type, field_name, field_type, data_type, display_name, is_pii, created_at)
SELECT tenant, 'entity' || n / 50, 'field' || n, 'tenant_specific', (ARRAY['string', 'integer'])[1 + n % 2], 'Field ' || n, n % 10 = 0, now() - n * interval '1 minute'
FROM sizes, generate_series(0, fields - 1) n;
INSERT INTO sentinel.resources (id, tenant_id, type, name, code, path)
SELECT md5(tenant || 'node' || n)::uuid, tenant, 'vessel', 'Node', 'node-' || n, '' FROM sizes, generate_series(0, items * 10 - 1) n;
INSERT INTO sentinel.menu_items (id, tenant_id, parent_id, name, url, resource_id, required_permission, display_order)
SELECT md5(tenant || 'item' || n)::uuid, tenant, CASE WHEN n >= 20 THEN md5(tenant || 'item' || n % 20)::uuid END, 'item ' || n, '/p' || n,
  CASE n % 4 WHEN 1 THEN md5(tenant || 'node' || n * 3)::uuid END, (ARRAY['', 'vessel:read', 'api/users:read', 'cargo:read'])[1 + n % 4], n % 7
FROM sizes, generate_series(0, items - 1) n;
INSERT INTO sentinel.users (tenant_id, email) SELECT '$alpha', 'sailor-' || n || '@alpha.example' FROM generate_series(1, 300) n;
INSERT INTO sentinel.user_menu_customizations (tenant_id, user_id, item_id, custom_order)
SELECT tenant_id, u.id, i.id, 3 FROM sentinel.menu_items i JOIN sentinel.users u USING (tenant_id) WHERE tenant_id = '$alpha' AND i.name LIKE 'item 10%';
DROP TABLE sizes`

func (w *world) fillFields() {
	w.t.Helper()
	conn, err := pgx.Connect(w.t.Context(), w.database.OwnerURL)
	require.NoError(w.t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(w.t.Context())) }()
	_, err = conn.PgConn().Exec(w.t.Context(), w.expand(definedSQL)).ReadAll()
	require.NoError(w.t, err)
	_, err = conn.Exec(w.t.Context(), "VACUUM ANALYZE")
	require.NoError(w.t, err)
}

// definedLists are the lists over fields and menus, with how many each finds.
func definedLists() []largeList {
	return []largeList{
		{name: "fields", path: "/field-definitions?", total: 2050},
		{name: "fields, 1000 of them", path: "/field-definitions?limit=1000&sort=field_name", total: 2050},
		{name: "fields, last page", path: "/field-definitions?page=41&sort=entity_type&order=desc", total: 2050},
		{name: "fields, of an entity", path: "/field-definitions?entity_type=entity7", total: 50},
		{name: "fields, the own", path: "/field-definitions?scope=tenant&is_pii=true", total: 200},
		{name: "fields, the platform's", path: "/field-definitions?scope=platform", total: 50},
		{name: "fields, search", path: "/field-definitions?search=FIELD+199", total: 11},
		{name: "items", path: "/navigation/menu-items?", total: 1000},
		{name: "items, below one", path: "/navigation/menu-items?parent_id=$first", total: 49},
		{name: "items, search", path: "/navigation/menu-items?search=item+99&sort=name", total: 11},
	}
}

func TestPlans_FieldsAndMenusUseTheirIndexes(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	database.Exec(t, explainAll)
	w := startWorld(t, database)
	w.populate()
	w.fillFields()
	w.ids["first"] = w.column(t, "SELECT md5($1 || 'item0')::uuid::text", w.ids["alpha"])[0]
	get := func(path string) *response {
		answer := w.do(request{as: "admin", method: http.MethodGet, path: path})
		require.Equal(t, http.StatusOK, answer.status, "%s", answer.body)
		return answer
	}
	get("/users/me")
	p := newPlanner(t, w)
	check := func(t *testing.T, do func(t *testing.T)) {
		t.Helper()
		p.take(t)
		do(t)
		ran, touched := p.take(t), 0
		for _, e := range ran {
			e.Plan.each(func(n *plan) {
				if slices.Contains([]string{"field_definitions", "menu_items", "user_menu_customizations", "resources"}, n.Relation) {
					touched++
					require.NotEqual(t, "Seq Scan", n.Node, "all of %s is read: %s", n.Relation, e.Query)
				}
			})
		}
		require.Positive(t, touched)
	}
	for _, list := range definedLists() {
		t.Run(list.name, func(t *testing.T) {
			check(t, func(t *testing.T) {
				require.Equal(t, fmt.Sprint(list.total), fmt.Sprint(get(list.path).at("meta.pagination.total")))
			})
		})
	}
	t.Run("menu", func(t *testing.T) { check(t, func(*testing.T) { get("/navigation/menu") }) })
	t.Run("validate", func(t *testing.T) {
		check(t, func(t *testing.T) {
			answer := w.do(request{as: "admin", method: http.MethodPost, path: "/field-definitions/validate", body: `{"entity_type":"entity7","record":{}}`})
			require.Equal(t, true, answer.at("data.valid"), "%s", answer.body)
		})
	})
	t.Run("a definition of the platform's", func(t *testing.T) {
		check(t, func(t *testing.T) {
			answer := w.do(request{as: "operator", method: http.MethodPost, path: "/field-definitions", body: `{"tenant_id":null,"entity_type":"entity0","field_name":"new","field_type":"core"}`})
			require.Equal(t, http.StatusCreated, answer.status, "%s", answer.body)
		})
	})
}

// manyRecords is a packed call with 1,000 records of 50 fields, more than a
// body may have unpacked elsewhere.
func manyRecords(t testing.TB) []byte {
	t.Helper()
	values := map[string]any{}
	for n := 350; n < 400; n++ {
		values[fmt.Sprint("field", n)] = []any{"the quay of Rotterdam", n}[n%2]
	}
	records := make([]any, 1000)
	for i := range records {
		records[i] = map[string]any{"attributes": values}
	}
	raw, err := json.Marshal(map[string]any{"entity_type": "entity7", "records": records})
	require.NoError(t, err)
	require.Greater(t, len(raw), 1<<20)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err = z.Write(raw)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return packed.Bytes()
}

func (w *world) validate(t testing.TB, packed []byte) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/api/v1/field-definitions/validate", bytes.NewReader(packed))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+w.token("admin"))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Content-Encoding", "gzip")
	got, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = got.Body.Close() }()
	body, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	return got.StatusCode, string(body)
}

func TestFields_AThousandRecordsAreCheckedInOneCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fillFields()
	status, answer := w.validate(t, manyRecords(t))
	require.Equal(t, http.StatusOK, status, "%.300s", answer)
	require.Contains(t, answer, `"valid":true,"records":1000,"total":0,"violations":[]`)
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, err := z.Write([]byte(`{"entity_type":"entity7","record":{"x":"` + strings.Repeat("x", 9<<20) + `"}}`))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	status, answer = w.validate(t, bomb.Bytes())
	require.Equal(t, http.StatusRequestEntityTooLarge, status, "%.300s", answer)
}

// BenchmarkFields measures fields and menus over HTTP, one call after the other,
// and fails where one takes more than 50 ms, or 1,000 records more than half a
// second.
func BenchmarkFields(b *testing.B) {
	w := newWorld(b)
	w.fillFields()
	w.ids["first"] = w.column(b, "SELECT md5($1 || 'item0')::uuid::text", w.ids["alpha"])[0]
	measure := func(name string, most time.Duration, call func(b *testing.B)) {
		b.Run(name, func(b *testing.B) {
			call(b)
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				call(b)
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			middle := took[len(took)/2]
			b.ReportMetric(float64(middle.Microseconds())/1000, "p50-ms")
			if middle > most {
				b.Errorf("%s took %s, more than %s", name, middle, most)
			}
		})
	}
	token := w.token("admin")
	for _, list := range append(definedLists(), largeList{name: "menu of 1000", path: "/navigation/menu?"}) {
		measure(list.name, budget, func(b *testing.B) { w.fetch(b, list.path, token) })
	}
	packed := manyRecords(b)
	measure("validate 1000 of 50", 500*time.Millisecond, func(b *testing.B) {
		status, answer := w.validate(b, packed)
		require.Equal(b, http.StatusOK, status, "%.300s", answer)
	})
}
