package migrations_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

// shared have rows of the platform, with a null tenant, that every tenant reads.
var shared = []string{"field_definitions", "menu_items"}

// exempt have no row-level security and say why in their comment.
var exempt = []string{"policy_revision", "search_entries"}

func TestIsolation_EveryTenantTableIsProtected(t *testing.T) {
	f := setup(t)
	unprotected := rows[string](f, `
SELECT c.relname::text
FROM pg_class c
WHERE c.relnamespace = 'sentinel'::regnamespace
AND c.relkind IN ('r', 'p')
AND NOT (
  c.relrowsecurity
  AND c.relforcerowsecurity
  AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive)
)
AND COALESCE(obj_description(c.oid, 'pg_class'), '') NOT LIKE '%RLS exempt: %'`)
	require.Empty(t, unprotected, "enable and force row-level security, or say in a comment why not")

	require.ElementsMatch(t, []string{"installation", "installation_secrets", "policy_revision", "river_job", "river_leader", "river_notification", "river_queue", "search_entries", "signing_keys"}, rows[string](f, `
SELECT c.relname::text
FROM pg_class c
WHERE c.relnamespace = 'sentinel'::regnamespace
AND c.relkind IN ('r', 'p')
AND NOT c.relrowsecurity`))

	// A policy that lets something through without looking at the transaction.
	require.Empty(t, rows[string](f, `
SELECT polrelid::regclass || ': ' || polname
FROM pg_policy
WHERE polrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'sentinel'::regnamespace)
AND NOT (
  COALESCE(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) ~ 'current_tenant|visible_tenants|writable_tenants'
  AND (polcmd = 'r' OR polwithcheck IS NOT NULL OR polcmd = 'd')
)`))
}

func TestIsolation_KeysHoldTheTenant(t *testing.T) {
	f := setup(t)
	require.Empty(t, rows[string](f, `
SELECT c.relname::text
FROM pg_class c
JOIN pg_attribute i ON i.attrelid = c.oid AND i.attname = 'id'
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
WHERE c.relnamespace = 'sentinel'::regnamespace
AND c.relkind = 'r'
AND NOT c.relispartition
AND NOT EXISTS (
  SELECT FROM pg_constraint k
  WHERE k.conrelid = c.oid AND k.contype IN ('u', 'p') AND k.conkey = ARRAY[a.attnum, i.attnum]
)`), "UNIQUE (tenant_id, id) is missing")

	require.Empty(t, rows[string](f, `
SELECT k.conrelid::regclass || ': ' || k.conname
FROM pg_constraint k
JOIN pg_attribute target ON target.attrelid = k.confrelid AND target.attname = 'tenant_id'
WHERE k.contype = 'f'
AND k.connamespace = 'sentinel'::regnamespace
AND NOT target.attnum = ANY (k.confkey)
AND target.attnotnull`), "a foreign key to a tenant's rows must hold the tenant")

	// Foreign keys of the first kind below name the tenants themselves.
	require.ElementsMatch(t, []string{"group_roles_role_fk", "user_roles_role_fk"}, rows[string](f, `
SELECT k.conname::text
FROM pg_constraint k
JOIN pg_attribute target ON target.attrelid = k.confrelid AND target.attname = 'tenant_id'
JOIN pg_attribute source ON source.attrelid = k.conrelid AND source.attname = 'tenant_id'
WHERE k.contype = 'f'
AND k.connamespace = 'sentinel'::regnamespace
AND target.attnotnull
AND NOT source.attnum = ANY (k.conkey)`), "only assignments may name another tenant's row, under the eyes of a trigger")
}

func TestIsolation_IndexesAreLedByTheTenant(t *testing.T) {
	f := setup(t)
	require.ElementsMatch(t, []string{
		"field_definitions_name_idx",                                // a definition of the platform's is held against all tenants'
		"group_roles_role_tenant_idx", "user_roles_role_tenant_idx", // a role's deletion looks in every tenant
		"menu_items_parent_idx", "user_menu_customizations_item_idx", // of items that may be the platform's
		"tenant_ancestors_ancestor_idx",
		"users_previous_key_id_key", "users_service_account_key_id_key", // an API key names no tenant
	}, rows[string](f, `
SELECT x.relname::text
FROM pg_index i
JOIN pg_class x ON x.oid = i.indexrelid
JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
WHERE c.relnamespace = 'sentinel'::regnamespace
AND NOT c.relispartition
AND i.indkey[0] <> a.attnum
AND pg_get_indexdef(i.indexrelid) !~ '\(id\)$'`), "say why in the migration, and here")
}

