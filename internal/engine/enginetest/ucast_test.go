package enginetest_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/filter"
)

// read compares the rows that a reader of UCAST selects with those allowed.
func (s *selections) read(x *world, rows *engine.RowFilter, allowed []int) {
	kind, node, err := filter.UCAST(rows.Expr, filter.Field.String)
	var none *filter.Untranslatable
	if errors.As(err, &none) {
		s.seen["no ucast"]++
		return
	}
	require.NoError(x.T, err)
	got := []int{}
	for i := range s.rows {
		if kind == filter.Everything || kind == filter.Some && s.rows[i].passes(x, node, rows.Places) {
			got = append(got, i)
		}
	}
	if kind == filter.Some {
		s.seen["ucast"]++
	}
	written, err := json.Marshal(node)
	require.NoError(x.T, err)
	require.Equal(x.T, allowed, got, "%s", written)
}

// passes reads UCAST with two truth values: a field that is missing is null.
func (r *row) passes(x *world, n *filter.Node, places map[string]filter.Place) bool {
	if n.Type == "compound" {
		pass := func(part *filter.Node) bool { return r.passes(x, part, places) }
		if n.Operator == "or" {
			return slices.ContainsFunc(n.Value.([]*filter.Node), pass)
		}
		return !slices.ContainsFunc(n.Value.([]*filter.Node), func(part *filter.Node) bool { return !pass(part) })
	}
	v, w := r.field(n.Field, places), n.Value
	if other, ok := w.(map[string]string); ok {
		w = r.field(other["field"], places)
	}
	switch n.Operator {
	case "eq":
		return alike(v, w)
	case "ne":
		return (v == nil) != (w == nil) || v != nil && alikeKind(v, w) && !alike(v, w)
	case "in":
		return slices.ContainsFunc(w.([]any), func(e any) bool { return alike(v, e) })
	case "nin":
		return alikeKind(v, w.([]any)[0]) && !slices.ContainsFunc(w.([]any), func(e any) bool { return alike(v, e) })
	case "startswith":
		text, ok := v.(string)
		return ok && strings.HasPrefix(text, w.(string))
	case "gt", "lte":
		return alikeKind(v, w) && (number(v).Cmp(number(w)) > 0) == (n.Operator == "gt")
	default:
		require.Fail(x.T, "an operator that no condition of the random tenants has", n.Operator)
		return false
	}
}

// field is a value of the row, found as conditions do.
func (r *row) field(name string, places map[string]filter.Place) any {
	key, ok := strings.CutPrefix(name, "resource.attributes.")
	if !ok {
		return r.id
	}
	in := r.known(places)
	if v, whole := in[key]; whole {
		return v
	}
	head, rest, _ := strings.Cut(key, ".")
	inner, _ := in[head].(map[string]any)
	return inner[rest]
}

// alikeKind reports whether two values are scalars of one kind.
func alikeKind(v, w any) bool {
	switch v.(type) {
	case string:
		_, ok := w.(string)
		return ok
	case bool:
		_, ok := w.(bool)
		return ok
	case json.Number:
		_, ok := w.(json.Number)
		return ok
	default:
		return false
	}
}

func alike(v, w any) bool {
	if _, ok := v.(json.Number); ok && alikeKind(v, w) {
		return number(v).Cmp(number(w)) == 0
	}
	return v == nil && w == nil || alikeKind(v, w) && v == w
}

func number(v any) *big.Rat {
	r, _ := new(big.Rat).SetString(v.(json.Number).String())
	return r
}
