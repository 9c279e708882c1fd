package filter_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/filter"
)

// reader reads UCAST with two truth values: a field that is missing or null is
// nil, which is equal to nil, different from all else and, as in JavaScript,
// comparable. Otherwise it compares like with like.
type reader struct{ field func(name string) any }

func (r reader) holds(t require.TestingT, n *filter.Node) bool {
	if n.Type == "compound" {
		nodes := n.Value.([]*filter.Node)
		require.NotEmpty(t, nodes)
		for _, part := range nodes {
			if r.holds(t, part) != (n.Operator == "and") {
				return n.Operator == "or"
			}
		}
		return n.Operator == "and"
	}
	v, w := r.field(n.Field), n.Value
	if other, ok := w.(map[string]string); ok {
		w = r.field(other["field"])
	}
	switch n.Operator {
	case "eq":
		return same(v, w)
	case "ne":
		return v == nil != (w == nil) || kindOf(v) == kindOf(w) && kindOf(v) != "none" && !same(v, w)
	case "in", "nin":
		for _, e := range w.([]any) {
			require.NotNil(t, e)
			if same(v, e) {
				return n.Operator == "in"
			}
		}
		return n.Operator == "nin" && (v == nil || kindOf(v) == kindOf(w.([]any)[0]))
	case "lt", "lte", "gt", "gte":
		if v == nil || w == nil {
			return true
		}
		c, ok := compared(v, w)
		return ok && map[string]bool{"lt": c < 0, "lte": c <= 0, "gt": c > 0, "gte": c >= 0}[n.Operator]
	case "startswith":
		s, ok := v.(string)
		return ok && strings.HasPrefix(s, w.(string))
	case "endswith":
		s, ok := v.(string)
		return ok && strings.HasSuffix(s, w.(string))
	default:
		require.Fail(t, "no operator", n.Operator)
		return false
	}
}

// kindOf is none for what has no kind: lists, objects and the numbers that
// conditions do not compare.
func kindOf(v any) string {
	switch v := v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case json.Number:
		if condition.Comparable(v) {
			return "number"
		}
	}
	return "none"
}

func same(v, w any) bool {
	if v == nil || w == nil {
		return v == nil && w == nil
	}
	if kindOf(v) != kindOf(w) || kindOf(v) == "none" {
		return false
	}
	if kindOf(v) == "number" {
		c, _ := compared(v, w)
		return c == 0
	}
	return v == w
}

func compared(v, w any) (int, bool) {
	switch {
	case kindOf(v) == "number" && kindOf(w) == "number":
		x, _ := new(big.Rat).SetString(string(v.(json.Number)))
		y, _ := new(big.Rat).SetString(string(w.(json.Number)))
		return x.Cmp(y), true
	case kindOf(v) == "string" && kindOf(w) == "string" && condition.IsTime(v.(string)) && condition.IsTime(w.(string)):
		x, _ := time.Parse(time.RFC3339Nano, v.(string))
		y, _ := time.Parse(time.RFC3339Nano, w.(string))
		return x.Compare(y), true
	default:
		return 0, false
	}
}

// lookUp finds a key in attributes as conditions do.
func lookUp(m map[string]any, key string) any {
	if v, ok := m[key]; ok {
		return v
	}
	head, rest, _ := strings.Cut(key, ".")
	if inner, ok := m[head].(map[string]any); ok && rest != "" {
		return lookUp(inner, rest)
	}
	return nil
}

