package models

import (
	"time"

	"github.com/google/uuid"
)

// Permission allows or denies actions on what its resource matches.
type Permission struct {
	ID           uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID     uuid.UUID
	Name         string
	ResourceType string
	// ResourceID xor ResourcePath is set. ResourcePath is "type/glob" with the type
	// of ResourceType.
	ResourceID   *uuid.UUID
	ResourcePath *string
	Actions      Strings `gorm:"type:text[]"`
	// Effect is "allow" or "deny".
	Effect           string `gorm:"default:allow"`
	Conditions       JSON   `gorm:"type:jsonb;default:'{}'"`
	FieldPermissions JSON   `gorm:"type:jsonb;default:'{}'"`
	IsActive         bool
	CreatedAt        time.Time `gorm:"->;default:now()"`
	UpdatedAt        time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (Permission) TableName() string { return "sentinel.permissions" }

// RolePermission gives a permission to a role of the same tenant.
type RolePermission struct {
	ID              uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID        uuid.UUID
	RoleID          uuid.UUID
	PermissionID    uuid.UUID
	GrantedBy       *uuid.UUID
	GrantedByTenant *uuid.UUID
	CreatedAt       time.Time `gorm:"->;default:now()"`
	UpdatedAt       time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (RolePermission) TableName() string { return "sentinel.role_permissions" }
