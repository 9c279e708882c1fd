package tenant

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/entitlement"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// maxUsers is the highest limit of accounts that a tenant can be given.
const maxUsers = 10_000_000

// maxSubjectTypes bounds settings.authzen_subject_types.
const maxSubjectTypes = 20

// known are the settings that there are, each with what it must be. Whatever
// else a tenant wants to keep goes into its metadata: a name that is mistyped
// must not be taken for one of these.
func known() map[string]func(any) string {
	return map[string]func(any) string{
		"allow_rules":           truth,
		"authzen_subject_types": identifiers,
		"conflict_resolution": func(v any) string {
			return unless(v == engine.DenyOverrides, "must be "+engine.DenyOverrides)
		},
		"inherit_permissions": truth,
		"max_users":           count,
	}
}

func unless(ok bool, message string) string {
	if ok {
		return ""
	}
	return message
}

func truth(v any) string {
	_, ok := v.(bool)
	return unless(ok, "must be true or false")
}

func count(v any) string {
	number, ok := v.(json.Number)
	n, err := number.Int64()
	return unless(ok && err == nil && n >= 1 && n <= maxUsers, fmt.Sprintf("must be a whole number from 1 to %d", maxUsers))
}

var identifier = regexp.MustCompile(`^[a-z][a-z0-9_]{0,99}$`)

func identifiers(v any) string {
	list, ok := v.([]any)
	ok = ok && len(list) > 0 && len(list) <= maxSubjectTypes
	for _, one := range list {
		text, isText := one.(string)
		ok = ok && isText && identifier.MatchString(text)
	}
	return unless(ok, fmt.Sprintf("must be a list of 1 to %d names of lower-case letters, digits and underscores", maxSubjectTypes))
}

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
	checks := known()
	for name, value := range settings {
		message := "is no setting; there are " + strings.Join(names(checks), ", ") + ". What is free-form belongs in metadata"
		if check, ok := checks[name]; ok {
			message = check(value)
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
