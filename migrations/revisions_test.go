package migrations_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// counters of a tenant.
type counters struct{ all, graph int64 }

func (f *fixture) counters(tenant string) counters {
	f.t.Helper()
	var c counters
	err := f.owner.QueryRow(f.t.Context(), "SELECT revision, graph_revision FROM sentinel.policy_revision WHERE tenant_id = $1", tenant).Scan(&c.all, &c.graph)
	require.NoError(f.t, err)
	return c
}

// changed are the subjects recorded at the tenant's newest revision.
func (f *fixture) changed(tenant string) []string {
	f.t.Helper()
	return rows[string](f, `
SELECT user_id::text
FROM sentinel.subject_changes
JOIN sentinel.policy_revision USING (tenant_id, revision)
WHERE tenant_id = $1`, tenant)
}

func TestRevisions_StartWithTheTenant(t *testing.T) {
	f := setup(t)
	require.Equal(t, counters{1, 1}, f.counters(f.tenant("ACME", "", "{}")))
}

func TestRevisions_GraphChangesMoveBoth(t *testing.T) {
	f := setup(t)
	tenant, other := f.tenant("ACME", "", "{}"), f.tenant("OTHER", "", "{}")
	seedEveryTable(f, tenant)
	otherBefore := f.counters(other)
	tables := []string{
		"roles", "groups", "permissions", "role_permissions", "group_roles", "resources",
		"field_definitions", "approval_chains", "policy_revisions",
	}
	// In an order in which nothing cascades.
	slices.Reverse(tables)
	for _, table := range tables {
		for _, statement := range []string{
			insertion(f, table, tenant, idsOf(f, tenant)),
			"UPDATE sentinel." + table + " SET updated_at = now() WHERE tenant_id = '" + tenant + "'",
			"DELETE FROM sentinel." + table + " WHERE tenant_id = '" + tenant + "'",
		} {
			if table == "group_roles" && statement[:6] == "INSERT" || table == "role_permissions" && statement[:6] == "INSERT" {
				continue // the pair is there already
			}
			before := f.counters(tenant)
			f.exec(statement)
			after := f.counters(tenant)
			require.Greater(t, after.graph, before.graph, statement)
			require.Greater(t, after.all, before.all, statement)
			none := "UPDATE sentinel." + table + " SET updated_at = now() WHERE false"
			f.exec(none)
			require.Equal(t, after, f.counters(tenant), none)
		}
	}
	require.Equal(t, otherBefore, f.counters(other))
}

func TestRevisions_OneStatementIsOneStep(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("ACME", "", "{}")
	f.mustAs(tenant, "INSERT INTO sentinel.roles (tenant_id, name) SELECT $1, 'role-' || i FROM generate_series(1, 500) i", tenant)
	require.Equal(t, counters{2, 2}, f.counters(tenant))
}

func TestRevisions_SubjectChangesNameTheUser(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("ACME", "", "{}")
	user, bystander := f.user(tenant), f.user(tenant)
	role, group := f.role(tenant, "r"), f.group(tenant, "g")
	graph := f.counters(tenant).graph
	for _, statement := range []string{
		"INSERT INTO sentinel.user_roles (tenant_id, user_id, role_id, role_tenant_id) VALUES ($1, $2, '" + role + "', $1)",
		"UPDATE sentinel.user_roles SET expires_at = now() + interval '1 day' WHERE tenant_id = $1 AND user_id = $2",
		"DELETE FROM sentinel.user_roles WHERE tenant_id = $1 AND user_id = $2",
		"INSERT INTO sentinel.user_groups (tenant_id, user_id, group_id) VALUES ($1, $2, '" + group + "')",
		"DELETE FROM sentinel.user_groups WHERE tenant_id = $1 AND user_id = $2",
		"UPDATE sentinel.users SET is_active = false WHERE tenant_id = $1 AND id = $2",
		"UPDATE sentinel.users SET locked_until = now() WHERE tenant_id = $1 AND id = $2",
		"UPDATE sentinel.users SET attributes = '{\"a\": 1}' WHERE tenant_id = $1 AND id = $2",
		"UPDATE sentinel.users SET email_verified_at = now() WHERE tenant_id = $1 AND id = $2",
		"UPDATE sentinel.users SET token_epoch = token_epoch + 1 WHERE tenant_id = $1 AND id = $2",
		"UPDATE sentinel.users SET assert_override = '{a}' WHERE tenant_id = $1 AND id = $2",
		"INSERT INTO sentinel.access_requests (tenant_id, requester_id, beneficiary_id, request_type) VALUES ($1, $2, $2, 'role')",
		"UPDATE sentinel.access_requests SET status = 'approved' WHERE tenant_id = $1 AND requester_id = $2",
		"UPDATE sentinel.access_requests SET grant_expires_at = now() WHERE tenant_id = $1 AND requester_id = $2",
		"DELETE FROM sentinel.access_requests WHERE tenant_id = $1 AND requester_id = $2",
		"DELETE FROM sentinel.users WHERE tenant_id = $1 AND id = $2",
	} {
		before := f.counters(tenant)
		f.mustAs(tenant, statement, tenant, user)
		require.Equal(t, counters{before.all + 1, graph}, f.counters(tenant), statement)
		require.Equal(t, []string{user}, f.changed(tenant), statement)
	}
	require.NotContains(t, rows[string](f, `
SELECT user_id::text FROM sentinel.subject_changes WHERE tenant_id = $1 AND revision > 3`, tenant), bystander)
}

