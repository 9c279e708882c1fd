package policy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/policy"
)

// tenantModules returns the texts of modules by path; each text is what stands
// below the package line.
func tenantModules(bodies map[string]string) map[string]string {
	out := map[string]string{}
	for name, body := range bodies {
		out["tenant/"+name+".rego"] = "package tenant." + name + "\n\n" + body + "\n"
	}
	return out
}

func compile(t testing.TB, bodies map[string]string) *policy.Modules {
	t.Helper()
	m, err := policy.CompileModules(t.Context(), load(t), tenantModules(bodies))
	require.NoError(t, err)
	return m
}

func facts(t testing.TB) *policy.Facts {
	t.Helper()
	of, err := policy.NewAttrs(map[string]any{"clearance": json.Number("3")})
	require.NoError(t, err)
	stored, err := policy.NewAttrs(map[string]any{"flag": "GR", "deep": map[string]any{"a": "stored"}})
	require.NoError(t, err)
	return &policy.Facts{
		Question: policy.Question{
			UserID: ada, Type: "vessel", ID: "mv-aurora", Action: "read",
			Attributes:        map[string]any{"flag": "NO", "deep": map[string]any{"b": "supplied"}, "port": "oslo"},
			ActionProperties:  map[string]any{"amount": json.Number("9007199254740993")},
			Context:           map[string]any{"ip": "10.0.0.1"},
			SubjectAttributes: map[string]any{"clearance": json.Number("9"), "rank": "mate"}, SubjectOverrides: map[string]any{"team": nil},
		},
		Subject: policy.SubjectFacts{
			ID: ada, Email: "ada@acme.example", Username: "ada", ExternalID: "x1", IsServiceAccount: true,
			Attributes: of, Roles: []string{"inspector", "viewer"},
		},
		Resource: policy.ResourceFacts{ID: "mv-aurora", Path: "/fleet/mv-aurora", Attributes: stored},
		Tenant:   policy.Tenant{ID: "t1", Code: "ACME", Name: "Acme", TimeZone: "Europe/Oslo"},
		Now:      time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
	}
}

// judged returns what one module says about reading.
func judged(t testing.TB, body string) (policy.Finding, error) {
	t.Helper()
	f := facts(t)
	f.AllowRules = true
	found, err := compile(t, map[string]string{"a": body}).Judge(t.Context(), f, []string{"read"})
	return found["read"], err
}

func TestJudge_ReadsWhatModulesSay(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 201)
	cut := strings.Repeat("é", 200)
	for name, tc := range map[string]struct {
		body string
		want policy.Finding
	}{
		"denials, sorted and distinct": {
			`deny contains {"reason": r} if some r in ["b", "a", "` + long + `"]` + "\n" + `deny contains {"reason": "a", "more": 1} if true`,
			policy.Finding{Denials: []policy.Denial{{Policy: "tenant.a", Reason: "a"}, {Policy: "tenant.a", Reason: "b"}, {Policy: "tenant.a", Reason: cut}}},
		},
		"a denial of any shape":     {`deny contains 5 if true`, policy.Finding{Denials: []policy.Denial{{Policy: "tenant.a"}}}},
		"a reason of another kind":  {`deny contains {"reason": 5} if true`, policy.Finding{Denials: []policy.Denial{{Policy: "tenant.a"}}}},
		"an empty set says nothing": {`deny contains {"reason": "x"} if input.action == "write"`, policy.Finding{}},
		"undefined says nothing":    {`deny := {"x"} if input.action == "write"`, policy.Finding{}},
		"a set that is written out": {`deny := {"x"}`, policy.Finding{Denials: []policy.Denial{{Policy: "tenant.a"}}}},
		"allow":                     {`allow contains {} if input.action == "read"`, policy.Finding{Allows: true}},
		"chains, sorted":            {`require_approval contains {"chain": c} if some c in ["two", "one", "two"]`, policy.Finding{Chains: []string{"one", "two"}}},
		"obligations name the policy": {
			`obligations contains {"policy": "forged", "reason": "` + long + `", "log": true} if true`,
			policy.Finding{Obligations: []map[string]any{{"policy": "tenant.a", "reason": cut, "log": true}}},
		},
		"restrictions": {
			`restrict_fields := {{"field": "b", "to": "read"}, {"field": "a"}}`,
			policy.Finding{Restrictions: []policy.Restriction{{Field: "a", To: "hidden"}, {Field: "b", To: "read"}}},
		},
	} {
		got, err := judged(t, tc.body)
		require.NoError(t, err, name)
		require.Equal(t, tc.want, got, name)
	}
}

