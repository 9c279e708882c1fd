package audit_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

func record(ctx context.Context, d *dbtest.Database, l *audit.Log, events ...audit.Event) error {
	return d.DB.InTx(ctx, func(tx *db.Tx) error {
		for _, e := range events {
			if err := l.Record(ctx, tx, e); err != nil {
				return err
			}
		}
		return nil
	})
}

func verify(t *testing.T, d *dbtest.Database, l *audit.Log, tenant uuid.UUID) audit.Verdict {
	t.Helper()
	var v audit.Verdict
	require.NoError(t, d.DB.InReadTx(identity.WithTenant(t.Context(), tenant), func(tx *db.Tx) (err error) {
		v, err = l.Verify(tx, tenant)
		return err
	}))
	return v
}

func TestRecord_ChainsEventsOfATenant(t *testing.T) {
	t.Parallel()
	d, l := dbtest.New(t), audit.NewLog([]byte("key"), nil, time.Now)
	tenant, other, user := uuid.New(), uuid.New(), uuid.New()
	ctx := identity.WithPrincipal(t.Context(), &identity.Principal{UserID: user, HomeTenantID: tenant, Email: "ada@example.com", SessionID: "s1"})
	ctx = identity.WithRequest(ctx, identity.Request{ID: "req-1", Address: "10.0.0.1", UserAgent: "curl"})
	for i := range 3 {
		require.NoError(t, record(ctx, d, l, audit.Event{
			Action: "role.update", ResourceID: user, Before: map[string]any{"n": i, "amount": 12345678901234567890.0}, After: map[string]any{"n": i + 1, "text": "<ä>"},
		}))
	}
	service := identity.WithPrincipal(t.Context(), &identity.Principal{UserID: user, HomeTenantID: other, IsServiceAccount: true})
	require.NoError(t, record(service, d, l, audit.Event{Action: "tenant.read", Result: audit.Failure, Detail: map[string]any{"why": "x"}}))
	require.NoError(t, record(identity.WithTenant(t.Context(), other), d, l, audit.Event{Action: "key.rotate"}))

	require.Equal(t, audit.Verdict{Checked: 3}, verify(t, d, l, tenant))
	require.Equal(t, audit.Verdict{Checked: 2}, verify(t, d, l, other))
	require.Equal(t, audit.Verdict{}, verify(t, d, l, uuid.New()), "nothing yet")
	require.Equal(t, audit.Verdict{Checked: 1, Broken: 1}, verify(t, d, audit.NewLog([]byte("other"), nil, time.Now), tenant), "another key")

	type row struct {
		ActorType, Actor, ResourceType, ResourceID, Result, RequestID, Metadata string
		Seq                                                                     int64
	}
	var rows []row
	require.NoError(t, d.DB.InReadTx(ctx, func(tx *db.Tx) error {
		return tx.Raw(`SELECT actor_type, actor_details::text AS actor, resource_type, resource_id, result, request_id, metadata::text AS metadata, seq
FROM sentinel.audit_logs ORDER BY seq`).Scan(&rows).Error
	}))
	require.Len(t, rows, 3, "those of the own tenant")
	require.Equal(t, row{
		ActorType: "user", Actor: `{"session_id": "s1"}`, ResourceType: "role", ResourceID: user.String(),
		Result: "success", RequestID: "req-1", Metadata: `{"address": "10.0.0.1", "user_agent": "curl"}`, Seq: 1,
	}, rows[0])
	require.ErrorIs(t, d.DB.InSystemTx(t.Context(), db.Bootstrap, func(tx *db.Tx) error {
		return l.Record(t.Context(), tx, audit.Event{Action: "x.y"})
	}), db.ErrNoTenant)
}

func TestVerify_FindsTampering(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql    string
		broken int64
	}{
		"a changed member":      {`UPDATE sentinel.audit_logs SET changes = '{"after": {"n": 9}}' WHERE seq = 2`, 2},
		"a changed actor":       {`UPDATE sentinel.audit_logs SET actor_type = 'user' WHERE seq = 2`, 2},
		"a changed time":        {`UPDATE sentinel.audit_logs SET created_at = created_at + interval '1 microsecond' WHERE seq = 2`, 2},
		"a missing event":       {`DELETE FROM sentinel.audit_logs WHERE seq = 2`, 2},
		"the last ones missing": {`DELETE FROM sentinel.audit_logs WHERE seq >= 3`, 3},
		"two exchanged":         {`UPDATE sentinel.audit_logs SET seq = CASE seq WHEN 2 THEN 3 ELSE 2 END WHERE seq IN (2, 3)`, 2},
		"an older head":         {`UPDATE sentinel.audit_heads SET seq = 3, hash = (SELECT hash FROM sentinel.audit_logs WHERE seq = 3)`, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, l := dbtest.New(t), audit.NewLog([]byte("key"), nil, time.Now)
			tenant := uuid.New()
			for i := range 4 {
				require.NoError(t, record(identity.WithTenant(t.Context(), tenant), d, l, audit.Event{Action: "role.update", After: map[string]any{"n": i}}))
			}
			require.Equal(t, audit.Verdict{Checked: 4}, verify(t, d, l, tenant))
			d.Exec(t, `SET session_replication_role = replica; `+c.sql)
			require.Equal(t, c.broken, verify(t, d, l, tenant).Broken)
		})
	}
}

