package migrations_test

import (
	"net/url"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/migrations"
)

func TestUpDownUp_OnData(t *testing.T) {
	d := dbtest.New(t)
	f := &fixture{t: t, owner: connect(t, d.OwnerURL)}
	f.exec("SELECT set_config('sentinel.scope', 'system', false)")
	tenant := f.tenant("ACME", "", "{}")
	seedEveryTable(f, tenant, f.tenant("ACME-SUB", tenant, "{}"))

	require.NoError(t, migrations.Down(t.Context(), d.OwnerURL))
	require.Zero(t, one[int](f, "SELECT count(*)::int FROM pg_namespace WHERE nspname = 'sentinel'"))
	states, err := migrations.Status(t.Context(), d.OwnerURL)
	require.NoError(t, err)
	require.NotEmpty(t, states)
	for _, s := range states {
		require.Nil(t, s.AppliedAt, s.Name)
	}

	require.NoError(t, migrations.Up(t.Context(), d.OwnerURL))
	require.NoError(t, migrations.Up(t.Context(), d.OwnerURL), "nothing pending")
	states, err = migrations.Status(t.Context(), d.OwnerURL)
	require.NoError(t, err)
	for i, s := range states {
		require.NotNil(t, s.AppliedAt, s.Name)
		require.True(t, i == 0 || s.Version > states[i-1].Version, s.Name)
	}
	require.Equal(t, 7, one[int](f, "SELECT count(*)::int FROM sentinel.roles WHERE type = 'system'"))
}

// Outside of tests the owner is rarely a superuser, so that forced row-level
// security binds it, its triggers included.
func TestUp_AsOwnerWithoutSuperuser(t *testing.T) {
	d := dbtest.New(t)
	admin := &fixture{t: t, owner: connect(t, d.OwnerURL)}
	name := "owner_" + uuid.NewString()[:8]
	admin.exec("CREATE ROLE " + name + " LOGIN PASSWORD 'secret' NOSUPERUSER NOBYPASSRLS")
	admin.exec("CREATE DATABASE " + name + " OWNER " + name)
	ownerURL := withUser(t, d.OwnerURL, name, "secret", name)
	t.Cleanup(func() {
		admin := &fixture{t: t, owner: connectAfterTest(t, d.OwnerURL)}
		_, err := admin.owner.Exec(t.Context(), "DROP DATABASE "+name+" WITH (FORCE)")
		if err == nil {
			_, _ = admin.owner.Exec(t.Context(), "DROP ROLE "+name)
		}
	})
	require.NoError(t, migrations.Up(t.Context(), ownerURL))

	f := &fixture{t: t, owner: connect(t, ownerURL)}
	require.Empty(t, rows[string](f, "SELECT code FROM sentinel.tenants"), "the owner forgot its scope")
	f.exec("SELECT set_config('sentinel.scope', 'system', false)")
	tenant := f.tenant("ACME", "", `{"inherit_permissions": true}`)
	sub := f.tenant("ACME-SUB", tenant, `{"inherit_permissions": true}`)
	seedEveryTable(f, tenant, sub)
	role := f.role(tenant, "inherited")
	user := f.user(sub)
	f.exec("INSERT INTO sentinel.user_roles (tenant_id, user_id, role_id, role_tenant_id) VALUES ($1, $2, $3, $4)", sub, user, role, tenant)
	require.Contains(t, rows[string](f, "SELECT user_id::text FROM sentinel.subject_changes WHERE tenant_id = $1", sub), user)
	f.exec("SELECT sentinel.ensure_partitions(10)")
	require.NoError(t, migrations.Down(t.Context(), ownerURL))
}

func TestUp_SaysWhatIsWrong(t *testing.T) {
	require.ErrorContains(t, migrations.Up(t.Context(), "postgres://[bad"), "parse the owner's database URL")
	require.ErrorContains(t, migrations.Up(t.Context(), "postgres:///x?host=/nonexistent"), "connect to the database as its owner")

	d := dbtest.New(t)
	err := migrations.Down(t.Context(), d.URL)
	require.ErrorContains(t, err, "migrations")
}

func withUser(t *testing.T, raw, user, password, database string) string {
	t.Helper()
	config, err := pgx.ParseConfig(raw)
	require.NoError(t, err)
	u, err := url.Parse(raw)
	require.NoError(t, err)
	u.User = url.UserPassword(user, password)
	u.Path = "/" + database
	q := u.Query()
	q.Set("host", config.Host)
	u.RawQuery = q.Encode()
	return u.String()
}

func withDatabase(t *testing.T, raw, database string) string {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	u.Path = "/" + database
	return u.String()
}

func TestSystemData_CanBeRepeated(t *testing.T) {
	f := setup(t)
	count := func() []int {
		return rows[int](f, `
SELECT count(*)::int FROM sentinel.roles
UNION ALL SELECT count(*)::int FROM sentinel.permissions
UNION ALL SELECT count(*)::int FROM sentinel.role_permissions`)
	}
	before := count()
	up := upPart(t, "00011_system_data.sql")
	f.exec(up)
	require.Equal(t, before, count())
	require.Equal(t, []string{"api/*", "*/*"}, rows[string](f, `
SELECT p.resource_path
FROM sentinel.permissions p
JOIN sentinel.role_permissions rp ON rp.permission_id = p.id
JOIN sentinel.roles r ON r.id = rp.role_id
WHERE r.name = 'tenant_admin'
ORDER BY p.id`))
	require.Equal(t, before[1], before[2], "every permission belongs to one role")
}
