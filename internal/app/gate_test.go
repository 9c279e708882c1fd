package app_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/app"
)

// newGated is a world in which everybody of group ops may read vessels, the secret
// ones with an approval of whoever has role boss. A chain of tenant beta guards
// every vessel there.
func newGated(t *testing.T, change ...func(*app.Config)) *world {
	t.Helper()
	w := startWorld(t, newDatabase(t), change...)
	w.populate()
	w.fields()
	w.make("bosses", "admin", "", "/roles", `{"name":"boss","priority":50}`)
	w.person("boss", "admin", "", "ALPHA", `"$bosses"`)
	w.person("sailor", "admin", "", "ALPHA", "")
	w.make("", "admin", "", "/groups/$ops/users", `{"user_ids":["$sailor"]}`)
	const level = `[{"level":1,"approvers":{"any_of":[{"role":"$%s","min":1}]},"timeout_hours":48,"final":true}]`
	w.levels("chain", "alpha", "vessel", "vessel:secret*", "gate", fmt.Sprintf(level, "bosses"))
	w.levels("chain_b", "beta", "vessel", "vessel:*", "gate", fmt.Sprintf(level, "reader_b"))
	w.settle()
	return w
}

// settle lets the server see what was written behind its back.
func (w *world) settle() {
	w.t.Helper()
	for _, as := range []string{"admin", "admin_b"} {
		got := w.do(request{as: as, method: http.MethodPatch, path: "/users/me", body: `{"display_name":"` + uuid.NewString() + `"}`})
		require.Equal(w.t, http.StatusOK, got.status, "%s", got.body)
	}
}

const secretVessel = `"resource":{"type":"vessel","id":"secret-1"},"action":"read"`

// asks is a question about the secret vessel, with further members.
func (w *world) asks(as, more string) *response {
	w.t.Helper()
	got := w.do(request{as: as, method: http.MethodPost, path: "/permissions/check", body: `{` + secretVessel + more + `}`})
	require.Equal(w.t, http.StatusOK, got.status, "%s", got.body)
	return got
}

func TestGate_AJustificationOpensOneRequestThatAnApprovalAnswers(t *testing.T) {
	t.Parallel()
	w := newGated(t)
	first := w.asks("sailor", "")
	require.Equal(t, "approval_required", first.at("data.reason_code"))
	require.Equal(t, true, first.at("data.requires_approval"))
	require.Equal(t, w.ids["chain"], first.at("data.approval_chain_id"))
	require.Equal(t, w.ids["bosses"], first.at("data.approval_levels.0.approvers.any_of.0.role"))
	require.Nil(t, first.at("data.approval_request_id"), "nothing is opened without being asked for")
	require.Nil(t, first.at("data.reason"), "the sailor is not told of roles")
	require.Empty(t, w.column(t, "SELECT id::text FROM sentinel.access_requests"))

	opened := w.asks("sailor", `,"justification":"The harbour master asks."`)
	id, _ := opened.at("data.approval_request_id").(string)
	require.NotEmpty(t, id, "%s", opened.body)
	require.Equal(t, false, opened.at("data.allowed"), "a request is no approval")
	require.Equal(t, []string{"The harbour master asks."}, w.column(t, "SELECT justification FROM sentinel.access_requests WHERE id = $1", id))
	for range 2 {
		require.Equal(t, id, w.asks("sailor", `,"justification":"Again."`).at("data.approval_request_id"))
	}
	require.Equal(t, id, w.asks("sailor", "").at("data.approval_request_id"), "one that waits is named without a justification too")
	require.Len(t, w.column(t, "SELECT id::text FROM sentinel.access_requests"), 1)
	require.Equal(t, id, w.asks("admin", `,"user_id":"$sailor"`).at("data.approval_request_id"))

	got := w.do(request{as: "boss", method: http.MethodPost, path: "/access-requests/" + id + "/approve", body: `{"comments":"Aye."}`})
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	granted := w.asks("sailor", `,"justification":"Once more."`)
	require.Equal(t, "granted_by_approval", granted.at("data.reason_code"))
	require.Equal(t, true, granted.at("data.allowed"))
	require.Equal(t, false, granted.at("data.requires_approval"))
	require.Equal(t, id, granted.at("data.approval_request_id"))
	require.Equal(t, w.ids["chain"], granted.at("data.approval_chain_id"))
	other := w.do(request{as: "sailor", method: http.MethodPost, path: "/permissions/check", body: `{"resource":{"type":"vessel","id":"secret-2"},"action":"read"}`})
	require.Equal(t, "approval_required", other.at("data.reason_code"), "an approval is for the one vessel")

	w.database.Exec(t, "UPDATE sentinel.access_requests SET grant_expires_at = now() - interval '1 second'")
	w.settle()
	over := w.asks("sailor", "")
	require.Equal(t, "approval_required", over.at("data.reason_code"))
	require.Nil(t, over.at("data.approval_request_id"))
	require.NotEqual(t, id, w.asks("sailor", `,"justification":"It is over."`).at("data.approval_request_id"))
}

