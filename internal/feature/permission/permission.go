// Package permission owns the section "permissions": what may be done to what,
// under which conditions. Roles own permissions; a permission that no role owns
// grants nothing.
package permission

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

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
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// Service answers the section's calls.
type Service struct {
	Write *change.Writer
}

// Register adds the section's routes.
func (s *Service) Register(api *httpapi.Server) {
	sec := api.Section("Permissions", "What may be done to what, under which conditions.")
	httpapi.List(sec, httpapi.Route{
		Method: "GET", Path: "/permissions", Summary: "List permissions", Access: httpapi.Requires("permissions", "read"),
	}, s.list)
	httpapi.Create(sec, httpapi.Route{
		Method: "POST", Path: "/permissions", Summary: "Create a permission", Access: httpapi.Requires("permissions", "create"), Granting: true,
		Description: "It grants nothing until a role owns it: POST /roles/{id}/permissions.",
	}, s.create)
	httpapi.Get(sec, httpapi.Route{
		Method: "GET", Path: "/permissions/{id}", Summary: "Read a permission with the roles that own it", Access: httpapi.Requires("permissions", "read"),
	}, s.read)
	httpapi.Update(sec, httpapi.Route{
		Method: "PATCH", Path: "/permissions/{id}", Summary: "Change a permission", Access: httpapi.Requires("permissions", "update"), Granting: true,
		Description: "Every role that owns it is changed with it.",
	}, s.update)
	httpapi.Delete(sec, httpapi.Route{
		Method: "DELETE", Path: "/permissions/{id}", Summary: "Delete a permission", Access: httpapi.Requires("permissions", "delete"), Granting: true,
		Description: "It is taken from every role that owns it. The audit event says from how many, and which.",
	}, s.delete)
}

var refusals = crud.Refusals{
	"permissions_system_immutable": {Path: "", Message: "The permissions of system roles can be used, not changed. Make one of your own instead."},
}

// ListIn is the query of the list.
type ListIn struct {
	httpapi.PageIn
	httpapi.OrderIn
	Sort         string `query:"sort" enum:"name,resource_type,created_at" default:"created_at"`
	ResourceType string `query:"resource_type" maxLength:"100" doc:"Only permissions of this type."`
	Effect       string `query:"effect" enum:"allow,deny"`
	Search       string `query:"search" maxLength:"100" doc:"Part of the name."`

	ResourceID httpapi.Opt[uuid.UUID] `query:"resource_id" doc:"Only permissions on this registered node itself."`
	RoleID     httpapi.Opt[uuid.UUID] `query:"role_id" doc:"Only permissions that this role owns itself."`
	Action     string                 `query:"action" maxLength:"100" doc:"Only permissions for this action, by its name or by *."`
	IsActive   httpapi.Opt[bool]      `query:"is_active"`
}

// narrow leaves of the tenant's permissions those that the query asks for.
func (in *ListIn) narrow(q *gorm.DB, tenant uuid.UUID) *gorm.DB {
	for _, where := range []struct {
		given bool
		sql   string
		args  []any
	}{
		{in.ResourceType != "", "resource_type = ?", []any{in.ResourceType}},
		{in.Effect != "", "effect = ?", []any{in.Effect}},
		{in.ResourceID.Set, "resource_id = ?", []any{in.ResourceID.Value}},
		{in.RoleID.Set, "id IN (SELECT permission_id FROM sentinel.role_permissions WHERE tenant_id = ? AND role_id = ?)", []any{tenant, in.RoleID.Value}},
		{in.Action != "", "actions && ARRAY[CAST(? AS text), '*']", []any{in.Action}},
		{in.IsActive.Set, "is_active = ?", []any{in.IsActive.Value}},
	} {
		if where.given {
			q = q.Where(where.sql, where.args...)
		}
	}
	return q
}

func (s *Service) list(ctx context.Context, in *ListIn) (page httpapi.Page[directory.Permission], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		q := in.narrow(tx.Where("tenant_id = ?", tenant), tenant)
		page, err = crud.Search(q, "permissions", in.Search, in.PageIn, crud.Order{Column: in.Sort, Descending: in.Descending()}, directory.ViewPermission)
		return err
	})
	return page, err
}

// IDIn names one permission.
type IDIn struct {
	ID uuid.UUID `path:"id" doc:"The permission's id."`
}

// CreateIn is a new permission.
type CreateIn struct {
	Body directory.PermissionInput
}

