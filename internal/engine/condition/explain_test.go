package condition_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/condition"
)

func mayBeSet(path string) bool {
	return strings.HasPrefix(path, "subject.attributes.") || strings.HasPrefix(path, "resource.attributes.") || strings.HasPrefix(path, "context.") ||
		path == "subject.email" || path == "subject.username" || path == "subject.external_id" || strings.HasPrefix(path, "action.") && path != "action.name"
}

// each calls do with every case of the language.
func each(t *testing.T, do func(name string, p *condition.Program, env *condition.Env)) {
	t.Helper()
	f := readCases(t)
	for _, tc := range f.Cases {
		p, violations := condition.Compile(tc.If)
		require.Empty(t, violations)
		env := f.Env
		env.Resource.Supplied = tc.Supplied
		do(string(tc.If), p, &env)
	}
}

func TestExplain_AgreesWithEvalAndMarksWhatDecides(t *testing.T) {
	t.Parallel()
	each(t, func(name string, p *condition.Program, env *condition.Env) {
		j := p.Explain(env)
		if p == nil {
			require.Nil(t, j)
			return
		}
		require.Equal(t, p.Eval(env).String(), j.Truth, name)
		require.True(t, j.Decides, name)
		require.GreaterOrEqual(t, j.Len(), 1)
		if j.Truth == "true" {
			return
		}
		require.NotEmpty(t, j.Failure(), name)
		var decide func(*condition.Judged)
		decide = func(j *condition.Judged) {
			some := false
			for _, part := range j.Parts {
				some = some || part.Decides
				decide(part)
			}
			require.True(t, len(j.Parts) == 0 || !j.Decides || some, name)
		}
		decide(j)
	})
}

func TestExplain_OfNestedConditions(t *testing.T) {
	t.Parallel()
	p, violations := condition.Compile([]byte(`{"subject.attributes.clearance": {"gte": 3}, "not": {"any_of": [{"state": "closed"}, {"owner": {"ref": "subject.id"}}]}, "kind": ["a", "b"]}`))
	require.Empty(t, violations)
	env := &condition.Env{
		Subject:  condition.Subject{ID: "ann", Attributes: map[string]any{"clearance": json.Number("2")}},
		Resource: condition.Resource{Attributes: map[string]any{"state": "open"}, Supplied: map[string]any{"owner": "ann", "state": "closed"}},
	}
	j := p.Explain(env)
	raw, err := json.Marshal(j)
	require.NoError(t, err)
	require.JSONEq(t, `{"operator":"all_of","truth":"false","decides":true,"parts":[
		{"operator":"gte","path":"subject.attributes.clearance","found":{"value":2,"kind":"number"},"wanted":[{"value":3,"kind":"number"}],"truth":"false","decides":true},
		{"operator":"not","truth":"false","decides":true,"parts":[{"operator":"any_of","truth":"true","decides":true,"parts":[
			{"operator":"eq","path":"resource.attributes.state","found":{"value":"open","kind":"string"},"wanted":[{"value":"closed","kind":"string"}],"truth":"false","decides":false},
			{"operator":"eq","path":"resource.attributes.owner","found":{"value":"ann","kind":"string","given":true},"wanted":[{"value":"ann","kind":"string","ref":"subject.id"}],"truth":"true","decides":true}]}]},
		{"operator":"in","path":"resource.attributes.kind","found":{"value":null,"kind":"missing"},"wanted":[{"value":"a","kind":"string"},{"value":"b","kind":"string"}],"truth":"unknown","decides":false}]}`, string(raw))
	require.Equal(t, "subject.attributes.clearance is 2, wanted at least 3; resource.attributes.owner is ann, wanted other than ann; resource.attributes.kind is missing, wanted one of a, b", j.Failure())
	require.Equal(t, "subject.attributes.clearance is 2; resource.attributes.owner is ann", j.Facts())
	require.Equal(t, 7, j.Len())
}

