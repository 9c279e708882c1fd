package db_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

func TestInTx_CallerGoneBeforeCommitRollsBack(t *testing.T) {
	t.Parallel()
	ctx, d := setup(t)
	gone, cancel := context.WithCancel(ctx)
	err := d.DB.InTx(gone, func(tx *db.Tx) error {
		require.NoError(t, tx.Create(&note{ID: 1, TenantID: mustTenant(ctx), Body: "a"}).Error)
		cancel()
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, count(t, ctx, d.DB))
	require.ErrorIs(t, d.DB.InTx(gone, func(*db.Tx) error { return nil }), context.Canceled)
}

func TestInTx_CallersDeadlineIsNotAnOutage(t *testing.T) {
	t.Parallel()
	ctx, d := setup(t)
	err := d.DB.InTx(ctx, func(tx *db.Tx) error {
		short, cancel := context.WithTimeout(tx.Statement.Context, 50*time.Millisecond)
		defer cancel()
		return tx.WithContext(short).Exec(`SELECT pg_sleep(30)`).Error
	})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.False(t, fault.Is(err, fault.Unavailable))
}

func TestInTx_UnavailableWhenNoConnectionIsFree(t *testing.T) {
	t.Parallel()
	ctx, d := setup(t)
	one := open(t, d.URL, 1, 2*time.Second)
	require.NoError(t, one.InTx(ctx, func(*db.Tx) error {
		err := one.InTx(ctx, func(*db.Tx) error { return nil })
		require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
		return nil
	}))
}

func TestInTx_DroppedErrorIsNotACommit(t *testing.T) {
	t.Parallel()
	ctx, d := setup(t)
	err := d.DB.InTx(ctx, func(tx *db.Tx) error {
		_ = tx.Exec(`SELECT 1/0`).Error
		return nil
	})
	require.ErrorContains(t, err, "whose error was dropped")
	require.False(t, fault.Is(err, fault.Unavailable))
}

func TestViolation_NamesTheConstraint(t *testing.T) {
	t.Parallel()
	ctx, d := setup(t)
	d.Exec(t, `INSERT INTO sentinel.notes (id, tenant_id, body) VALUES (1, $1, 'a')`, mustTenant(ctx))
	for name, test := range map[string]struct {
		sql  string
		want db.Constraint
	}{
		"unique":   {`INSERT INTO sentinel.notes (id, body) VALUES (1, 'b')`, db.Constraint{Name: "notes_pk", Code: db.UniqueViolation}},
		"check":    {`INSERT INTO sentinel.notes (id, body) VALUES (2, repeat('b', 20))`, db.Constraint{Name: "notes_body_short", Code: db.CheckViolation}},
		"not null": {`INSERT INTO sentinel.notes (id, body) VALUES (2, NULL)`, db.Constraint{Name: "body", Code: db.NotNullViolation}},
		"deferred": {`INSERT INTO sentinel.notes (id, body) VALUES (2, 'a')`, db.Constraint{Name: "notes_body_once", Code: db.UniqueViolation}},
		"of a trigger": {
			`DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'tree'; END $$`,
			db.Constraint{Name: "tree", Code: db.RestrictViolation},
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := d.DB.InTx(ctx, func(tx *db.Tx) error { return tx.Exec(test.sql).Error })
			got, ok := db.Violation(err)
			require.True(t, ok, "%v", err)
			require.Equal(t, test.want, got)
		})
	}
	_, ok := db.Violation(errStop)
	require.False(t, ok)
	_, ok = db.Violation(d.DB.InTx(ctx, func(tx *db.Tx) error { return tx.Exec(`SELECT 1/0`).Error }))
	require.False(t, ok)
}

func TestInTx_UnavailableDuringOutageAndFineAfterwards(t *testing.T) {
	t.Parallel()
	d := dbtest.NewCluster(t)
	d.Exec(t, schema)
	ctx := identity.WithTenant(t.Context(), uuid.New())
	require.Zero(t, count(t, ctx, d.DB))

	err := d.DB.InTx(ctx, func(tx *db.Tx) error {
		d.Stop(t)
		return tx.Create(&note{ID: 1, TenantID: mustTenant(ctx), Body: "a"}).Error
	})
	require.True(t, fault.Is(err, fault.Unavailable), "in the middle: %v", err)
	err = d.DB.InTx(ctx, func(*db.Tx) error { return nil })
	require.True(t, fault.Is(err, fault.Unavailable), "at the beginning: %v", err)
	require.True(t, fault.Is(d.DB.Ping(ctx), fault.Unavailable))

	d.Start(t)
	require.Zero(t, count(t, ctx, d.DB), "the same pool works again")

	// Connections that were idle for a moment only are not tried before use.
	d.Stop(t)
	d.Start(t)
	require.Zero(t, count(t, ctx, d.DB))

	err = d.DB.InTx(ctx, func(tx *db.Tx) error {
		require.NoError(t, tx.Create(&note{ID: 1, TenantID: mustTenant(ctx), Body: "a"}).Error)
		d.Stop(t)
		return nil
	})
	require.True(t, fault.Is(err, fault.Unavailable), "at the commit: %v", err)
	require.NotContains(t, err.Error(), "outcome is unknown", "COMMIT could not be sent")
	d.Start(t)
	require.Zero(t, count(t, ctx, d.DB))
}

func TestInTx_SaysThatTheOutcomeIsUnknown(t *testing.T) {
	t.Parallel()
	ctx, d := setup(t)
	d.Exec(t, `
		CREATE FUNCTION sentinel.die() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
			$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(30); RETURN NULL; END $$;
		CREATE CONSTRAINT TRIGGER die AFTER INSERT ON sentinel.notes
			DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION sentinel.die();`)
	err := d.DB.InTx(ctx, func(tx *db.Tx) error {
		return tx.Create(&note{ID: 1, TenantID: mustTenant(ctx), Body: "a"}).Error
	})
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.ErrorContains(t, err, "outcome is unknown")
}

func TestInTx_LostConnectionIsUnavailable(t *testing.T) {
	t.Parallel()
	ctx, d := setup(t)
	kill := func(tx *db.Tx) {
		var pid int
		require.NoError(t, tx.Raw(`SELECT pg_backend_pid()`).Scan(&pid).Error)
		d.Exec(t, `SELECT pg_terminate_backend($1, 5000)`, pid)
	}
	err := d.DB.InTx(ctx, func(tx *db.Tx) error {
		kill(tx)
		require.Error(t, tx.Exec(`SELECT 1`).Error)
		return tx.Exec(`SELECT 1`).Error // the second finds it closed
	})
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	err = d.DB.InTx(ctx, func(tx *db.Tx) error {
		kill(tx)
		_ = tx.Exec(`SELECT 1`).Error
		return nil
	})
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.NotContains(t, err.Error(), "outcome is unknown", "COMMIT was not sent")
	require.Zero(t, count(t, ctx, d.DB))
}
