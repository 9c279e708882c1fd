package directory_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

// TestHolders_HaveARoleByEveryWay compares who has a role with what the engine
// says of the same people.
func TestHolders_HaveARoleByEveryWay(t *testing.T) {
	t.Parallel()
	w := tenanttest.New(t, dbtest.New(t), engine.Config{})
	parent := w.Tenant()
	tenant := w.Child(parent, true)
	lead := w.Role(tenant, "lead", 1, uuid.UUID{})
	chief := w.Role(tenant, "chief", 1, lead)
	handed := w.Role(parent, "handed", 1, uuid.UUID{})
	top := w.Group(tenant, "top", uuid.UUID{})
	below := w.Group(tenant, "below", top)
	off := w.Group(tenant, "off", top)
	w.SQL("UPDATE sentinel.groups SET is_active = false WHERE id = $1", off)
	w.GroupRole(tenant, top, chief)
	person := map[string]uuid.UUID{}
	for _, name := range []string{"direct", "inherits", "member", "nested", "cut", "none", "past", "future", "locked", "inactive", "robot", "inherited"} {
		person[name] = w.User(tenant, name)
	}
	for _, name := range []string{"direct", "past", "future", "locked", "inactive"} {
		w.Assign(tenant, person[name], lead)
	}
	w.Assign(tenant, person["inherits"], chief)
	w.Assign(tenant, person["inherited"], handed)
	w.Join(tenant, person["member"], top)
	w.Join(tenant, person["nested"], below)
	w.Join(tenant, person["cut"], off)
	w.SQL("UPDATE sentinel.user_roles SET expires_at = now() - interval '1 minute' WHERE user_id = $1", person["past"])
	w.SQL("UPDATE sentinel.user_roles SET valid_from = now() + interval '1 hour' WHERE user_id = $1", person["future"])
	w.SQL("UPDATE sentinel.users SET locked_until = now() + interval '1 hour' WHERE id = $1", person["locked"])
	w.SQL("UPDATE sentinel.users SET is_active = false WHERE id = $1", person["inactive"])
	moment := time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC)
	w.SQL("UPDATE sentinel.user_roles SET granted_at = $2 WHERE user_id = $1", person["direct"], moment)

	find := func(role uuid.UUID, accounts []uuid.UUID, most int) (names []string, since map[string]time.Time) {
		ctx := identity.WithTenant(t.Context(), tenant)
		since = map[string]time.Time{}
		require.NoError(t, w.DB.InReadTx(ctx, func(tx *db.Tx) error {
			list, err := directory.Holders(tx, tenant, []uuid.UUID{role}, accounts, time.Now(), most)
			for _, h := range list {
				for name, id := range person {
					if id == h.UserID {
						names, since[name] = append(names, name), h.Since
					}
				}
			}
			return err
		}))
		return names, since
	}
	names, since := find(lead, nil, 100)
	require.ElementsMatch(t, []string{"direct", "inherits", "member", "nested"}, names)
	require.Equal(t, "direct", names[0], "the oldest first")
	require.True(t, moment.Equal(since["direct"]), "%v", since["direct"])
	names, _ = find(lead, []uuid.UUID{person["nested"], person["none"]}, 100)
	require.Equal(t, []string{"nested"}, names)
	names, _ = find(lead, nil, 2)
	require.Len(t, names, 2)
	names, _ = find(handed, nil, 100)
	require.Equal(t, []string{"inherited"}, names, "roles of ancestors are held as others are")

	require.NoError(t, w.DB.InReadTx(identity.WithTenant(t.Context(), tenant), func(tx *db.Tx) error {
		n, err := directory.CountHolders(tx, tenant, lead, time.Now())
		require.EqualValues(t, 4, n)
		return err
	}))

	w.SQL("UPDATE sentinel.roles SET description = 'edited' WHERE id = $1", chief)
	_, later := find(lead, nil, 100)
	require.True(t, later["inherits"].After(since["inherits"]), "a role that inherits counts from its last change")
	w.SQL("UPDATE sentinel.roles SET is_active = false WHERE id = $1", chief)
	names, _ = find(lead, nil, 100)
	require.Equal(t, []string{"direct"}, names)
}
