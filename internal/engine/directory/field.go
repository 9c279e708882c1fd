package directory

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/rule"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// The tiers of fields.
const (
	// CoreField is stored in a column of its own.
	CoreField = "core"
	// PlatformDynamicField and TenantSpecificField are stored in documents.
	PlatformDynamicField = "platform_dynamic"
	TenantSpecificField  = "tenant_specific"
)

// The visibilities that a field can have where no permission names it, from the
// least to the most.
const (
	HiddenField   = engine.HiddenField
	ReadableField = engine.ReadableField
	WritableField = engine.WritableField
)

// FieldSpec is a field definition as callers write it.
type FieldSpec struct {
	EntityType        string         `json:"entity_type" minLength:"1" maxLength:"100" doc:"The type of the records that have the field, such as vessel."`
	FieldName         string         `json:"field_name" minLength:"1" maxLength:"100" doc:"Unique for the entity type, over the tenant's definitions and the platform's. Letters, digits, _ and -."`
	FieldType         string         `json:"field_type" enum:"core,platform_dynamic,tenant_specific" doc:"The tier. core fields are stored in columns, the others in documents."`
	DataType          string         `json:"data_type,omitempty" enum:"string,text,integer,number,boolean,date,datetime,uuid,enum,reference,array,object,json" default:"string"`
	StorageColumn     string         `json:"storage_column,omitempty" maxLength:"63" doc:"Of a core field: the column that holds it. Default: field_name, if that can be a column."`
	StoragePath       string         `json:"storage_path,omitempty" maxLength:"500" doc:"Of the other fields: where a record holds it, member by member with dots. Default: attributes.<field_name>."`
	DisplayName       string         `json:"display_name,omitempty" maxLength:"255"`
	Description       string         `json:"description,omitempty" maxLength:"2000"`
	ValidationRules   httpapi.Object `json:"validation_rules,omitempty" doc:"pattern min max min_length max_length enum required format, each where the data type has a use for it. Default: none."`
	DefaultVisibility string         `json:"default_visibility,omitempty" enum:"read,write,hidden" default:"read" doc:"What holds where no permission names the field."`
	IsPII             bool           `json:"is_pii,omitempty" doc:"Personal data. An attribute of users that is so is encrypted at rest."`
	IsIndexed         bool           `json:"is_indexed,omitempty" doc:"Says to applications that they search by it."`
	IsRequired        bool           `json:"is_required,omitempty" doc:"A record must have a value."`
	IsActive          *bool          `json:"is_active,omitempty" doc:"Default true. An inactive definition counts as absent, but for its name."`
}

var columnPattern = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// maxPathSteps bounds how deep in a record a field can be.
const maxPathSteps = 8

// Validate returns every offending member, with prefix before its path.
func (in *FieldSpec) Validate(prefix string) []fault.Field {
	c := Checker{Prefix: prefix}
	c.Add("entity_type", engine.CheckType(in.EntityType))
	c.Add("field_name", CheckFieldName(in.FieldName))
	c.Add("field_type", oneOf(in.FieldType, CoreField, PlatformDynamicField, TenantSpecificField))
	c.Add("default_visibility", oneOf(in.visibility(), ReadableField, WritableField, HiddenField))
	c.Length("display_name", in.DisplayName, 0, 255)
	c.Length("description", in.Description, 0, 2000)
	c.Fields = append(c.Fields, in.checkStorage(prefix)...)
	_, wrong := rule.Compile(in.dataType(), in.ValidationRules)
	for _, f := range wrong {
		path := "validation_rules." + f.Path
		if f.Path == "" {
			path = "data_type"
		}
		c.Add(path, f.Message)
	}
	return c.Fields
}

