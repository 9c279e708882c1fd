package directory

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

const (
	// MaxMenuItems bounds those of one owner: every menu reads all of them.
	MaxMenuItems = 2000
	// MaxMenuDepth is how many levels a menu has.
	MaxMenuDepth = 16
)

// RoomForMenuItems refuses more items than an owner may have, nil for the
// platform. It is asked under the tenant's lock.
func RoomForMenuItems(w *change.Write, owner *uuid.UUID, more int) error {
	var n int64
	if err := crud.Owned(w.Model(&models.MenuItem{}), owner).Count(&n).Error; err != nil {
		return fmt.Errorf("count menu items: %w", err)
	}
	if n+int64(more) > MaxMenuItems {
		return fault.Conflict("", "A tenant has at most %d menu items. Delete some first.", MaxMenuItems)
	}
	return nil
}

// ShallowMenu refuses places at which one of the written items, or one below it,
// is deeper than a menu goes. owner is whose they are, nil for the platform; it
// is asked afterwards. Of tenants' items below the platform's it knows nothing
// there: those a move can take deeper.
func ShallowMenu(w *change.Write, owner *uuid.UUID, written ...uuid.UUID) error {
	q := w.Select("id", "parent_id")
	if owner == nil {
		q = q.Where("tenant_id IS NULL")
	} else {
		q = q.Where("(tenant_id = ? OR tenant_id IS NULL)", *owner)
	}
	var rows []models.MenuItem
	if err := q.Find(&rows).Error; err != nil {
		return fmt.Errorf("read the tree of the menu: %w", err)
	}
	parents, is := make(map[uuid.UUID]*uuid.UUID, len(rows)), make(map[uuid.UUID]bool, len(written))
	for i := range rows {
		parents[rows[i].ID] = rows[i].ParentID
	}
	for _, id := range written {
		is[id] = true
	}
	for i := range rows {
		depth, below := 1, is[rows[i].ID]
		for p := rows[i].ParentID; p != nil && depth <= MaxMenuDepth+1; p = parents[*p] {
			below = below || is[*p]
			depth++
		}
		if below && depth > MaxMenuDepth {
			return fault.Conflict("parent_id", "The item, or one below it, would be more than %d levels deep.", MaxMenuDepth)
		}
	}
	return nil
}
