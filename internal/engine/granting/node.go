package granting

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/platform/db"
)

// NodeChange returns the change that a write to a registered node is: every
// permission that flows to it from a node above it, and every one whose
// conditions may read its attributes. A write that moves the node asks before
// and after.
func (j *Judge) NodeChange(tx *db.Tx, id uuid.UUID) (Change, error) {
	var line []struct {
		ID   uuid.UUID
		Type string
		Code string
	}
	err := tx.Raw(`
WITH RECURSIVE line AS (
  SELECT id, type, code, parent_id, 0 AS depth
  FROM sentinel.resources
  WHERE tenant_id = @tenant
  AND id = @id
  UNION ALL
  SELECT r.id, r.type, r.code, r.parent_id, l.depth + 1
  FROM sentinel.resources r
  JOIN line l ON l.parent_id = r.id
  WHERE r.tenant_id = @tenant
)
SELECT id, type, code
FROM line
ORDER BY depth`, map[string]any{"tenant": j.tenant, "id": id}).Scan(&line).Error
	if err != nil {
		return Change{}, fmt.Errorf("read the line of a node: %w", err)
	}
	if len(line) == 0 {
		return Change{}, nil
	}
	above := make(map[uuid.UUID]bool, len(line))
	for _, n := range line {
		above[n.ID] = true
	}
	var c Change
	for _, g := range j.before.Grants.All() {
		// A pattern reaches an instance whether it is registered or not; what a
		// write to the node changes for it is the attributes it is judged by.
		if g.Pattern == nil && above[g.Node] || g.Pattern != nil && !g.Unconditional() && g.Pattern.Match(line[0].Type, line[0].Code) {
			c.Permissions = append(c.Permissions, g)
		}
	}
	return c, nil
}
