package filter

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Node is a node of UCAST, the universal conditions AST, in the dialect that Open
// Policy Agent's data filters write
// (https://www.openpolicyagent.org/docs/filtering/ucast-syntax).
type Node struct {
	// Type is compound or field.
	Type string `json:"type"`
	// Operator is and or or in a compound, else eq, ne, lt, lte, gt, gte, in, nin,
	// startswith, endswith or contains.
	Operator string `json:"operator"`
	Field    string `json:"field,omitempty"`
	// Value is a list of nodes in a compound, else a scalar, a list of scalars, or
	// {"field": name}.
	Value any `json:"value"`
}

// UCAST translates an expression. name gives the names of fields. The node is
// nil unless the kind is [Some]. It fails with an [*Untranslatable].
//
// UCAST has no kinds of values: a reader must let a comparison with a value of
// another kind than the field's fail, not hold. A field that is missing is null
// to it.
func UCAST(e Expr, name func(Field) string) (Kind, *Node, error) {
	u := ucast{name}
	e, err := u.tests(e)
	if err != nil {
		return None, nil, err
	}
	e = Fold(e)
	if holds, ok := Constant(e); ok {
		return map[bool]Kind{true: Everything, false: None}[holds], nil, nil
	}
	return Some, compound(e), nil
}

type ucast struct{ name func(Field) string }

func (*Node) expr() {}

// compound writes an expression that is folded and has nodes for tests.
func compound(e Expr) *Node {
	if n, ok := e.(*Node); ok {
		return n
	}
	parts, isAll := e.(All)
	operator := "and"
	if !isAll {
		any, _ := e.(Any)
		parts, operator = All(any), "or"
	}
	nodes := make([]*Node, len(parts))
	for i, part := range parts {
		nodes[i] = compound(part)
	}
	return &Node{Type: "compound", Operator: operator, Value: nodes}
}

// tests returns the expression with nodes in place of its tests.
func (u *ucast) tests(e Expr) (Expr, error) {
	var parts []Expr
	switch e := e.(type) {
	case All:
		parts = e
	case Any:
		parts = e
	case *Test:
		return u.test(e)
	default:
		return nil, fmt.Errorf("%T is no expression", e)
	}
	out := make([]Expr, len(parts))
	for i, part := range parts {
		var err error
		if out[i], err = u.tests(part); err != nil {
			return nil, err
		}
	}
	if _, ok := e.(All); ok {
		return All(out), nil
	}
	return Any(out), nil
}

func (u *ucast) field(f Field, operator string, value any) Expr {
	return &Node{Type: "field", Operator: operator, Field: u.name(f), Value: value}
}

// there holds of a field that is neither missing nor null. It stands beside each
// test that a reader with two truth values might let a null pass.
func (u *ucast) there(f Field) Expr { return u.field(f, "ne", nil) }

func (u *ucast) test(t *Test) (Expr, error) {
	if t.Other != nil {
		return u.compareFields(t)
	}
	v, err := t.sort()
	if err != nil {
		return nil, err
	}
	texts := v.texts[kindString]
	switch t.Op {
	case Eq:
		return u.equal(t, v)
	case EqFold:
		return u.fold(t, texts), nil
	case Lt, Lte, Gt, Gte:
		return u.order(t, v), nil
	case Exists:
		return u.field(t.Field, map[bool]string{false: "ne", true: "eq"}[t.Negated], nil), nil
	case Prefix, Suffix:
		switch {
		case len(texts) == 0:
			return Any{}, nil
		case t.Negated:
			return nil, t.untranslatable("must not have a %s, for which UCAST has no word", t.Op)
		}
		return u.field(t.Field, map[Op]string{Prefix: "startswith", Suffix: "endswith"}[t.Op], texts[0]), nil
	case Glob:
		return u.glob(t, texts)
	default:
		return nil, t.untranslatable("may be a list, and UCAST has no word for %s", t.Op)
	}
}

