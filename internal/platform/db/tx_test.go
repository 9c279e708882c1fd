package db_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

var errStop = errors.New("stop")

// writeBoth inserts one row through GORM and two through pgx, and checks that
// each sees the other's.
func writeBoth(t *testing.T, ctx context.Context, tx *db.Tx) {
	t.Helper()
	require.NoError(t, tx.Create(&note{ID: 1, TenantID: mustTenant(ctx), Body: "gorm"}).Error)
	var body string
	require.NoError(t, tx.Pgx.QueryRow(ctx, `SELECT body FROM sentinel.notes WHERE id = $1`, 1).Scan(&body))
	require.Equal(t, "gorm", body)

	_, err := tx.Pgx.Exec(ctx, `INSERT INTO sentinel.notes (id, body) VALUES ($1, $2)`, 2, "pgx")
	require.NoError(t, err)
	batch := &pgx.Batch{}
	batch.Queue(`INSERT INTO sentinel.notes (id, body) VALUES ($1, $2)`, 3, "batch")
	require.NoError(t, tx.Pgx.SendBatch(ctx, batch).Close())
	var all []note
	require.NoError(t, tx.Order("id").Find(&all).Error)
	require.Len(t, all, 3)

	var viaGORM, viaPgx int64
	require.NoError(t, tx.Raw(`SELECT txid_current()`).Scan(&viaGORM).Error)
	require.NoError(t, tx.Pgx.QueryRow(ctx, `SELECT txid_current()`).Scan(&viaPgx))
	require.Equal(t, viaGORM, viaPgx)
}

func TestInTx_CommitsGORMAndPgxTogether(t *testing.T) {
	t.Parallel()
	ctx, d := setup(t)
	require.NoError(t, d.DB.InTx(ctx, func(tx *db.Tx) error {
		writeBoth(t, ctx, tx)
		return nil
	}))
	require.EqualValues(t, 3, count(t, ctx, d.DB))
}

func TestInTx_ErrorRollsBackBoth(t *testing.T) {
	t.Parallel()
	ctx, d := setup(t)
	err := d.DB.InTx(ctx, func(tx *db.Tx) error {
		writeBoth(t, ctx, tx)
		return errStop
	})
	require.Equal(t, errStop, err)
	require.Zero(t, count(t, ctx, d.DB))
}

func TestInTx_PanicRollsBackAndGoesOn(t *testing.T) {
	t.Parallel()
	ctx, d := setup(t)
	one := open(t, d.URL, 1, 0)
	require.PanicsWithValue(t, "stop", func() {
		_ = one.InTx(ctx, func(tx *db.Tx) error {
			writeBoth(t, ctx, tx)
			panic("stop") //nolint:forbidigo // that is the case
		})
	})
	require.Zero(t, count(t, ctx, one), "the only connection is free again")
}

func TestInTx_SettingsEndWithTheTransaction(t *testing.T) {
	t.Parallel()
	ctx, d := setup(t)
	one := open(t, d.URL, 1, 0)
	pid := func(tx *db.Tx) (pid int, tenant, scope, timeout string) {
		require.NoError(t, tx.Pgx.QueryRow(ctx, `
			SELECT pg_backend_pid(), current_setting('sentinel.tenant_id'), current_setting('sentinel.scope'),
			       current_setting('statement_timeout')`).Scan(&pid, &tenant, &scope, &timeout))
		return pid, tenant, scope, timeout
	}
	var first int
	require.NoError(t, one.InTx(ctx, func(tx *db.Tx) error {
		p, tenant, scope, timeout := pid(tx)
		first = p
		require.Equal(t, mustTenant(ctx).String(), tenant)
		require.Empty(t, scope)
		require.Equal(t, "30s", timeout)
		return tx.Create(&note{ID: 1, TenantID: mustTenant(ctx), Body: "a"}).Error
	}))

	var tenant, scope string
	var visible, backend int
	require.NoError(t, one.Pool().QueryRow(ctx, `
		SELECT pg_backend_pid(), coalesce(current_setting('sentinel.tenant_id', true), ''),
		       coalesce(current_setting('sentinel.scope', true), ''), (SELECT count(*) FROM sentinel.notes)`).
		Scan(&backend, &tenant, &scope, &visible))
	require.Equal(t, first, backend, "the same connection")
	require.Empty(t, tenant)
	require.Empty(t, scope)
	require.Zero(t, visible, "outside of a transaction there is nothing to see")

	require.NoError(t, one.InSystemReadTx(ctx, db.Retention, func(tx *db.Tx) error {
		_, tenant, scope, _ := pid(tx)
		require.Empty(t, tenant)
		require.Equal(t, "system", scope)
		return nil
	}))
	other := identity.WithTenant(ctx, uuid.New())
	require.Zero(t, count(t, other, one))
	require.EqualValues(t, 1, count(t, ctx, one))
}

