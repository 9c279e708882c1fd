package models

import (
	"time"

	"github.com/google/uuid"
)

// DecisionLog is the record of a decision. Rows are inserted and read only.
type DecisionLog struct {
	ID         uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID   uuid.UUID
	DecidedAt  time.Time `gorm:"default:now()"`
	Revision   string
	SubjectID  *uuid.UUID
	Question   JSON `gorm:"type:jsonb"`
	Answer     JSON `gorm:"type:jsonb"`
	Allowed    bool
	ReasonCode string
	// LatencyUs is in microseconds.
	LatencyUs int
	CacheHit  bool
	// Origin says who decided; of an agent, AgentID says which.
	Origin    string `gorm:"default:engine"`
	AgentID   string
	RequestID string
}

// TableName implements GORM's Tabler.
func (DecisionLog) TableName() string { return "sentinel.decision_logs" }

// AuditLog is a link of the tenant's chain of audit records. Rows are inserted
// and read only.
type AuditLog struct {
	ID       uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID uuid.UUID
	// CreatedAt is given by the writer, since Hash covers it.
	CreatedAt     time.Time `gorm:"default:now()"`
	ActorID       *uuid.UUID
	ActorTenantID *uuid.UUID
	// ActorType is "user", "service_account" or "system".
	ActorType       string
	ActorDetails    JSON `gorm:"type:jsonb;default:'{}'"`
	Action          string
	ResourceType    string
	ResourceID      string
	ResourceDetails JSON `gorm:"type:jsonb;default:'{}'"`
	// Changes holds before and after, secrets masked.
	Changes JSON `gorm:"type:jsonb;default:'{}'"`
	// Result is "success", "failure" or "denied".
	Result       string
	ErrorDetails JSON `gorm:"type:jsonb;default:'{}'"`
	Metadata     JSON `gorm:"type:jsonb;default:'{}'"`
	RequestID    string
	// Seq counts the tenant's records from 1 without a gap.
	Seq      int64
	PrevHash []byte `gorm:"default:''"`
	Hash     []byte
}

// TableName implements GORM's Tabler.
func (AuditLog) TableName() string { return "sentinel.audit_logs" }

// AuditHead is the end of a tenant's chain. Whoever appends locks it.
type AuditHead struct {
	TenantID uuid.UUID `gorm:"primaryKey"`
	Seq      int64
	Hash     []byte `gorm:"default:''"`
	// AnchorSeq and AnchorHash are of the last record dropped by retention, from
	// which verification starts. The owner of the schema writes them.
	AnchorSeq  int64     `gorm:"->;default:0"`
	AnchorHash []byte    `gorm:"->;default:''"`
	CreatedAt  time.Time `gorm:"->;default:now()"`
	UpdatedAt  time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (AuditHead) TableName() string { return "sentinel.audit_heads" }

// Export is a file made of records by a job.
type Export struct {
	ID              uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID        uuid.UUID
	Kind            string
	Format          string
	Status          string `gorm:"default:pending"`
	Filter          JSON   `gorm:"type:jsonb;default:'{}'"`
	RowCount        int
	Content         []byte
	Error           string
	CreatedBy       *uuid.UUID
	CreatedByTenant *uuid.UUID
	FinishedAt      *time.Time
	ExpiresAt       *time.Time
	CreatedAt       time.Time `gorm:"->;default:now()"`
	UpdatedAt       time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (Export) TableName() string { return "sentinel.exports" }

// Import is a file of rows to write, with how far it got.
type Import struct {
	ID       uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID uuid.UUID
	Kind     string
	Format   string
	// Status is "pending", "running", "done", "failed" or "cancelled".
	Status   string `gorm:"default:pending"`
	IsDryRun bool
	// Source is what the caller calls the file, SHA256 its digest.
	Source        string
	SHA256        []byte `gorm:"column:sha256;default:''"`
	TotalRows     int
	ProcessedRows int
	CreatedRows   int
	UpdatedRows   int
	UnchangedRows int
	RefusedRows   int
	// Error is why it failed.
	Error           string
	CreatedBy       *uuid.UUID
	CreatedByTenant *uuid.UUID
	// Scope is what the token of CreatedBy was narrowed to: the rows are written
	// with its rights.
	Scope            Strings `gorm:"type:text[];default:'{}'"`
	ByServiceAccount bool
	// TokenEpoch is that of the account of CreatedBy when it started the import.
	TokenEpoch int
	StartedAt  *time.Time
	FinishedAt *time.Time
	CreatedAt  time.Time `gorm:"->;default:now()"`
	UpdatedAt  time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (Import) TableName() string { return "sentinel.imports" }

// ImportPart is some rows of an import that wait to be written.
type ImportPart struct {
	ID       uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID uuid.UUID
	ImportID uuid.UUID
	Number   int
	Kind     string
	RowCount int
	// Sealed is encrypted with the master key.
	Sealed    []byte
	CreatedAt time.Time `gorm:"->;default:now()"`
	UpdatedAt time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (ImportPart) TableName() string { return "sentinel.import_parts" }

// ImportRefusal says why a row of an import was not written.
type ImportRefusal struct {
	ID        uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID  uuid.UUID
	ImportID  uuid.UUID
	Line      int
	Kind      string
	Key       string
	Field     string
	Reason    string
	CreatedAt time.Time `gorm:"->;default:now()"`
	UpdatedAt time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (ImportRefusal) TableName() string { return "sentinel.import_refusals" }
