// Package field owns the section "field-definitions": what fields the records of
// an entity type have, where each is stored, who sees it where no permission
// says otherwise, and what its values keep to. How decisions use that is the
// engine's.
package field

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// Service answers the section's calls.
type Service struct {
	Write *change.Writer
}

const (
	section = "field-definitions"
	// what a definition is called in faults.
	what = "field definition"
	// maxValidated bounds the body of a validation once it is unpacked.
	maxValidated = 8 << 20
)

// Register adds the section's routes.
func (s *Service) Register(api *httpapi.Server) {
	sec := api.Section("Field definitions", "The fields of records: where they are stored, who sees them, what their values keep to.")
	rule := "By it nobody may see or change more than before, unless a tenant_admin makes it: others define fields that are hidden and stored in attributes.<field_name>, " +
		"and change labels, rules and needs. tenant_id null is the platform's, for all tenants: operators only."
	httpapi.List(sec, httpapi.Route{
		Path: "/field-definitions", Summary: "List field definitions", Access: httpapi.Requires(section, "read"),
		Description: "The tenant's own and the platform's.",
	}, s.list)
	httpapi.Create(sec, httpapi.Route{
		Path: "/field-definitions", Summary: "Define a field", Access: httpapi.Requires(section, "create"), Granting: true, Description: rule,
	}, s.create)
	httpapi.Call(sec, httpapi.Route{
		Path: "/field-definitions/bulk", Summary: "Define many fields", Access: httpapi.Requires(section, "create"), Granting: true, Errors: []int{409},
		Description: "Up to 1,000, all or none: the answer to a refused call names everything that stands against it. " + rule,
	}, s.bulk)
	httpapi.Call(sec, httpapi.Route{
		Path: "/field-definitions/validate", Summary: "Check records against the definitions", Access: httpapi.Requires(section, "read"),
		Charged: true, Gzip: true, MaxBody: maxValidated,
		Description: "One record or up to 1,000 of an entity type; each counts as a question. What is wrong with them is a successful answer: 200 with valid false. Nothing is stored.",
	}, s.validate)
	httpapi.Get(sec, httpapi.Route{
		Path: "/field-definitions/{id}", Summary: "Read a field definition", Access: httpapi.Requires(section, "read"),
	}, s.read)
	httpapi.Update(sec, httpapi.Route{
		Path: "/field-definitions/{id}", Summary: "Change a field definition", Access: httpapi.Requires(section, "update"), Granting: true, Description: rule,
	}, s.update)
	httpapi.Delete(sec, httpapi.Route{
		Path: "/field-definitions/{id}", Summary: "Delete a field definition", Access: httpapi.Requires(section, "delete"), Granting: true, Errors: []int{409},
		Description: "Values that are stored stay as they are, and are then restrained by nothing: only a tenant_admin deletes, of the platform's an operator.",
	}, s.delete)
}

// Definition is a field definition as the API shows it.
type Definition struct {
	ID                uuid.UUID       `json:"id"`
	TenantID          *uuid.UUID      `json:"tenant_id" nullable:"true" doc:"null: the platform's, for all tenants."`
	EntityType        string          `json:"entity_type"`
	FieldName         string          `json:"field_name" doc:"Unique for the entity type, over the tenant's definitions and the platform's."`
	FieldType         string          `json:"field_type" enum:"core,platform_dynamic,tenant_specific"`
	DataType          string          `json:"data_type"`
	StorageColumn     *string         `json:"storage_column" nullable:"true" doc:"Of core fields."`
	StoragePath       *string         `json:"storage_path" nullable:"true" doc:"Of all others."`
	DisplayName       string          `json:"display_name"`
	Description       string          `json:"description"`
	ValidationRules   json.RawMessage `json:"validation_rules"`
	DefaultVisibility string          `json:"default_visibility" enum:"read,write,hidden"`
	IsPII             bool            `json:"is_pii"`
	IsIndexed         bool            `json:"is_indexed"`
	IsRequired        bool            `json:"is_required"`
	IsActive          bool            `json:"is_active"`
	CreatedAt         time.Time       `json:"created_at"`
	UpdatedAt         time.Time       `json:"updated_at"`
}

