package policy_test

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/enginetest"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
)

// full is a document in which every step has something to say.
func full() policy.Document {
	doc := document()
	doc.Subjects[ada] = policy.Subject{
		IsActive: true, Email: "ada@acme.example", EmailVerified: true, Username: "ada", ExternalID: "x1",
		Attributes:  map[string]any{"level": json.Number("9007199254740993"), "other": "x", "deep.key": "y", "deep": map[string]any{"key": "z"}},
		Assignments: []policy.Assignment{{Node: "role:r1"}},
		Requests:    []policy.Request{{ID: "q1", Status: "approved", Chain: "c1", Type: "invoice", ResourceID: "7", Action: "*"}},
	}
	doc.Chains = []policy.Chain{{ID: "c1", Name: "two", Type: "invoice", Glob: "**", TypeWide: true, Mode: "gate", Levels: []any{json.Number("1")}}}
	doc.Fields = map[string]map[string]policy.Field{"invoice": {"total": {Tier: "core", Default: "read"}}}
	doc.Policies = []policy.Module{{Root: "tenant", Name: "hours"}}
	doc.Grants["role:r1"] = append(doc.Grants["role:r1"],
		policy.Grant{ID: "p5", Effect: "allow", Actions: []string{"read"}, Type: "invoice", Glob: "**", TypeWide: true})
	return doc
}

func hours() map[string]string {
	return tenantModules(map[string]string{"hours": "import data.sentinel.lib\n\n" +
		`deny contains {"reason": "too low"} if lib.subject.attributes.level < 3` + "\n\n" +
		`obligations contains {"log": lib.resource.id} if true`})
}

func tenantBundle(t testing.TB, doc *policy.Document, signing *policy.Signing) []byte {
	t.Helper()
	var w bytes.Buffer
	require.NoError(t, load(t).TenantBundle(t.Context(), &w, doc, hours(), "r5-p2", signing))
	return w.Bytes()
}

func TestTenantBundle_IsDeterministic(t *testing.T) {
	t.Parallel()
	for _, signing := range []*policy.Signing{nil, {Key: "a secret of tests", KeyID: "k", Algorithm: "HS256", Scope: "tenant:acme"}} {
		one, other := full(), full()
		first := tenantBundle(t, &one, signing)
		require.Equal(t, first, tenantBundle(t, &other, signing))
		other.Tenant.Name = "Other"
		require.NotEqual(t, first, tenantBundle(t, &other, signing))
	}
}

func TestTenantBundle_HoldsTheGraphTheLibraryAndTheModules(t *testing.T) {
	t.Parallel()
	doc := full()
	raw := tenantBundle(t, &doc, &policy.Signing{Key: "a secret of tests", KeyID: "k", Algorithm: "HS256", Scope: "tenant:acme"})
	keys := map[string]*bundle.KeyConfig{"k": {Key: "a secret of tests", Algorithm: "HS256"}}
	got, err := bundle.NewReader(bytes.NewReader(raw)).WithBundleVerificationConfig(bundle.NewVerificationConfig(keys, "k", "tenant:acme", nil)).Read()
	require.NoError(t, err)
	require.Equal(t, "r5-p2", got.Manifest.Revision)
	require.Equal(t, []string{"sentinel_graph", "sentinel", "tenant"}, *got.Manifest.Roots)
	want, err := json.Marshal(map[string]any{"sentinel_graph": &doc})
	require.NoError(t, err)
	data, err := json.Marshal(got.Data)
	require.NoError(t, err)
	require.JSONEq(t, string(want), string(data))
	require.Contains(t, string(data), "9007199254740993")
	var paths []string
	for _, m := range got.Modules {
		paths = append(paths, m.Path)
		require.False(t, strings.HasSuffix(m.Path, "_test.rego"))
		require.NotContains(t, m.Path, "judge")
	}
	require.Contains(t, paths, "/tenant/hours.rego")
	require.Contains(t, paths, "/sentinel/authz/authz.rego")
}