func TestInSystemTx_SeesAllTenants(t *testing.T) {
	t.Parallel()
	ctx, d := setup(t)
	for i := range 2 {
		tenant := uuid.New()
		require.NoError(t, d.DB.InTx(identity.WithTenant(ctx, tenant), func(tx *db.Tx) error {
			return tx.Create(&note{ID: int64(i + 1), TenantID: tenant, Body: "a"}).Error
		}))
	}
	require.Zero(t, count(t, ctx, d.DB))
	require.NoError(t, d.DB.InSystemTx(t.Context(), db.Retention, func(tx *db.Tx) error {
		deleted := tx.Where("body = ?", "a").Delete(&note{})
		require.EqualValues(t, 2, deleted.RowsAffected)
		return deleted.Error
	}))
}

func TestInReadTx_IsOneSnapshotAndCannotWrite(t *testing.T) {
	t.Parallel()
	ctx, d := setup(t)
	err := d.DB.InReadTx(ctx, func(tx *db.Tx) error {
		var before, after int64
		require.NoError(t, tx.Model(&note{}).Count(&before).Error)
		require.NoError(t, d.DB.InTx(ctx, func(tx *db.Tx) error {
			return tx.Create(&note{ID: 1, TenantID: mustTenant(ctx), Body: "a"}).Error
		}))
		require.NoError(t, tx.Model(&note{}).Count(&after).Error)
		require.Equal(t, before, after)
		return tx.Create(&note{ID: 2, TenantID: mustTenant(ctx), Body: "b"}).Error
	})
	require.ErrorContains(t, err, "read-only transaction")
	require.EqualValues(t, 1, count(t, ctx, d.DB))
}

func TestTx_RefusedWithoutTenantReasonOrInsideAnother(t *testing.T) {
	t.Parallel()
	ctx, d := setup(t)
	never := func(*db.Tx) error {
		t.Error("not to be reached")
		return nil
	}
	require.ErrorIs(t, d.DB.InTx(t.Context(), never), db.ErrNoTenant)
	require.ErrorIs(t, d.DB.InReadTx(t.Context(), never), db.ErrNoTenant)
	require.ErrorIs(t, d.DB.InSystemTx(ctx, "", never), db.ErrUnknownReason)
	require.ErrorIs(t, d.DB.InSystemReadTx(ctx, "fun", never), db.ErrUnknownReason)
	require.NoError(t, d.DB.InTx(ctx, func(tx *db.Tx) error {
		inner := tx.Statement.Context
		require.ErrorIs(t, d.DB.InTx(inner, never), db.ErrNested)
		require.ErrorIs(t, d.DB.InSystemTx(inner, db.Bootstrap, never), db.ErrNested)
		return nil
	}))
	platform := identity.WithTenant(t.Context(), identity.PlatformTenant)
	require.Zero(t, count(t, platform, d.DB), "the zero id is a tenant")
}

func TestTx_GORMCannotBeginOrEndIt(t *testing.T) {
	t.Parallel()
	ctx, d := setup(t)
	err := d.DB.InTx(ctx, func(tx *db.Tx) error {
		require.ErrorIs(t, tx.Session(&gorm.Session{}).Begin().Error, gorm.ErrInvalidTransaction)
		require.ErrorIs(t, tx.Session(&gorm.Session{}).Commit().Error, gorm.ErrInvalidTransaction)
		require.ErrorIs(t, tx.Session(&gorm.Session{}).Rollback().Error, gorm.ErrInvalidTransaction)
		_, err := tx.DB.DB()
		require.Error(t, err, "no way around the transaction")
		require.NoError(t, tx.Transaction(func(inner *gorm.DB) error {
			return inner.Create(&note{ID: 1, TenantID: mustTenant(ctx), Body: "a"}).Error
		}))
		batch := make([]note, 5)
		for i := range batch {
			batch[i] = note{ID: int64(10 + i), TenantID: mustTenant(ctx), Body: string(rune('b' + i))}
		}
		require.NoError(t, tx.CreateInBatches(batch, 2).Error)
		return errStop
	})
	require.ErrorIs(t, err, errStop)
	require.Zero(t, count(t, ctx, d.DB), "the inner transaction was part of the outer one")
}

