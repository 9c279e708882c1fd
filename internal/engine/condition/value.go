package condition

import (
	"encoding/json"
	"strconv"
)

type kind uint8

const (
	kindMissing kind = iota
	kindNull
	kindBool
	kindNumber
	kindString
	kindList
	kindObject
)

// value is a decoded JSON value, or none. A struct rather than an any, so that
// reading a field of Env allocates nothing.
type value struct {
	kind kind
	b    bool
	// s is the text of a string or number.
	s string
	// list holds a list's members.
	list   []any
	object map[string]any
}

func valueOf(v any) value {
	switch v := v.(type) {
	case nil:
		return value{kind: kindNull}
	case bool:
		return value{kind: kindBool, b: v}
	case string:
		return value{kind: kindString, s: v}
	case json.Number:
		return value{kind: kindNumber, s: string(v)}
	case []any:
		return value{kind: kindList, list: v}
	case map[string]any:
		return value{kind: kindObject, object: v}
	case int:
		return value{kind: kindNumber, s: strconv.Itoa(v)}
	case int64:
		return value{kind: kindNumber, s: strconv.FormatInt(v, 10)}
	case float64:
		return value{kind: kindNumber, s: strconv.FormatFloat(v, 'g', -1, 64)}
	default:
		return value{}
	}
}

// plain is the inverse of valueOf.
func (v value) plain() any {
	switch v.kind {
	case kindBool:
		return v.b
	case kindNumber:
		return json.Number(v.s)
	case kindString:
		return v.s
	case kindList:
		return v.list
	case kindObject:
		return v.object
	default:
		return nil
	}
}

// equal compares scalars. Different kinds, nulls, lists and objects are
// unknown: two attributes that are both null are not thereby the same.
func equal(a, b value) Truth {
	if a.kind != b.kind {
		return Unknown
	}
	switch a.kind {
	case kindString:
		return truth(a.s == b.s)
	case kindBool:
		return truth(a.b == b.b)
	case kindNumber:
		c, ok := compareNumbers(a.s, b.s)
		if !ok {
			return Unknown
		}
		return truth(c == 0)
	default:
		return Unknown
	}
}

// order compares two numbers or two times; ok is false for anything else.
func order(a, b value) (c int, ok bool) {
	switch {
	case a.kind == kindNumber && b.kind == kindNumber:
		return compareNumbers(a.s, b.s)
	case a.kind == kindString && b.kind == kindString:
		x, okX := parseTime(a.s)
		y, okY := parseTime(b.s)
		if !okX || !okY {
			return 0, false
		}
		switch {
		case x < y:
			return -1, true
		case x > y:
			return 1, true
		}
		return 0, true
	default:
		return 0, false
	}
}
