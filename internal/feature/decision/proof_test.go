package decision

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

// proven is a tenant with a subject and a chain.
type proven struct {
	*tenanttest.World
	t            *testing.T
	tenant, user uuid.UUID
	chain        *approval.Chain
	ctx          context.Context //nolint:containedctx // carries the caller of a test
	at           time.Time
}

func newProven(t *testing.T) *proven {
	t.Helper()
	t.Parallel()
	w := tenanttest.New(t, dbtest.New(t), engine.Config{})
	p := &proven{World: w, t: t, tenant: w.Tenant(), at: time.Now().UTC().Truncate(time.Microsecond)}
	p.user = w.User(p.tenant, "ada")
	p.ctx = w.As(p.tenant, p.user)
	p.chain = p.guard(p.tenant, "papers")
	return p
}

// guard makes a chain of one level.
func (p *proven) guard(tenant uuid.UUID, name string) *approval.Chain {
	p.t.Helper()
	c := &approval.Chain{
		ID: uuid.Must(uuid.NewV7()), Name: name, Mode: approval.Gate,
		RawLevels: fmt.Appendf(nil, `[{"level":1,"approvers":{"any_of":[{"user":%q,"min":1}]},"timeout_hours":48}]`, p.user),
	}
	p.SQL(`INSERT INTO sentinel.approval_chains (id, tenant_id, name, resource_type, mode, approval_levels) VALUES ($1, $2, $3, 'paper', 'gate', $4)`,
		c.ID, tenant, name, string(c.RawLevels))
	return c
}

func (p *proven) opened(id string, after time.Duration) engine.AutoApproval {
	return engine.AutoApproval{TenantID: p.tenant, UserID: p.user, Type: "paper", ResourceID: id, Action: "read", Chain: p.chain, At: p.at.Add(after)}
}

func (p *proven) proofs() *Proofs { return &Proofs{Write: p.Writer} }

func (p *proven) rows() int {
	p.t.Helper()
	n := p.Count(`SELECT count(*) FROM sentinel.access_requests WHERE tenant_id = $1`, p.tenant)
	require.Equal(p.t, n, p.Count(`SELECT count(*) FROM sentinel.audit_logs WHERE tenant_id = $1 AND action = 'access_request.auto_approve' AND actor_id = $2`, p.tenant, p.user),
		"an event for each row")
	return n
}

func TestProofs_AreApprovedAndOver(t *testing.T) {
	p := newProven(t)
	require.NoError(t, p.proofs().Record(p.ctx, []engine.AutoApproval{p.opened("4711", 0)}))
	require.Equal(t, 1, p.Count(`
SELECT count(*)
FROM sentinel.access_requests
WHERE tenant_id = $1
AND requester_id = $2 AND beneficiary_id = $2
AND chain_id = $3
AND request_type = 'permission' AND request_details = '{"resource_type": "paper", "resource_id": "4711", "action": "read"}'
AND status = 'approved' AND auto_approved
AND decided_at = $4 AND grant_expires_at = $4
AND chain_snapshot ->> 'name' = 'papers' AND chain_snapshot #>> '{levels,0,level}' = '1'`, p.tenant, p.user, p.chain.ID, p.at))
	require.Equal(t, 1, p.rows())
}

func TestProofs_OneAnHourStandsForAll(t *testing.T) {
	p := newProven(t)
	first, other := p.proofs(), p.proofs() // two replicas
	for i, step := range []struct {
		by   *Proofs
		id   string
		at   time.Duration
		rows int
	}{
		{first, "1", 0, 1},
		{first, "1", time.Minute, 1},
		{other, "1", 59 * time.Minute, 1},
		{first, "2", 0, 2},
		{first, "", 0, 3},
		{other, "", time.Minute, 3},
		{first, "1", time.Hour, 4},
		{other, "1", time.Hour, 4},
		{other, "1", 61 * time.Minute, 4},
	} {
		require.NoError(t, step.by.Record(p.ctx, []engine.AutoApproval{p.opened(step.id, step.at)}))
		require.Equal(t, step.rows, p.rows(), "step %d", i)
	}
	changed := p.opened("1", 2*time.Minute)
	edited := *p.chain
	edited.RawLevels = fmt.Appendf(nil, `[{"level":1,"approvers":{"any_of":[{"user":%q,"min":1}]},"timeout_hours":4}]`, p.user)
	changed.Chain = &edited
	require.NoError(t, first.Record(p.ctx, []engine.AutoApproval{changed}))
	require.Equal(t, 5, p.rows(), "a chain that was edited has its own")
	node := p.opened("1", 0)
	node.Node = uuid.Must(uuid.NewV7())
	require.NoError(t, first.Record(p.ctx, []engine.AutoApproval{node}))
	require.Equal(t, 6, p.rows(), "a registered node is another resource than an instance of that name")
}

func TestProofs_OfABatchGoTogether(t *testing.T) {
	p := newProven(t)
	proofs := p.proofs()
	var batch []engine.AutoApproval
	for i := range 300 {
		batch = append(batch, p.opened(fmt.Sprint(i%250), 0))
	}
	require.NoError(t, proofs.Record(p.ctx, batch[:10]))
	require.NoError(t, proofs.Record(p.ctx, batch))
	require.Equal(t, 250, p.rows())
	require.Len(t, proofs.written, 250)
}

func TestProofs_ManyAtOnceWriteOne(t *testing.T) {
	p := newProven(t)
	var wait sync.WaitGroup
	for range 8 {
		proofs := p.proofs()
		wait.Go(func() {
			if err := proofs.Record(p.ctx, []engine.AutoApproval{p.opened("1", 0)}); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	require.Equal(t, 1, p.rows())
}

func TestProofs_FailWhereNothingCanBeWritten(t *testing.T) {
	p := newProven(t)
	proofs := p.proofs()
	gone, stranger, strange := p.opened("1", 0), p.opened("1", 0), p.opened("1", 0)
	gone.Chain = &approval.Chain{ID: uuid.Must(uuid.NewV7()), Mode: approval.Gate, RawLevels: p.chain.RawLevels}
	stranger.Chain = p.guard(p.Tenant(), "papers")
	strange.Chain = &approval.Chain{ID: p.chain.ID, RawLevels: []byte(`[{"level":2}]`)}
	for name, a := range map[string]engine.AutoApproval{"a chain that is gone": gone, "another tenant's": stranger, "levels that nobody can read": strange} {
		require.Error(t, proofs.Record(p.ctx, []engine.AutoApproval{p.opened("2", 0), a}), name)
	}
	require.Zero(t, p.rows(), "all or none")
	require.Empty(t, proofs.written, "what was not written is not remembered")
	ended, cancel := context.WithCancel(p.ctx)
	cancel()
	require.ErrorIs(t, proofs.Record(ended, []engine.AutoApproval{p.opened("1", 0)}), context.Canceled)
}

func TestProofs_RememberABoundedNumber(t *testing.T) {
	t.Parallel()
	p := &Proofs{}
	for i := range mostProofs + 1 {
		p.remember([]*proofRow{{key: proof{resource: fmt.Sprint(i)}}})
		require.LessOrEqual(t, len(p.written), mostProofs)
	}
	require.True(t, p.knows(&proofRow{key: proof{resource: fmt.Sprint(mostProofs)}}))
	require.False(t, p.knows(&proofRow{key: proof{resource: "0"}}), "what is forgotten is looked up")
}
