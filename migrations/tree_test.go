package migrations_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// strayed are the nodes of which path or lineage is not what the parents say.
const strayed = `
WITH RECURSIVE down (id, path, lineage) AS (
  SELECT id, code, uuid_send(id) FROM sentinel.resources WHERE parent_id IS NULL
  UNION ALL
  SELECT r.id, down.path || '/' || r.code, down.lineage || uuid_send(r.id)
  FROM down
  JOIN sentinel.resources r ON r.parent_id = down.id
)
SELECT r.code
FROM sentinel.resources r
LEFT JOIN down ON down.id = r.id
WHERE (r.path, r.lineage) IS DISTINCT FROM (down.path, down.lineage)`

func TestLineage_FollowsTheTree(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("ACME", "", "{}")
	insert := hierarchies[2].insert
	// Codes with a slash, of which paths could be mistaken.
	a := one[string](f, insert, tenant, "a", nil)
	b := one[string](f, insert, tenant, "a/b", nil)
	c := one[string](f, insert, tenant, "b", a)
	d := one[string](f, insert, tenant, "d", c)
	e := one[string](f, insert, tenant, "e", d)
	move := "UPDATE sentinel.resources SET parent_id = $2 WHERE id = $1"
	for _, step := range []struct {
		sql  string
		args []any
	}{
		{move, []any{c, b}},
		{move, []any{c, nil}},
		{move, []any{c, a}},
		{"UPDATE sentinel.resources SET lineage = '\\x00', path = 'forged' WHERE id = $1", []any{d}},
		{"UPDATE sentinel.resources SET code = code || '-1'", nil},
		// Several at once, in whatever order they are reached: parent and child
		// change places, a chain is taken apart and put together anew.
		{"UPDATE sentinel.resources SET parent_id = CASE id WHEN $1::uuid THEN $2::uuid END WHERE id IN ($1, $2)", []any{a, c}},
		{"UPDATE sentinel.resources SET parent_id = CASE id WHEN $1::uuid THEN $2::uuid END WHERE id IN ($1, $2)", []any{c, a}},
		{"UPDATE sentinel.resources SET parent_id = CASE id WHEN $1::uuid THEN $2::uuid WHEN $2 THEN $3 WHEN $3 THEN $4 WHEN $4 THEN NULL END, code = code || '-2'", []any{c, d, e, a}},
		{"UPDATE sentinel.resources SET parent_id = CASE id WHEN $4::uuid THEN $3::uuid WHEN $3 THEN $2 WHEN $2 THEN $1::uuid END", []any{c, d, e, a}},
		{"UPDATE sentinel.resources SET id = gen_random_uuid() WHERE id = $1", []any{b}},
	} {
		f.mustAs(tenant, step.sql, step.args...)
		require.Empty(t, rows[string](f, strayed), step.sql)
	}
}

func TestLineage_IsMadeOfTheTreeThatIsThere(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("ACME", "", "{}")
	insert := hierarchies[2].insert
	a := one[string](f, insert, tenant, "a", nil)
	b := one[string](f, insert, tenant, "b", a)
	one[string](f, insert, tenant, "c", b)
	seedEveryTable(f, tenant)
	before := rows[string](f, "SELECT r::text FROM sentinel.resources r ORDER BY 1")
	f.exec(downPart(t, "00016_resource_tree.sql"))
	f.mustAs(tenant, "UPDATE sentinel.resources SET code = code WHERE id = $1", a)
	f.refused("resources_parent_no_cycle", tenant, "UPDATE sentinel.resources SET parent_id = $2 WHERE id = $1", a, b)
	f.exec(upPart(t, "00016_resource_tree.sql"))
	require.Empty(t, rows[string](f, strayed))
	require.Len(t, rows[string](f, "SELECT r::text FROM sentinel.resources r"), len(before))
	f.mustAs(tenant, "UPDATE sentinel.resources SET parent_id = NULL WHERE id = $1", b)
	require.Empty(t, rows[string](f, strayed))
}
