package importing

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"mime"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/internal/platform/jobs"
	"github.com/sentinel-access/sentinel/models"
)

// The media types of a file.
const (
	jsonLines = "application/x-ndjson"
	csvType   = "text/csv"
)

const (
	// mostUnfinished is how many imports of a tenant may be under way, or wait to
	// be resumed: their files are kept.
	mostUnfinished = 10
	// mostRehearsed is how many rows a dry run may have, since it is one
	// transaction, during which nobody else in the tenant can grant anything.
	mostRehearsed = 20_000
)

// CreateIn is a file to import.
type CreateIn struct {
	Kind        string `query:"kind" enum:"users,groups,roles,assignments,permissions,resources,mixed" default:"mixed" doc:"What its rows are; in a mixed file each says so in its member kind."`
	Format      string `query:"format" enum:"jsonl,csv" doc:"Default: by the Content-Type."`
	DryRun      bool   `query:"dry_run" doc:"Write nothing, and count what would come of it. At most 20,000 rows."`
	Source      string `query:"source" maxLength:"255" doc:"What to call the file, such as its name."`
	ContentType string `header:"Content-Type" hidden:"true"`
	RawBody     []byte
}

func (in *CreateIn) format() (string, error) {
	media, _, err := mime.ParseMediaType(in.ContentType)
	if err != nil {
		return "", fault.InvalidAt("header.Content-Type", "must be %s or %s", jsonLines, csvType)
	}
	byType := "jsonl"
	if media == csvType {
		byType = "csv"
	}
	if in.Format != "" && in.Format != byType {
		return "", fault.InvalidAt("query.format", "is not that of the Content-Type")
	}
	return byType, nil
}

func (s *Service) create(ctx context.Context, in *CreateIn) (created httpapi.Created[Import], err error) {
	format, err := in.format()
	if err != nil {
		return created, err
	}
	if len(in.RawBody) == 0 {
		return created, fault.InvalidAt("body", "is empty: send the file")
	}
	select {
	case s.uploads <- struct{}{}:
		defer func() { <-s.uploads }()
	case <-ctx.Done():
		return created, fault.New(fault.Unavailable, "Other files are being read. Try again in a minute.")
	}
	f, err := read(in.RawBody, in.Kind, format, s.cfg.NormaliseEmail)
	if err != nil {
		return created, err
	}
	parts := f.parts()
	if in.DryRun && f.total > mostRehearsed {
		return created, fault.InvalidAt("query.dry_run", "is for at most %d rows: try a part of the file", mostRehearsed)
	}
	for _, kind := range slices.Compact(kindsOf(parts)) {
		if err := s.permitted(ctx, kind); err != nil {
			return created, err
		}
	}
	m, err := s.model(ctx, in, format, f)
	if err != nil {
		return created, err
	}
	sealed, err := s.seal(m, parts)
	if err != nil {
		return created, err
	}
	err = s.write.Plain(ctx, func(w *change.Write) error {
		if err := bounded(w, m.TenantID); err != nil {
			return err
		}
		if err := w.Create(m).Error; err != nil {
			return fmt.Errorf("create import: %w", err)
		}
		if err := store(w, sealed); err != nil {
			return err
		}
		if err := keep(w, m, f.refusals); err != nil {
			return err
		}
		if err := s.cfg.Queue.Insert(ctx, w.Tx, Job{Tenant: m.TenantID, Import: m.ID}, jobs.Options{}); err != nil {
			return err
		}
		stored, err := crud.One[models.Import](w.Tx, m.TenantID, m.ID, "import")
		if err != nil {
			return err
		}
		created = httpapi.Created[Import]{Location: "/imports/" + m.ID.String(), Data: *view(stored)}
		return w.Record(audit.Event{Action: "import.create", ResourceType: "import", ResourceID: m.ID, After: created.Data})
	})
	return created, err
}

func kindsOf(parts []part) []Kind {
	out := make([]Kind, len(parts))
	for i, p := range parts {
		out[i] = p.kind
	}
	return out
}

