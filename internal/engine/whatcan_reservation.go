package engine

import (
	"slices"
	"strings"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/pattern"
)

// restraints are what may stand against acting on the instances of a pattern,
// whatever the action. Where that is not known for sure, it may.
type restraints struct {
	*patternFinder
	scope *pattern.Pattern
	typ   string
	// denies overlap; those of which hard is set match every instance.
	denies []*grants.Grant
	hard   map[*grants.Grant]bool
	// workflow, gate and nodes are set where one could have a say.
	workflow, gate, nodes bool
}

func (f *patternFinder) restraints(scope *pattern.Pattern) *restraints {
	r := &restraints{patternFinder: f, scope: scope, hard: map[*grants.Grant]bool{}}
	r.typ, _ = scope.Normalised()
	if r.typ == grants.APIType {
		return r
	}
	types := []string{r.typ}
	if r.typ == pattern.AnyType {
		types = f.entities()
	}
	for _, g := range f.denies {
		if g.Pattern != nil && g.Pattern.Overlaps(scope) {
			r.denies, r.hard[g] = append(r.denies, g), g.Pattern.Covers(scope)
		}
	}
	for _, typ := range types {
		chain := f.s.chain(nil, typ, nil)
		for _, g := range f.denies {
			if g.Pattern == nil && slices.Contains(chain, g.Node) {
				r.denies, r.hard[g] = append(r.denies, g), r.typ != pattern.AnyType
			}
		}
		entity := f.s.codes[typeCode{EntityType, typ}]
		r.workflow = r.workflow || entity != nil && entity.workflow != nil
	}
	r.gate = slices.ContainsFunc(f.s.chains, func(c *approval.Chain) bool {
		return c.Mode == approval.Gate && c.Pattern.Overlaps(scope)
	})
	r.nodes = f.overlapsNodes(scope, r.typ)
	return r
}

// mostMatches bounds how many nodes a pattern is compared with.
const mostMatches = 1_000

// overlapsNodes reports whether a registered node could match.
func (f *patternFinder) overlapsNodes(scope *pattern.Pattern, typ string) bool {
	list := f.s.ordered()
	if typ != pattern.AnyType {
		list = f.s.nodesOf(typ)
		if id, one := scope.Literal(); one {
			return f.s.Find(typ, id) != nil
		}
	}
	if len(list) > mostMatches {
		return true
	}
	return slices.ContainsFunc(list, func(n *Resource) bool { return scope.Match(n.Type, n.Code) })
}

// against returns the reservations about an action, "*" for every one. possible is
// not set if it is never allowed.
func (r *restraints) against(action string, by *FoundPattern) (because []Reservation, possible bool) {
	add := func(is bool, reservation Reservation) {
		if is {
			because = append(because, reservation)
		}
	}
	conditions := condition.True
	if by.Permission != nil && by.Permission.Conditions != nil {
		truth, known := r.env.eval(by.Permission.Conditions, r.scope, action)
		if known && truth != condition.True {
			return nil, false
		}
		if !known {
			conditions = condition.Unknown
		}
	}
	add(conditions != condition.True, ByConditions)
	denied, surely := r.denied(action)
	if surely {
		return nil, false
	}
	add(denied, ByDeny)
	add(r.workflow, ByWorkflow)
	add(r.policy(action) || by.Permission == nil && by.Chain == nil, ByPolicy)
	// What was approved needs no other chain's approval.
	add(by.Request == nil && (r.gate || by.Chain != nil), ByApproval)
	add(r.nodes, ByNodes)
	return because, true
}

// denied reports whether a permission may deny the action, and whether one surely
// does, whatever allows it.
func (r *restraints) denied(action string) (may, surely bool) {
	for _, g := range r.denies {
		if action != grants.AnyAction && !g.HasAction(action) {
			continue
		}
		truth, known := condition.True, true
		if g.Conditions != nil {
			truth, known = r.env.eval(g.Conditions, r.scope, action)
		}
		if known && truth == condition.False {
			continue
		}
		may = true
		surely = surely || known && r.hard[g] && r.s.Tenant.Conflict != MostSpecific && (action != grants.AnyAction || g.HasAction(action))
	}
	return may, surely
}

// policy reports whether a policy has a say. Where the type has fields, one that
// fails for those who read or write fails the whole answer.
func (r *restraints) policy(action string) bool {
	p := r.s.policies
	if r.typ == grants.APIType || p == nil {
		return false
	}
	if p.err != nil || p.modules == nil {
		return p.err != nil
	}
	apply := func(action string) bool { return p.modules.MayApply(r.typ, action) }
	fields := len(r.s.fields[r.typ]) > 0 || r.typ == pattern.AnyType && len(r.s.fields) > 0
	return apply(action) || fields && slices.ContainsFunc(fieldActions[:], apply)
}

// fixed judges conditions that read nothing but what is the same for every
// instance of a pattern.
type fixed struct{ x *resourceSearch }

// eval returns the truth of conditions for all instances and all that a caller
// could say; known is not set if it depends on that.
func (f *fixed) eval(c *condition.Program, scope *pattern.Pattern, action string) (truth condition.Truth, known bool) {
	typ, _ := scope.Normalised()
	id, one := scope.Literal()
	for _, path := range c.Paths() {
		switch root, _, _ := strings.Cut(path, "."); {
		case root == "subject" || root == "tenant" || path == "resource.path":
		case path == "action.name" && action != grants.AnyAction:
		case path == "resource.type" && typ != pattern.AnyType:
		case path == "resource.id" && one && typ != pattern.AnyType:
		default:
			return condition.Unknown, false
		}
	}
	q := f.x.ask.Question
	q.Type, q.ID, q.Action = typ, id, action
	return c.Eval(environment(&Decision{question: &q, snapshot: f.x.s}, f.x.subject, nil)), true
}
