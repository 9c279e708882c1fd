package engine

import (
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/filter"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/pattern"
)

// part returns what must hold of a row that is a registered node, or of one that
// is none, for the answer to be yes:
//
//	no deny wins, and (permitted and no gate is closed, or an escalation is open),
//	and every chain that policies name is open.
//
// A chain's region are the rows that it guards.
func (sel *selection) part(node *Resource) filter.Expr {
	x := sel.about(node)
	if !x.inState(x.q.Action) {
		return filter.Any{}
	}
	undenied, permitted := sel.settle(x)
	if x.s.Tenant.AllowRules && sel.finding.Allows {
		permitted = filter.All{}
	} else if holdsNever(permitted) && holdsNever(undenied) {
		return filter.Any{}
	}
	gate, escalation := sel.guards(x)
	parts := []filter.Expr{undenied, anyOf(allOf(permitted, gate), escalation)}
	for _, name := range sel.finding.Chains {
		parts = append(parts, sel.opens(x, x.s.named[name]))
	}
	return allOf(parts...)
}

// ranked is a permission with the rows for which it counts, or, of a deny, for
// which it does not.
type ranked struct {
	rank
	rows filter.Expr
}

// settle returns where no deny wins, and where, if none does, permissions allow.
func (sel *selection) settle(x *inquiry) (undenied, permitted filter.Expr) {
	var candidates []*grants.Grant
	if x.node != nil {
		candidates = x.s.Grants.Candidates(nil, x.d.held, &x.target)
	} else {
		candidates = x.s.Grants.OfType(nil, x.d.held, x.q.Type, x.q.Action, x.target.Nodes)
	}
	specific := x.s.Tenant.Conflict == MostSpecific
	var allows, denies []ranked
	for _, g := range candidates {
		one := ranked{}
		if specific {
			one.rank = x.rank(g)
		}
		matches := filter.Expr(filter.All{})
		if x.node == nil && g.Pattern != nil {
			matches = matching(g.Pattern)
		}
		if g.Effect == grants.Deny {
			one.rows = anyOf(negated(matches), sel.reduce(x, g, condition.False))
			denies = append(denies, one)
		} else {
			one.rows = allOf(matches, sel.reduce(x, g, condition.True))
			allows = append(allows, one)
		}
	}
	undenied, permitted = allOf(rowsOf(denies)...), anyOf(rowsOf(allows)...)
	if specific && len(denies) > 0 {
		permitted = mostSpecificRows(allows, denies)
		undenied = anyOf(undenied, permitted)
	}
	return undenied, permitted
}

func rowsOf(list []ranked) []filter.Expr {
	out := make([]filter.Expr, len(list))
	for i := range list {
		out[i] = list[i].rows
	}
	return out
}

// mostSpecificRows returns where an allow counts that is more specific than every
// deny that does: from the most specific rank down, no deny of the rank counts,
// and an allow of it does or the same holds of the ranks below.
func mostSpecificRows(allows, denies []ranked) filter.Expr {
	byRank := func(a, b ranked) int { return a.compare(b.rank) }
	slices.SortStableFunc(allows, byRank)
	slices.SortStableFunc(denies, byRank)
	out := filter.Expr(filter.Any{})
	for len(allows) > 0 || len(denies) > 0 {
		// Those of one side that follow each other are joined at once: one by one,
		// each would copy all before it.
		n := 0
		for n < len(allows) && (len(denies) == 0 || allows[n].compare(denies[0].rank) <= 0) {
			n++
		}
		out, allows = anyOf(append([]filter.Expr{out}, rowsOf(allows[:n])...)...), allows[n:]
		for n = 0; n < len(denies) && (len(allows) == 0 || allows[0].compare(denies[n].rank) > 0); {
			n++
		}
		out, denies = allOf(append([]filter.Expr{out}, rowsOf(denies[:n])...)...), denies[n:]
	}
	return out
}

// reduction is what a condition must be.
type reduction struct {
	program *condition.Program
	want    condition.Truth
}

// reduce returns the rows of which a permission's conditions are true, or false.
func (sel *selection) reduce(x *inquiry, g *grants.Grant, want condition.Truth) filter.Expr {
	if g.Conditions == nil {
		return filter.Rows(want == condition.True)
	}
	env := x.environment(x.q.Action)
	if g.Conditions.ReadsClock() {
		setClock(env, x.d.now)
		x.d.TTL = 0
	}
	expr, err := g.Conditions.Reduce(env, condition.Row{ID: x.node == nil, Attributes: true}, want)
	if err != nil {
		return sel.hole(reduction{g.Conditions, want}, err, &NotTranslatable{Permission: g})
	}
	return expr
}

