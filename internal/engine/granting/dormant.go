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
// itself switches off or on is in sight, one that it leaves switched off is not,
// and taking away plants nothing.
func (j *Judge) dormant(tx *db.Tx, accounts []uuid.UUID, c Change) error {
	if j.admin || c.Removal {
		return nil
	}
	direct, err := directNodes(tx, j.tenant, accounts)
	if err != nil {
		return err
	}
	found, err := j.inactive(tx, slices.Concat(direct, c.Handed, c.Content))
	if err != nil {
		return err
	}
	return j.plants(found, c)
}

// plants refuses the change by the inactive nodes that were found behind what it
// gives or touches, but for those that it switches off.
func (j *Judge) plants(found map[string][]string, c Change) error {
	var missing []string
	for _, keys := range found {
		for _, key := range keys {
			if _, was := j.before.Graph.Index(key); was && slices.Contains(c.Nodes, key) {
				continue
			}
			kind, id := rbac.Parse(key)
			missing = append(missing, fmt.Sprintf("what the inactive %s %s will give", kind, id))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return refused(missing)
}

// inactive returns the inactive roles and groups that a holder of each of the
// nodes has, by node.
func (j *Judge) inactive(tx *db.Tx, nodes []string) (map[string][]string, error) {
	roles, groups := split(nodes)
	if len(roles)+len(groups) == 0 {
		return nil, nil
	}
	var rows []struct{ Root, Node string }
	err := tx.Raw(`
WITH RECURSIVE above AS (
  SELECT 'group:' || id AS root, id, parent_group_id, is_active
  FROM sentinel.groups
  WHERE tenant_id = @tenant
  AND id = ANY(CAST(@groups AS uuid[]))
  UNION
  SELECT a.root, g.id, g.parent_group_id, g.is_active
  FROM sentinel.groups g
  JOIN above a ON a.parent_group_id = g.id
  WHERE g.tenant_id = @tenant
), inherited AS (
  SELECT given.root, r.id, r.parent_role_id, r.is_active
  FROM (
    SELECT 'role:' || id AS root, id
    FROM unnest(CAST(@roles AS uuid[])) id
    UNION
    SELECT a.root, gr.role_id
    FROM sentinel.group_roles gr
    JOIN above a ON a.id = gr.group_id
    WHERE gr.tenant_id = @tenant
  ) given
  JOIN sentinel.roles r ON r.id = given.id
  WHERE r.tenant_id = @tenant
  UNION
  SELECT i.root, r.id, r.parent_role_id, r.is_active
  FROM sentinel.roles r
  JOIN inherited i ON i.parent_role_id = r.id
  WHERE r.tenant_id = @tenant
)
SELECT root, 'group:' || id AS node
FROM above
WHERE NOT is_active
UNION
SELECT root, 'role:' || id
FROM inherited
WHERE NOT is_active`,
		map[string]any{"tenant": j.tenant, "roles": db.UUIDs(roles), "groups": db.UUIDs(groups)}).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("look for inactive roles and groups: %w", err)
	}
	found := make(map[string][]string, len(rows))
	for _, r := range rows {
		found[r.Root] = append(found[r.Root], r.Node)
	}
	return found, nil
}
