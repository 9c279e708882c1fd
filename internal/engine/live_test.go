package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/policies"
)

func library(t testing.TB, timeout time.Duration) *policy.Library {
	t.Helper()
	l, err := policy.Load(t.Context(), policies.FS, policy.Config{Timeout: timeout})
	require.NoError(t, err)
	return l
}

// publish makes modules the tenant's live ones, as the next revision, past every
// check of the section.
func (w *world) publish(revision int, bodies map[string]string) uuid.UUID {
	type entry struct {
		PolicyID  uuid.UUID `json:"policy_id"`
		VersionID uuid.UUID `json:"version_id"`
	}
	list := []entry{}
	for path, text := range modules(bodies) {
		e := entry{uuid.New(), uuid.New()}
		list = append(list, e)
		w.SQL(`INSERT INTO sentinel.policies (id, tenant_id, path, package, rego) VALUES ($1, $2, $3, $3, $4)`, e.PolicyID, w.tenant, path+e.PolicyID.String(), text)
		w.SQL(`INSERT INTO sentinel.policy_versions (id, tenant_id, policy_id, version, path, package, rego) VALUES ($1, $2, $3, 1, $4, $4, $5)`,
			e.VersionID, w.tenant, e.PolicyID, path, text)
	}
	raw, _ := json.Marshal(list)
	id := uuid.New()
	w.SQL(`INSERT INTO sentinel.policy_revisions (id, tenant_id, revision, modules) VALUES ($1, $2, $3, $4)`, id, w.tenant, revision, raw)
	return id
}

func (w *world) refresh(t *testing.T) {
	t.Helper()
	require.NoError(t, w.Engine.Refresh(t.Context(), w.tenant))
}

// chain makes an approval chain for all of a type.
func (w *world) chain(name, typ, mode, auto string) uuid.UUID {
	id := uuid.Must(uuid.NewV7())
	w.SQL(`INSERT INTO sentinel.approval_chains (id, tenant_id, name, resource_type, resource_pattern, mode, approval_levels, auto_approve_conditions)
VALUES ($1, $2, $3, $4, $4 || ':*', $5, '[{"level": 1}]', $6)`, id, w.tenant, name, typ, mode, auto)
	return id
}

// request stores a request of ada's.
func (w *world) request(chain uuid.UUID, kind, status, details string, until *time.Time) uuid.UUID {
	id := uuid.Must(uuid.NewV7())
	w.SQL(`INSERT INTO sentinel.access_requests (id, tenant_id, requester_id, beneficiary_id, request_type, request_details, chain_id, status, grant_expires_at)
VALUES ($1, $2, $3, $3, $4, $5, $6, $7, $8)`, id, w.tenant, w.ada, kind, details, chain, status, until)
	return id
}

func TestDecide_TakesTheLivePolicies(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	w := setup(t, engine.Config{Library: library(t, 10*time.Second), Registerer: registry})
	require.True(t, w.may(w.ada))
	w.publish(1, map[string]string{"a": `deny contains {"reason": "closed"} if true`})
	w.refresh(t)
	d := w.Ask(w.tenant, w.ada, "vessel", "v-1", "read")
	require.Equal(t, []any{engine.PolicyDeny, []policy.Denial{{Policy: "tenant.a", Reason: "closed"}}}, []any{d.Code, d.Denials})

	w.plain(t, w.tenant, `UPDATE sentinel.roles SET priority = 3 WHERE id = $1`, w.role)
	require.Equal(t, engine.PolicyDeny, w.code(w.ada), "the graph is another, the policies are the same")
	w.publish(2, map[string]string{"a": `deny contains 1 if input.resource.id == "v-2"`, "b": `obligations contains {"log": true} if true`})
	w.refresh(t)
	d = w.Ask(w.tenant, w.ada, "vessel", "v-1", "read")
	require.Equal(t, []any{engine.Granted, 1}, []any{d.Code, len(d.Obligations)})
	require.Equal(t, engine.PolicyDeny, w.Ask(w.tenant, w.ada, "vessel", "v-2", "read").Code)

	doc, err := w.Engine.Document(t.Context(), w.tenant, 10)
	require.NoError(t, err)
	require.Len(t, doc.Policies, 2)
	err = w.DB.InReadTx(identity.WithTenant(t.Context(), w.tenant), func(tx *db.Tx) error {
		live, err := engine.LoadPublication(tx, w.tenant)
		require.NoError(t, err)
		require.Equal(t, []any{int64(2), 2}, []any{live.Revision, len(live.Texts)})
		return nil
	})
	require.NoError(t, err)
	w.publish(3, nil)
	w.refresh(t)
	require.True(t, w.Allowed(w.tenant, w.ada, "vessel", "v-2", "read"))
	doc, err = w.Engine.Document(t.Context(), w.tenant, 10)
	require.NoError(t, err)
	require.Empty(t, doc.Policies)
	require.InDelta(t, 0, failures(t, registry), 0)
}

