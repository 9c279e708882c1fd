package engine

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/models"
)

// candidates says which users could be allowed something at all. Whoever is not
// among them is not, whatever else is true.
type candidates struct {
	// everybody is set where it does not depend on what they hold.
	everybody bool
	// roles and groups are those whose holders have a permission for it.
	roles, groups []uuid.UUID
	// chain is the one of which an approval would be enough, uuid.Nil for none.
	chain uuid.UUID
	// typ, action, node and id are what such an approval names: node a registered
	// one's id, or else "" and id the instance, which is "" for the type.
	typ, action, node, id string
}

// candidates of a question: who holds a permission for it, who has an approval
// that stands for one, and everybody where a policy or the conditions of a chain
// may allow.
func (s *Snapshot) candidates(q *Question) candidates {
	x := s.aim(q, s.Find(q.Type, q.ID))
	c := candidates{typ: q.Type, action: q.Action, id: q.ID, everybody: s.mayAllow(q.Type, q.Action)}
	if x.node != nil {
		c.node = x.node.ID.String()
	}
	if guard := x.guard(); guard != nil && guard.Mode == approval.Escalation {
		c.chain = guard.ID
		c.everybody = c.everybody || guard.Auto != nil && s.Tenant.AutoApprove
	}
	if c.everybody {
		return c
	}
	owners := make([]bool, s.Graph.Len())
	for _, g := range s.Grants.Reaching(&x.target) {
		if g.Effect == grants.Deny {
			continue
		}
		for _, at := range g.Owners {
			owners[at] = true
		}
	}
	c.roles, c.groups = s.givers(owners)
	return c
}

// mayAllow reports whether a policy of the tenant may allow an action on a type.
func (s *Snapshot) mayAllow(typ, action string) bool {
	return s.Tenant.AllowRules && s.policies != nil && s.policies.modules != nil && s.policies.modules.MayAllow(typ, action)
}

// givers returns the roles and groups of which whoever is assigned one reaches a
// position that is set.
func (s *Snapshot) givers(wanted []bool) (roles, groups []uuid.UUID) {
	for i := range int32(s.Graph.Len()) { //nolint:gosec // bounded by the number of rows of a tenant
		for _, at := range s.Graph.Reach(i) {
			if !wanted[at] {
				continue
			}
			if kind, id := rbac.Parse(s.Graph.Node(i).Key); kind == rbac.RoleKind {
				roles = append(roles, id)
			} else {
				groups = append(groups, id)
			}
			break
		}
	}
	return roles, groups
}

// loadSubjectsOf reads users of the transaction's tenant by their ids, in that
// order, with their display names. It keeps none of them, since a search would
// crowd out those who ask.
func loadSubjectsOf(tx *db.Tx, tenant uuid.UUID, ids []uuid.UUID) (list []*Subject, names []string, err error) {
	if len(ids) == 0 {
		return nil, nil, nil
	}
	var rows []models.User
	err = tx.Select("id", "tenant_id", "email", "email_verified_at", "username", "display_name", "external_id", "is_service_account", "attributes", "locked_until", "is_active").
		Where("tenant_id = ? AND id = ANY(CAST(? AS uuid[]))", tenant, db.UUIDs(ids)).Order("id").Find(&rows).Error
	if err != nil {
		return nil, nil, fmt.Errorf("load candidates: %w", err)
	}
	for i := range rows {
		names = append(names, rows[i].DisplayName)
	}
	list, err = subjects(tx, tenant, rows)
	return list, names, err
}
