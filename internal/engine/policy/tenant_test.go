package policy_test

import (
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/policy"
	"github.com/sentinel-access/sentinel/policies"
)

// library returns the texts of the platform's library by path.
func library(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	require.NoError(t, fs.WalkDir(policies.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".rego") {
			return err
		}
		text, err := fs.ReadFile(policies.FS, path)
		out[path] = string(text)
		return err
	}))
	return out
}

func TestCompileModules_RefusesWhatTenantsMayNot(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"package sentinel.lib\n\nsubject := {}":                                                                "x.rego:1:1: must be package tenant.<name>",
		"package tenant\n\nx := 1":                                                                             "x.rego:1:1: must be package tenant.<name>",
		"package tenant.a.b\n\nx := 1":                                                                         "x.rego:1:1: must be package tenant.<name>",
		"package tenant.Hours\n\nx := 1":                                                                       "x.rego:1:1: must be package tenant.<name>",
		"package tenant[\"a b\"]\n\nx := 1":                                                                    "x.rego:1:1: must be package tenant.<name>",
		"package sentinel_graph\n\nx := 1":                                                                     "x.rego:1:1: must be package tenant.<name>",
		"package system.authz\n\nallow := true":                                                                "x.rego:1:1: must be package tenant.<name>",
		"":                                                                                                     "x.rego:0:0: empty module",
		"package tenant.a\n\nx := ":                                                                            "x.rego:3:",
		"package tenant.a\n\nx := data.sentinel_graph.subjects":                                                "x.rego:3:6: must read nothing but",
		"package tenant.a\n\nx := data.sentinel.subject.account":                                               "x.rego:3:6: must read nothing but",
		"package tenant.a\n\nx := data.sentinel":                                                               "x.rego:3:6: must read nothing but",
		"package tenant.a\n\nx := data":                                                                        "x.rego:3:6: must read nothing but",
		"package tenant.a\n\nx := data[y] if y := \"sentinel_graph\"":                                          "x.rego:3:6: must read nothing but",
		"package tenant.a\n\nx := data.sentinel[y] if y := \"lib\"":                                            "x.rego:3:6: must read nothing but",
		"package tenant.a\n\nx := count(data.other)":                                                           "x.rego:3:12: must read nothing but",
		"package tenant.a\n\nimport data.sentinel.roles\n\nx := roles.held":                                    "x.rego:3:1: must read nothing but",
		"package tenant.a\n\nimport data\n\nx := data.tenant":                                                  "x.rego:3:1: must read nothing but",
		"package tenant.a\n\nx := input.resolved.subject":                                                      "x.rego:3:6: must not read input.resolved",
		"package tenant.a\n\nimport input.resolved as r\n\nx := r":                                             "x.rego:3:1: must not read input.resolved",
		"package tenant.a\n\nimport input as i\n\nx := i.resolved.subject":                                     "x.rego:5:6: must not read input.resolved",
		"package tenant.a\n\nx if data.tenant.b.y with data.sentinel_graph as {}":                              "x.rego:3:22: with is for tests",
		"package tenant.a\n\nx if data.tenant.b.y with input as {}":                                            "x.rego:3:22: with is for tests",
		"package tenant.a\n\nx := time.now_ns()":                                                               "x.rego:3:6: undefined function time.now_ns",
		"package tenant.a\n\nx := http.send({\"method\": \"get\", \"url\": \"http://x\"})":                     "x.rego:3:6: undefined function http.send",
		"package tenant.a\n\nx if print(data.sentinel.lib.subject)":                                            "x.rego:3:6: print is for tests",
		"package tenant.a\n\nx := graph.reachable_paths({1: [2]}, {1})":                                        "x.rego:3:6: undefined function graph.reachable_paths",
		"package tenant.a\n\nx := numbers.range(1, input.n)":                                                   "x.rego:3:6: numbers.range must be",
		"package tenant.a\n\nx := numbers.range(1, 10001)":                                                     "x.rego:3:6: numbers.range must be",
		"package tenant.a\n\nx := numbers.range(5001, -5000)":                                                  "x.rego:3:6: numbers.range must be",
		"package tenant.a\n\nx := numbers.range(1, 1e9)":                                                       "x.rego:3:6: numbers.range must be",
		"package tenant.a\n\nx := numbers.range(9223372036854775807, -2)":                                      "x.rego:3:6: numbers.range must be",
		"package tenant.a\n\ndeny contains n if some n in numbers.range(0, input.n)":                           "x.rego:3:30: numbers.range must be",
		"package tenant.a\n\nx := 1 if {\n\tnumbers.range(0, input.n, y)\n\ty == []\n}":                        "x.rego:4:2: numbers.range must be",
		"package tenant.a\n\nx := {y | y := count(numbers.range(1, 2 * 3))}":                                   "x.rego:3:22: numbers.range must be",
		"package tenant.a\n\nx if every n in numbers.range(0, input.n) { n > 0 }":                              "x.rego:3:17: numbers.range must be",
		"package tenant.a\n\nx := 1 if false else := numbers.range(0, input.n)":                                "x.rego:3:25: numbers.range must be",
		"package tenant.a\n\nf(x) := 1":                                                                        "x.rego:3:1: unused argument x",
		"package tenant.a\n\ndeny(x) := x":                                                                     "x.rego:3:1: deny must be a set, not a function",
		"# METADATA\n# custom:\n#   applies_to: 5\npackage tenant.a":                                           "must hold resource_types, actions or both",
		"# METADATA\n# custom:\n#   applies_to: {types: [a]}\npackage tenant.a":                                "custom.applies_to.types is unknown",
		"# METADATA\n# custom:\n#   applies_to: {actions: read}\npackage tenant.a":                             "custom.applies_to.actions must be a list",
		"# METADATA\n# custom:\n#   applies_to: {resource_types: [Ship]}\npackage tenant.a":                    "custom.applies_to.resource_types must be a list",
		"package tenant.a\n\n# METADATA\n# custom:\n#   applies_to: {actions: [a]}\nx := 1":                    "custom.applies_to must be of the package",
		"# METADATA\n# applies_to: {actions: [a]}\npackage tenant.a\n\nallow contains 1":                       "x.rego:2:1: applies_to is not read here",
		"# METADATA\n# custom:\n#   appliesTo: {actions: [a]}\npackage tenant.a\n\nallow contains 1":           "x.rego:3:1: applies_to is not read here",
		"# METADATA\n# custom:\n#   Applies-To : {actions: [a]}\npackage tenant.a\n\nallow contains 1":         "x.rego:3:1: applies_to is not read here",
		"# METADATA\n# title: x\n\n# custom: {\"applies_to\": {}}\npackage tenant.a\n\nallow contains 1":       "x.rego:4:1: applies_to is not read here",
		"## METADATA\n## custom:\n##   applies_to: {actions: [a]}\npackage tenant.a\n\nallow contains 1":       "x.rego:3:1: applies_to is not read here",
		"# METADATA\n# custom:\n#   applies_to: {resource_types: [ship, api]}\npackage tenant.a\n\ndeny := {}": "x.rego:1:1: custom.applies_to.resource_types names api",
		"# METADATA\n# custom:\n#   applies_to: {actions: [a]}\npackage tenant.a\n\ndenies contains 1":         "x.rego:1:1: has custom.applies_to and no rule that is asked for",
		"package tenant.a\n\nDeny contains 1":                                                                  "x.rego:3:1: Deny is never asked for: deny is",
		"package tenant.a\n\nrequireApproval contains {\"chain\": \"x\"}":                                      "x.rego:3:1: requireApproval is never asked for: require_approval is",
		strings.Repeat("#", policy.MaxModuleBytes+1):                                                           "a module has at most",
	} {
		_, err := policy.CompileModules(t.Context(), load(t), map[string]string{"x.rego": text})
		var found policy.Violations
		require.ErrorAs(t, err, &found, text)
		require.Contains(t, found.Error(), want, text)
		_, err = load(t).With(t.Context(), map[string]string{"x.rego": text})
		require.ErrorAs(t, err, &found, text)
	}
}

