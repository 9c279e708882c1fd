package engine

import (
	"cmp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/pattern"
)

// FoundPattern is what a subject may do with instances that are not registered.
type FoundPattern struct {
	// Type is "*" for every type but the API's.
	Type string
	// Pattern is a glob, as that of a permission: "*" is every id.
	Pattern string
	// Actions are those that it gives, in their order, with "*" first where that is
	// every one.
	Actions []string
	// Conditional is set if a check may be answered with no. If it is not, every
	// check of such an instance is allowed at this moment, whatever its id, without
	// attributes and context.
	Conditional bool
	// Because says what may stand against it, in the order of the constants.
	Because []Reservation
	// Permission is what gives it, nil for an approval or a policy.
	Permission *grants.Grant
	// Path is how the subject has the permission, "" for none.
	Path string
	// Chain is the one by which an approval gives it, and Request that approval, nil
	// for the chain's own conditions.
	Chain   *approval.Chain
	Request *uuid.UUID
}

// Reservation is a reason for which a pattern does not hold without exception.
type Reservation string

// The reservations.
const (
	// ByConditions: the permission has conditions.
	ByConditions Reservation = "conditions"
	// ByDeny: a permission that denies could match.
	ByDeny Reservation = "deny"
	// ByWorkflow: the state of the instance has a say.
	ByWorkflow Reservation = "workflow"
	// ByPolicy: a policy has a say.
	ByPolicy Reservation = "policy"
	// ByApproval: an approval may be wanted, or the conditions of a chain decide.
	ByApproval Reservation = "approval"
	// ByNodes: registered nodes match, which are decided about one by one.
	ByNodes Reservation = "overlaps_nodes"
)

// mostPatterns is how many are listed.
const mostPatterns = 1_000

// patterns lists what the subject may do with instances that are not registered.
// Every check of one that is allowed is covered by an entry.
func (x *resourceSearch) patterns(direct []int32) {
	f := &patternFinder{resourceSearch: x, direct: direct, env: &fixed{x}, ends: x.engine.elapsed() + int64(x.engine.bounds.time)}
	for _, g := range f.heldGrants() {
		if g.Effect == grants.Deny {
			f.denies = append(f.denies, g)
		} else {
			f.allows = append(f.allows, g)
		}
	}
	for _, list := range []func(){f.byPermission, f.byRequest, f.byChain, f.byPolicy} {
		list()
	}
	slices.SortStableFunc(x.page.Patterns, func(a, b FoundPattern) int {
		return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Pattern, b.Pattern))
	})
	x.page.PatternsCut = f.cut || len(x.page.Patterns) > mostPatterns
	x.page.Patterns = x.page.Patterns[:min(len(x.page.Patterns), mostPatterns)]
}

// patternFinder lists patterns.
type patternFinder struct {
	*resourceSearch
	direct         []int32
	allows, denies []*grants.Grant
	env            *fixed
	// ends is when the engine's clock has run too long, and cut is set once it has.
	ends int64
	cut  bool
}

