package audit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

func TestRecordAll_LinksLikeRecord(t *testing.T) {
	t.Parallel()
	d, l := dbtest.New(t), audit.NewLog([]byte("key"), nil, time.Now)
	tenant, user := uuid.New(), uuid.New()
	ctx := identity.WithPrincipal(t.Context(), &identity.Principal{UserID: user, HomeTenantID: tenant, Email: "ada@example.com", SessionID: "s1"})
	var events []audit.Event
	for n := range 1_003 {
		events = append(events, audit.Event{
			Action: "user.activate", ResourceID: uuid.New(), Before: map[string]any{"n": n, "amount": 12345678901234567890.0},
			After: map[string]any{"text": fmt.Sprintf("<ä> %d", n), "b": true}, Detail: map[string]any{"bulk": true},
		})
	}
	events[7].Result = audit.Denied
	all := func(events []audit.Event) error {
		return d.DB.InTx(ctx, func(tx *db.Tx) error { return l.RecordAll(ctx, tx, events) })
	}
	require.NoError(t, all(events))
	require.NoError(t, record(ctx, d, l, audit.Event{Action: "user.update", ResourceID: user}))
	require.NoError(t, all(events[:2]))
	require.NoError(t, all(nil))
	require.Equal(t, audit.Verdict{Checked: 1_006}, verify(t, d, l, tenant))
	// By nobody, as a job does.
	job := identity.WithTenant(t.Context(), tenant)
	require.NoError(t, d.DB.InTx(job, func(tx *db.Tx) error { return l.RecordAll(job, tx, events[:3]) }))
	require.Equal(t, audit.Verdict{Checked: 1_009}, verify(t, d, l, tenant))

	var rows []struct{ Action, ResourceType, ResourceID, Result string }
	require.NoError(t, d.DB.InReadTx(ctx, func(tx *db.Tx) error {
		return tx.Raw(`SELECT action, resource_type, resource_id, result FROM sentinel.audit_logs ORDER BY seq LIMIT 8`).Scan(&rows).Error
	}))
	for n, row := range rows {
		require.Equal(t, events[n].ResourceID.String(), row.ResourceID, "in the order given")
		require.Equal(t, "user", row.ResourceType)
	}
	require.Equal(t, "denied", rows[7].Result)
}

func TestRecordAll_Fails(t *testing.T) {
	t.Parallel()
	d, l := dbtest.New(t), audit.NewLog([]byte("key"), nil, time.Now)
	ctx := identity.WithTenant(t.Context(), uuid.New())
	require.ErrorIs(t, d.DB.InSystemTx(t.Context(), db.Bootstrap, func(tx *db.Tx) error {
		return l.RecordAll(t.Context(), tx, []audit.Event{{Action: "x.y"}})
	}), db.ErrNoTenant)
	for name, e := range map[string]audit.Event{
		"what cannot be encoded":     {Action: "x.y", Before: func() {}},
		"what no database can hold":  {Action: "x.y", Before: map[string]any{"a": "\x00"}},
		"what the table has no word": {Action: "x.y", Result: "other"},
	} {
		require.Error(t, d.DB.InTx(ctx, func(tx *db.Tx) error { return l.RecordAll(ctx, tx, []audit.Event{e}) }), name)
	}
	for _, table := range []string{"SELECT ON sentinel.audit_heads", "INSERT ON sentinel.audit_heads", "UPDATE (seq, hash) ON sentinel.audit_heads"} {
		d.Exec(t, "REVOKE "+table+" FROM sentinel_app")
		require.Error(t, d.DB.InTx(ctx, func(tx *db.Tx) error { return l.RecordAll(ctx, tx, []audit.Event{{Action: "x.y"}}) }), table)
		d.Exec(t, "GRANT "+table+" TO sentinel_app")
	}
}

