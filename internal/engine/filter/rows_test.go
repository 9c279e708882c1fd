package filter_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/filter"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

// record is a row as the application has it.
type record struct {
	id  string
	uid uuid.UUID
	num int64
	// document is the column attributes, columns those of their own; a nil there is
	// NULL.
	document map[string]any
	columns  map[string]any
}

// table is rows in PostgreSQL and in memory.
type table struct {
	conn *pgx.Conn
	rows []record
}

// layout is where the columns of the table are. An attribute of the name of one of
// them is found there, notes inside of the document.
var layout = filter.Columns{
	Alias: "r", ID: "id", Attributes: "attributes",
	Fields: map[string]filter.Place{
		"name": {Column: "name", Type: filter.String}, "kind": {Column: "kind", Type: filter.Enum},
		"rank": {Column: "rank", Type: filter.Integer}, "score": {Column: "score", Type: filter.Number}, "open": {Column: "open", Type: filter.Boolean},
		"due": {Column: "due", Type: filter.Date}, "seen": {Column: "seen", Type: filter.DateTime},
		"tags": {Column: "tags", Type: filter.Array}, "doc": {Column: "doc", Type: filter.Object},
		"notes": {Column: "attributes", Type: filter.Text, Path: []string{"in", "notes"}},
	},
}

func newTable(t testing.TB, rows []record) *table {
	d := dbtest.New(t)
	conn, err := pgx.Connect(t.Context(), d.OwnerURL)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	// The answer may depend on no setting of the session.
	for _, setting := range []string{"TimeZone = 'Asia/Kolkata'", "DateStyle = 'German, DMY'", "standard_conforming_strings = off", "extra_float_digits = 0"} {
		_, err = conn.Exec(t.Context(), "SET "+setting)
		require.NoError(t, err)
	}
	_, err = conn.Exec(t.Context(), `
		CREATE TYPE public.kinds AS ENUM ('a', 'ab', 'b');
		CREATE TABLE public.rows (n int PRIMARY KEY, id text, uid uuid, num bigint, attributes jsonb, name varchar(2000), kind public.kinds, rank int, score numeric, open boolean, due date,
			seen timestamptz, tags jsonb, doc jsonb)`)
	require.NoError(t, err)
	batch := &pgx.Batch{}
	for i, r := range rows {
		values := []any{i, r.id, r.uid, r.num, text(t, r.document)}
		for _, name := range []string{"name", "kind", "rank", "score", "open", "due", "seen"} {
			if v := r.columns[name]; v == nil {
				values = append(values, nil)
			} else {
				values = append(values, fmt.Sprint(v))
			}
		}
		for _, name := range []string{"tags", "doc"} {
			if v, ok := r.columns[name]; ok {
				values = append(values, text(t, v))
			} else {
				values = append(values, nil)
			}
		}
		batch.Queue(`INSERT INTO public.rows VALUES ($1, $2, $3, $4, $5::text::jsonb, $6, $7::text::public.kinds, $8::text::int, $9::text::numeric, $10::text::boolean, $11::text::date,
			$12::text::timestamptz, $13::text::jsonb, $14::text::jsonb)`, values...)
	}
	require.NoError(t, conn.SendBatch(t.Context(), batch).Close())
	_, err = conn.Exec(t.Context(), `ANALYZE public.rows`)
	require.NoError(t, err)
	return &table{conn: conn, rows: rows}
}

func text(t require.TestingT, v any) string {
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return string(raw)
}

// attributes are the row's as an application gives them to a check.
func (r *record) attributes() map[string]any {
	out := maps.Clone(r.document)
	if out == nil {
		out = map[string]any{}
	}
	for name := range layout.Fields {
		if v, ok := r.columns[name]; ok && v != nil || ok && (name == "tags" || name == "doc") {
			out[name] = v
		} else {
			delete(out, name)
		}
	}
	if in, ok := r.document["in"].(map[string]any); ok {
		if v, ok := in["notes"]; ok {
			out["notes"] = v
		}
	}
	return out
}

