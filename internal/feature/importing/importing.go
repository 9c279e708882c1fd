// Package importing owns the section "imports": files with many users, groups,
// roles, assignments, permissions and resources, which a job writes part by
// part, by the rules that hold for single calls.
package importing

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/internal/platform/jobs"
	"github.com/sentinel-access/sentinel/models"
)

// Config is what a [Service] is made of.
type Config struct {
	Write  *change.Writer
	Queue  *jobs.Queue
	Master *crypto.MasterKey
	// NormaliseEmail and CheckIdentity are the rules for what an account is known
	// by.
	NormaliseEmail func(string) (string, bool)
	CheckIdentity  func(email string, externalID *string) (string, error)
	// MaxBytes is the largest file. Default 64 MiB.
	MaxBytes int
}

// Service answers the section's calls, and does its jobs.
type Service struct {
	cfg   Config
	write *change.Writer
	// uploads bounds the files that are in memory at once.
	uploads chan struct{}
}

const (
	defaultMaxBytes = 64 << 20
	// mostUploads is how many files are read at once: each is in memory.
	mostUploads = 4
	// uploadTimeout is for a file of 64 MiB over a line of 5 Mbit/s.
	uploadTimeout = 2 * time.Minute
)

// New makes the section and tells the queue how its jobs are done.
func New(cfg Config) *Service {
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = defaultMaxBytes
	}
	s := &Service{cfg: cfg, write: cfg.Write, uploads: make(chan struct{}, mostUploads)}
	jobs.Handle(cfg.Queue, s.work)
	return s
}

// Register adds the section's routes.
func (s *Service) Register(api *httpapi.Server) {
	sec := api.Section("Imports", "Many users, groups, roles, assignments, permissions and resources from a file.")
	httpapi.List(sec, httpapi.Route{Path: "/imports", Summary: "List imports", Access: httpapi.Requires("imports", "read")}, s.list)
	httpapi.Create(sec, httpapi.Route{
		Path: "/imports", Summary: "Import a file", Access: httpapi.Requires("imports", "create"), Granting: true, Status: 202,
		Description: "The body is the file itself, JSON lines or CSV. It is written behind the answer, with the caller's rights at the moment of writing: by the caller who may also make and change such objects one by one. A row that is refused does not stop the others.",
		MaxBody:     s.cfg.MaxBytes, Consumes: []string{jsonLines, csvType}, Timeout: uploadTimeout, Errors: []int{409},
	}, s.create)
	httpapi.Get(sec, httpapi.Route{Path: "/imports/{id}", Summary: "Read an import", Access: httpapi.Requires("imports", "read")}, s.read)
	httpapi.List(sec, httpapi.Route{
		Path: "/imports/{id}/refusals", Summary: "List the rows that were refused", Access: httpapi.Requires("imports", "read"),
		Description: "Up to 10,000 are kept, for 30 days.",
	}, s.refusals)
	httpapi.Call(sec, httpapi.Route{
		Path: "/imports/{id}/cancel", Summary: "Cancel an import", Access: httpapi.Requires("imports", "update"), Errors: []int{409},
		Description: "What is written stays. What is left of the file is forgotten.",
	}, s.cancel)
	httpapi.Call(sec, httpapi.Route{
		Path: "/imports/{id}/resume", Summary: "Go on with an import that failed", Access: httpapi.Requires("imports", "update"), Errors: []int{409},
		Description: "From the first row that is not written, with the rights of whoever started it.",
	}, s.resume)
}