func TestJudge_LetsPoliciesReadIntoListsAndByAnyName(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]string{
		`deny contains {"reason": data.sentinel.lib.subject.roles[0]}`:                                                    {"inspector"},
		`deny contains {"reason": data.sentinel.lib.subject.roles[n]} if n := 1`:                                          {"viewer"},
		`deny contains {"reason": data.sentinel.lib.subject.roles[2]}`:                                                    nil,
		`deny contains {"reason": data.sentinel.lib.subject.roles["0"]}`:                                                  nil,
		`deny contains {"reason": r} if some r in data.sentinel.lib.subject.roles`:                                        {"inspector", "viewer"},
		`deny contains {"reason": r} if r := data.sentinel.lib.subject.roles[_]`:                                          {"inspector", "viewer"},
		`deny contains {"reason": data.sentinel.lib.resource.attributes.list[0]}`:                                         {"zero"},
		`deny contains {"reason": data.sentinel.lib.resource.attributes.list[1].x[0]}`:                                    {"one"},
		`deny contains {"reason": data.sentinel.lib.resource.attributes.list[i].x[j]} if [i, j] := [1, 0]`:                {"one"},
		`deny contains {"reason": data.sentinel.lib.resource["attributes"][name][0]} if name := "list"`:                   {"zero"},
		`deny contains {"reason": data.sentinel.lib.context[name]} if some name in ["a.b", "a/b", "", "0", "none"]`:       {"dot", "empty", "nought", "slash"},
		`deny contains {"reason": data.sentinel.lib.context[name]} if some name in [0, null, false, ["a.b"], {"a": "b"}]`: nil,
		`deny contains {"reason": data.sentinel.lib[name].code} if name := "tenant"`:                                      {"ACME"},
		`deny contains {"reason": data.sentinel.lib.subject.id.x}`:                                                        nil,
		`deny contains {"reason": name} if some name, _ in data.sentinel.lib`:                                             {"action", "context", "resource", "subject", "tenant"},
	} {
		f := facts(t)
		f.Question.Attributes["list"] = []any{"zero", map[string]any{"x": []any{"one"}}}
		for name, value := range map[string]string{"a.b": "dot", "a/b": "slash", "": "empty", "0": "nought"} {
			f.Question.Context[name] = value
		}
		found, err := compile(t, map[string]string{"a": body}).Judge(t.Context(), f, []string{"read"})
		require.NoError(t, err, body)
		var got []string
		for _, d := range found["read"].Denials {
			got = append(got, d.Reason)
		}
		require.Equal(t, want, got, body)
	}
}

func TestJudge_FindsWhatIsMalformed(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`deny := true`, `deny := {"a": 1}`, `deny := ["a"]`, `deny["a"] := 1`, `default allow := false`, `restrict_fields := null`,
		`obligations contains "x" if true`, `obligations contains {"n": n} if some n in numbers.range(1, 51)`,
		`require_approval contains "x" if true`, `require_approval contains {"chain": 5} if true`, `require_approval contains {} if true`,
		`restrict_fields contains {"to": "read"} if true`, `restrict_fields contains {"field": 1} if true`,
		`restrict_fields contains {"field": "f", "to": "write"} if true`, `restrict_fields contains {"field": "f", "to": null} if true`,
	} {
		got, err := judged(t, body)
		require.NoError(t, err, body)
		require.NotEmpty(t, got.Malformed, body)
		require.Equal(t, policy.Finding{Malformed: got.Malformed}, got, body)
	}
	found, err := compile(t, map[string]string{"a": `deny contains "x" if true`, "b": `deny := 5`}).Judge(t.Context(), facts(t), []string{"read"})
	require.NoError(t, err)
	require.Equal(t, "tenant.b.deny: is no set", found["read"].Malformed, "what one module denies does not hide it")
}

