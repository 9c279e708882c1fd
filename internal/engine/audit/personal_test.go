package audit_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

func personalLog(t *testing.T) *audit.Log {
	t.Helper()
	master, err := crypto.ParseMasterKey(strings.Repeat("7", 64))
	require.NoError(t, err)
	return audit.NewLog([]byte("key"), master, time.Now)
}

// opened returns the changes and details of a tenant's events, as they are
// stored and as a reader sees them.
func opened(t *testing.T, d *dbtest.Database, l *audit.Log, tenant uuid.UUID) (stored, shown []string) {
	t.Helper()
	require.NoError(t, d.DB.InReadTx(identity.WithTenant(t.Context(), tenant), func(tx *db.Tx) error {
		var rows []*audit.Row
		err := tx.Raw(`SELECT id, tenant_id, convert_to(changes::text, 'UTF8') AS changes, convert_to(error_details::text, 'UTF8') AS details FROM sentinel.audit_logs ORDER BY seq`).Scan(&rows).Error
		require.NoError(t, err)
		for _, r := range rows {
			stored = append(stored, string(r.Changes), string(r.Details))
		}
		require.NoError(t, l.Open(tx, rows...))
		for _, r := range rows {
			shown = append(shown, string(r.Changes), string(r.Details))
		}
		return nil
	}))
	return stored, shown
}

func TestRecord_KeepsPersonalDataBehindThePersonsKey(t *testing.T) {
	t.Parallel()
	d, l := dbtest.New(t), personalLog(t)
	tenant, ada, bob := identity.PlatformTenant, uuid.New(), uuid.New()
	ctx := identity.WithTenant(t.Context(), tenant)
	for _, person := range []uuid.UUID{ada, bob} {
		require.NoError(t, record(ctx, d, l, audit.Event{
			Action: "user.update", ResourceID: person, Person: person, Before: map[string]any{"id": person, "email": "ada@example.com", "is_active": true, "username": nil},
			After: map[string]any{
				"list":       []any{map[string]any{"display_name": "Ada"}},
				"attributes": map[string]any{"big": uint64(12345678901234567890), "password": "hunter2"},
			},
			Detail: map[string]any{"pending_email": "new@example.com", "via": "asked", "reason": "on leave"},
		}))
	}
	stored, shown := opened(t, d, l, tenant)
	for _, text := range []string{"ada@example.com", "Ada", "12345678901234567890", "new@example.com", "hunter2"} {
		require.NotContains(t, strings.Join(stored, ""), text)
	}
	require.Contains(t, stored[0], `"is_active": true`, "what is not personal can be read")
	require.Contains(t, stored[1], "asked")
	require.NotContains(t, stored[1], "on leave")
	require.JSONEq(t, `{"before": {"id": "`+ada.String()+`", "email": "ada@example.com", "is_active": true, "username": null},
"after": {"list": [{"display_name": "Ada"}], "attributes": {"big": 12345678901234567890, "password": "[masked]"}}}`, shown[0])
	require.JSONEq(t, `{"pending_email": "new@example.com", "via": "asked", "reason": "on leave"}`, shown[1])
	require.Equal(t, audit.Verdict{Checked: 2}, verify(t, d, l, tenant))

	d.Exec(t, "DELETE FROM sentinel.personal_keys WHERE user_id = $1", ada)
	_, shown = opened(t, d, l, tenant)
	require.JSONEq(t, `{"before": {"id": "`+ada.String()+`", "email": {"erased": true}, "is_active": true, "username": null},
"after": {"list": [{"display_name": {"erased": true}}], "attributes": {"erased": true}}}`, shown[0])
	require.Contains(t, shown[2], "ada@example.com", "another person's stays")
	require.Equal(t, audit.Verdict{Checked: 2}, verify(t, d, l, tenant), "the chain holds without the key")
}

func TestRecord_WithoutAPersonNamesNobodyInItsDetails(t *testing.T) {
	t.Parallel()
	d, l := dbtest.New(t), personalLog(t)
	tenant := uuid.New()
	require.NoError(t, record(identity.WithTenant(t.Context(), tenant), d, l, audit.Event{
		Action: "session.login", After: map[string]any{"attributes": map[string]any{"x": map[string]any{"$sealed": "AQ=="}}}, Detail: map[string]any{"email": "ada@example.com", "why": "unknown"},
	}))
	stored, shown := opened(t, d, l, tenant)
	require.JSONEq(t, `{"email": "[masked]", "why": "unknown"}`, stored[1])
	require.JSONEq(t, `{"after": {"attributes": {"x": {"$sealed": "AQ=="}}}}`, shown[0], "what only looks sealed stays")
}

func TestRecord_NeedsAMasterKeyForAPerson(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	event := audit.Event{Action: "user.create", Person: uuid.New(), After: map[string]any{"email": "ada@example.com"}}
	ctx := identity.WithTenant(t.Context(), identity.PlatformTenant)
	require.ErrorContains(t, record(ctx, d, audit.NewLog([]byte("key"), nil, time.Now), event), "no master key")
	require.NoError(t, record(ctx, d, personalLog(t), event))
	other, err := crypto.ParseMasterKey(strings.Repeat("8", 64))
	require.NoError(t, err)
	require.ErrorIs(t, record(ctx, d, audit.NewLog([]byte("key"), other, time.Now), event), crypto.ErrWrongKey)
}

func TestRecord_ConcurrentWritersShareAPersonsKey(t *testing.T) {
	t.Parallel()
	d, l := dbtest.New(t), personalLog(t)
	person := uuid.New()
	ctx := identity.WithTenant(t.Context(), identity.PlatformTenant)
	var group sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		group.Go(func() {
			errs[i] = record(ctx, d, l,
				audit.Event{Action: "a.b"}, audit.Event{Action: "user.update", Person: person, After: map[string]any{"email": "ada@example.com"}})
		})
	}
	group.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	_, shown := opened(t, d, l, identity.PlatformTenant)
	require.Equal(t, len(errs), strings.Count(strings.Join(shown, ""), "ada@example.com"), "all of it opens")
}
