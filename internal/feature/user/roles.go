package user

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// Assignment is a role that a user has of their own.
type Assignment struct {
	RoleID    uuid.UUID  `json:"role_id"`
	IsActive  bool       `json:"is_active"`
	ValidFrom *time.Time `json:"valid_from" nullable:"true" doc:"Before it the assignment does not count."`
	ExpiresAt *time.Time `json:"expires_at" nullable:"true" doc:"From it on the assignment does not count."`
	GrantedBy *uuid.UUID `json:"granted_by" nullable:"true"`
	GrantedAt time.Time  `json:"granted_at"`
}

func viewAssignment(m *models.UserRole) *Assignment {
	return &Assignment{
		RoleID: m.RoleID, IsActive: m.IsActive, ValidFrom: m.ValidFrom, ExpiresAt: m.ExpiresAt,
		GrantedBy: m.GrantedBy, GrantedAt: m.GrantedAt,
	}
}

// RolesIn lists a user's own roles.
type RolesIn struct {
	IDIn
	httpapi.PageIn
}

func (s *Service) roles(ctx context.Context, in *RolesIn) (page httpapi.Page[Assignment], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		if _, err := crud.One[models.User](tx, tenant, in.ID, "user"); err != nil {
			return err
		}
		page, err = crud.List(tx.Where("tenant_id = ? AND user_id = ?", tenant, in.ID), in.PageIn, crud.Order{}, viewAssignment)
		return err
	})
	return page, err
}

// AssignIn assigns a role.
type AssignIn struct {
	IDIn
	Body struct {
		RoleID    uuid.UUID  `json:"role_id" doc:"A role of this tenant, of an ancestor from which it inherits, or a system role."`
		ValidFrom *time.Time `json:"valid_from,omitempty" doc:"Default: at once."`
		ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"Default: never."`
	}
}

func (s *Service) assign(ctx context.Context, in *AssignIn) (out *Assignment, err error) {
	tenant, _ := identity.TenantFrom(ctx)
	b := &in.Body
	if fields := directory.CheckValidity(b.ValidFrom, b.ExpiresAt, ""); fields != nil {
		return nil, fault.Invalid(fields...)
	}
	err = s.Write.Granting(ctx, "user.assign_role", func(w *change.Write) (granting.Change, error) {
		if _, err := crud.Locked[models.User](w.Tx, tenant, in.ID, "user"); err != nil {
			return granting.Change{}, err
		}
		owners, err := directory.AssignableRoles(w, []uuid.UUID{b.RoleID}, "role_id")
		if err != nil {
			return granting.Change{}, err
		}
		row := directory.Assignment(ctx, w, in.ID, b.RoleID, owners[b.RoleID])
		row.ValidFrom, row.ExpiresAt = b.ValidFrom, b.ExpiresAt
		err = w.Clauses(directory.AssignedAgain()).Create(&row).Error
		if err != nil {
			return granting.Change{}, directory.RefusedRole(fmt.Errorf("assign role: %w", err))
		}
		out = viewAssignment(&row)
		return granting.Change{Accounts: []uuid.UUID{in.ID}, Handed: []string{rbac.Role(b.RoleID)}},
			w.Record(audit.Event{Action: "user.assign_role", ResourceType: "user", ResourceID: in.ID, After: out})
	})
	return out, err
}

// UnassignIn names one role of a user.
type UnassignIn struct {
	IDIn
	RoleID uuid.UUID `path:"role_id"`
}

func (s *Service) unassign(ctx context.Context, in *UnassignIn) error {
	tenant, _ := identity.TenantFrom(ctx)
	return s.Write.Granting(ctx, "user.unassign_role", func(w *change.Write) (granting.Change, error) {
		if _, err := crud.Locked[models.User](w.Tx, tenant, in.ID, "user"); err != nil {
			return granting.Change{}, err
		}
		gone := w.Where("tenant_id = ? AND user_id = ? AND role_id = ?", tenant, in.ID, in.RoleID).Delete(&models.UserRole{})
		if gone.Error != nil {
			return granting.Change{}, fmt.Errorf("take role: %w", gone.Error)
		}
		if gone.RowsAffected == 0 {
			return granting.Change{}, fault.NotFound("role of the user")
		}
		return granting.Change{Accounts: []uuid.UUID{in.ID}, Handed: []string{rbac.Role(in.RoleID)}, Removal: true},
			w.Record(audit.Event{Action: "user.unassign_role", ResourceType: "user", ResourceID: in.ID, Before: map[string]any{"role_id": in.RoleID}})
	})
}

// has names all that an account holds of its own, for the judge.
func has(w *change.Write, tenant, user uuid.UUID) ([]string, error) {
	held, err := directory.HeldBy(w.Tx, tenant, []uuid.UUID{user})
	if err != nil {
		return nil, err
	}
	return held[user].Nodes(), nil
}