func (s *Service) create(ctx context.Context, in *CreateIn) (created httpapi.Created[Detail], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.Granting(ctx, "permission.create", func(w *change.Write) (granting.Change, error) {
		m, err := directory.CreatePermission(w, tenant, &in.Body, "")
		if err != nil {
			return granting.Change{}, err
		}
		view := directory.ViewPermission(m)
		created = httpapi.Created[Detail]{Location: "/permissions/" + m.ID.String(), Data: Detail{Permission: *view, Roles: []Owner{}}}
		return granting.Change{}, w.Record(audit.Event{Action: "permission.create", ResourceType: "permission", ResourceID: m.ID, After: view})
	})
	return created, err
}

// UpdateIn changes the members given.
type UpdateIn struct {
	IDIn
	httpapi.IfMatchIn
	Body directory.PermissionPatch
}

func (s *Service) update(ctx context.Context, in *UpdateIn) (out *Detail, err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.Granting(ctx, "permission.update", func(w *change.Write) (granting.Change, error) {
		m, err := crud.Locked[models.Permission](w.Tx, tenant, in.ID, "permission")
		if err != nil {
			return granting.Change{}, err
		}
		before := directory.ViewPermission(m)
		if err := directory.CheckRow(in.IfMatchIn, before.ETag()); err != nil {
			return granting.Change{}, err
		}
		owners, judged, err := owned(w, m)
		if err != nil {
			return granting.Change{}, err
		}
		merged, err := in.Body.Over(m)
		if err != nil {
			return granting.Change{}, err
		}
		if fields := merged.Validate(""); fields != nil {
			return granting.Change{}, fault.Invalid(fields...)
		}
		if err := merged.CheckNode(w, tenant, ""); err != nil {
			return granting.Change{}, err
		}
		merged.Apply(m)
		httpapi.Set(&m.IsActive, in.Body.IsActive)
		if err := w.Save(m).Error; err != nil {
			return granting.Change{}, refusals.Refused(fmt.Errorf("update permission: %w", err))
		}
		if m, err = crud.One[models.Permission](w.Tx, tenant, m.ID, "permission"); err != nil {
			return granting.Change{}, err
		}
		if out, err = detail(w.Tx, m); err != nil {
			return granting.Change{}, err
		}
		if len(owners) > 0 {
			after, err := engine.CompileGrant(m)
			if err != nil {
				return granting.Change{}, err
			}
			judged = append(judged, after)
		}
		return granting.Change{Nodes: owners, Permissions: judged},
			w.Record(audit.Event{Action: "permission.update", ResourceType: "permission", ResourceID: m.ID, Before: before, After: out.Permission})
	})
	return out, err
}

// DeleteIn names the permission to delete.
type DeleteIn struct {
	IDIn
	httpapi.IfMatchIn
}

// deleted is what the audit event keeps of a permission.
type deleted struct {
	*directory.Permission
	Lost directory.LossOfPermission `json:"went_with_it"`
}

func (s *Service) delete(ctx context.Context, in *DeleteIn) error {
	tenant, _ := identity.TenantFrom(ctx)
	return s.Write.Granting(ctx, "permission.delete", func(w *change.Write) (granting.Change, error) {
		m, err := crud.Locked[models.Permission](w.Tx, tenant, in.ID, "permission")
		if err != nil {
			return granting.Change{}, err
		}
		if err := directory.CheckRow(in.IfMatchIn, directory.ViewPermission(m).ETag()); err != nil {
			return granting.Change{}, err
		}
		owners, judged, err := owned(w, m)
		if err != nil {
			return granting.Change{}, err
		}
		lost, err := directory.LosingPermission(w, tenant, m.ID)
		if err != nil {
			return granting.Change{}, err
		}
		if err := w.Delete(m).Error; err != nil {
			return granting.Change{}, refusals.Refused(fmt.Errorf("delete permission: %w", err))
		}
		return granting.Change{Nodes: owners, Permissions: judged, Removal: true},
			w.Record(audit.Event{Action: "permission.delete", ResourceType: "permission", ResourceID: m.ID, Before: deleted{directory.ViewPermission(m), lost}})
	})
}

// owned returns the roles that own the permission, as nodes, and the permission
// as it stands if there are any: one that nobody owns grants nothing.
func owned(w *change.Write, m *models.Permission) ([]string, []*grants.Grant, error) {
	var roles []uuid.UUID
	err := w.Model(&models.RolePermission{}).
		Where("tenant_id = ? AND permission_id = ?", m.TenantID, m.ID).Order("role_id").Pluck("role_id", &roles).Error
	if err != nil {
		return nil, nil, fmt.Errorf("find roles of permission: %w", err)
	}
	if len(roles) == 0 {
		return nil, nil, nil
	}
	nodes := make([]string, len(roles))
	for i, id := range roles {
		nodes[i] = rbac.Role(id)
	}
	g, err := engine.CompileGrant(m)
	if err != nil {
		return nil, nil, err
	}
	return nodes, []*grants.Grant{g}, nil
}
