package migrations_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// samples are values, as SQL, for columns whose constraints ask for more than
// their type does. %s is different in each row.
var samples = map[string]string{
	"users.email":                           "'%s@example.com'",
	"resources.type":                        "'vessel'",
	"permissions.resource_type":             "'vessel'",
	"permissions.resource_path":             "'vessel/*'",
	"permissions.actions":                   "'{read}'",
	"field_definitions.entity_type":         "'vessel'",
	"field_definitions.field_type":          "'core'",
	"approval_chains.resource_type":         "'vessel'",
	"approval_chains.approval_levels":       "'[]'",
	"access_requests.request_type":          "'role'",
	"approvals.decision":                    "'escalated'",
	"approval_delegations.starts_at":        "now()",
	"approval_delegations.ends_at":          "now() + interval '1 day'",
	"policy_revisions.revision":             "(SELECT 1 + count(*) FROM sentinel.policy_revisions WHERE tenant_id = '$tenant')",
	"one_time_tokens.purpose":               "'invitation'",
	"audit_logs.actor_type":                 "'system'",
	"audit_logs.result":                     "'success'",
	"user_roles.role_tenant_id":             "'00000000-0000-0000-0000-000000000000'",
	"user_roles.role_id":                    "'00000000-0000-0000-0000-000000000016'",
	"group_roles.role_tenant_id":            "'00000000-0000-0000-0000-000000000000'",
	"group_roles.role_id":                   "'00000000-0000-0000-0000-000000000016'",
	"approval_delegations.to_user":          "(SELECT id FROM sentinel.users WHERE tenant_id = '$tenant' AND id <> '$from_user' LIMIT 1)",
	"user_menu_customizations.custom_order": "1",
	"retired_identifiers.kind":              "'email'",
}

// optional are columns that rows have all the same.
var optional = map[string]bool{
	"permissions.resource_path": true, "menu_items.tenant_id": true, "field_definitions.tenant_id": true,
	"users.email": true,
}

type tableColumn struct {
	Table, Column, Type string
	// Refers is the table that a foreign key on the column names, "" for none.
	Refers string
}

// tenantTables are the tables with a tenant_id, from the catalog, partitions
// left out, in an order in which each comes after those it refers to.
func tenantTables(f *fixture) []string {
	f.t.Helper()
	names := rows[string](f, `
SELECT c.relname::text
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
WHERE c.relnamespace = 'sentinel'::regnamespace
AND c.relkind IN ('r', 'p')
AND NOT c.relispartition
ORDER BY c.relname`)
	require.Greater(f.t, len(names), 30)
	refers := map[string][]string{}
	for _, c := range requiredColumns(f) {
		if c.Refers != "" {
			refers[c.Table] = append(refers[c.Table], c.Refers)
		}
	}
	var ordered []string
	var visit func(name string)
	visit = func(name string) {
		if slices.Contains(ordered, name) || !slices.Contains(names, name) {
			return
		}
		for _, r := range refers[name] {
			if r != name {
				visit(r)
			}
		}
		ordered = append(ordered, name)
	}
	for _, name := range names {
		visit(name)
	}
	return ordered
}

// requiredColumns are those that an INSERT has to give.
func requiredColumns(f *fixture) []tableColumn {
	f.t.Helper()
	r, err := f.owner.Query(f.t.Context(), `
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), COALESCE((
  SELECT k.confrelid::regclass::text
  FROM pg_constraint k
  WHERE k.conrelid = c.oid AND k.contype = 'f' AND a.attnum = ANY (k.conkey) AND a.attname <> 'tenant_id'
  LIMIT 1), '')
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'sentinel'::regnamespace
AND c.relkind IN ('r', 'p')
AND NOT c.relispartition
AND a.attnum > 0
AND NOT a.attisdropped
AND (a.attnotnull AND NOT a.atthasdef OR c.relname || '.' || a.attname = ANY ($1))
ORDER BY c.relname, a.attnum`, keys(optional))
	require.NoError(f.t, err)
	out, err := pgx.CollectRows(r, pgx.RowToStructByPos[tableColumn])
	require.NoError(f.t, err)
	for i := range out {
		out[i].Refers = strings.TrimPrefix(out[i].Refers, "sentinel.")
	}
	return out
}

func keys(m map[string]bool) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}

// keptByTriggers have rows as soon as there are others.
var keptByTriggers = []string{"policy_revision", "search_entries", "subject_changes", "tenant_ancestors"}

// seedEveryTable writes a row into every table with a tenant_id, in each tenant.
// A table that it cannot fill needs its samples above.
func seedEveryTable(f *fixture, tenants ...string) {
	f.t.Helper()
	for _, tenant := range tenants {
		f.user(tenant)
		made := map[string]string{}
		for _, table := range tenantTables(f) {
			if slices.Contains(keptByTriggers, table) {
				continue
			}
			f.exec(insertion(f, table, tenant, made))
			if table != "audit_heads" {
				made[table] = one[string](f, fmt.Sprintf("SELECT id::text FROM sentinel.%s WHERE tenant_id = $1 LIMIT 1", table), tenant)
			}
		}
	}
}

// insertion is a statement that inserts a row which refers to those made.
func insertion(f *fixture, table, tenant string, made map[string]string) string {
	f.t.Helper()
	var columns, values []string
	for _, c := range requiredColumns(f) {
		if c.Table != table {
			continue
		}
		sample, ok := samples[c.Table+"."+c.Column]
		value := ""
		switch {
		case ok:
			value = strings.ReplaceAll(sample, "%s", uuid.NewString())
		case c.Column == "tenant_id":
			value = "'" + tenant + "'"
		case c.Refers != "":
			value = "'" + made[c.Refers] + "'"
		default:
			value = map[string]string{
				"uuid": "gen_random_uuid()", "text": "'x" + uuid.NewString()[:8] + "'", "bytea": "'x'", "jsonb": "'{}'", "integer": "1",
				"bigint": "1", "boolean": "true", "timestamp with time zone": "now() + interval '1 hour'", "text[]": "'{a}'",
			}[c.Type]
			require.NotEmpty(f.t, value, "%s.%s: no sample of %s", c.Table, c.Column, c.Type)
		}
		value = strings.NewReplacer("$tenant", tenant, "$from_user", made["users"]).Replace(value)
		columns, values = append(columns, c.Column), append(values, value)
	}
	return fmt.Sprintf("INSERT INTO sentinel.%s (%s) VALUES (%s)", table, strings.Join(columns, ", "), strings.Join(values, ", "))
}
