package dbtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
)

func TestMain(m *testing.M) { Main(m) }

func count(t *testing.T, url, sql string, args ...any) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	require.NoError(t, conn.QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}

func TestNew_GivesEachTestItsOwnDatabase(t *testing.T) {
	for i := range 3 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			d := New(t)
			d.Exec(t, `CREATE TABLE mine (n int)`)
			ctx := identity.WithTenant(t.Context(), uuid.New())
			require.NoError(t, d.DB.InTx(ctx, func(tx *db.Tx) error {
				var role string
				var super bool
				err := tx.Pgx.QueryRow(ctx,
					`SELECT rolname::text, rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user`).Scan(&role, &super)
				require.Equal(t, "sentinel_app", role)
				require.False(t, super)
				return err
			}))
			require.Equal(t, 1, count(t, d.OwnerURL, `SELECT count(*) FROM pg_namespace WHERE nspname = 'sentinel'`), "migrated")
		})
	}
}

func TestNew_DropsTheDatabase(t *testing.T) {
	var url string
	t.Run("user", func(t *testing.T) { url = New(t).OwnerURL })
	_, err := pgx.Connect(t.Context(), url)
	require.ErrorContains(t, err, "does not exist")
}

func TestFilled_IsFilledOnceAndCopied(t *testing.T) {
	var f Filled
	fills := 0
	for i := range 3 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			d := f.New(t, func(d *Database) {
				fills++
				d.Exec(t, `CREATE TABLE filled (n int)`)
				d.Exec(t, `INSERT INTO filled VALUES (7)`)
			})
			require.NoError(t, d.DB.Ping(t.Context()))
			require.Equal(t, 1, count(t, d.OwnerURL, `SELECT count(*) FROM filled`), "nothing of the other copies")
			d.Exec(t, `INSERT INTO filled VALUES (8)`)
		})
	}
	require.Equal(t, 1, fills)
}

func TestNewCluster_StopsAndStarts(t *testing.T) {
	d := NewCluster(t)
	d.Stop(t)
	require.Error(t, d.DB.Ping(t.Context()))
	d.Start(t)
	require.NoError(t, d.DB.Ping(t.Context()))
}

func TestStartServer_SharesAnExternalOne(t *testing.T) {
	external, err := startCluster(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, external.remove()) }()

	// Two processes at once, and a third after them.
	servers := make(chan *server, 2)
	for range 2 {
		go func() {
			s, err := startServer(context.WithoutCancel(t.Context()), external.OwnerURL())
			if err != nil {
				t.Error(err)
			}
			servers <- s
		}()
	}
	first, second := <-servers, <-servers
	require.NotNil(t, first)
	require.NotNil(t, second)
	third, err := startServer(t.Context(), external.OwnerURL())
	require.NoError(t, err)
	for _, s := range []*server{first, second, third} {
		require.Nil(t, s.cluster)
		name, err := s.create(t.Context(), s.template)
		require.NoError(t, err)
		require.Contains(t, s.appURL(name), "sentinel_app:"+first.password+"@", "one role, one password")
		require.Equal(t, 1, count(t, s.appURL(name), `SELECT 1`))
		require.NoError(t, s.drop(t.Context(), name))
		require.NoError(t, s.close())
	}
	require.Zero(t, count(t, external.OwnerURL(), `SELECT count(*) FROM pg_database WHERE datname LIKE 'sentinel\_test%'`))
}

func TestStartServer_SaysWhatIsWrongWithTheURL(t *testing.T) {
	_, err := startServer(t.Context(), "postgres://%zz")
	require.ErrorContains(t, err, "TEST_DATABASE_URL is not a URL")
	_, err = startServer(t.Context(), "postgres://a@/b?host="+t.TempDir())
	require.ErrorContains(t, err, "connect")
}

func TestProcess_NeedsMain(t *testing.T) {
	var p process
	_, err := p.get(t.Context())
	require.ErrorContains(t, err, "TestMain")
	require.NoError(t, p.close())
}

func TestSweep_RemovesWhatNobodyHolds(t *testing.T) {
	parent := t.TempDir()
	later := time.Now().Add(time.Hour)
	for _, name := range []string{folderPrefix + "dead", "other"} {
		require.NoError(t, os.MkdirAll(filepath.Join(parent, name, "postgres"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(parent, name, "lock"), nil, 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(parent, folderPrefix+"new"), 0o700))
	sweep(parent, time.Now())
	require.DirExists(t, filepath.Join(parent, folderPrefix+"dead"), "too young")
	sweep(parent, later)
	require.NoDirExists(t, filepath.Join(parent, folderPrefix+"dead"))
	require.DirExists(t, filepath.Join(parent, folderPrefix+"new"), "without a lock yet")
	require.DirExists(t, filepath.Join(parent, "other"))

	// Below a parent of its own: other processes may have stopped theirs.
	require.NoError(t, os.Chmod(filepath.Dir(parent), 0o755)) //nolint:gosec // the server's user passes
	t.Setenv("TMPDIR", parent)
	held, err := startCluster(t.Context())
	require.NoError(t, err)
	sweep(parent, later)
	require.DirExists(t, held.dir)
	require.NoError(t, held.remove())
	require.NoDirExists(t, held.dir)
}