func TestUCAST_HoldsOfTheRowsOfWhichConditionsAreTrueOrFalse(t *testing.T) {
	t.Parallel()
	rows := randomRows(80)
	seen := map[string]int{}
	for seed := range soak(t, 600) {
		s := samples().Example(seed)
		p, violations := compile(t, s.conditions)
		if len(violations) > 0 {
			continue
		}
		for _, want := range []condition.Truth{condition.True, condition.False} {
			e, err := p.Reduce(s.env, condition.Row{ID: true, Attributes: true}, want)
			kind, node := filter.None, (*filter.Node)(nil)
			if err == nil {
				kind, node, err = filter.UCAST(e, filter.Field.String)
			}
			var untranslatable *filter.Untranslatable
			if errors.As(err, &untranslatable) {
				seen["untranslatable"]++
				continue
			}
			require.NoError(t, err)
			seen[string(kind)]++
			for i := range rows {
				env, attributes := *s.env, rows[i].attributes()
				env.Resource.ID, env.Resource.Supplied = rows[i].uid.String(), attributes
				r := reader{func(name string) any {
					if name == "resource.id" {
						return env.Resource.ID
					}
					return lookUp(attributes, strings.TrimPrefix(name, "resource.attributes."))
				}}
				holds := kind == filter.Everything || kind == filter.Some && r.holds(t, node)
				require.Equal(t, p.Eval(&env) == want, holds, "seed %d: %s is %s of %s\n%s", seed, text(t, s.conditions), want, text(t, attributes), text(t, node))
			}
		}
	}
	t.Log(seen)
	require.Greater(t, seen["condition"], 250)
}

