package db_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

func TestTx_ActsAndWidensOnlyForAsLongAsItSays(t *testing.T) {
	t.Parallel()
	database := dbtest.New(t)
	own, other := uuid.New(), uuid.New()
	for _, id := range []uuid.UUID{own, other} {
		database.Exec(t, `INSERT INTO sentinel.tenants (id, name, code, type) VALUES ($1, 'T', $2, 'root')`, id, strings.ToUpper(id.String()[:8]))
		database.Exec(t, `INSERT INTO sentinel.groups (tenant_id, name) VALUES ($1, 'g')`, id)
	}
	seen := func(tx *db.Tx) (tenants []uuid.UUID) {
		require.NoError(t, tx.Raw("SELECT DISTINCT tenant_id FROM sentinel.groups").Scan(&tenants).Error)
		return tenants
	}
	err := database.DB.InTx(identity.WithTenant(t.Context(), own), func(tx *db.Tx) error {
		require.Equal(t, []uuid.UUID{own}, seen(tx))
		require.NoError(t, tx.Act(other))
		require.Equal(t, []uuid.UUID{other}, seen(tx))
		require.NoError(t, tx.Act(own))
		require.NoError(t, tx.Widened(db.SnapshotGraph, func() error {
			require.ElementsMatch(t, []uuid.UUID{own, other}, seen(tx))
			return nil
		}))
		require.Equal(t, []uuid.UUID{own}, seen(tx))
		var found []uuid.UUID
		require.NoError(t, tx.Raw("SELECT tenant_id FROM sentinel.groups WHERE tenant_id = ANY(CAST(? AS uuid[]))", db.UUIDs{own, other}).Scan(&found).Error)
		require.Equal(t, []uuid.UUID{own}, found, "UUIDs is one array parameter")
		require.ErrorIs(t, tx.Widened("because", func() error { return nil }), db.ErrUnknownReason)
		failed := errors.New("failed")
		require.ErrorIs(t, tx.Widened(db.SnapshotGraph, func() error { return failed }), failed)
		require.Equal(t, []uuid.UUID{own}, seen(tx), "narrowed after an error as well")
		return nil
	})
	require.NoError(t, err)
}
