package engine_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
)

func TestPolicies_DenyAfterWorkflowAndBeforeMissingPermissions(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.node("vessel", "docked", "", `{}`)
	g.grant("crew", "allow read vessel/*")
	g.grant("crew", "deny scrap vessel/*")
	g.chain("gate", "gate", "vessel:*", "")
	g.policies(map[string]string{
		"b": `deny contains {"reason": "too late."} if true`,
		"a": "deny contains {\"reason\": \"closed\"} if true\n\ndeny contains 1 if true\n\ndeny contains 2 if input.action == \"read\"",
		"c": "# METADATA\n# custom:\n#   applies_to:\n#     resource_types: [port]\n---\ndeny contains {\"reason\": \"ports\"} if true",
	})
	denials := []policy.Denial{{Policy: "tenant.a"}, {Policy: "tenant.a", Reason: "closed"}, {Policy: "tenant.b", Reason: "too late."}}
	for question, code := range map[string]engine.Code{
		"read vessel/v-1": engine.PolicyDeny, "sail vessel/v-1": engine.PolicyDeny, "scrap vessel/v-1": engine.ExplicitDeny, "read vessel/docked": engine.WorkflowState,
	} {
		d := g.ask(question)
		require.Equal(t, code, d.Code, question)
		require.Nil(t, d.Chain, question)
		if code != engine.PolicyDeny {
			require.Empty(t, d.Denials, question)
			continue
		}
		require.Equal(t, denials, d.Denials, question)
		require.Empty(t, d.Matched, question)
		require.Contains(t, d.Reason(), "policy tenant.a forbids it, policy tenant.a forbids it (closed), policy tenant.b forbids it (too late).")
	}
	require.Contains(t, g.ask("read port/p-1").Reason(), "and 1 more")
}

func TestPolicies_MayOnlyTakeAway(t *testing.T) {
	t.Parallel()
	const body = `allow contains {} if input.action in {"sail", "scrap"}`
	g := newGround(t)
	g.grant("crew", `allow sail vessel/* ?{"x": 1}`)
	g.grant("crew", "allow read vessel/*")
	g.grant("crew", "deny scrap vessel/*")
	g.policies(map[string]string{"a": body})
	require.Equal(t, engine.ConditionFailed, g.ask("sail vessel/v-1").Code)
	g.tenant.AllowRules = true
	d := g.ask("sail vessel/v-1")
	require.Equal(t, engine.Granted, d.Code)
	require.Empty(t, d.Matched)
	require.Empty(t, d.MatchedRoles())
	require.Equal(t, "Allowed: sail on vessel v-1, by a policy of the tenant.", d.Reason())
	require.Equal(t, engine.ExplicitDeny, g.ask("scrap vessel/v-1").Code)
	require.Equal(t, engine.NoMatchingPermission, g.ask("sell vessel/v-1").Code)
	require.NotEmpty(t, g.ask("read vessel/v-1").Matched)
	g.chain("gate", "gate", "vessel:*", "")
	require.Equal(t, engine.ApprovalRequired, g.ask("sail vessel/v-1").Code)
	g.rows.Chains[0].Mode = "escalation"
	require.Equal(t, engine.Granted, g.ask("sail vessel/v-1").Code)
}