func TestUCAST_IsInTheWordsOfDataFilters(t *testing.T) {
	t.Parallel()
	x, y := filter.Field{Key: "x"}, filter.Field{Key: "y.z"}
	glob := func(g string, negated bool) filter.Expr {
		return &filter.Test{Op: filter.Glob, Field: filter.Field{ID: true}, Values: []any{g}, Negated: negated}
	}
	for _, tc := range []struct {
		name string
		e    filter.Expr
		want string
	}{
		{"one value", &filter.Test{Op: filter.Eq, Field: x, Values: []any{"a"}}, `{"type":"field","operator":"eq","field":"resource.attributes.x","value":"a"}`},
		{"several values", &filter.Test{Op: filter.Eq, Field: x, Values: []any{"a", json.Number("1"), true}}, `{"type":"field","operator":"in","field":"resource.attributes.x","value":["a",1,true]}`},
		{
			"another value", &filter.Test{Op: filter.Eq, Field: x, Values: []any{false}, Negated: true},
			`{"type":"compound","operator":"and","value":[{"type":"field","operator":"ne","field":"resource.attributes.x","value":null},{"type":"field","operator":"ne","field":"resource.attributes.x","value":false}]}`,
		},
		{
			"a time in UTC",
			filter.All{&filter.Test{Op: filter.Lt, Field: x, Values: []any{"2026-03-02T09:00:00+02:00"}, Negated: true}},
			`{"type":"compound","operator":"and","value":[{"type":"field","operator":"ne","field":"resource.attributes.x","value":null},{"type":"field","operator":"gte","field":"resource.attributes.x","value":"2026-03-02T07:00:00Z"}]}`,
		},
		{
			"two fields", &filter.Test{Op: filter.Eq, Field: x, Other: &y},
			`{"type":"compound","operator":"and","value":[{"type":"field","operator":"ne","field":"resource.attributes.x","value":null},{"type":"field","operator":"ne","field":"resource.attributes.y.z","value":null},` +
				`{"type":"field","operator":"eq","field":"resource.attributes.x","value":{"field":"resource.attributes.y.z"}}]}`,
		},
		{
			"one of two",
			filter.Any{&filter.Test{Op: filter.Exists, Field: x, Negated: true}, filter.Any{}, &filter.Test{Op: filter.Suffix, Field: y, Values: []any{"b"}}},
			`{"type":"compound","operator":"or","value":[{"type":"field","operator":"eq","field":"resource.attributes.x","value":null},{"type":"field","operator":"endswith","field":"resource.attributes.y.z","value":"b"}]}`,
		},
		{"a pattern of one id", glob(`a\[1\]`, false), `{"type":"field","operator":"eq","field":"resource.id","value":"a[1]"}`},
		{"a pattern of what begins with a text", glob(`a/**`, false), `{"type":"field","operator":"startswith","field":"resource.id","value":"a/"}`},
		{"all but one id", glob(`a`, true), `{"type":"compound","operator":"and","value":[{"type":"field","operator":"ne","field":"resource.id","value":null},{"type":"field","operator":"ne","field":"resource.id","value":"a"}]}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			kind, n, err := filter.UCAST(tc.e, filter.Field.String)
			require.NoError(t, err)
			require.Equal(t, filter.Some, kind)
			require.JSONEq(t, tc.want, text(t, n))
		})
	}
}

func TestUCAST_SaysWhatItHasNoWordFor(t *testing.T) {
	t.Parallel()
	x, y := filter.Field{Key: "x"}, filter.Field{Key: "y"}
	for name, e := range map[string]filter.Expr{
		"a glob":                     &filter.Test{Op: filter.Glob, Field: x, Values: []any{"a/*/b"}},
		"a negated glob":             &filter.Test{Op: filter.Glob, Field: x, Values: []any{"a/**"}, Negated: true},
		"null":                       &filter.Test{Op: filter.Eq, Field: x, Values: []any{"a", nil}},
		"what is there":              &filter.Test{Op: filter.Eq, Field: x, Negated: true},
		"a negated prefix":           &filter.Test{Op: filter.Prefix, Field: x, Values: []any{"a"}, Negated: true},
		"a member":                   &filter.Test{Op: filter.Contains, Field: x, Values: []any{"a"}},
		"members":                    &filter.Test{Op: filter.ContainsAll, Field: x, Values: []any{"a"}},
		"a list within a list":       &filter.Test{Op: filter.Within, Field: x, Values: []any{"a"}},
		"a prefix in a field":        &filter.Test{Op: filter.Prefix, Field: x, Other: &y},
		"a part that has no word":    filter.Any{filter.All{}, filter.All{&filter.Test{Op: filter.Within, Field: x, Values: []any{"a"}}}},
		"a text that nothing can be": &filter.Test{Op: filter.Eq, Field: x, Values: []any{"a\x00"}},
	} {
		kind, n, err := filter.UCAST(e, filter.Field.String)
		var untranslatable *filter.Untranslatable
		require.ErrorAs(t, err, &untranslatable, name)
		require.Equal(t, "resource.attributes.x", untranslatable.Path, name)
		require.Equal(t, filter.None, kind, name)
		require.Nil(t, n, name)
	}
}

func TestUCAST_FoldsWhatNoRowAndEachRowPasses(t *testing.T) {
	t.Parallel()
	x := filter.Field{Key: "x"}
	for _, tc := range []struct {
		e    filter.Expr
		want filter.Kind
	}{
		{filter.All{}, filter.Everything},
		{filter.Any{}, filter.None},
		{filter.All{filter.Any{filter.All{}, &filter.Test{Op: filter.Exists, Field: x}}}, filter.Everything},
		{&filter.Test{Op: filter.Eq, Field: x, Values: []any{filter.Nothing{}}}, filter.None},
		{&filter.Test{Op: filter.Eq, Field: x, Values: []any{"a", json.Number("1")}, Negated: true}, filter.None},
		{&filter.Test{Op: filter.Prefix, Field: x, Values: []any{json.Number("1")}}, filter.None},
		{&filter.Test{Op: filter.Glob, Field: x, Values: []any{true}}, filter.None},
		{&filter.Test{Op: filter.Lt, Field: x, Values: []any{"tomorrow"}}, filter.None},
		{&filter.Test{Op: filter.Lt, Field: x, Values: []any{true}}, filter.None},
	} {
		kind, n, err := filter.UCAST(tc.e, filter.Field.String)
		require.NoError(t, err)
		require.Equal(t, tc.want, kind, "%v", tc.e)
		require.Nil(t, n)
	}
}
