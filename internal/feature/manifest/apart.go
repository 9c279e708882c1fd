package manifest

import (
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// fieldsApart refuses two active fields of an entity type that are stored in one
// place, if a manifest brings them there: whoever may see the one would see the
// other.
func (a *applier) fieldsApart() error {
	touched := map[string]bool{}
	for _, s := range a.of(fieldKind) {
		if s.after != nil {
			touched[s.after.text("entity_type")] = true
		}
	}
	if len(touched) == 0 {
		return nil
	}
	at := map[[2]string]string{}
	for _, list := range [][]*object{a.outcome.result[fieldKind], a.current.platformFields} {
		for _, o := range list {
			m := definition(o)
			if !m.IsActive || !touched[m.EntityType] {
				continue
			}
			place := [2]string{m.EntityType, directory.FieldPlace(m)}
			if other, ok := at[place]; ok {
				return fault.Conflict("manifest.fields", "The fields %s and %s would be stored in one place, %s. Give one of them another storage_column or storage_path.", other, o.name, place[1])
			}
			at[place] = o.name
		}
	}
	return nil
}
