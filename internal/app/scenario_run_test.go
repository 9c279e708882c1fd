package app_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// scenario is one call, all that is to come of it, and by its silence all that
// is not.
type scenario struct {
	name string
	as   string
	// route is a route of the API, such as "POST /users/{id}/roles".
	route string
	// path is what is called; default the route's own.
	path   string
	body   string
	header map[string]string

	status int
	// code is that of the error envelope.
	code string
	// want are members of the answer by path; names of ids are expanded.
	want map[string]any
	// fields are all the members that the answer objects to.
	fields []string
	// audit are the audit rows that are added, as "user.create success".
	audit []string
	// writes are the tables that change, apart from those of the audit and of
	// the revisions. Nothing else may.
	writes []string
	// save keeps data.id under a name for the rows that follow.
	save string
}

// within makes a subtest the one that fails, until the returned function is
// called.
func (w *world) within(t testing.TB) func() {
	outer := w.t
	w.t = t
	return func() { w.t = outer }
}

// derived are the tables that follow from any write.
var derived = []string{"audit_logs", "audit_heads", "policy_revision", "subject_changes", "search_entries", "personal_keys", "identifier_keys", "retired_identifiers"}

// play runs scenarios one after the other on one server.
func (w *world) play(t *testing.T, rows []scenario) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) { w.playOne(t, row) })
	}
}

func (w *world) playOne(t *testing.T, row scenario) {
	t.Helper()
	defer w.within(t)()
	method, path, ok := strings.Cut(row.route, " ")
	require.True(t, ok, "route %q", row.route)
	if row.path != "" {
		path = row.path
	}
	if row.as != "" {
		w.token(row.as)
	}
	before, events := w.state(t), w.auditRows(t)
	got := w.do(request{as: row.as, method: method, path: path, body: row.body, header: row.header})
	require.Equal(t, row.status, got.status, "%s", got.body)
	if row.code != "" {
		require.Equal(t, row.code, got.at("error.code"), "%s", got.body)
	}
	for path, want := range row.want {
		if text, ok := want.(string); ok {
			want = w.expand(text)
		}
		require.Equal(t, fmt.Sprint(want), fmt.Sprint(got.at(path)), "%s in %s", path, got.body)
	}
	if row.fields != nil {
		require.ElementsMatch(t, row.fields, got.fields(), "%s", got.body)
	}
	if got.status == http.StatusCreated {
		require.Contains(t, got.header.Get("Location"), got.at("data.id").(string))
	}
	added := w.auditRows(t)[len(events):]
	require.ElementsMatch(t, row.audit, added, "audit rows")
	changed := changes(before, w.state(t))
	if len(added) > 0 {
		changed = slices.DeleteFunc(changed, func(table string) bool { return slices.Contains(derived, table) })
	}
	require.ElementsMatch(t, row.writes, changed, "tables written")
	if row.save != "" {
		w.ids[row.save] = got.at("data.id").(string)
	}
}

// state is a checksum of every table, but of the decision records, which are
// written behind the answers, and of the queue of jobs, which lives by itself.
func (w *world) state(t testing.TB) map[string]string {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	if w.sums == "" {
		err := w.owner.QueryRow(ctx, `
SELECT string_agg(format('SELECT %L::text, count(*) || '' '' || coalesce(sum(hashtextextended(x::text, 0)::numeric), 0) FROM sentinel.%I x', c.relname, c.relname), ' UNION ALL ')
FROM pg_class c
WHERE c.relnamespace = 'sentinel'::regnamespace
AND c.relkind IN ('r', 'p')
AND NOT c.relispartition
AND c.relname <> 'decision_logs'
AND c.relname NOT LIKE 'river_%'`).Scan(&w.sums)
		require.NoError(t, err)
	}
	rows, err := w.owner.Query(ctx, w.sums)
	require.NoError(t, err)
	defer rows.Close()
	sums := map[string]string{}
	for rows.Next() {
		var table, sum string
		require.NoError(t, rows.Scan(&table, &sum))
		sums[table] = sum
	}
	require.NoError(t, rows.Err())
	require.Greater(t, len(sums), 30, "the schema has more tables than that")
	return sums
}

func changes(before, after map[string]string) []string {
	tables := []string{}
	for table, sum := range after {
		if before[table] != sum {
			tables = append(tables, table)
		}
	}
	sort.Strings(tables)
	return tables
}

// auditRows are all events, oldest first.
func (w *world) auditRows(t testing.TB) []string {
	t.Helper()
	return w.column(t, "SELECT action || ' ' || result FROM sentinel.audit_logs ORDER BY created_at, id")
}

// column reads one column of text behind the server's back.
func (w *world) column(t testing.TB, sql string, args ...any) []string {
	t.Helper()
	rows, err := w.owner.Query(context.WithoutCancel(t.Context()), sql, args...)
	require.NoError(t, err)
	defer rows.Close()
	out := []string{}
	for rows.Next() {
		var s string
		require.NoError(t, rows.Scan(&s))
		out = append(out, s)
	}
	require.NoError(t, rows.Err())
	return out
}

// unchanged runs fn and fails if any table changed by it.
func (w *world) unchanged(t testing.TB, fn func()) {
	t.Helper()
	before := w.state(t)
	fn()
	require.Empty(t, changes(before, w.state(t)), "tables written")
}
