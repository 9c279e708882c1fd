package engine_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

// selfApproving is a tenant in which Ada may read papers, those of the chain only with
// an approval, which conditions give to her.
func selfApproving(t *testing.T, prove func(context.Context, []engine.AutoApproval) error) (w *tenanttest.World, tenant, ada uuid.UUID) {
	t.Helper()
	t.Parallel()
	w = tenanttest.New(t, dbtest.New(t), engine.Config{AutoApprove: true, Prove: prove})
	tenant = w.Tenant()
	ada = w.User(tenant, "ada")
	role := w.Role(tenant, "reader", 1, uuid.Nil)
	w.Permission(tenant, role, "paper/*", "allow", "", "read")
	w.Assign(tenant, ada, role)
	w.SQL(`
INSERT INTO sentinel.approval_chains (tenant_id, name, resource_type, resource_pattern, approval_levels, auto_approve_conditions)
VALUES ($1, 'papers', 'paper', 'secret*', '[{"level":1,"approvers":{"any_of":[{"user":"`+ada.String()+`","min":1}]},"timeout_hours":48}]', '{"subject.username": "ada"}')`, tenant)
	return w, tenant, ada
}

func TestProve_IsToldOfWhatConditionsOpened(t *testing.T) {
	var told []engine.AutoApproval
	w, tenant, ada := selfApproving(t, func(_ context.Context, opened []engine.AutoApproval) error {
		told = append(told, opened...)
		return nil
	})
	node := uuid.Must(uuid.NewV7())
	w.SQL(`INSERT INTO sentinel.resources (id, tenant_id, type, name, code) VALUES ($1, $2, 'paper', 'x', 'secret-node')`, node, tenant)
	ask := func(id string) *engine.Question {
		return &engine.Question{TenantID: tenant, UserID: ada, Type: "paper", ID: id, Action: "read"}
	}
	got := w.Engine.DecideAll(t.Context(), []*engine.Question{ask("open"), ask("secret-1"), ask(node.String()), {TenantID: tenant, UserID: ada, Type: "paper", ID: "secret-1", Action: "burn"}})
	codes := make([]engine.Code, len(got))
	for i, d := range got {
		codes[i] = d.Code
	}
	require.Equal(t, []engine.Code{engine.Granted, engine.GrantedByApproval, engine.GrantedByApproval, engine.NoMatchingPermission}, codes)
	require.Len(t, told, 2)
	require.Equal(t, "secret-1", told[0].ResourceID)
	require.Equal(t, uuid.Nil, told[0].Node)
	require.Equal(t, "secret-node", told[1].ResourceID, "a registered node by its code")
	require.Equal(t, node, told[1].Node)
	require.Equal(t, "papers", told[0].Chain.Name)
	require.Equal(t, []any{tenant, ada, "paper", "read"}, []any{told[0].TenantID, told[0].UserID, told[0].Type, told[0].Action})

	w.Engine.Survey(t.Context(), []*engine.Question{ask("secret-2")})
	require.Len(t, told, 2, "a menu proves nothing")
}

func TestProve_WithholdsWhatCannotBeWrittenDown(t *testing.T) {
	w, tenant, ada := selfApproving(t, func(context.Context, []engine.AutoApproval) error { return errors.New("no room") })
	ask := func(id string) *engine.Question {
		return &engine.Question{TenantID: tenant, UserID: ada, Type: "paper", ID: id, Action: "read"}
	}
	got := w.Engine.DecideAll(t.Context(), []*engine.Question{ask("open"), ask("secret-1")})
	require.True(t, got[0].Allowed, "another answer of the batch stands")
	d := got[1]
	require.False(t, d.Allowed)
	require.Equal(t, engine.NotEvaluated, d.Code)
	require.Zero(t, d.TTL)
	require.Empty(t, d.Matched)
	require.Nil(t, d.Chain)
	require.False(t, d.AutoApproved)
}
