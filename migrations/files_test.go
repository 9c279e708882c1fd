package migrations_test

import (
	"context"
	"io/fs"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/migrations"
)

func TestFiles_AllGoDown(t *testing.T) {
	names, err := fs.Glob(migrations.FS, "*.sql")
	require.NoError(t, err)
	for _, name := range names {
		data, err := fs.ReadFile(migrations.FS, name)
		require.NoError(t, err)
		_, down, ok := strings.Cut(string(data), "-- +goose Down")
		require.True(t, ok, name)
		require.NotEmpty(t, strings.TrimSpace(down), name)
	}
}

// upPart returns the statements of a migration.
func upPart(t *testing.T, name string) string {
	t.Helper()
	data, err := fs.ReadFile(migrations.FS, name)
	require.NoError(t, err)
	up, _, _ := strings.Cut(string(data), "-- +goose Down")
	return "BEGIN;" + up + "COMMIT;"
}

// downPart returns the statements that revert a migration.
func downPart(t *testing.T, name string) string {
	t.Helper()
	data, err := fs.ReadFile(migrations.FS, name)
	require.NoError(t, err)
	_, down, _ := strings.Cut(string(data), "-- +goose Down")
	return "BEGIN;" + down + "COMMIT;"
}

func connectAfterTest(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}
