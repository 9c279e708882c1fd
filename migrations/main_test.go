package migrations_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

const platform = "00000000-0000-0000-0000-000000000000"

// fixture is a migrated database, with a connection that no policy binds and
// one of the server's role.
type fixture struct {
	t     *testing.T
	owner *pgx.Conn
	app   *pgx.Conn
}

func setup(t *testing.T) *fixture {
	t.Helper()
	d := dbtest.New(t)
	f := &fixture{t: t, owner: connect(t, d.OwnerURL), app: connect(t, d.URL)}
	f.exec("SELECT set_config('sentinel.scope', 'system', false)")
	return f
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// exec runs a statement that must succeed, unbound by policies.
func (f *fixture) exec(sql string, args ...any) {
	f.t.Helper()
	_, err := f.owner.Exec(f.t.Context(), sql, args...)
	require.NoError(f.t, err, sql)
}

// as runs a statement as the server in a tenant ("" for none), commits it and
// returns how many rows it touched.
func (f *fixture) as(tenant, sql string, args ...any) (int64, error) {
	f.t.Helper()
	ctx := f.t.Context()
	tx, err := f.app.Begin(ctx)
	require.NoError(f.t, err)
	defer func() { _ = tx.Rollback(context.Background()) }()
	_, err = tx.Exec(ctx, "SELECT set_config('sentinel.tenant_id', $1, true)", tenant)
	require.NoError(f.t, err)
	tag, err := tx.Exec(ctx, sql, args...)
	if err != nil {
		return 0, err
	}
	return tag.RowsAffected(), tx.Commit(ctx)
}

// mustAs is [fixture.as] for what must succeed.
func (f *fixture) mustAs(tenant, sql string, args ...any) {
	f.t.Helper()
	_, err := f.as(tenant, sql, args...)
	require.NoError(f.t, err, sql)
}

// refused asserts that the server's statement breaks a constraint.
func (f *fixture) refused(constraint, tenant, sql string, args ...any) {
	f.t.Helper()
	_, err := f.as(tenant, sql, args...)
	var pgErr *pgconn.PgError
	require.ErrorAs(f.t, err, &pgErr, sql)
	require.Equal(f.t, constraint, pgErr.ConstraintName, pgErr.Message)
}

// forbidden asserts that the server's statement lacks a privilege or a policy.
func (f *fixture) forbidden(tenant, sql string, args ...any) {
	f.t.Helper()
	_, err := f.as(tenant, sql, args...)
	var pgErr *pgconn.PgError
	require.ErrorAs(f.t, err, &pgErr, sql)
	require.Equal(f.t, "42501", pgErr.Code, pgErr.Message)
}

// rows collects a query of one column, unbound by policies.
func rows[T any](f *fixture, sql string, args ...any) []T {
	f.t.Helper()
	r, err := f.owner.Query(f.t.Context(), sql, args...)
	require.NoError(f.t, err, sql)
	out, err := pgx.CollectRows(r, pgx.RowTo[T])
	require.NoError(f.t, err, sql)
	return out
}

// one returns the only value of a query, unbound by policies.
func one[T any](f *fixture, sql string, args ...any) T {
	f.t.Helper()
	out := rows[T](f, sql, args...)
	require.Len(f.t, out, 1, sql)
	return out[0]
}

// rowsAs collects a query of one column as the server in a tenant.
func rowsAs[T any](f *fixture, tenant, sql string, args ...any) []T {
	f.t.Helper()
	ctx := f.t.Context()
	tx, err := f.app.Begin(ctx)
	require.NoError(f.t, err)
	defer func() { _ = tx.Rollback(context.Background()) }()
	_, err = tx.Exec(ctx, "SELECT set_config('sentinel.tenant_id', $1, true)", tenant)
	require.NoError(f.t, err)
	r, err := tx.Query(ctx, sql, args...)
	require.NoError(f.t, err, sql)
	out, err := pgx.CollectRows(r, pgx.RowTo[T])
	require.NoError(f.t, err, sql)
	return out
}

// tenant makes one and returns its id. parent is "" for a root.
func (f *fixture) tenant(code, parent, settings string) string {
	f.t.Helper()
	if parent == "" {
		return one[string](f, "INSERT INTO sentinel.tenants (name, code, settings) VALUES ($1, $1, $2) RETURNING id::text", code, settings)
	}
	return one[string](f, "INSERT INTO sentinel.tenants (name, code, type, parent_tenant_id, settings) VALUES ($1, $1, 'sub_tenant', $2, $3) RETURNING id::text",
		code, parent, settings)
}

func (f *fixture) user(tenant string) string {
	f.t.Helper()
	return one[string](f, "INSERT INTO sentinel.users (tenant_id, email) VALUES ($1, $2) RETURNING id::text", tenant, uuid.NewString()+"@example.com")
}

func (f *fixture) role(tenant, name string) string {
	f.t.Helper()
	return one[string](f, "INSERT INTO sentinel.roles (tenant_id, name) VALUES ($1, $2) RETURNING id::text", tenant, name)
}

func (f *fixture) group(tenant, name string) string {
	f.t.Helper()
	return one[string](f, "INSERT INTO sentinel.groups (tenant_id, name) VALUES ($1, $2) RETURNING id::text", tenant, name)
}