// selected returns the numbers of the rows that a condition selects.
func (tb *table) selected(t require.TestingT, c filter.Condition) []int {
	out := []int{}
	where, params := c.SQL, c.Params
	if c.Kind == filter.None {
		return out
	}
	if c.Kind == filter.Everything {
		where = "TRUE"
	}
	rows, err := tb.conn.Query(context.Background(), `SELECT n FROM public.rows r WHERE `+where+` ORDER BY n`, params...)
	require.NoError(t, err, "%s\n%q", c.SQL, c.Params)
	out, err = pgx.CollectRows(rows, pgx.RowTo[int])
	require.NoError(t, err, "%s\n%q", c.SQL, c.Params)
	return out
}

var (
	words = []any{"a", "ab", "b", "", "A", "é", "a/b", "09:00", `'; DROP TABLE x; --`, `$1`, `\`, `%_`, `"q"`, "2026-01-31", "[]", "null", "1", "true"}
	times = []any{
		"2026-03-29T01:30:00Z", "2026-03-02T09:00:00+02:00", "2026-03-02T07:00:00Z", "2026-03-02T07:00:00.000001Z", "2026-03-02T07:00:00.100000000Z", "2024-02-29T23:59:59-11:00", "2000-02-29T00:00:00Z",
		"2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "1677-12-31T23:59:59Z", "1678-01-01T00:00:00+15:59", "2261-12-31T23:59:59-15:59", "2262-01-01T00:00:00Z", "2026-03-02T24:00:00Z", "2026-03-02t07:00:00z",
		"2026-03-02T07:00:00,5Z", "2026-03-02 07:00:00Z", "2026-03-02T07:00Z", "2026-04-31T07:00:00Z", "2026-03-02T07:00:60Z", "2026-03-02T07:00:00.Z", "2026-03-02T07:00:00+24:00",
	}
	// goodTimes may stand in conditions. PostgreSQL holds no nanoseconds, but can be
	// asked about them.
	goodTimes = append(slices.Clone(times[:7]), "2026-03-02T07:00:00.0000005Z", "2026-03-02T06:59:59.999999999Z", "2026-03-03T06:00:00+23:00")
	numbers   = []any{
		json.Number("0"), json.Number("-0.0"), json.Number("1"), json.Number("1.0"), json.Number("10e-1"), json.Number("-1"), json.Number("2"), json.Number("9007199254740993"), json.Number("9007199254740992"),
		json.Number("0.1"), json.Number("0.10000000000000000001"), json.Number("-1e299"), json.Number("1e-300"), json.Number("123456789012345678901234567890"), json.Number("1.5"),
	}
	oddNumbers = []any{json.Number("1e300"), json.Number("1e400"), json.Number("-1e400"), json.Number("-9e-301"), json.Number("1e-400")}
	attributed = []string{"x", "y", "x.y", "x.y.z", "z", "in", "in.notes", "name", "doc", "doc.x", "name.x"}
	fixedIDs   = []string{"", "a", "ab", "a/b", "a/b/c", "x[1]", `\`, "%", "b", "2026-01-31"}
)

func scalar() *rapid.Generator[any] {
	return rapid.OneOf(rapid.SampledFrom(words), rapid.SampledFrom(words), rapid.SampledFrom(times), rapid.SampledFrom(numbers), rapid.SampledFrom(numbers), rapid.SampledFrom(oddNumbers),
		rapid.SampledFrom([]any{true, false, nil}))
}

func listOf(g *rapid.Generator[any], most int) *rapid.Generator[any] {
	return rapid.Map(rapid.SliceOfN(g, 0, most), func(l []any) any { return append([]any{}, l...) })
}

func narrowList() *rapid.Generator[any] {
	return rapid.OneOf(listOf(rapid.SampledFrom(words[:4]), 3), listOf(rapid.SampledFrom(numbers[:6]), 3), listOf(rapid.SampledFrom([]any{true, false}), 2))
}

func mapOf(values *rapid.Generator[any]) *rapid.Generator[any] {
	return rapid.Map(rapid.MapOfN(rapid.SampledFrom([]string{"x", "y", "z", "x.y", "y.z", "notes"}), values, 0, 3), func(m map[string]any) any { return m })
}

func attributeMap() *rapid.Generator[map[string]any] {
	leaf := rapid.OneOf(scalar(), scalar(), scalar(), narrowList(), listOf(rapid.OneOf(scalar(), listOf(scalar(), 1)), 3))
	inner := rapid.OneOf(leaf, leaf, mapOf(leaf))
	return rapid.MapOfN(rapid.SampledFrom(attributed), rapid.OneOf(leaf, leaf, leaf, mapOf(inner)), 0, 8)
}

func recordOf() *rapid.Generator[record] {
	return rapid.Custom(func(t *rapid.T) record {
		r := record{
			id: rapid.SampledFrom(fixedIDs).Draw(t, "id"), uid: uuid.UUID{15: byte(rapid.IntRange(0, 3).Draw(t, "uid"))}, num: int64(rapid.IntRange(-2, 12).Draw(t, "num")),
			document: attributeMap().Draw(t, "document"), columns: map[string]any{},
		}
		set := func(name string, g *rapid.Generator[any]) {
			if v := g.Draw(t, name); v != nil && rapid.IntRange(0, 4).Draw(t, "present") > 0 {
				r.columns[name] = v
			}
		}
		set("name", rapid.OneOf(rapid.SampledFrom(words), rapid.SampledFrom(times)))
		set("kind", rapid.SampledFrom([]any{"a", "ab", "b"}))
		set("rank", rapid.SampledFrom([]any{json.Number("0"), json.Number("1"), json.Number("2"), json.Number("-1"), json.Number("2147483647")}))
		set("score", rapid.OneOf(rapid.SampledFrom(numbers), rapid.SampledFrom(oddNumbers)))
		set("open", rapid.SampledFrom([]any{true, false}))
		set("due", rapid.SampledFrom([]any{"2026-01-31", "2024-02-29", "1999-12-31"}))
		set("seen", rapid.SampledFrom([]any{"2026-03-02T07:00:00Z", "2026-03-02T07:00:00.000001Z", "1677-12-31T23:59:59Z", "2262-01-01T00:00:00Z", "2261-12-31T23:59:59Z"}))
		set("tags", rapid.OneOf(narrowList(), listOf(scalar(), 3), scalar()))
		set("doc", rapid.OneOf(mapOf(scalar()), scalar()))
		return r
	})
}

func randomRows(n int) []record {
	out := make([]record, n)
	for i := range out {
		out[i] = recordOf().Example(i)
	}
	return out
}

var (
	rowPaths = []string{
		"x", "y", "x.y", "x.y.z", "z", "attributes.in.notes", "notes", "notes.x", "name", "name.x", "kind", "rank", "score", "open", "due", "seen", "tags", "doc", "doc.x", "doc.x.y", "resource.id", "x", "y", "tags",
	}
	knownPaths = []string{"subject.id", "subject.attributes.s", "subject.attributes.n", "subject.attributes.l", "subject.attributes.l", "subject.attributes.l", "subject.attributes.odd", "subject.attributes.none", "resource.type", "resource.path", "stored", "stored.x", "context.time", "context.v"}
)

func fullPath(p string) string {
	if strings.Contains(p, "resource.") || strings.Contains(p, "subject.") || strings.Contains(p, "context.") || strings.HasPrefix(p, "attributes.") {
		return p
	}
	return "resource.attributes." + p
}

func refTo(paths []string) *rapid.Generator[any] {
	return rapid.Map(rapid.SampledFrom(paths), func(p string) any { return map[string]any{"ref": fullPath(p)} })
}

func literal() *rapid.Generator[any] {
	return rapid.OneOf(rapid.SampledFrom(words), rapid.SampledFrom(times), rapid.SampledFrom(numbers), rapid.SampledFrom([]any{true, false, nil}))
}

// comparison compares with literals and refs.
func comparison(ref *rapid.Generator[any]) *rapid.Generator[any] {
	operand := func() *rapid.Generator[any] { return rapid.OneOf(literal(), literal(), literal(), ref, ref) }
	one := func(op string, g *rapid.Generator[any]) *rapid.Generator[any] {
		return rapid.Map(g, func(v any) any { return map[string]any{op: v} })
	}
	number, at := rapid.SampledFrom(numbers), rapid.SampledFrom(goodTimes)
	ordered := rapid.OneOf(at, number, ref)
	pair := func(g *rapid.Generator[any]) *rapid.Generator[any] {
		return rapid.Map(rapid.SliceOfN(rapid.OneOf(g, g, g, ref), 2, 2), func(l []any) any { return append([]any{}, l...) })
	}
	many := rapid.OneOf(listOf(operand(), 3), listOf(rapid.OneOf(rapid.SampledFrom(words[:3]), rapid.Just[any](nil)), 3), narrowList(), ref)
	affix := rapid.OneOf(rapid.SampledFrom([]any{"a", "", "2026-", "b", `\`, "%"}), ref)
	return rapid.OneOf(
		operand(), listOf(operand(), 3), one("eq", operand()), one("ne", operand()), one("in", many), one("nin", many), one("nin", narrowList()),
		one("gt", ordered), one("gte", ordered), one("lt", ordered), one("lte", ordered), one("between", rapid.OneOf(pair(at), pair(number))),
		one("prefix", affix), one("suffix", affix), one("contains", operand()), one("contains_all", many), one("contains_any", many), one("contains_all", narrowList()), one("contains_any", narrowList()),
		one("exists", rapid.SampledFrom([]any{true, false})),
		one("weekday", rapid.SampledFrom([]any{"mon", "tue"})), one("cidr", rapid.SampledFrom([]any{"10.0.0.0/8"})), one("matches", rapid.SampledFrom([]any{"^a"})),
	)
}

func conditions(depth int) *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		out := map[string]any{}
		inner := rapid.Map(conditions2(depth), func(m map[string]any) any { return m })
		for range rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(t, "members") {
			switch n := rapid.IntRange(0, 9).Draw(t, "member"); {
			case n < 2 && depth > 1:
				out[[]string{"any_of", "all_of"}[n]] = listOf(inner, 3).Draw(t, "list")
			case n == 2 && depth > 1:
				out["not"] = inner.Draw(t, "not")
			case n < 5:
				out[rapid.SampledFrom(knownPaths).Draw(t, "key")] = comparison(refTo(rowPaths)).Draw(t, "comparison")
			default:
				out[rapid.SampledFrom(rowPaths).Draw(t, "key")] = comparison(rapid.OneOf(refTo(rowPaths), refTo(knownPaths))).Draw(t, "comparison")
			}
		}
		return out
	})
}

// conditions2 ends the recursion of conditions.
func conditions2(depth int) *rapid.Generator[map[string]any] {
	if depth <= 1 {
		return rapid.Just(map[string]any{})
	}
	return rapid.Deferred(func() *rapid.Generator[map[string]any] { return conditions(depth - 1) })
}

// asked is what is known of a question: all but the row.
func asked() *rapid.Generator[*condition.Env] {
	return rapid.Custom(func(t *rapid.T) *condition.Env {
		return &condition.Env{
			Subject: condition.Subject{ID: "a", Attributes: map[string]any{
				"s": rapid.SampledFrom(words).Draw(t, "s"), "n": rapid.SampledFrom(numbers).Draw(t, "n"), "l": rapid.OneOf(narrowList(), listOf(scalar(), 3)).Draw(t, "l"),
				"odd": rapid.OneOf(rapid.SampledFrom(oddNumbers), rapid.SampledFrom([]any{nil, map[string]any{}})).Draw(t, "odd"),
			}},
			Resource: condition.Resource{Type: "a", Attributes: map[string]any{"stored": rapid.OneOf(scalar(), narrowList()).Draw(t, "stored")}},
			Context:  map[string]any{"time": rapid.SampledFrom(goodTimes).Draw(t, "time"), "v": scalar().Draw(t, "v")},
		}
	})
}

func compile(t require.TestingT, conditions any) (*condition.Program, []condition.Violation) {
	var raw bytes.Buffer
	require.NoError(t, json.NewEncoder(&raw).Encode(conditions))
	return condition.Compile(raw.Bytes())
}
