package policy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/policies"
)

// evaluator evaluates conditions in Rego.
func evaluator(t testing.TB) func(conditions, env any) string {
	modules := map[string]*ast.Module{}
	dir, err := policies.FS.ReadDir("sentinel/conditions")
	require.NoError(t, err)
	for _, f := range dir {
		path := "sentinel/conditions/" + f.Name()
		text, err := policies.FS.ReadFile(path)
		require.NoError(t, err)
		if !bytes.HasSuffix([]byte(path), []byte("_test.rego")) {
			modules[path] = ast.MustParseModule(string(text))
		}
	}
	compiler := ast.NewCompiler()
	compiler.Compile(modules)
	require.Empty(t, compiler.Errors)
	q, err := rego.New(
		rego.Query("x := data.sentinel.conditions.evaluate(input.conditions, input.env)"),
		rego.Compiler(compiler),
		rego.StrictBuiltinErrors(true),
	).PrepareForEval(context.Background())
	require.NoError(t, err)
	return func(conditions, env any) string {
		in, err := ast.InterfaceToValue(map[string]any{"conditions": conditions, "env": env})
		require.NoError(t, err)
		rs, err := q.Eval(context.Background(), rego.EvalParsedInput(in))
		require.NoError(t, err)
		require.Len(t, rs, 1)
		return map[string]string{"0": "false", "1": "unknown", "2": "true"}[fmt.Sprint(rs[0].Bindings["x"])]
	}
}

func decode(t require.TestingT, raw []byte) any {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	require.NoError(t, dec.Decode(&v))
	return v
}

// environment is the document of a Rego environment as the Go one.
func environment(doc map[string]any) *condition.Env {
	at := func(root, member string) string {
		s, _ := doc[root].(map[string]any)[member].(string)
		return s
	}
	object := func(root, member string) map[string]any {
		m, _ := doc[root].(map[string]any)[member].(map[string]any)
		return m
	}
	service, _ := doc["subject"].(map[string]any)["is_service_account"].(bool)
	zone, err := time.LoadLocation(at("tenant", "time_zone"))
	if err != nil {
		zone = time.UTC
	}
	return &condition.Env{
		Subject: condition.Subject{
			ID: at("subject", "id"), Email: at("subject", "email"), Username: at("subject", "username"), ExternalID: at("subject", "external_id"),
			IsServiceAccount: service, Attributes: object("subject", "attributes"), Supplied: object("subject", "supplied"),
		},
		Resource: condition.Resource{
			ID: at("resource", "id"), Type: at("resource", "type"), Path: at("resource", "path"),
			Attributes: object("resource", "attributes"), Supplied: object("resource", "supplied"),
		},
		Action:  condition.Action{Name: at("action", "name"), Properties: object("action", "properties")},
		Context: doc["context"].(map[string]any),
		Tenant:  condition.Tenant{ID: at("tenant", "id"), Code: at("tenant", "code"), Name: at("tenant", "name"), TimeZone: at("tenant", "time_zone"), Location: zone},
	}
}

// TestConditions_AreInRegoWhatTheyAreInGo runs the table of package condition.
func TestConditions_AreInRegoWhatTheyAreInGo(t *testing.T) {
	raw, err := os.ReadFile("../condition/testdata/cases.json")
	require.NoError(t, err)
	file := decode(t, raw).(map[string]any)
	env := file["env"].(map[string]any)
	eval := evaluator(t)
	for _, c := range file["cases"].([]any) {
		c := c.(map[string]any)
		supplied, _ := c["supplied"].(map[string]any)
		if supplied == nil {
			supplied = map[string]any{}
		}
		env["resource"].(map[string]any)["supplied"] = supplied
		require.Equal(t, c["want"], eval(c["if"], env), "%v with %v", c["if"], supplied)
	}
}