func TestIsolation_EveryConstraintIsNamed(t *testing.T) {
	f := setup(t)
	require.Empty(t, rows[string](f, `
SELECT k.conrelid::regclass || ': ' || k.conname
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid
WHERE c.relnamespace = 'sentinel'::regnamespace
AND NOT c.relispartition
AND k.contype IN ('c', 'f', 'u')
AND k.conname ~ '_(check|fkey)[0-9]*$'`))
	require.Empty(t, rows[string](f, `
SELECT c.relname || '.' || a.attname
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'sentinel'::regnamespace
AND c.relkind IN ('r', 'p')
AND NOT c.relispartition
AND a.atttypid = 'text'::regtype
AND NOT EXISTS (
  SELECT FROM pg_constraint k
  WHERE k.conrelid = c.oid AND k.contype = 'c' AND a.attnum = ANY (k.conkey)
)`), "text without a bound")
}

func TestIsolation_RowsOfAnotherTenantAreOutOfReach(t *testing.T) {
	f := setup(t)
	own, other := f.tenant("OWN", "", "{}"), f.tenant("OTHER", "", "{}")
	// A descendant each, for the lines of the hierarchy.
	f.tenant("OWN-SUB", own, "{}")
	f.tenant("OTHER-SUB", other, "{}")
	f.exec("INSERT INTO sentinel.tenant_ancestors VALUES ($1, $2, 1, false)", own, platform)
	f.exec("INSERT INTO sentinel.tenant_ancestors VALUES ($1, $2, 1, false)", other, platform)
	seedEveryTable(f, own, other)

	for _, table := range tenantTables(f) {
		if slices.Contains(exempt, table) {
			continue
		}
		count := fmt.Sprintf("SELECT count(*)::int FROM sentinel.%s", table)
		require.NotZero(t, one[int](f, count+" WHERE tenant_id = $1", own), table)
		require.NotZero(t, one[int](f, count+" WHERE tenant_id = $1", other), table)

		require.Equal(t, []int{0}, rowsAs[int](f, "", count), "%s without a tenant", table)
		require.NotZero(t, rowsAs[int](f, own, count)[0], table)
		where := " WHERE tenant_id = $1"
		require.Equal(t, []int{0}, rowsAs[int](f, own, count+where, other), "%s of another tenant", table)

		for _, statement := range []string{"DELETE FROM sentinel.%s", "UPDATE sentinel.%s SET tenant_id = tenant_id"} {
			n, err := f.as(own, fmt.Sprintf(statement, table)+where, other)
			if err != nil {
				var pgErr *pgconn.PgError
				require.ErrorAs(t, err, &pgErr)
				require.Equal(t, "42501", pgErr.Code, "%s: %s", table, pgErr.Message)
			}
			require.Zero(t, n, table)
		}
		if !slices.Contains(keptByTriggers, table) {
			insert := insertion(f, table, other, idsOf(f, other))
			f.forbidden(own, insert)
			f.forbidden("", insert)
		}
	}
}

// idsOf finds a row of each table in the tenant, where there is one.
func idsOf(f *fixture, tenant string) map[string]string {
	f.t.Helper()
	made := map[string]string{}
	for _, c := range requiredColumns(f) {
		if c.Refers != "" && made[c.Refers] == "" && c.Refers != "tenants" {
			for _, id := range rows[string](f, fmt.Sprintf("SELECT id::text FROM sentinel.%s WHERE tenant_id = $1 LIMIT 1", c.Refers), tenant) {
				made[c.Refers] = id
			}
		}
	}
	return made
}