// heldGrants are the permissions of the roles that the subject has, each once, by
// id.
func (f *patternFinder) heldGrants() []*grants.Grant {
	var out []*grants.Grant
	for _, at := range f.held {
		out = append(out, f.s.Grants.OfRole(at)...)
	}
	slices.SortFunc(out, func(a, b *grants.Grant) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return slices.Compact(out)
}

// full reports whether there are more patterns than are listed, or finding them
// takes too long: what it costs grows with the permissions that allow, times the
// known actions, times the permissions that deny.
func (f *patternFinder) full() bool { return len(f.page.Patterns) > mostPatterns || f.late() }

func (f *patternFinder) late() bool {
	f.cut = f.cut || f.engine.elapsed() > f.ends
	return f.cut
}

// byPermission lists what permissions give: by their patterns, and on the nodes
// that stand for all instances of a type, or above one.
func (f *patternFinder) byPermission() {
	entities := f.entities()
	for _, g := range f.allows {
		if f.full() {
			return
		}
		if g.Pattern != nil {
			if scope := f.narrow(g.Pattern); scope != nil {
				f.list(scope, g, FoundPattern{Permission: g})
			}
			continue
		}
		for _, typ := range entities {
			if slices.Contains(f.s.chain(nil, typ, nil), g.Node) {
				f.list(pattern.Every(typ), g, FoundPattern{Permission: g})
			}
		}
	}
}

// entities are the types of which a node stands for all instances, as far as they
// are asked about.
func (f *patternFinder) entities() (out []string) {
	for _, n := range f.s.nodesOf(EntityType) {
		if n.Code != grants.APIType && CheckType(n.Code) == "" && (f.ask.Type == "" || f.ask.Type == n.Code) {
			out = append(out, n.Code)
		}
	}
	return out
}

// narrow returns a pattern as far as its type is asked about, nil if it is not.
// The API's sections are, only if they are named.
func (f *patternFinder) narrow(p *pattern.Pattern) *pattern.Pattern {
	typ, _ := p.Normalised()
	switch {
	case f.ask.Type == "" && typ == grants.APIType:
		return nil
	case f.ask.Type == "" || f.ask.Type == typ:
		return p
	case typ == pattern.AnyType && f.ask.Type != grants.APIType:
		return p.Of(f.ask.Type)
	default:
		return nil
	}
}

// byRequest lists the instances for which the subject has an approval that stands
// for a permission.
func (f *patternFinder) byRequest() {
	for i := range f.subject.Requests {
		r := &f.subject.Requests[i]
		if !r.Approved || r.Node != uuid.Nil || r.ResourceID == "" || !r.stands(f.now) ||
			r.Type == grants.APIType || f.ask.Type != "" && f.ask.Type != r.Type || f.full() {
			continue
		}
		if f.s.Find(r.Type, r.ResourceID) != nil {
			continue
		}
		guard := f.s.aim(&Question{Type: r.Type, ID: r.ResourceID}, nil).guard()
		if guard != nil && guard.ID == r.Chain && guard.Mode == approval.Escalation {
			f.list(pattern.One(r.Type, r.ResourceID), nil, FoundPattern{Chain: guard, Request: &r.ID}, r.Action)
		}
	}
}

// byChain lists what chains give by their own conditions.
func (f *patternFinder) byChain() {
	if !f.s.Tenant.AutoApprove || f.ask.Type == grants.APIType {
		return
	}
	for _, c := range f.s.chains {
		if c.Auto == nil || c.Mode != approval.Escalation || f.full() {
			continue
		}
		if scope := f.narrow(c.Pattern); scope != nil {
			f.list(scope, nil, FoundPattern{Chain: c}, grants.AnyAction)
		}
	}
}

// byPolicy lists what policies may allow.
func (f *patternFinder) byPolicy() {
	p := f.s.policies
	if !f.s.Tenant.AllowRules || p == nil || p.modules == nil || f.ask.Type == grants.APIType {
		return
	}
	allowed := p.modules.AllowedActions()
	for typ, actions := range allowed {
		if f.full() {
			return
		}
		if typ != pattern.AnyType && CheckType(typ) != "" {
			continue
		}
		if scope := f.narrow(pattern.Every(typ)); scope != nil {
			f.list(scope, nil, FoundPattern{}, actions...)
		}
	}
}

// list adds what a permission, or else an approval or policy for the actions,
// gives: an entry for each set of actions with the same reservations. What would
// take too long is left out whole.
func (f *patternFinder) list(scope *pattern.Pattern, g *grants.Grant, found FoundPattern, actions ...string) {
	typ, _ := scope.Normalised()
	found.Type, found.Pattern = typ, scope.Glob()
	if g != nil {
		actions = g.Actions
		for _, owner := range g.Owners {
			if _, has := slices.BinarySearch(f.held, owner); has {
				found.Path = f.s.Label(f.s.Graph.Path(f.direct, owner))
				break
			}
		}
	}
	of := f.restraints(scope)
	var order []string
	bySet := map[string]*FoundPattern{}
	for _, action := range f.spell(typ, actions) {
		if f.late() {
			return
		}
		because, possible := of.against(action, &found)
		if !possible {
			continue
		}
		key := ""
		for _, r := range because {
			key += string(r) + " "
		}
		if bySet[key] == nil {
			entry := found
			entry.Because, entry.Conditional = because, len(because) > 0
			bySet[key], order = &entry, append(order, key)
		}
		bySet[key].Actions = append(bySet[key].Actions, action)
	}
	for _, key := range order {
		f.page.Patterns = append(f.page.Patterns, *bySet[key])
	}
}

// spell writes actions out: for every action "*" and those that are known of the
// type. Of those that are asked about only.
func (f *patternFinder) spell(typ string, actions []string) []string {
	set := actionSet{}
	set.add(actions...)
	every := slices.Contains(actions, grants.AnyAction)
	if every {
		set.add(f.known.ofAny(typ)...)
	}
	if asked := f.ask.Action; asked != "" {
		if _, named := set[asked]; named || every {
			return []string{asked}
		}
		return nil
	}
	out := set.sorted()
	if every {
		out = slices.Insert(out, 0, grants.AnyAction)
	}
	return out
}
