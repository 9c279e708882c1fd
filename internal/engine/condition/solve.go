package condition

import (
	"encoding/json"
	"slices"
	"strings"
)

// Want is a value that some path has to have.
type Want struct {
	Path string
	// Value is one that does.
	Value any
	// Operator, Negated and Operands are the comparison that it is for.
	Operator string
	Negated  bool
	Operands []Value
	// From are the paths whose values Value was made of.
	From []string
}

const (
	// mostSolutions is how many solutions are returned.
	mostSolutions = 5
	// mostTried bounds the combinations on the way to them.
	mostTried = 64
	// mostSet is how many values a solution sets. Without it, conditions of many
	// attributes take seconds to find what nobody would do.
	mostSet = 3
)

// Solve returns sets of values under which the conditions would be want, [True]
// or [False], the smallest first: at most 5 of at most 3 values, each of which does. Only paths that
// settable lets through are set. There may be others: none is returned where
// nothing was found, and an empty one where the conditions are want already.
func (p *Program) Solve(env *Env, want Truth, settable func(path string) bool) [][]Want {
	if p == nil {
		return nil
	}
	s := solver{env, settable}
	var out [][]Want
	for _, found := range s.solve(p.root, want) {
		if p.Eval(env.with(found)) == want {
			out = append(out, found)
		}
	}
	slices.SortStableFunc(out, func(a, b []Want) int { return len(a) - len(b) })
	return out[:min(len(out), mostSolutions)]
}

type solver struct {
	env      *Env
	settable func(path string) bool
}

func (s *solver) solve(n *node, want Truth) [][]Want {
	if n.eval(s.env) == want {
		return [][]Want{nil}
	}
	switch {
	case n.op == opUnknown:
		return nil
	case n.op == opNot:
		return s.solve(n.kids[0], want.Not())
	case n.op == opAll && want == True, n.op == opAny && want == False:
		return s.each(n.kids, want)
	case n.op == opAll, n.op == opAny:
		var out [][]Want
		for _, k := range n.kids {
			out = append(out, s.solve(k, want)...)
		}
		return out[:min(len(out), mostTried)]
	default:
		return s.compare(n, want)
	}
}

// each solves all kids at once. Where two need one path, the value of either is
// tried for both.
func (s *solver) each(kids []*node, want Truth) [][]Want {
	out := [][]Want{nil}
	for _, k := range kids {
		var next [][]Want
		for _, mine := range s.solve(k, want) {
			for _, before := range out {
				for _, both := range [][]Want{merged(before, mine), merged(mine, before)} {
					if len(both) <= mostSet {
						next = append(next, both)
					}
				}
			}
		}
		if next == nil {
			return nil
		}
		slices.SortStableFunc(next, func(a, b []Want) int { return len(a) - len(b) })
		next = slices.CompactFunc(next, sameValues)
		out = next[:min(len(next), mostTried)]
	}
	return out
}

// merged returns first with those of second that are for other paths.
func merged(first, second []Want) []Want {
	out := slices.Clone(first)
	for _, w := range second {
		if !slices.ContainsFunc(first, func(o Want) bool { return o.Path == w.Path }) {
			out = append(out, w)
		}
	}
	return out
}

func sameValues(a, b []Want) bool {
	return slices.EqualFunc(a, b, func(a, b Want) bool {
		x, _ := json.Marshal(a.Value)
		y, _ := json.Marshal(b.Value)
		return a.Path == b.Path && string(x) == string(y)
	})
}

// compare returns values of either side by which a comparison is want.
func (s *solver) compare(n *node, want Truth) [][]Want {
	path := n.path.String()
	of := Want{Path: path, Operator: n.op.String(), Negated: want == False, Operands: n.wanted(s.env)}
	for _, v := range of.Operands {
		if v.Ref != "" {
			of.From = append(of.From, v.Ref)
		}
	}
	var out [][]Want
	if s.settable(path) {
		for _, v := range s.values(n, want == True) {
			one := of
			one.Value = v.value
			if v.found {
				one.From = append(slices.Clone(of.From), path)
			}
			out = append(out, []Want{one})
		}
	}
	// What it is compared with can be set as well, to what stands here.
	if found := n.path.lookup(s.env); n.arg.ref && !n.listRef && n.op == opEq && want == True && found.kind > kindNull && s.settable(n.arg.path.String()) {
		out = append(out, []Want{{
			Path: n.arg.path.String(), Value: found.plain(), Operator: of.Operator, From: []string{path},
			Operands: []Value{{Value: shown(found).Value, Kind: found.kind.String(), Ref: path}},
		}})
	}
	return out
}

// with returns the environment in which the values stand.
func (e *Env) with(wants []Want) *Env {
	out := *e
	for _, w := range wants {
		p, _ := parsePath(w.Path)
		switch p.field {
		case subjectEmail:
			out.Subject.Email, _ = w.Value.(string)
		case subjectUsername:
			out.Subject.Username, _ = w.Value.(string)
		case subjectExternalID:
			out.Subject.ExternalID, _ = w.Value.(string)
		case subjectAttributes:
			out.Subject.Attributes = Set(out.Subject.Attributes, p.key, w.Value)
		case resourceAttributes:
			out.Resource.Attributes = Set(out.Resource.Attributes, p.key, w.Value)
		case actionProperties:
			out.Action.Properties = Set(out.Action.Properties, p.key, w.Value)
		case contextMember:
			out.Context = Set(out.Context, p.key, w.Value)
		default:
			return e
		}
	}
	return &out
}

// Find returns the value at a key as conditions look it up, and whether there is
// one.
func Find(m map[string]any, key string) (any, bool) {
	v := find(m, key)
	return v.plain(), v.kind != kindMissing
}

// Set returns m with a value at a key, where conditions look it up. m stays as it
// is.
func Set(m map[string]any, key string, v any) map[string]any {
	out := make(map[string]any, len(m)+1)
	for k, old := range m {
		out[k] = old
	}
	head, rest, dotted := strings.Cut(key, ".")
	inner, isObject := m[head].(map[string]any)
	if _, whole := m[key]; !whole && dotted && isObject {
		out[head] = Set(inner, rest, v)
		return out
	}
	out[key] = v
	return out
}
