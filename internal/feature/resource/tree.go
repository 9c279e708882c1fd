package resource

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// maxTree bounds the nodes of one answer.
const maxTree = 1000

// TreeIn says which part of the tree to show.
type TreeIn struct {
	httpapi.PageIn
	RootID httpapi.Opt[uuid.UUID] `query:"root_id" doc:"The node to begin below. Default: above the tenant's roots."`
	Depth  int                    `query:"depth" default:"2" minimum:"1" maximum:"10" doc:"How many levels to show."`
	Type   string                 `query:"type" maxLength:"100" doc:"Only nodes of this type, and those that lead down to one."`
}

// Tree is a part of the tenant's tree. Page and limit count the children of its
// root; of every other node the first limit children are shown.
type Tree struct {
	Root          *Resource   `json:"root,omitempty" doc:"The node that root_id names; absent for the tenant's whole tree."`
	Nodes         int         `json:"nodes" doc:"How many nodes the answer holds below the root, at most 1,000."`
	ChildrenTotal int         `json:"children_total" doc:"How many children the root has, of whatever type."`
	HasMore       bool        `json:"has_more" doc:"Whether it has more to show than children holds, on the next page."`
	Children      []*TreeNode `json:"children"`
}

// TreeNode is a node with what is shown below it.
type TreeNode struct {
	ID              uuid.UUID   `json:"id"`
	Type            string      `json:"type"`
	Name            string      `json:"name"`
	Code            string      `json:"code"`
	IsActive        bool        `json:"is_active"`
	WorkflowEnabled bool        `json:"workflow_enabled"`
	ChildrenTotal   int         `json:"children_total" doc:"How many children the node has, of whatever type, shown or not."`
	HasMore         bool        `json:"has_more" doc:"Whether it has more to show than children holds: ask with its id as root_id."`
	Children        []*TreeNode `json:"children" gorm:"-" doc:"Ordered by code."`
}

func (s *Service) tree(ctx context.Context, in *TreeIn) (*Tree, error) {
	tenant, _ := identity.TenantFrom(ctx)
	out := &Tree{Children: []*TreeNode{}}
	err := s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		g := grower{tx: tx, tenant: tenant, typ: in.Type, limit: in.Limit, left: maxTree}
		if in.RootID.Set {
			root, err := crud.One[models.Resource](tx, tenant, in.RootID.Value, "resource")
			if err != nil {
				return err
			}
			out.Root = view(root)
		}
		level, err := g.top(out, in.Offset())
		for depth := 1; depth < in.Depth && err == nil && len(level) > 0; depth++ {
			level, err = g.grow(level)
		}
		out.Nodes = maxTree - g.left
		return err
	})
	return out, err
}

// grower reads a tree level by level, until it is deep enough or large enough.
type grower struct {
	tx     *db.Tx
	tenant uuid.UUID
	// typ leaves out what is not of it and leads to none of it; "" leaves out
	// nothing.
	typ string
	// limit is how many children of one node are shown.
	limit int
	// left is how many nodes the answer has room for.
	left int
}

// child is a node as a level of the tree is read: with whether there is
// something to show below it.
type child struct {
	TreeNode
	Parent uuid.UUID
	Leads  bool
}

// columns are those of a [child], but for its parent.
const columns = "r.id, r.type, r.name, r.code, r.is_active, r.workflow_enabled"

// leads is the condition that something of the wanted type stands below r.
const leads = `EXISTS (
  SELECT 1
  FROM sentinel.resources d
  WHERE d.tenant_id = @tenant
  AND d.type = @type
  AND d.lineage > r.lineage
  AND d.lineage < sentinel.lineage_end(r.lineage)
)`

// shown returns what a level selects and what it keeps, by the wanted type.
func (g *grower) shown() (column, filter string) {
	if g.typ == "" {
		return "true AS leads", ""
	}
	return leads + " AS leads", "AND (r.type = @type OR " + leads + ")"
}

