package policy_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/policy"
	"github.com/sentinel-access/sentinel/policies"
)

const (
	ada  = "0195c0de-0000-7000-8000-000000000001"
	bob  = "0195c0de-0000-7000-8000-000000000002"
	node = "0195c0de-0000-7000-8000-00000000000a"
)

func load(t testing.TB) *policy.Library {
	l, err := policy.Load(context.Background(), policies.FS, policy.Config{Timeout: 5 * time.Second})
	require.NoError(t, err)
	return l
}

func document() policy.Document {
	locked := int64(1_900_000_000_000_000_000)
	conditions := map[string]any{"amount": map[string]any{"lte": json.Number("9007199254740993")}}
	return policy.Document{
		Tenant: policy.Tenant{ID: "0195c0de-0000-7000-8000-0000000000ff", Code: "acme", Name: "Acme", TimeZone: "UTC", IsActive: true},
		Subjects: map[string]policy.Subject{
			ada: {IsActive: true, Assignments: []policy.Assignment{{Node: "group:g1"}}},
			bob: {IsActive: true, LockedUntil: &locked},
		},
		Edges: map[string][]string{"group:g1": {"role:r1"}, "role:r1": {}},
		Roles: map[string]policy.Role{"role:r1": {Name: "inspector", Priority: 10}},
		Grants: map[string][]policy.Grant{"role:r1": {
			{ID: "p1", Effect: "allow", Actions: []string{"read"}, Type: "vessel", Glob: "**", TypeWide: true},
			{ID: "p2", Effect: "allow", Actions: []string{"pay"}, Type: "invoice", Glob: "**", TypeWide: true, Conditions: conditions},
			{ID: "p3", Effect: "deny", Actions: []string{"*"}, Node: node},
			{ID: "p4", Effect: "allow", Actions: []string{"read"}, Type: "*", Glob: "**", TypeWide: true},
		}},
		Resources:     map[string]policy.Resource{node: {Type: "page", Code: "crew", Path: "/crew"}},
		ResourceCodes: map[string]map[string]string{"page": {"crew": node}},
		Tree:          map[string][]string{node: {}},
		Chains:        []policy.Chain{},
		Fields:        map[string]map[string]policy.Field{},
		Policies:      []policy.Module{},
	}
}

func graph(t testing.TB) *policy.Graph {
	g, err := policy.NewGraph(document())
	require.NoError(t, err)
	return g
}

func TestSelfTest_PassesAndCoversTheLibrary(t *testing.T) {
	report, err := load(t).SelfTest(context.Background())
	require.NoError(t, err)
	require.Empty(t, report.Failed)
	require.Positive(t, report.Passed)
	require.GreaterOrEqual(t, report.Coverage, 95.0, "not covered: %v", report.Uncovered)
}

func TestSelfTest_NamesWhatFails(t *testing.T) {
	l, err := policy.Load(context.Background(), fstest.MapFS{
		"a/a.rego":      {Data: []byte("package a\n\nok := true\n")},
		"a/a_test.rego": {Data: []byte("package a_test\n\nimport data.a\n\ntest_ok if a.ok\n\ntest_wrong if not a.ok\n")},
	}, policy.Config{})
	require.NoError(t, err)
	report, err := l.SelfTest(context.Background())
	require.NoError(t, err)
	require.Equal(t, 1, report.Passed)
	require.Equal(t, []string{"data.a_test.test_wrong"}, report.Failed)
}

func TestLoad_RefusesWhatTheSandboxForbids(t *testing.T) {
	for name, text := range map[string]string{
		"network":     `package a` + "\n\n" + `r := http.send({"method": "get", "url": "http://x"})`,
		"runtime":     `package a` + "\n\n" + `r := opa.runtime()`,
		"randomness":  `package a` + "\n\n" + `r := rand.intn("x", 5)`,
		"costly":      `package a` + "\n\n" + `r := bits.lsh(1, 1000000000)`,
		"not strict":  `package a` + "\n\n" + `f(x) := 1`,
		"not rego":    `package`,
		"nothing":     ``,
		"unknown ref": `package a` + "\n\n" + `r := data.a.b(1)`,
	} {
		_, err := policy.Load(context.Background(), fstest.MapFS{"a.rego": {Data: []byte(text)}}, policy.Config{})
		require.Error(t, err, name)
	}
	_, err := policy.Load(context.Background(), fstest.MapFS{}, policy.Config{})
	require.Error(t, err)
}