// failures is how many failures of policies were counted.
func failures(t *testing.T, registry *prometheus.Registry) float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	sum := 0.0
	for _, f := range families {
		if f.GetName() == "sentinel_policy_failures_total" {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func TestDecide_DoesNotEvaluateWithPoliciesThatFail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ kind, body string }{
		"too long":      {"timeout", `deny contains 1 if { some x in numbers.range(1, 10000); some y in numbers.range(1, 10000); x + y == 0 }`},
		"two values":    {"conflict", "deny := {1} if true\n\ndeny := {2} if input.action == \"read\""},
		"a built-in":    {"builtin", `deny contains 1 if to_number(input.resource.id) > 1`},
		"malformed":     {"malformed", `deny := true`},
		"not Rego":      {"compile", `deny contains`},
		"another's":     {"compile", `deny contains 1 if data.sentinel_graph.subjects`},
		"without chain": {"malformed", `require_approval contains {"chain": "x"} if true`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			registry, d := prometheus.NewRegistry(), dbtest.New(t)
			decisions := audit.NewDecisions(audit.DecisionsConfig{DB: d.DB})
			w := setupOn(t, d, engine.Config{
				Library: library(t, 20*time.Millisecond), Registerer: registry, Decisions: decisions, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			w.SQL(`INSERT INTO sentinel.field_definitions (tenant_id, entity_type, field_name, field_type, storage_column) VALUES ($1, 'vessel', 'name', 'core', 'name')`, w.tenant)
			w.Permission(w.tenant, w.role, "vessel/*", "deny", "", "scrap")
			w.Permission(w.tenant, w.role, "api/users", "allow", "", "read")
			w.publish(1, map[string]string{"a": c.body})
			for range 2 {
				answer := w.Ask(w.tenant, w.ada, "vessel", "v-1", "read")
				require.Equal(t, []any{engine.NotEvaluated, false, 0}, []any{answer.Code, answer.Allowed, answer.TTL})
				require.Nil(t, answer.Fields)
				require.Empty(t, answer.Matched)
			}
			require.Positive(t, failures(t, registry))
			require.Equal(t, 1, strings.Count(log.String(), "policies could not be evaluated"), "the first is logged, all are counted")
			require.Contains(t, log.String(), "kind="+c.kind)
			require.True(t, w.Allowed(w.tenant, w.ada, "api", "users", "read"), "no policy has a say in it")
			final := w.Ask(w.tenant, w.ada, "vessel", "v-1", "scrap").Code
			require.Contains(t, []engine.Code{engine.ExplicitDeny, engine.NotEvaluated}, final)
			if c.kind == "compile" || c.kind == "malformed" {
				require.Equal(t, engine.ExplicitDeny, final)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			require.NoError(t, decisions.Run(ctx))
			require.Equal(t, 2, w.Count(`SELECT count(*) FROM sentinel.decision_logs WHERE NOT allowed AND reason_code = 'not_evaluated' AND question ->> 'action' = 'read'`))
			_, err := w.Engine.Document(t.Context(), w.tenant, 10)
			require.Equal(t, c.kind == "compile", err != nil)
		})
	}
}

func TestDecide_DoesNotEvaluateWithoutTheLibraryOrATextOfThePolicies(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	id := w.publish(1, map[string]string{"a": `deny contains 1 if false`})
	require.Equal(t, engine.NotEvaluated, w.code(w.ada))
	l := library(t, 10*time.Second)
	code := func() engine.Code {
		fresh := engine.New(engine.Config{DB: w.DB, Library: l})
		return fresh.Decide(t.Context(), &engine.Question{TenantID: w.tenant, UserID: w.ada, Type: "vessel", ID: "v-1", Action: "read"}).Code
	}
	require.Equal(t, engine.Granted, code())
	w.SQL(`REVOKE SELECT ON sentinel.policy_versions FROM sentinel_app`)
	require.Equal(t, engine.NotEvaluated, code())
	w.SQL(`GRANT SELECT ON sentinel.policy_versions TO sentinel_app`)
	w.SQL(`UPDATE sentinel.policy_revisions SET modules = modules || '[{"version_id": "`+uuid.NewString()+`"}]' WHERE id = $1`, id)
	require.Equal(t, engine.NotEvaluated, code())
	w.SQL(`UPDATE sentinel.policy_revisions SET modules = '[{"version_id": 1}]'`)
	require.Equal(t, engine.NotEvaluated, code())
}

func TestDecide_LoadsRequestsOfTheSubject(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	w := setup(t, engine.Config{Now: func() time.Time { return now }})
	chain, node := w.chain("gate", "vessel", "gate", "{}"), uuid.New()
	w.SQL(`INSERT INTO sentinel.resources (id, tenant_id, type, name, code, path) VALUES ($1, $2, 'vessel', 'known', 'known', '')`, node, w.tenant)
	until := now.Add(10 * time.Second)
	details := func(id, node, action string) string {
		return `{"resource_type": "vessel", "resource_id": "` + id + `", "node_id": "` + node + `", "action": "` + action + `"}`
	}
	pending := w.request(chain, "permission", "pending", details("v-1", "", "read"), nil)
	approved := w.request(chain, "permission", "approved", details("v-2", "", "read"), &until)
	access := w.request(chain, "resource_access", "approved", details("known", node.String(), ""), nil)
	for i, status := range []string{"denied", "expired", "cancelled", "revoked"} {
		w.request(chain, "permission", status, details("v-"+string(rune('4'+i)), "", "read"), nil)
	}
	w.request(chain, "permission", "approved", details("v-3", "no node", "read"), nil)
	w.SQL(`UPDATE sentinel.access_requests SET auto_approved = true WHERE id = $1`, w.request(chain, "permission", "approved", details("v-3", "", "read"), nil))
	ask := func(id string) *engine.Decision { return w.Ask(w.tenant, w.ada, "vessel", id, "read") }

	d := ask("v-1")
	require.Equal(t, []any{engine.ApprovalRequired, pending}, []any{d.Code, *d.RequestID})
	d = ask("v-2")
	require.Equal(t, []any{engine.GrantedByApproval, approved, 10}, []any{d.Code, *d.RequestID, d.TTL}, "an answer holds until an approval ends")
	d = ask("known")
	require.Equal(t, []any{engine.GrantedByApproval, access}, []any{d.Code, *d.RequestID})
	for _, id := range []string{"v-3", "v-4", "v-5", "v-6", "v-7"} {
		d = ask(id)
		require.Equal(t, engine.ApprovalRequired, d.Code, id)
		require.Nil(t, d.RequestID, id)
	}
	require.Equal(t, engine.NoMatchingPermission, w.code(w.bob))

	doc, err := w.Engine.Document(t.Context(), w.tenant, 10)
	require.NoError(t, err)
	requests := doc.Subjects[w.ada.String()].Requests
	require.Equal(t, []string{pending.String(), approved.String(), access.String()}, []string{requests[0].ID, requests[1].ID, requests[2].ID})
	require.Len(t, requests, 3)
	ends := until.UnixNano()
	require.Equal(t, policy.Request{ID: approved.String(), Status: "approved", Chain: chain.String(), Type: "vessel", ResourceID: "v-2", Action: "read", ExpiresAt: &ends}, requests[1])
	require.Equal(t, []string{"*", node.String(), "pending"}, []string{requests[2].Action, requests[2].Node, requests[0].Status})

	w.plain(t, w.tenant, `UPDATE sentinel.access_requests SET status = 'revoked' WHERE id = $1`, approved)
	require.Equal(t, engine.ApprovalRequired, ask("v-2").Code, "a revocation is seen by the next decision")
	now = until
	require.Equal(t, engine.GrantedByApproval, ask("known").Code)
}

func TestDecide_TTLIsNoneWhereTheClockIsRead(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{Library: library(t, time.Second), AutoApprove: true})
	for _, typ := range []string{"port", "berth", "crane"} {
		w.Permission(w.tenant, w.role, typ+"/*", "allow", "", "read")
	}
	w.SQL(`INSERT INTO sentinel.field_definitions (tenant_id, entity_type, field_name, field_type, storage_column) VALUES ($1, 'crane', 'name', 'core', 'name')`, w.tenant)
	w.Permission(w.tenant, w.role, "crane/*", "allow", `{"time_range": ["00:00", "23:59"]}`, "update")
	w.chain("by the clock", "port", "gate", `{"context.time": {"gt": "2020-01-01T00:00:00Z"}}`)
	w.publish(1, map[string]string{"a": "# METADATA\n# custom:\n#   applies_to:\n#     resource_types: [berth]\n---\ndeny contains 1 if input.context.time == \"never\""})
	for typ, ttl := range map[string]int{"vessel": 30, "port": 0, "berth": 0, "crane": 0} {
		d := w.Ask(w.tenant, w.ada, typ, "x", "read")
		require.Equal(t, []any{true, ttl}, []any{d.Allowed, d.TTL}, typ)
		require.Equal(t, typ == "port", d.AutoApproved)
	}
}

func TestDecide_RecordsWhatPoliciesAndApprovalsSaid(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	decisions := audit.NewDecisions(audit.DecisionsConfig{DB: d.DB})
	w := setupOn(t, d, engine.Config{Library: library(t, 10*time.Second), AutoApprove: true, Decisions: decisions})
	gate, auto := w.chain("gate", "vessel", "gate", "{}"), w.chain("auto", "port", "gate", `{"tenant.name": {"exists": true}}`)
	w.Permission(w.tenant, w.role, "port/*", "allow", "", "read")
	request := w.request(gate, "permission", "pending", `{"resource_type": "vessel", "resource_id": "v-1", "action": "read"}`, nil)
	w.publish(1, map[string]string{"a": "deny contains {\"reason\": \"no\"} if input.action == \"sail\"\n\nobligations contains {\"log\": true} if true"})
	want := map[uuid.UUID]string{
		w.Ask(w.tenant, w.ada, "vessel", "v-1", "read").ID: `{"approval_chain_id": "` + gate.String() + `", "approval_request_id": "` + request.String() + `"}`,
		w.Ask(w.tenant, w.ada, "port", "p-1", "read").ID:   `{"approval_chain_id": "` + auto.String() + `", "auto_approved": true, "obligations": [{"log": true, "policy": "tenant.a"}]}`,
		w.Ask(w.tenant, w.ada, "vessel", "v-1", "sail").ID: `{"denials": [{"policy": "tenant.a", "reason": "no"}]}`,
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, decisions.Run(ctx))
	for id, answer := range want {
		var got string
		w.Scan([]any{&got}, `SELECT CAST(answer - 'allowed' - 'reason_code' - 'matched_permissions' - 'matched_roles' AS text) FROM sentinel.decision_logs WHERE id = $1`, id)
		require.JSONEq(t, answer, got)
	}
}

func TestSurvey_SaysNothingOfFields(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	w.SQL(`INSERT INTO sentinel.field_definitions (tenant_id, entity_type, field_name, field_type, storage_column) VALUES ($1, 'vessel', 'name', 'core', 'name')`, w.tenant)
	w.SQL(`INSERT INTO sentinel.field_definitions (entity_type, field_name, field_type, storage_path, default_visibility) VALUES ('vessel', 'code', 'platform_dynamic', 'x', 'hidden')`)
	w.SQL(`INSERT INTO sentinel.field_definitions (tenant_id, entity_type, field_name, field_type, is_active) VALUES ($1, 'vessel', 'old', 'core', false)`, w.tenant)
	q := &engine.Question{TenantID: w.tenant, UserID: w.ada, Type: "vessel", ID: "v-1", Action: "sail"}
	require.Equal(t, map[string]map[string]string{"core": {"name": "read"}, "platform_dynamic": {"code": "hidden"}}, w.Engine.Decide(t.Context(), q).Fields)
	w.SQL(`UPDATE sentinel.permissions SET field_permissions = '{"name": ["write"]}' WHERE tenant_id = $1`, w.tenant)
	w.refresh(t)
	require.Equal(t, "hidden", w.Engine.Decide(t.Context(), q).Fields["core"]["name"], "what cannot be read hides")
	require.Nil(t, w.Engine.Survey(t.Context(), []*engine.Question{q})[0].Fields)
	doc, err := w.Engine.Document(t.Context(), w.tenant, 10)
	require.NoError(t, err)
	require.Equal(t, map[string]policy.Field{"name": {Tier: "core", Default: "read"}, "code": {Tier: "platform_dynamic", Default: "hidden"}}, doc.Fields["vessel"])
}

func TestDocument_HoldsChainsAndWorkflows(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{AutoApprove: true})
	w.SQL(`UPDATE sentinel.tenants SET settings = '{"allow_rules": true, "conflict_resolution": "most_specific"}' WHERE id = $1`, w.tenant)
	chain := w.chain("gate", "vessel", "gate", `{"resource.attributes.weight": {"lt": 1.50}}`)
	w.chain("of roles", "role", "gate", "{}")
	w.SQL(`INSERT INTO sentinel.resources (id, tenant_id, type, name, code, path, workflow_enabled, workflow_config) VALUES ($1, $2, 'vessel', 'n', 'n', '', true, '{"states": ["a"], "state": "a"}')`, uuid.Max, w.tenant)
	w.SQL(`UPDATE sentinel.permissions SET field_permissions = '{"name": "write"}' WHERE tenant_id = $1`, w.tenant)
	doc, err := w.Engine.Document(t.Context(), w.tenant, 10)
	require.NoError(t, err)
	require.Equal(t, []any{"most_specific", true, true}, []any{doc.Tenant.Conflict, doc.Tenant.AllowRules, doc.Tenant.AutoApprove})
	require.Equal(t, []policy.Chain{{
		ID: chain.String(), Name: "gate", Type: "vessel", Glob: "**", TypeWide: true, Mode: "gate",
		Levels: []any{map[string]any{"level": json.Number("1")}},
		Auto:   map[string]any{"resource.attributes.weight": map[string]any{"lt": json.Number("1.50")}},
	}}, doc.Chains)
	require.Equal(t, &policy.Workflow{State: "a", States: []string{"a"}, Actions: map[string]map[string][]string{}}, doc.Resources[uuid.Max.String()].Workflow)
	grant := doc.Grants["role:"+w.role.String()][0]
	require.Equal(t, []any{2, 0, map[string]string{"name": "write"}}, []any{grant.Class, grant.Literals, grant.Fields})
}
