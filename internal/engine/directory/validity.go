package directory

import (
	"time"

	"gorm.io/gorm/clause"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// CheckValidity returns every offending end of an assignment, with prefix before
// its path.
func CheckValidity(from, until *time.Time, prefix string) (fields []fault.Field) {
	if from != nil && !Writable(*from) {
		fields = append(fields, fault.Field{Path: prefix + "valid_from", Message: Unwritable})
	}
	if until != nil && !Writable(*until) {
		fields = append(fields, fault.Field{Path: prefix + "expires_at", Message: Unwritable})
	}
	if fields == nil && from != nil && until != nil && !from.Before(*until) {
		fields = append(fields, fault.Field{Path: prefix + "expires_at", Message: "must be after valid_from"})
	}
	return fields
}

// Unwritable says what is wrong with a time that is not [Writable].
const Unwritable = "must be in the years 0 to 9999 in UTC"

// Writable reports whether RFC 3339 can write a time in UTC, in which all are
// answered: its offset may carry it into a year without a name.
func Writable(t time.Time) bool {
	year := t.UTC().Year()
	return year >= 0 && year <= 9999
}

// AssignedAgain lets an assignment that is there already be replaced. It is by
// an access request no longer, unless the new one is: revoking that takes only
// what it gave.
func AssignedAgain() clause.OnConflict {
	return clause.OnConflict{
		Columns:   []clause.Column{{Name: "tenant_id"}, {Name: "user_id"}, {Name: "role_id"}},
		DoUpdates: clause.AssignmentColumns([]string{"valid_from", "expires_at", "is_active", "granted_by", "granted_by_tenant", "granted_at", "source_request_id"}),
	}
}
