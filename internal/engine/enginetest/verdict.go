package enginetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
)

// Verdict is an evaluator's answer.
type Verdict struct {
	Allowed bool
	Code    string
	// Permissions are ids, ascending.
	Permissions []string
	// Roles are names, ascending, each once.
	Roles []string
	// Paths say how the subject comes by each role; nil from an evaluator that
	// does not tell.
	Paths []string
	// Obligations are JSON, ascending.
	Obligations []string
	// Chain and Request are ids, empty for none.
	Chain, Request string
	// Levels are the chain's as JSON, empty for none.
	Levels string
	Fields map[string]map[string]string
	// Denials are written "policy: reason"; nil from an evaluator that does not
	// tell.
	Denials []string
	// Auto is nil from an evaluator that does not tell.
	Auto *bool
	// Reason is the sentence for people, empty from an evaluator that does not
	// tell.
	Reason string
}

// ErrRefused is returned by an evaluator whose protocol refuses the question in
// the way that the case says.
var ErrRefused = errors.New("refused, as the case says")

// NotEvaluated is the verdict of an evaluator that could not answer.
func NotEvaluated() *Verdict {
	return &Verdict{
		Code: string(engine.NotEvaluated), Obligations: []string{}, Fields: map[string]map[string]string{}, Denials: []string{}, Auto: new(bool),
	}
}

// Check fails unless got is what the case wants, and what the first evaluator
// answered.
func (c *Case) Check(t testing.TB, first, got *Verdict) {
	t.Helper()
	require.Equal(t, string(c.Want.Code), got.Code)
	require.Equal(t, c.Want.Allowed, got.Allowed)
	c.checkMatched(t, got)
	c.checkSteps(t, got)
	c.checkConsistent(t, got)
	Compare(t, first, got, "as the first evaluator answered")
}

// Compare fails unless two evaluators said the same, in all that both tell.
func Compare(t require.TestingT, first, got *Verdict, message ...any) {
	want, have := *first, *got
	for _, v := range []*Verdict{&want, &have} {
		v.Permissions, v.Roles = slices.Concat([]string{}, v.Permissions), slices.Concat([]string{}, v.Roles)
		if v.Fields == nil {
			v.Fields = map[string]map[string]string{}
		}
		v.Reason = ""
	}
	if want.Paths == nil || have.Paths == nil {
		want.Paths, have.Paths = nil, nil
	}
	if want.Denials == nil || have.Denials == nil {
		want.Denials, have.Denials = nil, nil
	}
	if want.Auto == nil || have.Auto == nil {
		want.Auto, have.Auto = nil, nil
	}
	require.Equal(t, want, have, message...)
}

func (c *Case) checkMatched(t testing.TB, got *Verdict) {
	t.Helper()
	if c.Want.Permissions != nil {
		require.ElementsMatch(t, c.Want.Permissions, c.names("permission", got.Permissions...), "matched permissions")
	}
	for _, role := range c.Want.Roles {
		if !strings.Contains(role, " > ") {
			require.Contains(t, got.Roles, role)
		} else if got.Paths != nil {
			require.Contains(t, got.Paths, role)
		}
	}
	if c.Want.Roles != nil {
		require.Len(t, got.Roles, len(c.Want.Roles))
	}
}

// checkSteps compares what policies, chains and fields add to an answer.
func (c *Case) checkSteps(t testing.TB, got *Verdict) {
	t.Helper()
	if c.Want.Chain != nil {
		require.Equal(t, *c.Want.Chain, strings.Join(c.names("chain", got.Chain), " "), "approval chain")
	}
	if c.Want.Request != nil {
		require.Equal(t, *c.Want.Request, strings.Join(c.names("request", got.Request), " "), "approval request")
	}
	if c.Want.Auto != nil && got.Auto != nil {
		require.Equal(t, *c.Want.Auto, *got.Auto, "approved by conditions")
	}
	if c.Want.Denials != nil && got.Denials != nil {
		require.Equal(t, c.Want.Denials, got.Denials, "denials")
	}
	if c.Want.Obligations != nil {
		wanted := make([]any, len(c.Want.Obligations))
		for i, o := range c.Want.Obligations {
			wanted[i] = map[string]any(o)
		}
		require.ElementsMatch(t, Objects(wanted), got.Obligations, "obligations")
	}
	if c.Want.Fields != nil {
		require.Equal(t, c.Want.Fields, got.Fields, "fields")
	}
	if got.Reason != "" {
		for _, text := range c.Want.Reason {
			require.Contains(t, got.Reason, text)
		}
	}
}