// hole returns a test that stands for what cannot be stated about rows.
func (sel *selection) hole(of reduction, err error, what *NotTranslatable) filter.Expr {
	at, ok := sel.known[of]
	if !ok {
		var u *filter.Untranslatable
		if errors.As(err, &u) {
			what.Path, what.Why = u.Path, u.Why
		} else {
			what.Why = err.Error()
		}
		if sel.known == nil {
			sel.known = map[reduction]int{}
		}
		at = len(sel.holes)
		sel.known[of], sel.holes = at, append(sel.holes, what)
	}
	return &filter.Test{Op: opHole, Values: []any{at}}
}

// guards returns where the chain that guards a row lets through what is
// permitted, and where it lets through what is not. The first that matches a row
// guards it.
func (sel *selection) guards(x *inquiry) (gate, escalation filter.Expr) {
	gate, escalation = filter.All{}, filter.Any{}
	if x.node != nil {
		switch c := x.guard(); {
		case c == nil:
		case c.Mode == approval.Gate:
			gate = sel.opens(x, c)
		default:
			escalation = sel.opens(x, c)
		}
		return gate, escalation
	}
	for _, typ := range [...]string{pattern.AnyType, x.q.Type} {
		for _, c := range slices.Backward(x.s.guards[typ]) {
			region, open := matching(c.Pattern), sel.opens(x, c)
			outside := negated(region)
			if c.Mode == approval.Gate {
				gate = anyOf(allOf(region, open), allOf(outside, gate))
				escalation = allOf(outside, escalation)
			} else {
				gate = anyOf(region, gate)
				escalation = anyOf(allOf(region, open), allOf(outside, escalation))
			}
		}
	}
	return gate, escalation
}

// opens returns the rows for which a chain is open: those that a request was
// approved for, and those that its own conditions approve, which see nothing of
// the row but its id.
func (sel *selection) opens(x *inquiry, c *approval.Chain) filter.Expr {
	if x.node != nil {
		return filter.Rows(x.request(c, x.q.Action, true) != nil || x.approvesItself(c, x.q.Action))
	}
	var ids []any
	for i := range x.subject.Requests {
		r := &x.subject.Requests[i]
		if r.Approved && r.isFor(c, x.q.Action) && r.stands(x.d.now) && r.Type == x.q.Type && r.Node == uuid.Nil && r.ResourceID != "" && !slices.Contains(ids, any(r.ResourceID)) {
			ids = append(ids, r.ResourceID)
		}
	}
	open := filter.Expr(filter.Any{})
	if ids != nil {
		open = &filter.Test{Op: filter.Eq, Field: filter.Field{ID: true}, Values: ids}
	}
	if c.Auto == nil || !x.s.Tenant.AutoApprove {
		return open
	}
	if c.Auto.ReadsClock() {
		x.d.TTL = 0
	}
	auto, err := c.Auto.Reduce(x.storedEnvironment(x.q.Action), condition.Row{ID: true}, condition.True)
	if err != nil {
		auto = sel.hole(reduction{c.Auto, condition.True}, err, &NotTranslatable{Chain: c.Name})
	}
	return anyOf(open, auto)
}

// matching returns the rows whose ids match a pattern of their type.
func matching(p *pattern.Pattern) filter.Expr {
	test := &filter.Test{Field: filter.Field{ID: true}}
	_, glob := p.Normalised()
	id, literal := p.Literal()
	begin, prefix := p.Prefix()
	switch {
	case p.TypeWide():
		return filter.All{}
	case literal:
		test.Op, test.Values = filter.Eq, []any{id}
	case prefix:
		test.Op, test.Values = filter.Prefix, []any{begin}
	default:
		test.Op, test.Values = filter.Glob, []any{glob}
	}
	return test
}

// negated returns where what [matching] returned does not hold: ids are always
// there.
func negated(e filter.Expr) filter.Expr {
	if t, ok := e.(*filter.Test); ok {
		not := *t
		not.Negated = true
		return &not
	}
	return filter.Any{}
}