func TestDecide(t *testing.T) {
	l, g := load(t), graph(t)
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	granted := func(permission string) policy.Verdict {
		return policy.Verdict{Allowed: true, ReasonCode: "granted", MatchedPermissions: []string{permission}, MatchedRoles: []string{"inspector"}}
	}
	denied := func(code string, permissions ...string) policy.Verdict {
		v := policy.Verdict{ReasonCode: code, MatchedPermissions: []string{}, MatchedRoles: []string{}}
		if len(permissions) > 0 {
			v.MatchedPermissions, v.MatchedRoles = permissions, []string{"inspector"}
		}
		return v
	}
	pay := func(amount json.Number) policy.Question {
		return policy.Question{UserID: ada, Type: "invoice", ID: "7", Action: "pay", Attributes: map[string]any{"amount": amount}}
	}
	for name, tc := range map[string]struct {
		q    policy.Question
		now  time.Time
		want policy.Verdict
	}{
		"granted":          {q: policy.Question{UserID: ada, Type: "port", ID: "oslo", Action: "read"}, want: granted("p4")},
		"exact number":     {q: pay("9007199254740993"), want: granted("p2")},
		"condition failed": {q: pay("9007199254740994"), want: denied("condition_failed", "p2")},
		"denied on a node": {q: policy.Question{UserID: ada, Type: "page", ID: node, Action: "read"}, want: denied("explicit_deny", "p3")},
		"no permission":    {q: policy.Question{UserID: ada, Type: "port", Action: "write"}, want: denied("no_matching_permission")},
		"api is spared":    {q: policy.Question{UserID: ada, Type: "api", ID: "users", Action: "read"}, want: denied("no_matching_permission")},
		"unknown":          {q: policy.Question{UserID: node, Type: "port", Action: "read"}, want: denied("subject_unknown")},
		"locked":           {q: policy.Question{UserID: bob, Type: "port", Action: "read"}, want: denied("subject_inactive")},
		"unlocked by time": {q: policy.Question{UserID: bob, Type: "port", Action: "read"}, now: time.Unix(1_900_000_000, 0), want: denied("no_matching_permission")},
		"malformed":        {q: policy.Question{UserID: ada, Type: "port", ID: "a*", Action: "read"}, want: denied("not_evaluated")},
	} {
		if tc.now.IsZero() {
			tc.now = now
		}
		got, err := l.Decide(context.Background(), g, tc.q, tc.now)
		require.NoError(t, err, name)
		require.Equal(t, tc.want, got, name)
	}
}

func TestDecide_FailsRatherThanAnswer(t *testing.T) {
	l, g := load(t), graph(t)
	q := policy.Question{UserID: ada, Type: "port", ID: "oslo", Action: "read"}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := l.Decide(ctx, g, q, time.Now())
	require.Error(t, err, "cancelled")

	loop := "package sentinel.authz\n\ndecision := count([1 | some x in numbers.range(1, 10000); some y in numbers.range(1, 10000); x == y])\n"
	slow, err := policy.Load(context.Background(), fstest.MapFS{"a.rego": {Data: []byte(loop)}}, policy.Config{})
	require.NoError(t, err)
	started := time.Now()
	_, err = slow.Decide(context.Background(), g, q, time.Now())
	require.Error(t, err)
	require.Less(t, time.Since(started), 5*time.Second)

	for _, decision := range []string{`{"allowed": true}`, `5`} {
		odd, err := policy.Load(context.Background(), fstest.MapFS{"a.rego": {Data: []byte("package sentinel.authz\n\ndecision := " + decision + "\n")}}, policy.Config{})
		require.NoError(t, err)
		_, err = odd.Decide(context.Background(), g, policy.Question{UserID: ada, Type: "port", Action: "read"}, time.Now())
		require.Error(t, err, decision)
	}
}

func TestReadVerdict_RefusesAnotherShape(t *testing.T) {
	t.Parallel()
	whole := func() map[string]any {
		return map[string]any{
			"allowed": true, "reason_code": "granted_by_approval", "matched_permissions": []any{"p"}, "matched_roles": []any{"r"},
			"denials": []any{map[string]any{"policy": "tenant.a", "reason": ""}}, "obligations": []any{map[string]any{"log": true}},
			"requires_approval": false, "approval_chain_id": "c", "approval_levels": []any{}, "approval_request_id": "q", "auto_approved": false,
			"field_permissions": map[string]any{"core": map[string]any{"f": "read"}},
		}
	}
	v, err := policy.ReadVerdict(whole())
	require.NoError(t, err)
	require.Equal(t, policy.Verdict{
		Allowed: true, ReasonCode: "granted_by_approval", MatchedPermissions: []string{"p"}, MatchedRoles: []string{"r"},
		Extra: policy.Extra{
			Denials: []policy.Denial{{Policy: "tenant.a"}}, Obligations: []map[string]any{{"log": true}}, Chain: "c", Levels: []any{}, Request: "q",
			Fields: map[string]map[string]string{"core": {"f": "read"}},
		},
	}, v)
	for name, odd := range map[string][]any{
		"allowed": {nil, "yes"}, "reason_code": {nil, 5}, "matched_permissions": {nil, []any{1}, "p"}, "matched_roles": {nil, []any{nil}},
		"denials": {nil, []any{"x"}, []any{map[string]any{"policy": 5, "reason": ""}}, []any{map[string]any{"policy": "tenant.a"}}}, "obligations": {nil, []any{5}},
		"requires_approval": {nil, true}, "approval_chain_id": {nil}, "approval_request_id": {nil, 5}, "auto_approved": {nil},
		"field_permissions": {nil, []any{}, map[string]any{"core": "read"}, map[string]any{"core": map[string]any{"f": true}}},
	} {
		for _, value := range odd {
			answer := whole()
			answer[name] = value
			_, err := policy.ReadVerdict(answer)
			require.Error(t, err, "%s %v", name, value)
		}
		answer := whole()
		delete(answer, name)
		_, err := policy.ReadVerdict(answer)
		require.Error(t, err, name)
	}
}

