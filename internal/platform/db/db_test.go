package db_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// note is a table of these tests, with a tenant like all of them.
type note struct {
	ID       int64 `gorm:"primaryKey"`
	TenantID uuid.UUID
	Body     string
	At       *time.Time
}

func (note) TableName() string { return "sentinel.notes" }

const schema = `
CREATE TABLE sentinel.notes (
	id bigint CONSTRAINT notes_pk PRIMARY KEY,
	tenant_id uuid NOT NULL DEFAULT NULLIF(current_setting('sentinel.tenant_id', true), '')::uuid,
	body text NOT NULL CONSTRAINT notes_body_short CHECK (length(body) < 20),
	at timestamptz,
	CONSTRAINT notes_body_once UNIQUE (tenant_id, body) DEFERRABLE INITIALLY DEFERRED
);
ALTER TABLE sentinel.notes ENABLE ROW LEVEL SECURITY;
ALTER TABLE sentinel.notes FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON sentinel.notes USING (
	tenant_id = NULLIF(current_setting('sentinel.tenant_id', true), '')::uuid
	OR current_setting('sentinel.scope', true) = 'system');
GRANT USAGE ON SCHEMA sentinel TO sentinel_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON sentinel.notes TO sentinel_app;`

func setup(t *testing.T) (context.Context, *dbtest.Database) {
	t.Helper()
	d := dbtest.New(t)
	d.Exec(t, schema)
	return identity.WithTenant(t.Context(), uuid.New()), d
}

// open gives the test a pool of its own.
func open(t *testing.T, url string, conns int32, timeout time.Duration) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), db.Config{URL: url, MaxConns: conns, ConnectTimeout: timeout})
	require.NoError(t, err)
	t.Cleanup(d.Close)
	return d
}

func count(t *testing.T, ctx context.Context, d *db.DB) int64 {
	t.Helper()
	var n int64
	require.NoError(t, d.InReadTx(ctx, func(tx *db.Tx) error {
		return tx.Model(&note{}).Count(&n).Error
	}))
	return n
}

func TestOpen_RefusesMalformedURL(t *testing.T) {
	_, err := db.Open(t.Context(), db.Config{URL: "postgres://%zz"})
	require.Error(t, err)
	require.False(t, fault.Is(err, fault.Unavailable))
}

func TestUnconnected_IsOpenAndFailsAtEveryUse(t *testing.T) {
	t.Parallel()
	d, err := db.Unconnected(t.Context())
	require.NoError(t, err)
	defer d.Close()
	require.True(t, fault.Is(d.Ping(t.Context()), fault.Unavailable))
}

func TestOpen_UnavailableWithoutServer(t *testing.T) {
	_, err := db.Open(t.Context(), db.Config{
		URL: "postgres://a@/b?host=" + t.TempDir(), ConnectTimeout: time.Second,
	})
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
}

func TestPing_Answers(t *testing.T) {
	_, d := setup(t)
	require.NoError(t, d.DB.Ping(t.Context()))
	require.NoError(t, d.DB.Pool().Ping(t.Context()))
}

func TestDB_ReadsTimesAsUTC(t *testing.T) {
	ctx, d := setup(t)
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.FixedZone("x", 3600))
	require.NoError(t, d.DB.InTx(ctx, func(tx *db.Tx) error {
		require.NoError(t, tx.Create(&note{ID: 1, TenantID: mustTenant(ctx), Body: "a", At: &at}).Error)
		var viaGORM note
		require.NoError(t, tx.First(&viaGORM).Error)
		require.Equal(t, at.UTC(), *viaGORM.At)
		var viaPgx time.Time
		require.NoError(t, tx.Pgx.QueryRow(ctx, `SELECT at FROM sentinel.notes`).Scan(&viaPgx))
		require.Equal(t, at.UTC(), viaPgx)
		require.Equal(t, time.UTC, tx.NowFunc().Location())
		return nil
	}))
}

func mustTenant(ctx context.Context) uuid.UUID {
	id, _ := identity.TenantFrom(ctx)
	return id
}

func TestEnsureAppLogin_IsIdempotentAndQuotes(t *testing.T) {
	d := dbtest.NewCluster(t)
	for _, password := range []string{`it's "a" \ $$ secret`, ""} {
		require.NoError(t, db.EnsureAppLogin(t.Context(), d.OwnerURL, password))
		require.NoError(t, db.EnsureAppLogin(t.Context(), d.OwnerURL, password))
		conn, err := pgx.Connect(t.Context(), d.OwnerURL)
		require.NoError(t, err)
		var has bool
		require.NoError(t, conn.QueryRow(t.Context(),
			`SELECT rolpassword IS NOT NULL FROM pg_authid WHERE rolname = 'sentinel_app'`).Scan(&has))
		require.Equal(t, password != "", has)
		require.NoError(t, conn.Close(t.Context()))
	}
}

func TestEnsureAppLogin_Fails(t *testing.T) {
	d := dbtest.NewCluster(t)
	require.Error(t, db.EnsureAppLogin(t.Context(), "postgres://a@/b?host="+t.TempDir(), ""), "no server")
	require.Error(t, db.EnsureAppLogin(t.Context(), d.URL, ""), "no right to")
	d.Exec(t, `ALTER ROLE sentinel_app RENAME TO somebody`)
	require.ErrorContains(t, db.EnsureAppLogin(t.Context(), d.OwnerURL, ""), "run the migrations first")
}
