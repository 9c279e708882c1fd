package condition

import (
	"maps"
	"slices"
)

// Judged is a combinator or a comparison with what came of it, nested as it is
// written.
type Judged struct {
	Operator string    `json:"operator" doc:"all_of, any_of or not, or the comparison: eq, ne, in, nin, gt, gte, lt, lte, between, weekday, prefix, suffix, contains, contains_all, contains_any, cidr, matches or exists."`
	Path     string    `json:"path,omitempty" doc:"What is compared, such as subject.attributes.clearance. Combinators have none."`
	Found    *Value    `json:"found,omitempty" doc:"What stands at the path."`
	Wanted   []Value   `json:"wanted,omitempty" doc:"What it is compared with: one value, two bounds, or a list, of which the first 20."`
	Truth    string    `json:"truth" enum:"true,false,unknown" doc:"unknown: what is compared is missing, or of another kind than the comparison needs."`
	Decides  bool      `json:"decides" doc:"True of the parts by which the whole is what it is."`
	Parts    []*Judged `json:"parts,omitempty"`
}

// Value is a value on either side of a comparison.
type Value struct {
	Value  any    `json:"value"`
	Kind   string `json:"kind" enum:"missing,null,boolean,number,string,list,object,hidden"`
	Ref    string `json:"ref,omitempty" doc:"The path from which the value was taken, where the condition names one in place of a value."`
	Given  bool   `json:"given,omitempty" doc:"True of an attribute that the question supplied; others are stored."`
	Cut    bool   `json:"cut,omitempty" doc:"True if the value is longer than shown."`
	Hidden bool   `json:"hidden,omitempty" doc:"True if the caller may not see the value."`
}

// Explain judges the conditions part by part. It agrees with Eval. Of the nil
// Program there is nothing to say: nil.
func (p *Program) Explain(env *Env) *Judged {
	if p == nil {
		return nil
	}
	j := p.root.explain(env)
	j.decide()
	return j
}

func (n *node) explain(env *Env) *Judged {
	j := &Judged{Operator: n.op.String(), Truth: n.eval(env).String()}
	switch n.op {
	case opUnknown:
	case opAll, opAny, opNot:
		for _, k := range n.kids {
			j.Parts = append(j.Parts, k.explain(env))
		}
	default:
		j.Path = n.path.String()
		found := shown(n.path.lookup(env))
		found.Given = n.path.given(env)
		j.Found, j.Wanted = &found, n.wanted(env)
	}
	return j
}

// decide marks the parts that make the whole what it is: of an "and" that fails
// those that are no better than it, of one that holds all.
func (j *Judged) decide() {
	j.Decides = true
	for _, part := range j.Parts {
		if j.Operator == opNot.String() || part.Truth == j.Truth {
			part.decide()
		}
	}
}

const (
	// mostShown is how many values of a list are shown.
	mostShown = 20
	// mostRunes is how much of a text is shown.
	mostRunes = 200
)

// wanted is what the value is compared with.
func (n *node) wanted(env *Env) []Value {
	var out []Value
	operands := n.list
	switch n.op {
	case opExists:
		return []Value{{Value: n.want, Kind: "boolean"}}
	case opMatches:
		return []Value{shown(value{kind: kindString, s: n.re.String()})}
	case opIn, opNin, opBetween, opWeekday, opContainsAll, opContainsAny, opCIDR:
		if n.listRef {
			operands = []operand{n.arg}
		}
	default:
		operands = []operand{n.arg}
	}
	for i := range operands[:min(len(operands), mostShown)] {
		o := &operands[i]
		v := shown(o.resolve(env))
		if o.ref {
			v.Ref, v.Given = o.path.String(), o.path.given(env)
		}
		out = append(out, v)
	}
	if len(operands) > mostShown {
		out[mostShown-1].Cut = true
	}
	return out
}

// given reports whether the value at a path is one that the question supplied.
func (p Path) given(env *Env) bool {
	switch p.field {
	case actionProperties, contextMember:
		return p.lookup(env).kind != kindMissing
	case subjectAttributes:
		return find(env.Subject.Attributes, p.key).kind == kindMissing && find(env.Subject.Supplied, p.key).kind != kindMissing
	case resourceAttributes:
		return find(env.Resource.Attributes, p.key).kind == kindMissing && find(env.Resource.Supplied, p.key).kind != kindMissing
	default:
		return false
	}
}

// shown is a value as explanations have it, cut if it is long.
func shown(v value) Value {
	out := Value{Kind: v.kind.String()}
	switch v.kind {
	case kindString:
		out.Value, out.Cut = cutText(v.s)
	case kindList, kindObject:
		out.Value, out.Cut = cutValue(v.plain(), 1)
	default:
		out.Value = v.plain()
	}
	return out
}

// Show is a decoded JSON value as explanations have it.
func Show(v any) Value { return shown(valueOf(v)) }

func cutText(s string) (string, bool) {
	if r := []rune(s); len(r) > mostRunes {
		return string(r[:mostRunes]), true
	}
	return s, false
}

// cutValue shortens a decoded JSON value. What is nested deeper than three levels
// is left out.
func cutValue(v any, depth int) (any, bool) {
	switch v := v.(type) {
	case string:
		return cutText(v)
	case []any:
		if depth > 3 {
			return nil, true
		}
		cut := len(v) > mostShown
		out := make([]any, min(len(v), mostShown))
		for i := range out {
			short, was := cutValue(v[i], depth+1)
			out[i], cut = short, cut || was
		}
		return out, cut
	case map[string]any:
		if depth > 3 {
			return nil, true
		}
		cut := len(v) > mostShown
		out := map[string]any{}
		for _, key := range slices.Sorted(maps.Keys(v))[:min(len(v), mostShown)] {
			short, was := cutValue(v[key], depth+1)
			out[key], cut = short, cut || was
		}
		return out, cut
	default:
		return v, false
	}
}

func (k kind) String() string {
	return [...]string{"missing", "null", "boolean", "number", "string", "list", "object"}[k]
}

// String is the word for an operator in conditions.
func (o op) String() string {
	switch o {
	case opAll:
		return "all_of"
	case opAny:
		return "any_of"
	case opNot:
		return "not"
	case opEq:
		return "eq"
	case opNe:
		return "ne"
	case opIn:
		return "in"
	case opNin:
		return "nin"
	case opGt:
		return "gt"
	case opGte:
		return "gte"
	case opLt:
		return "lt"
	case opLte:
		return "lte"
	case opBetween:
		return "between"
	case opWeekday:
		return "weekday"
	case opPrefix:
		return "prefix"
	case opSuffix:
		return "suffix"
	case opContains:
		return "contains"
	case opContainsAll:
		return "contains_all"
	case opContainsAny:
		return "contains_any"
	case opCIDR:
		return "cidr"
	case opMatches:
		return "matches"
	case opExists:
		return "exists"
	default:
		return "unknown"
	}
}

// Len is how many parts there are, all in all.
func (j *Judged) Len() int {
	n := 1
	for _, part := range j.Parts {
		n += part.Len()
	}
	return n
}
