package engine

import (
	"cmp"
	"slices"

	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/pattern"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
)

// mostRoles is how many roles are tried where one is lacking.
const mostRoles = 5

// may are the roles that the workflow lets do it in the present state.
func (w state) may() []int32 {
	flow, state := w.inquiry().workflow()
	if flow == nil {
		return nil
	}
	return slices.Concat(flow.actions[state][w.q.Action].roles, flow.actions[state][grants.AnyAction].roles)
}

// permit are roles that own a permission that allows.
func (s *search) permit(from state) [][]ExplainedChange {
	x := from.inquiry()
	all := make([]int32, from.s.Graph.Len())
	for i := range all {
		all[i] = int32(i) //nolint:gosec // bounded by the number of rows of a tenant
	}
	var owners, others []int32
	for _, g := range from.s.Grants.Candidates(nil, all, &x.target) {
		switch {
		case g.Effect == grants.Deny:
		case g.Conditions.Eval(x.env) == condition.True:
			owners = append(owners, g.Owners...)
		default:
			others = append(others, g.Owners...)
		}
	}
	if owners == nil {
		owners = others
	}
	return s.gain(from, owners)
}

// wide is the weight of a role that gives nearly everything.
const wide = 10_000

// power is roughly how much a permission gives: everything that there is weighs
// more than thousands of permissions for something.
func power(g *grants.Grant) int {
	if g.Effect == grants.Deny {
		return 0
	}
	weight := len(g.Actions)
	if slices.Contains(g.Actions, grants.AnyAction) {
		weight = 100
	}
	if g.Pattern == nil {
		return weight
	}
	typ, _ := g.Pattern.Normalised()
	_, one := g.Pattern.Literal()
	if typ == pattern.AnyType || typ == grants.APIType && !one {
		weight *= 100
	}
	return weight
}

// gain are the roles, those first that give least besides.
func (s *search) gain(from state, roles []int32) [][]ExplainedChange {
	type option struct {
		at     int32
		weight int
	}
	var options []option
	for _, at := range unique(roles) {
		r := from.s.roles[at]
		_, held := slices.BinarySearch(from.d.held, at)
		if held || from.s.withholds(r) {
			continue
		}
		weight := 0
		for _, i := range from.s.Graph.Reach(at) {
			for _, g := range from.s.Grants.OfRole(i) {
				weight += power(g)
			}
		}
		options = append(options, option{at, weight})
	}
	slices.SortFunc(options, func(a, b option) int {
		x, y := from.s.roles[a.at], from.s.roles[b.at]
		return cmp.Or(compareBool(a.weight >= wide, b.weight >= wide), -compareBool(x.IsAssignable, y.IsAssignable), cmp.Compare(a.weight, b.weight), cmp.Compare(x.Name, y.Name), cmp.Compare(a.at, b.at))
	})
	if len(options) > mostRoles {
		s.complete = false
	}
	var out [][]ExplainedChange
	for _, o := range options[:min(len(options), mostRoles)] {
		r := from.s.roles[o.at]
		key := rbac.Role(r.ID)
		out = append(out, []ExplainedChange{{
			Kind: ChangeAssignRole, RoleID: &r.ID, RoleName: r.Name, key: "with " + key, apply: holding(key), role: r, beneficiary: from.q.UserID, wide: o.weight >= wide,
		}})
	}
	return out
}

// narrow leaves out the ways by which the subject would get nearly everything, if
// there is another that is as small.
func (s *search) narrow() {
	isWide := func(w ExplainedWay) bool {
		return slices.ContainsFunc(w.Together, func(c ExplainedChange) bool { return c.wide })
	}
	if slices.ContainsFunc(s.ways, func(w ExplainedWay) bool { return !isWide(w) }) {
		s.ways = slices.DeleteFunc(s.ways, isWide)
	}
}