func TestGate_ManyAtOnceOpenOneRequest(t *testing.T) {
	t.Parallel()
	w := newGated(t)
	w.token("sailor")
	ids := make(chan any, 6)
	for range cap(ids) {
		go func() { ids <- w.asks("sailor", `,"justification":"Now."`).at("data.approval_request_id") }()
	}
	first := <-ids
	require.NotEmpty(t, first)
	for range cap(ids) - 1 {
		require.Equal(t, first, <-ids)
	}
	require.Len(t, w.column(t, "SELECT id::text FROM sentinel.access_requests"), 1)
}

func TestGate_TooManyRequestsWait(t *testing.T) {
	t.Parallel()
	w := newGated(t)
	justified := func(i int) *response {
		return w.do(request{as: "sailor", method: http.MethodPost, path: "/permissions/check", body: fmt.Sprintf(`{"resource":{"type":"vessel","id":"secret-%d"},"action":"read","justification":"x"}`, i)})
	}
	for i := range 20 {
		got := justified(i)
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
		require.NotNil(t, got.at("data.approval_request_id"))
	}
	got := justified(20)
	require.Equal(t, http.StatusConflict, got.status, "%s", got.body)
	require.Equal(t, "CONFLICT", got.at("error.code"))
	require.Equal(t, http.StatusOK, justified(7).status, "one that waits is still found")
	require.Len(t, w.column(t, "SELECT id::text FROM sentinel.access_requests"), 20)
}

func TestGate_AnotherTenantsChainIsNeverSeen(t *testing.T) {
	t.Parallel()
	w := newGated(t)
	read := `{"resource":{"type":"vessel","id":"mv-aurora"},"action":"read"}`
	here := w.do(request{as: "sailor", method: http.MethodPost, path: "/permissions/check", body: read})
	require.Equal(t, "granted", here.at("data.reason_code"), "beta guards every vessel, alpha only the secret ones")
	require.Nil(t, here.at("data.approval_chain_id"))
	there := w.do(request{as: "plain_b", method: http.MethodPost, path: "/permissions/check", body: read})
	require.Equal(t, "approval_required", there.at("data.reason_code"))
	require.Equal(t, w.ids["chain_b"], there.at("data.approval_chain_id"))
	// A row that says otherwise grants nothing: the tenant is part of every key.
	w.database.Exec(t, `
INSERT INTO sentinel.access_requests (tenant_id, requester_id, beneficiary_id, request_type, request_details, chain_id, status)
VALUES ($1, $2, $2, 'permission', '{"resource_type":"vessel","resource_id":"secret-1","action":"read"}', $3, 'approved')`,
		w.ids["beta"], w.ids["plain_b"], w.ids["chain_b"])
	w.settle()
	require.Equal(t, "approval_required", w.asks("sailor", "").at("data.reason_code"))
	require.Equal(t, "granted_by_approval", w.asks("plain_b", "").at("data.reason_code"))
}

