package rbac_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func TestLoad_ReadsTheRulesOfTheTenantsGiven(t *testing.T) {
	t.Parallel()
	w := tenanttest.New(t, dbtest.New(t), engine.Config{})
	own, other := w.Tenant(), w.Tenant()
	parent := w.Role(own, "parent", 0, uuid.UUID{})
	child := w.Role(own, "child", 0, parent)
	group := w.Group(own, "group", uuid.UUID{})
	w.GroupRole(own, group, child)
	w.Role(other, "stranger", 0, w.Role(other, "parent", 0, uuid.UUID{}))
	ada := w.User(own, "ada")
	w.Join(own, ada, group)

	nodes := []rbac.Node{{rbac.Role(parent), own}, {rbac.Role(child), own}, {rbac.Group(group), own}, {"user:" + ada.String(), own}}
	load := func(tenants []uuid.UUID, act func(*db.Tx) func(uuid.UUID) error) (g *rbac.Graph, err error) {
		err = w.DB.InReadTx(identity.WithTenant(t.Context(), own), func(tx *db.Tx) (err error) {
			g, err = rbac.Load(tx.DB, tenants, act(tx), nodes)
			return err
		})
		return g, err
	}
	as := func(tx *db.Tx) func(uuid.UUID) error { return tx.Act }
	g, err := load([]uuid.UUID{own, other}, as)
	require.NoError(t, err)
	require.Equal(t, []int32{0, 1, 2}, g.Reach(2))
	require.Empty(t, g.Next(3), "members are not part of the graph")

	g, err = load([]uuid.UUID{other}, as)
	require.NoError(t, err)
	require.Equal(t, []int32{2}, g.Reach(2))

	failure := errors.New("no")
	_, err = load([]uuid.UUID{own}, func(*db.Tx) func(uuid.UUID) error { return func(uuid.UUID) error { return failure } })
	require.ErrorIs(t, err, failure)
	w.SQL(`REVOKE SELECT ON sentinel.casbin_rule FROM sentinel_app`)
	_, err = load([]uuid.UUID{own}, as)
	require.Error(t, err)
}
