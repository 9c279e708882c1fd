package importing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/internal/platform/jobs"
	"github.com/sentinel-access/sentinel/models"
)

// Job writes what is left of an import.
type Job struct {
	Tenant uuid.UUID `json:"tenant_id"`
	Import uuid.UUID `json:"import_id"`
}

// Kind implements [jobs.Args].
func (Job) Kind() string { return "import" }

// TenantID implements [jobs.Args].
func (j Job) TenantID() uuid.UUID { return j.Tenant }

// errRehearsed takes back what a dry run wrote.
var errRehearsed = errors.New("dry run")

const (
	// holdFor is about how long rows that are refused one by one hold the tenant
	// against all others who grant something in it; rehearseFor is that of a dry
	// run, which decides all of its rows in one transaction.
	holdFor     = 5 * time.Second
	rehearseFor = 30 * time.Second
)

// work writes part after part, each in one transaction with the note that it is
// written, so that it happens once whatever becomes of the process.
func (s *Service) work(ctx context.Context, job Job) error {
	ctx, m, err := s.begin(ctx, job)
	if err != nil || m == nil {
		return err
	}
	for {
		over := false
		if m.IsDryRun {
			over, err = true, s.rehearse(ctx, m)
		} else {
			over, err = s.step(ctx, m.ID)
		}
		switch {
		case err != nil:
			return s.stop(ctx, m, err)
		case over:
			return nil
		case !jobs.MayGoOn(ctx):
			return jobs.ErrAgain
		}
	}
}

// begin returns the import and a context that acts for whoever started it, nil
// if there is nothing to do.
func (s *Service) begin(ctx context.Context, job Job) (context.Context, *models.Import, error) {
	var m models.Import
	err := s.write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		m = models.Import{}
		return tx.Where("tenant_id = ? AND id = ?", job.Tenant, job.Import).Take(&m).Error
	})
	switch {
	case errors.Is(err, gorm.ErrRecordNotFound):
		return ctx, nil, nil // the tenant is gone, and all that was its own
	case err != nil:
		return ctx, nil, fmt.Errorf("find import: %w", err)
	case m.Status != pending && m.Status != running || m.CreatedBy == nil:
		return ctx, nil, nil
	}
	ctx = identity.WithPrincipal(ctx, &identity.Principal{
		UserID: *m.CreatedBy, HomeTenantID: *m.CreatedByTenant, IsServiceAccount: m.ByServiceAccount, Scope: m.Scope,
	})
	ctx = identity.WithRequest(ctx, identity.Request{ID: "import-" + m.ID.String()})
	return identity.WithTenant(ctx, m.TenantID), &m, nil
}

// step writes the next part. over is set when there is none left.
func (s *Service) step(ctx context.Context, id uuid.UUID) (over bool, err error) {
	err = s.write.Granting(ctx, "import.write", func(w *change.Write) (granting.Change, error) {
		m, err := locked(ctx, w, id)
		if err != nil {
			return granting.Change{}, err
		}
		if over = m.Status != pending && m.Status != running; over {
			return granting.Change{}, nil // cancelled meanwhile, or done by another
		}
		p, err := next(w.Tx, m)
		if err != nil {
			return granting.Change{}, err
		}
		var b *batch
		if p == nil && m.ProcessedRows < m.TotalRows {
			return granting.Change{}, fault.Conflict("", "What was left of the file is no longer kept. Import it again: what is written already does not change.")
		}
		if p != nil {
			if b, err = s.writePart(ctx, w, m, p, time.Now().Add(holdFor)); err != nil {
				return granting.Change{}, err
			}
			if err := s.replace(w, p, b.left); err != nil {
				return granting.Change{}, err
			}
			if p, err = next(w.Tx, m); err != nil {
				return granting.Change{}, err
			}
		}
		over = p == nil
		return b.changed(), finish(w, m, b, over)
	})
	return over, err
}

// next returns the first part that is left, nil for none.
func next(tx *db.Tx, m *models.Import) (*models.ImportPart, error) {
	var p models.ImportPart
	err := tx.Where("tenant_id = ? AND import_id = ?", m.TenantID, m.ID).Order("number").Take(&p).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil //nolint:nilnil // none is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("find rows: %w", err)
	}
	return &p, nil
}