// equal is equality, and its negation, with one of the values.
func (u *ucast) equal(t *Test, v *values) (Expr, error) {
	var list []any
	for _, e := range t.Values {
		if _, ok := e.(Nothing); !ok && e != nil {
			list = append(list, e)
		}
	}
	kinds := v.kinds()
	switch {
	case !t.Negated && v.null:
		return nil, t.untranslatable("is compared with null, which UCAST does not tell from missing")
	case !t.Negated && len(list) == 0, t.Negated && (v.nothing || len(kinds) > 1):
		return Any{}, nil
	case !t.Negated && len(list) == 1:
		return u.field(t.Field, "eq", list[0]), nil
	case !t.Negated:
		return u.field(t.Field, "in", list), nil
	case len(list) == 0 && !v.null:
		return nil, t.untranslatable("is to be there, be it null, which UCAST does not tell from missing")
	case len(list) == 0:
		return u.there(t.Field), nil
	case len(list) == 1:
		return All{u.there(t.Field), u.field(t.Field, "ne", list[0])}, nil
	default:
		return All{u.there(t.Field), u.field(t.Field, "nin", list)}, nil
	}
}

// fold is equality of the id with one of texts, written in small letters or in
// capitals: UCAST has no word for letters of both sorts.
func (u *ucast) fold(t *Test, texts []string) Expr {
	var list []any
	for _, text := range texts {
		list = append(list, text)
		if upper := strings.ToUpper(text); upper != text {
			list = append(list, upper)
		}
	}
	switch {
	case len(list) == 0 && t.Negated:
		return u.there(t.Field)
	case len(list) == 0:
		return Any{}
	case t.Negated:
		return All{u.there(t.Field), u.field(t.Field, "nin", list)}
	default:
		return u.field(t.Field, "in", list)
	}
}

// order compares numbers, or times, which are written in UTC.
func (u *ucast) order(t *Test, v *values) Expr {
	var value any
	switch numbers, texts := v.texts[kindNumber], v.texts[kindString]; {
	case len(numbers) > 0:
		value = json.Number(numbers[0])
	case len(texts) > 0:
		at, err := time.Parse(time.RFC3339Nano, texts[0])
		if err != nil {
			return Any{}
		}
		value = at.UTC().Format(time.RFC3339Nano)
	default:
		return Any{}
	}
	return All{u.there(t.Field), u.field(t.Field, string(t.order()), value)}
}

// glob is a literal, or a literal and what follows it.
func (u *ucast) glob(t *Test, texts []string) (Expr, error) {
	if len(texts) == 0 {
		return Any{}, nil
	}
	tokens, ok := globTokens(texts[0])
	switch {
	case ok && len(tokens) == 1 && tokens[0].stars == 0 && t.Negated:
		return All{u.there(t.Field), u.field(t.Field, "ne", tokens[0].literal)}, nil
	case ok && len(tokens) == 1 && tokens[0].stars == 0:
		return u.field(t.Field, "eq", tokens[0].literal), nil
	case ok && !t.Negated && len(tokens) == 2 && tokens[0].stars == 0 && tokens[1].stars == 2:
		return u.field(t.Field, "startswith", tokens[0].literal), nil
	default:
		return nil, t.untranslatable("is to match %q, and UCAST has no word for patterns", texts[0])
	}
}

func (u *ucast) compareFields(t *Test) (Expr, error) {
	operator := string(t.Op)
	switch t.Op {
	case Eq:
		if t.Negated {
			operator = "ne"
		}
	case Lt, Lte, Gt, Gte:
		operator = string(t.order())
	default:
		return nil, t.untranslatable("is compared with another field by %s, for which UCAST has no word", t.Op)
	}
	other := map[string]string{"field": u.name(*t.Other)}
	return All{u.there(t.Field), u.there(*t.Other), u.field(t.Field, operator, other)}, nil
}