// top reads the level below the root.
func (g *grower) top(out *Tree, offset int) ([]*TreeNode, error) {
	below := "r.parent_id IS NULL"
	args := map[string]any{"tenant": g.tenant, "type": g.typ, "most": min(g.limit, g.left) + 1, "offset": offset}
	if out.Root != nil {
		below = "r.parent_id = @root"
		args["root"] = out.Root.ID
	}
	if err := g.tx.Raw("SELECT count(*) FROM sentinel.resources r WHERE r.tenant_id = @tenant AND "+below, args).Scan(&out.ChildrenTotal).Error; err != nil {
		return nil, fmt.Errorf("count children: %w", err)
	}
	var rows []child
	column, filter := g.shown()
	err := g.tx.Raw(`
SELECT `+columns+`, `+column+`
FROM sentinel.resources r
WHERE r.tenant_id = @tenant
AND `+below+`
`+filter+`
ORDER BY r.code, r.id
LIMIT @most OFFSET @offset`, args).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read a level of the tree: %w", err)
	}
	if most := min(g.limit, g.left); len(rows) > most {
		rows, out.HasMore = rows[:most], true
	}
	level, err := g.take(rows)
	out.Children = append(out.Children, level...)
	return level, err
}

// take makes nodes of rows, with how many children each has.
func (g *grower) take(rows []child) ([]*TreeNode, error) {
	g.left -= len(rows)
	if len(rows) == 0 {
		return nil, nil
	}
	level := make([]*TreeNode, len(rows))
	ids := make(db.UUIDs, len(rows))
	for i := range rows {
		n := rows[i].TreeNode
		n.Children = []*TreeNode{}
		// Until they are read all children are more.
		n.HasMore = rows[i].Leads
		level[i], ids[i] = &n, n.ID
	}
	// One by one through the index: for all at once the planner would rather read
	// the tenant's nodes in order.
	var totals []int
	err := g.tx.Raw(`
SELECT (
  SELECT count(*)
  FROM sentinel.resources
  WHERE tenant_id = @tenant
  AND parent_id = p.id
)
FROM unnest(CAST(@ids AS uuid[])) WITH ORDINALITY p (id, place)
ORDER BY p.place`, map[string]any{"tenant": g.tenant, "ids": ids}).Scan(&totals).Error
	if err != nil {
		return nil, fmt.Errorf("count children: %w", err)
	}
	for i, n := range level {
		n.ChildrenTotal = totals[i]
		n.HasMore = n.HasMore && n.ChildrenTotal > 0
	}
	return level, nil
}

// grow reads the level below, as far as there is room. Nodes for which there was
// none keep saying that they have more.
func (g *grower) grow(parents []*TreeNode) ([]*TreeNode, error) {
	var next []*TreeNode
	for len(parents) > 0 && g.left > 0 {
		// As many parents as could fill the room: with a type they may have less to
		// show than they have children, and then there is room for others.
		var asked []*TreeNode
		for want := 0; len(parents) > 0 && want < g.left; parents = parents[1:] {
			if p := parents[0]; p.HasMore {
				asked = append(asked, p)
				want += min(p.ChildrenTotal, g.limit)
			}
		}
		level, err := g.below(asked)
		if err != nil {
			return nil, err
		}
		next = append(next, level...)
	}
	return next, nil
}

// below reads the children of parents, at most limit of each and as many as
// there is room for.
func (g *grower) below(parents []*TreeNode) ([]*TreeNode, error) {
	if len(parents) == 0 {
		return nil, nil
	}
	ids := make(db.UUIDs, len(parents))
	for i, p := range parents {
		ids[i] = p.ID
	}
	var rows []child
	column, filter := g.shown()
	err := g.tx.Raw(`
SELECT p.id AS parent, c.*
FROM unnest(CAST(@ids AS uuid[])) WITH ORDINALITY p (id, place)
CROSS JOIN LATERAL (
  SELECT `+columns+`, `+column+`
  FROM sentinel.resources r
  WHERE r.tenant_id = @tenant
  AND r.parent_id = p.id
  `+filter+`
  ORDER BY r.code, r.id
  LIMIT @most
) c
ORDER BY p.place, c.code, c.id`, map[string]any{"tenant": g.tenant, "type": g.typ, "ids": ids, "most": g.limit + 1}).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read a level of the tree: %w", err)
	}
	found := map[uuid.UUID][]child{}
	for i := range rows {
		found[rows[i].Parent] = append(found[rows[i].Parent], rows[i])
	}
	var kept []child
	for _, p := range parents {
		own := found[p.ID]
		most := min(g.limit, g.left-len(kept))
		p.HasMore = len(own) > most
		kept = append(kept, own[:min(len(own), most)]...)
	}
	level, err := g.take(kept)
	if err != nil {
		return nil, err
	}
	byID := make(map[uuid.UUID]*TreeNode, len(parents))
	for _, p := range parents {
		byID[p.ID] = p
	}
	for i, n := range level {
		p := byID[kept[i].Parent]
		p.Children = append(p.Children, n)
	}
	return level, nil
}
