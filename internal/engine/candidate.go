package engine

import (
	"fmt"
	"time"

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
	x := s.aim(q)
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

// after returns the next candidates by id, at most most of them.
func (c *candidates) after(tx *db.Tx, tenant, after uuid.UUID, now time.Time, most int) (ids []uuid.UUID, err error) {
	if c.everybody {
		err = tx.Raw(`
SELECT id
FROM sentinel.users
WHERE tenant_id = ?
AND id > ?
ORDER BY id
LIMIT ?`, tenant, after, most).Scan(&ids).Error
	} else {
		err = tx.Raw(candidatesSQL, map[string]any{
			"tenant": tenant, "after": after, "now": now, "most": most, "roles": db.UUIDs(c.roles), "groups": db.UUIDs(c.groups),
			"chain": c.chain, "type": c.typ, "action": c.action, "node": c.node, "id": c.id,
		}).Scan(&ids).Error
	}
	if err != nil {
		return nil, fmt.Errorf("find candidates: %w", err)
	}
	return ids, nil
}

// candidatesSQL reads in the order of users from each of the three sources no
// more than the page takes, so that it does not matter how many there are.
const candidatesSQL = `
SELECT user_id
FROM (
  (SELECT DISTINCT user_id
  FROM sentinel.user_roles
  WHERE tenant_id = @tenant
  AND user_id > @after
  AND role_id = ANY(CAST(@roles AS uuid[]))
  AND is_active
  AND (valid_from IS NULL OR valid_from <= @now)
  AND (expires_at IS NULL OR expires_at > @now)
  ORDER BY user_id
  LIMIT @most)
  UNION
  (SELECT DISTINCT user_id
  FROM sentinel.user_groups
  WHERE tenant_id = @tenant
  AND user_id > @after
  AND group_id = ANY(CAST(@groups AS uuid[]))
  ORDER BY user_id
  LIMIT @most)
  UNION
  (SELECT DISTINCT beneficiary_id
  FROM sentinel.access_requests
  WHERE tenant_id = @tenant
  AND beneficiary_id > @after
  AND chain_id = @chain
  AND COALESCE(request_details ->> 'node_id', '') = @node
  AND (@node <> '' OR COALESCE(request_details ->> 'resource_id', '') = @id)
  AND request_details ->> 'resource_type' = @type
  AND (request_type = 'resource_access' OR request_type = 'permission' AND request_details ->> 'action' IN (@action, '*'))
  AND status = 'approved'
  AND NOT auto_approved
  AND (grant_expires_at IS NULL OR grant_expires_at > @now)
  ORDER BY beneficiary_id
  LIMIT @most)
) AS candidates
ORDER BY user_id
LIMIT @most`

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
