package field

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// BulkIn is many new definitions of one owner.
type BulkIn struct {
	Body struct {
		OwnerIn
		Definitions []directory.FieldSpec `json:"definitions" minItems:"1" maxItems:"1000"`
	}
}

// Bulk is what was made.
type Bulk struct {
	Total       int          `json:"total"`
	Definitions []Definition `json:"definitions" doc:"In the order of the call."`
}

func (s *Service) bulk(ctx context.Context, in *BulkIn) (out *Bulk, err error) {
	const action = "field_definition.create"
	owner, err := directory.Owner(ctx, s.Write, action, in.Body.TenantID)
	if err != nil {
		return nil, err
	}
	rows, err := in.rows(owner)
	if err != nil {
		return nil, err
	}
	err = s.Write.Granting(ctx, action, func(w *change.Write) (granting.Change, error) {
		stored, err := insert(ctx, w, owner, rows, at)
		if err != nil {
			return granting.Change{}, err
		}
		out = &Bulk{Total: len(stored), Definitions: stored}
		events := make([]audit.Event, len(stored))
		for i := range stored {
			events[i] = event(action, nil, &stored[i])
		}
		return granting.Change{}, w.RecordAll(events)
	})
	return out, err
}

func at(i int) string { return fmt.Sprintf("definitions[%d].", i) }

// key is what an owner can define once.
type key struct{ entity, name string }

// rows are the new rows, or all that is wrong with them.
func (in *BulkIn) rows(owner *uuid.UUID) ([]*models.FieldDefinition, error) {
	rows := make([]*models.FieldDefinition, len(in.Body.Definitions))
	var fields []fault.Field
	first := map[key]int{}
	for i := range in.Body.Definitions {
		spec := &in.Body.Definitions[i]
		m, wrong := fresh(spec, owner, at(i))
		fields = append(fields, wrong...)
		k := key{spec.EntityType, spec.FieldName}
		if n, twice := first[k]; twice {
			fields = append(fields, fault.Field{Path: at(i) + "field_name", Message: fmt.Sprintf("is defined in definitions[%d] already", n)})
		} else {
			first[k] = i
		}
		rows[i] = m
	}
	if fields != nil {
		return nil, fault.Invalid(fields...)
	}
	return rows, nil
}

// insert stores new definitions of one owner, all or none, and returns them as
// they are stored. path says what stands before a member's path for each.
func insert(ctx context.Context, w *change.Write, owner *uuid.UUID, rows []*models.FieldDefinition, path func(int) string) ([]Definition, error) {
	tenant, _ := identity.TenantFrom(ctx)
	for _, m := range rows {
		if err := judged(w, nil, m); err != nil {
			return nil, err
		}
	}
	stored := make([]Definition, len(rows))
	err := directory.Within(w, owner, func() error {
		if err := directory.RoomForFields(w, owner, len(rows)); err != nil {
			return err
		}
		if err := untaken(w, tenant, owner, rows, path); err != nil {
			return err
		}
		if err := w.CreateInBatches(rows, 500).Error; err != nil {
			return refusals.Refused(fmt.Errorf("define fields: %w", err))
		}
		ids, entities, place := make([]uuid.UUID, len(rows)), make([]string, len(rows)), make(map[uuid.UUID]int, len(rows))
		for i, m := range rows {
			ids[i], entities[i], place[m.ID] = m.ID, m.EntityType, i
		}
		if err := directory.FieldsApart(w, owner, entities); err != nil {
			return err
		}
		var list []models.FieldDefinition
		if err := w.Where("id IN ?", ids).Find(&list).Error; err != nil {
			return fmt.Errorf("read field definitions: %w", err)
		}
		for i := range list {
			stored[place[list[i].ID]] = *view(&list[i])
		}
		return nil
	})
	return stored, err
}

// untaken refuses fields that are defined already: by the owner, by the
// platform, or, where the platform is to define them, by any tenant. It names
// all of them.
func untaken(w *change.Write, tenant uuid.UUID, owner *uuid.UUID, rows []*models.FieldDefinition, path func(int) string) error {
	entities, names := make([]string, len(rows)), make([]string, len(rows))
	for i, m := range rows {
		entities[i], names[i] = m.EntityType, m.FieldName
	}
	q := w.Model(&models.FieldDefinition{}).
		Where("(entity_type, field_name) IN (SELECT * FROM unnest(CAST(? AS text[]), CAST(? AS text[])))", models.Strings(entities), models.Strings(names))
	if owner != nil {
		q = q.Where("(tenant_id = ? OR tenant_id IS NULL)", tenant)
	}
	var taken []models.FieldDefinition
	if err := q.Select("tenant_id", "entity_type", "field_name").Find(&taken).Error; err != nil {
		return fmt.Errorf("look for field definitions: %w", err)
	}
	if len(taken) == 0 {
		return nil
	}
	own := map[key]bool{}
	for i := range taken {
		m := &taken[i]
		k := key{m.EntityType, m.FieldName}
		own[k] = own[k] || (m.TenantID == nil) == (owner == nil)
	}
	var fields []fault.Field
	for i, m := range rows {
		mine, is := own[key{m.EntityType, m.FieldName}]
		if !is {
			continue
		}
		message := takenElsewhere
		if mine {
			message = refusals["field_definitions_field_key"].Message
		}
		fields = append(fields, fault.Field{Path: path(i) + "field_name", Message: message})
	}
	e := fault.Conflict("", "%s", fields[0].Message)
	e.Fields = fields
	return e
}
