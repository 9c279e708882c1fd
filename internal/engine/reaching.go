package engine

import (
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/grants"
)

// ReachingPermission is a permission that counts for a registered node.
type ReachingPermission struct {
	Grant *grants.Grant
	// Node is what the permission is on: the node itself or one above it. Nil for
	// one by a pattern.
	Node *Resource
	// Roles are those that own the permission directly.
	Roles []*Role
}

// Reaching returns every permission that a question about a registered node
// finds, whatever the subject and the action: those on the node and on the nodes
// above it, nearest first, then those by pattern, each ordered by id. Conditions
// are not judged. ok is false if the tenant has no such node.
func (e *Engine) Reaching(ctx context.Context, tenant, id uuid.UUID) (list []ReachingPermission, ok bool, err error) {
	v, err := e.view(ctx, tenant)
	if err != nil {
		return nil, false, err
	}
	s := v.snapshot
	node := s.nodes[id]
	if node == nil {
		return nil, false, nil
	}
	steps := map[uuid.UUID]int{}
	for i, above := range s.chain(node, node.Type, nil) {
		steps[above] = i
	}
	distance := func(g *grants.Grant) int {
		if g.Pattern != nil {
			return len(steps)
		}
		return steps[g.Node]
	}
	for _, g := range s.Grants.All() {
		_, above := steps[g.Node]
		if g.Pattern == nil && !above || g.Pattern != nil && !g.Pattern.Match(node.Type, node.Code) {
			continue
		}
		p := ReachingPermission{Grant: g}
		if g.Pattern == nil {
			p.Node = s.nodes[g.Node]
		}
		for _, at := range g.Owners {
			if r := s.roles[at]; !s.withholds(r) {
				p.Roles = append(p.Roles, r)
			}
		}
		if p.Roles != nil {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b ReachingPermission) int {
		return cmp.Or(cmp.Compare(distance(a.Grant), distance(b.Grant)), slices.Compare(a.Grant.ID[:], b.Grant.ID[:]))
	})
	return list, true, nil
}
