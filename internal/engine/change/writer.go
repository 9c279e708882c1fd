// Package change is the one way in which features write: a transaction in the
// caller's tenant, the granting rule, the audit event, and after the commit the
// refresh by which the next check sees the write. It knows nothing of what is
// written.
package change

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// Writer runs writes. Its fields are set once by the composition root.
type Writer struct {
	DB     *db.DB
	Engine *engine.Engine
	Audit  *audit.Log
	Logger *slog.Logger
}

// Write is a write under way, valid inside the function it is passed to.
type Write struct {
	*db.Tx
	// Judge is set in a granting write.
	Judge *granting.Judge
	// Now is the moment at which the write is judged.
	Now time.Time

	ctx   context.Context //nolint:containedctx // a Write lives inside one call
	audit *audit.Log
}

// Record adds an audit event to the transaction.
func (w *Write) Record(e audit.Event) error { return w.audit.Record(w.ctx, w.Tx, e) }

// RecordAll adds many audit events to the transaction, in order.
func (w *Write) RecordAll(events []audit.Event) error { return w.audit.RecordAll(w.ctx, w.Tx, events) }

// Plain runs a write by which nobody can do more than before.
func (w *Writer) Plain(ctx context.Context, fn func(w *Write) error) error {
	err := w.DB.InTx(ctx, func(tx *db.Tx) error {
		return fn(&Write{Tx: tx, Now: w.Engine.Now(), ctx: ctx, audit: w.Audit})
	})
	w.refresh(ctx, err)
	return err
}

// Granting runs a write by which somebody may gain. fn makes it, records its
// event and says what changed; then the granting rule judges the result, and
// nothing stays if it refuses. A refusal is audited on its own.
func (w *Writer) Granting(ctx context.Context, action string, fn func(w *Write) (granting.Change, error)) error {
	err := w.DB.InTx(ctx, func(tx *db.Tx) error {
		now := w.Engine.Now()
		judge, err := granting.Begin(ctx, tx, now)
		if err != nil {
			return err
		}
		change, err := fn(&Write{Tx: tx, Judge: judge, Now: now, ctx: ctx, audit: w.Audit})
		if err != nil {
			return err
		}
		return judge.Check(tx, now, change)
	})
	if fault.Is(err, fault.Denied) {
		w.recordDenial(ctx, action, err)
	}
	w.refresh(ctx, err)
	return err
}

// Refused audits a refusal of which no granting write knows, and returns it.
// Every other error it returns as it is.
func (w *Writer) Refused(ctx context.Context, action string, refusal error) error {
	if fault.Is(refusal, fault.Denied) {
		w.recordDenial(ctx, action, refusal)
	}
	return refusal
}

func (w *Writer) recordDenial(ctx context.Context, action string, cause error) {
	event := audit.Event{Action: action, Result: audit.Denied}
	var f *fault.Error
	if errors.As(cause, &f) {
		event.Detail = map[string]any{"message": f.Message}
		for k, v := range f.Details {
			event.Detail[k] = v
		}
	}
	err := w.DB.InTx(ctx, func(tx *db.Tx) error { return w.Audit.Record(ctx, tx, event) })
	if err != nil {
		w.Logger.ErrorContext(ctx, "audit a refused write", "error", err, "action", action)
	}
}

// refreshTimeout bounds how long the caller of a write that has succeeded waits
// for a database that answers no more.
const refreshTimeout = 10 * time.Second

// refresh makes the write visible on this replica before the caller is
// answered. The write has succeeded whatever comes of it.
func (w *Writer) refresh(ctx context.Context, failed error) {
	if failed != nil {
		return
	}
	tenant, ok := identity.TenantFrom(ctx)
	if !ok {
		return
	}
	refreshing, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTimeout)
	defer cancel()
	if err := w.Engine.Refresh(refreshing, tenant); err != nil {
		w.Logger.WarnContext(ctx, "refresh after a write", "error", err, "tenant_id", tenant)
	}
}
