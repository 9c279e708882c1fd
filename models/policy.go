package models

import (
	"time"

	"github.com/google/uuid"
)

// Policy is a Rego module of a tenant.
type Policy struct {
	ID       uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID uuid.UUID
	Path     string
	Package  string
	// Rego is the draft: the text of the version Version.
	Rego             string
	Description      string
	Version          int `gorm:"default:1"`
	PublishedVersion *int
	// Status is "draft", "validated", "tested", "published" or "superseded".
	Status          string `gorm:"default:draft"`
	CreatedBy       *uuid.UUID
	CreatedByTenant *uuid.UUID
	UpdatedBy       *uuid.UUID
	UpdatedByTenant *uuid.UUID
	// DeletedAt is not GORM's soft delete: queries see deleted rows.
	DeletedAt *time.Time
	CreatedAt time.Time `gorm:"->;default:now()"`
	UpdatedAt time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (Policy) TableName() string { return "sentinel.policies" }

// PolicyVersion is a text that a module had. Rows are never updated.
type PolicyVersion struct {
	ID             uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID       uuid.UUID
	PolicyID       uuid.UUID
	Version        int
	Path           string
	Package        string
	Rego           string
	Description    string
	AuthorID       *uuid.UUID
	AuthorTenantID *uuid.UUID
	CreatedAt      time.Time `gorm:"->;default:now()"`
	UpdatedAt      time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (PolicyVersion) TableName() string { return "sentinel.policy_versions" }

// PolicyPublication is a published set of modules; the one of the highest
// revision is live.
type PolicyPublication struct {
	ID       uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID uuid.UUID
	Revision int64
	// Modules is an array of {policy_id, version_id, path, package, version}.
	Modules      JSON `gorm:"type:jsonb;default:'[]'"`
	BundleDigest string
	// RollbackOf is the older revision that this one repeats.
	RollbackOf        *int64
	IsForced          bool
	ForceReason       string
	Simulation        JSON `gorm:"type:jsonb;default:'{}'"`
	PublishedBy       *uuid.UUID
	PublishedByTenant *uuid.UUID
	PublishedAt       time.Time `gorm:"default:now()"`
	CreatedAt         time.Time `gorm:"->;default:now()"`
	UpdatedAt         time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (PolicyPublication) TableName() string { return "sentinel.policy_revisions" }

// OPAAgent is a stock OPA that takes the tenant's bundle.
type OPAAgent struct {
	ID       uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID uuid.UUID
	// AgentID is the "id" among the agent's labels.
	AgentID         string
	Name            string
	OPAVersion      string
	Labels          JSON `gorm:"type:jsonb;default:'{}'"`
	Status          JSON `gorm:"type:jsonb;default:'{}'"`
	ActiveRevision  string
	AccountID       *uuid.UUID
	LastSeenAt      time.Time `gorm:"default:now()"`
	LastActivatedAt *time.Time
	CreatedAt       time.Time `gorm:"->;default:now()"`
	UpdatedAt       time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (OPAAgent) TableName() string { return "sentinel.opa_agents" }
