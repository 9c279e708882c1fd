package granting

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/platform/db"
)

// NodeChange returns the change that a write to a registered node is, as the
// node stands now: every permission whose reach the node's place, code or
// attributes can decide, with the roles that own them. A write asks before and
// after, and [Change.With] joins the two.
//
// Those are the permissions on the nodes above it; on the line of the entity
// node of its type, below which an instance hangs as long as it is not
// registered; those by a pattern that tells its code from others, or by
// conditions that may read its attributes; and those that read a path, which
// moves with everything below the node.
func (j *Judge) NodeChange(tx *db.Tx, id uuid.UUID) (Change, error) {
	return j.NodesChange(tx, []uuid.UUID{id})
}

// NodesChange is [Judge.NodeChange] of many nodes that are written together.
func (j *Judge) NodesChange(tx *db.Tx, ids []uuid.UUID) (Change, error) {
	var rows []struct {
		Root  uuid.UUID
		ID    uuid.UUID
		Type  string
		Code  string
		Depth int
	}
	err := tx.Raw(`
WITH RECURSIVE line AS (
  SELECT n.id AS root, r.id, r.type, r.code, r.parent_id, CASE WHEN r.id = n.id THEN 0 ELSE 1 END AS depth
  FROM sentinel.resources n
  JOIN sentinel.resources r ON r.tenant_id = @tenant AND (r.id = n.id OR r.type = 'entity' AND r.code = n.type)
  WHERE n.tenant_id = @tenant
  AND n.id = ANY(CAST(@ids AS uuid[]))
  UNION
  SELECT l.root, r.id, r.type, r.code, r.parent_id, l.depth + 1
  FROM sentinel.resources r
  JOIN line l ON l.parent_id = r.id
  WHERE r.tenant_id = @tenant
)
SELECT root, id, type, code, depth
FROM line
ORDER BY root, depth`, map[string]any{"tenant": j.tenant, "ids": db.UUIDs(ids)}).Scan(&rows).Error
	if err != nil {
		return Change{}, fmt.Errorf("read the line of a node: %w", err)
	}
	above := map[uuid.UUID]map[uuid.UUID]bool{}
	for _, r := range rows {
		if above[r.Root] == nil {
			above[r.Root] = map[uuid.UUID]bool{}
		}
		above[r.Root][r.ID] = true
	}
	var c Change
	for _, g := range j.before.Grants.All() {
		for _, r := range rows {
			if r.Depth > 0 || !concerns(g, above[r.Root], r.Type, r.Code) {
				continue
			}
			c.Permissions = append(c.Permissions, g)
			for _, owner := range g.Owners {
				c.Nodes = append(c.Nodes, j.before.Graph.Node(owner).Key)
			}
			break
		}
	}
	return c, nil
}

func concerns(g *grants.Grant, above map[uuid.UUID]bool, typ, code string) bool {
	switch {
	case g.IsAPI():
		return false
	case slices.Contains(g.Conditions.Paths(), "resource.path"):
		return true
	case g.Pattern == nil:
		return above[g.Node]
	default:
		// A pattern for every id of a type reaches the node under any code.
		return g.Pattern.Match(typ, code) && (!g.Unconditional() || !g.Pattern.TypeWide())
	}
}

// With returns both changes as one: a write that is judged as things were and as
// they will be.
func (c Change) With(other Change) Change {
	return Change{
		Accounts: slices.Concat(c.Accounts, other.Accounts), Nodes: slices.Concat(c.Nodes, other.Nodes),
		Handed: slices.Concat(c.Handed, other.Handed), Content: slices.Concat(c.Content, other.Content),
		Permissions: slices.Concat(c.Permissions, other.Permissions), Removal: c.Removal && other.Removal,
	}
}
