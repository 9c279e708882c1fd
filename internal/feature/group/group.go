// Package group owns the section "groups": sets of users that have roles
// together. Members of a group are members of its parent as well.
package group

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
	sec := api.Section("Groups", "Sets of users that have roles together.")
	httpapi.List(sec, httpapi.Route{Path: "/groups", Summary: "List groups", Access: httpapi.Requires("groups", "read")}, s.list)
	httpapi.Create(sec, httpapi.Route{Path: "/groups", Summary: "Create a group", Access: httpapi.Requires("groups", "create"), Granting: true}, s.create)
	httpapi.Get(sec, httpapi.Route{Path: "/groups/{id}", Summary: "Read a group", Access: httpapi.Requires("groups", "read")}, s.read)
	httpapi.Update(sec, httpapi.Route{Path: "/groups/{id}", Summary: "Change a group", Access: httpapi.Requires("groups", "update"), Granting: true}, s.update)
	httpapi.Delete(sec, httpapi.Route{
		Path: "/groups/{id}", Summary: "Delete a group", Access: httpapi.Requires("groups", "delete"), Granting: true,
		Description: "Its memberships and the roles that it has go with it: its members lose what they had by it. The audit event says how many of each, and which. " +
			"A group that has groups below it is not deleted (409).",
	}, s.delete)
	httpapi.Get(sec, httpapi.Route{
		Path: "/groups/{id}/hierarchy", Summary: "Show the groups above a group, and those below it", Access: httpapi.Requires("groups", "read"),
	}, s.hierarchy)
	httpapi.List(sec, httpapi.Route{Path: "/groups/{id}/users", Summary: "List a group's members", Access: httpapi.Requires("groups", "read")}, s.users)
	httpapi.Call(sec, httpapi.Route{Path: "/groups/{id}/users", Summary: "Add members to a group", Access: httpapi.Requires("groups", "update"), Granting: true}, s.addUsers)
	httpapi.Delete(sec, httpapi.Route{Path: "/groups/{id}/users/{member_id}", Summary: "Remove a member from a group", Access: httpapi.Requires("groups", "update"), Granting: true}, s.removeUser)
	httpapi.List(sec, httpapi.Route{Path: "/groups/{id}/roles", Summary: "List a group's roles", Access: httpapi.Requires("groups", "read")}, s.roles)
	httpapi.Call(sec, httpapi.Route{Path: "/groups/{id}/roles", Summary: "Give roles to a group", Access: httpapi.Requires("groups", "update"), Granting: true}, s.addRoles)
	httpapi.Delete(sec, httpapi.Route{Path: "/groups/{id}/roles/{member_id}", Summary: "Take a role from a group", Access: httpapi.Requires("groups", "update"), Granting: true}, s.removeRole)
}

// Group is a group as the API shows it.
type Group struct {
	ID            uuid.UUID       `json:"id"`
	TenantID      uuid.UUID       `json:"tenant_id"`
	Name          string          `json:"name" doc:"Unique in the tenant."`
	DisplayName   string          `json:"display_name"`
	Description   string          `json:"description"`
	ParentGroupID *uuid.UUID      `json:"parent_group_id" nullable:"true" doc:"Members of this group are members of that one too."`
	IsActive      bool            `json:"is_active"`
	Metadata      json.RawMessage `json:"metadata"`
	CreatedAt     time.Time       `json:"created_at"`
	UpdatedAt     time.Time       `json:"updated_at"`
}

// ETag changes with every write to the group.
func (g *Group) ETag() string { return httpapi.ETag(g.ID, g.UpdatedAt.UnixNano()) }

