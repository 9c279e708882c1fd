// Package role owns the section "roles": named sets of permissions, their
// inheritance and their holders. What a role's permissions mean is the engine's.
package role

import (
	"context"
	"encoding/json"
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
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// Service answers the section's calls.
type Service struct {
	Write *change.Writer
}

// Register adds the section's routes.
func (s *Service) Register(api *httpapi.Server) {
	sec := api.Section("Roles", "Named sets of permissions. A role has all that its parent has.")
	httpapi.List(sec, httpapi.Route{
		Method: "GET", Path: "/roles", Summary: "List roles", Access: httpapi.Requires("roles", "read"),
		Description: "The tenant's own roles; with type=system the platform's, which can be assigned here too.",
	}, s.list)
	httpapi.Create(sec, httpapi.Route{
		Method: "POST", Path: "/roles", Summary: "Create a role", Access: httpapi.Requires("roles", "create"), Granting: true,
	}, s.create)
	httpapi.Get(sec, httpapi.Route{
		Method: "GET", Path: "/roles/{id}", Summary: "Read a role with what it inherits", Access: httpapi.Requires("roles", "read"),
	}, s.read)
	httpapi.Update(sec, httpapi.Route{
		Method: "PATCH", Path: "/roles/{id}", Summary: "Change a role", Access: httpapi.Requires("roles", "update"), Granting: true,
	}, s.update)
	httpapi.Delete(sec, httpapi.Route{
		Method: "DELETE", Path: "/roles/{id}", Summary: "Delete a role", Access: httpapi.Requires("roles", "delete"), Granting: true,
		Description: "Its assignments to users and groups go with it. Its permissions stay; one that no other role owns grants nothing any more. " +
			"The audit event says how many of each, and which. A role that others inherit from is not deleted (409).",
	}, s.delete)
	httpapi.Get(sec, httpapi.Route{
		Method: "GET", Path: "/roles/{id}/hierarchy", Summary: "Show what a role inherits from, and what inherits from it", Access: httpapi.Requires("roles", "read"),
	}, s.hierarchy)
	httpapi.List(sec, httpapi.Route{
		Method: "GET", Path: "/roles/{id}/users", Summary: "List a role's holders", Access: httpapi.Requires("users", "read"),
		Description: "The accounts to which the role is assigned; with include_inherited also those that have it by a group, or by a role that inherits from it.",
	}, s.holders)
	httpapi.Call(sec, httpapi.Route{
		Method: "POST", Path: "/roles/{id}/users", Summary: "Assign a role to users", Access: httpapi.Requires("users", "update"), Granting: true,
		Description: "All or none. Assigned again, its validity is replaced.",
	}, s.assign)
	httpapi.Delete(sec, httpapi.Route{
		Method: "DELETE", Path: "/roles/{id}/users/{user_id}", Summary: "Take a role from one of its holders", Access: httpapi.Requires("users", "update"), Granting: true,
		Description: "What they have by groups and other roles stays.",
	}, s.unassign)
	httpapi.List(sec, httpapi.Route{
		Method: "GET", Path: "/roles/templates", Summary: "List the role templates", Access: httpapi.Requires("roles", "read"),
	}, s.templates)
	httpapi.Create(sec, httpapi.Route{
		Method: "POST", Path: "/roles/templates/{name}", Summary: "Make a role from a template", Access: httpapi.Requires("roles", "create"), Granting: true,
		Description: "Makes the role and its permissions for one type of resource, all or none.",
	}, s.fromTemplate)
	httpapi.Get(sec, httpapi.Route{
		Method: "GET", Path: "/roles/{id}/permissions", Summary: "List a role's permissions", Access: httpapi.Requires("roles", "read"),
	}, s.permissions)
	httpapi.Call(sec, httpapi.Route{
		Method: "POST", Path: "/roles/{id}/permissions", Summary: "Give permissions to a role", Access: httpapi.Requires("roles", "update"), Granting: true,
		Description: "All or none: permissions that exist, by id, and new ones, given in full.",
	}, s.addPermissions)
	httpapi.Delete(sec, httpapi.Route{
		Method: "DELETE", Path: "/roles/{id}/permissions/{permission_id}", Summary: "Take a permission from a role", Access: httpapi.Requires("roles", "update"), Granting: true,
	}, s.removePermission)
}

// Role is a role as the API shows it.
type Role struct {
	ID           uuid.UUID       `json:"id" doc:"The role's id."`
	TenantID     uuid.UUID       `json:"tenant_id" doc:"The tenant that owns the role: all zeros for the platform's system roles."`
	Name         string          `json:"name" doc:"Unique in the tenant."`
	DisplayName  string          `json:"display_name"`
	Description  string          `json:"description"`
	Type         string          `json:"type" enum:"system,custom"`
	ParentRoleID *uuid.UUID      `json:"parent_role_id" nullable:"true" doc:"The role from which this one inherits everything."`
	Priority     int             `json:"priority" doc:"Higher is stronger. Who may hand out roles hands out those below their own highest."`
	IsAssignable bool            `json:"is_assignable" doc:"Whether it may be handed out by those who do not hold its permissions."`
	IsActive     bool            `json:"is_active"`
	Metadata     json.RawMessage `json:"metadata"`
	CreatedAt    time.Time       `json:"created_at"`
	UpdatedAt    time.Time       `json:"updated_at"`

	Permissions      *[]directory.Permission `json:"permissions,omitempty" doc:"In a list with include_permissions: those that the role owns itself, the first 100, oldest first."`
	PermissionsTotal *int64                  `json:"permissions_total,omitempty" doc:"Beside permissions: how many there are."`
}

// ETag changes with every write to the role.
func (r *Role) ETag() string { return httpapi.ETag(r.ID, r.UpdatedAt.UnixNano()) }

func view(m *models.Role) *Role {
	return &Role{
		ID: m.ID, TenantID: m.TenantID, Name: m.Name, DisplayName: m.DisplayName, Description: m.Description, Type: m.Type,
		ParentRoleID: m.ParentRoleID, Priority: m.Priority, IsAssignable: m.IsAssignable, IsActive: m.IsActive,
		Metadata: json.RawMessage(m.Metadata), CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
}

var refusals = crud.Refusals{
	"roles_name_key":          {Path: "name", Message: "A role of that name exists already in this tenant."},
	"roles_name_not_reserved": {Path: "name", Message: "This name belongs to a system role. Choose another."},
	"roles_parent_no_cycle":   {Path: "parent_role_id", Message: "The role would inherit from itself: the parent is below it."},
	"roles_parent_depth":      {Path: "parent_role_id", Message: "The chain of parents would be longer than 64."},
	"roles_parent_fk":         {Path: "", Message: "Other roles inherit from this one. Give them another parent first."},
}

// ListIn is the query of the list.
type ListIn struct {
	httpapi.PageIn
	httpapi.OrderIn
	Sort         string            `query:"sort" enum:"name,priority,created_at" default:"created_at"`
	Type         string            `query:"type" enum:"system,custom" doc:"Only roles of this type."`
	IsAssignable httpapi.Opt[bool] `query:"is_assignable" doc:"Only roles that may, or may not, be handed out."`
	Search       string            `query:"search" maxLength:"100" doc:"Part of the name, display name or description."`

	IncludePermissions bool `query:"include_permissions" doc:"Show each role with the permissions that it owns itself; the limit is then at most 100."`
}

func (s *Service) list(ctx context.Context, in *ListIn) (page httpapi.Page[Role], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	if err := in.fits(); err != nil {
		return page, err
	}
	if in.Type == "system" {
		tenant = identity.PlatformTenant
	}
	err = s.Write.DB.InReadTx(identity.WithTenant(ctx, tenant), func(tx *db.Tx) error {
		q := tx.Where("tenant_id = ?", tenant)
		if in.Type != "" {
			q = q.Where("type = ?", in.Type)
		}
		if in.IsAssignable.Set {
			q = q.Where("is_assignable = ?", in.IsAssignable.Value)
		}
		page, err = crud.Search(q, "roles", in.Search, in.PageIn, crud.Order{Column: in.Sort, Descending: in.Descending()}, view)
		if err != nil || !in.IncludePermissions {
			return err
		}
		return withPermissions(tx, tenant, page.Items)
	})
	return page, err
}

// IDIn names one object.
type IDIn struct {
	ID uuid.UUID `path:"id" doc:"The object's id."`
}

// CreateIn is a new role.
type CreateIn struct {
	Body struct {
		Name         string         `json:"name" minLength:"1" maxLength:"100" doc:"Unique in the tenant. The names of the system roles are reserved."`
		DisplayName  string         `json:"display_name,omitempty" maxLength:"255"`
		Description  string         `json:"description,omitempty" maxLength:"2000"`
		ParentRoleID *uuid.UUID     `json:"parent_role_id,omitempty" doc:"A role of this tenant, from which the new one inherits."`
		Priority     int            `json:"priority,omitempty" minimum:"0" maximum:"899" doc:"Default 0."`
		IsAssignable *bool          `json:"is_assignable,omitempty" doc:"Default true."`
		Metadata     httpapi.Object `json:"metadata,omitempty"`
	}
}

func (s *Service) create(ctx context.Context, in *CreateIn) (created httpapi.Created[Detail], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	caller, _ := identity.PrincipalFrom(ctx)
	var made *Role
	err = s.Write.Granting(ctx, "role.create", func(w *change.Write) (granting.Change, error) {
		b := &in.Body
		m, err := insert(w, &models.Role{
			TenantID: tenant, Name: b.Name, DisplayName: b.DisplayName, Description: b.Description, ParentRoleID: b.ParentRoleID,
			Priority: b.Priority, IsAssignable: b.IsAssignable == nil || *b.IsAssignable, Metadata: models.Object(b.Metadata),
			CreatedBy: &caller.UserID, CreatedByTenant: &caller.HomeTenantID,
		}, refusals)
		if err != nil {
			return granting.Change{}, err
		}
		made = view(m)
		return granting.Change{Content: []string{rbac.Role(m.ID)}},
			w.Record(audit.Event{Action: "role.create", ResourceType: "role", ResourceID: m.ID, After: made})
	})
	if err != nil {
		return created, err
	}
	return httpapi.Created[Detail]{Location: "/roles/" + made.ID.String(), Data: *s.written(ctx, made)}, nil
}

// insert stores a new role, below a parent of the same tenant if it has one.
func insert(w *change.Write, m *models.Role, refusals crud.Refusals) (*models.Role, error) {
	m.ID, m.Type, m.IsActive = uuid.Must(uuid.NewV7()), "custom", true
	if m.ParentRoleID != nil {
		if err := crud.Exist[models.Role](w.Tx, m.TenantID, []uuid.UUID{*m.ParentRoleID}, "parent_role_id", "role"); err != nil {
			return nil, err
		}
	}
	if err := w.Create(m).Error; err != nil {
		return nil, refusals.Refused(fmt.Errorf("create role: %w", err))
	}
	return crud.One[models.Role](w.Tx, m.TenantID, m.ID, "role")
}

// UpdateIn changes the members given.
type UpdateIn struct {
	IDIn
	httpapi.IfMatchIn
	Body struct {
		Name         *string                     `json:"name,omitempty" minLength:"1" maxLength:"100"`
		DisplayName  httpapi.Opt[string]         `json:"display_name,omitempty" maxLength:"255"`
		Description  httpapi.Opt[string]         `json:"description,omitempty" maxLength:"2000"`
		ParentRoleID httpapi.Opt[uuid.UUID]      `json:"parent_role_id,omitempty" doc:"null: no parent."`
		Priority     *int                        `json:"priority,omitempty" minimum:"0" maximum:"899"`
		IsAssignable *bool                       `json:"is_assignable,omitempty"`
		IsActive     *bool                       `json:"is_active,omitempty"`
		Metadata     httpapi.Opt[httpapi.Object] `json:"metadata,omitempty"`
	}
}
