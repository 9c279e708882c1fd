package engine_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

// TestReaching_IsWhatQuestionsFind compares the list with the answers: who has a
// permission of it, and nothing else, is allowed.
func TestReaching_IsWhatQuestionsFind(t *testing.T) {
	t.Parallel()
	w := tenanttest.New(t, dbtest.New(t), engine.Config{})
	tenant := w.Tenant()
	node := func(typ, code string, parent *uuid.UUID) uuid.UUID {
		id := uuid.New()
		w.SQL(`INSERT INTO sentinel.resources (id, tenant_id, type, name, code, parent_id) VALUES ($1, $2, $3, $4, $4, $5)`, id, tenant, typ, code, parent)
		return id
	}
	top := node("app", "top", nil)
	middle := node("service", "middle", &top)
	page := node("page", "home", &middle)
	other := node("page", "elsewhere", nil)
	holders := map[uuid.UUID]uuid.UUID{} // a user for each permission
	hold := func(permission uuid.UUID) uuid.UUID {
		role := w.Role(tenant, "r"+permission.String(), 1, uuid.UUID{})
		w.Own(tenant, role, permission)
		user := w.User(tenant, "u"+permission.String())
		w.Assign(tenant, user, role)
		holders[permission] = user
		return permission
	}
	on := func(node uuid.UUID) uuid.UUID {
		id := uuid.Must(uuid.NewV7())
		w.SQL(`INSERT INTO sentinel.permissions (id, tenant_id, name, resource_type, resource_id, actions) SELECT $1, $2, 'on', type, id, '{use}' FROM sentinel.resources WHERE id = $3`, id, tenant, node)
		return hold(id)
	}
	pattern := func(path string) uuid.UUID {
		return hold(w.Permission(tenant, uuid.UUID{}, path, "allow", "", "use"))
	}
	wide, glob, exact := pattern("page/*"), pattern("page/ho*"), pattern("page/home")
	onTop, onMiddle, onPage := on(top), on(middle), on(page)
	on(other)
	pattern("page/away")
	pattern("service/*")
	off := pattern("*/home")
	w.SQL(`UPDATE sentinel.permissions SET is_active = false WHERE id = $1`, off)
	w.Permission(tenant, uuid.UUID{}, "page/*", "allow", "", "use") // nobody's

	reaching := func(id uuid.UUID) (ids []uuid.UUID) {
		t.Helper()
		require.NoError(t, w.Engine.Refresh(t.Context(), tenant))
		list, ok, err := w.Engine.Reaching(t.Context(), tenant, id)
		require.NoError(t, err)
		require.True(t, ok)
		for _, r := range list {
			if r.Grant.TenantID == tenant { // the others are of the system's roles
				ids = append(ids, r.Grant.ID)
				require.Len(t, r.Roles, 1)
			}
			for _, role := range r.Roles {
				require.NotEqual(t, "super_admin", role.Name)
			}
		}
		for permission, user := range holders {
			if permission != off {
				require.Equal(t, slices.Contains(ids, permission), w.Allowed(tenant, user, "page", "home", "use"), permission)
			}
		}
		return ids
	}
	require.Equal(t, []uuid.UUID{onPage, onMiddle, onTop, wide, glob, exact}, reaching(page))
	w.SQL(`UPDATE sentinel.resources SET is_active = false WHERE id = $1`, middle)
	require.Equal(t, []uuid.UUID{onPage, wide, glob, exact}, reaching(page))
	w.SQL(`UPDATE sentinel.resources SET is_active = false WHERE id = $1`, page)
	require.Equal(t, []uuid.UUID{wide, glob, exact}, reaching(page))

	_, ok, err := w.Engine.Reaching(t.Context(), tenant, uuid.New())
	require.NoError(t, err)
	require.False(t, ok)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = engine.New(engine.Config{DB: w.DB}).Reaching(ended, tenant, page)
	require.Error(t, err)
	platform := uuid.New()
	w.SQL(`INSERT INTO sentinel.resources (id, tenant_id, type, name, code) VALUES ($1, $2, 'page', 'p', 'p')`, platform, identity.PlatformTenant)
	require.NoError(t, w.Engine.Refresh(t.Context(), identity.PlatformTenant))
	list, _, err := w.Engine.Reaching(t.Context(), identity.PlatformTenant, platform)
	require.NoError(t, err)
	require.Equal(t, "super_admin", list[0].Roles[0].Name)
}
