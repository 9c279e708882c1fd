package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// Simulation is what questions are answered as a tenant is, and as it would be
// after a change, both at one moment.
type Simulation struct {
	Before, After []*Decision
	// Revision is the token of the state that both start from.
	Revision string
}

// Simulate answers questions, all in one tenant, twice: as the tenant is, and as
// change makes it. Nothing is written and nothing recorded, whatever comes of it.
// change may fail with a fault, which Simulate returns.
func (e *Engine) Simulate(ctx context.Context, tenant uuid.UUID, questions []*Question, change func(*State) error) (*Simulation, error) {
	select {
	case e.simulations <- struct{}{}:
		defer func() { <-e.simulations }()
	case <-ctx.Done():
		return nil, fault.New(fault.Unavailable, "Too many changes are being simulated. Ask again later.").Because(ctx.Err())
	}
	users := make([]uuid.UUID, len(questions))
	for i, q := range questions {
		users[i] = q.UserID
	}
	var (
		state  *State
		before *Snapshot
		out    Simulation
	)
	err := e.db.InReadTx(identity.WithTenant(ctx, tenant), func(tx *db.Tx) (err error) {
		if state, before, err = readState(tx, tenant, users, e.loadOptions(e.loaded(tenant))); err != nil {
			return err
		}
		revisions, epoch, err := loadRevisions(tx, before.sources)
		if err != nil {
			return err
		}
		out.Revision = token(before, revisions, epoch)
		return change(state)
	})
	if errors.Is(err, errNoTenant) {
		return nil, fault.NotFound("tenant").Because(err)
	}
	if err != nil {
		return nil, err
	}
	after, err := NewSnapshot(state.Tenant, state.Rows)
	if err != nil {
		return nil, fmt.Errorf("simulate a change: %w", err)
	}
	if err := after.CheckDepth(); err != nil {
		return nil, err
	}
	e.compile(ctx, before)
	after.policies = before.policies
	now := e.Now()
	for _, q := range questions {
		if ctx.Err() != nil {
			return nil, fault.New(fault.Unavailable, "The simulation was given up before it was done. Ask fewer questions at once.").Because(ctx.Err())
		}
		out.Before = append(out.Before, before.Decide(ctx, q, state.stored[q.UserID], now))
		out.After = append(out.After, after.Decide(ctx, q, state.now(q.UserID), now))
	}
	return &out, nil
}