func TestTenantBundle_RefusesModulesThatCouldForgeGrants(t *testing.T) {
	t.Parallel()
	doc := full()
	for _, text := range []string{"package sentinel_graph.subjects\n\nx := 1", "package tenant.a\n\nx := data.sentinel_graph"} {
		err := load(t).TenantBundle(t.Context(), io.Discard, &doc, map[string]string{"a.rego": text}, "r1-p1", nil)
		require.ErrorAs(t, err, &policy.Violations{})
	}
	doc.Tenant.Name = ""
	doc.Subjects[ada] = policy.Subject{Attributes: map[string]any{"x": make(chan int)}}
	require.Error(t, load(t).TenantBundle(t.Context(), io.Discard, &doc, nil, "r1-p1", nil))
}

func TestTenantBundle_MakesAStockOPAAnswerAsTheLibraryDoes(t *testing.T) {
	t.Parallel()
	doc := full()
	with, err := load(t).With(t.Context(), hours())
	require.NoError(t, err)
	known, err := policy.NewGraph(&doc)
	require.NoError(t, err)
	m, err := policy.CompileModules(t.Context(), load(t), hours())
	require.NoError(t, err)
	stock := enginetest.StockOPA(t, tenantBundle(t, doc.Trim(m, nil), nil))
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	codes := map[string]bool{}
	for _, q := range []policy.Question{
		{UserID: ada, Type: "invoice", ID: "7", Action: "read"},
		{UserID: ada, Type: "invoice", ID: "8", Action: "read"},
		{UserID: ada, Type: "invoice", ID: "7", Action: "pay", Attributes: map[string]any{"amount": json.Number("9007199254740993")}},
		{UserID: ada, Type: "invoice", ID: "7", Action: "pay", Attributes: map[string]any{"amount": json.Number("9007199254740994")}},
		{UserID: ada, Type: "page", ID: "crew", Action: "read"},
		{UserID: ada, Type: "port", ID: "oslo", Action: "read"},
		{UserID: ada, Type: "port", Action: "write"},
		{UserID: bob, Type: "port", ID: "oslo", Action: "read"},
		{UserID: node, Type: "port", ID: "oslo", Action: "read"},
		{UserID: ada, Type: "port", ID: "*", Action: "read"},
	} {
		want, err := with.Decide(t.Context(), known, q, now)
		require.NoError(t, err)
		got, err := stock.Decide(t.Context(), q, now)
		require.NoError(t, err)
		require.Equal(t, want, got, "%+v", q)
		codes[got.ReasonCode] = true
	}
	require.Len(t, codes, 9)
	later, err := stock.Decide(t.Context(), policy.Question{UserID: bob, Type: "port", ID: "oslo", Action: "read"}, time.Unix(1_900_000_000, 0))
	require.NoError(t, err)
	require.Equal(t, "no_matching_permission", later.ReasonCode, "the lock is over")
	plain, err := stock.Data(t.Context(), policy.Question{UserID: ada, Type: "invoice", ID: "7", Action: "read"})
	require.NoError(t, err)
	require.Equal(t, "granted_by_approval", plain.ReasonCode)
	require.Equal(t, map[string]map[string]string{"core": {"total": "read"}}, plain.Fields)
	require.Equal(t, []map[string]any{{"log": "7", "policy": "tenant.hours"}}, plain.Obligations)
}

