package engine

import (
	"strings"

	"github.com/sentinel-access/sentinel/internal/engine/filter"
	"github.com/sentinel-access/sentinel/models"
)

// places are where the rows of a type hold the fields that are defined for it.
func (s *Snapshot) places(typ string) map[string]filter.Place {
	out := map[string]filter.Place{}
	for i := range s.fields[typ] {
		f := &s.fields[typ][i]
		column, path, inside := strings.Cut(f.place, ".")
		place := filter.Place{Column: column, Type: filter.Type(f.dataType)}
		if inside {
			place.Path = strings.Split(path, ".")
		}
		out[f.name] = place
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
