package models

import (
	"time"

	"github.com/google/uuid"
)

// RetiredIdentifier is an e-mail address or external id that an account had,
// and that no other account gets. Triggers write it.
type RetiredIdentifier struct {
	ID       uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID uuid.UUID
	// Kind is "email" or "external_id".
	Kind string
	// Hash is a hash under the tenant's own key.
	Hash []byte
	// UserID is the account whose it was, which may be gone.
	UserID    uuid.UUID
	CreatedAt time.Time `gorm:"->;default:now()"`
	UpdatedAt time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (RetiredIdentifier) TableName() string { return "sentinel.retired_identifiers" }

// IdentifierKey is a tenant's key of its retired identifiers. The server cannot
// read it: the functions that hash with it can.
type IdentifierKey struct {
	ID        uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID  uuid.UUID
	Key       []byte    `json:"-"`
	CreatedAt time.Time `gorm:"->;default:now()"`
	UpdatedAt time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (IdentifierKey) TableName() string { return "sentinel.identifier_keys" }
