package navigation

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
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

// CreateIn is a new item.
type CreateIn struct {
	Body struct {
		TenantID   httpapi.Opt[uuid.UUID] `json:"tenant_id,omitempty" doc:"Default: the tenant in which the call acts. null: the platform's, for all tenants; operators only."`
		ParentID   *uuid.UUID             `json:"parent_id,omitempty" doc:"An item of the same tenant, or of the platform's."`
		ResourceID *uuid.UUID             `json:"resource_id,omitempty" doc:"A registered node of the tenant: required_permission is about it, read by default."`
		directory.MenuSpec
	}
}

func (s *Service) create(ctx context.Context, in *CreateIn) (created httpapi.Created[Item], err error) {
	const action = "menu_item.create"
	b := &in.Body
	owner, err := directory.Owner(ctx, s.Write, action, b.TenantID)
	if err != nil {
		return created, err
	}
	m := &models.MenuItem{ID: uuid.Must(uuid.NewV7()), TenantID: owner, ParentID: b.ParentID, ResourceID: b.ResourceID}
	if err := valid(&b.MenuSpec, m); err != nil {
		return created, err
	}
	err = s.Write.Plain(ctx, func(w *change.Write) error {
		if err := hold(ctx, w); err != nil {
			return err
		}
		if err := directory.RoomForMenuItems(w, owner, 1); err != nil {
			return err
		}
		if err := s.store(ctx, w, &b.MenuSpec, m, func() error { return w.Create(m).Error }); err != nil {
			return err
		}
		stored, err := crud.Shared[models.MenuItem](w.Tx, acting(ctx), m.ID, what)
		if err != nil {
			return err
		}
		created = httpapi.Created[Item]{Location: "/navigation/menu-items/" + m.ID.String(), Data: *view(stored)}
		return w.Record(audit.Event{Action: action, ResourceType: "menu_item", ResourceID: m.ID, After: created.Data})
	})
	return created, err
}

func acting(ctx context.Context) uuid.UUID {
	tenant, _ := identity.TenantFrom(ctx)
	return tenant
}

// valid refuses what no item can be, and applies the members to m.
func valid(spec *directory.MenuSpec, m *models.MenuItem) error {
	fields := spec.Validate("")
	if m.TenantID == nil && m.ResourceID != nil {
		fields = append(fields, fault.Field{Path: "resource_id", Message: "must be left out for an item of the platform's: nodes are tenants'"})
	}
	if fields != nil {
		return fault.Invalid(fields...)
	}
	spec.Apply(m)
	return nil
}

// hold keeps other writers of the tenant's menu away until the transaction ends,
// so that two moves at once cannot make a circle.
func hold(ctx context.Context, w *change.Write) error { return granting.Lock(w.Tx, acting(ctx)) }