func TestJudge_BoundsWhatAnAnswerHolds(t *testing.T) {
	t.Parallel()
	got, err := judged(t, "deny contains {\"reason\": sprintf(\"%03d\", [n])} if some n in numbers.range(1, 80)\n\n"+
		`obligations contains {"n": n} if some n in numbers.range(1, 50)`)
	require.NoError(t, err)
	require.Len(t, got.Denials, 50)
	require.Equal(t, "050", got.Denials[49].Reason)
	require.Len(t, got.Obligations, 50)
}

func TestJudge_FailsRatherThanAnswer(t *testing.T) {
	t.Parallel()
	for body, kind := range map[string]string{
		`deny contains "x" if to_number(input.resource.id) > 1`:                                                     policy.FailureBuiltin,
		"deny := {1} if true\n\ndeny := {2} if input.action == \"read\"":                                            policy.FailureConflict,
		`deny contains "x" if { some x in numbers.range(1, 10000); some y in numbers.range(1, 10000); x + y == 0 }`: policy.FailureTimeout,
	} {
		m, err := policy.CompileModules(t.Context(), quick(t), tenantModules(map[string]string{"a": body}))
		require.NoError(t, err, body)
		_, err = m.Judge(t.Context(), facts(t), []string{"read"})
		require.Error(t, err, body)
		require.Equal(t, kind, policy.FailureKind(err), body)
	}
	require.Equal(t, policy.FailureOther, policy.FailureKind(errors.New("x")))
	require.Equal(t, policy.FailureOther, policy.FailureKind(&topdown.Error{Code: topdown.InternalErr}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := compile(t, map[string]string{"a": `deny contains "x" if false`}).Judge(ctx, facts(t), []string{"read"})
	require.ErrorIs(t, err, context.Canceled)
	f := facts(t)
	f.Question.Context = map[string]any{"x": make(chan int)}
	_, err = compile(t, map[string]string{"a": `deny contains "x" if false`}).Judge(t.Context(), f, []string{"read"})
	require.Error(t, err)
}

func quick(t testing.TB) *policy.Library {
	t.Helper()
	files := fstest.MapFS{}
	for path, text := range library(t) {
		files[path] = &fstest.MapFile{Data: []byte(text)}
	}
	l, err := policy.Load(t.Context(), files, policy.Config{})
	require.NoError(t, err)
	return l
}

func TestJudge_ShowsModulesTheQuestionAndItsSurroundings(t *testing.T) {
	t.Parallel()
	got, err := judged(t, `
import data.sentinel.lib

obligations contains {"input": input, "lib": {"subject": lib.subject, "resource": lib.resource, "action": lib.action, "context": lib.context, "tenant": lib.tenant}} if true
`)
	require.NoError(t, err)
	seen := got.Obligations[0]
	require.Equal(t, map[string]any{
		"user_id": ada, "action": "read",
		"resource":           map[string]any{"type": "vessel", "id": "mv-aurora", "attributes": map[string]any{"flag": "NO", "deep": map[string]any{"b": "supplied"}, "port": "oslo"}},
		"action_properties":  map[string]any{"amount": json.Number("9007199254740993")},
		"context":            map[string]any{"ip": "10.0.0.1"},
		"subject_attributes": map[string]any{"clearance": json.Number("9"), "rank": "mate"}, "subject_overrides": map[string]any{"team": nil},
	}, seen["input"])
	f := facts(t)
	f.Question.Action = "read"
	require.Equal(t, f.Question.Input(), seen["input"], "the library reads the same")
	require.Equal(t, map[string]any{
		"subject": map[string]any{
			"id": ada, "email": "ada@acme.example", "username": "ada", "external_id": "x1", "is_service_account": true,
			"attributes": map[string]any{"clearance": json.Number("3"), "rank": "mate", "team": nil}, "roles": []any{"inspector", "viewer"},
		},
		"resource": map[string]any{
			"id": "mv-aurora", "type": "vessel", "path": "/fleet/mv-aurora",
			"attributes": map[string]any{"flag": "GR", "deep": map[string]any{"a": "stored"}, "port": "oslo"},
		},
		"action":  map[string]any{"name": "read", "properties": map[string]any{"amount": json.Number("9007199254740993")}},
		"context": map[string]any{"ip": "10.0.0.1", "time": "2026-03-02T09:00:00Z"},
		"tenant":  map[string]any{"id": "t1", "code": "ACME", "name": "Acme", "time_zone": "Europe/Oslo"},
	}, seen["lib"])
}

func TestJudge_LeavesOutWhatTheQuestionLacks(t *testing.T) {
	t.Parallel()
	m := compile(t, map[string]string{"a": "import data.sentinel.lib\n\nobligations contains {\"input\": input, \"resource\": lib.resource, \"context\": lib.context} if true"})
	f := &policy.Facts{Question: policy.Question{UserID: ada, Type: "vessel", Context: map[string]any{"time": "2020-01-01T00:00:00Z"}}, Now: time.Now()}
	found, err := m.Judge(t.Context(), f, []string{"create"})
	require.NoError(t, err)
	require.Equal(t, []map[string]any{{
		"policy":   "tenant.a",
		"input":    map[string]any{"user_id": ada, "resource": map[string]any{"type": "vessel"}, "action": "create", "context": map[string]any{"time": "2020-01-01T00:00:00Z"}},
		"resource": map[string]any{"id": "", "type": "vessel", "path": "", "attributes": map[string]any{}},
		"context":  map[string]any{"time": "2020-01-01T00:00:00Z"},
	}}, found["create"].Obligations)
}

func TestJudge_AsksEachActionForItself(t *testing.T) {
	t.Parallel()
	m := compile(t, map[string]string{
		"a": `deny contains {"reason": sprintf("%s %s", [input.action, data.sentinel.lib.action.name])} if input.action != "update"`,
		"b": "deny contains {\"reason\": data.tenant.c.word} if input.action == \"read\"\n\nallow contains 1 if true",
		"c": `word := "shared"`,
		"d": `allow contains 1 if input.action == "create"`,
	})
	f := facts(t)
	found, err := m.Judge(t.Context(), f, []string{"read", "update", "create"})
	require.NoError(t, err)
	require.Equal(t, map[string]policy.Finding{
		"read":   {Denials: []policy.Denial{{Policy: "tenant.a", Reason: "read read"}, {Policy: "tenant.b", Reason: "shared"}}},
		"update": {},
		"create": {Denials: []policy.Denial{{Policy: "tenant.a", Reason: "create create"}}},
	}, found, "allow rules are not asked")
	f.AllowRules = true
	found, err = m.Judge(t.Context(), f, []string{"read", "update", "create"})
	require.NoError(t, err)
	require.True(t, found["create"].Allows)
	require.True(t, found["update"].Allows)
}

func TestModules_ApplyAsTheirMetadataSays(t *testing.T) {
	t.Parallel()
	texts := tenantModules(map[string]string{"always": `deny contains 1 if true`, "helper": `x := 1`})
	texts["narrow"] = "# METADATA\n# custom:\n#   applies_to:\n#     resource_types: [invoice, port]\n#     actions: [pay]\npackage tenant.narrow\n\ndeny contains 1 if input.context.ip == \"x\"\n"
	texts["stars"] = "# METADATA\n# custom:\n#   applies_to:\n#     resource_types: [\"*\"]\n#     actions: [\"*\"]\npackage tenant.stars\n\nallow contains 1 if true\n"
	m, err := policy.CompileModules(t.Context(), load(t), texts)
	require.NoError(t, err)
	require.Equal(t, []policy.Module{
		{Root: "tenant", Name: "narrow", ResourceTypes: []string{"invoice", "port"}, Actions: []string{"pay"}},
		{Root: "tenant", Name: "stars", ResourceTypes: []string{"*"}, Actions: []string{"*"}},
		{Root: "tenant", Name: "always", ResourceTypes: []string{}, Actions: []string{}},
	}, m.Index())
	f := facts(t)
	for _, tc := range []struct {
		typ, action string
		denials     int
		clock       bool
	}{{"invoice", "pay", 2, true}, {"port", "pay", 2, true}, {"invoice", "read", 1, false}, {"vessel", "pay", 1, false}, {"api", "pay", 0, false}} {
		f.Question.Type, f.Question.Context = tc.typ, map[string]any{"ip": "x"}
		found, err := m.Judge(t.Context(), f, []string{tc.action})
		require.NoError(t, err)
		require.Len(t, found[tc.action].Denials, tc.denials, tc.typ+tc.action)
		require.Equal(t, tc.denials > 0, m.Applies(tc.typ, tc.action))
		require.Equal(t, tc.clock, m.ReadsClock(tc.typ, tc.action))
	}
}

func TestModules_OfThePlatformComeFirst(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{}
	for path, text := range library(t) {
		files[path] = &fstest.MapFile{Data: []byte(text)}
	}
	files["sentinel/platform/base.rego"] = &fstest.MapFile{Data: []byte("# METADATA\n# custom:\n#   applies_to:\n#     actions: [read]\npackage sentinel.platform.base\n\n" +
		"import data.sentinel.lib\nimport data.sentinel.platform.words.common\n\ndeny contains {\"reason\": common} if lib.action.name == input.action\n\nallow contains 1 if true\n")}
	files["sentinel/platform/words.rego"] = &fstest.MapFile{Data: []byte("package sentinel.platform.words\n\ncommon := \"base\"\n")}
	l, err := policy.Load(t.Context(), files, policy.Config{Timeout: 5 * time.Second})
	require.NoError(t, err)
	texts := tenantModules(map[string]string{"a": "import rego.v1\n\ndeny contains {\"reason\": \"own\"} if true"})
	m, err := policy.CompileModules(t.Context(), l, texts)
	require.NoError(t, err)
	require.Equal(t, []policy.Module{
		{Root: "platform", Name: "base", ResourceTypes: []string{}, Actions: []string{"read"}}, {Root: "tenant", Name: "a", ResourceTypes: []string{}, Actions: []string{}},
	}, m.Index())
	f := facts(t)
	f.AllowRules = true
	found, err := m.Judge(t.Context(), f, []string{"read", "write"})
	require.NoError(t, err)
	require.Equal(t, policy.Finding{Denials: []policy.Denial{{Policy: "platform.base", Reason: "base"}, {Policy: "tenant.a", Reason: "own"}}}, found["read"])
	require.Equal(t, policy.Finding{Denials: []policy.Denial{{Policy: "tenant.a", Reason: "own"}}}, found["write"])

	doc := document()
	doc.Policies = m.Index()
	g, err := policy.NewGraph(doc)
	require.NoError(t, err)
	with, err := l.With(t.Context(), texts)
	require.NoError(t, err)
	v, err := with.Decide(t.Context(), g, policy.Question{UserID: ada, Type: "port", ID: "oslo", Action: "read"}, f.Now)
	require.NoError(t, err)
	require.Equal(t, found["read"].Denials, v.Denials)

	_, err = policy.CompileModules(t.Context(), l, map[string]string{"sentinel/platform/base.rego": "package tenant.a"})
	require.ErrorContains(t, err, "the path is one of the library's")
}

func TestModules_KnowWhoCouldReadTheTime(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{
		`deny contains 1 if input.context.time > "x"`:                                                      true,
		`deny contains 1 if input.context`:                                                                 true,
		`deny contains 1 if object.get(input, "context", 1) == 1`:                                          true,
		`deny contains 1 if { some x; input[x] == 1 }`:                                                     true,
		"import input.context as surroundings\n\ndeny contains 1 if surroundings.time":                     true,
		"import data.sentinel.lib\n\ndeny contains 1 if lib.context.ip":                                    true,
		"import data.sentinel.lib as l\n\ndeny contains 1 if l == 1":                                       true,
		`deny contains 1 if { some x; data.sentinel.lib[x] == 1 }`:                                         true,
		`deny contains 1 if data.tenant.clock.late`:                                                        true,
		"import data.tenant.relay\n\ndeny contains 1 if relay.late":                                        true,
		`deny contains 1 if data.tenant.still.late`:                                                        false,
		`deny contains 1 if input.resource.attributes.context`:                                             false,
		"import data.sentinel.lib\n\ndeny contains 1 if lib.subject.roles[_] == input.action_properties.x": false,
	} {
		m := compile(t, map[string]string{
			"a": body, "clock": `late := input.context.time`, "relay": `late := data.tenant.clock.late`, "still": `late := input.action`,
		})
		require.Equal(t, want, m.ReadsClock("vessel", "read"), body)
	}
}

func TestModules_KnowWhoCouldTellResourcesApart(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{
		`deny contains 1 if input.resource.id == "x"`:                                                        true,
		`deny contains 1 if input.resource.attributes.a`:                                                     true,
		`deny contains 1 if { some x; input.resource[x] == 1 }`:                                              true,
		`deny contains 1 if input.resource != {"type": "vessel"}`:                                            true,
		`deny contains 1 if object.get(input, ["resource", "id"], 1) == 1`:                                   true,
		"import data.sentinel.lib\n\ndeny contains 1 if lib.resource.path":                                   true,
		"import data.sentinel.lib.resource as r\n\ndeny contains 1 if r.id":                                  true,
		"import data.sentinel.lib as l\n\ndeny contains 1 if l == 1":                                         true,
		"import data.tenant.relay\n\ndeny contains 1 if relay.named":                                         true,
		`deny contains 1 if data.tenant.still.named`:                                                         false,
		`deny contains 1 if input.resource.type == "vessel"`:                                                 false,
		"import data.sentinel.lib\n\ndeny contains 1 if lib.resource.type == input.context.resource.id":      false,
		"import data.sentinel.lib\n\ndeny contains 1 if lib.subject.attributes.id == input.action_properties": false,
	} {
		m := compile(t, map[string]string{
			"a": body, "naming": `named := input.resource.id`, "relay": `named := data.tenant.naming.named`, "still": `named := input.action`,
		})
		found := ""
		if want {
			found = "tenant.a"
		}
		require.Equal(t, found, m.ReadsResource("vessel", "update", "read"), body)
		require.Empty(t, m.ReadsResource("api", "read"), body)
	}
}

func TestModules_OfThePlatformTellResourcesApartByOnesTheyUse(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{}
	for path, text := range library(t) {
		files[path] = &fstest.MapFile{Data: []byte(text)}
	}
	files["sentinel/platform/base.rego"] = &fstest.MapFile{Data: []byte("# METADATA\n# custom:\n#   applies_to:\n#     actions: [read]\npackage sentinel.platform.base\n\ndeny contains 1 if data.sentinel.platform.words.common\n")}
	files["sentinel/platform/words.rego"] = &fstest.MapFile{Data: []byte("package sentinel.platform.words\n\nimport data.sentinel.lib\n\ncommon := lib.resource.id\n")}
	l, err := policy.Load(t.Context(), files, policy.Config{Timeout: 5 * time.Second})
	require.NoError(t, err)
	m, err := policy.CompileModules(t.Context(), l, nil)
	require.NoError(t, err)
	require.Equal(t, "platform.base", m.ReadsResource("port", "read"))
	require.Empty(t, m.ReadsResource("port", "write"))
}

func BenchmarkJudge(b *testing.B) {
	m := compile(b, map[string]string{"hours": `
import data.sentinel.lib

deny contains {"reason": "only inspectors may write"} if {
	input.action in {"update", "create"}
	not "inspector" in lib.subject.roles
}

obligations contains {"log": lib.resource.attributes.flag} if lib.resource.attributes.flag
`})
	f := facts(b)
	for _, actions := range [][]string{{"read"}, {"read", "update", "create"}} {
		b.Run(fmt.Sprint(len(actions)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				found, err := m.Judge(context.Background(), f, actions)
				if err != nil || len(found["read"].Obligations) != 1 {
					b.Fatal(found, err)
				}
			}
		})
	}
}
