package approvalchain

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// CreateIn is a new chain.
type CreateIn struct {
	Body directory.ChainInput
}

func (s *Service) create(ctx context.Context, in *CreateIn) (created httpapi.Created[Chain], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	caller, _ := identity.PrincipalFrom(ctx)
	checked, fields := in.Body.Validate(s.TimeoutHours, "")
	if fields != nil {
		return created, fault.Invalid(fields...)
	}
	m := &models.ApprovalChain{
		ID: uuid.Must(uuid.NewV7()), TenantID: tenant, CreatedBy: &caller.UserID, CreatedByTenant: &caller.HomeTenantID,
	}
	if err := in.Body.Apply(m, checked); err != nil {
		return created, err
	}
	err = s.Write.Granting(ctx, "approval_chain.create", func(w *change.Write) (granting.Change, error) {
		if err := directory.WritesChains(w); err != nil {
			return granting.Change{}, err
		}
		if err := directory.CheckApprovers(w.Tx, tenant, in.Body.ApprovalLevels, "approval_levels"); err != nil {
			return granting.Change{}, err
		}
		if err := directory.RoomForChains(w, tenant, 1); err != nil {
			return granting.Change{}, err
		}
		if err := w.Create(m).Error; err != nil {
			return granting.Change{}, refusals.Refused(fmt.Errorf("create approval chain: %w", err))
		}
		stored, err := reread(w, tenant, m.ID)
		if err != nil {
			return granting.Change{}, err
		}
		created = httpapi.Created[Chain]{Location: "/approval-chains/" + m.ID.String(), Data: *stored}
		return granting.Change{}, w.Record(event("create", nil, stored))
	})
	return created, err
}

func event(action string, before, after *Chain) audit.Event {
	e := audit.Event{Action: "approval_chain." + action, ResourceType: "approval_chain"}
	if before != nil {
		e.ResourceID, e.Before = before.ID, before
	}
	if after != nil {
		e.ResourceID, e.After = after.ID, after
	}
	return e
}

// UpdateIn changes the members given.
type UpdateIn struct {
	IDIn
	httpapi.IfMatchIn
	Body struct {
		Name                  *string                     `json:"name,omitempty" minLength:"1" maxLength:"255"`
		Description           httpapi.Opt[string]         `json:"description,omitempty" maxLength:"2000"`
		ResourceType          *string                     `json:"resource_type,omitempty" minLength:"1" maxLength:"100"`
		ResourcePattern       httpapi.Opt[string]         `json:"resource_pattern,omitempty" maxLength:"512" doc:"null: every id."`
		Mode                  *string                     `json:"mode,omitempty" enum:"gate,escalation"`
		ApprovalLevels        *[]approval.LevelSpec       `json:"approval_levels,omitempty" minItems:"1" maxItems:"20" doc:"Replaces them all."`
		AutoApproveConditions httpapi.Opt[httpapi.Object] `json:"auto_approve_conditions,omitempty" doc:"Replaces them all. null: none."`
		MaxDurationHours      httpapi.Opt[int]            `json:"max_duration_hours,omitempty" minimum:"1" maximum:"87600" doc:"null: no limit."`
		IsActive              *bool                       `json:"is_active,omitempty"`
	}
}

// merged is the whole chain after the merge, to be checked like a new one.
func (in *UpdateIn) merged(m *models.ApprovalChain) (*directory.ChainInput, error) {
	conditions, err := engine.DecodeObject([]byte(m.AutoApproveConditions))
	if err != nil {
		return nil, err
	}
	out := &directory.ChainInput{
		Name: m.Name, Description: m.Description, ResourceType: m.ResourceType, ResourcePattern: m.ResourcePattern, Mode: m.Mode,
		ApprovalLevels: levels(m), AutoApproveConditions: conditions, MaxDurationHours: m.MaxDurationHours, IsActive: &m.IsActive,
	}
	b := &in.Body
	httpapi.Set(&out.Name, b.Name)
	b.Description.To(&out.Description)
	httpapi.Set(&out.ResourceType, b.ResourceType)
	b.ResourcePattern.To(&out.ResourcePattern)
	httpapi.Set(&out.Mode, b.Mode)
	httpapi.Set(&out.ApprovalLevels, b.ApprovalLevels)
	b.AutoApproveConditions.To(&out.AutoApproveConditions)
	b.MaxDurationHours.ToPointer(&out.MaxDurationHours)
	if b.IsActive != nil {
		out.IsActive = b.IsActive
	}
	return out, nil
}

