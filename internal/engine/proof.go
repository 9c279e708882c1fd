package engine

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
)

// AutoApproval is an answer that the conditions of an approval chain opened.
type AutoApproval struct {
	TenantID, UserID uuid.UUID
	// Type, ResourceID and Node name the resource as a [Request] does.
	Type, ResourceID string
	Node             uuid.UUID
	Action           string
	// Chain is that one; an answer can need several.
	Chain *approval.Chain
	// At is the moment for which it holds.
	At time.Time
}

// prove has the answers written down that conditions opened. They are pure
// results; what nobody could look up later must not be acted on.
func (e *Engine) prove(ctx context.Context, decisions []*Decision) {
	if e.cfg.Prove == nil {
		return
	}
	var opened []AutoApproval
	for _, d := range decisions {
		for _, chain := range d.opened {
			opened = append(opened, d.autoApproval(chain))
		}
	}
	if opened == nil {
		return
	}
	err := e.cfg.Prove(ctx, opened)
	if err == nil {
		return
	}
	e.log.ErrorContext(ctx, "write down what conditions approved", "error", err, "tenant_id", opened[0].TenantID)
	for _, d := range decisions {
		if d.opened != nil {
			d.withhold()
		}
	}
}

func (d *Decision) autoApproval(chain *approval.Chain) AutoApproval {
	a := AutoApproval{
		TenantID: d.question.TenantID, UserID: d.question.UserID, Type: d.question.Type, ResourceID: d.question.ID,
		Action: d.question.Action, Chain: chain, At: d.now,
	}
	if node := d.snapshot.Find(a.Type, a.ResourceID); node != nil {
		a.Node, a.ResourceID = node.ID, node.Code
	}
	return a
}

// withhold makes the answer the one of a question that was not evaluated.
func (d *Decision) withhold() {
	d.Code, d.Allowed, d.TTL = NotEvaluated, false, 0
	d.Matched, d.Denials, d.Obligations, d.Fields = nil, nil, nil, nil
	d.Chain, d.RequestID, d.AutoApproved, d.opened = nil, nil, false, nil
}
