package granting_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// What a role gives in the tenants below is not in sight of the one that owns
// it: only who administers those may change it.
func TestGranting_RolesHeldBelowAreAnAdministrators(t *testing.T) {
	w := setup(t)
	child := w.Child(w.tenant, true)
	lookout := w.Role(w.tenant, "lookout", 5, uuid.UUID{})
	w.Own(w.tenant, lookout, w.readVessels)
	w.Assign(w.tenant, w.ada, lookout)
	w.accepted(w.manager, w.edit(lookout, `priority = 6`, lookout), "it holds what the role grants")
	w.Assign(child, w.User(child, "mate"), lookout)
	w.refused(w.manager, w.edit(lookout, `priority = 7`, lookout), "a role that is held below")
	w.accepted(w.admin, w.edit(lookout, `priority = 7`, lookout), "tenant_admin administers those below")

	keeper := w.Role(w.tenant, "keeper", 5, uuid.UUID{})
	w.Own(w.tenant, keeper, w.readVessels)
	w.Assign(w.tenant, w.ada, keeper)
	w.GroupRole(child, w.Group(child, "deck", uuid.UUID{}), keeper)
	losing := func(user uuid.UUID) error {
		return w.Writer.Granting(w.As(w.tenant, user), "test.delete", func(tx *change.Write) (granting.Change, error) {
			node := []string{rbac.Role(keeper)}
			accounts, err := tx.Judge.Losing(tx.Tx, node)
			if err != nil {
				return granting.Change{}, err
			}
			require.Contains(t, accounts, w.ada, "who holds it is found before it is gone")
			return granting.Change{Accounts: accounts, Nodes: node, Content: node, Removal: true},
				tx.Exec("DELETE FROM sentinel.roles WHERE id = ?", keeper).Error
		})
	}
	before := w.rows()
	err := losing(w.manager)
	require.True(t, fault.Is(err, fault.Denied), "%v", err)
	require.Equal(t, before, w.rows())
	require.NoError(t, losing(w.admin))
}

// A chain of roles that grows above can make a path below too long.
func TestGranting_APathBelowCountsAsWell(t *testing.T) {
	w := setup(t)
	child := w.Child(w.tenant, true)
	var group uuid.UUID
	for i := range 60 {
		group = w.Group(child, fmt.Sprint("g", i), group)
		if i == 0 {
			w.GroupRole(child, group, w.sailor)
		}
	}
	parents := make([]uuid.UUID, 6)
	var parent uuid.UUID
	for i := range parents {
		parent = w.Role(w.tenant, fmt.Sprint("r", i), 0, parent)
		parents[i] = parent
	}
	set := func(role uuid.UUID) string { return fmt.Sprintf(`parent_role_id = '%s'`, role) }
	w.accepted(w.admin, w.edit(w.sailor, set(parents[3]), parents[3]), "59 + 1 + 4 steps below")
	w.conflict(w.admin, w.edit(w.sailor, set(parents[4]), parents[4]), "one more")

	// Written past the judge, it is not answered rather than cut.
	w.SQL(`UPDATE sentinel.roles SET parent_role_id = $1 WHERE id = $2`, parents[5], w.sailor)
	bottom := w.User(child, "bottom")
	w.Join(child, bottom, group)
	require.Equal(t, engine.NotEvaluated, w.Ask(child, bottom, "vessel", "v", "read").Code)
}
