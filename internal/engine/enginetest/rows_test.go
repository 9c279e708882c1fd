package enginetest_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/enginetest"
	"github.com/sentinel-access/sentinel/internal/engine/filter"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

// filtersEach is how many filters of one random tenant are made.
const filtersEach = 8

// TestFilter_SelectsWhatDecideAllows makes filters of random tenants, runs them in
// PostgreSQL and in a reader of UCAST, and asks about every row singly. With
// SOAK_FILTERS it goes on until so many are made.
func TestFilter_SelectsWhatDecideAllows(t *testing.T) {
	t.Parallel()
	wanted := soak(t, "SOAK_FILTERS")
	s := newSelections(t)
	for {
		rapid.Check(t, func(r *rapid.T) {
			x := s.tenants.draw(t, r)
			for range filtersEach {
				s.compare(t, x)
			}
		})
		t.Logf("%d filters: %v", s.filters, s.seen)
		if s.filters >= wanted || t.Failed() {
			break
		}
	}
	require.GreaterOrEqual(t, s.filters, 300)
	for _, kind := range []string{"none", "condition", "policy", "some rows", "ucast"} {
		require.Positive(t, s.seen[kind], "%s never came: %v", kind, s.seen)
	}
}

// selections are filters over one table of rows.
type selections struct {
	tenants *comparison
	conn    *pgx.Conn
	rows    []row
	filters int
	// seen counts what came.
	seen map[string]int
}

// row is one of the table. column is nil for NULL.
type row struct {
	id         string
	attributes map[string]any
	column     *string
}

func newSelections(t *testing.T) *selections {
	conn, err := pgx.Connect(t.Context(), dbtest.New(t).OwnerURL)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(t.Context()) }) //nolint:usetesting // the server ends it else
	s := &selections{
		tenants: &comparison{library: enginetest.Library(t), policies: map[string]*compiled{}},
		conn:    conn, rows: tableRows(t), seen: map[string]int{},
	}
	_, err = conn.Exec(t.Context(), `CREATE TEMP TABLE records (n int, id text, attributes jsonb, `+bColumn+` text)`)
	require.NoError(t, err)
	_, err = conn.CopyFrom(t.Context(), pgx.Identifier{"records"}, []string{"n", "id", "attributes", bColumn},
		pgx.CopyFromSlice(len(s.rows), func(i int) ([]any, error) {
			return []any{i, s.rows[i].id, s.rows[i].attributes, s.rows[i].column}, nil
		}))
	require.NoError(t, err)
	return s
}

// tableRows have ids that patterns match, codes and ids of nodes, and attributes
// of every kind.
func tableRows(t *testing.T) []row {
	names := append(ids(), "other", "a/b/c", "ab", "x/b", "A", "{x}")
	for n := byte(2); n < 12; n++ {
		id := uuid.UUID{0: 0xab, 15: n}.String()
		names = append(names, id)
		if n < 5 {
			names = append(names, strings.ToUpper(id))
		}
	}
	contents := []string{
		`{}`, `{"a": "x"}`, `{"a": 1, "b": "x"}`, `{"a": 1.0, "b": ["x", 1]}`, `{"a": 9007199254740993}`, `{"a": null, "b": "a"}`, `{"a.b": "x"}`,
		`{"a": {"b": "x"}}`, `{"a": {"b": "x"}, "a.b": "y"}`, `{"a": true, "b": 1}`, `{"a": "y", "b": "b"}`, `{"a": ["x"], "b": null}`, `{"a": "xy"}`,
	}
	var out []row
	for i := range 2 * len(names) {
		r := row{id: names[i%len(names)]}
		decoder := json.NewDecoder(strings.NewReader(contents[(i+i/len(names))%len(contents)]))
		decoder.UseNumber()
		require.NoError(t, decoder.Decode(&r.attributes))
		if i%3 > 0 {
			r.column = &[]string{"x", "a", "b", "1"}[i/3%4]
		}
		out = append(out, r)
	}
	return out
}

// known are the row's attributes, as who checks it says them. A field that has a
// column is there and nowhere else.
func (r *row) known(places map[string]filter.Place) map[string]any {
	if _, ok := places["b"]; !ok {
		return r.attributes
	}
	out := maps.Clone(r.attributes)
	delete(out, "b")
	if r.column != nil {
		out["b"] = *r.column
	}
	return out
}

func (s *selections) compare(t *testing.T, x *world) {
	subject := sample(x, "subject", slices.Concat(x.subjects, x.subjects, x.subjects, []*engine.Subject{nil}))
	q := x.question(subject)
	q.ID, q.Attributes = "", nil
	if q.Type == "api" {
		q.Type = "page"
	}
	now := enginetest.Now().Add(sample(x, "now", moments()))
	s.filters++
	rows, err := x.snapshot.Filter(t.Context(), q, subject, now)
	var n *engine.NotTranslatable
	if errors.As(err, &n) {
		s.refused(x, q, n)
		return
	}
	require.NoError(x.T, err)
	allowed := []int{}
	for i := range s.rows {
		one := *q
		one.ID, one.Attributes = s.rows[i].id, s.rows[i].known(rows.Places)
		d := x.snapshot.Decide(t.Context(), &one, subject, now)
		if d.Allowed {
			allowed = append(allowed, i)
			require.Equal(x.T, d.Obligations, rows.Obligations)
		}
	}
	if len(allowed) > 0 && len(allowed) < len(s.rows) {
		s.seen["some rows"]++
	}
	if len(rows.Obligations) > 0 {
		s.seen["obligations"]++
	}
	condition, err := filter.SQL(rows.Expr, filter.Columns{Fields: rows.Places})
	require.NoError(x.T, err)
	s.seen[string(condition.Kind)]++
	require.Equal(x.T, allowed, s.run(t, x, &condition), "%+v at %s:\n%s\n%v", q, now, condition.SQL, condition.Params)
	s.read(x, rows, allowed)
}

// refused makes sure that nothing is refused but for a reason.
func (s *selections) refused(x *world, q *engine.Question, n *engine.NotTranslatable) {
	if n.Policy != "" {
		s.seen["policy"]++
		read := false
		for name, text := range x.policies.texts {
			read = read || strings.HasSuffix(name, strings.TrimPrefix(n.Policy, "tenant.")+".rego") && (strings.Contains(text, "resource") || strings.Contains(text, "(input,"))
		}
		require.True(x.T, read, "%s reads no resource", n.Policy)
		return
	}
	s.seen["matches"]++
	require.Equal(x.T, "resource.attributes.a", n.Path, "%+v: %v", q, n)
	require.Contains(x.T, string(n.Permission.RawConditions), "matches")
}

// run returns the rows that PostgreSQL selects, by their positions.
func (s *selections) run(t *testing.T, x *world, c *filter.Condition) []int {
	where := map[filter.Kind]string{filter.None: "false", filter.Everything: "true", filter.Some: c.SQL}[c.Kind]
	found, err := s.conn.Query(t.Context(), "SELECT n FROM records WHERE "+where+" ORDER BY n", c.Params...)
	require.NoError(x.T, err, where)
	out, err := pgx.AppendRows([]int{}, found, pgx.RowTo[int])
	require.NoError(x.T, err, where)
	return out
}