func TestGate_ScopedTokensOpenNoRequests(t *testing.T) {
	t.Parallel()
	w := newGated(t)
	w.make("machine", "admin", "", "/service-accounts", `{"name":"machine","roles":["$reader"]}`)
	key := w.do(request{as: "admin", method: http.MethodPost, path: "/service-accounts/$machine/rotate-credentials", body: `{}`}).at("data.api_key")
	token := func(scope string) string {
		got := w.send(request{method: http.MethodPost, path: "/auth/service-account/token", body: fmt.Sprintf(`{"api_key":%q%s}`, key, scope)}, "")
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
		return got.at("data.access_token").(string)
	}
	justified := request{method: http.MethodPost, path: "/permissions/check", body: `{` + secretVessel + `,"justification":"x"}`}
	got := w.send(justified, token(`,"scope":"decisions:execute"`))
	require.Equal(t, http.StatusForbidden, got.status, "%s", got.body)
	require.Empty(t, w.column(t, "SELECT id::text FROM sentinel.access_requests"))
	got = w.send(justified, token(""))
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	require.NotNil(t, got.at("data.approval_request_id"))
}

func TestGate_FieldsForThoseWhoAskAndThoseWhoEnforce(t *testing.T) {
	t.Parallel()
	w := newGated(t)
	w.make("", "admin", "", "/roles/$reader/permissions", `{"permissions":[{"name":"Notes","resource_type":"vessel","resource_path":"vessel/mv-*","actions":["read"],"field_permissions":{"portInspectionNotes":"read"}}]}`)
	ask := func(as, query string) *response {
		got := w.do(request{as: as, method: http.MethodGet, path: "/field-permissions?entity_type=vessel" + query})
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
		require.NotEmpty(t, got.header.Get("X-Sentinel-Revision"))
		return got
	}
	own := ask("sailor", "&entity_id=mv-aurora")
	require.Equal(t, true, own.at("data.allowed"))
	require.Eventually(t, func() bool {
		return slices.Equal([]string{"read"}, w.column(t, "SELECT question ->> 'action' FROM sentinel.decision_logs WHERE id = $1", own.at("data.decision_id")))
	}, 20*time.Second, 20*time.Millisecond, "it is recorded as a question about read")
	require.Equal(t, "read", own.at("data.field_permissions.core.imo_number"))
	require.Equal(t, "read", own.at("data.field_permissions.tenant_specific.portInspectionNotes"))
	require.Equal(t, own.at("data.field_permissions"), ask("admin", "&entity_id=mv-aurora&user_id=$sailor").at("data.field_permissions"))
	checked := w.do(request{as: "sailor", method: http.MethodPost, path: "/permissions/check", body: `{"resource":{"type":"vessel","id":"mv-aurora"},"action":"burn"}`})
	require.Equal(t, own.at("data.field_permissions"), checked.at("data.field_permissions"), "whatever the action asked about")
	require.Equal(t, false, checked.at("data.allowed"))

	require.Equal(t, map[string]any{"core": map[string]any{"imo_number": "read"}}, ask("sailor", "&entity_id=mv-aurora&fields=imo_number").at("data.field_permissions"))
	both := ask("sailor", "&entity_id=mv-aurora&fields=imo_number,portInspectionNotes&fields=imo_number")
	require.Equal(t, own.at("data.field_permissions"), both.at("data.field_permissions"))
	unknown := w.do(request{as: "sailor", method: http.MethodGet, path: "/field-permissions?entity_type=vessel&fields=imo_number,nome"})
	require.Equal(t, http.StatusBadRequest, unknown.status)
	require.Equal(t, []string{"query.fields"}, unknown.fields())
	require.Contains(t, unknown.at("error.details.fields.0.message"), "nome")

	gated := ask("sailor", "&entity_id=secret-1")
	require.Equal(t, "approval_required", gated.at("data.reason_code"))
	require.Equal(t, "hidden", gated.at("data.field_permissions.core.imo_number"), "nothing is shown before it is approved")
	require.Equal(t, "map[]", fmt.Sprint(w.do(request{as: "sailor", method: http.MethodGet, path: "/field-permissions?entity_type=cargo"}).at("data.field_permissions")), "a type without fields")
}

// automatic lets the conditions of chains approve.
func automatic(cfg *app.Config) { cfg.AutoApprove = true }

