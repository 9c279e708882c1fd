package directory

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// MaxFields bounds the definitions of one owner.
const MaxFields = 10_000

// RoomForFields refuses more definitions than an owner may have, nil for the
// platform. It is asked under the tenant's lock.
func RoomForFields(w *change.Write, owner *uuid.UUID, more int) error {
	var n int64
	if err := crud.Owned(w.Model(&models.FieldDefinition{}), owner).Count(&n).Error; err != nil {
		return fmt.Errorf("count field definitions: %w", err)
	}
	if n+int64(more) > MaxFields {
		return fault.Conflict("", "A tenant has at most %d field definitions. Delete some first.", MaxFields)
	}
	return nil
}

// FieldsApart refuses two active fields of one of the entity types that are
// stored in one place: whoever may see the one would see the other. owner is
// whose definitions were written, nil for the platform; it is asked afterwards.
func FieldsApart(w *change.Write, owner *uuid.UUID, entities []string) error {
	slices.Sort(entities)
	q := w.Model(&models.FieldDefinition{}).Where("is_active AND entity_type = ANY (CAST(? AS text[]))", models.Strings(slices.Compact(entities)))
	if owner == nil {
		q = q.Where("tenant_id IS NULL")
	} else {
		q = q.Where("(tenant_id = ? OR tenant_id IS NULL)", *owner)
	}
	var shared []struct{ EntityType, Place, One, Other string }
	err := q.Select("entity_type, COALESCE(storage_column, storage_path, CASE field_type WHEN 'core' THEN field_name ELSE 'attributes.' || field_name END) AS place, min(field_name) AS one, max(field_name) AS other").
		Group("entity_type, place").Having("count(*) > 1").Order("entity_type, place").Limit(1).Scan(&shared).Error
	if err != nil {
		return fmt.Errorf("look for fields in one place: %w", err)
	}
	if len(shared) == 0 {
		return nil
	}
	c := shared[0]
	return fault.Conflict("", "The fields %s and %s of %s would be stored in one place, %s. Give one of them another storage_column or storage_path.", c.One, c.Other, c.EntityType, c.Place)
}
