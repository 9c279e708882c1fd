package granting

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/platform/db"
)

// dormant refuses a write by which an account comes by, or has already, an
// inactive role or group: the graph does not show what it will give once it is
// active again, and what starts tomorrow is given today. A node that the write
// itself switches off or on is in sight, and taking away plants nothing.
func (j *Judge) dormant(tx *db.Tx, accounts []uuid.UUID, c Change) error {
	if j.admin || c.Removal {
		return nil
	}
	direct, err := directNodes(tx, j.tenant, accounts)
	if err != nil {
		return err
	}
	roles, groups := split(slices.Concat(direct, c.Handed, c.Content))
	if len(roles)+len(groups) == 0 {
		return nil
	}
	var inactive []string
	err = tx.Raw(`
WITH RECURSIVE above AS (
  SELECT id, parent_group_id, is_active
  FROM sentinel.groups
  WHERE tenant_id = @tenant
  AND id = ANY(CAST(@groups AS uuid[]))
  UNION
  SELECT g.id, g.parent_group_id, g.is_active
  FROM sentinel.groups g
  JOIN above a ON a.parent_group_id = g.id
  WHERE g.tenant_id = @tenant
), inherited AS (
  SELECT id, parent_role_id, is_active
  FROM sentinel.roles
  WHERE tenant_id = @tenant
  AND (
    id = ANY(CAST(@roles AS uuid[]))
    OR id IN (
      SELECT gr.role_id
      FROM sentinel.group_roles gr
      JOIN above a ON a.id = gr.group_id
      WHERE gr.tenant_id = @tenant
    )
  )
  UNION
  SELECT r.id, r.parent_role_id, r.is_active
  FROM sentinel.roles r
  JOIN inherited i ON i.parent_role_id = r.id
  WHERE r.tenant_id = @tenant
)
SELECT 'group:' || id
FROM above
WHERE NOT is_active
UNION
SELECT 'role:' || id
FROM inherited
WHERE NOT is_active`,
		map[string]any{"tenant": j.tenant, "roles": db.UUIDs(roles), "groups": db.UUIDs(groups)}).Scan(&inactive).Error
	if err != nil {
		return fmt.Errorf("look for inactive roles and groups: %w", err)
	}
	inactive = slices.DeleteFunc(inactive, func(key string) bool { return slices.Contains(c.Nodes, key) })
	if len(inactive) == 0 {
		return nil
	}
	missing := make([]string, len(inactive))
	for i, key := range inactive {
		kind, id := rbac.Parse(key)
		missing[i] = fmt.Sprintf("what the inactive %s %s will give", kind, id)
	}
	return refused(missing)
}
