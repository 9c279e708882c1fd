package manifest

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// chainOf is a manifest of one chain with one level.
func chainOf(level string) string {
	return `{"version": 1, "approval_chains": [{"name": "Contracts", "resource_type": "contract", "approval_levels": [{"level": 1, ` + level + `}]}]}`
}

func TestApply_NamesApproversAsPeopleDo(t *testing.T) {
	t.Parallel()
	f := setup(t)
	ada := f.User(f.tenant, "ada")
	var email, levels string
	f.Scan([]any{&email}, `SELECT email FROM sentinel.users WHERE id = $1`, ada)
	f.Role(f.tenant, "lawyer", 1, uuid.UUID{})
	f.apply(chainOf(`"approvers": {"all_of": [{"role": "lawyer"}, {"role": "`+tenanttest.TenantAdmin.String()+`"}, {"user": "`+ada.String()+`"}]}`), false)
	f.Scan([]any{&levels}, `SELECT approval_levels::text FROM sentinel.approval_chains WHERE tenant_id = $1`, f.tenant)
	require.JSONEq(t, `[{"level": 1, "approvers": {"all_of": [{"role": "`+f.id("roles", "lawyer").String()+`", "min": 1}, {"role": "`+tenanttest.TenantAdmin.String()+`", "min": 1}, {"user": "`+ada.String()+`", "min": 1}]}, "timeout_hours": 48, "final": true}]`, levels)
	require.Equal(t, []ChainApprover{{Role: "lawyer", Min: 1}, {Role: "tenant_admin", Min: 1}, {User: email, Min: 1}}, f.exported().ApprovalChains[0].ApprovalLevels[0].Approvers.AllOf)
	f.settled()
	require.Empty(t, f.apply(chainOf(`"approvers": {"all_of": [{"role": "lawyer"}, {"role": "tenant_admin"}, {"user": "`+email+`"}]}, "timeout_hours": 48`), true).Changes)

	done := f.apply(chainOf(`"approver_role": "lawyer", "min_approvals": 2`), true)
	require.Equal(t, Summary{Update: 1}, done.Summary)
	require.Contains(t, done.Changes[0].Before, "approval_levels")
	require.NotContains(t, done.Changes[0].After, "resource_type")
	f.settled()
}

// Whoever is named and gone is known by the id that is left, and what is there
// can be kept.
func TestApply_KeepsApproversThatAreGone(t *testing.T) {
	t.Parallel()
	f := setup(t)
	ada, role := f.User(f.tenant, "ada"), f.Role(f.tenant, "lawyer", 1, uuid.UUID{})
	f.apply(chainOf(`"approvers": {"any_of": [{"role": "lawyer"}, {"user": "`+ada.String()+`"}]}`), false)
	f.SQL(`DELETE FROM sentinel.users WHERE id = $1`, ada)
	f.SQL(`DELETE FROM sentinel.roles WHERE id = $1`, role)
	f.settled()
	require.Equal(t, []ChainApprover{{Role: role.String(), Min: 1}, {User: ada.String(), Min: 1}}, f.exported().ApprovalChains[0].ApprovalLevels[0].Approvers.AnyOf)
	m := f.exported()
	m.ApprovalChains[0].Description = "of old"
	_, err := f.as(f.admin, m, true)
	f.noError(err)
	m.ApprovalChains[0].ApprovalLevels[0].TimeoutHours = 1
	_, err = f.as(f.admin, m, true)
	require.True(t, fault.Is(err, fault.NotFoundKind), "levels that change are checked again: %v", err)
}

func TestApply_RefusesApproversOfOthers(t *testing.T) {
	t.Parallel()
	f := setup(t)
	other := f.Tenant()
	theirs, role := f.User(other, "eve"), f.Role(other, "lawyer", 1, uuid.UUID{})
	robot := f.User(f.tenant, "robot")
	f.SQL(`UPDATE sentinel.users SET is_service_account = true, service_account_key_id = 'k', service_account_key_hash = 'h', password_hash = NULL WHERE id = $1`, robot)
	for _, level := range []string{
		`"approver_role": "` + role.String() + `"`, `"approvers": {"any_of": [{"user": "` + theirs.String() + `"}]}`, `"approvers": {"any_of": [{"user": "` + robot.String() + `"}]}`,
		`"approver_role": "super_admin"`,
	} {
		_, err := f.as(f.admin, f.parsed(chainOf(level)), false)
		require.True(t, fault.Is(err, fault.Validation), "%s: %v", level, err)
	}
	require.Zero(t, f.Count(`SELECT count(*) FROM sentinel.approval_chains WHERE tenant_id = $1`, f.tenant))
}

func TestApply_LeavesChainsToAdministrators(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.apply(whole, false)
	role, clerk := f.Role(f.tenant, "clerk", 1, uuid.UUID{}), f.User(f.tenant, "clerk")
	for _, section := range []string{"manifest", "approval-chains", "users"} {
		f.Permission(f.tenant, role, "api/"+section, "allow", "", "*")
	}
	f.Assign(f.tenant, clerk, role)
	for _, text := range []string{chainOf(`"approver_role": "clerk"`), `{"version": 1, "approval_chains": []}`} {
		_, err := f.as(clerk, f.parsed(text), true)
		require.True(t, fault.Is(err, fault.Denied), "%s: %v", text, err)
	}
	require.Equal(t, 1, f.Count(`SELECT count(*) FROM sentinel.approval_chains WHERE tenant_id = $1`, f.tenant))
}

func TestApply_KeepsAChainThroughWhichRequestsWait(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.apply(whole, false)
	f.SQL(`INSERT INTO sentinel.access_requests (tenant_id, requester_id, beneficiary_id, request_type, chain_id) VALUES ($1, $2, $2, 'permission', $3)`, f.tenant, f.admin, f.id("approval_chains", "Scrapping"))
	none := `{"version": 1, "approval_chains": []}`
	require.Equal(t, map[string]int{"requests": 1}, f.planned(f.parsed(none), true).Changes[0].Takes)
	_, err := f.as(f.admin, f.parsed(none), true)
	require.True(t, fault.Is(err, fault.ConflictKind), "%v", err)
	f.SQL(`UPDATE sentinel.access_requests SET status = 'denied'`)
	require.Equal(t, Summary{Delete: 1}, f.apply(none, true).Summary)
	f.settled()
}
