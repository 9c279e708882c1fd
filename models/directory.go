package models

import (
	"time"

	"github.com/google/uuid"
)

// Role is what permissions are given to.
type Role struct {
	ID          uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID    uuid.UUID
	Name        string
	DisplayName string
	Description string
	// Type is "system" (made by migrations only) or "custom".
	Type            string `gorm:"default:custom"`
	ParentRoleID    *uuid.UUID
	Priority        int
	IsAssignable    bool
	Metadata        JSON `gorm:"type:jsonb;default:'{}'"`
	IsActive        bool
	CreatedBy       *uuid.UUID
	CreatedByTenant *uuid.UUID
	CreatedAt       time.Time `gorm:"->;default:now()"`
	UpdatedAt       time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (Role) TableName() string { return "sentinel.roles" }

// Group is a set of users; the members of a child are members of its parent.
type Group struct {
	ID            uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID      uuid.UUID
	Name          string
	DisplayName   string
	Description   string
	ParentGroupID *uuid.UUID
	Metadata      JSON `gorm:"type:jsonb;default:'{}'"`
	IsActive      bool
	CreatedAt     time.Time `gorm:"->;default:now()"`
	UpdatedAt     time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (Group) TableName() string { return "sentinel.groups" }

// UserRole assigns a role to a user. It counts while IsActive and between
// ValidFrom (included) and ExpiresAt (excluded), where set.
type UserRole struct {
	ID       uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID uuid.UUID
	UserID   uuid.UUID
	RoleID   uuid.UUID
	// RoleTenantID is the tenant that owns the role: the own one, the platform, or
	// an ancestor from which the tenant inherits.
	RoleTenantID    uuid.UUID
	GrantedBy       *uuid.UUID
	GrantedByTenant *uuid.UUID
	GrantedAt       time.Time `gorm:"default:now()"`
	ValidFrom       *time.Time
	ExpiresAt       *time.Time
	IsActive        bool
	// SourceRequestID is the approved access request behind the assignment.
	SourceRequestID *uuid.UUID
	CreatedAt       time.Time `gorm:"->;default:now()"`
	UpdatedAt       time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (UserRole) TableName() string { return "sentinel.user_roles" }

// UserGroup makes a user a member of a group.
type UserGroup struct {
	ID            uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID      uuid.UUID
	UserID        uuid.UUID
	GroupID       uuid.UUID
	AddedBy       *uuid.UUID
	AddedByTenant *uuid.UUID
	CreatedAt     time.Time `gorm:"->;default:now()"`
	UpdatedAt     time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (UserGroup) TableName() string { return "sentinel.user_groups" }

// GroupRole gives a role to the members of a group.
type GroupRole struct {
	ID       uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID uuid.UUID
	GroupID  uuid.UUID
	RoleID   uuid.UUID
	// RoleTenantID is as in [UserRole].
	RoleTenantID    uuid.UUID
	GrantedBy       *uuid.UUID
	GrantedByTenant *uuid.UUID
	CreatedAt       time.Time `gorm:"->;default:now()"`
	UpdatedAt       time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (GroupRole) TableName() string { return "sentinel.group_roles" }
