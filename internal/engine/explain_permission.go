package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/pattern"
)

// considered is a permission of the subject's roles with what became of it.
type considered struct {
	g   *grants.Grant
	why string
}

// permissions lists those that match what is asked about, and those that would
// but for the action or the instance, and counts the others.
func (e *explainer) permissions() {
	e.out.Permissions = []ExplainedPermission{}
	matching := map[*grants.Grant]bool{}
	for _, g := range e.candidates {
		matching[g] = true
	}
	var list []considered
	seen := map[*grants.Grant]bool{}
	for _, at := range e.x.d.held {
		for _, g := range e.s.Grants.OfRole(at) {
			if seen[g] {
				continue
			}
			seen[g] = true
			if matching[g] {
				list = append(list, considered{g, e.why(g)})
			} else if why := e.missed(g); why != "" {
				list = append(list, considered{g, why})
			}
		}
	}
	order := [...]string{WhyCounts, WhyOverruled, WhyCondition, WhyDenyLifted, WhyResource, WhyAction}
	slices.SortFunc(list, func(a, b considered) int {
		return cmp.Or(cmp.Compare(slices.Index(order[:], a.why), slices.Index(order[:], b.why)), slices.Compare(a.g.ID[:], b.g.ID[:]))
	})
	for i, c := range list {
		if i < mostListed {
			e.out.Permissions = append(e.out.Permissions, e.permission(c))
			continue
		}
		e.cut("permissions")
		switch c.why {
		case WhyAction:
			e.out.Others.Action++
		case WhyResource:
			e.out.Others.Resource++
		default:
			e.out.Others.Matching++
		}
	}
}

// why is what became of a permission that matches.
func (e *explainer) why(g *grants.Grant) string {
	won := e.settled.counting
	if e.settled.code == ExplicitDeny {
		won = e.settled.matched
	}
	truth := condition.True
	if g.Conditions != nil {
		truth = g.Conditions.Eval(e.x.environment(e.q.Action))
	}
	switch {
	case slices.Contains(won, g):
		return WhyCounts
	case g.Effect == grants.Allow && truth != condition.True:
		return WhyCondition
	case g.Effect == grants.Deny && truth == condition.False:
		return WhyDenyLifted
	default:
		return WhyOverruled
	}
}

// missed says why a permission does not match, "" if by more than one of action
// and instance, which is counted.
func (e *explainer) missed(g *grants.Grant) string {
	ofType, instance := false, false
	if g.Pattern != nil {
		typ, _ := g.Pattern.Normalised()
		ofType = typ == e.q.Type || typ == pattern.AnyType && e.q.Type != grants.APIType
		instance = ofType && (e.x.target.HasID && g.Pattern.Match(e.q.Type, e.x.target.ID) || !e.x.target.HasID && g.Pattern.TypeWide())
	} else if node := e.s.nodes[g.Node]; node != nil {
		instance = slices.Contains(e.x.target.Nodes, g.Node)
		ofType = instance || node.Type == e.q.Type
	}
	ofType = ofType && (e.q.Type != grants.APIType || g.Effect == grants.Allow)
	switch {
	case !ofType:
		e.out.Others.Type++
	case instance:
		return WhyAction
	case g.HasAction(e.q.Action):
		return WhyResource
	default:
		e.out.Others.Resource++
	}
	return ""
}

func (e *explainer) permission(c considered) ExplainedPermission {
	g := c.g
	out := ExplainedPermission{
		ID: g.ID, Name: g.Name, Effect: string(g.Effect), Actions: g.Actions, Resource: g.Path, OnNode: g.Pattern == nil,
		Counts: c.why == WhyCounts, Why: c.why, Roles: []string{},
	}
	if out.OnNode {
		out.Resource = g.Node.String()
		if node := e.s.nodes[g.Node]; node != nil {
			out.Resource = node.Type + "/" + node.Code
		}
	}
	for _, at := range g.Owners {
		if _, has := slices.BinarySearch(e.x.d.held, at); has && len(out.Roles) < mostNamed {
			out.Roles = append(out.Roles, e.s.roles[at].Name)
		}
	}
	if g.Conditions != nil && c.why != WhyAction && c.why != WhyResource {
		out.Conditions = e.judged(g.Conditions, "permissions")
	}
	return out
}

// judged explains conditions that read what permissions do, as long as there is
// room.
func (e *explainer) judged(p *condition.Program, member string) *condition.Judged {
	if e.comparisons >= mostComparisons {
		e.cut(member)
		return nil
	}
	env := e.x.environment(e.q.Action)
	if p.ReadsClock() {
		setClock(env, e.d.now)
	}
	j := p.Explain(env)
	e.comparisons += j.Len()
	return j
}

func (p *ExplainedPermission) render() {
	switch p.Why {
	case WhyCounts:
		p.Detail = "It allows it."
		if p.Effect == string(grants.Deny) {
			p.Detail = "It forbids it."
			if p.Conditions != nil && p.Conditions.Truth != condition.True.String() {
				p.Detail = "It forbids it, since its conditions cannot be judged: " + p.Conditions.Facts() + "."
			}
		}
	case WhyCondition:
		p.Detail = "Its conditions do not hold."
		if p.Conditions != nil {
			p.Detail = "Its conditions do not hold: " + p.Conditions.Failure() + "."
		}
	case WhyDenyLifted:
		p.Detail = "It does not forbid it, since its conditions do not hold."
		if p.Conditions != nil {
			p.Detail = "It does not forbid it, since its conditions do not hold: " + p.Conditions.Failure() + "."
		}
	case WhyOverruled:
		p.Detail = "Another permission, to the contrary, wins over it."
	case WhyAction:
		actions := p.Actions[:min(len(p.Actions), 10)]
		p.Detail = fmt.Sprintf("It is for other actions: %s.", strings.Join(actions, ", "))
	default:
		p.Detail = "It is for others of the type."
	}
}
