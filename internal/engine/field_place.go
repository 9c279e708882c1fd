package engine

import (
	"github.com/sentinel-access/sentinel/models"
)

// FieldColumn is where the rows of a type hold a field.
type FieldColumn struct {
	Name, DataType string
	// Place is a column, or the path in one that holds documents, with dots.
	Place string
}

// columns are those of the fields that are defined for a type.
func (s *Snapshot) columns(typ string) []FieldColumn {
	defined := s.fields[typ]
	out := make([]FieldColumn, len(defined))
	for i := range defined {
		out[i] = FieldColumn{Name: defined[i].name, DataType: defined[i].dataType, Place: defined[i].place}
	}
	return out
}

// FieldPlace is where a record holds a field: the column, or the path with dots.
func FieldPlace(m *models.FieldDefinition) string {
	switch {
	case m.StorageColumn != nil:
		return *m.StorageColumn
	case m.StoragePath != nil:
		return *m.StoragePath
	case m.FieldType == "core":
		return m.FieldName
	default:
		return DefaultStoragePath(m.FieldName)
	}
}

// DefaultStoragePath is where a field that is not core is stored unless it says
// otherwise: where conditions look for an attribute of that name.
func DefaultStoragePath(fieldName string) string { return "attributes." + fieldName }
