package models

import (
	"time"

	"github.com/google/uuid"
)

// RefreshToken is one of a session's refresh tokens, of which the last is valid.
type RefreshToken struct {
	ID       uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID uuid.UUID
	UserID   uuid.UUID
	// FamilyID is the session: all tokens that follow from one login.
	FamilyID        uuid.UUID
	FamilyExpiresAt time.Time
	TokenHash       []byte `json:"-"`
	DeviceInfo      JSON   `gorm:"type:jsonb;default:'{}'"`
	ExpiresAt       time.Time
	// TokenEpoch is the account's at the login: a later one ends the session.
	TokenEpoch int
	LastUsedAt *time.Time
	RevokedAt  *time.Time
	// ReplacedBy is set on the first use. A second use revokes the family.
	ReplacedBy *uuid.UUID
	CreatedAt  time.Time `gorm:"->;default:now()"`
	UpdatedAt  time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (RefreshToken) TableName() string { return "sentinel.refresh_tokens" }

// BlacklistedToken is an access token that was revoked before its end.
type BlacklistedToken struct {
	ID       uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID uuid.UUID
	// JTI is the token's "jti", or the "sid" of a session that ended whole.
	JTI             string
	UserID          uuid.UUID
	TokenType       string `gorm:"default:access"`
	ExpiresAt       time.Time
	RevokedAt       time.Time `gorm:"default:now()"`
	RevokedBy       *uuid.UUID
	RevokedByTenant *uuid.UUID
	Reason          string
	CreatedAt       time.Time `gorm:"->;default:now()"`
	UpdatedAt       time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (BlacklistedToken) TableName() string { return "sentinel.token_blacklist" }

// OneTimeToken is a secret that was mailed.
type OneTimeToken struct {
	ID       uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID uuid.UUID
	UserID   uuid.UUID
	// Purpose is "password_reset", "invitation" or "email_change".
	Purpose   string
	TokenHash []byte `json:"-"`
	Metadata  JSON   `gorm:"type:jsonb;default:'{}'"`
	ExpiresAt time.Time
	UsedAt    *time.Time
	CreatedAt time.Time `gorm:"->;default:now()"`
	UpdatedAt time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (OneTimeToken) TableName() string { return "sentinel.one_time_tokens" }

// MFARecoveryCode replaces a TOTP once.
type MFARecoveryCode struct {
	ID        uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID  uuid.UUID
	UserID    uuid.UUID
	CodeHash  []byte `json:"-"`
	UsedAt    *time.Time
	CreatedAt time.Time `gorm:"->;default:now()"`
	UpdatedAt time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (MFARecoveryCode) TableName() string { return "sentinel.mfa_recovery_codes" }

// SigningKey signs access tokens of all tenants.
type SigningKey struct {
	ID        uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	Kid       string
	Algorithm string `gorm:"default:EdDSA"`
	PublicKey []byte
	// PrivateKey is encrypted with the master key.
	PrivateKey []byte `json:"-"`
	// Status is "next" (published, not used), "active" (at most one) or "retired"
	// (still verifies).
	Status    string    `gorm:"default:next"`
	NotBefore time.Time `gorm:"default:now()"`
	NotAfter  *time.Time
	CreatedAt time.Time `gorm:"->;default:now()"`
	UpdatedAt time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (SigningKey) TableName() string { return "sentinel.signing_keys" }

// IdempotencyKey is the remembered answer to a request that may be repeated.
type IdempotencyKey struct {
	ID                uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID          uuid.UUID
	PrincipalID       uuid.UUID
	PrincipalTenantID uuid.UUID
	Route             string
	Key               string
	RequestHash       []byte
	// StatusCode is nil while the first request is under way.
	StatusCode      *int
	ResponseHeaders JSON `gorm:"type:jsonb;default:'{}'"`
	ResponseBody    []byte
	ExpiresAt       time.Time
	CreatedAt       time.Time `gorm:"->;default:now()"`
	UpdatedAt       time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (IdempotencyKey) TableName() string { return "sentinel.idempotency_keys" }
