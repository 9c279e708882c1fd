package models

import (
	"time"

	"github.com/google/uuid"
)

// MenuItem is an entry of the menu, of the platform or of a tenant.
type MenuItem struct {
	ID uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	// TenantID is nil for an item of the platform.
	TenantID    *uuid.UUID
	ParentID    *uuid.UUID
	Name        string
	DisplayName string
	Icon        string
	URL         string
	ResourceID  *uuid.UUID
	// RequiredPermission is "type:action", or "" for none.
	RequiredPermission string
	DisplayOrder       int
	IsVisible          bool
	Metadata           JSON      `gorm:"type:jsonb;default:'{}'"`
	CreatedAt          time.Time `gorm:"->;default:now()"`
	UpdatedAt          time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (MenuItem) TableName() string { return "sentinel.menu_items" }

// UserMenuCustomization is a user's own wish about an item.
type UserMenuCustomization struct {
	ID          uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID    uuid.UUID
	UserID      uuid.UUID
	ItemID      uuid.UUID
	IsHidden    bool
	CustomOrder *int
	CreatedAt   time.Time `gorm:"->;default:now()"`
	UpdatedAt   time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (UserMenuCustomization) TableName() string { return "sentinel.user_menu_customizations" }
