package db

import (
	"database/sql/driver"
	"strings"

	"github.com/google/uuid"
)

// UUIDs is bound as one uuid[] parameter, for = ANY(?::uuid[]), where GORM
// would make a list of parameters of a slice.
type UUIDs []uuid.UUID

// Value implements [driver.Valuer].
func (u UUIDs) Value() (driver.Value, error) {
	var b strings.Builder
	b.WriteByte('{')
	for i, id := range u {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(id.String())
	}
	b.WriteByte('}')
	return b.String(), nil
}
