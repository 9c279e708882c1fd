package models

import (
	"time"

	"github.com/google/uuid"
)

// Tenant is an organisation whose data is its own.
type Tenant struct {
	ID   uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	Name string
	// Code is upper-case and unique in the installation.
	Code string
	// Type is "root" or "sub_tenant"; only the latter has a parent.
	Type string `gorm:"default:root"`
	// ParentTenantID never changes.
	ParentTenantID *uuid.UUID
	// IsolationMode is "shared" or "dedicated".
	IsolationMode string  `gorm:"default:shared"`
	Settings      JSON    `gorm:"type:jsonb;default:'{}'"`
	Features      Strings `gorm:"type:text[];default:'{}'"`
	Metadata      JSON    `gorm:"type:jsonb;default:'{}'"`
	// Terminology maps platform words to the tenant's own; absent ones are the parent's.
	Terminology JSON `gorm:"type:jsonb;default:'{}'"`
	// TimeZone is an IANA name; clock conditions are judged in it.
	TimeZone string `gorm:"default:UTC"`
	IsActive bool
	// TokensValidFrom is kept by the database: tokens issued before it are void.
	TokensValidFrom *time.Time `gorm:"->"`
	CreatedAt       time.Time  `gorm:"->;default:now()"`
	UpdatedAt       time.Time  `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (Tenant) TableName() string { return "sentinel.tenants" }

// TenantAncestor is a line of the hierarchy of tenants. The database keeps them.
type TenantAncestor struct {
	TenantID   uuid.UUID `gorm:"primaryKey"`
	AncestorID uuid.UUID `gorm:"primaryKey"`
	// Depth is 1 for the parent.
	Depth int
	// Inherits says that the tenant and each one between it and the ancestor have
	// settings.inherit_permissions.
	Inherits bool
}

// TableName implements GORM's Tabler.
func (TenantAncestor) TableName() string { return "sentinel.tenant_ancestors" }