func view(m *models.Group) *Group {
	return &Group{
		ID: m.ID, TenantID: m.TenantID, Name: m.Name, DisplayName: m.DisplayName, Description: m.Description,
		ParentGroupID: m.ParentGroupID, IsActive: m.IsActive, Metadata: json.RawMessage(m.Metadata),
		CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
}

var refusals = crud.Refusals{
	"groups_name_key":        {Path: "name", Message: "A group of that name exists already in this tenant."},
	"groups_parent_no_cycle": {Path: "parent_group_id", Message: "The group would be its own ancestor: the parent is below it."},
	"groups_parent_depth":    {Path: "parent_group_id", Message: "The chain of parents would be longer than 64."},
	"groups_parent_fk":       {Path: "", Message: "The group has groups below it. Move or delete those first."},
}

// ListIn is the query of the list.
type ListIn struct {
	httpapi.PageIn
	httpapi.OrderIn
	Sort          string                 `query:"sort" enum:"name,created_at" default:"created_at"`
	ParentGroupID httpapi.Opt[uuid.UUID] `query:"parent_group_id" doc:"Only groups directly below this one."`
	IsActive      httpapi.Opt[bool]      `query:"is_active"`
	Search        string                 `query:"search" maxLength:"100" doc:"Part of the name, display name or description."`
}

func (s *Service) list(ctx context.Context, in *ListIn) (page httpapi.Page[Group], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		q := tx.Where("tenant_id = ?", tenant)
		if in.ParentGroupID.Set {
			q = q.Where("parent_group_id = ?", in.ParentGroupID.Value)
		}
		if in.IsActive.Set {
			q = q.Where("is_active = ?", in.IsActive.Value)
		}
		page, err = crud.Search(q, "groups", in.Search, in.PageIn, crud.Order{Column: in.Sort, Descending: in.Descending()}, view)
		return err
	})
	return page, err
}

// IDIn names one group.
type IDIn struct {
	ID uuid.UUID `path:"id" doc:"The group's id."`
}

func (s *Service) read(ctx context.Context, in *IDIn) (*Group, error) {
	return crud.Read(ctx, s.Write.DB, in.ID, "group", view)
}

// HierarchyIn names the group and how far down to look.
type HierarchyIn struct {
	IDIn
	Depth int `query:"depth" default:"64" minimum:"1" maximum:"64" doc:"Levels below the group."`
}

func (s *Service) hierarchy(ctx context.Context, in *HierarchyIn) (out *directory.Hierarchy, err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		if _, err := crud.One[models.Group](tx, tenant, in.ID, "group"); err != nil {
			return err
		}
		out, err = directory.Groups().Of(tx, tenant, in.ID, in.Depth)
		return err
	})
	return out, err
}

// CreateIn is a new group.
type CreateIn struct {
	Body struct {
		Name          string         `json:"name" minLength:"1" maxLength:"100"`
		DisplayName   string         `json:"display_name,omitempty" maxLength:"255"`
		Description   string         `json:"description,omitempty" maxLength:"2000"`
		ParentGroupID *uuid.UUID     `json:"parent_group_id,omitempty"`
		Metadata      httpapi.Object `json:"metadata,omitempty"`
	}
}

func (s *Service) create(ctx context.Context, in *CreateIn) (created httpapi.Created[Group], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.Granting(ctx, "group.create", func(w *change.Write) (granting.Change, error) {
		b := &in.Body
		m := &models.Group{
			ID: uuid.Must(uuid.NewV7()), TenantID: tenant, Name: b.Name, DisplayName: b.DisplayName, Description: b.Description,
			ParentGroupID: b.ParentGroupID, IsActive: true, Metadata: models.Object(b.Metadata),
		}
		if err := existingParent(w, m); err != nil {
			return granting.Change{}, err
		}
		if err := w.Create(m).Error; err != nil {
			return granting.Change{}, refusals.Refused(fmt.Errorf("create group: %w", err))
		}
		m, err := crud.One[models.Group](w.Tx, tenant, m.ID, "group")
		if err != nil {
			return granting.Change{}, err
		}
		created = httpapi.Created[Group]{Location: "/groups/" + m.ID.String(), Data: *view(m)}
		return granting.Change{Handed: []string{rbac.Group(m.ID)}},
			w.Record(audit.Event{Action: "group.create", ResourceType: "group", ResourceID: m.ID, After: created.Data})
	})
	return created, err
}

// existingParent refuses a parent that is none of the tenant's groups, or stands
// below the group.
func existingParent(w *change.Write, m *models.Group) error {
	if m.ParentGroupID == nil {
		return nil
	}
	if err := crud.Exist[models.Group](w.Tx, m.TenantID, []uuid.UUID{*m.ParentGroupID}, "parent_group_id", "group"); err != nil {
		return err
	}
	return directory.Groups().Acyclic(w, m.TenantID, m.ID, m.Name, *m.ParentGroupID)
}

