package importing

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// Forget takes out of files that wait what names a person who is erased: by an
// id, an address or an external id. Such rows count as refused.
func (s *Service) Forget(ctx context.Context, w *change.Write, names ...string) error {
	tenant, _ := identity.TenantFrom(ctx)
	var parts []uuid.UUID
	if err := w.Model(&models.ImportPart{}).Where("tenant_id = ?", tenant).Order("import_id, number").Pluck("id", &parts).Error; err != nil {
		return fmt.Errorf("find waiting rows: %w", err)
	}
	for _, id := range parts {
		// One at a time: they are whole files together.
		var p models.ImportPart
		err := w.Where("tenant_id = ? AND id = ?", tenant, id).Take(&p).Error
		if errors.Is(err, gorm.ErrRecordNotFound) {
			continue // written meanwhile
		}
		if err != nil {
			return fmt.Errorf("read waiting rows: %w", err)
		}
		if err := s.forget(w, &p, names); err != nil {
			return err
		}
	}
	for _, name := range names {
		if name == "" {
			continue
		}
		err := w.Exec(`
UPDATE sentinel.import_refusals
SET key = '', reason = 'was about an account that is erased'
WHERE tenant_id = ?
AND position(lower(?) IN lower(key)) > 0`, tenant, name).Error
		if err != nil {
			return fmt.Errorf("forget refusals: %w", err)
		}
	}
	return nil
}

func (s *Service) forget(w *change.Write, p *models.ImportPart, names []string) error {
	rows, err := s.open(p)
	if err != nil {
		return err
	}
	var kept []row
	var refused []models.ImportRefusal
	for _, r := range rows {
		if mentions(r.Raw, names) {
			refused = append(refused, refusal(r.Line, Kind(p.Kind), "", []fault.Field{{Message: "was about an account that is erased"}}))
		} else {
			kept = append(kept, r)
		}
	}
	if len(refused) == 0 {
		return nil
	}
	if err := s.replace(w, p, kept); err != nil {
		return err
	}
	m := &models.Import{ID: p.ImportID, TenantID: p.TenantID}
	if err := keep(w, m, refused); err != nil {
		return err
	}
	err = w.Exec(`
UPDATE sentinel.imports
SET refused_rows = refused_rows + @n, processed_rows = processed_rows + @n
WHERE tenant_id = @tenant
AND id = @id`, map[string]any{"n": len(refused), "tenant": p.TenantID, "id": p.ImportID}).Error
	if err != nil {
		return fmt.Errorf("count forgotten rows: %w", err)
	}
	return nil
}

// replace stores the rows of a part that are left.
func (s *Service) replace(w *change.Write, p *models.ImportPart, rows []row) error {
	if len(rows) == 0 {
		if err := w.Delete(p).Error; err != nil {
			return fmt.Errorf("forget rows: %w", err)
		}
		return nil
	}
	raw, err := json.Marshal(rows)
	if err != nil {
		return fmt.Errorf("encode rows: %w", err)
	}
	p.Sealed, p.RowCount = s.cfg.Master.Seal(raw, place(p.ID)), len(rows)
	if err := w.Save(p).Error; err != nil {
		return fmt.Errorf("forget rows: %w", err)
	}
	return nil
}

// mentions reports whether a row holds one of the texts, however it is spelt in
// JSON and in whatever case.
func mentions(raw json.RawMessage, texts []string) bool {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return true
	}
	var plain bytes.Buffer
	write(&plain, v)
	all := strings.ToLower(plain.String())
	for _, text := range texts {
		if text != "" && strings.Contains(all, strings.ToLower(text)) {
			return true
		}
	}
	return false
}

// write writes every text in v, names of members too, a line each.
func write(out *bytes.Buffer, v any) {
	switch v := v.(type) {
	case string:
		out.WriteString(v + "\n")
	case []any:
		for _, member := range v {
			write(out, member)
		}
	case map[string]any:
		for name, member := range v {
			out.WriteString(name + "\n")
			write(out, member)
		}
	}
}