func (in *FieldSpec) checkStorage(prefix string) []fault.Field {
	if in.FieldType == CoreField {
		switch {
		case in.StoragePath != "":
			return []fault.Field{{Path: prefix + "storage_path", Message: "must be left out for a core field: give storage_column"}}
		case in.StorageColumn == "" && !columnPattern.MatchString(in.FieldName):
			return []fault.Field{{Path: prefix + "storage_column", Message: "must be given, since field_name cannot be a column"}}
		case in.StorageColumn != "" && !columnPattern.MatchString(in.StorageColumn):
			return []fault.Field{{Path: prefix + "storage_column", Message: "must start with a lower-case letter or _ and hold only lower-case letters, digits and _ (at most 63 characters)"}}
		}
		return nil
	}
	if in.StorageColumn != "" {
		return []fault.Field{{Path: prefix + "storage_column", Message: "is of core fields only: give storage_path"}}
	}
	if in.StoragePath == "" {
		return nil
	}
	steps := strings.Split(in.StoragePath, ".")
	if len(steps) > maxPathSteps || slices.ContainsFunc(steps, func(step string) bool { return CheckFieldName(step) != "" }) {
		return []fault.Field{{Path: prefix + "storage_path", Message: fmt.Sprintf("must be 1 to %d names joined by dots, such as attributes.inspection.notes", maxPathSteps)}}
	}
	return nil
}

func (in *FieldSpec) dataType() string {
	if in.DataType == "" {
		return rule.String
	}
	return in.DataType
}

func (in *FieldSpec) visibility() string {
	if in.DefaultVisibility == "" {
		return ReadableField
	}
	return in.DefaultVisibility
}

// Apply writes the input's members over m. What is left out gets its default;
// the storage too, so that a later change of the name leaves it where it is.
func (in *FieldSpec) Apply(m *models.FieldDefinition) {
	m.EntityType, m.FieldName, m.FieldType, m.DataType = in.EntityType, in.FieldName, in.FieldType, in.dataType()
	m.StorageColumn, m.StoragePath = nil, nil
	if at := in.storage(); in.FieldType == CoreField {
		m.StorageColumn = &at
	} else {
		m.StoragePath = &at
	}
	m.DisplayName, m.Description, m.ValidationRules = in.DisplayName, in.Description, models.Object(in.ValidationRules)
	m.DefaultVisibility, m.IsPII, m.IsIndexed, m.IsRequired = in.visibility(), in.IsPII, in.IsIndexed, in.IsRequired
	m.IsActive = in.IsActive == nil || *in.IsActive
}

func (in *FieldSpec) storage() string {
	switch {
	case in.FieldType == CoreField && in.StorageColumn != "":
		return in.StorageColumn
	case in.FieldType == CoreField:
		return in.FieldName
	case in.StoragePath != "":
		return in.StoragePath
	default:
		return engine.DefaultStoragePath(in.FieldName)
	}
}

// FieldGain says by what of a write somebody could see, change or select more
// than before, "" if by nothing. before is nil for a new definition, after for
// one that goes. Only an administrator of the tenant may make such a write: a
// field's visibility is in no permission that an actor could hold.
func FieldGain(before, after *models.FieldDefinition) string {
	switch {
	case after == nil:
		return "without its definition the field is restrained by nothing"
	case before == nil && after.DefaultVisibility != HiddenField:
		return "default_visibility is not hidden"
	case before == nil && (after.FieldType == CoreField || engine.FieldPlace(after) != engine.DefaultStoragePath(after.FieldName)):
		return "it is stored elsewhere than in attributes." + after.FieldName
	case before == nil:
		return ""
	case rank(after.DefaultVisibility) > rank(before.DefaultVisibility):
		return "default_visibility is raised"
	case before.IsActive != after.IsActive:
		return "is_active is changed"
	case before.IsPII && !after.IsPII:
		return "is_pii is taken away"
	case before.EntityType != after.EntityType, before.FieldName != after.FieldName, before.FieldType != after.FieldType,
		before.DataType != after.DataType, engine.FieldPlace(before) != engine.FieldPlace(after):
		return "what the definition is of, or where the field is stored, is changed"
	default:
		return ""
	}
}

func rank(visibility string) int {
	return slices.Index([]string{HiddenField, ReadableField, WritableField}, visibility)
}
