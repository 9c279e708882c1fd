// Package resource owns the section "resources": the registered nodes of a
// tenant's tree. Permissions on a node flow down to everything below it.
package resource

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
	sec := api.Section("Resources", "The registered nodes of the tree. Permissions on a node flow down to everything below it.")
	httpapi.List(sec, httpapi.Route{Path: "/resources", Summary: "List resources", Access: httpapi.Requires("resources", "read")}, s.list)
	httpapi.Create(sec, httpapi.Route{Path: "/resources", Summary: "Register a resource", Access: httpapi.Requires("resources", "create"), Granting: true}, s.create)
	httpapi.Get(sec, httpapi.Route{Path: "/resources/{id}", Summary: "Read a resource", Access: httpapi.Requires("resources", "read")}, s.read)
	httpapi.List(sec, httpapi.Route{Path: "/resources/{id}/children", Summary: "List a resource's children", Access: httpapi.Requires("resources", "read")}, s.children)
	httpapi.Update(sec, httpapi.Route{
		Path: "/resources/{id}", Summary: "Change a resource", Access: httpapi.Requires("resources", "update"), Granting: true,
		Description: "With parent_id the whole subtree moves.",
	}, s.update)
	httpapi.Delete(sec, httpapi.Route{
		Path: "/resources/{id}", Summary: "Delete a resource", Access: httpapi.Requires("resources", "delete"), Granting: true,
		Description: "Permissions on the node go with it. A node that has nodes below it is not deleted (409).",
	}, s.delete)
}

// Resource is a node as the API shows it.
type Resource struct {
	ID         uuid.UUID       `json:"id"`
	TenantID   uuid.UUID       `json:"tenant_id"`
	Type       string          `json:"type"`
	Name       string          `json:"name"`
	Code       string          `json:"code" doc:"Unique in the tenant for the type. Questions may name the node by it."`
	ParentID   *uuid.UUID      `json:"parent_id" nullable:"true"`
	Path       string          `json:"path" doc:"The codes from the root down to the node, joined by /."`
	Attributes json.RawMessage `json:"attributes" doc:"They win over what a caller says of the node."`
	IsActive   bool            `json:"is_active" doc:"Permissions do not flow through an inactive node."`
	CreatedAt  time.Time       `json:"created_at"`
	UpdatedAt  time.Time       `json:"updated_at"`
}

// ETag changes with every write to the resource.
func (r *Resource) ETag() string { return httpapi.ETag(r.ID, r.UpdatedAt.UnixNano()) }

func view(m *models.Resource) *Resource {
	return &Resource{
		ID: m.ID, TenantID: m.TenantID, Type: m.Type, Name: m.Name, Code: m.Code, ParentID: m.ParentID, Path: m.Path,
		Attributes: json.RawMessage(m.Attributes), IsActive: m.IsActive, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
}

var refusals = crud.Refusals{
	"resources_type_code_key":   {Path: "code", Message: "A resource of that type and code exists already in this tenant."},
	"resources_code_not_uuid":   {Path: "code", Message: "A code may not look like a UUID: it would be read as an id."},
	"resources_parent_no_cycle": {Path: "parent_id", Message: "The resource would be its own ancestor: the parent is below it."},
	"resources_parent_depth":    {Path: "parent_id", Message: "The tree would be deeper than 64."},
	"resources_parent_fk":       {Path: "", Message: "The resource has others below it. Move or delete those first."},
}

// ListIn is the query of the list.
type ListIn struct {
	httpapi.PageIn
	httpapi.OrderIn
	Sort   string `query:"sort" enum:"name,code,type,created_at" default:"created_at"`
	Type   string `query:"type" maxLength:"100" doc:"Only resources of this type."`
	Search string `query:"search" maxLength:"100" doc:"Part of the name or code."`
}

func (s *Service) list(ctx context.Context, in *ListIn) (page httpapi.Page[Resource], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		q := tx.Where("tenant_id = ?", tenant)
		if in.Type != "" {
			q = q.Where("type = ?", in.Type)
		}
		q = crud.Search(q, "resources", in.Search)
		page, err = crud.List(q, in.PageIn, crud.Order{Column: in.Sort, Descending: in.Descending()}, view)
		return err
	})
	return page, err
}

// IDIn names one resource.
type IDIn struct {
	ID uuid.UUID `path:"id" doc:"The resource's id."`
}

func (s *Service) read(ctx context.Context, in *IDIn) (*Resource, error) {
	return crud.Read(ctx, s.Write.DB, in.ID, "resource", view)
}

// ChildrenIn lists the nodes below one.
type ChildrenIn struct {
	IDIn
	httpapi.PageIn
}

func (s *Service) children(ctx context.Context, in *ChildrenIn) (page httpapi.Page[Resource], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		if _, err := crud.One[models.Resource](tx, tenant, in.ID, "resource"); err != nil {
			return err
		}
		page, err = crud.List(tx.Where("tenant_id = ? AND parent_id = ?", tenant, in.ID), in.PageIn, crud.Order{Column: "code"}, view)
		return err
	})
	return page, err
}

// CreateIn is a new node.
type CreateIn struct {
	Body struct {
		Type       string         `json:"type" minLength:"1" maxLength:"100" doc:"product_family, app, capability, service, entity, page or a type of your own."`
		Name       string         `json:"name" minLength:"1" maxLength:"255"`
		Code       string         `json:"code" minLength:"1" maxLength:"255"`
		ParentID   *uuid.UUID     `json:"parent_id,omitempty"`
		Attributes httpapi.Object `json:"attributes,omitempty"`
	}
}

