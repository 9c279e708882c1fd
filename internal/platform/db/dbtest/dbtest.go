// Package dbtest gives tests databases of a real PostgreSQL: fresh, migrated,
// one for each caller, gone afterwards. A package that uses it has
//
//	func TestMain(m *testing.M) { dbtest.Main(m) }
//
// The server is started on first need, one for each test process, and ends with
// it, however it ends. With TEST_DATABASE_URL, the URL of a superuser, that
// server is used instead; it may be shared by many processes.
package dbtest

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/embedded"
)

const (
	// maxConns keeps a dozen parallel tests below the server's 100 connections.
	maxConns = 8
	// finishTimeout bounds the clean-up, which runs when the test's own context
	// has ended.
	finishTimeout = 30 * time.Second
)

// Database is a migrated database of one test.
type Database struct {
	// URL connects as sentinel_app, which row-level security binds.
	URL string
	// OwnerURL connects as the superuser, for what a test arranges or looks at
	// behind the server's back.
	OwnerURL string
	// DB is open on URL until the test ends.
	DB *db.DB

	cluster *embedded.Server // of NewCluster only
}

// Main runs the tests of a package, stops the server and exits.
func Main(m *testing.M) {
	shared.allow()
	code := m.Run()
	if err := shared.close(); err != nil {
		fmt.Fprintln(os.Stderr, "dbtest:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// New returns a fresh database on the server of this process. Parallel tests
// may each have their own.
func New(t testing.TB) *Database {
	t.Helper()
	s, err := shared.get(t.Context())
	require.NoError(t, err, "start the test server")
	return s.copy(t, s.template)
}

// copy returns a copy of a database, which is dropped when the test ends.
func (s *server) copy(t testing.TB, of string) *Database {
	t.Helper()
	name, err := s.create(t.Context(), of)
	require.NoError(t, err, "create the test database")
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), finishTimeout)
		defer cancel()
		require.NoError(t, s.drop(ctx, name), "drop the test database")
	})
	return open(t, s.appURL(name), s.ownerURL(name))
}

// NewCluster returns a database on a server of its own, which the test may stop
// and start. It costs one to two seconds: use it for nothing else.
func NewCluster(t testing.TB) *Database {
	t.Helper()
	server, err := startCluster(t.Context())
	require.NoError(t, err, "start a server")
	t.Cleanup(func() { require.NoError(t, server.remove()) })
	require.NoError(t, migrate(t.Context(), server.OwnerURL(), ""))
	d := open(t, server.AppURL(), server.OwnerURL())
	d.cluster = server.Server
	return d
}

func open(t testing.TB, url, ownerURL string) *Database {
	t.Helper()
	conn, err := db.Open(t.Context(), db.Config{URL: url, MaxConns: maxConns})
	require.NoError(t, err, "open the test database")
	t.Cleanup(conn.Close)
	return &Database{URL: url, OwnerURL: ownerURL, DB: conn}
}

// Stop ends the server of a [NewCluster], as an outage.
func (d *Database) Stop(t testing.TB) {
	t.Helper()
	require.NotNil(t, d.cluster, "only a database of NewCluster can be stopped")
	require.NoError(t, d.cluster.Stop())
}

// Start brings the server of a [NewCluster] back, on the same URLs.
func (d *Database) Start(t testing.TB) {
	t.Helper()
	require.NotNil(t, d.cluster, "only a database of NewCluster can be started")
	require.NoError(t, d.cluster.Restart(t.Context()))
}

// Exec runs SQL as the superuser, whom no row-level security binds.
func (d *Database) Exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.OwnerURL)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	_, err = conn.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}
