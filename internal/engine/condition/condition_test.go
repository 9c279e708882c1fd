package condition_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/condition"
)

// caseFile is testdata/cases.json, which the Rego library is held to as well.
type caseFile struct {
	Env   condition.Env
	Cases []struct {
		If       json.RawMessage
		Supplied map[string]any
		Want     string
	}
}

func readCases(t testing.TB) caseFile {
	raw, err := os.ReadFile("testdata/cases.json")
	require.NoError(t, err)
	// The members of the document are the fields in snake_case.
	raw = []byte(strings.NewReplacer(`"external_id"`, `"ExternalID"`, `"is_service_account"`, `"IsServiceAccount"`, `"time_zone":`, `"TimeZone":`).Replace(string(raw)))
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var f caseFile
	require.NoError(t, dec.Decode(&f))
	f.Env.Tenant.Location, err = time.LoadLocation(f.Env.Tenant.TimeZone)
	require.NoError(t, err)
	return f
}

func TestEval_EveryOperatorIsTrueFalseOrUnknown(t *testing.T) {
	f := readCases(t)
	for _, tc := range f.Cases {
		p, violations := condition.Compile(tc.If)
		require.Empty(t, violations, "%s", tc.If)
		env := f.Env
		env.Resource.Supplied = tc.Supplied
		require.Equal(t, tc.Want, p.Eval(&env).String(), "%s with %v", tc.If, tc.Supplied)
		if tc.Want != "true" {
			require.Empty(t, p.Matched(&env), "%s", tc.If)
		}
	}
}

func TestCompile_NamesEveryOffence(t *testing.T) {
	list := "[" + strings.Repeat("1,", condition.MaxList) + "1]"
	for _, tc := range []struct {
		in    string
		paths []string
	}{
		{`[]`, []string{""}},
		{`"x"`, []string{""}},
		{`{`, []string{""}},
		{`{} {}`, []string{""}},
		{`{"x": 1, "x": 2}`, []string{""}},
		{"{\"x\": \"\xff\"}", []string{""}},
		{`{"resource.amount": {"between": [1, "a"]}}`, []string{"resource.amount"}},
		{`{"amount": {"between": [1, "a"]}}`, []string{"amount.between[1]", "amount.between"}},
		{`{"amount": {"between": [5, 1]}}`, []string{"amount.between"}},
		{`{"amount": {"between": [1]}}`, []string{"amount.between"}},
		{`{"amount": {"between": ["09:00", 5]}}`, []string{"amount.between"}},
		{`{"a": {"like": "x"}, "b": {}}`, []string{"a.like", "b"}},
		{`{"a": {"matches": "("}, "b": {"cidr": ["10.0.0.0"]}, "c": {"gt": "soon"}}`, []string{"a.matches", "b.cidr[0]", "c.gt"}},
		{`{"a": {"matches": {"ref": "subject.id"}}}`, []string{"a.matches"}},
		{`{"a": {"exists": "yes"}}`, []string{"a.exists"}},
		{`{"a": {"weekday": ["mon", "Monday"]}}`, []string{"a.weekday[1]"}},
		{`{"a": {"in": "x"}}`, []string{"a.in"}},
		{`{"a": {"in": [["x"]]}}`, []string{"a.in[0]"}},
		{`{"a": {"eq": [1]}}`, []string{"a.eq"}},
		{`{"a": {"ref": "port"}}`, []string{"a.ref"}},
		{`{"a": {"ref": "subjct.id"}}`, []string{"a.ref"}},
		{`{"a": {"ref": "subject.nope"}}`, []string{"a.ref"}},
		{`{"a": {"ref": 5}}`, []string{"a.ref"}},
		{`{"a": {"ref": "subject.id", "gt": 1}}`, []string{"a.ref"}},
		{`{"a": {"eq": {"ref": "subject.id", "x": 1}}}`, []string{"a.eq"}},
		{`{"": 1}`, []string{""}},
		{`{"subject": 1, "subject.": 1, "tenant.x": 1, "subject.attributes": 1}`, []string{"subject", "subject.", "tenant.x", "subject.attributes"}},
		{`{"any_of": {"a": 1}, "all_of": [1], "not": []}`, []string{"any_of", "all_of[0]", "not"}},
		{`{"time_range": ["9:00", "17:00"]}`, []string{"time_range[0]", "time_range"}},
		{`{"any_of": [{"x": {"in": [1, {"ref": "x"}]}}]}`, []string{"any_of[0].x.in[1].ref"}},
		{`{"a": 1e300, "b": {"gt": 1e-999999999999}}`, []string{"a", "b.gt"}},
		{`{"a": ` + list + `}`, []string{"a"}},
		{strings.Repeat(`{"not":`, 10) + `{"x":1}` + strings.Repeat("}", 10), []string{strings.TrimSuffix(strings.Repeat("not.", 10), ".")}},
		{strings.Repeat(`{"not":`, 5000) + `1` + strings.Repeat("}", 5000), []string{""}},
		{`{"all_of": [` + strings.Repeat(`{"x": 1},`, 100) + `{}]}`, []string{""}},
		{`{"x": "` + strings.Repeat("a", condition.MaxSize) + `"}`, []string{""}},
	} {
		p, violations := condition.Compile(json.RawMessage(tc.in))
		var paths []string
		for _, v := range violations {
			require.NotEmpty(t, v.Message)
			paths = append(paths, v.Path)
		}
		require.Equal(t, tc.paths, paths, "%.80s", tc.in)
		require.Equal(t, condition.Unknown, p.Eval(&condition.Env{}), "a refused program neither grants nor lifts a restraint")
	}
}

