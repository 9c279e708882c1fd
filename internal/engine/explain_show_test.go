package engine_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
)

func TestExplain_IsTrimmedForASubject(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.grant("crew", `allow read vessel/* ?{"subject.attributes.level": {"gte": 5}}`)
	g.chain("secret", "escalation", "vessel:*", "")
	for code, question := range map[engine.Code]string{engine.ApprovalRequired: "read vessel/v-1", engine.NoMatchingPermission: "read port/p-1"} {
		x := g.why(question, engine.Question{})
		require.Equal(t, code, x.Decision().Code)
		x.Show(engine.Sight{Own: true})
		raw, err := json.Marshal(x)
		require.NoError(t, err)
		for _, hidden := range []string{"secret", "attributes.level", "conditions", "allow read"} {
			require.NotContains(t, string(raw), hidden)
		}
		require.Equal(t, []string{"api/decisions:execute", "api/permissions:read"}, x.Missing)
		require.Equal(t, "crew", x.Roles[0].Name)
		require.False(t, x.Roles[0].Decided)
		require.Equal(t, code == engine.ApprovalRequired, len(x.Changes) == 1)
	}
	x := g.why("read vessel/v-1", engine.Question{})
	x.Show(engine.Sight{Decisions: true})
	require.Empty(t, x.Roles, "another's are not theirs to see")
	require.Equal(t, []string{"api/permissions:read"}, x.Missing)
	require.Equal(t, "Have approval chain secret approve it.", ways(x)[0], "a check names it to them too")
	for _, code := range []engine.Code{
		engine.NotEvaluated, engine.SubjectUnknown, engine.SubjectInactive, engine.TenantInactive, engine.ExplicitDeny, engine.WorkflowState,
		engine.PolicyDeny, engine.NoMatchingPermission, engine.ConditionFailed, engine.ApprovalRequired, engine.Granted, engine.GrantedByApproval,
	} {
		require.NotEmpty(t, engine.Plainly(code))
	}
}

func TestExplain_HidesValuesAndRoles(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.subject.Attributes["home"] = "oslo-fjord"
	g.subject.Attributes["tags"] = []any{"salty"}
	g.role("mate", 5, false)
	g.grant("crew", `allow read vessel/* ?{"berth": {"ref": "subject.attributes.home"}, "subject.attributes.tags": {"contains_all": ["sweet"]}}`)
	g.grant("mate", "allow read vessel/v-1")
	x := g.why("read vessel/v-1", engine.Question{})
	require.Len(t, x.Changes, 2)
	x.Show(engine.Sight{Decisions: true, Permissions: true})
	raw, err := json.Marshal(x)
	require.NoError(t, err)
	require.NotContains(t, string(raw), "oslo-fjord")
	require.NotContains(t, string(raw), "salty")
	require.NotContains(t, string(raw), "mate")
	require.Len(t, x.Changes, 1)
	require.Equal(t, []string{"api/users:read", "api/roles:read"}, x.Missing)
	require.Equal(t, "Have resource.attributes.berth be a value that you may not see; whoever asks says it. And: Have subject.attributes.tags be containing all of sweet; it is stored with the subject.", ways(x)[0])
}
