package condition

import (
	"encoding/json"
	"math/big"
	"net"
	"slices"
	"strings"
	"time"
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

// tried is a value to try.
type tried struct {
	value any
	// found is set when the value that stands there is in it.
	found bool
}

func plainly(values ...any) []tried {
	out := make([]tried, len(values))
	for i, v := range values {
		out[i].value = v
	}
	return out
}

// values are some to try at a comparison's path. Whoever asked for them judges
// what they do.
func (s *solver) values(n *node, holds bool) []tried {
	operands := s.operands(n)
	found := n.path.lookup(s.env)
	switch n.op {
	case opExists:
		if holds == n.want {
			return plainly(true)
		}
		return plainly(nil)
	case opNe, opNin:
		holds = !holds
		fallthrough
	case opEq, opIn:
		if !holds {
			return plainly(other(operands)...)
		}
		return plainly(operands...)
	case opGt, opGte, opLt, opLte, opBetween:
		return plainly(s.around(operands)...)
	case opWeekday:
		return s.days(found)
	case opPrefix, opSuffix:
		if !holds {
			return plainly(other(operands)...)
		}
		return plainly(operands...)
	case opContains, opContainsAny, opContainsAll:
		return s.members(n, found, operands, holds)
	case opCIDR:
		return plainly(addresses(operands)...)
	case opMatches:
		if text, whole := n.re.LiteralPrefix(); whole || text != "" {
			return plainly(text, "")
		}
		return plainly("", "0", "a", "A")
	default:
		return nil
	}
}

// operands are the values that a comparison names or refers to.
func (s *solver) operands(n *node) []any {
	list := n.list
	if list == nil {
		list = []operand{n.arg}
	}
	var out []any
	for i := range list[:min(len(list), mostShown)] {
		v := list[i].resolve(s.env)
		switch {
		case v.kind == kindMissing:
		case n.listRef && v.kind == kindList:
			out = append(out, v.list[:min(len(v.list), mostShown)]...)
		default:
			out = append(out, v.plain())
		}
	}
	return out
}

// other is a value of the kind of the operands that is none of them.
func other(operands []any) []any {
	for _, o := range operands {
		switch o := o.(type) {
		case string:
			if ns, ok := parseTime(o); ok {
				return []any{formatTime(ns + int64(time.Second)), "not " + o}
			}
			return []any{"not " + o}
		case bool:
			return []any{!o}
		case json.Number:
			return stepped(operands, 1)
		case nil:
			return []any{true}
		}
	}
	return nil
}

// around are the bounds and what is just outside of them: numbers, times or
// moments of the day.
func (s *solver) around(operands []any) []any {
	out := slices.Clone(operands)
	for _, o := range operands {
		text, isText := o.(string)
		if !isText {
			out = append(out, append(stepped([]any{o}, 1), stepped([]any{o}, -1)...)...)
			continue
		}
		if ns, ok := parseTime(text); ok {
			out = append(out, formatTime(ns+int64(time.Second)), formatTime(ns-int64(time.Second)))
		}
		if minute, ok := parseClock(text); ok {
			for _, m := range []int{minute, minute + 1, minute - 1} {
				out = append(out, s.today(m))
			}
		}
	}
	return out
}

// now is the moment of the question, or the beginning of 2026.
func (s *solver) now() time.Time {
	if text, ok := s.env.Context["time"].(string); ok {
		if ns, ok := parseTime(text); ok {
			return time.Unix(0, ns).In(s.env.Tenant.location())
		}
	}
	return time.Date(2026, 1, 1, 0, 0, 0, 0, s.env.Tenant.location())
}

// today is a minute of the question's day, where the tenant is.
func (s *solver) today(minute int) string {
	day := s.now()
	return time.Date(day.Year(), day.Month(), day.Day(), 0, minute, 0, 0, day.Location()).UTC().Format(time.RFC3339)
}

// days are the moment that stands there, or the question's, on the seven days
// from then on.
func (s *solver) days(found value) []tried {
	at := s.now()
	ns, stands := parseTime(found.s)
	if stands {
		at = time.Unix(0, ns).In(s.env.Tenant.location())
	}
	var out []tried
	for i := range 7 {
		out = append(out, tried{at.AddDate(0, 0, i).UTC().Format(time.RFC3339), stands})
	}
	return out
}

// members are lists, or texts, that have what is wanted or have it not.
func (s *solver) members(n *node, found value, operands []any, holds bool) []tried {
	if !holds {
		if found.kind == kindString {
			return plainly("")
		}
		left := slices.DeleteFunc(slices.Clone(found.list), func(v any) bool {
			return slices.ContainsFunc(operands, func(o any) bool { return equal(valueOf(o), valueOf(v)) != False })
		})
		if len(left) == 0 {
			left = []any{}
		}
		return []tried{{left, true}}
	}
	switch text, isText := first(operands).(string); {
	case found.kind == kindString && isText && n.op == opContains:
		return []tried{{text, false}, {found.s + text, true}}
	case n.op == opContainsAny || n.op == opContains:
		operands = operands[:min(len(operands), 1)]
	}
	all := slices.Clone(found.list)
	for _, o := range operands {
		if !slices.ContainsFunc(all, func(v any) bool { return equal(valueOf(o), valueOf(v)) == True }) {
			all = append(all, o)
		}
	}
	return []tried{{all, len(found.list) > 0}}
}

func first(list []any) any {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

// addresses are one in each block, and some elsewhere.
func addresses(blocks []any) []any {
	var out []any
	for _, b := range blocks {
		text, _ := b.(string)
		if _, block, err := net.ParseCIDR(text); err == nil {
			out = append(out, block.IP.String())
		}
	}
	return append(out, "192.0.2.1", "203.0.113.1", "2001:db8::1")
}

// stepped are the numbers one step away from each that no other is.
func stepped(numbers []any, by int64) []any {
	var out []any
	for _, n := range numbers {
		text, ok := n.(json.Number)
		if !ok {
			continue
		}
		if _, ok := parseNumber(string(text)); !ok {
			continue // its digits could be more than memory holds
		}
		r, _ := new(big.Rat).SetString(string(text))
		next := json.Number(inDecimals(r.Add(r, big.NewRat(by, 1))))
		if !slices.ContainsFunc(numbers, func(o any) bool { return equal(valueOf(o), valueOf(next)) == True }) {
			out = append(out, next)
		}
	}
	return out
}

func inDecimals(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	return strings.TrimRight(r.FloatString(20), "0")
}

func formatTime(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

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
