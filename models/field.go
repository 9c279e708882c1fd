package models

import (
	"time"

	"github.com/google/uuid"
)

// FieldDefinition describes a field of an entity type.
type FieldDefinition struct {
	ID uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	// TenantID is nil for a platform-wide definition.
	TenantID   *uuid.UUID
	EntityType string
	FieldName  string
	// FieldType is "core", "platform_dynamic" or "tenant_specific".
	FieldType string
	DataType  string `gorm:"default:string"`
	// StorageColumn is for core fields, StoragePath for the others.
	StorageColumn   *string
	StoragePath     *string
	DisplayName     string
	Description     string
	ValidationRules JSON `gorm:"type:jsonb;default:'{}'"`
	// DefaultVisibility is "read", "write" or "hidden".
	DefaultVisibility string `gorm:"default:read"`
	IsPII             bool
	IsIndexed         bool
	IsRequired        bool
	IsActive          bool
	CreatedAt         time.Time `gorm:"->;default:now()"`
	UpdatedAt         time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (FieldDefinition) TableName() string { return "sentinel.field_definitions" }