func TestCompile_NothingHoldsAlways(t *testing.T) {
	for _, in := range []string{"", "null", "{}", " null ", " {} "} {
		p, violations := condition.Compile(json.RawMessage(in))
		require.Empty(t, violations)
		require.Nil(t, p)
		require.Equal(t, condition.True, p.Eval(nil))
		require.Empty(t, p.Matched(nil))
		require.Empty(t, p.Paths())
		require.False(t, p.ReadsClock())
	}
}

func TestProgram_TellsWhatItReads(t *testing.T) {
	p, violations := condition.Compile(json.RawMessage(`{"amount": {"gt": {"ref": "user_attributes.limit"}}, "not": {"time_range": ["09:00", "17:00"]}, "any_of": [{"action.name": "x"}, {"tenant.code": "y"}]}`))
	require.Empty(t, violations)
	require.Equal(t, []string{"action.name", "context.time", "resource.attributes.amount", "subject.attributes.limit", "tenant.code"}, p.Paths())
	require.True(t, p.ReadsClock())
}

func TestMatched_HoldsTheComparisonsThatDecided(t *testing.T) {
	p, violations := condition.Compile(json.RawMessage(`{"amount": {"gt": 5}, "any_of": [{"a": 1}, {"b": 2}], "not": {"c": 3}}`))
	require.Empty(t, violations)
	env := condition.Env{Resource: condition.Resource{Attributes: map[string]any{"amount": json.Number("7"), "a": json.Number("1"), "b": json.Number("1"), "c": "x"}}}
	require.Equal(t, condition.Unknown, p.Eval(&env))
	require.Empty(t, p.Matched(&env))
	env.Resource.Attributes["c"] = json.Number("4")
	require.Equal(t, condition.True, p.Eval(&env))
	require.Equal(t, map[string]any{"amount": json.Number("7"), "a": json.Number("1")}, p.Matched(&env))
}

func TestEval_HugeNumbersCostNothing(t *testing.T) {
	p, violations := condition.Compile(json.RawMessage(`{"x": {"gt": 1}}`))
	require.Empty(t, violations)
	env := condition.Env{Resource: condition.Resource{Attributes: map[string]any{"x": json.Number("1e999999999")}}}
	start := time.Now()
	require.Equal(t, condition.Unknown, p.Eval(&env))
	require.Less(t, time.Since(start), time.Second)
}

