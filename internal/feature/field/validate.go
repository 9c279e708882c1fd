package field

import (
	"context"
	"fmt"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// ValidateIn is one record, or several, of an entity type.
type ValidateIn struct {
	Body struct {
		EntityType string           `json:"entity_type" minLength:"1" maxLength:"100"`
		Record     httpapi.Object   `json:"record,omitempty" doc:"A core field at its storage_column, any other at its storage_path: {\"imo_number\": \"1\", \"attributes\": {\"notes\": \"x\"}}."`
		Records    []httpapi.Object `json:"records,omitempty" minItems:"1" maxItems:"1000" doc:"Instead of record."`
		Partial    bool             `json:"partial,omitempty" doc:"The records are changes: what is left out stays as it is, so that required fields may be missing, but not null."`
	}
}

// maxViolations bounds the answer; how many there are in all it says too.
const maxViolations = 10_000

// Validation says what is wrong with records.
type Validation struct {
	Valid      bool        `json:"valid"`
	Records    int         `json:"records" doc:"How many were checked."`
	Total      int         `json:"total" doc:"How many violations there are."`
	Violations []Violation `json:"violations" maxItems:"10000" doc:"In the order of the records; the first 10,000."`
}

// Violation is one thing that is wrong.
type Violation struct {
	Path      string `json:"path" doc:"Such as record.attributes.notes, or records[3].imo_number."`
	FieldName string `json:"field_name,omitempty" doc:"The field that is there; empty where none is."`
	Message   string `json:"message"`
}

func (v *Validation) add(path, field, message string) {
	v.Total++
	if len(v.Violations) < maxViolations {
		v.Violations = append(v.Violations, Violation{Path: path, FieldName: field, Message: message})
	}
}

func (s *Service) validate(ctx context.Context, in *ValidateIn) (*Validation, error) {
	b := &in.Body
	if (b.Record == nil) == (b.Records == nil) {
		return nil, fault.InvalidAt("record", "must be given, or records")
	}
	if err := httpapi.Charge(ctx, len(b.Records)); err != nil {
		return nil, err
	}
	shape, err := s.shape(ctx, b.EntityType)
	if err != nil {
		return nil, err
	}
	records, path := b.Records, func(i int) string { return fmt.Sprintf("records[%d]", i) }
	if b.Record != nil {
		records, path = []httpapi.Object{b.Record}, func(int) string { return "record" }
	}
	out := &Validation{Records: len(records), Violations: []Violation{}}
	for i, record := range records {
		if err := shape.check(ctx, record, path(i), b.Partial, out); err != nil {
			return nil, err
		}
	}
	out.Valid = out.Total == 0
	return out, nil
}

// shape reads the active definitions of an entity type.
func (s *Service) shape(ctx context.Context, entity string) (*shape, error) {
	tenant, _ := identity.TenantFrom(ctx)
	var rows []models.FieldDefinition
	err := s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		return tx.Where("(tenant_id = ? OR tenant_id IS NULL) AND entity_type = ? AND is_active", tenant, entity).Order("field_name, id").Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("read field definitions: %w", err)
	}
	if len(rows) == 0 {
		return nil, fault.New(fault.NotFoundKind, "There are no field definitions of entity type %s in this tenant.", entity)
	}
	return newShape(entity, rows)
}
