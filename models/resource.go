package models

import (
	"bytes"
	"database/sql/driver"
	"fmt"
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
	Path string `gorm:"->;default:(-)"`
	// Lineage is kept likewise.
	Lineage         Lineage `gorm:"->;default:(-)"`
	Attributes      JSON    `gorm:"type:jsonb;default:'{}'"`
	WorkflowEnabled bool
	WorkflowConfig  JSON `gorm:"type:jsonb;default:'{}'"`
	IsActive        bool
	CreatedAt       time.Time `gorm:"->;default:now()"`
	UpdatedAt       time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (Resource) TableName() string { return "sentinel.resources" }

// Lineage is where a node stands: the ids from its root down to the node itself,
// 16 bytes each. The subtree of a node is what has a lineage that begins with the
// node's.
type Lineage []byte

// IDs returns the ids, the root's first.
func (l Lineage) IDs() []uuid.UUID {
	ids := make([]uuid.UUID, len(l)/len(uuid.UUID{}))
	for i := range ids {
		copy(ids[i][:], l[i*len(uuid.UUID{}):])
	}
	return ids
}

// Holds reports whether other stands in the subtree, of which its root is one.
func (l Lineage) Holds(other Lineage) bool { return len(l) > 0 && bytes.HasPrefix(other, l) }

// Value implements [driver.Valuer], so that GORM binds one parameter and not a
// list of bytes.
func (l Lineage) Value() (driver.Value, error) { return []byte(l), nil }

// Scan implements [database/sql.Scanner].
func (l *Lineage) Scan(src any) error {
	raw, ok := src.([]byte)
	if !ok {
		return fmt.Errorf("scan %T into a lineage", src)
	}
	*l = bytes.Clone(raw)
	return nil
}

// GormDataType implements GORM's GormDataTypeInterface.
func (Lineage) GormDataType() string { return "bytea" }
