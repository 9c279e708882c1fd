package models

import (
	"time"

	"github.com/google/uuid"
)

// PolicyRevision is a tenant's pair of counters. Triggers move them; the server
// reads the row, and locks it to serialise a tenant's writes.
type PolicyRevision struct {
	TenantID uuid.UUID `gorm:"primaryKey"`
	// Revision moves with any change that can alter a decision.
	Revision int64 `gorm:"default:1"`
	// GraphRevision moves with roles, groups, permissions, tree, chains, fields,
	// policies and settings only.
	GraphRevision int64 `gorm:"default:1"`
	// SubjectFloor is the revision above which subject_changes is complete.
	SubjectFloor int64
	UpdatedAt    time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (PolicyRevision) TableName() string { return "sentinel.policy_revision" }

// SubjectChange says that the revision changed that user.
type SubjectChange struct {
	TenantID  uuid.UUID `gorm:"primaryKey"`
	Revision  int64     `gorm:"primaryKey"`
	UserID    uuid.UUID `gorm:"primaryKey"`
	ChangedAt time.Time `gorm:"default:now()"`
}

// TableName implements GORM's Tabler.
func (SubjectChange) TableName() string { return "sentinel.subject_changes" }

// PermissionCacheEntry is an answer kept over a restart.
type PermissionCacheEntry struct {
	ID        uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID  uuid.UUID
	SubjectID uuid.UUID
	CacheKey  string
	Value     []byte
	// MAC is keyed by the server and covers the row.
	MAC             []byte
	GraphRevision   int64
	SubjectRevision int64
	ExpiresAt       time.Time
	CreatedAt       time.Time `gorm:"->;default:now()"`
	UpdatedAt       time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (PermissionCacheEntry) TableName() string { return "sentinel.permission_cache" }

// Installation is the only row of its table.
type Installation struct {
	Singleton bool `gorm:"primaryKey;default:true"`
	// Epoch changes when a backup is restored: revision tokens of before are void.
	Epoch     uuid.UUID `gorm:"default:gen_random_uuid()"`
	CreatedAt time.Time `gorm:"->;default:now()"`
	UpdatedAt time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (Installation) TableName() string { return "sentinel.installation" }