func TestGate_WhatConditionsApproveIsWrittenDown(t *testing.T) {
	t.Parallel()
	w := newGated(t, automatic)
	w.database.Exec(t, `UPDATE sentinel.approval_chains SET auto_approve_conditions = '{"subject.email": "sailor@alpha.example"}' WHERE id = $1`, w.ids["chain"])
	w.settle()
	proofs := func() []string {
		return w.column(t, `
SELECT request_details ->> 'resource_id' || ' ' || status || ' ' || (decided_at = grant_expires_at)
FROM sentinel.access_requests
WHERE auto_approved AND beneficiary_id = $1 AND chain_id = $2
ORDER BY 1`, w.ids["sailor"], w.ids["chain"])
	}
	for range 3 {
		got := w.asks("sailor", `,"justification":"No need."`)
		require.Equal(t, "granted_by_approval", got.at("data.reason_code"), "%s", got.body)
		require.Equal(t, true, got.at("data.auto_approved"))
		require.Equal(t, w.ids["chain"], got.at("data.approval_chain_id"))
		require.Nil(t, got.at("data.approval_request_id"), "no request of anybody's")
	}
	require.Equal(t, []string{"secret-1 approved true"}, proofs())
	read := `{"resource":{"type":"vessel","id":"%s"},"action":"read"}`
	batch := w.do(request{as: "sailor", method: http.MethodPost, path: "/permissions/batch-check", body: fmt.Sprintf(`{"checks":[`+read+`,`+read+`,`+read+`,`+read+`]}`, "secret-1", "secret-2", "secret-2", "mv-aurora")})
	require.Equal(t, "granted_by_approval", batch.at("data.results.2.reason_code"), "%s", batch.body)
	require.Equal(t, "granted", batch.at("data.results.3.reason_code"))
	require.Equal(t, []string{"secret-1 approved true", "secret-2 approved true"}, proofs())
	require.Len(t, w.column(t, "SELECT id::text FROM sentinel.audit_logs WHERE action = 'access_request.auto_approve'"), 2)

	w.make("", "admin", "", "/groups/$ops/users", `{"user_ids":["$plain"]}`)
	require.Equal(t, "approval_required", w.asks("plain", "").at("data.reason_code"), "for whom they do not hold")
	w.database.Exec(t, `UPDATE sentinel.approval_chains SET auto_approve_conditions = '{}' WHERE id = $1`, w.ids["chain"])
	w.settle()
	require.Equal(t, "approval_required", w.asks("sailor", "").at("data.reason_code"), "a row that was written grants nothing")
}

func TestGate_WhatCannotBeWrittenDownIsDenied(t *testing.T) {
	t.Parallel()
	w := newGated(t, automatic)
	w.outage = true // the server says so
	w.database.Exec(t, `UPDATE sentinel.approval_chains SET auto_approve_conditions = '{"subject.email": "sailor@alpha.example"}' WHERE id = $1`, w.ids["chain"])
	w.database.Exec(t, `ALTER TABLE sentinel.access_requests ADD CONSTRAINT no_more CHECK (NOT auto_approved)`)
	w.settle()
	got := w.asks("sailor", "")
	require.Equal(t, "not_evaluated", got.at("data.reason_code"), "%s", got.body)
	require.Equal(t, false, got.at("data.allowed"))
	require.Nil(t, got.at("data.auto_approved"))
	require.Nil(t, got.at("data.field_permissions"))
	w.database.Exec(t, `ALTER TABLE sentinel.access_requests DROP CONSTRAINT no_more`)
	require.Equal(t, "granted_by_approval", w.asks("sailor", "").at("data.reason_code"), "what failed is not remembered")
}

func TestMaintain_ForgetsOldAutomaticApprovals(t *testing.T) {
	t.Parallel()
	w := newGated(t, automatic)
	for _, auto := range []bool{true, false} {
		for _, days := range []int{29, 31} {
			w.database.Exec(t, `
INSERT INTO sentinel.access_requests (tenant_id, requester_id, beneficiary_id, request_type, chain_id, status, auto_approved, created_at)
VALUES ($1, $2, $2, 'permission', $3, 'approved', $4, now() - make_interval(days => $5))`, w.ids["alpha"], w.ids["sailor"], w.ids["chain"], auto, days)
		}
	}
	require.NoError(t, w.app.Maintain(t.Context()))
	require.Equal(t, []string{"false", "false", "true"}, w.column(t, "SELECT auto_approved::text FROM sentinel.access_requests ORDER BY 1"))
}
