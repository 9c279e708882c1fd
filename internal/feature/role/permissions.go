package role

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm/clause"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// Permissions are what a role grants.
type Permissions struct {
	Direct    []directory.Permission `json:"direct_permissions" doc:"Those that the role owns itself, the first 1,000, oldest first."`
	Inherited []Inherited            `json:"inherited_permissions" doc:"Those of the roles that it inherits from, the first 1,000."`
	Effective []uuid.UUID            `json:"effective_permissions" doc:"The ids of both, each once."`
	Truncated bool                   `json:"truncated" doc:"There are more than are shown. The list of permissions pages through those of a role_id."`
}

func (s *Service) permissions(ctx context.Context, in *IDIn) (*Permissions, error) {
	out := &Permissions{Direct: []directory.Permission{}, Effective: []uuid.UUID{}}
	home, err := s.home(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	ctx = identity.WithTenant(ctx, home)
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		if _, err := crud.One[models.Role](tx, home, in.ID, "role"); err != nil {
			return err
		}
		return out.direct(tx, home, in.ID)
	})
	if err != nil {
		return nil, err
	}
	snapshot, err := s.Write.Engine.Snapshot(ctx, home)
	if err != nil {
		return nil, err
	}
	var more bool
	out.Inherited, more = inherited(snapshot, in.ID)
	out.Truncated = out.Truncated || more
	seen := map[uuid.UUID]bool{}
	for _, id := range out.Effective {
		seen[id] = true
	}
	for i := range out.Inherited {
		if id := out.Inherited[i].ID; !seen[id] {
			seen[id] = true
			out.Effective = append(out.Effective, id)
		}
	}
	return out, nil
}

func (p *Permissions) direct(tx *db.Tx, tenant, role uuid.UUID) error {
	var rows []models.Permission
	err := tx.
		Where("tenant_id = ? AND id IN (SELECT permission_id FROM sentinel.role_permissions WHERE tenant_id = ? AND role_id = ?)", tenant, tenant, role).
		Order("created_at, id").Limit(maxPermissions + 1).Find(&rows).Error
	if err != nil {
		return fmt.Errorf("list permissions of role: %w", err)
	}
	if len(rows) > maxPermissions {
		rows, p.Truncated = rows[:maxPermissions], true
	}
	for i := range rows {
		p.Direct = append(p.Direct, *directory.ViewPermission(&rows[i]))
		p.Effective = append(p.Effective, rows[i].ID)
	}
	return nil
}

// AddPermissionsIn gives permissions to a role.
type AddPermissionsIn struct {
	IDIn
	Body struct {
		PermissionIDs []uuid.UUID                 `json:"permission_ids,omitempty" maxItems:"1000" doc:"Permissions that exist."`
		Permissions   []directory.PermissionInput `json:"permissions,omitempty" maxItems:"1000" doc:"New permissions, given in full."`
	}
}

func (s *Service) addPermissions(ctx context.Context, in *AddPermissionsIn) (*Permissions, error) {
	tenant, _ := identity.TenantFrom(ctx)
	if len(in.Body.PermissionIDs)+len(in.Body.Permissions) == 0 {
		return nil, fault.InvalidAt("permission_ids", "give permission_ids, permissions or both")
	}
	err := s.Write.Granting(ctx, "role.add_permissions", func(w *change.Write) (granting.Change, error) {
		m, err := custom(w, tenant, in.ID)
		if err != nil {
			return granting.Change{}, err
		}
		ids := in.Body.PermissionIDs
		if err := crud.Exist[models.Permission](w.Tx, tenant, ids, "permission_ids", "permission"); err != nil {
			return granting.Change{}, err
		}
		for i := range in.Body.Permissions {
			p, err := directory.CreatePermission(w, tenant, &in.Body.Permissions[i], fmt.Sprintf("permissions[%d].", i))
			if err != nil {
				return granting.Change{}, err
			}
			ids = append(ids, p.ID)
		}
		if err := attach(ctx, w, m, ids); err != nil {
			return granting.Change{}, err
		}
		given, err := compiled(w, tenant, ids)
		if err != nil {
			return granting.Change{}, err
		}
		return granting.Change{Nodes: []string{rbac.Role(m.ID)}, Permissions: given},
			w.Record(audit.Event{Action: "role.add_permissions", ResourceType: "role", ResourceID: m.ID, After: map[string]any{"permission_ids": ids}})
	})
	if err != nil {
		return nil, err
	}
	return s.permissions(ctx, &in.IDIn)
}

func attach(ctx context.Context, w *change.Write, m *models.Role, ids []uuid.UUID) error {
	caller, _ := identity.PrincipalFrom(ctx)
	rows := make([]models.RolePermission, 0, len(ids))
	for _, id := range ids {
		rows = append(rows, models.RolePermission{
			TenantID: m.TenantID, RoleID: m.ID, PermissionID: id, GrantedBy: &caller.UserID, GrantedByTenant: &caller.HomeTenantID,
		})
	}
	if err := w.Clauses(clause.OnConflict{DoNothing: true}).Create(&rows).Error; err != nil {
		return fmt.Errorf("give permissions: %w", err)
	}
	return nil
}

func compiled(w *change.Write, tenant uuid.UUID, ids []uuid.UUID) ([]*grants.Grant, error) {
	var rows []models.Permission
	if err := w.Where("tenant_id = ? AND id IN ?", tenant, ids).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read permissions: %w", err)
	}
	out := make([]*grants.Grant, len(rows))
	for i := range rows {
		g, err := engine.CompileGrant(&rows[i])
		if err != nil {
			return nil, err
		}
		out[i] = g
	}
	return out, nil
}

// RemovePermissionIn names one permission of a role.
type RemovePermissionIn struct {
	IDIn
	PermissionID uuid.UUID `path:"permission_id"`
}

func (s *Service) removePermission(ctx context.Context, in *RemovePermissionIn) error {
	tenant, _ := identity.TenantFrom(ctx)
	return s.Write.Granting(ctx, "role.remove_permission", func(w *change.Write) (granting.Change, error) {
		m, err := custom(w, tenant, in.ID)
		if err != nil {
			return granting.Change{}, err
		}
		given, err := compiled(w, tenant, []uuid.UUID{in.PermissionID})
		if err != nil {
			return granting.Change{}, err
		}
		gone := w.Where("tenant_id = ? AND role_id = ? AND permission_id = ?", tenant, m.ID, in.PermissionID).Delete(&models.RolePermission{})
		if gone.Error != nil {
			return granting.Change{}, fmt.Errorf("take permission: %w", gone.Error)
		}
		if gone.RowsAffected == 0 {
			return granting.Change{}, fault.NotFound("permission of the role")
		}
		return granting.Change{Nodes: []string{rbac.Role(m.ID)}, Permissions: given, Removal: true},
			w.Record(audit.Event{Action: "role.remove_permission", ResourceType: "role", ResourceID: m.ID, Before: map[string]any{"permission_id": in.PermissionID}})
	})
}

// home returns the tenant whose row a role is: the caller's, or the platform for
// a system role.
func (s *Service) home(ctx context.Context, id uuid.UUID) (uuid.UUID, error) {
	tenant, _ := identity.TenantFrom(ctx)
	system, err := s.Write.Engine.IsSystemRole(ctx, tenant, id)
	if err != nil {
		return tenant, err
	}
	if system {
		return identity.PlatformTenant, nil
	}
	return tenant, nil
}