func TestVerify_StartsAtTheAnchorAndReadsInBatches(t *testing.T) {
	t.Parallel()
	d, l := dbtest.New(t), audit.NewLog([]byte("key"), nil, time.Now)
	tenant := uuid.New()
	events := make([]audit.Event, 1_005)
	for i := range events {
		events[i] = audit.Event{Action: "role.update"}
	}
	require.NoError(t, record(identity.WithTenant(t.Context(), tenant), d, l, events...))
	require.Equal(t, audit.Verdict{Checked: 1_005}, verify(t, d, l, tenant))
	d.Exec(t, `SET session_replication_role = replica;
UPDATE sentinel.audit_heads SET anchor_seq = 3, anchor_hash = (SELECT hash FROM sentinel.audit_logs WHERE seq = 3);
DELETE FROM sentinel.audit_logs WHERE seq <= 3`)
	require.Equal(t, audit.Verdict{Checked: 1_002}, verify(t, d, l, tenant))
}

func TestRecord_MasksSecrets(t *testing.T) {
	t.Parallel()
	d, l := dbtest.New(t), audit.NewLog([]byte("key"), nil, time.Now)
	ctx := identity.WithTenant(t.Context(), uuid.New())
	require.NoError(t, record(ctx, d, l, audit.Event{Action: "user.update", After: map[string]any{
		"name": "Ada", "password": "hunter2", "new_Password_hash": "$argon", "webhook": map[string]any{"secret": "s", "url": "u"},
		"keys": []any{map[string]any{"api_key": "k"}}, "refresh_token": nil,
	}}))
	var changes string
	require.NoError(t, d.DB.InReadTx(ctx, func(tx *db.Tx) error {
		return tx.Raw(`SELECT changes::text FROM sentinel.audit_logs`).Scan(&changes).Error
	}))
	require.JSONEq(t, `{"after": {"name": "Ada", "password": "[masked]", "new_Password_hash": "[masked]",
"webhook": {"secret": "[masked]", "url": "u"}, "keys": [{"api_key": "[masked]"}], "refresh_token": null}}`, changes)
	for _, e := range []audit.Event{{Action: "a.b", Before: func() {}}, {Action: "a.b", After: func() {}}, {Action: "a.b", Detail: map[string]any{"f": func() {}}}} {
		require.Error(t, record(ctx, d, l, e))
	}
}

func TestRecord_LeavesNoGapAfterARollback(t *testing.T) {
	t.Parallel()
	d, l := dbtest.New(t), audit.NewLog([]byte("key"), nil, time.Now)
	tenant := uuid.New()
	ctx := identity.WithTenant(t.Context(), tenant)
	require.NoError(t, record(ctx, d, l, audit.Event{Action: "a.b"}))
	refused := errors.New("refused")
	require.ErrorIs(t, d.DB.InTx(ctx, func(tx *db.Tx) error {
		require.NoError(t, l.Record(ctx, tx, audit.Event{Action: "a.b"}))
		return refused
	}), refused)
	require.NoError(t, record(ctx, d, l, audit.Event{Action: "a.b"}))
	require.Equal(t, audit.Verdict{Checked: 2}, verify(t, d, l, tenant))
}

func TestRecord_IsGaplessWithConcurrentWriters(t *testing.T) {
	t.Parallel()
	const writers, each = 6, 20
	d, l := dbtest.New(t), audit.NewLog([]byte("key"), nil, time.Now)
	tenant := uuid.New()
	var group sync.WaitGroup
	errs := make([]error, writers)
	for i := range writers {
		group.Go(func() {
			for n := range each {
				errs[i] = errors.Join(errs[i], record(identity.WithTenant(t.Context(), tenant), d, l, audit.Event{Action: fmt.Sprintf("a.b%d", n)}))
			}
		})
	}
	group.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Equal(t, audit.Verdict{Checked: writers * each}, verify(t, d, l, tenant))
}

func TestRecord_FailsWithTheDatabase(t *testing.T) {
	t.Parallel()
	d, l := dbtest.New(t), audit.NewLog([]byte("key"), nil, time.Now)
	ctx := identity.WithTenant(t.Context(), uuid.New())
	for _, revoke := range []string{"INSERT ON sentinel.audit_heads", "SELECT ON sentinel.audit_heads", "INSERT ON sentinel.audit_logs", "UPDATE (seq, hash) ON sentinel.audit_heads"} {
		d.Exec(t, `REVOKE `+revoke+` FROM sentinel_app`)
		require.Error(t, record(ctx, d, l, audit.Event{Action: "a.b"}), revoke)
		d.Exec(t, `GRANT `+revoke+` TO sentinel_app`)
	}
	require.NoError(t, record(ctx, d, l, audit.Event{Action: "a.b"}))
	for _, table := range []string{"audit_heads", "audit_logs"} {
		d.Exec(t, `REVOKE SELECT ON sentinel.`+table+` FROM sentinel_app`)
		require.Error(t, d.DB.InReadTx(ctx, func(tx *db.Tx) error { _, err := l.Verify(tx, uuid.New()); return err }), table)
		d.Exec(t, `GRANT SELECT ON sentinel.`+table+` TO sentinel_app`)
	}
}
