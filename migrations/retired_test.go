package migrations_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

func TestRetired_GoWithTheirTenant(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("GONE", "", "{}")
	f.mustAs(tenant, "DELETE FROM sentinel.users WHERE id = $1", f.user(tenant))
	f.user(tenant)
	require.Equal(t, 1, one[int](f, "SELECT count(*)::int FROM sentinel.retired_identifiers WHERE tenant_id = $1", tenant))
	f.exec("DELETE FROM sentinel.tenants WHERE id = $1", tenant)
	require.Zero(t, one[int](f, "SELECT count(*)::int FROM sentinel.retired_identifiers WHERE tenant_id = $1", tenant))
	require.Zero(t, one[int](f, "SELECT count(*)::int FROM sentinel.identifier_keys WHERE tenant_id = $1", tenant))
}

// TestRetired_InARace: whoever waits for an identifier that is being given up
// does not get it.
func TestRetired_InARace(t *testing.T) {
	f := setup(t)
	ctx := t.Context()
	tenant := f.tenant("RACE", "", "{}")
	id := f.user(tenant)
	f.exec("UPDATE sentinel.users SET email = 'old@example.com' WHERE id = $1", id)
	other := f.user(tenant)
	for _, sql := range []string{
		"INSERT INTO sentinel.users (tenant_id, email) VALUES ('" + tenant + "', 'old@example.com')",
		"UPDATE sentinel.users SET email = 'old@example.com' WHERE id = '" + other + "'",
	} {
		f.exec("UPDATE sentinel.users SET email = 'old@example.com' WHERE id = $1", id)
		f.exec("DELETE FROM sentinel.retired_identifiers WHERE tenant_id = $1", tenant)
		f.exec("BEGIN")
		f.exec("UPDATE sentinel.users SET email = 'new@example.com' WHERE id = $1", id)
		outcome := make(chan error, 1)
		go func() {
			_, err := f.as(tenant, sql)
			outcome <- err
		}()
		require.Eventually(t, func() bool {
			var waiting bool
			require.NoError(t, f.owner.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid')").Scan(&waiting))
			return waiting
		}, 20*time.Second, 10*time.Millisecond)
		f.exec("COMMIT")
		var pgErr *pgconn.PgError
		require.ErrorAs(t, <-outcome, &pgErr, sql)
		require.Equal(t, "users_email_retired", pgErr.ConstraintName)
	}
}