func TestRevisions_LoginMovesNothing(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("ACME", "", "{}")
	user := f.user(tenant)
	before := f.counters(tenant)
	f.mustAs(tenant, `
UPDATE sentinel.users
SET login_count = login_count + 1, failed_login_count = 0, last_login = now(), display_name = 'x', preferences = '{"a": 1}',
    password_hash = 'x', mfa_last_step = 5
WHERE tenant_id = $1 AND id = $2`, tenant, user)
	f.mustAs(tenant, "INSERT INTO sentinel.menu_items (tenant_id, name) VALUES ($1, 'x')", tenant)
	f.mustAs(tenant, "INSERT INTO sentinel.policies (tenant_id, path, package, rego) VALUES ($1, 'x', 'tenant.x', 'package tenant.x')", tenant)
	require.Equal(t, before, f.counters(tenant))
}

func TestRevisions_TenantChangesMoveTheirOwn(t *testing.T) {
	f := setup(t)
	parent := f.tenant("ACME", "", "{}")
	sub := f.tenant("ACME-SUB", parent, "{}")
	for _, set := range []string{`settings = '{"conflict_resolution": "most_specific"}'`, "is_active = false", "features = '{ai}'", "time_zone = 'Europe/Paris'"} {
		before, subBefore := f.counters(parent), f.counters(sub)
		f.mustAs(parent, "UPDATE sentinel.tenants SET "+set+" WHERE id = $1", parent)
		require.Equal(t, counters{before.all + 1, before.graph + 1}, f.counters(parent), set)
		require.Equal(t, subBefore, f.counters(sub), set)
	}
	before := f.counters(parent)
	f.mustAs(parent, "UPDATE sentinel.tenants SET metadata = '{\"a\": 1}' WHERE id = $1", parent)
	require.Equal(t, before, f.counters(parent))
}

func TestRevisions_PlatformFieldsMoveThePlatform(t *testing.T) {
	f := setup(t)
	before := f.counters(platform)
	f.exec("INSERT INTO sentinel.field_definitions (entity_type, field_name, field_type) VALUES ('vessel', 'name', 'core')")
	require.Equal(t, counters{before.all + 1, before.graph + 1}, f.counters(platform))
}

func TestRevisions_CommitNotifiesOnce(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("ACME", "", "{}")
	listener := connect(t, f.app.Config().ConnString())
	_, err := listener.Exec(t.Context(), "LISTEN sentinel_revision")
	require.NoError(t, err)

	f.mustAs(tenant, `
WITH r AS (INSERT INTO sentinel.roles (tenant_id, name) VALUES ($1, 'r'))
INSERT INTO sentinel.groups (tenant_id, name) VALUES ($1, 'g')`, tenant)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	n, err := listener.WaitForNotification(ctx)
	require.NoError(t, err)
	require.Equal(t, tenant, n.Payload)

	// What comes next is the next commit's.
	f.mustAs(platform, "INSERT INTO sentinel.groups (tenant_id, name) VALUES ($1, 'g')", platform)
	n, err = listener.WaitForNotification(ctx)
	require.NoError(t, err)
	require.Equal(t, platform, n.Payload)
}

func TestRevisions_RollBackWithTheWrite(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("ACME", "", "{}")
	_, err := f.as(tenant, "INSERT INTO sentinel.roles (tenant_id, name) VALUES ($1, 'r'), ($1, 'r')", tenant)
	require.Error(t, err)
	require.Equal(t, counters{1, 1}, f.counters(tenant))
}

func TestRevisions_CannotBeMovedByTheServer(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("ACME", "", "{}")
	f.forbidden(tenant, "UPDATE sentinel.policy_revision SET revision = 1")
	f.forbidden(tenant, "DELETE FROM sentinel.policy_revision")
	f.forbidden(tenant, "INSERT INTO sentinel.subject_changes (tenant_id, revision, user_id) VALUES ($1, 1, $1)", tenant)
	f.mustAs(tenant, "SELECT FROM sentinel.policy_revision WHERE tenant_id = $1 FOR UPDATE", tenant)
}

func TestPruneSubjectChanges_RemembersUpToWhere(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("ACME", "", "{}")
	f.user(tenant)
	f.user(tenant)
	kept := f.user(tenant)
	f.exec("UPDATE sentinel.subject_changes SET changed_at = now() - interval '1 hour' WHERE user_id <> $1", kept)
	revision := f.counters(tenant).all
	require.Equal(t, []int64{2}, rowsAs[int64](f, "", "SELECT sentinel.prune_subject_changes('10 minutes')"))
	// Read in the same transaction, rolled back with it; so again, to stay.
	f.mustAs("", "SELECT sentinel.prune_subject_changes('10 minutes')")
	require.Equal(t, revision-1, one[int64](f, "SELECT subject_floor FROM sentinel.policy_revision WHERE tenant_id = $1", tenant))
	require.Equal(t, []string{kept}, rows[string](f, "SELECT user_id::text FROM sentinel.subject_changes WHERE tenant_id = $1", tenant))
}

func TestTenantDeletion_TakesItsRowsAndKeepsTheRecords(t *testing.T) {
	f := setup(t)
	tenant, other := f.tenant("ACME", "", "{}"), f.tenant("OTHER", "", "{}")
	seedEveryTable(f, tenant, other)
	f.exec("DELETE FROM sentinel.tenants WHERE id = $1", tenant)
	for _, table := range tenantTables(f) {
		count := one[int](f, "SELECT count(*)::int FROM sentinel."+table+" WHERE tenant_id = $1", tenant)
		switch table {
		case "audit_logs", "audit_heads", "decision_logs", "subject_changes":
			require.NotZero(t, count, table)
		default:
			require.Zero(t, count, table)
		}
	}
}
