package role

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// custom finds a role of the tenant that may be changed, held against others.
// System roles are there for every tenant, and refused as such.
func custom(w *change.Write, tenant, id uuid.UUID) (*models.Role, error) {
	if role := w.Judge.Role(rbac.Role(id)); role != nil && role.IsSystem {
		return nil, fault.Conflict("", "System roles can be used, not changed. Make a role of your own instead.")
	}
	return crud.Locked[models.Role](w.Tx, tenant, id, "role")
}

func (s *Service) update(ctx context.Context, in *UpdateIn) (*Detail, error) {
	tenant, _ := identity.TenantFrom(ctx)
	var made *Role
	err := s.Write.Granting(ctx, "role.update", func(w *change.Write) (granting.Change, error) {
		m, err := custom(w, tenant, in.ID)
		if err != nil {
			return granting.Change{}, err
		}
		before := view(m)
		if err := directory.CheckRow(in.IfMatchIn, before.ETag()); err != nil {
			return granting.Change{}, err
		}
		content := []string{rbac.Role(m.ID)}
		if m.ParentRoleID != nil {
			content = append(content, rbac.Role(*m.ParentRoleID))
		}
		b := &in.Body
		httpapi.Set(&m.Name, b.Name)
		b.DisplayName.To(&m.DisplayName)
		b.Description.To(&m.Description)
		httpapi.Set(&m.Priority, b.Priority)
		httpapi.Set(&m.IsAssignable, b.IsAssignable)
		httpapi.Set(&m.IsActive, b.IsActive)
		b.ParentRoleID.ToPointer(&m.ParentRoleID)
		if b.Metadata.Set {
			m.Metadata = models.Object(b.Metadata.Value)
		}
		if b.ParentRoleID.Set && m.ParentRoleID != nil {
			if err := crud.Exist[models.Role](w.Tx, tenant, []uuid.UUID{*m.ParentRoleID}, "parent_role_id", "role"); err != nil {
				return granting.Change{}, err
			}
			if err := directory.Roles().Acyclic(w, tenant, m.ID, m.Name, *m.ParentRoleID); err != nil {
				return granting.Change{}, err
			}
			content = append(content, rbac.Role(*m.ParentRoleID))
		}
		if err := w.Save(m).Error; err != nil {
			return granting.Change{}, refusals.Refused(fmt.Errorf("update role: %w", err))
		}
		if m, err = crud.One[models.Role](w.Tx, tenant, m.ID, "role"); err != nil {
			return granting.Change{}, err
		}
		made = view(m)
		return granting.Change{Nodes: content[:1], Content: content},
			w.Record(audit.Event{Action: "role.update", ResourceType: "role", ResourceID: m.ID, Before: before, After: made})
	})
	if err != nil {
		return nil, err
	}
	return s.written(ctx, made), nil
}

// DeleteIn names the role to delete.
type DeleteIn struct {
	IDIn
	httpapi.IfMatchIn
}

// deleted is what the audit event keeps of a role.
type deleted struct {
	*Role
	Lost directory.LossOfRole `json:"went_with_it"`
}

func (s *Service) delete(ctx context.Context, in *DeleteIn) error {
	tenant, _ := identity.TenantFrom(ctx)
	return s.Write.Granting(ctx, "role.delete", func(w *change.Write) (granting.Change, error) {
		m, err := custom(w, tenant, in.ID)
		if err != nil {
			return granting.Change{}, err
		}
		if err := directory.CheckRow(in.IfMatchIn, view(m).ETag()); err != nil {
			return granting.Change{}, err
		}
		node := []string{rbac.Role(m.ID)}
		losing, err := w.Judge.Losing(w.Tx, node)
		if err != nil {
			return granting.Change{}, err
		}
		lost, err := directory.LosingRole(w, tenant, m.ID)
		if err != nil {
			return granting.Change{}, err
		}
		if err := w.Delete(m).Error; err != nil {
			return granting.Change{}, refusals.Refused(fmt.Errorf("delete role: %w", err))
		}
		return granting.Change{Accounts: losing, Nodes: node, Content: node, Removal: true},
			w.Record(audit.Event{Action: "role.delete", ResourceType: "role", ResourceID: m.ID, Before: deleted{view(m), lost}})
	})
}
