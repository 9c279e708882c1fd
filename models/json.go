package models

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
)

// JSON is a jsonb column, kept as text so that numbers stay exact. Nil is SQL's
// NULL, or the column's default in an INSERT.
type JSON json.RawMessage

// Value implements [driver.Valuer].
func (j JSON) Value() (driver.Value, error) {
	if j == nil {
		return nil, nil
	}
	return string(j), nil
}

// Scan implements [database/sql.Scanner].
func (j *JSON) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*j = nil
	case []byte:
		*j = append(JSON{}, v...)
	case string:
		*j = JSON(v)
	default:
		return fmt.Errorf("scan %T into JSON", src)
	}
	return nil
}

// MarshalJSON implements [json.Marshaler].
func (j JSON) MarshalJSON() ([]byte, error) { return json.RawMessage(j).MarshalJSON() }

// UnmarshalJSON implements [json.Unmarshaler].
func (j *JSON) UnmarshalJSON(data []byte) error {
	*j = append(JSON{}, data...)
	return nil
}

// GormDataType implements GORM's GormDataTypeInterface.
func (JSON) GormDataType() string { return "jsonb" }
