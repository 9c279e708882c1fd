package engine

import (
	"cmp"
	"slices"

	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
)

// settle judges the conditions of the candidates and the conflict between allows
// and denies: an allow counts only if its conditions are true, a deny counts
// unless they are false. It leaves the code empty where no deny wins.
func (x *inquiry) settle(o *outcome, candidates []*grants.Grant) {
	var allowBuf, denyBuf, failedBuf [8]*grants.Grant
	allows, denies, failed := allowBuf[:0], denyBuf[:0], failedBuf[:0]
	for _, g := range candidates {
		truth := condition.True
		if g.Conditions != nil {
			truth = x.holds(g.Conditions, o.action)
		}
		switch {
		case g.Effect == grants.Deny && truth != condition.False:
			denies = append(denies, g)
		case g.Effect == grants.Deny:
		case truth == condition.True:
			allows = append(allows, g)
		default:
			failed = append(failed, g)
		}
	}
	if len(denies) > 0 {
		if x.s.Tenant.Conflict == MostSpecific && len(allows) > 0 {
			allows, denies = x.mostSpecific(allows, denies)
		}
		if len(denies) > 0 {
			o.code, o.matched = ExplicitDeny, slices.Clone(denies)
			return
		}
	}
	switch {
	case len(allows) > 0:
		o.counting = slices.Clone(allows)
	case len(failed) > 0:
		o.matched = slices.Clone(failed)
	}
}

func (x *inquiry) holds(p *condition.Program, action string) condition.Truth {
	env := x.environment(action)
	if p.ReadsClock() {
		setClock(env, x.d.now)
		x.d.TTL = 0
	}
	return p.Eval(env)
}

// mostSpecific lets the side win that holds the most specific permission, the
// denies where both hold equally specific ones. It returns the allows that are
// more specific than every deny, or the denies that no allow outdoes.
func (x *inquiry) mostSpecific(allows, denies []*grants.Grant) (counting, winning []*grants.Grant) {
	topAllow, topDeny := x.top(allows), x.top(denies)
	if topDeny.compare(topAllow) >= 0 {
		return nil, slices.DeleteFunc(denies, func(g *grants.Grant) bool { return x.rank(g).compare(topAllow) < 0 })
	}
	return slices.DeleteFunc(allows, func(g *grants.Grant) bool { return x.rank(g).compare(topDeny) <= 0 }), nil
}

// rank is how specific a permission is for a question: its class, within it the
// nearer node or the more literal segments, then the highest priority of the
// subject's roles that own it.
type rank struct{ class, within, priority int }

// The classes of permissions on nodes, among those of [grants.Grant.Specificity].
const (
	classAncestor = 4
	classNode     = 6
)

func (r rank) compare(other rank) int {
	return cmp.Or(cmp.Compare(r.class, other.class), cmp.Compare(r.within, other.within), cmp.Compare(r.priority, other.priority))
}

func (x *inquiry) top(list []*grants.Grant) rank {
	top := x.rank(list[0])
	for _, g := range list[1:] {
		if r := x.rank(g); r.compare(top) > 0 {
			top = r
		}
	}
	return top
}

func (x *inquiry) rank(g *grants.Grant) rank {
	var r rank
	switch {
	case g.Pattern != nil:
		r.class, r.within = g.Specificity()
	case x.node != nil && g.Node == x.node.ID:
		r.class = classNode
	default:
		r.class, r.within = classAncestor, -slices.Index(x.target.Nodes, g.Node)
	}
	first := true
	for _, owner := range g.Owners {
		if _, has := slices.BinarySearch(x.d.held, owner); has && (first || x.s.roles[owner].Priority > r.priority) {
			r.priority, first = x.s.roles[owner].Priority, false
		}
	}
	return r
}