// ETag changes with every write to the definition.
func (d *Definition) ETag() string { return httpapi.ETag(d.ID, d.UpdatedAt.UnixNano()) }

func view(m *models.FieldDefinition) *Definition {
	return &Definition{
		ID: m.ID, TenantID: m.TenantID, EntityType: m.EntityType, FieldName: m.FieldName, FieldType: m.FieldType, DataType: m.DataType,
		StorageColumn: m.StorageColumn, StoragePath: m.StoragePath, DisplayName: m.DisplayName, Description: m.Description,
		ValidationRules: json.RawMessage(m.ValidationRules), DefaultVisibility: m.DefaultVisibility,
		IsPII: m.IsPII, IsIndexed: m.IsIndexed, IsRequired: m.IsRequired, IsActive: m.IsActive, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
}

var refusals = crud.Refusals{
	"field_definitions_field_key":    {Path: "field_name", Message: "This field of the entity type is defined already."},
	"field_definitions_platform_key": {Path: "field_name", Message: takenElsewhere},
}

const takenElsewhere = "The platform, or a tenant where the platform is to define it, has this field of the entity type already: neither overrides the other. Choose another name."

// ListIn is the query of the list.
type ListIn struct {
	httpapi.PageIn
	httpapi.OrderIn
	Sort       string            `query:"sort" enum:"entity_type,field_name,created_at" default:"created_at"`
	Scope      string            `query:"scope" enum:"tenant,platform" doc:"Only the tenant's own, or only the platform's."`
	EntityType string            `query:"entity_type" maxLength:"100"`
	FieldName  string            `query:"field_name" maxLength:"100"`
	FieldType  string            `query:"field_type" enum:"core,platform_dynamic,tenant_specific"`
	DataType   string            `query:"data_type" enum:"string,text,integer,number,boolean,date,datetime,uuid,enum,reference,array,object,json"`
	IsPII      httpapi.Opt[bool] `query:"is_pii"`
	IsRequired httpapi.Opt[bool] `query:"is_required"`
	IsIndexed  httpapi.Opt[bool] `query:"is_indexed"`
	IsActive   httpapi.Opt[bool] `query:"is_active"`
	Search     string            `query:"search" maxLength:"100" doc:"Part of the field's name, display name or description."`
}

func (s *Service) list(ctx context.Context, in *ListIn) (page httpapi.Page[Definition], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		q := tx.DB
		switch in.Scope {
		case "tenant":
			q = q.Where("tenant_id = ?", tenant)
		case "platform":
			q = q.Where("tenant_id IS NULL")
		default:
			q = q.Where("(tenant_id = ? OR tenant_id IS NULL)", tenant)
		}
		for _, f := range []struct{ column, value string }{
			{"entity_type", in.EntityType}, {"field_name", in.FieldName}, {"field_type", in.FieldType}, {"data_type", in.DataType},
		} {
			if f.value != "" {
				q = q.Where(f.column+" = ?", f.value)
			}
		}
		for _, f := range []struct {
			column string
			flag   httpapi.Opt[bool]
		}{{"is_pii", in.IsPII}, {"is_required", in.IsRequired}, {"is_indexed", in.IsIndexed}, {"is_active", in.IsActive}} {
			if f.flag.Set {
				q = q.Where(f.column+" = ?", f.flag.Value)
			}
		}
		q = crud.Contains(q, in.Search, "field_name", "display_name", "description")
		page, err = crud.List(q, in.PageIn, crud.Order{Column: in.Sort, Descending: in.Descending()}, view)
		return err
	})
	return page, err
}

// IDIn names one definition.
type IDIn struct {
	ID uuid.UUID `path:"id" doc:"The definition's id."`
}

func (s *Service) read(ctx context.Context, in *IDIn) (out *Definition, err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		m, err := crud.Shared[models.FieldDefinition](tx, tenant, in.ID, what)
		if err != nil {
			return err
		}
		out = view(m)
		return nil
	})
	return out, err
}