// UpdateIn changes the members given.
type UpdateIn struct {
	IDIn
	httpapi.IfMatchIn
	Body struct {
		Name          *string                     `json:"name,omitempty" minLength:"1" maxLength:"100"`
		DisplayName   httpapi.Opt[string]         `json:"display_name,omitempty" maxLength:"255"`
		Description   httpapi.Opt[string]         `json:"description,omitempty" maxLength:"2000"`
		ParentGroupID httpapi.Opt[uuid.UUID]      `json:"parent_group_id,omitempty" doc:"null: no parent."`
		IsActive      *bool                       `json:"is_active,omitempty"`
		Metadata      httpapi.Opt[httpapi.Object] `json:"metadata,omitempty"`
	}
}

func (s *Service) update(ctx context.Context, in *UpdateIn) (out *Group, err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.Granting(ctx, "group.update", func(w *change.Write) (granting.Change, error) {
		m, err := crud.Locked[models.Group](w.Tx, tenant, in.ID, "group")
		if err != nil {
			return granting.Change{}, err
		}
		before := view(m)
		if err := in.Check(before.ETag()); err != nil {
			return granting.Change{}, err
		}
		b := &in.Body
		httpapi.Set(&m.Name, b.Name)
		b.DisplayName.To(&m.DisplayName)
		b.Description.To(&m.Description)
		httpapi.Set(&m.IsActive, b.IsActive)
		b.ParentGroupID.ToPointer(&m.ParentGroupID)
		if b.Metadata.Set {
			m.Metadata = models.Object(b.Metadata.Value)
		}
		if b.ParentGroupID.Set {
			if err := existingParent(w, m); err != nil {
				return granting.Change{}, err
			}
		}
		if err := w.Save(m).Error; err != nil {
			return granting.Change{}, refusals.Refused(fmt.Errorf("update group: %w", err))
		}
		if m, err = crud.One[models.Group](w.Tx, tenant, m.ID, "group"); err != nil {
			return granting.Change{}, err
		}
		out = view(m)
		// What the group gives before and after is judged, its parent's included,
		// which does not show in a group that is put away.
		node := []string{rbac.Group(m.ID)}
		var c granting.Change
		if before.IsActive != m.IsActive || b.ParentGroupID.Set {
			c = granting.Change{Nodes: node, Handed: node}
		}
		if b.ParentGroupID.Set && m.ParentGroupID != nil {
			c.Handed = []string{node[0], rbac.Group(*m.ParentGroupID)}
		}
		return c, w.Record(audit.Event{Action: "group.update", ResourceType: "group", ResourceID: m.ID, Before: before, After: out})
	})
	return out, err
}

// DeleteIn names the group to delete.
type DeleteIn struct {
	IDIn
	httpapi.IfMatchIn
}

// deleted is what the audit event keeps of a group.
type deleted struct {
	*Group
	Lost directory.LossOfGroup `json:"went_with_it"`
}

func (s *Service) delete(ctx context.Context, in *DeleteIn) error {
	tenant, _ := identity.TenantFrom(ctx)
	return s.Write.Granting(ctx, "group.delete", func(w *change.Write) (granting.Change, error) {
		m, err := crud.Locked[models.Group](w.Tx, tenant, in.ID, "group")
		if err != nil {
			return granting.Change{}, err
		}
		if err := in.Check(view(m).ETag()); err != nil {
			return granting.Change{}, err
		}
		node := []string{rbac.Group(m.ID)}
		losing, err := w.Judge.Losing(w.Tx, node)
		if err != nil {
			return granting.Change{}, err
		}
		lost, err := directory.LosingGroup(w, tenant, m.ID)
		if err != nil {
			return granting.Change{}, err
		}
		if err := w.Delete(m).Error; err != nil {
			return granting.Change{}, refusals.Refused(fmt.Errorf("delete group: %w", err))
		}
		return granting.Change{Accounts: losing, Nodes: node, Handed: node, Removal: true},
			w.Record(audit.Event{Action: "group.delete", ResourceType: "group", ResourceID: m.ID, Before: deleted{view(m), lost}})
	})
}
