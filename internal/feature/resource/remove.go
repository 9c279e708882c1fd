package resource

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// DeleteIn names the resource to delete.
type DeleteIn struct {
	IDIn
	httpapi.IfMatchIn
	Recursive bool `query:"recursive" doc:"Delete everything below it too. Default false."`
}

func (s *Service) delete(ctx context.Context, in *DeleteIn) error {
	tenant, _ := identity.TenantFrom(ctx)
	return s.Write.Granting(ctx, "resource.delete", func(w *change.Write) (c granting.Change, err error) {
		m, err := crud.Locked[models.Resource](w.Tx, tenant, in.ID, "resource")
		if err != nil {
			return c, err
		}
		if err := in.Check(view(m).ETag()); err != nil {
			return c, err
		}
		nodes, err := countSubtree(w.Tx, tenant, m)
		if err != nil {
			return c, err
		}
		if nodes > 1 && !in.Recursive {
			return c, fault.Conflict("", "The resource has %d others below it. Move or delete those first, or delete them with it by recursive=true.", nodes-1)
		}
		// Not a mere removal: an instance that is no longer registered hangs below
		// the entity node of its type, and nobody is denied any more what was
		// denied on a node that is gone.
		if c, err = w.Judge.SubtreeChange(w.Tx, m.ID); err != nil {
			return c, err
		}
		gone, err := goesWith(w, m)
		if err != nil {
			return c, err
		}
		if err := w.Where(subtree, tenant, m.Lineage, m.Lineage).Delete(&models.Resource{}).Error; err != nil {
			return c, refusals.Refused(fmt.Errorf("delete resource: %w", err))
		}
		return c, w.Record(audit.Event{Action: "resource.delete", ResourceType: "resource", ResourceID: m.ID, Before: view(m), Detail: gone})
	})
}

// maxNamed bounds the ids of each kind that an audit event names.
const maxNamed = 100

// goesWith says what is deleted with a subtree, and what loses its link to it:
// how many of each, and the ids of the first.
func goesWith(w *change.Write, root *models.Resource) (map[string]any, error) {
	in := w.Model(&models.Resource{}).Select("id").Where(subtree, root.TenantID, root.Lineage, root.Lineage)
	detail := map[string]any{}
	for _, kind := range []struct {
		name string
		rows *gorm.DB
	}{
		{"nodes", w.Model(&models.Resource{}).Where(subtree, root.TenantID, root.Lineage, root.Lineage)},
		{"permissions", w.Model(&models.Permission{}).Where("tenant_id = ? AND resource_id IN (?)", root.TenantID, in)},
		{"menu_items", w.Model(&models.MenuItem{}).Where("tenant_id = ? AND resource_id IN (?)", root.TenantID, in)},
	} {
		rows := kind.rows.Session(&gorm.Session{})
		var n int64
		if err := rows.Count(&n).Error; err != nil {
			return nil, fmt.Errorf("count %s of a subtree: %w", kind.name, err)
		}
		ids := []uuid.UUID{}
		if err := rows.Order("id").Limit(maxNamed).Pluck("id", &ids).Error; err != nil {
			return nil, fmt.Errorf("find %s of a subtree: %w", kind.name, err)
		}
		detail[kind.name] = map[string]any{"count": n, "ids": ids}
	}
	return detail, nil
}