func TestInTx_RepeatsAfterDeadlock(t *testing.T) {
	t.Parallel()
	ctx, d := setup(t)
	d.Exec(t, `INSERT INTO sentinel.notes (id, tenant_id, body) VALUES (1, $1, 'a'), (2, $1, 'b')`, mustTenant(ctx))
	d.Exec(t, `ALTER ROLE sentinel_app SET deadlock_timeout = '20ms'`)
	var meet sync.WaitGroup
	meet.Add(2)
	var runs atomic.Int32
	update := func(first, second int) error {
		met := false
		return d.DB.InTx(ctx, func(tx *db.Tx) error {
			runs.Add(1)
			if err := tx.Exec(`UPDATE sentinel.notes SET at = now() WHERE id = ?`, first).Error; err != nil {
				return err
			}
			if !met {
				met = true
				meet.Done()
				meet.Wait()
			}
			return tx.Exec(`UPDATE sentinel.notes SET at = now() WHERE id = ?`, second).Error
		})
	}
	done := make(chan error, 2)
	go func() { done <- update(1, 2) }()
	go func() { done <- update(2, 1) }()
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	require.EqualValues(t, 3, runs.Load(), "one of them ran twice")
}

func TestInTx_GivesUpAfterThreeRepetitions(t *testing.T) {
	t.Parallel()
	ctx, d := setup(t)
	runs := 0
	err := d.DB.InTx(ctx, func(tx *db.Tx) error {
		runs++
		return tx.Exec(`DO $$ BEGIN RAISE EXCEPTION 'busy' USING ERRCODE = '40001'; END $$`).Error
	})
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.Equal(t, 4, runs)

	runs = 0
	err = d.DB.InTx(ctx, func(tx *db.Tx) error {
		runs++
		cause := tx.Exec(`DO $$ BEGIN RAISE EXCEPTION 'busy' USING ERRCODE = '40001'; END $$`).Error
		return fault.Conflict("", "Somebody was faster.").Because(cause)
	})
	require.True(t, fault.Is(err, fault.ConflictKind), "the caller's own words win: %v", err)
	require.Equal(t, 4, runs)
}

func TestInTx_StopsRepeatingWhenTheCallerGoes(t *testing.T) {
	t.Parallel()
	ctx, d := setup(t)
	ctx, cancel := context.WithCancel(ctx)
	runs := 0
	err := d.DB.InTx(ctx, func(tx *db.Tx) error {
		runs++
		err := tx.Exec(`DO $$ BEGIN RAISE EXCEPTION 'busy' USING ERRCODE = '40001'; END $$`).Error
		cancel()
		return err
	})
	require.Error(t, err)
	require.Equal(t, 1, runs)
}

func TestInTx_SurvivesSchemaChangeUnderCachedStatements(t *testing.T) {
	t.Parallel()
	ctx, d := setup(t)
	read := func() (n note) {
		require.NoError(t, d.DB.InTx(ctx, func(tx *db.Tx) error {
			// SELECT * is what goes stale.
			return tx.Raw(`SELECT * FROM sentinel.notes WHERE id = ?`, 1).Scan(&n).Error
		}))
		return n
	}
	d.Exec(t, `INSERT INTO sentinel.notes (id, tenant_id, body) VALUES (1, $1, 'a')`, mustTenant(ctx))
	require.Equal(t, "a", read().Body)
	d.Exec(t, `ALTER TABLE sentinel.notes ADD COLUMN more text`)
	require.Equal(t, "a", read().Body)
	d.Exec(t, `ALTER TABLE sentinel.notes DROP COLUMN more`)
	require.Equal(t, "a", read().Body)
}

func TestInTx_RowsLeftOpenFailTheCommitAndFreeTheConnection(t *testing.T) {
	t.Parallel()
	ctx, d := setup(t)
	one := open(t, d.URL, 1, 0)
	err := one.InTx(ctx, func(tx *db.Tx) error {
		_, err := tx.Raw(`SELECT generate_series(1, 100000)`).Rows() //nolint:sqlclosecheck,rowserrcheck // that is the mistake
		return err
	})
	require.ErrorContains(t, err, "still open")
	require.Zero(t, count(t, ctx, one))
}