// permitted refuses whoever may not write objects of the kind by single calls.
func (s *Service) permitted(ctx context.Context, kind Kind) error {
	for _, p := range kind.needs() {
		if err := s.may(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) may(ctx context.Context, p httpapi.Permission) error {
	caller, ok := identity.PrincipalFrom(ctx)
	if !ok || !caller.Covers(p.Section, p.Action) || !s.write.Engine.Permits(ctx, caller.HomeTenantID, caller.UserID, p.Section, p.Action) {
		return httpapi.Denied(p)
	}
	return nil
}

func (s *Service) model(ctx context.Context, in *CreateIn, format string, f *file) (*models.Import, error) {
	tenant, _ := identity.TenantFrom(ctx)
	caller, _ := identity.PrincipalFrom(ctx)
	account, err := s.write.Engine.Account(ctx, caller.HomeTenantID, caller.UserID)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(in.RawBody)
	return &models.Import{
		ID: uuid.Must(uuid.NewV7()), TenantID: tenant, Kind: in.Kind, Format: format, Status: pending, IsDryRun: in.DryRun,
		Source: in.Source, SHA256: sum[:], TotalRows: f.total, ProcessedRows: f.refused, RefusedRows: f.refused,
		CreatedBy: &caller.UserID, CreatedByTenant: &caller.HomeTenantID, Scope: models.Strings(caller.Scope), ByServiceAccount: caller.IsServiceAccount,
		TokenEpoch: account.TokenEpoch,
	}, nil
}

// seal encrypts the parts: a file holds personal data that the accounts keep
// encrypted.
func (s *Service) seal(m *models.Import, parts []part) ([]models.ImportPart, error) {
	out := make([]models.ImportPart, len(parts))
	for i, p := range parts {
		raw, err := json.Marshal(p.rows)
		if err != nil {
			return nil, fmt.Errorf("encode rows: %w", err)
		}
		id := uuid.Must(uuid.NewV7())
		out[i] = models.ImportPart{
			ID: id, TenantID: m.TenantID, ImportID: m.ID, Number: i, Kind: string(p.kind), RowCount: len(p.rows),
			Sealed: s.cfg.Master.Seal(raw, place(id)),
		}
	}
	return out, nil
}

// place binds a sealed part to its row.
func place(part uuid.UUID) string { return "import_parts/" + part.String() }

func (s *Service) open(p *models.ImportPart) (rows []row, err error) {
	raw, err := s.cfg.Master.Open(p.Sealed, place(p.ID))
	if err != nil {
		return nil, fmt.Errorf("open part %d of import %s: %w", p.Number, p.ImportID, err)
	}
	if err := json.Unmarshal(raw, &rows); err != nil {
		return nil, fmt.Errorf("decode part %d of import %s: %w", p.Number, p.ImportID, err)
	}
	return rows, nil
}

// bounded refuses one more import where enough are under way.
func bounded(w *change.Write, tenant uuid.UUID) error {
	var unfinished int64
	err := w.Model(&models.Import{}).Where("tenant_id = ? AND status IN ('pending', 'running', 'failed')", tenant).Count(&unfinished).Error
	if err != nil {
		return fmt.Errorf("count imports: %w", err)
	}
	if unfinished >= mostUnfinished {
		return fault.Conflict("", "%d imports of this tenant are under way or failed. Wait for them, resume or cancel some.", unfinished)
	}
	return nil
}

func store(w *change.Write, parts []models.ImportPart) error {
	for some := range slices.Chunk(parts, 16) {
		if err := w.Create(&some).Error; err != nil {
			return fmt.Errorf("store rows: %w", err)
		}
	}
	return nil
}

// keep stores refusals, as far as there is room for them.
func keep(w *change.Write, m *models.Import, refusals []models.ImportRefusal) error {
	if len(refusals) == 0 {
		return nil
	}
	var kept int64
	if err := w.Model(&models.ImportRefusal{}).Where("tenant_id = ? AND import_id = ?", m.TenantID, m.ID).Count(&kept).Error; err != nil {
		return fmt.Errorf("count refusals: %w", err)
	}
	refusals = refusals[:min(len(refusals), max(0, keptRefusals-int(kept)))]
	for some := range slices.Chunk(refusals, 1_000) {
		rows := slices.Clone(some)
		for i := range rows {
			rows[i].ID, rows[i].TenantID, rows[i].ImportID = uuid.Must(uuid.NewV7()), m.TenantID, m.ID
		}
		if err := w.Create(&rows).Error; err != nil {
			return fmt.Errorf("keep refusals: %w", err)
		}
	}
	return nil
}

// cancel ends an import.
func (s *Service) cancel(ctx context.Context, in *IDIn) (out *Import, err error) {
	err = s.write.Plain(ctx, func(w *change.Write) error {
		m, err := locked(ctx, w, in.ID)
		if err != nil {
			return err
		}
		if m.Status == done || m.Status == cancelled {
			return fault.Conflict("", "The import is %s already.", m.Status)
		}
		before := view(m)
		now := time.Now().UTC()
		m.Status, m.FinishedAt, m.Error = cancelled, &now, ""
		if err := forgetParts(w.Tx, m); err != nil {
			return err
		}
		out, err = saved(w, m, audit.Event{Action: "import.cancel", Before: before})
		return err
	})
	return out, err
}

// untouched is how long an import may stand still before it can be resumed
// without having failed: its job is lost.
const untouched = 10 * time.Minute

// resume goes on with an import.
func (s *Service) resume(ctx context.Context, in *IDIn) (out *Import, err error) {
	caller, _ := identity.PrincipalFrom(ctx)
	account, err := s.write.Engine.Account(ctx, caller.HomeTenantID, caller.UserID)
	if err != nil {
		return nil, err
	}
	err = s.write.Plain(ctx, func(w *change.Write) error {
		m, err := locked(ctx, w, in.ID)
		if err != nil {
			return err
		}
		lost := (m.Status == pending || m.Status == running) && time.Since(m.UpdatedAt) > untouched
		if m.Status != failed && !lost {
			return fault.Conflict("", "The import is %s: only one that failed is resumed.", m.Status)
		}
		var left int64
		if err := w.Model(&models.ImportPart{}).Where("tenant_id = ? AND import_id = ?", m.TenantID, m.ID).Count(&left).Error; err != nil {
			return fmt.Errorf("count rows: %w", err)
		}
		if left == 0 {
			return fault.Conflict("", "What was left of the file is no longer kept. Import it again: what is written already does not change.")
		}
		before := view(m)
		m.Status, m.Error, m.FinishedAt = pending, "", nil
		if m.CreatedBy != nil && *m.CreatedBy == caller.UserID && *m.CreatedByTenant == caller.HomeTenantID {
			m.TokenEpoch = account.TokenEpoch // its sender again, in a session of today
		}
		if err := s.cfg.Queue.Insert(ctx, w.Tx, Job{Tenant: m.TenantID, Import: m.ID}, jobs.Options{}); err != nil {
			return err
		}
		out, err = saved(w, m, audit.Event{Action: "import.resume", Before: before})
		return err
	})
	return out, err
}

func locked(ctx context.Context, w *change.Write, id uuid.UUID) (*models.Import, error) {
	tenant, _ := identity.TenantFrom(ctx)
	return crud.Locked[models.Import](w.Tx, tenant, id, "import")
}

// saved stores an import and records the event.
func saved(w *change.Write, m *models.Import, e audit.Event) (*Import, error) {
	if err := w.Save(m).Error; err != nil {
		return nil, fmt.Errorf("update import: %w", err)
	}
	stored, err := crud.One[models.Import](w.Tx, m.TenantID, m.ID, "import")
	if err != nil {
		return nil, err
	}
	e.ResourceType, e.ResourceID, e.After = "import", m.ID, view(stored)
	return view(stored), w.Record(e)
}

// forgetParts drops what is left of a file.
func forgetParts(tx *db.Tx, m *models.Import) error {
	err := tx.Where("tenant_id = ? AND import_id = ?", m.TenantID, m.ID).Delete(&models.ImportPart{}).Error
	if err != nil {
		return fmt.Errorf("forget rows: %w", err)
	}
	return nil
}
