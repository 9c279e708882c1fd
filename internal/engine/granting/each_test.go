package granting_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

var errUndone = errors.New("undone")

// alone makes one write, has it judged and takes it back.
func (w *world) alone(actor uuid.UUID, x write) (verdict error) {
	w.t.Helper()
	ctx := w.As(w.tenant, actor)
	err := w.Writer.DB.InTx(ctx, func(tx *db.Tx) error {
		j, err := granting.Begin(ctx, tx, time.Now())
		if err != nil {
			return err
		}
		if _, err := tx.Pgx.Exec(ctx, x.sql, x.args...); err != nil {
			return err
		}
		verdict = j.Check(tx, time.Now(), x.change)
		return errUndone
	})
	require.ErrorIs(w.t, err, errUndone)
	return verdict
}

// each judges all of them beforehand.
func (w *world) each(actor uuid.UUID, changes []granting.Change) (verdicts []error, err error) {
	w.t.Helper()
	ctx := w.As(w.tenant, actor)
	err = w.Writer.DB.InTx(ctx, func(tx *db.Tx) error {
		j, err := granting.Begin(ctx, tx, time.Now())
		if err != nil {
			return err
		}
		var accounts []uuid.UUID
		for _, c := range changes {
			accounts = append(accounts, c.Accounts...)
		}
		has, err := granting.Has(tx, w.tenant, accounts)
		if err != nil {
			return err
		}
		for i := range changes {
			if changes[i].Handed == nil {
				changes[i].Handed = has[changes[i].Accounts[0]]
			}
		}
		verdicts, err = j.CheckEach(tx, changes, has)
		return err
	})
	return verdicts, err
}

// TestCheckEach_IsAsCheck compares the two for accounts, actors and writes at
// random, in tenants with dormant roles, denies and an operator's like.
func TestCheckEach_IsAsCheck(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := newRandom(t, seed+100)
			r.SQL(`UPDATE sentinel.roles SET is_active = false WHERE id = $1`, one(r, r.roles))
			r.SQL(`UPDATE sentinel.groups SET is_active = false WHERE id = $1`, one(r, r.groups))
			refused, passed := 0, 0
			for range 12 {
				actor := one(r, append(r.users, r.admin))
				role, group, kind := one(r, r.roles), one(r, r.groups), r.IntN(6)
				var writes []write
				var changes []granting.Change
				for _, user := range append(r.users, r.admin) {
					x := r.ofOne(kind, user, role, group)
					writes, changes = append(writes, x), append(changes, x.change)
				}
				verdicts, err := r.each(actor, changes)
				require.NoError(t, err)
				for i, verdict := range verdicts {
					writes[i].change = changes[i] // with what the account has
					single := r.alone(actor, writes[i])
					if single == nil || fault.Is(single, fault.ConflictKind) {
						require.NoError(t, verdict, "%d by %s", kind, actor)
						passed++
						continue
					}
					require.True(t, fault.Is(single, fault.Denied), "%v", single)
					require.True(t, fault.Is(verdict, fault.Denied), "%d by %s: %v, alone: %v", kind, actor, verdict, single)
					refused++
				}
			}
			require.Greater(t, refused, 10)
			require.Greater(t, passed, 10)
		})
	}
}

// ofOne is a write of one account's own rows.
func (r *random) ofOne(kind int, user, role, group uuid.UUID) write {
	switch kind {
	case 0:
		x := r.assign(user, role)
		x.sql += ` ON CONFLICT DO NOTHING`
		return x
	case 1:
		return r.unassign(user, role)
	case 2:
		x := r.join(user, group)
		x.sql += ` ON CONFLICT DO NOTHING`
		return x
	case 3:
		return r.leave(user, group)
	case 4:
		return r.touch(user, `is_active = NOT is_active`)
	default:
		return r.remove(user)
	}
}

func TestCheckEach_OfOperatorsAndWhatItCannotJudge(t *testing.T) {
	w := setup(t)
	operator := w.User(identity.PlatformTenant, "operator")
	w.Assign(identity.PlatformTenant, operator, tenanttest.SuperAdmin)
	platformAdmin := w.User(identity.PlatformTenant, "platform-admin")
	w.Assign(identity.PlatformTenant, platformAdmin, tenanttest.TenantAdmin)
	w.tenant = identity.PlatformTenant
	touch := []granting.Change{{Accounts: []uuid.UUID{operator}}, {Accounts: []uuid.UUID{platformAdmin}}}
	verdicts, err := w.each(platformAdmin, touch)
	require.NoError(t, err)
	require.True(t, fault.Is(verdicts[0], fault.Denied), "only an operator touches one")
	require.NoError(t, verdicts[1])
	verdicts, err = w.each(operator, touch)
	require.NoError(t, err)
	require.Equal(t, []error{nil, nil}, verdicts)

	_, err = w.each(operator, []granting.Change{{Accounts: []uuid.UUID{operator}, Nodes: []string{rbac.Role(w.sailor)}}})
	require.ErrorContains(t, err, "own rows", "it would change the graph")
	_, err = w.each(operator, []granting.Change{{Accounts: []uuid.UUID{operator, platformAdmin}, Handed: []string{}}})
	require.ErrorContains(t, err, "own rows")
	require.NoError(t, w.Writer.DB.InTx(w.As(w.tenant, operator), func(tx *db.Tx) error {
		j, err := granting.Begin(w.As(w.tenant, operator), tx, time.Now())
		require.NoError(t, err)
		require.True(t, j.IsAdministrator([]string{rbac.Role(tenanttest.SuperAdmin)}))
		require.True(t, j.IsAdministrator([]string{rbac.Role(tenanttest.TenantAdmin)}))
		require.False(t, j.IsAdministrator([]string{rbac.Role(tenanttest.UserManager)}))
		return j.KeepsAdministrator(tx, time.Now())
	}))
}

// A locked administrator administers nothing.
func TestGranting_LockingTheLastAdministratorIsRefused(t *testing.T) {
	w := setup(t)
	w.conflict(w.admin, w.touch(w.admin, `locked_until = now() + interval '1 day'`), "the last one")
	second := w.User(w.tenant, "second")
	w.Assign(w.tenant, second, tenanttest.TenantAdmin)
	w.accepted(w.admin, w.touch(second, `locked_until = now() + interval '1 day'`), "one of two")
	w.conflict(w.admin, w.touch(w.admin, `is_active = false`), "the other is locked")
}

func TestCheckEach_FailsWithTheDatabase(t *testing.T) {
	w := setup(t)
	ctx := w.As(w.tenant, w.manager)
	require.NoError(t, w.Writer.DB.InTx(ctx, func(tx *db.Tx) error {
		_, err := granting.Begin(ctx, tx, time.Now())
		return err
	}))
	for _, table := range []string{"groups", "user_groups", "policy_revision"} {
		err := w.Writer.DB.InTx(ctx, func(tx *db.Tx) error {
			j, err := granting.Begin(ctx, tx, time.Now())
			require.NoError(t, err)
			w.SQL(`REVOKE SELECT ON sentinel.` + table + ` FROM sentinel_app`)
			defer w.SQL(`GRANT SELECT ON sentinel.` + table + ` TO sentinel_app`)
			if table == "policy_revision" {
				return j.KeepsAdministrator(tx, time.Now())
			}
			has, err := granting.Has(tx, w.tenant, []uuid.UUID{w.ada})
			if err != nil {
				return err
			}
			_, err = j.CheckEach(tx, []granting.Change{{Accounts: []uuid.UUID{w.ada}, Handed: []string{rbac.Role(w.sailor)}}}, has)
			return err
		})
		require.Error(t, err, table)
	}
}