// checkConsistent fails if an answer has members that its code does not go with.
func (c *Case) checkConsistent(t testing.TB, got *Verdict) {
	t.Helper()
	code := engine.Code(got.Code)
	if !got.Allowed {
		require.Empty(t, got.Obligations, "obligations of a denial")
	}
	if code == engine.NotEvaluated {
		require.Empty(t, got.Fields, "fields of a question that was not evaluated")
	}
	if got.Denials != nil {
		require.Equal(t, code == engine.PolicyDeny, len(got.Denials) > 0, "denials")
	}
	switch code {
	case engine.Granted, engine.GrantedByApproval, engine.ApprovalRequired, engine.ExplicitDeny, engine.ConditionFailed:
	default:
		require.Empty(t, got.Permissions, "matched permissions of %s", code)
	}
	if code != engine.ApprovalRequired && code != engine.GrantedByApproval {
		require.Empty(t, got.Chain+got.Request+got.Levels, "approval of %s", code)
		require.False(t, got.Auto != nil && *got.Auto, "approved by conditions, of %s", code)
		return
	}
	name := strings.Join(c.names("chain", got.Chain), " ")
	tenant := c.file.World.tenant(c.Tenant)
	at := slices.IndexFunc(tenant.Chains, func(x *Chain) bool { return x.Name == name })
	require.GreaterOrEqual(t, at, 0, "approval chain %s of %s", got.Chain, code)
	require.JSONEq(t, string(c.file.World.levels(tenant, tenant.Chains[at])), got.Levels, "approval levels")
	if code == engine.GrantedByApproval && got.Auto != nil {
		require.Equal(t, *got.Auto, got.Request == "", "an approval is by a request or by conditions")
	}
}

// names turns ids into names, as [Want] writes them.
func (c *Case) names(kind string, ids ...string) []string {
	var out []string
	for key, id := range c.file.World.ids {
		if tenant, rest, _ := strings.Cut(key, "/"+kind+"/"); slices.Contains(ids, id.String()) && rest != "" {
			if tenant != c.Tenant {
				rest = tenant + "/" + rest
			}
			out = append(out, rest)
		}
	}
	return out
}

// Objects are JSON values as texts that can be compared, ascending.
func Objects[T any](list []T) []string {
	out := make([]string, len(list))
	for i, o := range list {
		out[i] = Canonical(o)
	}
	slices.Sort(out)
	return out
}

// Canonical is a value as JSON with its members in order, empty for nil.
func Canonical(v any) string {
	raw, err := json.Marshal(v)
	if err != nil || string(raw) == "null" { // as of levels that there are none of
		return ""
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var plain any
	if err := decoder.Decode(&plain); err != nil {
		return ""
	}
	if raw, err = json.Marshal(plain); err != nil {
		return ""
	}
	return string(raw)
}

// fill sets what steps 6 to 9 add to an answer.
func (v *Verdict) fill(x *policy.Extra) {
	v.Obligations, v.Chain, v.Request, v.Levels, v.Fields = Objects(x.Obligations), x.Chain, x.Request, Canonical(x.Levels), x.Fields
	if v.Fields == nil {
		v.Fields = map[string]map[string]string{}
	}
	v.Denials, v.Auto = make([]string, len(x.Denials)), &x.AutoApproved
	for i, d := range x.Denials {
		v.Denials[i] = d.Policy + ": " + d.Reason
	}
}