func TestCompileModules_NamesEveryFile(t *testing.T) {
	t.Parallel()
	_, err := policy.CompileModules(t.Context(), load(t), map[string]string{
		"b.rego": "package tenant.a\n\nx := 1", "a.rego": "package tenant.a\n\nx := 1", "c.rego": "package other\n\nx := 1",
	})
	require.EqualError(t, err, "b.rego:1:1: the package tenant.a is that of a.rego too\n"+
		"c.rego:1:1: must be package tenant.<name>, the name of small letters, digits and underscores")
	many := map[string]string{}
	for i := range policy.MaxModules + 1 {
		many[strings.Repeat("x", i+1)] = ""
	}
	_, err = policy.CompileModules(t.Context(), load(t), many)
	require.ErrorContains(t, err, "at most 500 modules")
	_, err = load(t).With(t.Context(), map[string]string{"sentinel/authz/authz.rego": "package tenant.a"})
	require.ErrorContains(t, err, "the path of one of the library's")
}

func TestWith_LeavesTheLibraryAsItIs(t *testing.T) {
	t.Parallel()
	l := load(t)
	with, err := l.With(t.Context(), tenantModules(map[string]string{"a": `deny contains 1 if data.sentinel.lib.subject.id == input.user_id`}))
	require.NoError(t, err)
	for _, one := range []*policy.Library{l, with} {
		v, err := one.Decide(t.Context(), graph(t), policy.Question{UserID: ada, Type: "port", ID: "oslo", Action: "read"}, time.Now())
		require.NoError(t, err)
		require.True(t, v.Allowed)
	}
}
