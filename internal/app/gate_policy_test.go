package app_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// publish makes a module the tenant's one live policy.
func (w *world) publish(tenant, name, body string) {
	w.t.Helper()
	policy, version, text := uuid.NewString(), uuid.NewString(), "package tenant."+name+"\n\n"+body
	w.database.Exec(w.t, `
INSERT INTO sentinel.policies (id, tenant_id, path, package, rego)
VALUES ($1, $2, $3, $4, $5)`, policy, w.ids[tenant], "tenant/"+name+".rego", "tenant."+name, text)
	w.database.Exec(w.t, `
INSERT INTO sentinel.policy_versions (id, tenant_id, policy_id, version, path, package, rego)
VALUES ($1, $2, $3, 1, $4, $5, $6)`, version, w.ids[tenant], policy, "tenant/"+name+".rego", "tenant."+name, text)
	w.database.Exec(w.t, `
INSERT INTO sentinel.policy_revisions (tenant_id, revision, modules)
SELECT $1, count(*) + 1, jsonb_build_array(jsonb_build_object('version_id', $2::text))
FROM sentinel.policy_revisions
WHERE tenant_id = $1`, w.ids[tenant], version)
	w.settle()
}

func (w *world) vessel(as, id, more string) *response {
	w.t.Helper()
	got := w.do(request{as: as, method: http.MethodPost, path: "/permissions/check", body: fmt.Sprintf(`{"resource":{"type":"vessel","id":%q},"action":"read"%s}`, id, more)})
	require.Equal(w.t, http.StatusOK, got.status, "%s", got.body)
	return got
}

func TestGate_PoliciesSayWhyToThoseWhoEnforce(t *testing.T) {
	t.Parallel()
	w := newGated(t)
	w.publish("alpha", "harbour", `
deny contains {"reason": "The harbour is closed."} if input.resource.id == "mv-closed"

obligations contains {"type": "log", "reason": "Every look at her is logged."} if input.resource.id == "mv-aurora"

restrict_fields contains {"field": "imo_number"} if input.resource.id == "mv-aurora"`)
	for as, trusted := range map[string]bool{"sailor": false, "admin": true} {
		more := ""
		if trusted {
			more = `,"user_id":"$sailor"`
		}
		denied := w.vessel(as, "mv-closed", more)
		require.Equal(t, "policy_deny", denied.at("data.reason_code"), "%s", denied.body)
		require.Nil(t, denied.at("data.obligations"))
		allowed := w.vessel(as, "mv-aurora", more)
		require.Equal(t, "granted", allowed.at("data.reason_code"), "%s", allowed.body)
		require.Equal(t, "log", allowed.at("data.obligations.0.type"))
		require.Nil(t, allowed.at("data.obligations.1"))
		require.Equal(t, "hidden", allowed.at("data.field_permissions.core.imo_number"))
		if trusted {
			require.Equal(t, "tenant.harbour", denied.at("data.denials.0.policy"))
			require.Equal(t, "The harbour is closed.", denied.at("data.denials.0.reason"))
			require.Equal(t, "tenant.harbour", allowed.at("data.obligations.0.policy"))
		} else {
			require.Nil(t, denied.at("data.denials"), "the subject is told that, not why")
			require.Nil(t, allowed.at("data.obligations.0.policy"))
		}
	}
	require.Equal(t, "granted", w.vessel("sailor", "mv-other", "").at("data.reason_code"))
	require.Equal(t, "approval_required", w.vessel("plain_b", "mv-closed", "").at("data.reason_code"), "a tenant's policies are its own")
}

// TestGate_APolicyNamesAChainThatGuardsSomethingElse opens a request for a chain
// that no pattern leads to.
func TestGate_APolicyNamesAChainThatGuardsSomethingElse(t *testing.T) {
	t.Parallel()
	w := newGated(t)
	w.publish("alpha", "night", `require_approval contains {"chain": "chain"} if input.resource.id == "mv-aurora"`)
	asked := w.vessel("sailor", "mv-aurora", `,"justification":"By night."`)
	require.Equal(t, "approval_required", asked.at("data.reason_code"), "%s", asked.body)
	require.Equal(t, w.ids["chain"], asked.at("data.approval_chain_id"))
	id, _ := asked.at("data.approval_request_id").(string)
	require.NotEmpty(t, id)
	got := w.do(request{as: "boss", method: http.MethodPost, path: "/access-requests/" + id + "/approve", body: `{}`})
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	require.Equal(t, "granted_by_approval", w.vessel("sailor", "mv-aurora", "").at("data.reason_code"))

	w.outage = true // the server logs that it cannot judge by this one
	w.publish("alpha", "typo", `require_approval contains {"chain": "chian"} if input.resource.id == "mv-aurora"`)
	strange := w.vessel("sailor", "mv-aurora", `,"justification":"By night."`)
	require.Equal(t, "not_evaluated", strange.at("data.reason_code"), "a chain that is not there opens nothing")
	require.Nil(t, strange.at("data.approval_request_id"))
}

func TestGate_TheStateOfAnInstanceIsTheEnforcersToSay(t *testing.T) {
	t.Parallel()
	w := newGated(t)
	got := w.do(request{as: "admin", method: http.MethodPatch, path: "/resources/$vessel", body: `{"workflow_enabled":true,"workflow_config":{"states":["at_sea","in_dock"],"initial":"at_sea","state_actions":{"in_dock":{"read":["role:$bosses"]}}}}`})
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	for state, code := range map[string]string{
		``: "workflow_state", `,"context":{}`: "workflow_state", `,"context":{"workflow_state":7}`: "workflow_state", `,"context":{"workflow_state":"sunk"}`: "workflow_state",
		`,"context":{"workflow_state":"at_sea"}`: "granted", `,"context":{"workflow_state":"in_dock"}`: "workflow_state",
	} {
		require.Equal(t, code, w.vessel("admin", "mv-aurora", `,"user_id":"$sailor"`+state).at("data.reason_code"), state)
	}
	require.Equal(t, "workflow_state", w.vessel("sailor", "mv-aurora", "").at("data.reason_code"), "who may not say so is in no state")
	refused := w.do(request{as: "sailor", method: http.MethodPost, path: "/permissions/check", body: `{"resource":{"type":"vessel","id":"mv-aurora"},"action":"read","context":{"workflow_state":"at_sea"}}`})
	require.Equal(t, http.StatusForbidden, refused.status)
}
