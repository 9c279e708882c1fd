package models

import (
	"time"

	"github.com/google/uuid"
)

// User is an account: a person, or a service account.
type User struct {
	ID       uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID uuid.UUID
	// Email is normalised (NFKC, lower case, IDNA); "" for a service account
	// without one.
	Email string
	// EmailVerifiedAt is nil as long as Email is absent from conditions and look-ups.
	EmailVerifiedAt  *time.Time
	Username         *string
	DisplayName      string
	Description      string
	ExternalID       *string
	PasswordHash     *string `json:"-"`
	IsServiceAccount bool
	// ServiceAccountKeyID and ServiceAccountKeyHash (SHA-256) are those of a service
	// account's current key; it has no password.
	ServiceAccountKeyID   *string
	ServiceAccountKeyHash []byte `json:"-"`
	// PreviousKeyID names the key before the last rotation, which lives on until
	// PreviousKeyExpiresAt.
	PreviousKeyID        *string
	PreviousKeyHash      []byte `json:"-"`
	PreviousKeyExpiresAt *time.Time
	// OwnerID is the person behind a service account.
	OwnerID *uuid.UUID
	// AllowedIPs are addresses or CIDR ranges; empty means any.
	AllowedIPs  Strings `gorm:"type:text[];default:'{}'"`
	Attributes  JSON    `gorm:"type:jsonb;default:'{}'"`
	Preferences JSON    `gorm:"type:jsonb;default:'{}'"`
	// AssertSubject lets the account state properties of subjects it asks about.
	AssertSubject bool
	// AssertOverride are the attribute keys in which what the account states
	// replaces what is stored.
	AssertOverride     Strings `gorm:"type:text[];default:'{}'"`
	LastLogin          *time.Time
	LoginCount         int
	FailedLoginCount   int
	LockedUntil        *time.Time
	MustChangePassword bool
	// TokenEpoch is the oldest generation of tokens that still counts.
	TokenEpoch int
	MFAEnabled bool
	// MFASecret is encrypted with the master key.
	MFASecret []byte `json:"-"`
	// MFALastStep is the last TOTP step that was used: a step works once.
	MFALastStep int64
	IsActive    bool
	CreatedAt   time.Time `gorm:"->;default:now()"`
	UpdatedAt   time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (User) TableName() string { return "sentinel.users" }

// LoginFailure counts failed logins of an account from one network.
type LoginFailure struct {
	ID       uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID uuid.UUID
	UserID   uuid.UUID
	// Network is the prefix of the client's address.
	Network     string
	FailedCount int
	// LockCount is how often in a row the pair was locked; each lock is twice as
	// long as the one before.
	LockCount   int
	LockedUntil *time.Time
	CreatedAt   time.Time `gorm:"->;default:now()"`
	UpdatedAt   time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (LoginFailure) TableName() string { return "sentinel.login_failures" }
