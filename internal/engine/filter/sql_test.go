package filter_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/filter"
	"github.com/sentinel-access/sentinel/internal/engine/pattern"
)

func number(s string) json.Number { return json.Number(s) }

// reduced is conditions of a row, with nothing known but the row.
func reduced(t testing.TB, conditions string, want condition.Truth) filter.Expr {
	p, violations := condition.Compile([]byte(conditions))
	require.Empty(t, violations, conditions)
	e, err := p.Reduce(&condition.Env{}, condition.Row{ID: true, Attributes: true}, want)
	require.NoError(t, err, conditions)
	return e
}

func written(t testing.TB, e filter.Expr, columns filter.Columns) filter.Condition {
	c, err := filter.SQL(e, columns)
	require.NoError(t, err)
	return c
}

func TestSQL_IsWhatAnIndexCanServe(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ conditions, sql, params string }{
		{`{"name": "a"}`, `"r"."name"::text = $1::text`, `["a"]`},
		{`{"name": ["a", "b"]}`, `"r"."name"::text = ANY($1::text[])`, `[["a","b"]]`},
		{`{"rank": {"gte": 5}}`, `"r"."rank" >= $1::text::bigint`, `["5"]`},
		{`{"due": "2026-01-31"}`, `"r"."due" = $1::text::date`, `["2026-01-31"]`},
		{`{"open": true}`, `"r"."open" = $1::text::boolean`, `["true"]`},
		{`{"name": {"prefix": "a"}}`, `"r"."name"::text COLLATE "C" ^@ $1::text`, `["a"]`},
		{`{"seen": {"lt": "2026-03-02T09:00:00+02:00"}}`, `("r"."seen" < $1::text::timestamptz AND "r"."seen" >= '1678-01-01T00:00:00Z'::timestamptz)`, `["2026-03-02T07:00:00.000000Z"]`},
		{`{"x": "a"}`, `"r"."attributes" @> $1::text::jsonb`, `["{\"x\":\"a\"}"]`},
		{`{"x": ["a", 1]}`, `"r"."attributes" @> ANY($1::text[]::jsonb[])`, `[["{\"x\":1}","{\"x\":\"a\"}"]]`},
		{`{"notes": "a"}`, `"r"."attributes" @> $1::text::jsonb`, `["{\"in\":{\"notes\":\"a\"}}"]`},
		{`{"tags": {"contains_all": ["a", "b"]}}`, `(jsonb_typeof("r"."tags") = 'array' AND "r"."tags" @> $1::text::jsonb)`, `["[\"a\",\"b\"]"]`},
		{`{"resource.id": "a"}`, `"r"."id"::text = $1::text`, `["a"]`},
	} {
		c := written(t, reduced(t, tc.conditions, condition.True), layout)
		require.Equal(t, filter.Some, c.Kind)
		require.Equal(t, tc.sql, c.SQL, tc.conditions)
		require.Equal(t, tc.params, text(t, c.Params), tc.conditions)
	}
}

