package manifest

import (
	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
)

// limits refuses what the sections of fields and menus refuse once rows are
// there: too many, fields in one place, menus that are too deep.
func (a *applier) limits() error {
	if len(a.of(chainKind)) > 0 {
		if err := directory.RoomForChains(a.Write, a.tenant, 0); err != nil {
			return err
		}
	}
	var entities []string
	for _, s := range a.of(fieldKind) {
		if s.after != nil {
			entities = append(entities, s.after.text("entity_type"))
		}
	}
	if len(entities) > 0 {
		if err := directory.RoomForFields(a.Write, &a.tenant, 0); err != nil {
			return err
		}
		if err := directory.FieldsApart(a.Write, &a.tenant, entities); err != nil {
			return err
		}
	}
	var written []uuid.UUID
	for _, s := range a.of(menuKind) {
		if s.after != nil {
			written = append(written, s.after.id)
		}
	}
	if len(written) == 0 {
		return nil
	}
	if err := directory.RoomForMenuItems(a.Write, &a.tenant, 0); err != nil {
		return err
	}
	return directory.ShallowMenu(a.Write, &a.tenant, written...)
}
