package models

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
)

// Strings is a text[] column without nulls. Nil is written as an empty array.
type Strings []string

var errNotArray = errors.New("not a one-dimensional text array without nulls")

// Value implements [driver.Valuer] with an array literal
// (https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO).
func (s Strings) Value() (driver.Value, error) {
	var b strings.Builder
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	b.WriteByte('{')
	for i, v := range s {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		b.WriteString(escape.Replace(v))
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String(), nil
}

// Scan implements [database/sql.Scanner].
func (s *Strings) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*s = nil
		return nil
	case []byte:
		return s.parse(string(v))
	case string:
		return s.parse(v)
	default:
		return fmt.Errorf("scan %T into Strings", src)
	}
}

func (s *Strings) parse(text string) error {
	body, ok := strings.CutPrefix(text, "{")
	if !ok {
		return fmt.Errorf("scan %q: %w", text, errNotArray)
	}
	out := Strings{}
	for body != "}" {
		element, rest, ok := nextElement(body)
		if !ok {
			return fmt.Errorf("scan %q: %w", text, errNotArray)
		}
		out = append(out, element)
		body = rest
	}
	*s = out
	return nil
}

// nextElement cuts the first element and the comma behind it off; the brace
// that closes the array stays.
func nextElement(body string) (element, rest string, ok bool) {
	if strings.HasPrefix(body, `"`) {
		element, rest, ok = quoted(body[1:])
	} else {
		end := strings.IndexAny(body, ",}")
		if end <= 0 {
			return "", "", false
		}
		element, rest = body[:end], body[end:]
		ok = !strings.EqualFold(element, "NULL") && !strings.ContainsAny(element, `{"\`)
	}
	if !ok {
		return "", "", false
	}
	if after, more := strings.CutPrefix(rest, ","); more {
		return element, after, after != "" && after != "}"
	}
	return element, rest, rest == "}"
}

func quoted(body string) (element, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			return b.String(), body[i+1:], true
		case '\\':
			i++
			if i == len(body) {
				return "", "", false
			}
		}
		b.WriteByte(body[i])
	}
	return "", "", false
}

// GormDataType implements GORM's GormDataTypeInterface.
func (Strings) GormDataType() string { return "text[]" }
