package decision

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/models"
)

const (
	// proofEvery is how long one row stands for the answers of the same kind that
	// follow it.
	proofEvery = time.Hour
	// mostProofs bounds what is remembered of rows, here and there: what is
	// forgotten is looked up.
	mostProofs = 10_000
)

// Proofs writes down what the conditions of approval chains opened: an access
// request that is approved and over, which grants nothing. There is one an hour
// for a subject, a chain as it stands, a resource and an action.
type Proofs struct {
	Write *change.Writer

	mu sync.Mutex
	// written are the moments of the rows that this replica knows of.
	written map[proof]time.Time
}

// proof is what tells one row from another.
type proof struct {
	tenant, user, chain, node uuid.UUID
	typ, resource, action     string
	// name, mode and the digest of the levels are the chain as it stands.
	name   string
	mode   approval.Mode
	levels [sha256.Size]byte
}

// proofRow is a row to be written. What it says is made when it is: most answers
// have theirs already.
type proofRow struct {
	key      proof
	at       time.Time
	chain    *approval.Chain
	details  models.JSON
	snapshot models.JSON
}

// Record is the engine's Prove: it returns once every answer has its row.
func (p *Proofs) Record(ctx context.Context, opened []engine.AutoApproval) error {
	var rows []*proofRow
	seen := map[proof]bool{}
	for i := range opened {
		row := newProof(&opened[i])
		if seen[row.key] || p.knows(row) {
			continue
		}
		if err := row.fill(); err != nil {
			return err
		}
		seen[row.key], rows = true, append(rows, row)
	}
	if rows == nil {
		return nil
	}
	ctx = identity.WithTenant(ctx, opened[0].TenantID)
	err := p.Write.Plain(ctx, func(w *change.Write) error {
		return writeProofs(ctx, w, opened[0].TenantID, opened[0].UserID, rows)
	})
	if err != nil {
		return fmt.Errorf("write %d automatic approvals: %w", len(rows), err)
	}
	p.remember(rows)
	return nil
}

func newProof(a *engine.AutoApproval) *proofRow {
	return &proofRow{
		key: proof{
			tenant: a.TenantID, user: a.UserID, chain: a.Chain.ID, node: a.Node, typ: a.Type, resource: a.ResourceID, action: a.Action,
			name: a.Chain.Name, mode: a.Chain.Mode, levels: sha256.Sum256(a.Chain.RawLevels),
		},
		at: a.At, chain: a.Chain,
	}
}

// fill makes what the row says.
func (r *proofRow) fill() error {
	levels, wrong := approval.ParseLevels(r.chain.RawLevels, approval.DefaultTimeoutHours, "approval_levels")
	if wrong != nil {
		return fmt.Errorf("approval chain %s: %s %s", r.chain.ID, wrong[0].Path, wrong[0].Message)
	}
	var err error
	if r.snapshot, err = (&approval.Snapshot{ID: r.chain.ID, Name: r.chain.Name, Mode: r.chain.Mode, Levels: levels}).JSON(); err != nil {
		return err
	}
	details := approval.Details{Asked: approval.Asked{ResourceType: r.key.typ, ResourceID: r.key.resource, Action: r.key.action}}
	if r.key.node != uuid.Nil {
		details.NodeID = &r.key.node
	}
	if r.details, err = json.Marshal(details); err != nil {
		return fmt.Errorf("encode an automatic approval: %w", err)
	}
	return nil
}

// knows reports whether a row of the last hour stands for it already.
func (p *Proofs) knows(row *proofRow) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, ok := p.written[row.key]
	return ok && row.at.Before(at.Add(proofEvery))
}

// remember keeps the moments of rows. When there are too many it forgets all.
func (p *Proofs) remember(rows []*proofRow) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.written == nil || len(p.written)+len(rows) > mostProofs {
		p.written = make(map[proof]time.Time, len(rows))
	}
	for _, row := range rows {
		p.written[row.key] = row.at
	}
}

// writeProofs writes the rows of one subject that are not there yet, each with
// its event. The subject's row is held meanwhile, so that two replicas do not
// write the same.
func writeProofs(ctx context.Context, w *change.Write, tenant, user uuid.UUID, rows []*proofRow) error {
	_, err := w.Pgx.Exec(ctx, `
SELECT 1
FROM sentinel.users
WHERE tenant_id = $1
AND id = $2
FOR NO KEY UPDATE`, tenant, user)
	if err != nil {
		return fmt.Errorf("hold the subject: %w", err)
	}
	byID := make(map[uuid.UUID]*proofRow, len(rows))
	var ids, chains []uuid.UUID
	var details, snapshots []string
	var moments []time.Time
	for _, row := range rows {
		id := uuid.Must(uuid.NewV7())
		byID[id], ids, chains, moments = row, append(ids, id), append(chains, row.key.chain), append(moments, row.at)
		details, snapshots = append(details, string(row.details)), append(snapshots, string(row.snapshot))
	}
	// What was made long ago is left out by the index: the hour is that of the
	// questions, which tests set.
	written, err := w.Pgx.Query(ctx, `
INSERT INTO sentinel.access_requests
  (id, tenant_id, requester_id, beneficiary_id, request_type, request_details, chain_id, chain_snapshot, status, auto_approved, decided_at, grant_expires_at)
SELECT p.id, $1, $2, $2, 'permission', p.details::jsonb, p.chain, p.snapshot::jsonb, 'approved', true, p.at, p.at
FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[]) AS p (id, chain, details, snapshot, at)
WHERE NOT EXISTS (
  SELECT 1
  FROM sentinel.access_requests r
  WHERE r.tenant_id = $1
  AND r.beneficiary_id = $2
  AND r.status = 'approved'
  AND r.created_at > now() - 2 * $8::interval
  AND r.auto_approved
  AND r.chain_id = p.chain
  AND r.request_details = p.details::jsonb
  AND r.chain_snapshot = p.snapshot::jsonb
  AND r.decided_at > p.at - $8::interval)
RETURNING id`, tenant, user, ids, chains, details, snapshots, moments, proofEvery)
	if err != nil {
		return fmt.Errorf("write the rows: %w", err)
	}
	made, err := pgx.CollectRows(written, pgx.RowTo[uuid.UUID])
	if err != nil {
		return fmt.Errorf("write the rows: %w", err)
	}
	events := make([]audit.Event, len(made))
	for i, id := range made {
		row := byID[id]
		events[i] = audit.Event{Action: "access_request.auto_approve", ResourceType: "access_request", ResourceID: id, After: map[string]any{
			"beneficiary_id": user, "request_type": "permission", "request_details": json.RawMessage(row.details),
			"chain_id": row.key.chain, "status": "approved", "auto_approved": true, "decided_at": row.at, "grant_expires_at": row.at,
		}}
	}
	return w.RecordAll(events)
}
