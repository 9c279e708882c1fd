package engine_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/filter"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

// TestFilter_IsServedByIndexes explains typical filters on a table that has
// indexes where they fit.
func TestFilter_IsServedByIndexes(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), dbtest.New(t).OwnerURL)
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	for _, sql := range []string{
		`CREATE TEMP TABLE vessels (id text COLLATE "C" PRIMARY KEY, owner text NOT NULL, tonnage bigint NOT NULL, attributes jsonb NOT NULL)`,
		`INSERT INTO vessels SELECT 'fleet-' || n % 1000 || '/' || n, 'owner-' || n % 5000, n, jsonb_build_object('port', 'port-' || n % 2000, 'n', n) FROM generate_series(1, 20000) n`,
		`CREATE INDEX vessels_owner ON vessels (owner)`,
		`CREATE INDEX vessels_tonnage ON vessels (tonnage)`,
		`CREATE INDEX vessels_attributes ON vessels USING gin (attributes jsonb_path_ops)`,
		`ANALYZE vessels`,
	} {
		_, err = conn.Exec(t.Context(), sql)
		require.NoError(t, err, sql)
	}
	for name, c := range map[string]struct {
		grants []string
		nodes  bool
		index  string
		rows   int
	}{
		"one row":                     {[]string{"allow read vessel/fleet-7/7"}, false, "vessels_pkey", 1},
		"some rows":                   {[]string{"allow read vessel/fleet-7/7", "allow read vessel/fleet-8/8", "deny read vessel/fleet-8/8"}, false, "vessels_pkey", 1},
		"a part of the ids":           {[]string{"allow read vessel/fleet-7/**"}, false, "vessels_pkey", 20},
		"registered nodes":            {[]string{"allow read #fleet-9/9"}, true, "vessels_pkey", 1},
		"a column":                    {[]string{`allow read vessel/* ?{"owner": "owner-7"}`}, false, "vessels_owner", 4},
		"a column with the subject's": {[]string{`allow read vessel/* ?{"owner": {"ref": "subject.username"}}`}, false, "vessels_owner", 4},
		"an order":                    {[]string{`allow read vessel/* ?{"tonnage": {"lt": 100}}`}, false, "vessels_tonnage", 99},
		"an attribute":                {[]string{`allow read vessel/* ?{"port": "port-7"}`}, false, "vessels_attributes", 10},
		"one of two attributes":       {[]string{`allow read vessel/* ?{"port": ["port-7", "port-8"]}`}, false, "vessels_attributes", 20},
		"either": {
			[]string{"allow read vessel/fleet-7/7", `allow read vessel/* ?{"owner": "owner-8"}`, `allow read vessel/* ?{"port": "port-9"}`}, false, "BitmapOr", 15,
		},
	} {
		g := newGround(t)
		g.subject.Username = "owner-7"
		if c.nodes {
			g.node("vessel", "fleet-9/9", "", "")
			g.node("vessel", "fleet-9/1009", "", "")
		}
		for _, text := range c.grants {
			g.grant("crew", text)
		}
		for field, typ := range map[string]string{"owner": "string", "tonnage": "integer"} {
			g.field("vessel", field, "core", "read")
			g.rows.Fields[len(g.rows.Fields)-1].DataType = typ
		}
		rows, err := g.filter("read vessel", engine.Question{})
		require.NoError(t, err)
		condition, err := filter.SQL(rows.Expr, filter.Columns{Fields: rows.Places})
		require.NoError(t, err)
		found, err := conn.Query(t.Context(), "EXPLAIN SELECT * FROM vessels WHERE "+condition.SQL, condition.Params...)
		require.NoError(t, err)
		lines, err := pgx.CollectRows(found, pgx.RowTo[string])
		require.NoError(t, err)
		plan := strings.Join(lines, "\n")
		require.Contains(t, plan, c.index, "%s: %s\n%s", name, condition.SQL, plan)
		require.NotContains(t, plan, "Seq Scan", name)
		var n int
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM vessels WHERE "+condition.SQL, condition.Params...).Scan(&n))
		require.Equal(t, c.rows, n, name)
	}
}