func TestExplain_IsBounded(t *testing.T) {
	t.Parallel()
	list := make([]string, 150)
	for i := range list {
		list[i] = strings.Repeat("x", 300)
	}
	raw, err := json.Marshal(map[string]any{"a": list})
	require.NoError(t, err)
	p, violations := condition.Compile(raw)
	require.Empty(t, violations)
	deep := map[string]any{"k": []any{map[string]any{"k": []any{map[string]any{"k": 1}}}}}
	wide := map[string]any{}
	for _, c := range "abcdefghijklmnopqrstuvwxyz" {
		wide[string(c)] = strings.Repeat("y", 1000)
	}
	for _, v := range []any{deep, wide, strings.Repeat("z", 5000), make([]any, 100)} {
		j := p.Explain(&condition.Env{Resource: condition.Resource{Attributes: map[string]any{"a": v}}})
		require.True(t, j.Found.Cut)
		require.Len(t, j.Wanted, 20)
		require.True(t, j.Wanted[19].Cut)
		text, err := json.Marshal(j)
		require.NoError(t, err)
		require.Less(t, len(text), 15_000)
		require.Less(t, len(j.Failure()), 4_000)
	}
}

func TestSolve_ItsValuesDo(t *testing.T) {
	t.Parallel()
	solved, all := 0, 0
	each(t, func(name string, p *condition.Program, env *condition.Env) {
		for _, want := range []condition.Truth{condition.True, condition.False} {
			solutions := p.Solve(env, want, mayBeSet)
			if p == nil {
				require.Nil(t, solutions)
				continue
			}
			all++
			if len(solutions) > 0 {
				solved++
			}
			for _, wants := range solutions {
				if len(wants) == 0 {
					require.Equal(t, want, p.Eval(env), name)
				}
				changed := *env
				for _, w := range wants {
					require.NotEmpty(t, w.Words(), name)
					apply(t, &changed, w.Path, w.Value)
				}
				require.Equal(t, want, p.Eval(&changed), "%s: %+v", name, wants)
			}
		}
	})
	t.Logf("%d of %d", solved, all)
	require.Greater(t, solved*10, all*8, "most can be solved")
}

// apply sets a value by its path alone.
func apply(t *testing.T, env *condition.Env, path string, v any) {
	t.Helper()
	text, _ := v.(string)
	root, key, _ := strings.Cut(path, ".")
	key = strings.TrimPrefix(key, "attributes.")
	switch {
	case path == "subject.email":
		env.Subject.Email = text
	case path == "subject.username":
		env.Subject.Username = text
	case path == "subject.external_id":
		env.Subject.ExternalID = text
	case root == "subject":
		env.Subject.Attributes = condition.Set(env.Subject.Attributes, key, v)
	case root == "resource":
		env.Resource.Attributes = condition.Set(env.Resource.Attributes, key, v)
	case root == "context":
		env.Context = condition.Set(env.Context, key, v)
	default:
		env.Action.Properties = condition.Set(env.Action.Properties, key, v)
	}
}

func TestSolve_IsSmallest(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ conditions, attributes, want string }{
		{`{"a": {"gte": 1, "lt": 5}}`, `{"a": 7}`, `a=4`},
		{`{"a": 1, "b": 2}`, `{"a": 1, "b": 3}`, `b=2`},
		{`{"any_of": [{"a": 1, "b": 2}, {"c": "x"}]}`, `{}`, `c="x"`},
		{`{"a": {"ref": "subject.attributes.a"}}`, `{}`, ``},
		{`{"a": {"gt": 1e299}}`, `{}`, `a=1e299`},
	} {
		p, violations := condition.Compile([]byte(tc.conditions))
		require.Empty(t, violations)
		attributes := map[string]any{}
		dec := json.NewDecoder(strings.NewReader(tc.attributes))
		dec.UseNumber()
		require.NoError(t, dec.Decode(&attributes))
		solutions := p.Solve(&condition.Env{Resource: condition.Resource{Attributes: attributes}}, condition.True, mayBeSet)
		if tc.want == "" {
			require.Empty(t, solutions, tc.conditions)
			continue
		}
		require.NotEmpty(t, solutions, tc.conditions)
		require.Len(t, solutions[0], 1, tc.conditions)
		require.Equal(t, "resource.attributes."+tc.want[:1], solutions[0][0].Path)
	}
	p, _ := condition.Compile([]byte(`{"subject.id": "x"}`))
	require.Empty(t, p.Solve(&condition.Env{}, condition.True, mayBeSet), "an id is not set")
	p, violations := condition.Compile([]byte(`{"a": {"lt": {"ref": "subject.attributes.huge"}}}`))
	require.Empty(t, violations)
	env := &condition.Env{Subject: condition.Subject{Attributes: map[string]any{"huge": json.Number("1e999999999")}}, Resource: condition.Resource{Attributes: map[string]any{"a": json.Number("1")}}}
	require.Empty(t, p.Solve(env, condition.False, func(path string) bool { return path == "resource.attributes.a" }), "a number of a gigabyte is not written out")
}