func TestSQL_UsesAnIndexWhereOneFits(t *testing.T) {
	t.Parallel()
	tb := newTable(t, nil)
	for _, sql := range []string{
		`INSERT INTO public.rows SELECT n, 'id/' || n, gen_random_uuid(), n, jsonb_build_object('x', 'v' || n, 'y', jsonb_build_object('z', n), 'labels', jsonb_build_array('l' || n)), 'name ' || n, 'a', n, n + 0.5,
			n % 2 = 0, NULL, timestamptz '2026-01-01' + n * interval '1 minute', jsonb_build_array('t' || n) FROM generate_series(1, 20000) n`,
		`CREATE INDEX by_id ON public.rows (id)`, `CREATE INDEX by_id_pattern ON public.rows (id text_pattern_ops)`, `CREATE INDEX by_uid ON public.rows (uid)`, `CREATE INDEX by_name ON public.rows (name)`,
		`CREATE INDEX by_rank ON public.rows (rank)`, `CREATE INDEX by_score ON public.rows (score)`, `CREATE INDEX by_seen ON public.rows (seen)`,
		`CREATE INDEX by_attributes ON public.rows USING gin (attributes jsonb_path_ops)`, `CREATE INDEX by_tags ON public.rows USING gin (tags)`, `ANALYZE public.rows`,
	} {
		_, err := tb.conn.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	uuids := layout
	uuids.ID, uuids.IDType = "uid", filter.UUID
	for _, tc := range []struct {
		conditions, index string
		columns           filter.Columns
	}{
		{`{"resource.id": "id/7"}`, "by_id", layout},
		{`{"resource.id": ["id/7", "id/8"]}`, "by_id", layout},
		{`{"resource.id": {"prefix": "id/77"}}`, "by_id_pattern", layout},
		{`{"resource.id": "0195c0de-0000-7000-8000-000000000001"}`, "by_uid", uuids},
		{`{"name": ["name 7", "name 8"]}`, "by_name", layout},
		{`{"rank": {"gt": 19990}}`, "by_rank", layout},
		{`{"rank": [1, 2]}`, "by_rank", layout},
		{`{"score": {"between": [7, 8]}}`, "by_score", layout},
		{`{"seen": {"lt": "2026-01-01T00:10:00Z"}}`, "by_seen", layout},
		{`{"x": "v7"}`, "by_attributes", layout},
		{`{"x": ["v7", "v8"]}`, "by_attributes", layout},
		{`{"attributes.y.z": 7}`, "by_attributes", layout},
		{`{"labels": {"contains_any": ["l7", "l8"]}}`, "by_attributes", layout},
		{`{"tags": {"contains_all": ["t7"]}}`, "by_tags", layout},
		{`{"any_of": [{"x": "v7"}, {"name": "name 9"}]}`, "by_name", layout},
	} {
		c := written(t, reduced(t, tc.conditions, condition.True), tc.columns)
		rows, err := tb.conn.Query(t.Context(), `EXPLAIN SELECT n FROM public.rows r WHERE `+c.SQL, c.Params...)
		require.NoError(t, err)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		plan := strings.Join(lines, "\n")
		require.Contains(t, plan, tc.index, "%s\n%s", c.SQL, plan)
		require.NotContains(t, plan, "Seq Scan", c.SQL)
	}
}

// hostile are values that try to be more than values.
var hostile = []string{`'; DROP TABLE rows; --`, `$1`, `$1::text`, `\`, `\'`, `%_`, `"`, `") OR ("id" = "id`, `{"x":"a"}`, `[]`, "\n--", "/*", `*`, `**`, "\u2028", strings.Repeat("x'", 32<<10)}

func TestSQL_IsTheSameWhateverTheText(t *testing.T) {
	t.Parallel()
	tb := newTable(t, nil)
	for i, s := range hostile {
		tb.rows = append(tb.rows, record{id: s, document: map[string]any{"x": s, "y": []any{s}, s: s}})
		_, err := tb.conn.Exec(t.Context(), `INSERT INTO public.rows (n, id, attributes, name) VALUES ($1, $2, $3::text::jsonb, $4)`, i, s, text(t, tb.rows[i].document), s[:min(len(s), 2000)])
		require.NoError(t, err)
	}
	x := filter.Field{Key: "x"}
	for name, e := range map[string]func(s string) filter.Expr{
		"an id": func(s string) filter.Expr {
			return &filter.Test{Op: filter.Eq, Field: filter.Field{ID: true}, Values: []any{s}}
		},
		"an attribute": func(s string) filter.Expr { return &filter.Test{Op: filter.Eq, Field: x, Values: []any{s}} },
		"a key": func(s string) filter.Expr {
			return &filter.Test{Op: filter.Prefix, Field: filter.Field{Key: s}, Values: []any{s}}
		},
		"a prefix": func(s string) filter.Expr { return &filter.Test{Op: filter.Prefix, Field: x, Values: []any{s}} },
		"a suffix": func(s string) filter.Expr { return &filter.Test{Op: filter.Suffix, Field: x, Values: []any{s}} },
		"a substring": func(s string) filter.Expr {
			return &filter.Test{Op: filter.Contains, Field: filter.Field{Key: "name"}, Values: []any{s}}
		},
		"a member": func(s string) filter.Expr {
			return &filter.Test{Op: filter.ContainsAny, Field: filter.Field{Key: "y"}, Values: []any{s}}
		},
		"all members": func(s string) filter.Expr {
			return &filter.Test{Op: filter.Within, Field: filter.Field{Key: "y"}, Values: []any{s}}
		},
		"another": func(s string) filter.Expr {
			return &filter.Test{Op: filter.Eq, Field: x, Values: []any{s}, Negated: true}
		},
		"a foreign member": func(s string) filter.Expr {
			return &filter.Test{Op: filter.Within, Field: filter.Field{Key: "y"}, Values: []any{s}, Negated: true}
		},
	} {
		harmless := written(t, e("a"), layout)
		for i, s := range hostile {
			c := written(t, e(s), layout)
			require.Equal(t, harmless.SQL, c.SQL, "%s: %.50q", name, s)
			require.Len(t, c.Params, len(harmless.Params))
			got := tb.selected(t, c)
			switch name {
			case "another", "a foreign member":
				require.Len(t, got, len(hostile)-1, "%s: %.50q", name, s)
				require.NotContains(t, got, i)
			default:
				// The column name holds no more.
				if name != "a substring" || len(s) <= 2000 {
					require.Contains(t, got, i, "%s: %.50q", name, s)
				}
			}
		}
	}
}

func FuzzSQL(f *testing.F) {
	for _, s := range hostile[:len(hostile)-1] {
		f.Add(s, "x", uint8(0))
	}
	f.Add("\x00", "\xff", uint8(3))
	ops := []filter.Op{filter.Eq, filter.Lt, filter.Gte, filter.Prefix, filter.Suffix, filter.Contains, filter.ContainsAll, filter.ContainsAny, filter.Within, filter.Exists, filter.Glob}
	f.Fuzz(func(t *testing.T, s, key string, n uint8) {
		// Marks that no SQL has, so that the value is seen wherever it goes.
		const mark = "§"
		for _, field := range []filter.Field{{ID: true}, {Key: "name"}, {Key: "tags"}, {Key: mark + key}, {Key: "doc." + mark + key}} {
			for _, negated := range []bool{false, true} {
				test := filter.Test{Op: ops[int(n)%len(ops)], Field: field, Negated: negated, Values: []any{mark + s, mark}}
				if n >= 128 {
					test.Values, test.Other = nil, &filter.Field{Key: mark + s}
				}
				c, err := filter.SQL(&test, layout)
				if err != nil {
					continue
				}
				require.NotContains(t, c.SQL, mark)
				require.Equal(t, c.Kind == filter.Some, c.SQL != "")
				for i := range c.Params {
					require.Contains(t, c.SQL, "$"+strconv.Itoa(i+1)+"::text")
				}
				require.NotContains(t, c.SQL, "$"+strconv.Itoa(len(c.Params)+1)+"::text")
			}
		}
	})
}

func TestSQL_MatchesGlobsAsPatternsDo(t *testing.T) {
	t.Parallel()
	pieces := []string{"*", "**", "/", "a", "ab", "é", ".", "[", "]", "?", "{", "}", "-", "!", ",", "(", "|", "^", "$", "+", "%", "_", "'", "1", "\n"}
	texts := rapid.Map(rapid.SliceOfN(rapid.SampledFrom(pieces[2:]), 1, 4), func(l []string) string { return strings.Join(l, "") })
	globs := rapid.Map(rapid.SliceOfN(rapid.SampledFrom(slices.Concat(pieces, pieces[:6])), 1, 5), func(l []string) string { return strings.Join(l, "") })
	rows := make([]record, 300)
	for i := range rows {
		id := texts.Example(i)
		rows[i] = record{id: id, document: map[string]any{"x": id}}
	}
	tb := newTable(t, rows)
	matched := 0
	for seed := range 300 {
		p, err := pattern.Compile("t/"+globs.Example(seed), seed%2 == 0)
		if err != nil {
			continue
		}
		_, glob := p.Normalised()
		for _, field := range []filter.Field{{ID: true}, {Key: "x"}} {
			for _, negated := range []bool{false, true} {
				want := []int{}
				for i, r := range rows {
					if p.MatchID(r.id) != negated {
						want = append(want, i)
					}
				}
				got := tb.selected(t, written(t, &filter.Test{Op: filter.Glob, Field: field, Values: []any{glob}, Negated: negated}, layout))
				require.Equal(t, want, got, "%q, negated: %t", glob, negated)
				matched += len(got)
			}
		}
	}
	require.Positive(t, matched)
	for _, odd := range []string{`a\`, "a?", "[a]", "{a,b}"} {
		_, err := filter.SQL(&filter.Test{Op: filter.Glob, Field: filter.Field{ID: true}, Values: []any{odd}}, layout)
		require.EqualError(t, err, fmt.Sprintf("resource.id: is to match %q, which is no glob", odd))
	}
}

func TestSQL_LeavesOutTimesThatPostgreSQLCannotHold(t *testing.T) {
	t.Parallel()
	rows := []record{}
	for _, at := range []string{"2026-03-02T07:00:00.123456Z", "2026-03-02T07:00:00.1234560Z", "2026-03-02T07:00:00.1234567Z", "2026-03-02T07:00:00+15:59", "2026-03-02T07:00:00+16:00", "2026-03-02T07:00:00-23:59"} {
		require.True(t, condition.IsTime(at))
		rows = append(rows, record{id: at, document: map[string]any{"x": at}})
	}
	tb := newTable(t, rows)
	for _, conditions := range []string{`{"x": {"gt": "2000-01-01T00:00:00Z"}}`, `{"x": {"lt": "2100-01-01T00:00:00Z"}}`, `{"resource.id": {"gt": {"ref": "context.time"}}}`} {
		p, violations := condition.Compile([]byte(conditions))
		require.Empty(t, violations)
		env := condition.Env{Context: map[string]any{"time": "2000-01-01T00:00:00Z"}}
		for want, selected := range map[condition.Truth][]int{condition.True: {0, 1, 3}, condition.False: {}} {
			e, err := p.Reduce(&env, condition.Row{ID: true, Attributes: true}, want)
			require.NoError(t, err)
			require.Equal(t, selected, tb.selected(t, written(t, e, layout)), "%s is %s", conditions, want)
		}
	}
}

func TestSQL_NeverTakesNaNOrInfinityForANumberOrATime(t *testing.T) {
	t.Parallel()
	tb := newTable(t, nil)
	_, err := tb.conn.Exec(t.Context(), `INSERT INTO public.rows (n, id, attributes, score, seen, due) VALUES (0, 'a', '{}', 'NaN', 'infinity', 'infinity'), (1, 'b', '{}', 'infinity', '-infinity', '-infinity'), (2, 'c', NULL, '-infinity', NULL, NULL)`)
	require.NoError(t, err)
	for _, conditions := range []string{
		`{"score": {"gt": 1}}`, `{"score": {"lt": 1}}`, `{"score": 1}`, `{"seen": {"gt": "2026-01-01T00:00:00Z"}}`, `{"seen": {"lt": "2026-01-01T00:00:00Z"}}`, `{"due": "2026-01-01"}`,
		`{"seen": {"gt": {"ref": "attributes.x"}}}`, `{"seen": {"lt": {"ref": "attributes.seen"}}}`,
	} {
		require.Empty(t, tb.selected(t, written(t, reduced(t, conditions, condition.True), layout)), conditions)
		if !strings.Contains(conditions, "due") {
			require.Empty(t, tb.selected(t, written(t, reduced(t, conditions, condition.False), layout)), conditions)
		}
	}
}

func TestSQL_ReadsTablesOfManyKinds(t *testing.T) {
	t.Parallel()
	x := &filter.Test{Op: filter.Eq, Field: filter.Field{Key: "x"}, Values: []any{"a"}}
	id := &filter.Test{Op: filter.Eq, Field: filter.Field{ID: true}, Values: []any{"7", uuid.UUID{}.String(), "x", "007"}}
	c := written(t, filter.All{x, x}, filter.Columns{})
	require.Equal(t, `("attributes" @> $1::text::jsonb AND "attributes" @> $2::text::jsonb)`, c.SQL)
	c = written(t, x, filter.Columns{Alias: "t", Attributes: "data", Offset: 3})
	require.Equal(t, `"t"."data" @> $4::text::jsonb`, c.SQL)
	c = written(t, id, filter.Columns{ID: "key", IDType: filter.Integer})
	require.Equal(t, `"key" = $1::text::bigint`, c.SQL)
	require.Equal(t, []any{"7"}, c.Params)
	c = written(t, id, filter.Columns{IDType: filter.UUID})
	require.Equal(t, `"id" = $1::text::uuid`, c.SQL)
	require.Equal(t, []any{uuid.UUID{}.String()}, c.Params)
	require.Equal(t, filter.None, written(t, &filter.Test{Op: filter.Eq, Field: filter.Field{ID: true}, Values: []any{"x"}}, filter.Columns{IDType: filter.Integer}).Kind)
	require.Equal(t, filter.Everything, written(t, filter.Any{filter.All{}, x}, filter.Columns{}).Kind)
	require.Equal(t, filter.None, written(t, filter.All{filter.Any{}, x}, filter.Columns{}).Kind)

	for _, columns := range []filter.Columns{
		{ID: `id" OR "1`},
		{Attributes: "Attributes"},
		{Alias: "a b"},
		{ID: strings.Repeat("a", 64)},
		{IDType: filter.JSON},
		{Fields: map[string]filter.Place{"x": {Column: `"`}}},
		{Fields: map[string]filter.Place{"x": {Column: "1", Type: filter.JSON}}},
	} {
		_, err := filter.SQL(filter.All{x, id, &filter.Test{Op: filter.Exists, Field: filter.Field{Key: "x.y"}}}, columns)
		require.Error(t, err, "%v", columns)
		require.NotErrorAs(t, err, new(*filter.Untranslatable))
	}
}

func TestSQL_TakesAnIDInWhateverLetters(t *testing.T) {
	t.Parallel()
	const id = "0195c0de-0000-7000-8000-00000000000a"
	tb := newTable(t, []record{
		{id: id, uid: uuid.MustParse(id)}, {id: strings.ToUpper(id), uid: uuid.MustParse(id)}, {id: "0195C0de-0000-7000-8000-00000000000A"}, {id: "İ", num: 7}, {id: "", num: 8},
	})
	for _, tc := range []struct {
		column string
		typ    filter.Type
		values []any
		folded []int
		others []int
	}{
		{"id", filter.Text, []any{id, "x"}, []int{0, 1, 2}, []int{3}},
		{"id", filter.Text, []any{"i"}, []int{}, []int{0, 1, 2, 3}},
		{"id", filter.Text, nil, []int{}, []int{0, 1, 2, 3}},
		{"uid", filter.UUID, []any{id}, []int{0, 1}, []int{2, 3, 4}},
		{"num", filter.Integer, []any{id, "7"}, []int{3}, []int{0, 1, 2, 4}},
	} {
		columns := layout
		columns.ID, columns.IDType = tc.column, tc.typ
		test := filter.Test{Op: filter.EqFold, Field: filter.Field{ID: true}, Values: tc.values}
		require.Equal(t, tc.folded, tb.selected(t, written(t, &test, columns)), "%v", tc)
		test.Negated = true
		require.Equal(t, tc.others, tb.selected(t, written(t, &test, columns)), "%v", tc)
	}
	_, err := filter.SQL(&filter.Test{Op: filter.EqFold, Field: filter.Field{Key: "name"}, Values: []any{"a"}}, layout)
	require.EqualError(t, err, "resource.attributes.name: is no id: eq_fold is of ids only")
}

func TestSQL_SaysWhatItCannotSay(t *testing.T) {
	t.Parallel()
	x, seen := filter.Field{Key: "x"}, filter.Field{Key: "seen"}
	many := make([]filter.Expr, math.MaxUint16+1)
	for i := range many {
		many[i] = &filter.Test{Op: filter.Eq, Field: x, Values: []any{"a"}}
	}
	for want, e := range map[string]filter.Expr{
		"resource.attributes.seen: is a time, of which the text is not known: compare it with gte and lte":       &filter.Test{Op: filter.Eq, Field: seen, Values: []any{"a"}},
		"resource.attributes.seen: is a time, of which the text is not known":                                    &filter.Test{Op: filter.Prefix, Field: seen, Values: []any{"a"}},
		"resource.attributes.x: is compared with, or is, a time, of which the text is not known":                 &filter.Test{Op: filter.Eq, Field: x, Other: &seen},
		"resource.attributes.x: is compared with a text that PostgreSQL cannot hold":                             &filter.Test{Op: filter.Eq, Field: x, Values: []any{"\x00"}},
		"resource.attributes.x: is compared with a number of more than 1000 digits":                              &filter.Test{Op: filter.Eq, Field: x, Values: []any{number(strings.Repeat("1", 1001))}},
		"resource.attributes.x: within cannot compare two fields":                                                &filter.Test{Op: filter.Within, Field: x, Other: &x, Negated: true},
		"resource.attributes.x: like is not known":                                                               &filter.Test{Op: "like", Field: x},
		"resource.attributes.\x00: must have at most 15 dots and be a text that PostgreSQL can hold":             &filter.Test{Op: filter.Exists, Field: filter.Field{Key: "\x00"}},
		"resource.attributes.................: must have at most 15 dots and be a text that PostgreSQL can hold": &filter.Test{Op: filter.Exists, Field: filter.Field{Key: strings.Repeat(".", 16)}},
		"conditions: need 65536 parameters, and a statement can have 65535":                                      filter.All(many),
	} {
		_, err := filter.SQL(filter.Any{e}, layout)
		require.ErrorAs(t, err, new(*filter.Untranslatable))
		require.EqualError(t, err, want)
	}
	for _, e := range []filter.Expr{nil, &filter.Test{Op: filter.Eq, Field: x, Values: []any{1}}} {
		_, err := filter.SQL(e, layout)
		require.Error(t, err)
		_, _, err = filter.UCAST(e, filter.Field.String)
		require.Error(t, err)
	}
}

func BenchmarkFilter(b *testing.B) {
	var members []string
	for i := range 100 {
		members = append(members, fmt.Sprintf([]string{
			`{"x%d": ["a", "b", "c"]}`, `{"hull.type.x%d": {"ref": "subject.attributes.s"}}`, `{"y%d": {"gt": 5}}`, `{"z%d": {"contains_any": {"ref": "subject.attributes.l"}}}`, `{"t%d": {"lte": {"ref": "context.time"}}}`,
		}[i%5], i))
	}
	p, violations := condition.Compile([]byte(`{"any_of": [` + strings.Join(members[:99], ",") + `]}`))
	require.Empty(b, violations)
	env := condition.Env{Subject: condition.Subject{Attributes: map[string]any{"s": "a", "l": []any{"a", "b"}}}, Context: map[string]any{"time": "2026-03-02T09:30:00Z"}}
	b.ReportAllocs()
	for b.Loop() {
		e, err := p.Reduce(&env, condition.Row{ID: true, Attributes: true}, condition.True)
		if err != nil {
			b.Fatal(err)
		}
		if c, err := filter.SQL(e, filter.Columns{}); err != nil || c.Kind != filter.Some {
			b.Fatal(c.Kind, err)
		}
	}
}
