package tenant

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
)

// StateIn switches a tenant on or off.
type StateIn struct {
	IDIn
	Body *struct {
		Reason string `json:"reason,omitempty" maxLength:"500" doc:"Kept in the audit log."`
	}
}

func (s *Service) activate(ctx context.Context, in *StateIn) (*Tenant, error) {
	return s.turn(ctx, in, "tenant.activate", true)
}

func (s *Service) deactivate(ctx context.Context, in *StateIn) (*Tenant, error) {
	return s.turn(ctx, in, "tenant.deactivate", false)
}

// turn sets whether a tenant is active. One that is so already stays as it is,
// and no event says otherwise. Who acts from a tenant never acts from above it,
// so nobody shuts themselves out.
func (s *Service) turn(ctx context.Context, in *StateIn, action string, active bool) (out *Tenant, err error) {
	if ctx, err = s.enter(ctx, in.ID); err != nil {
		return nil, err
	}
	if err := s.administers(ctx, in.ID, true); err != nil {
		return nil, s.recorded(ctx, action, err)
	}
	if err := changeable(in.ID); err != nil {
		return nil, err
	}
	reason := map[string]any{}
	if in.Body != nil && in.Body.Reason != "" {
		reason["reason"] = in.Body.Reason
	}
	err = s.Write.Granting(ctx, action, func(w *change.Write) (granting.Change, error) {
		out, err = set(w, in.ID, action, active, reason)
		return granting.Change{}, err
	})
	return out, err
}

func set(w *change.Write, id uuid.UUID, action string, active bool, reason map[string]any) (*Tenant, error) {
	m, err := locked(w.Tx, id)
	if err != nil {
		return nil, err
	}
	before := view(m)
	if m.IsActive == active {
		return before, nil
	}
	m.IsActive = active
	if err := w.Save(m).Error; err != nil {
		return nil, fmt.Errorf("%s: %w", action, err)
	}
	if m, err = find(w.Tx, id); err != nil {
		return nil, err
	}
	after := view(m)
	return after, w.Record(audit.Event{Action: action, ResourceType: "tenant", ResourceID: id, Before: before, After: after, Detail: reason})
}