func TestWords_OfEveryOperator(t *testing.T) {
	t.Parallel()
	for conditions, want := range map[string][2]string{
		`{"a": 1}`:                               {"1", "other than 1"},
		`{"a": {"ne": "x"}}`:                     {"other than x", "x"},
		`{"a": ["x", "y"]}`:                      {"one of x, y", "none of x, y"},
		`{"a": {"nin": ["x"]}}`:                  {"none of x", "one of x"},
		`{"a": {"gt": 1}}`:                       {"more than 1", "at most 1"},
		`{"a": {"gte": 1}}`:                      {"at least 1", "less than 1"},
		`{"a": {"lt": 1}}`:                       {"less than 1", "at least 1"},
		`{"a": {"lte": 1}}`:                      {"at most 1", "more than 1"},
		`{"a": {"between": [1, 2]}}`:             {"between 1 and 2", "not between 1 and 2"},
		`{"a": {"between": ["06:00", "20:00"]}}`: {"between 06:00 and 20:00 in the tenant's time zone", "not between 06:00 and 20:00 in the tenant's time zone"},
		`{"a": {"weekday": "mon"}}`:              {"a day of mon in the tenant's time zone", "not a day of mon in the tenant's time zone"},
		`{"a": {"prefix": "x"}}`:                 {"beginning with x", "not beginning with x"},
		`{"a": {"suffix": "x"}}`:                 {"ending with x", "not ending with x"},
		`{"a": {"contains": "x"}}`:               {"containing x", "not containing x"},
		`{"a": {"contains_all": ["x"]}}`:         {"containing all of x", "not containing all of x"},
		`{"a": {"contains_any": ["x"]}}`:         {"containing one of x", "not containing one of x"},
		`{"a": {"cidr": "10.0.0.0/8"}}`:          {"an address within 10.0.0.0/8", "not an address within 10.0.0.0/8"},
		`{"a": {"matches": "^x"}}`:               {"matching ^x", "not matching ^x"},
		`{"a": {"exists": true}}`:                {"any value", "none"},
		`{"a": "1000"}`:                          {`"1000"`, `other than "1000"`},
		`{"a": ["x y", "true", "x"]}`:            {`one of "x y", "true", x`, `none of "x y", "true", x`},
		`{"a": ""}`:                              {"empty", "other than empty"},
		`{"a": {"ref": "subject.email"}}`:        {"what is missing at subject.email", "other than what is missing at subject.email"},
	} {
		p, violations := condition.Compile([]byte(conditions))
		require.Empty(t, violations)
		j := p.Explain(&condition.Env{})
		for i, negated := range []bool{false, true} {
			w := condition.Want{Operator: j.Operator, Negated: negated, Operands: j.Wanted}
			require.Equal(t, want[i], w.Words(), conditions)
		}
	}
	hidden := condition.Want{Operator: "gte", Operands: []condition.Value{{Value: 3, Hidden: true}}}
	require.Equal(t, "at least a value that you may not see", hidden.Words())
}

func FuzzSolve(f *testing.F) {
	f.Add(`{"a": {"gte": 1}, "not": {"b": "x"}}`, `{"a": 0}`)
	f.Add(`{"a": {"contains_all": ["x", 1]}}`, `{"a": ["x"]}`)
	f.Fuzz(func(t *testing.T, conditions, attributes string) {
		p, violations := condition.Compile([]byte(conditions))
		dec := json.NewDecoder(strings.NewReader(attributes))
		dec.UseNumber()
		stored := map[string]any{}
		if len(violations) > 0 || dec.Decode(&stored) != nil {
			return
		}
		env := &condition.Env{Resource: condition.Resource{Attributes: stored}}
		for _, want := range []condition.Truth{condition.True, condition.False} {
			for _, wants := range p.Solve(env, want, mayBeSet) {
				changed := *env
				for _, w := range wants {
					apply(t, &changed, w.Path, w.Value)
				}
				require.Equal(t, want, p.Eval(&changed))
			}
		}
	})
}