// TestConditions_AgreeOnRandomPrograms draws conditions and environments from
// values that are near to each other, so that every outcome is common.
func TestConditions_AgreeOnRandomPrograms(t *testing.T) {
	eval := evaluator(t)
	seen := map[condition.Truth]int{}
	rapid.Check(t, func(t *rapid.T) {
		raw, err := json.Marshal(object(4).Draw(t, "conditions"))
		require.NoError(t, err)
		program, violations := condition.Compile(raw)
		if len(violations) > 0 {
			t.Skip(violations)
		}
		doc := envs().Draw(t, "env")
		want := program.Eval(environment(doc))
		seen[want]++
		require.Equal(t, want.String(), eval(decode(t, raw), doc), "%s on %v", raw, doc)
	})
	t.Log(seen)
	require.Len(t, seen, 3)
}

var (
	scalars = []any{
		"a", "ab", "b", "", "mon", "tue", "10.0.0.0/8", "10.1.2.3", "::1", "::ffff:10.0.0.1", "2001:db8::/32", "2001:db8::5", "09:00", "17:30", "23:00", "02:15",
		"2026-03-29T01:30:00Z", "2026-03-02T09:00:00+02:00", "2026-03-02T07:00:00Z", "2024-02-29T23:59:59.123456789-11:00", "2023-02-29T00:00:00Z", "1677-12-31T23:59:59Z",
		"1678-01-01T00:00:00+23:59", "2261-12-31T23:59:59-23:59", "2262-01-01T00:00:00Z", "2026-03-02T24:00:00Z", "2026-03-02t07:00:00z", "2026-03-02T07:00:00,5Z",
		json.Number("0"), json.Number("-0.0"), json.Number("1"), json.Number("1.0"), json.Number("10e-1"), json.Number("9007199254740993"), json.Number("9007199254740992"),
		json.Number("0.1"), json.Number("0.10000000000000000001"), json.Number("-1e299"), json.Number("1e-300"), json.Number("123456789012345678901234567890"),
		true, false, nil,
	}
	odd      = []any{json.Number("1e300"), json.Number("1e400"), json.Number("-9e-301")}
	keys     = []string{"a", "b", "a.b", "a.b.c", "c", "0"}
	keyPaths = []string{
		"a", "b", "a.b", "a.b.c", "a.b.c.0", "attributes.a", "resource.attributes.a.b", "subject.attributes.a", "user_attributes.b.c", "subject.id", "subject.email",
		"subject.is_service_account", "resource.id", "resource.path", "action.name", "action.a", "action.a.b", "context.a", "context.time", "context.a.b", "tenant.code", "tenant.time_zone",
	}
	refPaths = keyPaths[5:]
)

func literal() *rapid.Generator[any] { return rapid.SampledFrom(scalars) }

func operand() *rapid.Generator[any] {
	return rapid.OneOf(literal(), literal(), rapid.Map(rapid.SampledFrom(refPaths), func(p string) any { return map[string]any{"ref": p} }))
}

func list(g *rapid.Generator[any]) *rapid.Generator[any] {
	return rapid.Map(rapid.SliceOfN(g, 0, 3), func(l []any) any { return append([]any{}, l...) })
}

func comparison() *rapid.Generator[any] {
	times := rapid.SampledFrom(scalars[16:20])
	clocks := rapid.SampledFrom(scalars[12:16])
	numbers := rapid.SampledFrom(scalars[28:40])
	days := rapid.SampledFrom([]any{"mon", "tue", "wed", "sun"})
	ref := rapid.Map(rapid.SampledFrom(refPaths), func(p string) any { return map[string]any{"ref": p} })
	one := func(op string, g *rapid.Generator[any]) *rapid.Generator[any] {
		return rapid.Map(g, func(v any) any { return map[string]any{op: v} })
	}
	ordered := rapid.OneOf(times, numbers, ref)
	pair := func(g *rapid.Generator[any]) *rapid.Generator[any] {
		return rapid.Map(rapid.SliceOfN(rapid.OneOf(g, g, g, ref), 2, 2), func(l []any) any { return append([]any{}, l...) })
	}
	blocks := rapid.OneOf(rapid.SampledFrom([]any{"10.0.0.0/8", "2001:db8::/32", "::ffff:0:0/96", "::/0"}), ref)
	return rapid.OneOf(
		operand(), list(operand()), one("eq", operand()), one("ne", operand()),
		one("in", rapid.OneOf(list(operand()), ref)), one("nin", rapid.OneOf(list(operand()), ref)),
		one("gt", ordered), one("gte", ordered), one("lt", ordered), one("lte", ordered),
		one("between", rapid.OneOf(pair(times), pair(clocks), pair(numbers))),
		one("weekday", rapid.OneOf(days, list(rapid.OneOf(days, ref)), ref)),
		one("prefix", rapid.OneOf(rapid.SampledFrom([]any{"a", "10.", ""}), ref)), one("suffix", rapid.OneOf(rapid.SampledFrom([]any{"b", "Z", ""}), ref)),
		one("contains", operand()), one("contains_all", rapid.OneOf(list(operand()), ref)), one("contains_any", rapid.OneOf(list(operand()), ref)),
		one("matches", rapid.SampledFrom([]any{"^a", "b$", "[0-9]+"})), one("cidr", rapid.OneOf(blocks, list(blocks))),
		one("exists", rapid.SampledFrom([]any{true, false})),
	)
}