func TestRecordAll_KeepsPersonalDataBehindEachPersonsKey(t *testing.T) {
	t.Parallel()
	d, l := dbtest.New(t), personalLog(t)
	tenant, known := identity.PlatformTenant, uuid.New()
	ctx := identity.WithTenant(t.Context(), tenant)
	event := func(person uuid.UUID, name string) audit.Event {
		return audit.Event{Action: "user.create", ResourceID: person, Person: person, After: map[string]any{"display_name": name}}
	}
	require.NoError(t, record(ctx, d, l, event(known, "Known")))
	twice := uuid.New()
	all := []audit.Event{
		event(known, "Known again"), event(twice, "Twice"), event(twice, "Again"), event(uuid.New(), "Once"),
		{Action: "user.delete", Person: uuid.New()},
		{Action: "role.create", After: map[string]any{"display_name": "No person"}},
	}
	require.NoError(t, d.DB.InTx(ctx, func(tx *db.Tx) error { return l.RecordAll(ctx, tx, all) }))
	require.NoError(t, d.DB.InTx(ctx, func(tx *db.Tx) error { return l.RecordAll(ctx, tx, all[:1]) }))
	stored, shown := opened(t, d, l, tenant)
	text, plain := fmt.Sprint(stored), fmt.Sprint(shown)
	for _, name := range []string{"Known again", "Twice", "Again", "Once"} {
		require.NotContains(t, text, name)
		require.Contains(t, plain, name)
	}
	require.Contains(t, text, "No person")
	var keys int64
	require.NoError(t, d.DB.InReadTx(ctx, func(tx *db.Tx) error {
		return tx.Raw("SELECT count(*) FROM sentinel.personal_keys").Scan(&keys).Error
	}))
	require.EqualValues(t, 3, keys, "one for each who is shown")
	require.Equal(t, audit.Verdict{Checked: 8}, verify(t, d, l, tenant))

	fresh := []audit.Event{event(uuid.New(), "Fresh")}
	for _, privilege := range []string{"INSERT", "SELECT"} {
		d.Exec(t, "REVOKE "+privilege+" ON sentinel.personal_keys FROM sentinel_app")
		require.ErrorContains(t, d.DB.InTx(ctx, func(tx *db.Tx) error { return l.RecordAll(ctx, tx, fresh) }), "personal keys", privilege)
		d.Exec(t, "GRANT "+privilege+" ON sentinel.personal_keys TO sentinel_app")
	}
	d.Exec(t, "UPDATE sentinel.personal_keys SET sealed_key = 'x'")
	require.ErrorContains(t, d.DB.InTx(ctx, func(tx *db.Tx) error { return l.RecordAll(ctx, tx, all[:1]) }), "open personal key")
}

// TestFollow_TellsOfEveryEventInItsTransaction by single records and by many.
func TestFollow_TellsOfEveryEventInItsTransaction(t *testing.T) {
	t.Parallel()
	d, l := dbtest.New(t), audit.NewLog([]byte("key"), nil, time.Now)
	tenant := identity.PlatformTenant
	ctx := identity.WithTenant(t.Context(), tenant)
	var told []string
	var fail error
	l.Follow(func(ctx context.Context, tx *db.Tx, rows []*audit.Row) error {
		for _, r := range rows {
			var there bool
			if err := tx.Pgx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM sentinel.audit_logs WHERE id = $1 AND seq = $2)", r.ID, r.Seq).Scan(&there); err != nil {
				return err
			}
			require.True(t, there, "it is told what is recorded")
			told = append(told, r.Action)
		}
		return fail
	})
	write := func() error {
		return d.DB.InTx(ctx, func(tx *db.Tx) error {
			if err := l.Record(ctx, tx, audit.Event{Action: "role.create"}); err != nil {
				return err
			}
			return l.RecordAll(ctx, tx, []audit.Event{{Action: "role.update"}, {Action: "role.delete"}})
		})
	}
	require.NoError(t, write())
	require.Equal(t, []string{"role.create", "role.update", "role.delete"}, told)
	fail = errors.New("cannot follow")
	require.ErrorIs(t, write(), fail)
	var n int
	require.NoError(t, d.DB.InTx(ctx, func(tx *db.Tx) error {
		return tx.Raw("SELECT count(*) FROM sentinel.audit_logs WHERE tenant_id = ?", tenant).Scan(&n).Error
	}))
	require.Equal(t, 3, n, "what is not told is not written")
}