func FuzzEval(f *testing.F) {
	for _, tc := range readCases(f).Cases {
		f.Add([]byte(tc.If), "x", "2026-03-02T09:30:00Z")
	}
	f.Fuzz(func(t *testing.T, conditions []byte, key, val string) {
		p, violations := condition.Compile(conditions)
		for _, attribute := range []any{val, json.Number("12.5"), []any{val, nil}, nil} {
			env := condition.Env{
				Subject:  condition.Subject{ID: val, Attributes: map[string]any{key: val}},
				Resource: condition.Resource{Attributes: map[string]any{key: attribute}},
				Context:  map[string]any{"time": val, "ip": val},
			}
			got := p.Eval(&env)
			require.Contains(t, []condition.Truth{condition.False, condition.Unknown, condition.True}, got)
			if len(violations) > 0 {
				require.Equal(t, condition.Unknown, got)
			}
			if got != condition.True {
				require.Empty(t, p.Matched(&env))
			}
		}
	})
}

func BenchmarkEval(b *testing.B) {
	env := condition.Env{
		Subject:  condition.Subject{ID: "u1", Attributes: map[string]any{"region": "apac", "ports": []any{"oslo", "hamburg"}}},
		Resource: condition.Resource{Attributes: map[string]any{"region": "apac", "amount": json.Number("4200"), "price": json.Number("42.50"), "port": "hamburg"}},
		Context:  map[string]any{"time": "2026-03-02T09:30:00Z", "ip": "10.1.2.3"},
	}
	for name, in := range map[string]string{
		"string":  `{"region": "apac"}`,
		"int":     `{"amount": {"lte": 10000}}`,
		"decimal": `{"price": {"lte": 99.95}}`,
		"ref":     `{"region": {"ref": "subject.attributes.region"}}`,
		"in":      `{"port": {"in": ["oslo", "rotterdam", "hamburg"]}}`,
		"in_ref":  `{"port": {"in": {"ref": "subject.attributes.ports"}}}`,
		"clock":   `{"time_range": ["09:00", "17:00"]}`,
		"cidr":    `{"context.ip": {"cidr": ["10.0.0.0/8"]}}`,
		"several": `{"region": {"ref": "subject.attributes.region"}, "amount": {"lte": 10000}, "any_of": [{"port": "oslo"}, {"port": ["hamburg"]}]}`,
	} {
		b.Run(name, func(b *testing.B) {
			p, violations := condition.Compile(json.RawMessage(in))
			require.Empty(b, violations)
			b.ReportAllocs()
			for b.Loop() {
				if p.Eval(&env) != condition.True {
					b.Fatal("must hold")
				}
			}
		})
	}
}

func TestCompileFor_NamesEveryPlaceThatReadsWhatItMayNot(t *testing.T) {
	t.Parallel()
	forbidden := func(path string) string {
		if strings.HasPrefix(path, "context.") || path == "resource.attributes.secret" {
			return "must not be read"
		}
		return ""
	}
	p, violations := condition.CompileFor(json.RawMessage(`{
		"amount": {"lt": {"ref": "attributes.secret"}, "in": [1, {"ref": "context.limit"}]},
		"secret": 1, "time_range": ["09:00", "17:00"], "any_of": [{"context.ip": {"cidr": "10.0.0.0/8"}}, {"subject.id": {"between": [{"ref": "context.a"}, 2]}}]}`), forbidden)
	var paths []string
	for _, v := range violations {
		require.Equal(t, "must not be read", v.Message)
		paths = append(paths, v.Path)
	}
	require.Equal(t, []string{"amount.lt.ref", "amount.in[1].ref", "secret", "time_range", "any_of[0].context.ip", "any_of[1].subject.id.between[0].ref"}, paths)
	require.Equal(t, condition.Unknown, p.Eval(&condition.Env{Resource: condition.Resource{Attributes: map[string]any{"amount": json.Number("1")}}}))
	p, violations = condition.CompileFor(json.RawMessage(`{"amount": {"between": [1, 2]}}`), forbidden)
	require.Empty(t, violations)
	require.Equal(t, []string{"resource.attributes.amount"}, p.Paths())
}
