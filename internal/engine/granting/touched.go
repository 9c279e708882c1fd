package granting

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/platform/db"
)

// touched returns every account of the tenant that the change reaches: those
// named, and the holders of the changed nodes before or after.
func (j *Judge) touched(tx *db.Tx, after *engine.Snapshot, c Change) ([]uuid.UUID, error) {
	nodes := slices.Concat(j.before.HolderNodes(c.Nodes), after.HolderNodes(c.Nodes))
	holders, err := holders(tx, j.tenant, nodes)
	return append(slices.Clone(c.Accounts), holders...), err
}

// Losing returns the accounts that have one of the nodes. A write that deletes a
// node asks before, since with it go the rows that say so; it is refused here if
// tenants below use the node and the actor does not administer them.
func (j *Judge) Losing(tx *db.Tx, nodes []string) ([]uuid.UUID, error) {
	if err := j.below(tx, j.before, Change{Nodes: nodes}); err != nil {
		return nil, err
	}
	return holders(tx, j.tenant, j.before.HolderNodes(nodes))
}

// split tells the ids of roles from those of groups.
func split(nodes []string) (roles, groups []uuid.UUID) {
	for _, key := range nodes {
		switch kind, id := rbac.Parse(key); kind {
		case rbac.RoleKind:
			roles = append(roles, id)
		case rbac.GroupKind:
			groups = append(groups, id)
		}
	}
	return roles, groups
}

func holders(tx *db.Tx, tenant uuid.UUID, nodes []string) ([]uuid.UUID, error) {
	roles, groups := split(nodes)
	if len(roles)+len(groups) == 0 {
		return nil, nil
	}
	var users []uuid.UUID
	err := tx.Raw(`
SELECT user_id
FROM sentinel.user_roles
WHERE tenant_id = @tenant
AND role_id = ANY(CAST(@roles AS uuid[]))
UNION
SELECT user_id
FROM sentinel.user_groups
WHERE tenant_id = @tenant
AND group_id = ANY(CAST(@groups AS uuid[]))`,
		map[string]any{"tenant": tenant, "roles": db.UUIDs(roles), "groups": db.UUIDs(groups)}).Scan(&users).Error
	if err != nil {
		return nil, fmt.Errorf("find holders: %w", err)
	}
	return users, nil
}

// below judges what a change to roles means in the tenants below that use them:
// no path there may grow too long, and whoever is no administrator may not
// change what accounts there can do, which their own tenant cannot see.
func (j *Judge) below(tx *db.Tx, after *engine.Snapshot, c Change) error {
	roles, _ := split(slices.Concat(j.before.HolderNodes(c.Nodes), after.HolderNodes(c.Nodes)))
	if len(roles) == 0 {
		return nil
	}
	var tenants []uuid.UUID
	err := tx.Widened(db.SnapshotGraph, func() error {
		return tx.Raw(`
SELECT tenant_id
FROM sentinel.user_roles
WHERE role_tenant_id = @tenant
AND tenant_id <> @tenant
AND role_id = ANY(CAST(@roles AS uuid[]))
UNION
SELECT tenant_id
FROM sentinel.group_roles
WHERE role_tenant_id = @tenant
AND tenant_id <> @tenant
AND role_id = ANY(CAST(@roles AS uuid[]))`,
			map[string]any{"tenant": j.tenant, "roles": db.UUIDs(roles)}).Scan(&tenants).Error
	})
	if err != nil {
		return fmt.Errorf("find tenants below that use a role: %w", err)
	}
	if len(tenants) > 0 && !j.admin {
		return refused([]string{"the administration of the sub-tenants in which the role is held"})
	}
	for _, id := range tenants {
		s, err := engine.LoadSnapshot(tx, id, engine.LoadOptions{WithoutTree: true})
		if err != nil {
			return err
		}
		if err := s.CheckDepth(); err != nil {
			return err
		}
	}
	return tx.Act(j.tenant)
}
