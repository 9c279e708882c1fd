package field

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// OwnerIn is embedded by what is new.
type OwnerIn struct {
	TenantID httpapi.Opt[uuid.UUID] `json:"tenant_id,omitempty" doc:"Default: the tenant in which the call acts. null: the platform's, for all tenants; operators only."`
}

// CreateIn is a new definition.
type CreateIn struct {
	Body struct {
		OwnerIn
		directory.FieldSpec
	}
}

func (s *Service) create(ctx context.Context, in *CreateIn) (created httpapi.Created[Definition], err error) {
	const action = "field_definition.create"
	owner, err := directory.Owner(ctx, s.Write, action, in.Body.TenantID)
	if err != nil {
		return created, err
	}
	m, fields := fresh(&in.Body.FieldSpec, owner, "")
	if fields != nil {
		return created, fault.Invalid(fields...)
	}
	err = s.Write.Granting(ctx, action, func(w *change.Write) (granting.Change, error) {
		stored, err := insert(ctx, w, owner, []*models.FieldDefinition{m}, func(int) string { return "" })
		if err != nil {
			return granting.Change{}, err
		}
		created = httpapi.Created[Definition]{Location: "/field-definitions/" + m.ID.String(), Data: stored[0]}
		return granting.Change{}, w.Record(event(action, nil, &created.Data))
	})
	return created, err
}

// fresh is the row of a new definition, or all that is wrong with it.
func fresh(spec *directory.FieldSpec, owner *uuid.UUID, prefix string) (*models.FieldDefinition, []fault.Field) {
	fields := append(spec.Validate(prefix), tier(spec, owner, prefix)...)
	if fields != nil {
		return nil, fields
	}
	m := &models.FieldDefinition{ID: uuid.Must(uuid.NewV7()), TenantID: owner}
	spec.Apply(m)
	return m, nil
}

// tier refuses what only one tenant has to be all tenants'.
func tier(spec *directory.FieldSpec, owner *uuid.UUID, prefix string) []fault.Field {
	if owner == nil && spec.FieldType == directory.TenantSpecificField {
		return []fault.Field{{Path: prefix + "field_type", Message: "must be core or platform_dynamic for a definition of the platform's"}}
	}
	return nil
}

// judged refuses a write by which somebody could gain, unless an administrator
// of the tenant makes it.
func judged(w *change.Write, before, after *models.FieldDefinition) error {
	gain := directory.FieldGain(before, after)
	if gain == "" || w.Judge.Admin() {
		return nil
	}
	of := after
	if of == nil {
		of = before
	}
	return fault.New(fault.Denied, "By this write more could be seen or changed of %s.%s than before: %s. Only a tenant_admin may do that; ask one to make it.",
		of.EntityType, of.FieldName, gain)
}

func event(action string, before, after *Definition) audit.Event {
	e := audit.Event{Action: action, ResourceType: "field_definition"}
	if before != nil {
		e.ResourceID, e.Before = before.ID, before
	}
	if after != nil {
		e.ResourceID, e.After = after.ID, after
	}
	return e
}

// UpdateIn changes the members given.
type UpdateIn struct {
	IDIn
	httpapi.IfMatchIn
	Body struct {
		EntityType        *string                     `json:"entity_type,omitempty" minLength:"1" maxLength:"100"`
		FieldName         *string                     `json:"field_name,omitempty" minLength:"1" maxLength:"100" doc:"The field stays where it is stored."`
		FieldType         *string                     `json:"field_type,omitempty" enum:"core,platform_dynamic,tenant_specific" doc:"With the storage of the new tier."`
		DataType          *string                     `json:"data_type,omitempty" enum:"string,text,integer,number,boolean,date,datetime,uuid,enum,reference,array,object,json"`
		StorageColumn     httpapi.Opt[string]         `json:"storage_column,omitempty" maxLength:"63" doc:"null: the default."`
		StoragePath       httpapi.Opt[string]         `json:"storage_path,omitempty" maxLength:"500" doc:"null: the default."`
		DisplayName       httpapi.Opt[string]         `json:"display_name,omitempty" maxLength:"255"`
		Description       httpapi.Opt[string]         `json:"description,omitempty" maxLength:"2000"`
		ValidationRules   httpapi.Opt[httpapi.Object] `json:"validation_rules,omitempty" doc:"Replaces them all. null: none."`
		DefaultVisibility *string                     `json:"default_visibility,omitempty" enum:"read,write,hidden"`
		IsPII             *bool                       `json:"is_pii,omitempty"`
		IsIndexed         *bool                       `json:"is_indexed,omitempty"`
		IsRequired        *bool                       `json:"is_required,omitempty"`
		IsActive          *bool                       `json:"is_active,omitempty"`
	}
}

