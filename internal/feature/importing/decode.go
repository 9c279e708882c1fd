package importing

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// row is one row of a file, as it waits to be written.
type row struct {
	Line int             `json:"l"`
	Raw  json.RawMessage `json:"v"`
	// Also are, of a role, permissions that name it in rows of their own; of a
	// permission, roles of this file that take it when they are written.
	Also []string `json:"p,omitempty"`
}

// given are the members that a row has: those it has not stay as they are, or
// take their default in a new object.
type given map[string]bool

// decode reads a row of the kind. It returns every offending member: unknown
// ones, those of another type, and what the form itself finds.
func decode[T any, P interface {
	*T
	validator
}](kind Kind, raw []byte,
) (*T, given, []fault.Field) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return nil, nil, []fault.Field{{Message: "must be a JSON object"}}
	}
	has := make(given, len(members))
	var fields []fault.Field
	for name, value := range members {
		if len(fields) >= mostFaults {
			break
		}
		if _, known := kind.member(name); !known && name != "kind" {
			fields = append(fields, fault.Field{Path: shorten(name, 100), Message: "is not a member that a row of kind " + string(kind) + " has"})
		}
		if string(value) == "null" && slices.Contains(neverNull, name) {
			fields = append(fields, fault.Field{Path: name, Message: "must not be null: leave it out"})
		}
		has[name] = true
	}
	if fields != nil {
		return nil, nil, fields
	}
	var spec T
	if err := json.Unmarshal(raw, &spec); err != nil {
		return nil, nil, []fault.Field{typeFault(err)}
	}
	return &spec, has, P(&spec).Validate("")
}

// mostFaults is how much of what is wrong with the members of a row is told.
const mostFaults = 20

// neverNull are members that are left out, not cleared.
var neverNull = []string{"is_active", "is_assignable", "workflow_enabled", "priority", "effect", "actions", "name", "type", "code", "email"}

// typeFault says which member is of another type than it should be.
func typeFault(err error) fault.Field {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fault.Field{Path: shorten(wrong.Field, 100), Message: "must be " + typeName(wrong.Type.Kind().String()) + ", not " + wrong.Value}
	}
	return fault.Field{Message: "has a member that cannot be read: times are written as in RFC 3339, such as 2026-01-31T12:00:00Z"}
}

func typeName(kind string) string {
	switch kind {
	case "string":
		return "a text"
	case "bool":
		return "true or false"
	case "int":
		return "a whole number"
	case "slice":
		return "a list of texts"
	default:
		return "an object"
	}
}

// decodeRow is [decode] for a kind that is known at run time only.
func decodeRow(kind Kind, raw []byte) (validator, []fault.Field) {
	switch kind {
	case Resource:
		return wrap(decode[directory.NodeSpec](kind, raw))
	case Permission:
		return wrap(decode[PermissionSpec](kind, raw))
	case Role:
		return wrap(decode[directory.RoleSpec](kind, raw))
	case Group:
		return wrap(decode[directory.GroupSpec](kind, raw))
	case User:
		return wrap(decode[UserSpec](kind, raw))
	default:
		return wrap(decode[AssignmentSpec](kind, raw))
	}
}

func wrap[P validator](spec P, _ given, fields []fault.Field) (validator, []fault.Field) {
	return spec, fields
}

// checkJSON holds a row to the rules for bodies: valid UTF-8, no NUL, no member
// twice, no more than 32 levels.
func checkJSON(raw []byte) []fault.Field {
	fields := httpapi.CheckJSON(raw)
	for i := range fields {
		if fields[i].Path == "body" {
			fields[i].Path = ""
		}
	}
	return fields
}

// shorten keeps a text that a caller wrote within n characters.
func shorten(s string, n int) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
