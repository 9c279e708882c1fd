package migrations_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const auditRow = `
INSERT INTO sentinel.audit_logs (tenant_id, created_at, actor_type, action, resource_type, result, seq, hash)
VALUES ($1, $2, 'system', 'create', 'user', 'success', $3, $4)`

func TestAuditLogs_AreAppendOnly(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("ACME", "", "{}")
	f.mustAs(tenant, "INSERT INTO sentinel.audit_logs (tenant_id, actor_type, action, resource_type, result, seq, hash) VALUES ($1, 'system', 'create', 'user', 'success', 1, 'x')", tenant)
	for _, statement := range []string{
		"UPDATE sentinel.audit_logs SET action = 'x'",
		"DELETE FROM sentinel.audit_logs",
		"TRUNCATE sentinel.audit_logs",
		"UPDATE sentinel.decision_logs SET allowed = true",
		"DELETE FROM sentinel.decision_logs",
		"DELETE FROM sentinel.audit_heads",
		"UPDATE sentinel.audit_heads SET anchor_seq = 1",
		"SELECT sentinel.drop_audit_logs('2100-01-01')",
	} {
		f.forbidden(tenant, statement)
	}
	// Not the owner either.
	_, err := f.owner.Exec(t.Context(), "DELETE FROM sentinel.audit_logs")
	require.ErrorContains(t, err, "append-only")
	_, err = f.owner.Exec(t.Context(), "UPDATE sentinel.audit_logs SET action = 'x'")
	require.ErrorContains(t, err, "append-only")
}

func TestPartitions_AreMadeAheadAndProtected(t *testing.T) {
	f := setup(t)
	partitions := func(parent string) []string {
		return rows[string](f, `
SELECT c.relname::text
FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = ('sentinel.' || $1)::regclass
AND c.relrowsecurity
AND c.relforcerowsecurity
ORDER BY c.relname`, parent)
	}
	require.Len(t, partitions("decision_logs"), 9, "today, seven days ahead, and the default")
	f.mustAs("", "SELECT sentinel.ensure_partitions(40)")
	f.mustAs("", "SELECT sentinel.ensure_partitions(40)")
	require.Len(t, partitions("decision_logs"), 42)
	require.GreaterOrEqual(t, len(partitions("audit_logs")), 3)

	// A day whose rows arrived before its partition keeps them where they are.
	tenant := f.tenant("ACME", "", "{}")
	f.mustAs(tenant, `
INSERT INTO sentinel.decision_logs (tenant_id, decided_at, question, answer, allowed, reason_code)
VALUES ($1, now() + interval '41 days', '{}', '{}', false, 'not_evaluated')`, tenant)
	f.mustAs("", "SELECT sentinel.ensure_partitions(41)")
	require.Equal(t, []int{1}, rowsAs[int](f, tenant, "SELECT count(*)::int FROM sentinel.decision_logs"))
	require.Len(t, partitions("decision_logs"), 42)
}

func TestDropDecisionLogs_DropsWholeDays(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("ACME", "", "{}")
	for _, at := range []string{"now()", "now() - interval '9 days'"} { // the latter lands in the default partition
		f.mustAs(tenant, `
INSERT INTO sentinel.decision_logs (tenant_id, decided_at, question, answer, allowed, reason_code)
VALUES ($1, `+at+`, '{}', '{}', false, 'granted')`, tenant)
	}
	f.mustAs("", "SELECT sentinel.drop_decision_logs((now() AT TIME ZONE 'UTC')::date)")
	require.Equal(t, []int{1}, rowsAs[int](f, tenant, "SELECT count(*)::int FROM sentinel.decision_logs"))
	f.mustAs("", "SELECT sentinel.drop_decision_logs((now() AT TIME ZONE 'UTC')::date + 2)")
	require.Equal(t, []int{0}, rowsAs[int](f, tenant, "SELECT count(*)::int FROM sentinel.decision_logs"))
}

func TestDropAuditLogs_LeavesAnAnchor(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("ACME", "", "{}")
	f.exec("CALL sentinel.add_partition('audit_logs', '2024-01-01', '2024-02-01')")
	f.exec("CALL sentinel.add_partition('audit_logs', '2024-02-01', '2024-03-01')")
	f.mustAs(tenant, auditRow, tenant, "2024-01-10 00:00:00+00", 1, "one")
	f.mustAs(tenant, auditRow, tenant, "2024-01-11 00:00:00+00", 2, "two")
	f.mustAs(tenant, auditRow, tenant, "2024-02-10 00:00:00+00", 3, "three")
	f.mustAs(tenant, "INSERT INTO sentinel.audit_heads (tenant_id, seq, hash) VALUES ($1, 3, 'three')", tenant)

	require.Equal(t, 1, one[int](f, "SELECT sentinel.drop_audit_logs('2024-02-20')"))
	require.Equal(t, []int64{3}, rowsAs[int64](f, tenant, "SELECT seq FROM sentinel.audit_logs"))
	require.Equal(t, []string{"2 two 3"}, rowsAs[string](f, tenant,
		"SELECT anchor_seq || ' ' || convert_from(anchor_hash, 'UTF8') || ' ' || seq FROM sentinel.audit_heads"))
}
