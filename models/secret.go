package models

import (
	"time"

	"github.com/google/uuid"
)

// PersonalKey encrypts one person's data in records that can only be added to.
type PersonalKey struct {
	ID       uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID uuid.UUID
	UserID   uuid.UUID
	// SealedKey is encrypted with the master key.
	SealedKey []byte    `json:"-"`
	CreatedAt time.Time `gorm:"->;default:now()"`
	UpdatedAt time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (PersonalKey) TableName() string { return "sentinel.personal_keys" }

// InstallationSecret is a key of the installation that outlives a master key.
type InstallationSecret struct {
	Name string `gorm:"primaryKey"`
	// SealedValue is encrypted with the master key.
	SealedValue []byte    `json:"-"`
	CreatedAt   time.Time `gorm:"->;default:now()"`
	UpdatedAt   time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (InstallationSecret) TableName() string { return "sentinel.installation_secrets" }