func object(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		out := map[string]any{}
		for range rapid.IntRange(0, 3).Draw(t, "members") {
			switch n := rapid.IntRange(0, 9).Draw(t, "member"); {
			case n < 2 && depth > 1:
				out[[]string{"any_of", "all_of"}[n]] = list(object(depth-1)).Draw(t, "list")
			case n == 2 && depth > 1:
				out["not"] = object(depth-1).Draw(t, "not")
			default:
				out[rapid.SampledFrom(keyPaths).Draw(t, "key")] = comparison().Draw(t, "comparison")
			}
		}
		return out
	})
}

func attributes() *rapid.Generator[any] {
	nearTimes := rapid.Map(rapid.StringMatching(`(1677|1678|1700|1900|2000|2024|2026|2261|2262)-(0\d|1[0-3])-[0-3]\dT(0\d|2[0-4]):[0-6]0:[0-6]\d(\.\d{0,10})?(Z|[+-](0\d|2[0-4]):[0-6]0)`), func(s string) any { return s })
	leaf := rapid.OneOf(literal(), literal(), rapid.SampledFrom(odd), nearTimes, list(literal()))
	inner := rapid.Map(rapid.MapOfN(rapid.SampledFrom(keys), leaf, 0, 3), func(m map[string]any) any { return m })
	middle := rapid.Map(rapid.MapOfN(rapid.SampledFrom(keys), rapid.OneOf(leaf, inner), 0, 3), func(m map[string]any) any { return m })
	return rapid.Map(rapid.MapOfN(rapid.SampledFrom(keys), rapid.OneOf(leaf, leaf, middle), 0, 5), func(m map[string]any) any { return m })
}

func envs() *rapid.Generator[map[string]any] {
	word := rapid.SampledFrom([]any{"", "a", "ab", "10.1.2.3"})
	return rapid.Custom(func(t *rapid.T) map[string]any {
		context := attributes().Draw(t, "context").(map[string]any)
		context["time"] = rapid.SampledFrom(scalars[16:20]).Draw(t, "time")
		return map[string]any{
			"subject": map[string]any{
				"id": "a", "email": word.Draw(t, "email"), "is_service_account": rapid.Bool().Draw(t, "service"),
				"attributes": attributes().Draw(t, "subject"), "supplied": attributes().Draw(t, "asserted"),
			},
			"resource": map[string]any{
				"id": word.Draw(t, "id"), "type": "a", "path": word.Draw(t, "path"),
				"attributes": attributes().Draw(t, "stored"), "supplied": attributes().Draw(t, "supplied"),
			},
			"action":  map[string]any{"name": "a", "properties": attributes().Draw(t, "properties")},
			"context": context,
			"tenant": map[string]any{
				"id": "a", "code": "ab", "name": "A",
				"time_zone": rapid.SampledFrom([]any{"", "UTC", "Europe/Athens", "Asia/Kolkata", "America/New_York"}).Draw(t, "zone"),
			},
		}
	})
}
