package decision

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

func TestAsker_TrustsEnforcementPointsOnly(t *testing.T) {
	t.Parallel()
	plain := Check{Resource: Resource{Type: "vessel", ID: "mv-aurora"}, Action: "read"}
	for name, c := range map[string]struct {
		change func(*Check)
		named  string
	}{
		"attributes":                  {func(c *Check) { c.Resource.Attributes = httpapi.Object{"a": 1} }, "checks[3].resource.attributes"},
		"attributes without a member": {func(c *Check) { c.Resource.Attributes = httpapi.Object{} }, "checks[3].resource.attributes"},
		"a context":                   {func(c *Check) { c.Context = httpapi.Object{"ip": "10.0.0.1"} }, "checks[3].context"},
		"properties of the action":    {func(c *Check) { c.ActionProperties = httpapi.Object{"a": 1} }, "checks[3].action_properties"},
	} {
		check := plain
		c.change(&check)
		_, err := (&asker{}).question(&check, "checks[3].")
		require.True(t, fault.Is(err, fault.Denied), name)
		require.Contains(t, err.Error(), c.named, name)
		var f *fault.Error
		require.ErrorAs(t, err, &f)
		require.Equal(t, "api/decisions:execute", f.Details["required_permission"])

		q, err := (&asker{trusted: true}).question(&check, "")
		require.NoError(t, err, name)
		require.Equal(t, "vessel", q.Type)
	}
	q, err := (&asker{tenant: uuid.Max, user: uuid.Max}).question(&plain, "")
	require.NoError(t, err)
	require.Equal(t, &engine.Question{TenantID: uuid.Max, UserID: uuid.Max, Type: "vessel", ID: "mv-aurora", Action: "read"}, q)
}

func TestAsker_NamesEveryMemberThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	check := Check{Resource: Resource{Type: "Vessel", ID: "a\\b"}, Action: "re ad", Context: httpapi.Object{"time": "noon"}}
	_, err := (&asker{trusted: true}).question(&check, "checks[0].")
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	var paths []string
	for _, field := range f.Fields {
		paths = append(paths, field.Path)
	}
	require.Equal(t, []string{"checks[0].resource.type", "checks[0].resource.id", "checks[0].action", "checks[0].context.time"}, paths)
}

func TestAnswer_ToAnUntrustedCallerSaysNoMoreThanItMust(t *testing.T) {
	t.Parallel()
	d := &engine.Decision{ID: uuid.Max, Code: engine.SubjectUnknown, Revision: "7", Denials: []policy.Denial{{Policy: "tenant.hours", Reason: "Closed."}}}
	raw, err := json.Marshal((&asker{}).answer(d))
	require.NoError(t, err)
	require.JSONEq(t, `{"allowed":false,"decision_id":"`+uuid.Max.String()+`","reason_code":"subject_unknown","requires_approval":false}`, string(raw))
}

func TestAnswer_TellsEveryCallerOfApprovalsFieldsAndObligations(t *testing.T) {
	t.Parallel()
	chain := &approval.Chain{ID: uuid.Max, Name: "secret name", RawLevels: []byte(`[{"level":1,"approvers":{"any_of":[{"role":"` + uuid.Max.String() + `","min":2}]},"timeout_hours":48,"final":true}]`)}
	d := &engine.Decision{
		ID: uuid.Max, Allowed: true, Code: engine.GrantedByApproval, Chain: chain, RequestID: &uuid.Max,
		Obligations: []map[string]any{{"type": "log", "policy": "tenant.hours"}},
		Fields:      map[string]map[string]string{"core": {"name": "read"}},
	}
	raw, err := json.Marshal((&asker{}).answer(d))
	require.NoError(t, err)
	id := `"` + uuid.Max.String() + `"`
	require.JSONEq(t, `{"allowed":true,"decision_id":`+id+`,"reason_code":"granted_by_approval","requires_approval":false,
		"approval_chain_id":`+id+`,"approval_request_id":`+id+`,"approval_levels":`+string(chain.RawLevels)+`,
		"obligations":[{"type":"log"}],"field_permissions":{"core":{"name":"read"}}}`, string(raw))
	require.Equal(t, "tenant.hours", d.Obligations[0]["policy"], "the decision stays as it is")

	d = &engine.Decision{ID: uuid.Max, Code: engine.ApprovalRequired, Chain: &approval.Chain{ID: uuid.Max, RawLevels: []byte(`{}`)}}
	out := (&asker{}).answer(d)
	require.True(t, out.RequiresApproval)
	require.Nil(t, out.ApprovalLevels, "levels that nobody can read are left out")
	require.Nil(t, out.ApprovalRequestID)
}

func TestNarrow_LeavesTheFieldsThatAreNamed(t *testing.T) {
	t.Parallel()
	all := map[string]map[string]string{"core": {"name": "write", "imo": "read"}, "tenant_specific": {"notes": "hidden"}}
	got, err := narrow(all, []string{"notes", "imo", "imo"})
	require.NoError(t, err)
	require.Equal(t, map[string]map[string]string{"core": {"imo": "read"}, "tenant_specific": {"notes": "hidden"}}, got)
	_, err = narrow(all, []string{"name", "nome", "x", "nome"})
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, "query.fields", f.Fields[0].Path)
	require.True(t, strings.HasSuffix(f.Fields[0].Message, ": nome, x"), f.Fields[0].Message)
}

func TestMayJustify_IsForTheSubjectItself(t *testing.T) {
	t.Parallel()
	person := identity.WithPrincipal(t.Context(), &identity.Principal{})
	require.NoError(t, (&asker{own: true}).mayJustify(person))
	require.True(t, fault.Is((&asker{trusted: true}).mayJustify(person), fault.Denied), "not even who is trusted speaks for another")
	scoped := identity.WithPrincipal(t.Context(), &identity.Principal{Scope: []string{"decisions:execute"}})
	require.True(t, fault.Is((&asker{own: true}).mayJustify(scoped), fault.Denied))
}

func TestRequired_IsADenial(t *testing.T) {
	t.Parallel()
	err := required("api/users:read", "No.")
	var f *fault.Error
	require.True(t, errors.As(err, &f) && f.Kind == fault.Denied)
	require.True(t, strings.HasSuffix(f.Error(), "No."))
}
