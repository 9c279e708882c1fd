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
	"github.com/sentinel-access/sentinel/internal/engine/asking"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

func TestAnswer_ToAnUntrustedCallerSaysNoMoreThanItMust(t *testing.T) {
	t.Parallel()
	d := &engine.Decision{ID: uuid.Max, Code: engine.SubjectUnknown, Revision: "7", Denials: []policy.Denial{{Policy: "tenant.hours", Reason: "Closed."}}}
	raw, err := json.Marshal(view(&asking.Caller{}, d))
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
	raw, err := json.Marshal(view(&asking.Caller{}, d))
	require.NoError(t, err)
	id := `"` + uuid.Max.String() + `"`
	require.JSONEq(t, `{"allowed":true,"decision_id":`+id+`,"reason_code":"granted_by_approval","requires_approval":false,
		"approval_chain_id":`+id+`,"approval_request_id":`+id+`,"approval_levels":`+string(chain.RawLevels)+`,
		"obligations":[{"type":"log"}],"field_permissions":{"core":{"name":"read"}}}`, string(raw))
	require.Equal(t, "tenant.hours", d.Obligations[0]["policy"], "the decision stays as it is")

	d = &engine.Decision{ID: uuid.Max, Code: engine.ApprovalRequired, Chain: &approval.Chain{ID: uuid.Max, RawLevels: []byte(`{}`)}}
	out := view(&asking.Caller{}, d)
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
	require.NoError(t, mayJustify(person, &asking.Caller{Own: true}))
	require.True(t, fault.Is(mayJustify(person, &asking.Caller{Trusted: true}), fault.Denied), "not even who is trusted speaks for another")
	scoped := identity.WithPrincipal(t.Context(), &identity.Principal{Scope: []string{"decisions:execute"}})
	require.True(t, fault.Is(mayJustify(scoped, &asking.Caller{Own: true}), fault.Denied))
}

func TestRequired_IsADenial(t *testing.T) {
	t.Parallel()
	err := asking.Required("api/users:read", "No.")
	var f *fault.Error
	require.True(t, errors.As(err, &f) && f.Kind == fault.Denied)
	require.True(t, strings.HasSuffix(f.Error(), "No."))
}