func TestDecide_TakesNumbersThatOPADoesNot(t *testing.T) {
	for _, huge := range []json.Number{"1e999999999", "-1e40000", "1e-999999999"} {
		given := map[string]any{"amount": huge, "list": []any{huge, map[string]any{"x": huge}}, "fine": json.Number("1")}
		for _, q := range []policy.Question{{Attributes: given}, {ActionProperties: given}, {Context: given}} {
			q.UserID, q.Type, q.ID, q.Action = ada, "invoice", "7", "pay"
			v, err := load(t).Decide(context.Background(), graph(t), q, time.Now())
			require.NoError(t, err)
			require.Equal(t, "condition_failed", v.ReasonCode)
		}
		require.Equal(t, huge, given["amount"], "the caller's own map stays")
		require.Equal(t, map[string]any{
			"amount": json.Number("1e300"), "list": []any{json.Number("1e300"), map[string]any{"x": json.Number("1e300")}}, "fine": json.Number("1"),
		}, policy.Attributes(given))
	}
	require.Nil(t, policy.Attributes(nil))
}

func TestDecide_ServesManyAtOnce(t *testing.T) {
	g := graph(t)
	libraries := []*policy.Library{load(t), load(t)}
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for i := range 8 {
		wg.Go(func() {
			for range 20 {
				v, err := libraries[i%2].Decide(context.Background(), g, policy.Question{UserID: ada, Type: "port", ID: "oslo", Action: "read"}, time.Now())
				if err != nil || !v.Allowed {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	require.Empty(t, errs)
}

func TestNewGraph_RefusesWhatIsNoDocument(t *testing.T) {
	for _, doc := range []any{nil, "x", []any{}, map[string]any{"x": json.Number("1e999999999")}, make(chan int)} {
		_, err := policy.NewGraph(doc)
		require.Error(t, err)
	}
}

func TestBundle_IsDeterministicAndLoads(t *testing.T) {
	l := load(t)
	var a, b bytes.Buffer
	require.NoError(t, l.Bundle(&a, "r1", nil))
	require.NoError(t, load(t).Bundle(&b, "r1", nil))
	require.Equal(t, a.Bytes(), b.Bytes())

	got, err := bundle.NewReader(&a).Read()
	require.NoError(t, err)
	require.Equal(t, "r1", got.Manifest.Revision)
	require.Equal(t, policy.Roots(), *got.Manifest.Roots)
	require.NotEmpty(t, got.Modules)
	for _, m := range got.Modules {
		require.False(t, strings.HasSuffix(m.Path, "_test.rego"))
	}
}

func TestBundle_IsSignedForItsScope(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	private := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)
	public := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	keys := map[string]*bundle.KeyConfig{"k1": {Key: public, Algorithm: "RS256"}}

	write := func() []byte {
		var w bytes.Buffer
		require.NoError(t, load(t).Bundle(&w, "r1", &policy.Signing{Key: private, KeyID: "k1", Algorithm: "RS256", Scope: "platform"}))
		return w.Bytes()
	}
	raw := write()
	require.Equal(t, raw, write())
	read := func(scope string) error {
		_, err := bundle.NewReader(bytes.NewReader(raw)).WithBundleVerificationConfig(bundle.NewVerificationConfig(keys, "k1", scope, nil)).Read()
		return err
	}
	require.NoError(t, read("platform"))
	require.Error(t, read("tenant:x"))

	require.Error(t, load(t).Bundle(&bytes.Buffer{}, "r1", &policy.Signing{Key: "no key", KeyID: "k1", Algorithm: "RS256"}))
}

func BenchmarkDecide(b *testing.B) {
	l, g := load(b), graph(b)
	q := policy.Question{UserID: ada, Type: "invoice", ID: "7", Action: "pay", Attributes: map[string]any{"amount": json.Number("5")}}
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		if v, err := l.Decide(context.Background(), g, q, now); err != nil || !v.Allowed {
			b.Fatal(v, err)
		}
	}
}