func TestIsolation_PlatformRowsAreReadByAllAndWrittenByNone(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("OWN", "", "{}")
	f.exec("INSERT INTO sentinel.field_definitions (entity_type, field_name, field_type) VALUES ('vessel', 'name', 'core')")
	f.exec("INSERT INTO sentinel.menu_items (name) VALUES ('home')")
	for _, table := range shared {
		count := fmt.Sprintf("SELECT count(*)::int FROM sentinel.%s WHERE tenant_id IS NULL", table)
		require.Equal(t, []int{1}, rowsAs[int](f, tenant, count), table)
		require.Equal(t, []int{0}, rowsAs[int](f, "", count), table)
		n, err := f.as(tenant, fmt.Sprintf("UPDATE sentinel.%s SET display_name = 'x' WHERE tenant_id IS NULL", table))
		require.NoError(t, err)
		require.Zero(t, n, table)
		n, err = f.as(tenant, fmt.Sprintf("DELETE FROM sentinel.%s WHERE tenant_id IS NULL", table))
		require.NoError(t, err)
		require.Zero(t, n, table)
	}
	f.forbidden(tenant, "INSERT INTO sentinel.menu_items (name) VALUES ('mine')")
	f.forbidden(tenant, "INSERT INTO sentinel.field_definitions (entity_type, field_name, field_type) VALUES ('vessel', 'mine', 'core')")
}

func TestIsolation_MenusReferToOwnItemsAndThePlatforms(t *testing.T) {
	f := setup(t)
	own, other := f.tenant("OWN", "", "{}"), f.tenant("OTHER", "", "{}")
	item := func(tenant any) string {
		return one[string](f, "INSERT INTO sentinel.menu_items (tenant_id, name) VALUES ($1, gen_random_uuid()::text) RETURNING id::text", tenant)
	}
	f.mustAs(own, "INSERT INTO sentinel.menu_items (tenant_id, parent_id, name) VALUES ($1, $2, 'under the platform''s')", own, item(nil))
	f.refused("menu_items_parent_fk", own, "INSERT INTO sentinel.menu_items (tenant_id, parent_id, name) VALUES ($1, $2, 'stolen')", own, item(other))
	parent := item(own)
	child := one[string](f, "INSERT INTO sentinel.menu_items (tenant_id, parent_id, name) VALUES ($1, $2, 'child') RETURNING id::text", own, parent)
	f.refused("menu_items_parent_no_cycle", own, "UPDATE sentinel.menu_items SET parent_id = $2 WHERE id = $1", parent, child)
}

// The server's role can do nothing that it has no use for.
func TestPrivileges_AreMinimal(t *testing.T) {
	f := setup(t)
	require.Empty(t, rows[string](f, `
SELECT c.relname || ': ' || p
FROM pg_class c, unnest(ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER']) p
WHERE c.relnamespace = 'sentinel'::regnamespace
AND c.relkind IN ('r', 'p', 'v')
AND has_table_privilege('sentinel_app', c.oid, p)`))
	require.Empty(t, rows[string](f, `
SELECT c.relname::text
FROM pg_class c
WHERE c.relnamespace = 'sentinel'::regnamespace
AND c.relispartition
AND has_table_privilege('sentinel_app', c.oid, 'SELECT, INSERT, UPDATE, DELETE')`), "partitions are reached through their table")
	require.False(t, one[bool](f, "SELECT has_schema_privilege('sentinel_app', 'sentinel', 'CREATE')"))
	require.ElementsMatch(t, []string{
		"current_tenant", "drop_decision_logs", "ensure_partitions", "in_system_scope", "inherits_permissions", "is_owner_migrating", "lineage_end",
		"prune_subject_changes", "river_job_state_in_bitmask", "search", "search_among", "search_first", "usable_roles", "uuid_v7", "visible_tenants", "writable_tenants",
	}, rows[string](f, `
SELECT proname::text
FROM pg_proc
WHERE pronamespace = 'sentinel'::regnamespace
AND has_function_privilege('sentinel_app', oid, 'EXECUTE')`))
	require.Empty(t, rows[string](f, `
SELECT proname::text
FROM pg_proc
WHERE pronamespace = 'sentinel'::regnamespace
AND prosecdef
AND NOT EXISTS (SELECT FROM unnest(proconfig) c WHERE c LIKE 'search_path=%pg_temp')`), "SECURITY DEFINER needs a pinned search_path")
}
