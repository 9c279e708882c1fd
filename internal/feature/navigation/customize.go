package navigation

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm/clause"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// CustomizeIn says how the caller wishes items of the menu.
type CustomizeIn struct {
	Body struct {
		Items []Wish `json:"items" minItems:"1" maxItems:"1000" doc:"Each item once."`
	}
}

// Wish is about one item.
type Wish struct {
	ItemID      uuid.UUID        `json:"item_id" doc:"An item of the caller's menu."`
	IsHidden    *bool            `json:"is_hidden,omitempty" doc:"Hides the item and all below it from the caller."`
	CustomOrder httpapi.Opt[int] `json:"custom_order,omitempty" minimum:"-1000000" maximum:"1000000" doc:"Its order among those beside it. null: display_order."`
}

// Customization is what the account has made of one item.
type Customization struct {
	ItemID      uuid.UUID `json:"item_id"`
	IsHidden    bool      `json:"is_hidden"`
	CustomOrder *int      `json:"custom_order" nullable:"true"`
}

// Customized is what a call has made of items.
type Customized struct {
	Items []Customization `json:"items" doc:"In the order of the call."`
}

func customization(m *models.UserMenuCustomization) Customization {
	return Customization{ItemID: m.ItemID, IsHidden: m.IsHidden, CustomOrder: m.CustomOrder}
}

// check names what is there twice.
func (in *CustomizeIn) check() error {
	var fields []fault.Field
	seen := make(map[uuid.UUID]bool, len(in.Body.Items))
	for i, w := range in.Body.Items {
		if seen[w.ItemID] {
			fields = append(fields, fault.Field{Path: fmt.Sprintf("items[%d].item_id", i), Message: "is there already"})
		}
		seen[w.ItemID] = true
	}
	if fields != nil {
		return fault.Invalid(fields...)
	}
	return nil
}

func (s *Service) customize(ctx context.Context, in *CustomizeIn) (out *Customized, err error) {
	caller, _ := identity.PrincipalFrom(ctx)
	ctx = identity.WithTenant(ctx, caller.HomeTenantID)
	if err := s.featured(ctx); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	if err := s.seen(ctx, caller.UserID, in); err != nil {
		return nil, err
	}
	err = s.Write.Plain(ctx, func(w *change.Write) error {
		// Held, so that two calls of one person do not undo each other's halves.
		if _, err := crud.Locked[models.User](w.Tx, caller.HomeTenantID, caller.UserID, "user"); err != nil {
			return err
		}
		before, after, err := in.merge(w, caller)
		if err != nil {
			return err
		}
		err = w.Clauses(clause.OnConflict{
			Columns:   []clause.Column{{Name: "tenant_id"}, {Name: "user_id"}, {Name: "item_id"}},
			DoUpdates: clause.AssignmentColumns([]string{"is_hidden", "custom_order"}),
		}).CreateInBatches(after, 500).Error
		if err != nil {
			return gone.Refused(fmt.Errorf("customize the menu: %w", err))
		}
		out = &Customized{Items: make([]Customization, len(after))}
		for i, m := range after {
			out.Items[i] = customization(m)
		}
		return w.Record(audit.Event{Action: "menu.customize", ResourceType: "user", ResourceID: caller.UserID, Before: before, After: out})
	})
	return out, err
}

// gone is what the database says of an item that was deleted meanwhile.
var gone = crud.Refusals{
	"user_menu_customizations_item_fk": {Path: "items", Message: "One of the items was deleted meanwhile. Read the menu again."},
}

// seen refuses items that are not in the caller's menu, those that the caller may
// not see like those that are not there.
func (s *Service) seen(ctx context.Context, user uuid.UUID, in *CustomizeIn) error {
	v, err := s.survey(ctx, user)
	if err != nil {
		return err
	}
	visible := map[uuid.UUID]bool{}
	for _, e := range v.visible() {
		visible[e.ID] = true
	}
	var fields []fault.Field
	for i, w := range in.Body.Items {
		if !visible[w.ItemID] {
			fields = append(fields, fault.Field{Path: fmt.Sprintf("items[%d].item_id", i), Message: "there is no such item in your menu"})
		}
	}
	if fields == nil {
		return nil
	}
	e := fault.NotFound(what)
	e.Fields = fields
	return e
}

// merge returns what the caller has made of the items so far, and what it is to
// be.
func (in *CustomizeIn) merge(w *change.Write, caller *identity.Principal) (before *Customized, after []*models.UserMenuCustomization, err error) {
	ids := make([]uuid.UUID, len(in.Body.Items))
	for i := range in.Body.Items {
		ids[i] = in.Body.Items[i].ItemID
	}
	var rows []models.UserMenuCustomization
	if err := w.Where("tenant_id = ? AND user_id = ? AND item_id IN ?", caller.HomeTenantID, caller.UserID, ids).Find(&rows).Error; err != nil {
		return nil, nil, fmt.Errorf("read the menu's customizations: %w", err)
	}
	had := make(map[uuid.UUID]*models.UserMenuCustomization, len(rows))
	for i := range rows {
		had[rows[i].ItemID] = &rows[i]
	}
	before = &Customized{Items: []Customization{}}
	for _, wish := range in.Body.Items {
		m := &models.UserMenuCustomization{ID: uuid.Must(uuid.NewV7()), TenantID: caller.HomeTenantID, UserID: caller.UserID, ItemID: wish.ItemID}
		if old := had[wish.ItemID]; old != nil {
			before.Items = append(before.Items, customization(old))
			m.IsHidden, m.CustomOrder = old.IsHidden, old.CustomOrder
		}
		httpapi.Set(&m.IsHidden, wish.IsHidden)
		wish.CustomOrder.ToPointer(&m.CustomOrder)
		after = append(after, m)
	}
	return before, after, nil
}

// ResetIn names an item that the caller has customized.
type ResetIn struct {
	ItemID uuid.UUID `path:"item_id" doc:"The item's id."`
}

func (s *Service) reset(ctx context.Context, in *ResetIn) error {
	caller, _ := identity.PrincipalFrom(ctx)
	ctx = identity.WithTenant(ctx, caller.HomeTenantID)
	if err := s.featured(ctx); err != nil {
		return err
	}
	return s.Write.Plain(ctx, func(w *change.Write) error {
		var rows []models.UserMenuCustomization
		err := w.Clauses(clause.Returning{}).
			Where("tenant_id = ? AND user_id = ? AND item_id = ?", caller.HomeTenantID, caller.UserID, in.ItemID).Delete(&rows).Error
		if err != nil {
			return fmt.Errorf("reset a menu item: %w", err)
		}
		if len(rows) == 0 {
			return fault.NotFound("customization")
		}
		return w.Record(audit.Event{Action: "menu.reset", ResourceType: "user", ResourceID: caller.UserID, Before: customization(&rows[0])})
	})
}
