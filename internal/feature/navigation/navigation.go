// Package navigation owns the section "navigation": the items of the menu, and
// the menu that an account sees, in its own order. Who may see an item is a
// decision of the engine's.
package navigation

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/change"
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

const (
	section = "navigation"
	// what an item is called in faults.
	what = "menu item"
)

// Register adds the section's routes.
func (s *Service) Register(api *httpapi.Server) {
	sec := api.Section("Navigation", "The menu: its items, and what of it an account sees.")
	httpapi.Get(sec, httpapi.Route{
		Path: "/navigation/menu", Summary: "The menu of an account", Errors: []int{403, 404},
		Access:      httpapi.Authenticated("one's own needs a token only; another's needs execute on api/decisions"),
		Description: "Never more than a check would allow: an item is there if its required_permission is granted now, and every item above it is there. An item without url is there while something below it is.",
	}, s.menu)
	httpapi.Call(sec, httpapi.Route{
		Path: "/navigation/customize", Summary: "Order and hide items of one's own menu", Errors: []int{403, 404},
		Access:      httpapi.Authenticated("the caller's own menu"),
		Description: "Members that are left out stay as they are. Hiding is no restraint: the pages stay as open as they are.",
	}, s.customize)
	httpapi.Delete(sec, httpapi.Route{
		Path: "/navigation/customizations/{item_id}", Summary: "Have an item as everybody has it", Errors: []int{403},
		Access: httpapi.Authenticated("the caller's own menu"),
	}, s.reset)
	also := "Items say who may see what, so that it needs read on api/permissions too."
	httpapi.List(sec, httpapi.Route{
		Path: "/navigation/menu-items", Summary: "List menu items", Access: httpapi.Requires(section, "read"),
		Description: "The tenant's own and the platform's, whoever may see them. " + also,
	}, s.list)
	httpapi.Create(sec, httpapi.Route{
		Path: "/navigation/menu-items", Summary: "Add a menu item", Access: httpapi.Requires(section, "create"), Errors: []int{409},
		Description: "tenant_id null is the platform's, for all tenants: operators only. A tenant's items may be below the platform's.",
	}, s.create)
	httpapi.Get(sec, httpapi.Route{
		Path: "/navigation/menu-items/{id}", Summary: "Read a menu item", Access: httpapi.Requires(section, "read"), Description: also,
	}, s.read)
	httpapi.Update(sec, httpapi.Route{
		Path: "/navigation/menu-items/{id}", Summary: "Change a menu item", Access: httpapi.Requires(section, "update"), Errors: []int{409},
		Description: "With parent_id the item moves with all below it.",
	}, s.update)
	httpapi.Delete(sec, httpapi.Route{
		Path: "/navigation/menu-items/{id}", Summary: "Delete a menu item", Access: httpapi.Requires(section, "delete"), Errors: []int{409},
		Description: "An item that has others below it is not deleted (409). What accounts made of it in their menus goes with it.",
	}, s.delete)
}

// Item is a menu item as the API shows it.
type Item struct {
	ID                 uuid.UUID       `json:"id"`
	TenantID           *uuid.UUID      `json:"tenant_id" nullable:"true" doc:"null: the platform's, for all tenants."`
	ParentID           *uuid.UUID      `json:"parent_id" nullable:"true" doc:"The item below which it is shown."`
	Name               string          `json:"name" doc:"Unique in the tenant."`
	DisplayName        string          `json:"display_name"`
	Icon               string          `json:"icon"`
	URL                string          `json:"url"`
	ResourceID         *uuid.UUID      `json:"resource_id" nullable:"true" doc:"The registered node that required_permission is about."`
	RequiredPermission string          `json:"required_permission" doc:"type:action; empty: read on the resource, or nothing where there is none."`
	DisplayOrder       int             `json:"display_order"`
	IsVisible          bool            `json:"is_visible"`
	Metadata           json.RawMessage `json:"metadata"`
	CreatedAt          time.Time       `json:"created_at"`
	UpdatedAt          time.Time       `json:"updated_at"`
}

// ETag changes with every write to the item.
func (i *Item) ETag() string { return httpapi.ETag(i.ID, i.UpdatedAt.UnixNano()) }

func view(m *models.MenuItem) *Item {
	return &Item{
		ID: m.ID, TenantID: m.TenantID, ParentID: m.ParentID, Name: m.Name, DisplayName: m.DisplayName, Icon: m.Icon, URL: m.URL,
		ResourceID: m.ResourceID, RequiredPermission: m.RequiredPermission, DisplayOrder: m.DisplayOrder, IsVisible: m.IsVisible,
		Metadata: json.RawMessage(m.Metadata), CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
}

var refusals = crud.Refusals{
	"menu_items_name_key":        {Path: "name", Message: "A menu item of that name exists already in this tenant."},
	"menu_items_parent_no_cycle": {Path: "parent_id", Message: "The item would be below itself, or more than 16 levels deep."},
	"menu_items_parent_fk":       {Path: "", Message: "The item has others below it, perhaps of tenants. Move or delete those first."},
}

// ListIn is the query of the list.
type ListIn struct {
	httpapi.PageIn
	httpapi.OrderIn
	Sort      string                 `query:"sort" enum:"name,display_order,created_at" default:"display_order"`
	Scope     string                 `query:"scope" enum:"tenant,platform" doc:"Only the tenant's own, or only the platform's."`
	ParentID  httpapi.Opt[uuid.UUID] `query:"parent_id" doc:"Only the items right below this one."`
	IsVisible httpapi.Opt[bool]      `query:"is_visible"`
	Search    string                 `query:"search" maxLength:"100" doc:"Part of the name, display name or url."`
}

func (s *Service) list(ctx context.Context, in *ListIn) (page httpapi.Page[Item], err error) {
	if err := s.reads(ctx); err != nil {
		return page, err
	}
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		q := tx.DB
		switch in.Scope {
		case "tenant":
			q = q.Where("tenant_id = ?", tenant)
		case "platform":
			q = q.Where("tenant_id IS NULL")
		default:
			q = q.Where("(tenant_id = ? OR tenant_id IS NULL)", tenant)
		}
		if in.ParentID.Set {
			q = q.Where("parent_id = ?", in.ParentID.Value)
		}
		if in.IsVisible.Set {
			q = q.Where("is_visible = ?", in.IsVisible.Value)
		}
		q = crud.Contains(q, in.Search, "name", "display_name", "url")
		page, err = crud.List(q, in.PageIn, crud.Order{Column: in.Sort, Descending: in.Descending()}, view)
		return err
	})
	return page, err
}

// reads refuses those who may see a menu, but not what it is made of: an item
// names the permission that it needs, of pages that the caller may not see.
func (s *Service) reads(ctx context.Context) error {
	caller, _ := identity.PrincipalFrom(ctx)
	if s.Write.Engine.Permits(ctx, caller.HomeTenantID, caller.UserID, "permissions", "read") {
		return nil
	}
	return &fault.Error{
		Kind: fault.Denied, Message: "Menu items say which permission each needs: reading them needs read on api/permissions too. One's own menu is at /navigation/menu.",
		Details: map[string]any{"required_permission": "api/permissions:read"},
	}
}

// IDIn names one item.
type IDIn struct {
	ID uuid.UUID `path:"id" doc:"The item's id."`
}

func (s *Service) read(ctx context.Context, in *IDIn) (out *Item, err error) {
	if err := s.reads(ctx); err != nil {
		return nil, err
	}
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		m, err := crud.Shared[models.MenuItem](tx, tenant, in.ID, what)
		if err != nil {
			return err
		}
		out = view(m)
		return nil
	})
	return out, err
}
