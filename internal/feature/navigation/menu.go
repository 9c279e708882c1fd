package navigation

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/entitlement"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// MenuIn asks for a menu.
type MenuIn struct {
	UserID        httpapi.Opt[uuid.UUID] `query:"user_id" doc:"Whose. Default: the caller's own."`
	IncludeHidden bool                   `query:"include_hidden" doc:"Also what the account has hidden from itself, marked is_hidden. Never what it may not see."`
}

// Menu is what an account sees.
type Menu struct {
	Items []Node `json:"items"`
}

// ETag changes with whatever the menu shows.
func (m *Menu) ETag() string {
	raw, err := json.Marshal(m.Items)
	if err != nil {
		return ""
	}
	return httpapi.ETag(string(raw))
}

// Node is an item of a menu with those below it, in the account's order.
type Node struct {
	ID          uuid.UUID       `json:"id"`
	Name        string          `json:"name"`
	DisplayName string          `json:"display_name"`
	Icon        string          `json:"icon"`
	URL         string          `json:"url"`
	Order       int             `json:"order" doc:"The account's own, else display_order."`
	IsHidden    bool            `json:"is_hidden" doc:"The account has hidden it from itself."`
	Metadata    json.RawMessage `json:"metadata"`
	Children    []Node          `json:"children"`
}

func (s *Service) menu(ctx context.Context, in *MenuIn) (*Menu, error) {
	if err := s.featured(ctx); err != nil {
		return nil, err
	}
	caller, _ := identity.PrincipalFrom(ctx)
	user := caller.UserID
	if in.UserID.Set {
		user = in.UserID.Value
	}
	if (user != caller.UserID || acting(ctx) != caller.HomeTenantID) && !s.Write.Engine.Trusts(ctx, caller.HomeTenantID, caller.UserID, "decisions", "execute") {
		return nil, &fault.Error{
			Kind: fault.Denied, Message: "Seeing another account's menu needs execute on api/decisions.",
			Details: map[string]any{"required_permission": "api/decisions:execute"},
		}
	}
	v, err := s.survey(ctx, user)
	if err != nil {
		return nil, err
	}
	if v.code == engine.SubjectUnknown && in.UserID.Set {
		return nil, fault.NotFound("user")
	}
	httpapi.SetHeader(ctx, "X-Sentinel-Revision", v.revision)
	return &Menu{Items: arrange(v.visible(), in.IncludeHidden)}, nil
}

// featured refuses a tenant that is without menus, for routes that need no
// permission.
func (s *Service) featured(ctx context.Context) error {
	has, err := s.Write.Engine.HasFeature(ctx, acting(ctx), entitlement.Navigation)
	if err == nil && !has {
		err = entitlement.Disabled(entitlement.Navigation)
	}
	return err
}

// surveyed is all items that there are for an account, with what was decided of
// each.
type surveyed struct {
	entries []entry
	// code is that of a question which every account can be asked.
	code     engine.Code
	revision string
	allowed  map[asked]bool
}

// survey reads the items and asks the engine about all of them at once.
func (s *Service) survey(ctx context.Context, user uuid.UUID) (*surveyed, error) {
	v := &surveyed{allowed: map[asked]bool{}}
	err := s.Write.DB.InReadTx(ctx, func(tx *db.Tx) (err error) {
		v.entries, err = read(tx, acting(ctx), user)
		return err
	})
	if err != nil {
		return nil, err
	}
	// The first question is about no item: it says whether the account can be
	// asked about at all, for items that need no permission.
	list := []asked{{typ: grants.APIType, id: section, action: "read"}}
	for i := range v.entries {
		if q, needed := v.entries[i].asks(); needed && q != (asked{}) {
			if _, twice := v.allowed[q]; !twice {
				v.allowed[q] = false
				list = append(list, q)
			}
		}
	}
	questions := make([]*engine.Question, len(list))
	for i, q := range list {
		questions[i] = &engine.Question{TenantID: acting(ctx), UserID: user, Type: q.typ, ID: q.id, Action: q.action}
	}
	decisions := s.Write.Engine.Survey(ctx, questions)
	v.code, v.revision = decisions[0].Code, decisions[0].Revision
	for i, d := range decisions[1:] {
		v.allowed[list[i+1]] = d.Allowed
	}
	return v, nil
}

// usable reports whether there is an account that can see anything. A refusal
// for want of a permission says so too.
func (v *surveyed) usable() bool {
	switch v.code {
	case engine.SubjectUnknown, engine.SubjectInactive, engine.TenantInactive, engine.NotEvaluated:
		return false
	default:
		return true
	}
}

// visible are the items that the account may see, apart from what it hides from
// itself: none below one that it may not.
func (v *surveyed) visible() []entry {
	if !v.usable() {
		return nil
	}
	return shown(v.entries, func(e *entry) bool {
		q, needed := e.asks()
		return !needed || v.allowed[q]
	})
}

// read returns the items of the tenant and the platform's, with what the account
// wishes of each.
func read(tx *db.Tx, tenant, user uuid.UUID) ([]entry, error) {
	var entries []entry
	err := tx.Raw(`
SELECT m.id, m.parent_id, m.name, m.display_name, m.icon, m.url, m.resource_id,
  m.required_permission, m.display_order, m.is_visible, m.metadata, COALESCE(c.is_hidden, false) AS is_hidden, c.custom_order
FROM sentinel.menu_items m
LEFT JOIN sentinel.user_menu_customizations c ON c.tenant_id = @tenant AND c.user_id = @user AND c.item_id = m.id
WHERE m.tenant_id = @tenant
OR m.tenant_id IS NULL`, map[string]any{"tenant": tenant, "user": user}).Scan(&entries).Error
	if err != nil {
		return nil, fmt.Errorf("read the menu: %w", err)
	}
	return entries, types(tx, tenant, entries)
}

// types fills in the types of the items' resources. By themselves they are
// looked up by id, while a join would read the whole tree of the tenant.
func types(tx *db.Tx, tenant uuid.UUID, entries []entry) error {
	var ids []uuid.UUID
	for i := range entries {
		if entries[i].ResourceID != nil {
			ids = append(ids, *entries[i].ResourceID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var rows []models.Resource
	if err := tx.Select("id", "type").Where("tenant_id = ? AND id = ANY (CAST(? AS uuid[]))", tenant, db.UUIDs(ids)).Find(&rows).Error; err != nil {
		return fmt.Errorf("read the menu's resources: %w", err)
	}
	byID := make(map[uuid.UUID]string, len(rows))
	for i := range rows {
		byID[rows[i].ID] = rows[i].Type
	}
	for i := range entries {
		if id := entries[i].ResourceID; id != nil {
			entries[i].ResourceType = byID[*id]
		}
	}
	return nil
}