func (s *Service) create(ctx context.Context, in *CreateIn) (created httpapi.Created[Resource], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	if fields := directory.ValidNode(in.Body.Type, in.Body.Code, ""); fields != nil {
		return created, fault.Invalid(fields...)
	}
	err = s.Write.Granting(ctx, "resource.create", func(w *change.Write) (granting.Change, error) {
		b := &in.Body
		m := &models.Resource{
			ID: uuid.Must(uuid.NewV7()), TenantID: tenant, Type: b.Type, Name: b.Name, Code: b.Code, ParentID: b.ParentID,
			Attributes: models.Object(b.Attributes), WorkflowConfig: models.Object(nil), IsActive: true,
		}
		if err := existingParent(w, m); err != nil {
			return granting.Change{}, err
		}
		if err := w.Create(m).Error; err != nil {
			return granting.Change{}, refusals.Refused(fmt.Errorf("register resource: %w", err))
		}
		m, err := crud.One[models.Resource](w.Tx, tenant, m.ID, "resource")
		if err != nil {
			return granting.Change{}, err
		}
		created = httpapi.Created[Resource]{Location: "/resources/" + m.ID.String(), Data: *view(m)}
		c, err := w.Judge.NodeChange(w.Tx, m.ID)
		if err != nil {
			return c, err
		}
		return c, w.Record(audit.Event{Action: "resource.create", ResourceType: "resource", ResourceID: m.ID, After: created.Data})
	})
	return created, err
}

func existingParent(w *change.Write, m *models.Resource) error {
	if m.ParentID == nil {
		return nil
	}
	return crud.Exist[models.Resource](w.Tx, m.TenantID, []uuid.UUID{*m.ParentID}, "parent_id", "resource")
}

// UpdateIn changes the members given.
type UpdateIn struct {
	IDIn
	httpapi.IfMatchIn
	Body struct {
		Name       *string                     `json:"name,omitempty" minLength:"1" maxLength:"255"`
		Code       *string                     `json:"code,omitempty" minLength:"1" maxLength:"255"`
		ParentID   httpapi.Opt[uuid.UUID]      `json:"parent_id,omitempty" doc:"null: a root."`
		Attributes httpapi.Opt[httpapi.Object] `json:"attributes,omitempty" doc:"Replaces them all."`
		IsActive   *bool                       `json:"is_active,omitempty"`
	}
}

// matters reports whether decisions can depend on what is changed.
func (in *UpdateIn) matters() bool {
	b := &in.Body
	return b.Code != nil || b.ParentID.Set || b.Attributes.Set || b.IsActive != nil
}

func (s *Service) update(ctx context.Context, in *UpdateIn) (out *Resource, err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.Granting(ctx, "resource.update", func(w *change.Write) (granting.Change, error) {
		m, err := crud.Locked[models.Resource](w.Tx, tenant, in.ID, "resource")
		if err != nil {
			return granting.Change{}, err
		}
		was, err := w.Judge.NodeChange(w.Tx, m.ID)
		if err != nil {
			return was, err
		}
		before := view(m)
		if err := in.Check(before.ETag()); err != nil {
			return was, err
		}
		b := &in.Body
		httpapi.Set(&m.Name, b.Name)
		httpapi.Set(&m.Code, b.Code)
		httpapi.Set(&m.IsActive, b.IsActive)
		b.ParentID.ToPointer(&m.ParentID)
		if b.Attributes.Set {
			m.Attributes = models.Object(b.Attributes.Value)
		}
		if fields := directory.ValidNode(m.Type, m.Code, ""); fields != nil {
			return was, fault.Invalid(fields...)
		}
		if b.ParentID.Set {
			if err := existingParent(w, m); err != nil {
				return was, err
			}
		}
		if err := w.Save(m).Error; err != nil {
			return was, refusals.Refused(fmt.Errorf("update resource: %w", err))
		}
		if m, err = crud.One[models.Resource](w.Tx, tenant, m.ID, "resource"); err != nil {
			return was, err
		}
		out = view(m)
		is, err := w.Judge.NodeChange(w.Tx, m.ID)
		if err != nil {
			return is, err
		}
		c := was.With(is)
		if !in.matters() {
			c = granting.Change{}
		}
		return c, w.Record(audit.Event{Action: "resource.update", ResourceType: "resource", ResourceID: m.ID, Before: before, After: out})
	})
	return out, err
}

// DeleteIn names the resource to delete.
type DeleteIn struct {
	IDIn
	httpapi.IfMatchIn
}

func (s *Service) delete(ctx context.Context, in *DeleteIn) error {
	tenant, _ := identity.TenantFrom(ctx)
	return s.Write.Granting(ctx, "resource.delete", func(w *change.Write) (granting.Change, error) {
		m, err := crud.Locked[models.Resource](w.Tx, tenant, in.ID, "resource")
		if err != nil {
			return granting.Change{}, err
		}
		if err := in.Check(view(m).ETag()); err != nil {
			return granting.Change{}, err
		}
		c, err := w.Judge.NodeChange(w.Tx, m.ID)
		if err != nil {
			return c, err
		}
		if err := w.Delete(m).Error; err != nil {
			return c, refusals.Refused(fmt.Errorf("delete resource: %w", err))
		}
		// Not a mere removal: an instance that is no longer registered hangs below
		// the entity node of its type.
		return c, w.Record(audit.Event{Action: "resource.delete", ResourceType: "resource", ResourceID: m.ID, Before: view(m)})
	})
}
