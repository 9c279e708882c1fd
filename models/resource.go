package models

import (
	"time"

	"github.com/google/uuid"
)

// Resource is a registered node of the tenant's tree.
type Resource struct {
	ID       uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID uuid.UUID
	Type     string
	Name     string
	// Code is unique per tenant and type, and does not look like a UUID.
	Code     string
	ParentID *uuid.UUID
	// Path is the codes from the root down, joined by "/". The database keeps it;
	// read it again after a move.
	Path            string `gorm:"->;default:(-)"`
	Attributes      JSON   `gorm:"type:jsonb;default:'{}'"`
	WorkflowEnabled bool
	WorkflowConfig  JSON `gorm:"type:jsonb;default:'{}'"`
	IsActive        bool
	CreatedAt       time.Time `gorm:"->;default:now()"`
	UpdatedAt       time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (Resource) TableName() string { return "sentinel.resources" }