// merged is the whole definition after the merge, to be checked like a new one.
func (in *UpdateIn) merged(m *models.FieldDefinition) (*directory.FieldSpec, error) {
	rules, err := engine.DecodeObject(view(m).ValidationRules)
	if err != nil {
		return nil, err
	}
	out := &directory.FieldSpec{
		EntityType: m.EntityType, FieldName: m.FieldName, FieldType: m.FieldType, DataType: m.DataType,
		DisplayName: m.DisplayName, Description: m.Description, ValidationRules: rules, DefaultVisibility: m.DefaultVisibility,
		IsPII: m.IsPII, IsIndexed: m.IsIndexed, IsRequired: m.IsRequired, IsActive: &m.IsActive,
	}
	b := &in.Body
	if b.FieldType == nil || *b.FieldType == m.FieldType {
		if at := engine.FieldPlace(m); m.FieldType == directory.CoreField {
			out.StorageColumn = at
		} else {
			out.StoragePath = at
		}
	}
	httpapi.Set(&out.EntityType, b.EntityType)
	httpapi.Set(&out.FieldName, b.FieldName)
	httpapi.Set(&out.FieldType, b.FieldType)
	httpapi.Set(&out.DataType, b.DataType)
	b.StorageColumn.To(&out.StorageColumn)
	b.StoragePath.To(&out.StoragePath)
	b.DisplayName.To(&out.DisplayName)
	b.Description.To(&out.Description)
	b.ValidationRules.To(&out.ValidationRules)
	httpapi.Set(&out.DefaultVisibility, b.DefaultVisibility)
	httpapi.Set(&out.IsPII, b.IsPII)
	httpapi.Set(&out.IsIndexed, b.IsIndexed)
	httpapi.Set(&out.IsRequired, b.IsRequired)
	if b.IsActive != nil {
		out.IsActive = b.IsActive
	}
	return out, nil
}

func (s *Service) update(ctx context.Context, in *UpdateIn) (out *Definition, err error) {
	const action = "field_definition.update"
	err = s.change(ctx, action, in.ID, in.IfMatchIn, func(w *change.Write, m *models.FieldDefinition) error {
		was := *m
		spec, err := in.merged(m)
		if err != nil {
			return err
		}
		if fields := append(spec.Validate(""), tier(spec, m.TenantID, "")...); fields != nil {
			return fault.Invalid(fields...)
		}
		spec.Apply(m)
		if err := judged(w, &was, m); err != nil {
			return err
		}
		if err := w.Save(m).Error; err != nil {
			return refusals.Refused(fmt.Errorf("update field definition: %w", err))
		}
		if m, err = crud.LockedShared[models.FieldDefinition](w.Tx, m.TenantID, m.ID, what); err != nil {
			return err
		}
		out = view(m)
		return directory.FieldsApart(w, m.TenantID, []string{m.EntityType})
	}, func(before *Definition) audit.Event { return event(action, before, out) })
	return out, err
}

// DeleteIn names the definition to delete.
type DeleteIn struct {
	IDIn
	httpapi.IfMatchIn
}

func (s *Service) delete(ctx context.Context, in *DeleteIn) error {
	const action = "field_definition.delete"
	return s.change(ctx, action, in.ID, in.IfMatchIn, func(w *change.Write, m *models.FieldDefinition) error {
		if err := judged(w, m, nil); err != nil {
			return err
		}
		if err := w.Delete(m).Error; err != nil {
			return fmt.Errorf("delete field definition: %w", err)
		}
		return nil
	}, func(before *Definition) audit.Event { return event(action, before, nil) })
}

// change runs fn on a definition that is there and as the caller knows it, where
// its owner's rows can be written, and records what recorded says of it.
func (s *Service) change(ctx context.Context, action string, id uuid.UUID, match httpapi.IfMatchIn,
	fn func(*change.Write, *models.FieldDefinition) error, recorded func(before *Definition) audit.Event,
) error {
	tenant, _ := identity.TenantFrom(ctx)
	operates := directory.Operates(ctx, s.Write)
	return s.Write.Granting(ctx, action, func(w *change.Write) (granting.Change, error) {
		found, err := crud.Shared[models.FieldDefinition](w.Tx, tenant, id, what)
		if err != nil {
			return granting.Change{}, err
		}
		if found.TenantID == nil && operates != nil {
			return granting.Change{}, operates
		}
		var before *Definition
		err = directory.Within(w, found.TenantID, func() error {
			m, err := crud.LockedShared[models.FieldDefinition](w.Tx, found.TenantID, id, what)
			if err != nil {
				return err
			}
			before = view(m)
			if err := match.Check(before.ETag()); err != nil {
				return err
			}
			return fn(w, m)
		})
		if err != nil {
			return granting.Change{}, err
		}
		return granting.Change{}, w.Record(recorded(before))
	})
}
