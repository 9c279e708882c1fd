package tenant

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/entitlement"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// valid checks all of a tenant that is not free-form, so that none that is
// stored can fail to load.
func valid(m *models.Tenant) error {
	settings, err := engine.DecodeObject(json.RawMessage(m.Settings))
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	fields := slices.Concat(checkSettings(settings), checkFeatures(m.Features))
	if m.IsolationMode != "shared" {
		fields = append(fields, fault.Field{
			Path: "isolation_mode", Message: "must be shared: a tenant cannot have a database of its own yet; all are kept apart by row-level security",
		})
	}
	if _, err := time.LoadLocation(m.TimeZone); err != nil || m.TimeZone == "" || m.TimeZone == "Local" {
		fields = append(fields, fault.Field{Path: "time_zone", Message: "must be an IANA time zone, such as Europe/Athens"})
	}
	if len(fields) == 0 {
		return nil
	}
	return fault.Invalid(fields...)
}

func checkSettings(settings map[string]any) (fields []fault.Field) {
	known := directory.Settings()
	for name, value := range settings {
		message := "is no setting; there are " + strings.Join(names(known), ", ") + ". What is free-form belongs in metadata"
		if setting, ok := known[name]; ok {
			message = setting.Check(value)
		}
		if message != "" {
			fields = append(fields, fault.Field{Path: "settings." + name, Message: message})
		}
	}
	slices.SortFunc(fields, func(a, b fault.Field) int { return strings.Compare(a.Path, b.Path) })
	return fields
}

func names[T any](of map[string]T) []string {
	list := make([]string, 0, len(of))
	for name := range of {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

func checkFeatures(features []string) (fields []fault.Field) {
	for i, name := range features {
		if !slices.Contains(entitlement.Known(), name) {
			fields = append(fields, fault.Field{
				Path: fmt.Sprintf("features[%d]", i), Message: "is no feature; there are " + strings.Join(entitlement.Known(), ", "),
			})
		}
	}
	return fields
}