// writePart writes the rows of a part that may be written.
func (s *Service) writePart(ctx context.Context, w *change.Write, m *models.Import, p *models.ImportPart, until time.Time) (*batch, error) {
	kind := Kind(p.Kind)
	if w.Judge.Voids(m.TokenEpoch, m.CreatedAt) {
		return nil, fault.New(fault.TokenRevoked, "The sessions of whoever started the import have been ended since. Send the file again.")
	}
	for _, p := range append(kind.needs(), httpapi.Permission{Section: "imports", Action: "create"}) {
		// The engine judges conditions, the judge what was taken a moment ago.
		if err := s.may(ctx, p); err != nil {
			return nil, err
		}
		if !w.Judge.May(p.Section, p.Action) {
			return nil, httpapi.Denied(p)
		}
	}
	rows, err := s.open(p)
	if err != nil {
		return nil, err
	}
	b := &batch{ctx: ctx, w: w, s: s, kind: kind, id: m.ID, tenant: m.TenantID, until: until}
	if err := b.run(rows); err != nil {
		return nil, err
	}
	return b, w.RecordAll(b.events)
}

// finish notes what came of a part, and that it was the last.
func finish(w *change.Write, m *models.Import, b *batch, over bool) error {
	if m.StartedAt == nil {
		m.StartedAt = &w.Now
	}
	m.Status = running
	if b != nil {
		b.count(m)
		if err := keep(w, m, b.refusals); err != nil {
			return err
		}
	}
	if over {
		m.Status, m.FinishedAt = done, &w.Now
		_, err := saved(w, m, audit.Event{Action: "import.finish"})
		return err
	}
	if err := w.Save(m).Error; err != nil {
		return fmt.Errorf("note what is written: %w", err)
	}
	return nil
}

// rehearse writes all of it in one transaction, takes it back, and notes what
// would come of it.
func (s *Service) rehearse(ctx context.Context, m *models.Import) error {
	var parts []*batch
	until := time.Now().Add(rehearseFor)
	err := s.write.Granting(ctx, "import.rehearse", func(w *change.Write) (granting.Change, error) {
		parts = nil
		var all []models.ImportPart
		if err := w.Where("tenant_id = ? AND import_id = ?", m.TenantID, m.ID).Order("number").Find(&all).Error; err != nil {
			return granting.Change{}, fmt.Errorf("find rows: %w", err)
		}
		for i := range all {
			var err error
			if w.Judge, err = granting.Begin(ctx, w.Tx, w.Now); err != nil {
				return granting.Change{}, err
			}
			b, err := s.writePart(ctx, w, m, &all[i], until)
			if err != nil {
				return granting.Change{}, err
			}
			if len(b.left) > 0 || time.Now().After(until) {
				return granting.Change{}, fault.Conflict("", "A dry run of this file takes too long, during which nobody else can grant anything. Try a part of the file.")
			}
			parts = append(parts, b)
		}
		return granting.Change{}, errRehearsed
	})
	if !errors.Is(err, errRehearsed) {
		return err
	}
	return s.write.Plain(ctx, func(w *change.Write) error {
		stored, err := locked(ctx, w, m.ID)
		if err != nil || stored.Status != pending && stored.Status != running {
			return err
		}
		all := &batch{}
		for _, b := range parts {
			all.add(b)
		}
		if err := forgetParts(w.Tx, stored); err != nil {
			return err
		}
		return finish(w, stored, all, true)
	})
}

// stop notes why an import cannot go on. What may pass is left to another
// attempt of the job.
func (s *Service) stop(ctx context.Context, m *models.Import, cause error) error {
	reason := "It failed for a reason of the server's own, which its log has under this import's id. Resume it."
	var f *fault.Error
	switch {
	case errors.As(cause, &f) && f.Kind != fault.Internal && f.Kind != fault.Unavailable:
		reason = f.Message
	case !jobs.IsLastAttempt(ctx):
		return cause
	default:
		s.write.Logger.ErrorContext(ctx, "an import failed", "import_id", m.ID, "error", cause)
	}
	ctx = context.WithoutCancel(ctx)
	return s.write.Plain(ctx, func(w *change.Write) error {
		stored, err := locked(ctx, w, m.ID)
		if err != nil || stored.Status != pending && stored.Status != running {
			return err
		}
		stored.Status, stored.Error, stored.FinishedAt = failed, shorten(reason, 2_000), &w.Now
		_, err = saved(w, stored, audit.Event{Action: "import.finish", Result: audit.Failure, Detail: map[string]any{"reason_code": string(fault.KindOf(cause))}})
		return err
	})
}
