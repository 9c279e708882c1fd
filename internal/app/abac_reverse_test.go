package app_test

import (
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// types are those of the resources.
func (a *abac) types() []string {
	var all []string
	for _, attributes := range a.resources {
		all = append(all, attributes["type"].(string))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// regulates reports whether a rule is about an action on a type.
func (a *abac) regulates(typ, action string) bool {
	return slices.ContainsFunc(a.rules, func(r abacRule) bool {
		return slices.Contains(r.resource["type"], typ) && slices.Contains(r.actions, action)
	})
}

// fillRows makes a table of the application's: the resources as rows.
func (w *abacWorld) fillRows() {
	w.t.Helper()
	_, err := w.owner.Exec(w.t.Context(), "CREATE TABLE public.things (kind text NOT NULL, code text NOT NULL, data jsonb NOT NULL)")
	require.NoError(w.t, err)
	for id, resource := range w.resources {
		attributes := maps.Clone(resource)
		delete(attributes, "type")
		_, err := w.owner.Exec(w.t.Context(), "INSERT INTO public.things VALUES ($1, $2, $3)", resource["type"], id, attributes)
		require.NoError(w.t, err)
	}
}

// filtered are the triples of the rows that PostgreSQL selects by the filters of
// every subject for the actions on each type of which wanted says yes.
func (w *abacWorld) filtered(wanted func(typ, action string) bool) map[triple]bool {
	w.t.Helper()
	out := map[triple]bool{}
	for subject, user := range w.accounts {
		for _, typ := range w.types() {
			for _, action := range w.actions() {
				if w.subjects[subject] == nil || !wanted(typ, action) {
					continue
				}
				var f struct {
					Kind   string `json:"kind"`
					SQL    string `json:"sql"`
					Params []any  `json:"params"`
				}
				w.call("/permissions/filter", map[string]any{
					"user_id": user, "resource_type": typ, "action": action,
					"columns": map[string]any{"id": "code", "attributes": "data", "table": "t", "offset": 1},
				}, &f)
				for _, code := range w.selected(typ, f.Kind, f.SQL, f.Params) {
					out[triple{subject, code, action}] = true
				}
			}
		}
	}
	return out
}

// selected are the rows of a type that meet a condition.
func (w *abacWorld) selected(typ, kind, sql string, params []any) []string {
	w.t.Helper()
	query := "SELECT t.code FROM public.things t WHERE t.kind = $1"
	switch kind {
	case "none":
		require.Empty(w.t, sql)
		return nil
	case "all":
		require.Empty(w.t, sql)
	default:
		query += " AND " + sql
	}
	args := []any{typ}
	for _, p := range params {
		if list, ok := p.([]any); ok {
			texts := make([]string, len(list))
			for i, text := range list {
				texts[i] = text.(string)
			}
			p = texts
		}
		args = append(args, p)
	}
	rows, err := w.owner.Query(w.t.Context(), query, args...)
	require.NoError(w.t, err, query)
	codes, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(w.t, err, query)
	return codes
}
