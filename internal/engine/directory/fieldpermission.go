package directory

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// maxFields is how many fields one permission may name.
const maxFields = 200

var fieldPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,99}$`)

// CheckFieldName returns what is wrong with the name of a field, "" if nothing
// is.
func CheckFieldName(s string) string {
	if fieldPattern.MatchString(s) {
		return ""
	}
	return "must start with a letter or _ and hold only letters, digits, _ and - (at most 100 characters)"
}

// checkFields returns every offending member of field_permissions, in the order
// of the names. A deny takes the whole, so that fields on it could only mislead.
func (in *PermissionInput) checkFields() []fault.Field {
	const at = "field_permissions"
	var c Checker
	switch {
	case len(in.FieldPermissions) == 0:
		return nil
	case in.ResourceType == grants.APIType:
		c.Add(at, "must be left out for type api: its sections have no fields")
	case in.Effect == string(grants.Deny):
		c.Add(at, "must be left out of a deny, which denies the whole: hide fields in an allow")
	}
	if n := len(in.FieldPermissions); n > maxFields {
		c.Add(at, fmt.Sprintf("must name at most %d fields", maxFields))
		return c.Fields
	}
	for _, name := range slices.Sorted(maps.Keys(in.FieldPermissions)) {
		path := at + "." + shortened(name)
		c.Add(path, CheckFieldName(name))
		if v := in.FieldPermissions[name]; v != "read" && v != "write" && v != "hidden" {
			c.Add(path, "must be read, write or hidden")
		}
	}
	return c.Fields
}

// shortened keeps the path of a violation from being as long as what was sent.
func shortened(name string) string {
	const most = 100
	if runes := []rune(name); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return name
}

// storedFields is field_permissions as the database keeps it.
func storedFields(fields map[string]string) models.JSON {
	if len(fields) == 0 {
		return models.JSON("{}")
	}
	raw, err := json.Marshal(fields)
	if err != nil { // a map of texts always can be
		return models.JSON("{}")
	}
	return raw
}