func TestTenantBundle_MakesAStockOPARefuseWhatABuiltInFailsAt(t *testing.T) {
	t.Parallel()
	doc := full()
	doc.Policies = []policy.Module{{Root: "tenant", Name: "limit"}}
	texts := tenantModules(map[string]string{"limit": `deny contains {"reason": "too much"} if to_number(input.context.amount) > 5`})
	var w bytes.Buffer
	require.NoError(t, load(t).TenantBundle(t.Context(), &w, &doc, texts, "r1-p1", nil))
	stock := enginetest.StockOPA(t, w.Bytes())
	ask := func(amount string) (policy.Verdict, error) {
		return stock.Data(t.Context(), policy.Question{UserID: ada, Type: "invoice", ID: "7", Action: "read", Context: map[string]any{"amount": amount}})
	}
	v, err := ask("5")
	require.NoError(t, err)
	require.True(t, v.Allowed)
	v, err = ask("6")
	require.NoError(t, err)
	require.Equal(t, "policy_deny", v.ReasonCode)
	_, err = ask("six")
	require.ErrorContains(t, err, "eval_builtin_error")
}

func TestTrim_KeepsWhatCanBeRead(t *testing.T) {
	t.Parallel()
	everything := full().Subjects[ada]
	for name, tc := range map[string]struct {
		body       string
		conditions any
		keep       []string
		want       func(*policy.Subject)
	}{
		"nothing":             {want: func(*policy.Subject) {}},
		"one attribute":       {body: `x := lib.subject.attributes.level`, want: func(s *policy.Subject) { s.Attributes = map[string]any{"level": json.Number("9007199254740993")} }},
		"an attribute in one": {body: `x := lib.subject.attributes.deep.key`, want: func(s *policy.Subject) { s.Attributes = map[string]any{"deep": map[string]any{"key": "z"}} }},
		"any attribute":       {body: `x := lib.subject.attributes[input.action]`, want: func(s *policy.Subject) { s.Attributes = everything.Attributes }},
		"all attributes":      {body: `x := object.get(lib.subject.attributes, "level", 0)`, want: func(s *policy.Subject) { s.Attributes = everything.Attributes }},
		"the subject":         {body: `x := lib.subject`, want: func(s *policy.Subject) { *s = everything }},
		"all":                 {body: `x := lib`, want: func(s *policy.Subject) { *s = everything }},
		"the address":         {body: `x := lib.subject.email`, want: func(s *policy.Subject) { s.Email, s.EmailVerified = everything.Email, true }},
		"the name":            {body: `x := lib.subject["username"]`, want: func(s *policy.Subject) { s.Username = everything.Username }},
		"what a setting says": {keep: []string{"other"}, want: func(s *policy.Subject) { s.Attributes = map[string]any{"other": "x"} }},
		"a condition": {
			conditions: map[string]any{"any_of": []any{map[string]any{"subject.attributes.deep.key": "y"}}, "subject.external_id": map[string]any{"exists": true}},
			want: func(s *policy.Subject) {
				s.Attributes, s.ExternalID = map[string]any{"deep.key": "y", "deep": map[string]any{"key": "z"}}, everything.ExternalID
			},
		},
		"what a condition refers to": {
			conditions: map[string]any{"owner": map[string]any{"eq": map[string]any{"ref": "user_attributes.other"}}},
			want:       func(s *policy.Subject) { s.Attributes = map[string]any{"other": "x"} },
		},
	} {
		for _, at := range []string{"a permission", "a chain"} {
			doc := full()
			delete(doc.Grants, "role:r1")
			if at == "a chain" {
				doc.Chains[0].Auto = tc.conditions
			} else {
				doc.Grants["role:r1"] = []policy.Grant{{ID: "p", Conditions: tc.conditions}}
			}
			body := ""
			if tc.body != "" {
				body = "import data.sentinel.lib\n\n" + tc.body
			}
			want := everything
			want.Email, want.EmailVerified, want.Username, want.ExternalID, want.Attributes = "", false, "", "", map[string]any{}
			tc.want(&want)
			got := doc.Trim(compile(t, map[string]string{"a": body}), tc.keep)
			require.Equal(t, want, got.Subjects[ada], name+", "+at)
			require.Equal(t, everything, doc.Subjects[ada], "the document stays as it is")
			require.Equal(t, doc.Grants, got.Grants)
		}
	}
}