// Import is an import as the API shows it.
type Import struct {
	ID         uuid.UUID  `json:"id"`
	TenantID   uuid.UUID  `json:"tenant_id"`
	Kind       string     `json:"kind"`
	Format     string     `json:"format"`
	Source     string     `json:"source" doc:"What the caller calls the file."`
	SHA256     string     `json:"sha256" doc:"Of the file as it was sent, in hexadecimal."`
	Status     string     `json:"status" enum:"pending,running,done,failed,cancelled"`
	IsDryRun   bool       `json:"is_dry_run" doc:"Nothing is written: the counts say what would be."`
	Total      int        `json:"total" doc:"The rows of the file."`
	Processed  int        `json:"processed"`
	Created    int        `json:"created"`
	Updated    int        `json:"updated"`
	Unchanged  int        `json:"unchanged"`
	Refused    int        `json:"refused"`
	Error      string     `json:"error,omitempty" doc:"Why it failed."`
	CreatedBy  *uuid.UUID `json:"created_by" nullable:"true"`
	StartedAt  *time.Time `json:"started_at" nullable:"true"`
	FinishedAt *time.Time `json:"finished_at" nullable:"true"`
	CreatedAt  time.Time  `json:"created_at"`
	UpdatedAt  time.Time  `json:"updated_at"`
}

// ETag changes whenever the import gets on.
func (i *Import) ETag() string { return httpapi.ETag(i.ID, i.UpdatedAt.UnixNano()) }

// The states of an import.
const (
	pending   = "pending"
	running   = "running"
	done      = "done"
	failed    = "failed"
	cancelled = "cancelled"
)

func view(m *models.Import) *Import {
	return &Import{
		ID: m.ID, TenantID: m.TenantID, Kind: m.Kind, Format: m.Format, Source: m.Source, SHA256: hex.EncodeToString(m.SHA256),
		Status: m.Status, IsDryRun: m.IsDryRun, Total: m.TotalRows, Processed: m.ProcessedRows, Created: m.CreatedRows,
		Updated: m.UpdatedRows, Unchanged: m.UnchangedRows, Refused: m.RefusedRows, Error: m.Error, CreatedBy: m.CreatedBy,
		StartedAt: m.StartedAt, FinishedAt: m.FinishedAt, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
}

// ListIn is the query of the list.
type ListIn struct {
	httpapi.PageIn
	httpapi.OrderIn
	Status string `query:"status" enum:"pending,running,done,failed,cancelled"`
}

func (s *Service) list(ctx context.Context, in *ListIn) (page httpapi.Page[Import], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		q := tx.Where("tenant_id = ?", tenant)
		if in.Status != "" {
			q = q.Where("status = ?", in.Status)
		}
		page, err = crud.List(q, in.PageIn, crud.Order{Descending: in.Descending()}, view)
		return err
	})
	return page, err
}

// IDIn names one import.
type IDIn struct {
	ID uuid.UUID `path:"id" doc:"The import's id."`
}

func (s *Service) read(ctx context.Context, in *IDIn) (*Import, error) {
	return crud.Read(ctx, s.write.DB, in.ID, "import", view)
}

// Refusal is a row that was not written.
type Refusal struct {
	Line   int    `json:"line" doc:"Of the file, from 1."`
	Kind   string `json:"kind"`
	Key    string `json:"key" doc:"What the row's object is known by; empty where the row could not be read."`
	Field  string `json:"field" doc:"The member at fault; empty where it is the whole row."`
	Reason string `json:"reason"`
}

// RefusalsIn lists the refused rows of an import.
type RefusalsIn struct {
	IDIn
	httpapi.PageIn
}

func (s *Service) refusals(ctx context.Context, in *RefusalsIn) (page httpapi.Page[Refusal], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		if _, err := crud.One[models.Import](tx, tenant, in.ID, "import"); err != nil {
			return err
		}
		q := tx.Where("tenant_id = ? AND import_id = ?", tenant, in.ID)
		page, err = crud.List(q, in.PageIn, crud.Order{Column: "line"}, func(m *models.ImportRefusal) *Refusal {
			return &Refusal{Line: m.Line, Kind: m.Kind, Key: m.Key, Field: m.Field, Reason: m.Reason}
		})
		return err
	})
	return page, err
}