func TestPolicies_RequireApprovals(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.grant("crew", "allow read vessel/*")
	g.chain("first", "gate", "other:*", "")
	g.chain("second", "escalation", "other:*", "")
	g.chain("guard", "gate", "vessel:*", "")
	g.policies(map[string]string{"a": `require_approval contains {"chain": c} if some c in ["second", "first", "guard"]`})
	require.Equal(t, "guard", g.ask("read vessel/v-1").Chain.Name)
	g.request("g", "guard", "vessel", "v-1", "read", true, nil)
	require.Equal(t, "first", g.ask("read vessel/v-1").Chain.Name, "by id, and so by age")
	g.request("f", "first", "vessel", "v-1", "read", true, nil)
	g.request("waiting", "second", "vessel", "v-1", "read", false, nil)
	d := g.ask("read vessel/v-1")
	require.Equal(t, []any{engine.ApprovalRequired, "second", g.id("waiting")}, []any{d.Code, d.Chain.Name, *d.RequestID}, "named chains are gates whatever their mode")
	g.request("s", "second", "vessel", "v-1", "read", true, nil)
	d = g.ask("read vessel/v-1")
	require.Equal(t, []any{engine.GrantedByApproval, "guard", g.id("g")}, []any{d.Code, d.Chain.Name, *d.RequestID}, "the first that was used")
	require.Equal(t, engine.NoMatchingPermission, g.ask("sail vessel/v-1").Code, "a policy gives nothing")

	g.rows.Chains[2].Mode = "escalation"
	d = g.ask("read vessel/v-1")
	require.Equal(t, []any{engine.GrantedByApproval, "first"}, []any{d.Code, d.Chain.Name}, "an escalation that has no say may be named as a gate")
	d = g.ask("sail vessel/v-1")
	require.Equal(t, []any{engine.ApprovalRequired, "guard"}, []any{d.Code, d.Chain.Name})
	g.request("any", "guard", "vessel", "v-1", "*", true, nil)
	require.Equal(t, "first", g.ask("sail vessel/v-1").Chain.Name)
	g.rows.Chains[0].IsActive = false
	d = g.ask("read vessel/v-1")
	require.Equal(t, []any{engine.NotEvaluated, false}, []any{d.Code, d.Chain != nil}, "a chain that is not there cannot be asked")
}

func TestPolicies_ObligationsAreOfAllowedAnswers(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.field("vessel", "name", "core", "read")
	g.grant("crew", "allow read,update vessel/*")
	g.policies(map[string]string{"a": `obligations contains {"log": input.action} if true`})
	require.Equal(t, []map[string]any{{"log": "read", "policy": "tenant.a"}}, g.ask("read vessel/v-1").Obligations, "those of the asked action alone")
	require.Empty(t, g.ask("sail vessel/v-1").Obligations)
}

func TestPolicies_MalformedPrecedesADenial(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.grant("crew", "allow read vessel/*")
	g.grant("crew", "deny scrap vessel/*")
	for _, body := range []string{`deny := true`, `require_approval contains {"chain": "nobody's"} if true`, `obligations contains 1 if true`} {
		g.policies(map[string]string{"a": body, "b": `deny contains "x" if true`})
		d := g.ask("read vessel/v-1")
		require.Equal(t, engine.NotEvaluated, d.Code, body)
		require.Empty(t, d.Matched)
		require.Empty(t, d.Denials)
		require.Equal(t, engine.ExplicitDeny, g.ask("scrap vessel/v-1").Code, "what is final is not asked about")
	}
}

func TestPolicies_ReadTheQuestionAndWhatIsStored(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.role("base", 5, true)
	g.node("vessel", "known", "", "")
	g.grant("crew", "allow read,update vessel/*")
	g.subject.Email, g.subject.Username = "ada@example.com", "ada"
	g.policies(map[string]string{"a": "import data.sentinel.lib\n\nobligations contains {\"input\": input.action, \"subject\": lib.subject, \"resource\": lib.resource, \"tenant\": lib.tenant.code, \"time\": lib.context.time} if true"})
	asked := engine.Question{Attributes: map[string]any{"flag": "GR", "color": "red"}}
	want := map[string]any{
		"policy": "tenant.a", "input": "read", "tenant": "ACME", "time": "2026-03-02T09:00:00Z",
		"subject": map[string]any{
			"id": g.subject.ID.String(), "email": "", "username": "ada", "external_id": "", "is_service_account": false,
			"attributes": map[string]any{"level": g.subject.Attributes["level"]}, "roles": []any{"base", "crew"},
		},
		"resource": map[string]any{"id": "known", "type": "vessel", "path": "/known", "attributes": map[string]any{"flag": "NO", "color": "red"}},
	}
	require.Equal(t, []map[string]any{want}, g.askWith("read vessel/"+g.id("known").String(), asked).Obligations)
	g.subject.EmailVerified = true
	want["subject"].(map[string]any)["email"] = "ada@example.com"
	want["resource"] = map[string]any{"id": "v-1", "type": "vessel", "path": "", "attributes": map[string]any{"flag": "GR", "color": "red"}}
	require.Equal(t, []map[string]any{want}, g.askWith("read vessel/v-1", asked).Obligations)
}

func TestPolicies_AreNotAskedAboutTheAPI(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.grant("crew", "allow read api/users")
	g.policies(map[string]string{"a": `deny contains 1 if true`})
	require.True(t, g.ask("read api/users").Allowed)
}