func (s *Service) update(ctx context.Context, in *UpdateIn) (out *Chain, err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.Granting(ctx, "approval_chain.update", func(w *change.Write) (granting.Change, error) {
		m, err := found(w, tenant, in.ID, in.IfMatchIn)
		if err != nil {
			return granting.Change{}, err
		}
		before := view(m)
		merged, err := in.merged(m)
		if err != nil {
			return granting.Change{}, err
		}
		checked, fields := merged.Validate(s.TimeoutHours, "")
		if fields != nil {
			return granting.Change{}, fault.Invalid(fields...)
		}
		if in.Body.ApprovalLevels != nil {
			if err := directory.CheckApprovers(w.Tx, tenant, merged.ApprovalLevels, "approval_levels"); err != nil {
				return granting.Change{}, err
			}
		}
		if err := merged.Apply(m, checked); err != nil {
			return granting.Change{}, err
		}
		if err := w.Save(m).Error; err != nil {
			return granting.Change{}, refusals.Refused(fmt.Errorf("update approval chain: %w", err))
		}
		if out, err = reread(w, tenant, m.ID); err != nil {
			return granting.Change{}, err
		}
		e := event("update", before, out)
		if before.IsActive && !out.IsActive {
			use, err := directory.UseOfChain(w, tenant, m.ID)
			if err != nil {
				return granting.Change{}, err
			}
			e.Detail = left(before, use)
		}
		return granting.Change{}, w.Record(e)
	})
	return out, err
}

// left says what a chain guarded that guards it no longer, and what goes through
// it: gates stand open then, and nothing is granted by an escalation.
func left(before *Chain, use directory.ChainUse) map[string]any {
	detail := map[string]any{"went_with_it": use}
	if before.IsActive {
		detail["no_longer_guarded"] = map[string]any{
			"resource_type": before.ResourceType, "resource_pattern": before.ResourcePattern, "mode": before.Mode,
		}
	}
	return detail
}

// DeleteIn names the chain to delete.
type DeleteIn struct {
	IDIn
	httpapi.IfMatchIn
}

func (s *Service) delete(ctx context.Context, in *DeleteIn) error {
	tenant, _ := identity.TenantFrom(ctx)
	return s.Write.Granting(ctx, "approval_chain.delete", func(w *change.Write) (granting.Change, error) {
		m, err := found(w, tenant, in.ID, in.IfMatchIn)
		if err != nil {
			return granting.Change{}, err
		}
		use, err := directory.UseOfChain(w, tenant, m.ID)
		if err != nil {
			return granting.Change{}, err
		}
		if err := use.Idle(m.Name); err != nil {
			return granting.Change{}, err
		}
		if err := w.Delete(m).Error; err != nil {
			return granting.Change{}, fmt.Errorf("delete approval chain: %w", err)
		}
		e := event("delete", view(m), nil)
		e.Detail = left(view(m), use)
		return granting.Change{}, w.Record(e)
	})
}

// found is a chain that is there, as the caller knows it, and theirs to write.
// Until the transaction ends no request begins to go through it.
func found(w *change.Write, tenant, id uuid.UUID, match httpapi.IfMatchIn) (*models.ApprovalChain, error) {
	m, err := crud.Locked[models.ApprovalChain](w.Tx, tenant, id, what)
	if err != nil {
		return nil, err
	}
	if err := match.Check(view(m).ETag()); err != nil {
		return nil, err
	}
	return m, directory.WritesChains(w)
}
