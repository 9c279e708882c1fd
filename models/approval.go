package models

import (
	"time"

	"github.com/google/uuid"
)

// ApprovalChain says who must approve what.
type ApprovalChain struct {
	ID              uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID        uuid.UUID
	Name            string
	Description     string
	ResourceType    string
	ResourcePattern string `gorm:"default:*"`
	// Mode is "gate" (permission and approval) or "escalation" (permission or
	// approval).
	Mode                  string `gorm:"default:gate"`
	ApprovalLevels        JSON   `gorm:"type:jsonb"`
	AutoApproveConditions JSON   `gorm:"type:jsonb;default:'{}'"`
	// MaxDurationHours is the longest time an approval may grant for, nil for any.
	MaxDurationHours *int
	IsActive         bool
	CreatedBy        *uuid.UUID
	CreatedByTenant  *uuid.UUID
	CreatedAt        time.Time `gorm:"->;default:now()"`
	UpdatedAt        time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (ApprovalChain) TableName() string { return "sentinel.approval_chains" }

// AccessRequest asks for a role, an action or a resource.
type AccessRequest struct {
	ID          uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID    uuid.UUID
	RequesterID uuid.UUID
	// BeneficiaryID is who gains: the requester unless they ask for another.
	BeneficiaryID uuid.UUID
	// RequestType is "role", "permission" or "resource_access".
	RequestType    string
	RequestDetails JSON `gorm:"type:jsonb;default:'{}'"`
	Justification  string
	ChainID        *uuid.UUID
	// ChainSnapshot is the chain as it was when the request was opened.
	ChainSnapshot JSON `gorm:"type:jsonb;default:'{}'"`
	CurrentLevel  int  `gorm:"default:1"`
	// Status is "pending", "approved", "denied", "expired", "cancelled" or "revoked".
	Status     string `gorm:"default:pending"`
	ExpiresAt  *time.Time
	LevelDueAt *time.Time
	DecidedAt  *time.Time
	// GrantExpiresAt ends what an approved request grants, nil for never.
	GrantExpiresAt *time.Time
	// AutoApproved is set on the record of what a chain's conditions approved,
	// which grants nothing by itself.
	AutoApproved bool
	CreatedAt    time.Time `gorm:"->;default:now()"`
	UpdatedAt    time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (AccessRequest) TableName() string { return "sentinel.access_requests" }

// Approval is one person's word on a request. Rows are inserted and read only.
type Approval struct {
	ID        uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID  uuid.UUID
	RequestID uuid.UUID
	// ApproverID is nil for an escalation by time.
	ApproverID       *uuid.UUID
	ApproverTenantID *uuid.UUID
	ApprovalLevel    int
	// Decision is "approved", "denied" or "escalated".
	Decision      string
	Comments      string
	DecidedAt     time.Time `gorm:"default:now()"`
	DelegatedFrom *uuid.UUID
	// Entries are the places of the level's approvers as which the word may count,
	// as a JSON list of whole numbers.
	Entries   JSON      `gorm:"type:jsonb;default:'[]'"`
	CreatedAt time.Time `gorm:"->;default:now()"`
	UpdatedAt time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (Approval) TableName() string { return "sentinel.approvals" }

// ApprovalDelegation lets one user decide for another for a while.
type ApprovalDelegation struct {
	ID        uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID  uuid.UUID
	FromUser  uuid.UUID
	ToUser    uuid.UUID
	StartsAt  time.Time
	EndsAt    time.Time
	CreatedAt time.Time `gorm:"->;default:now()"`
	UpdatedAt time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (ApprovalDelegation) TableName() string { return "sentinel.approval_delegations" }