// store writes an item whose members are valid, with what it refers to.
func (s *Service) store(ctx context.Context, w *change.Write, spec *directory.MenuSpec, m *models.MenuItem, write func() error) error {
	if m.ParentID != nil {
		parent, err := crud.Shared[models.MenuItem](w.Tx, acting(ctx), *m.ParentID, what)
		if err != nil {
			return err
		}
		if m.TenantID == nil && parent.TenantID != nil {
			return fault.InvalidAt("parent_id", "must be an item of the platform's, like the item itself")
		}
	}
	if err := spec.CheckNode(w, acting(ctx), m.ResourceID, ""); err != nil {
		return err
	}
	err := directory.Within(w, m.TenantID, func() error {
		if err := write(); err != nil {
			return refusals.Refused(fmt.Errorf("write menu item: %w", err))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return directory.ShallowMenu(w, m.TenantID, m.ID)
}

// UpdateIn changes the members given.
type UpdateIn struct {
	IDIn
	httpapi.IfMatchIn
	Body struct {
		ParentID           httpapi.Opt[uuid.UUID]      `json:"parent_id,omitempty" doc:"null: the first level."`
		Name               *string                     `json:"name,omitempty" minLength:"1" maxLength:"100"`
		DisplayName        httpapi.Opt[string]         `json:"display_name,omitempty" maxLength:"255"`
		Icon               httpapi.Opt[string]         `json:"icon,omitempty" maxLength:"255"`
		URL                httpapi.Opt[string]         `json:"url,omitempty" maxLength:"2000"`
		ResourceID         httpapi.Opt[uuid.UUID]      `json:"resource_id,omitempty" doc:"null: none."`
		RequiredPermission httpapi.Opt[string]         `json:"required_permission,omitempty" maxLength:"255" doc:"null: none."`
		DisplayOrder       *int                        `json:"display_order,omitempty" minimum:"-1000000" maximum:"1000000"`
		IsVisible          *bool                       `json:"is_visible,omitempty"`
		Metadata           httpapi.Opt[httpapi.Object] `json:"metadata,omitempty" doc:"Replaces them all."`
	}
}

// merged is the whole item after the merge, to be checked like a new one.
func (in *UpdateIn) merged(m *models.MenuItem) (*directory.MenuSpec, error) {
	metadata, err := engine.DecodeObject(view(m).Metadata)
	if err != nil {
		return nil, err
	}
	out := &directory.MenuSpec{
		Name: m.Name, DisplayName: m.DisplayName, Icon: m.Icon, URL: m.URL, RequiredPermission: m.RequiredPermission,
		DisplayOrder: m.DisplayOrder, IsVisible: &m.IsVisible, Metadata: metadata,
	}
	b := &in.Body
	b.ParentID.ToPointer(&m.ParentID)
	b.ResourceID.ToPointer(&m.ResourceID)
	httpapi.Set(&out.Name, b.Name)
	b.DisplayName.To(&out.DisplayName)
	b.Icon.To(&out.Icon)
	b.URL.To(&out.URL)
	b.RequiredPermission.To(&out.RequiredPermission)
	httpapi.Set(&out.DisplayOrder, b.DisplayOrder)
	if b.IsVisible != nil {
		out.IsVisible = b.IsVisible
	}
	b.Metadata.To(&out.Metadata)
	return out, nil
}

func (s *Service) update(ctx context.Context, in *UpdateIn) (out *Item, err error) {
	const action = "menu_item.update"
	err = s.change(ctx, action, in.ID, in.IfMatchIn, func(w *change.Write, m *models.MenuItem) error {
		before := view(m)
		spec, err := in.merged(m)
		if err != nil {
			return err
		}
		if err := valid(spec, m); err != nil {
			return err
		}
		if err := s.store(ctx, w, spec, m, func() error { return w.Save(m).Error }); err != nil {
			return err
		}
		if m, err = crud.Shared[models.MenuItem](w.Tx, acting(ctx), m.ID, what); err != nil {
			return err
		}
		out = view(m)
		return w.Record(audit.Event{Action: action, ResourceType: "menu_item", ResourceID: m.ID, Before: before, After: out})
	})
	return out, err
}

// DeleteIn names the item to delete.
type DeleteIn struct {
	IDIn
	httpapi.IfMatchIn
}

func (s *Service) delete(ctx context.Context, in *DeleteIn) error {
	const action = "menu_item.delete"
	return s.change(ctx, action, in.ID, in.IfMatchIn, func(w *change.Write, m *models.MenuItem) error {
		err := directory.Within(w, m.TenantID, func() error {
			if err := w.Delete(m).Error; err != nil {
				return refusals.Refused(fmt.Errorf("delete menu item: %w", err))
			}
			return nil
		})
		if err != nil {
			return err
		}
		return w.Record(audit.Event{Action: action, ResourceType: "menu_item", ResourceID: m.ID, Before: view(m)})
	})
}

// change runs fn on an item that is there and as the caller knows it. The
// platform's are the operators'.
func (s *Service) change(ctx context.Context, action string, id uuid.UUID, match httpapi.IfMatchIn, fn func(*change.Write, *models.MenuItem) error) error {
	operates := directory.Operates(ctx, s.Write)
	return s.Write.Refused(ctx, action, s.Write.Plain(ctx, func(w *change.Write) error {
		if err := hold(ctx, w); err != nil {
			return err
		}
		m, err := crud.Shared[models.MenuItem](w.Tx, acting(ctx), id, what)
		if err != nil {
			return err
		}
		if m.TenantID == nil && operates != nil {
			return operates
		}
		if err := match.Check(view(m).ETag()); err != nil {
			return err
		}
		return fn(w, m)
	}))
}
