package directory

import (
	"encoding/json"
	"fmt"
	"regexp"
	"unicode/utf8"

	"github.com/sentinel-access/sentinel/internal/engine"
)

// maxUsers is the highest limit of accounts that a tenant can be given.
const maxUsers = 10_000_000

// maxSubjectTypes bounds settings.authzen_subject_types.
const maxSubjectTypes = 20

// Setting is a setting that tenants have.
type Setting struct {
	// Check says what is wrong with a value, "" if nothing is.
	Check func(value any) string
	// FromAbove is set where a tenant may not decide for itself.
	FromAbove bool
}

// Settings are those that there are, by name. Whatever else a tenant wants to
// keep goes into its metadata: a name that is mistyped must not be taken for one
// of these.
func Settings() map[string]Setting {
	return map[string]Setting{
		"allow_rules":           {Check: truth, FromAbove: true},
		"authzen_subject_types": {Check: identifiers},
		"bundle_attributes":     {Check: attributeNames},
		"conflict_resolution": {Check: func(v any) string {
			return unless(v == engine.DenyOverrides || v == engine.MostSpecific, "must be "+engine.DenyOverrides+" or "+engine.MostSpecific)
		}},
		"inherit_permissions": {Check: truth, FromAbove: true},
		"max_users":           {Check: count, FromAbove: true},
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

// maxBundleAttributes bounds settings.bundle_attributes.
const maxBundleAttributes = 100

func attributeNames(v any) string {
	list, ok := v.([]any)
	ok = ok && len(list) <= maxBundleAttributes
	for _, one := range list {
		text, isText := one.(string)
		ok = ok && isText && text != "" && utf8.RuneCountInString(text) <= 100
	}
	return unless(ok, fmt.Sprintf("must be a list of at most %d names of attributes, each of 1 to 100 characters", maxBundleAttributes))
}
